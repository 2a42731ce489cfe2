//! Tasks, and the one transaction that moves them.

use serde_json::Value;
use tracing::{debug, warn};

use super::{
    Store, StoreError,
    database::{Row, Unit, document, query},
    fresh_id,
    leases::Ticket,
    milestones,
    outbox::append_everywhere,
    posts::{ABOUT_SLOT, ALONE_SLOT, REQUEST_SLOT},
    preferences, turns,
};
use crate::domain::{
    TaskId, Timestamp,
    conversation::{ConversationId, PersonId, SubjectId},
    effect::Effect,
    preferences::Kept,
    task::{State, Task},
};

/// A task with the version at which it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The task.
    pub task: Task,
    /// Rises with each change.
    pub version: i64,
}

/// A decision for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who; empty for the bot itself.
    pub person: String,
    /// What.
    pub act: String,
    /// How, and on what.
    pub detail: String,
}

/// Everything that one delivery changes.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The delivery that is done with it.
    pub delivery: Ticket,
    /// Where it happened; effects without a task are said there, and answers to one person.
    pub conversation: ConversationId,
    /// The task as it is now, with the version at which it was read; version 0 for a new one.
    pub task: Option<Stored>,
    /// What the task must be the only live one about; none where there may be several. Otherwise it is a conflict, and who
    /// reads the delivery again finds the other task.
    pub alone: Option<SubjectId>,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// What is to be written into the audit log.
    pub audit: Vec<AuditEntry>,
    /// Settings that somebody changed.
    pub settings: Option<Kept>,
}

impl Store {
    /// Reads one task.
    pub async fn task(&self, id: &TaskId) -> Result<Option<Stored>, StoreError> {
        let row = query("SELECT id, document, version FROM tasks WHERE id = $1")
            .bind(&id.0)
            .fetch_optional(self.database.reading())
            .await?;
        row.as_ref().map(stored).transpose()
    }

    /// The newest task of a conversation, which was asked for there or brought there. Questions that are only answered are
    /// passed over where a task stands in the conversation.
    pub async fn task_of(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Stored>, StoreError> {
        let row = query(
            "SELECT id, document, version FROM tasks WHERE id IN (
                 SELECT id FROM tasks WHERE conversation = $1
                 UNION SELECT task FROM posts WHERE conversation = $1 AND slot = task || $2)
             ORDER BY CASE WHEN purpose = 'inquiry' THEN 1 ELSE 0 END, opened_ms DESC, id DESC LIMIT 1",
        )
        .bind(&conversation.0)
        .bind(format!(":{REQUEST_SLOT}"))
        .fetch_optional(self.database.reading())
        .await?;
        row.as_ref().map(stored).transpose()
    }

    /// The newest task about something that is not over.
    pub async fn task_about(&self, about: &SubjectId) -> Result<Option<Stored>, StoreError> {
        let row = query(
            "SELECT id, document, version FROM tasks
             WHERE id IN (SELECT task FROM posts WHERE conversation = $1 AND slot = task || $2)
               AND state NOT IN ('completed', 'failed', 'canceled', 'expired', 'unreadable')
             ORDER BY opened_ms DESC, id DESC LIMIT 1",
        )
        .bind(&about.0)
        .bind(format!(":{ABOUT_SLOT}"))
        .fetch_optional(self.database.reading())
        .await?;
        row.as_ref().map(stored).transpose()
    }

    /// The newest task about something, however it stands.
    pub async fn last_about(&self, about: &SubjectId) -> Result<Option<Stored>, StoreError> {
        let row = query(
            "SELECT id, document, version FROM tasks
             WHERE id IN (SELECT task FROM posts WHERE conversation = $1 AND slot = task || $2)
               AND state <> 'unreadable'
             ORDER BY opened_ms DESC, id DESC LIMIT 1",
        )
        .bind(&about.0)
        .bind(format!(":{ABOUT_SLOT}"))
        .fetch_optional(self.database.reading())
        .await?;
        row.as_ref().map(stored).transpose()
    }

