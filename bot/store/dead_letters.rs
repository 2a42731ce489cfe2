//! What was given up: put aside with its reason, in one transaction with the news of it; listed, tried again and dropped by
//! an operator. Nothing here goes by itself.

use serde_json::Value;

use super::{
    Store, StoreError,
    database::{Query, Row, Unit, query},
    fresh_id,
    inbox::{NewDelivery, insert_delivery},
    leases::Ticket,
    moment,
    outbox::append,
    turns,
};
use crate::domain::{TaskId, Timestamp, conversation::ConversationId, effect::Effect};

/// The most that is listed at once.
const LISTED_MAX: i64 = 500;
/// Tried at least once: whatever it says may stand on its surface already, so the next try looks before it acts.
const TRIED: i64 = 1;

/// One of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Deliveries.
    Inbox,
    /// Effects.
    Outbox,
}

/// Something that was given up, or that waits after a try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its identifier.
    pub id: String,
    /// Where it came from, or the lane that it waits in.
    pub origin: String,
    /// The task, where one is known.
    pub task: String,
    /// The conversation.
    pub conversation: String,
    /// Whether it was given up; otherwise it is still tried.
    pub given_up: bool,
    /// How often it was tried.
    pub attempts: i64,
    /// When it came.
    pub since: Timestamp,
    /// What went wrong last.
    pub error: String,
    /// The delivery or effect itself.
    pub body: String,
}

/// What became of an operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wished {
    /// It is as wished.
    Done,
    /// There is nothing given up, or waiting, of this identifier.
    Unknown,
    /// It is still tried, and has to be done whatever happens: a cancel, a word to the agent, a decision about the network.
    MustBeDone,
    /// Its task was cancelled or deleted: after that nothing is said or done any more.
    TaskIsOver,
}

/// A delivery that is given up.
#[derive(Debug, Clone)]
pub struct GivenUp<'a> {
    /// Which.
    pub id: &'a Ticket,
    /// Why.
    pub error: &'a str,
    /// What stays of its body; all of it where none is given.
    pub remains: Option<&'a Value>,
    /// What people hear of it, and where.
    pub news: Option<(&'a ConversationId, Effect)>,
    /// The task whose document cannot be read. It gives its place back until somebody can read it.
    pub unreadable: Option<&'a TaskId>,
}

impl Store {
    /// Gives a delivery up. It stays, with its error, and whoever waits for it hears of it, or nothing of all that happens.
    pub async fn give_up_delivery(
        &self,
        given_up: &GivenUp<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut unit = self.begin().await?;
        let buried = query(
            "UPDATE inbox SET state = 'dead', handled_ms = $2, error = $3, body = coalesce($4, body)
             WHERE id = $1 AND state = 'waiting' AND token = $5",
        )
        .bind(&given_up.id.id)
        .bind(now.0)
        .bind(given_up.error)
        .bind(given_up.remains.map(Value::to_string).as_deref())
        .bind(given_up.id.token)
        .execute(&mut unit)
        .await?;
        if buried == 1 {
            turns::of_conversation(&mut unit, &given_up.id.id).await?;
            if let Some((conversation, effect)) = &given_up.news {
                // What everybody is told stands in a slot of the task; an answer to one person needs none.
                let said = matches!(effect, Effect::Say { .. });
                let task = given_up.unreadable.filter(|_| said);
                append(&mut unit, task, conversation, effect, now).await?;
            }
            if let Some(task) = given_up.unreadable {
                query("UPDATE tasks SET state = 'unreadable', slot = 'none' WHERE id = $1")
                    .bind(&task.0)
                    .execute(&mut unit)
                    .await?;
            }
        }
        unit.commit().await?;
        Ok(())
    }

    /// Gives an effect up. It stays, with its error, and its task hears of it, or nothing of all that happens.
    pub async fn give_up_effect(
        &self,
        id: &Ticket,
        error: &str,
        news: Option<&NewDelivery>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut unit = self.begin().await?;
        let buried = query("UPDATE outbox SET state = 'dead', done_ms = $2, error = $3 WHERE id = $1 AND state = 'leased' AND token = $4")
            .bind(&id.id)
            .bind(now.0)
            .bind(error)
            .bind(id.token)
            .execute(&mut unit)
            .await?;
        if buried == 1
            && let Some(news) = news
        {
            insert_delivery(&fresh_id(), news, now)?
                .execute(&mut unit)
                .await?;
        }
        unit.commit().await?;
        turns::of_lane(self.database.writing(), &id.id).await?;
        Ok(())
    }

    /// What was given up and what waits after a try that failed, oldest first.
    pub async fn letters(&self, queue: Queue) -> Result<Vec<Letter>, StoreError> {
        let rows = listing(queue)
            .bind(LISTED_MAX)
            .fetch_all(self.database.reading())
            .await?;
        rows.iter().map(letter).collect()
    }

    /// One effect of those, by its identifier.
    pub async fn effect_letter(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        let row = query(
            "SELECT id, lane AS origin, task, conversation, state, attempts, created_ms AS since_ms, coalesce(error, '') AS error, effect AS body
             FROM outbox WHERE id = $1 AND state IN ('dead', 'ready')",
        )
        .bind(id)
        .fetch_optional(self.database.reading())
        .await?;
        row.as_ref().map(letter).transpose()
    }

    /// How many deliveries and how many effects were given up.
    pub async fn given_up(&self) -> Result<(i64, i64), StoreError> {
        let row = query(
            "SELECT (SELECT count(*) FROM inbox WHERE state = 'dead') AS deliveries,
                    (SELECT count(*) FROM outbox WHERE state = 'dead') AS effects",
        )
        .fetch_one(self.database.reading())
        .await?;
        Ok((row.try_get("deliveries")?, row.try_get("effects")?))
    }