    /// The same about something by its name, or else by one that it had before, in their order.
    pub async fn last_about_any(
        &self,
        about: &SubjectId,
        formerly: &[SubjectId],
    ) -> Result<Option<Stored>, StoreError> {
        for name in std::iter::once(about).chain(formerly) {
            if let Some(stored) = self.last_about(name).await? {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// Whether the conversation has a task.
    pub async fn knows_conversation(
        &self,
        conversation: &ConversationId,
    ) -> Result<bool, StoreError> {
        let row = query(
            "SELECT 1 FROM tasks WHERE conversation = $1
             UNION ALL SELECT 1 FROM posts WHERE conversation = $1 AND slot = task || $2 LIMIT 1",
        )
        .bind(&conversation.0)
        .bind(format!(":{REQUEST_SLOT}"))
        .fetch_optional(self.database.reading())
        .await?;
        Ok(row.is_some())
    }

    /// The newest tasks, of one person where one is given.
    pub async fn recent_tasks(
        &self,
        requester: Option<&PersonId>,
        limit: u32,
    ) -> Result<Vec<Task>, StoreError> {
        let rows = query("SELECT id, document, version FROM tasks WHERE ($1 = '' OR requester = $1) ORDER BY opened_ms DESC, id DESC LIMIT $2")
            .bind(requester.map_or("", |person| person.0.as_str()))
            .bind(i64::from(limit))
            .fetch_all(self.database.reading())
            .await?;
        rows.iter()
            .filter_map(readable)
            .map(|stored| stored.map(|stored| stored.task))
            .collect()
    }

    /// Every task in one of these states.
    pub async fn tasks_in(&self, state: &str) -> Result<Vec<Stored>, StoreError> {
        let rows = query("SELECT id, document, version FROM tasks WHERE state = $1")
            .bind(state)
            .fetch_all(self.database.reading())
            .await?;
        rows.iter().filter_map(readable).collect()
    }

    /// Who asked for a task, also where the task itself cannot be read.
    pub async fn requester_of(&self, id: &TaskId) -> Result<Option<PersonId>, StoreError> {
        let row = query("SELECT requester FROM tasks WHERE id = $1")
            .bind(&id.0)
            .fetch_optional(self.database.reading())
            .await?;
        row.map(|row| Ok(PersonId(row.try_get("requester")?)))
            .transpose()
    }

    /// The names of every task in a state, also of those that cannot be read.
    pub async fn task_ids_in(&self, state: &str) -> Result<Vec<TaskId>, StoreError> {
        let rows = query("SELECT id FROM tasks WHERE state = $1 ORDER BY id")
            .bind(state)
            .fetch_all(self.database.reading())
            .await?;
        rows.iter()
            .map(|row| Ok(TaskId(row.try_get("id")?)))
            .collect()
    }

    /// The task whose work stands on this branch of this repository.
    pub async fn task_of_branch(&self, branch: &str) -> Result<Option<Stored>, StoreError> {
        let Some((_, id)) = branch
            .strip_prefix("deckhand/")
            .and_then(|rest| rest.rsplit_once('-'))
        else {
            return Ok(None);
        };
        let found = self.task(&TaskId(id.to_owned())).await?;
        Ok(found.filter(|stored| stored.task.branch() == branch))
    }

    /// How many tasks of each state there are.
    pub async fn tasks_by_state(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = query("SELECT state, count(*) AS number FROM tasks GROUP BY state")
            .fetch_all(self.database.reading())
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("state")?, row.try_get("number")?)))
            .collect()
    }

    /// Does everything that a delivery changes, or nothing of it. Of the delivery's own body `remains` stays: it is not
    /// read again.
    pub async fn commit(
        &self,
        transition: &Transition,
        remains: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let done = query("UPDATE inbox SET state = 'done', handled_ms = $2, error = NULL, body = $3 WHERE id = $1 AND state = 'waiting' AND token = $4")
            .bind(&transition.delivery.id)
            .bind(now.0)
            .bind(remains.to_string())
            .bind(transition.delivery.token)
            .execute(&mut transaction)
            .await?;
        if done != 1 {
            return Err(StoreError::Conflict);
        }
        turns::of_conversation(&mut transaction, &transition.delivery.id).await?;
        if let Some(stored) = &transition.task {
            milestones::pass(&mut transaction, stored, &transition.delivery, now).await?;
            save(&mut transaction, stored, now).await?;
            if is_cancel(transition) {
                drop_everything_open(&mut transaction, &stored.task.id, now).await?;
            }
            if let Some(about) = &transition.alone {
                be_alone(&mut transaction, about, &stored.task.id).await?;
            }
        }
        let task = transition
            .task
            .as_ref()
            .map(|stored| stored.task.id.clone());
        if let Some(kept) = &transition.settings {
            preferences::keep(&mut transaction, kept, now).await?;
        }
        for effect in &transition.effects {
            append_everywhere(&mut transaction, transition, effect, now).await?;
        }
        for entry in &transition.audit {
            query("INSERT INTO audit (id, task, at_ms, person, act, detail) VALUES ($1, $2, $3, $4, $5, $6)")
                .bind(fresh_id())
                .bind(task.as_ref().map_or("", |task| task.0.as_str()))
                .bind(now.0)
                .bind(&entry.person)
                .bind(&entry.act)
                .bind(&entry.detail)
                .execute(&mut transaction)
                .await?;
        }
        transaction.commit().await?;
        if let Some(task) = task.filter(|_| !transition.effects.is_empty())
            && let Err(error) = self.ring_elsewhere(&task).await
        {
            debug!(%error, "nobody was rung for; whoever has the task looks by itself");
        }
        Ok(())
    }

    /// The audit log of one task, oldest first: moment, person, act, detail.
    pub async fn audit_of(
        &self,
        task: &TaskId,
    ) -> Result<Vec<(Timestamp, AuditEntry)>, StoreError> {
        let rows =
            query("SELECT at_ms, person, act, detail FROM audit WHERE task = $1 ORDER BY id")
                .bind(&task.0)
                .fetch_all(self.database.reading())
                .await?;
        rows.iter()
            .map(|row| {
                let entry = AuditEntry {
                    person: row.try_get("person")?,
                    act: row.try_get("act")?,
                    detail: row.try_get("detail")?,
                };
                Ok((Timestamp(row.try_get("at_ms")?), entry))
            })
            .collect()
    }
}

/// Leaves out what cannot be read, so that one damaged task does not hide the others.
pub(super) fn readable(row: &Row) -> Option<Result<Stored, StoreError>> {
    match stored(row) {
        Err(error @ StoreError::Task(..)) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "a task is left out"
            );
            None
        }
        other => Some(other),
    }
}

fn unreadable(row: &Row, error: String) -> StoreError {
    match row.try_get("id") {
        Ok(id) => StoreError::Task(TaskId(id), error),
        Err(error) => error.into(),
    }
}

fn stored(row: &Row) -> Result<Stored, StoreError> {
    Ok(Stored {
        task: document(row, "document")?.map_err(|error| unreadable(row, error))?,
        version: row.try_get("version")?,
    })
}

async fn save(transaction: &mut Unit, stored: &Stored, now: Timestamp) -> Result<(), StoreError> {
    let task = &stored.task;
    let document = serde_json::to_string(task)?;
    let slot = if task.state.holds_slot() {
        "held"
    } else {
        "none"
    };
    if stored.version == 0 {
        query(
            "INSERT INTO tasks (id, conversation, requester, state, slot, version, document, opened_ms, changed_ms, queued_ms, purpose)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10)",
        )
        .bind(&task.id.0)
        .bind(&task.conversation.0)
        .bind(&task.request.author.id.0)
        .bind(task.state.name())
        .bind(slot)
        .bind(document)
        .bind(task.opened_at.0)
        .bind(task.changed_at.0)
        .bind(now.0)
        .bind(task.purpose().name())
        .execute(&mut *transaction)
        .await?;
        return remember_places(transaction, task).await;
    }
    if !task.also.is_empty() || task.about.is_some() {
        remember_places(transaction, task).await?;
    }
    // A promise of the machine stays while the task is still queued; it is taken up by the event that follows it.
    let done = query(
        "UPDATE tasks SET state = $3, document = $4, version = version + 1, changed_ms = $5,
                slot = CASE WHEN $3 = 'queued' AND state = 'queued' THEN slot ELSE $6 END,
                queued_ms = CASE WHEN $3 = 'queued' AND state <> 'queued' THEN $7 ELSE queued_ms END
         WHERE id = $1 AND version = $2",
    )
    .bind(&task.id.0)
    .bind(stored.version)
    .bind(task.state.name())
    .bind(document)
    .bind(task.changed_at.0)
    .bind(slot)
    .bind(now.0)
    .execute(&mut *transaction)
    .await?;
    if done != 1 {
        return Err(StoreError::Conflict);
    }
    Ok(())
}