    /// Tries again what was given up, now, in its old place; what waits for its time is tried at once.
    pub async fn retry_letter(
        &self,
        queue: Queue,
        id: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Wished, StoreError> {
        let mut unit = self.begin().await?;
        let Some(task) = task_of_letter(&mut unit, queue, id).await? else {
            return Ok(Wished::Unknown);
        };
        if !task.is_empty() && !may_still_speak(&mut unit, &task).await? {
            return Ok(Wished::TaskIsOver);
        }
        let text = match queue {
            Queue::Inbox => {
                "UPDATE inbox SET state = 'waiting', attempts = 0, due_ms = $2, handled_ms = NULL, owner = '' WHERE id = $1 AND state IN ('dead', 'waiting')"
            }
            Queue::Outbox => {
                "UPDATE outbox SET state = 'ready', attempts = $3, due_ms = $2, done_ms = NULL, owner = '' WHERE id = $1 AND state IN ('dead', 'ready')"
            }
        };
        let mut statement = query(text).bind(id).bind(now.0);
        if queue == Queue::Outbox {
            statement = statement.bind(TRIED);
        }
        if statement.execute(&mut unit).await? == 0 {
            return Ok(Wished::Unknown);
        }
        note(&mut unit, &task, by, "retry", queue, id, now).await?;
        unit.commit().await?;
        Ok(Wished::Done)
    }

    /// Lets go of something for good: what waits behind it goes on, and its task hears of it where `news` says so.
    pub async fn drop_letter(
        &self,
        queue: Queue,
        id: &str,
        by: &str,
        news: Option<&NewDelivery>,
        now: Timestamp,
    ) -> Result<Wished, StoreError> {
        let mut unit = self.begin().await?;
        let Some(task) = task_of_letter(&mut unit, queue, id).await? else {
            return Ok(Wished::Unknown);
        };
        if queue == Queue::Outbox && must_be_done(&mut unit, id).await? {
            return Ok(Wished::MustBeDone);
        }
        let text = match queue {
            Queue::Inbox => {
                "UPDATE inbox SET state = 'done', handled_ms = $2, error = $3, body = 'null' WHERE id = $1 AND state IN ('dead', 'waiting')"
            }
            Queue::Outbox => {
                "UPDATE outbox SET state = 'dropped', done_ms = $2, error = $3 WHERE id = $1 AND state IN ('dead', 'ready')"
            }
        };
        let dropped = query(text)
            .bind(id)
            .bind(now.0)
            .bind(format!("dropped by {by}"))
            .execute(&mut unit)
            .await?;
        if dropped == 0 {
            return Ok(Wished::Unknown);
        }
        if let Some(news) = news {
            insert_delivery(&fresh_id(), news, now)?
                .execute(&mut unit)
                .await?;
        }
        note(&mut unit, &task, by, "drop", queue, id, now).await?;
        unit.commit().await?;
        match queue {
            Queue::Inbox => turns::of_conversation(self.database.writing(), id).await?,
            Queue::Outbox => turns::of_lane(self.database.writing(), id).await?,
        }
        Ok(Wished::Done)
    }
}

const fn listing(queue: Queue) -> Query {
    query(match queue {
        Queue::Inbox => {
            "SELECT id, source AS origin, '' AS task, conversation, state, attempts, received_ms AS since_ms, coalesce(error, '') AS error, body
             FROM inbox WHERE state = 'dead' OR (state = 'waiting' AND attempts > 0) ORDER BY id LIMIT $1"
        }
        Queue::Outbox => {
            "SELECT id, lane AS origin, task, conversation, state, attempts, created_ms AS since_ms, coalesce(error, '') AS error, effect AS body
             FROM outbox WHERE state = 'dead' OR (state = 'ready' AND attempts > 0) ORDER BY id LIMIT $1"
        }
    })
}

fn letter(row: &Row) -> Result<Letter, StoreError> {
    Ok(Letter {
        id: row.try_get("id")?,
        origin: row.try_get("origin")?,
        task: row.try_get("task")?,
        conversation: row.try_get("conversation")?,
        given_up: row.try_get::<&str>("state")? == "dead",
        attempts: row.try_get("attempts")?,
        since: moment(row.try_get("since_ms")?),
        error: row.try_get("error")?,
        body: row.text("body")?.unwrap_or_else(|damage| damage),
    })
}

/// The task that something given up or waiting belongs to, empty for none; nothing where there is no such thing. On PostgreSQL
/// somebody may take it in hand right behind this look, so whoever changes it asks for its state again.
async fn task_of_letter(
    unit: &mut Unit,
    queue: Queue,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let row = query(match queue {
        Queue::Inbox => {
            "SELECT '' AS task FROM inbox WHERE id = $1 AND state IN ('dead', 'waiting')"
        }
        Queue::Outbox => "SELECT task FROM outbox WHERE id = $1 AND state IN ('dead', 'ready')",
    })
    .bind(id)
    .fetch_optional(unit)
    .await?;
    row.map(|row| Ok(row.try_get("task")?)).transpose()
}

async fn must_be_done(unit: &mut Unit, id: &str) -> Result<bool, StoreError> {
    let row =
        query("SELECT 1 FROM outbox WHERE id = $1 AND state = 'ready' AND lane LIKE 'control:%'")
            .bind(id)
            .fetch_optional(unit)
            .await?;
    Ok(row.is_some())
}

/// After the confirmation of a cancel nothing is said, pushed or asked of a model; of a deleted task nothing is known.
async fn may_still_speak(unit: &mut Unit, task: &str) -> Result<bool, StoreError> {
    let row = query("SELECT state FROM tasks WHERE id = $1")
        .bind(task)
        .fetch_optional(unit)
        .await?;
    let state = row.map(|row| row.try_get::<String>("state")).transpose()?;
    Ok(state.is_some_and(|state| state != "canceled"))
}

async fn note(
    unit: &mut Unit,
    task: &str,
    by: &str,
    wish: &str,
    queue: Queue,
    id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let of = match queue {
        Queue::Inbox => "delivery",
        Queue::Outbox => "effect",
    };
    query(
        "INSERT INTO audit (id, task, at_ms, person, act, detail) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(fresh_id())
    .bind(task)
    .bind(now.0)
    .bind(by)
    .bind(format!("{wish} {of}"))
    .bind(id)
    .execute(unit)
    .await?;
    Ok(())
}