/// Whether a transition is the one that cancels its task. Others may follow before the cancel is confirmed, and leave alone
/// what it has asked for.
fn is_cancel(transition: &Transition) -> bool {
    let task = transition.task.as_ref().map(|stored| &stored.task);
    task.is_some_and(|task| matches!(task.state, State::Canceled { .. }))
        && transition.effects.contains(&Effect::StopAll)
}

/// Remembers what opened the task in each of its conversations, and what it is about, so that it is found by them.
async fn remember_places(transaction: &mut Unit, task: &Task) -> Result<(), StoreError> {
    let request = &task.request.reference.0;
    let home = (&task.conversation.0, REQUEST_SLOT, request);
    let also = task.also.iter().map(|place| {
        let opening = &place.opening.0;
        (&place.conversation.0, REQUEST_SLOT, opening)
    });
    let about = task
        .about
        .iter()
        .map(|about| (&about.0, ABOUT_SLOT, &about.0));
    let places: Vec<(&String, &str, &String)> =
        std::iter::once(home).chain(also).chain(about).collect();
    for (conversation, slot, reference) in places {
        query("INSERT INTO posts (conversation, slot, task, reference) VALUES ($1, $2, $3, $4) ON CONFLICT (conversation, slot) DO NOTHING")
            .bind(conversation)
            .bind(format!("{}:{slot}", task.id))
            .bind(&task.id.0)
            .bind(reference)
            .execute(&mut *transaction)
            .await?;
    }
    Ok(())
}

/// Makes a task the only live one about something. Two that are opened at once, of two conversations, meet at one row.
async fn be_alone(
    transaction: &mut Unit,
    about: &SubjectId,
    task: &TaskId,
) -> Result<(), StoreError> {
    let is_first = query("INSERT INTO posts (conversation, slot, task, reference) VALUES ($1, $2, $3, $4) ON CONFLICT (conversation, slot) DO NOTHING")
        .bind(&about.0)
        .bind(ALONE_SLOT)
        .bind(&task.0)
        .bind(&about.0)
        .execute(&mut *transaction)
        .await?;
    if is_first == 1 {
        return Ok(());
    }
    let over = query(
        "SELECT posts.task AS task FROM posts LEFT JOIN tasks ON tasks.id = posts.task
         WHERE posts.conversation = $1 AND posts.slot = $2
           AND (tasks.id IS NULL OR tasks.state IN ('completed', 'failed', 'canceled', 'expired', 'unreadable'))",
    )
    .bind(&about.0)
    .bind(ALONE_SLOT)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(over) = over else {
        return Err(StoreError::Conflict);
    };
    let before: String = over.try_get("task")?;
    // Of two that follow the same one, the second finds another name there.
    let follows =
        query("UPDATE posts SET task = $3 WHERE conversation = $1 AND slot = $2 AND task = $4")
            .bind(&about.0)
            .bind(ALONE_SLOT)
            .bind(&task.0)
            .bind(before)
            .execute(&mut *transaction)
            .await?;
    if follows == 1 {
        Ok(())
    } else {
        Err(StoreError::Conflict)
    }
}

/// A cancelled task says and does nothing more but what follows from the cancel itself, which is appended behind this.
pub(super) async fn drop_everything_open(
    transaction: &mut Unit,
    task: &TaskId,
    now: Timestamp,
) -> Result<(), StoreError> {
    query("UPDATE outbox SET state = 'dropped', done_ms = $2, error = 'cancelled' WHERE task = $1 AND state = 'ready'")
        .bind(&task.0)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
    Ok(())
}
