//! Deliveries: everything that comes in, stored before it is answered. A repeat is a no-op.

use std::borrow::Borrow;

use serde_json::Value;

use super::{
    Store, StoreError,
    database::{Query, Row, document, query},
    dialect, fresh_id,
    leases::{Lease, Table, Ticket},
    moment,
};
use crate::domain::Timestamp;

/// Where a delivery came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Slack's events, interactions and commands.
    Slack,
    /// Linear's webhooks.
    Linear,
    /// GitHub's webhooks.
    Github,
    /// The bot's own work: an event of one task.
    Work,
    /// The command line.
    CommandLine,
    /// The REST API.
    Api,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Slack,
        Self::Linear,
        Self::Github,
        Self::Work,
        Self::CommandLine,
        Self::Api,
    ];

    /// Its name in the database and in counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Linear => "linear",
            Self::Github => "github",
            Self::Work => "work",
            Self::CommandLine => "command_line",
            Self::Api => "api",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// A delivery to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Where it came from.
    pub source: Source,
    /// What makes it the same delivery when it comes again.
    pub key: String,
    /// The lane in which order holds: a conversation, or a task's identifier.
    pub conversation: String,
    /// The body as it came.
    pub body: Value,
}

/// A stored delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its identifier; later deliveries sort behind earlier ones.
    pub id: Ticket,
    /// Where it came from.
    pub source: Source,
    /// Its lane.
    pub conversation: String,
    /// The body as it came.
    pub body: Value,
    /// How often it was tried.
    pub attempts: i64,
    /// When it came.
    pub received: Timestamp,
}

/// The delivery whose turn it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A delivery.
    Delivery(Delivery),
    /// A row that this program cannot read: it was damaged, or a newer program stored it.
    Unreadable {
        /// The right to it.
        id: Ticket,
        /// What is wrong with it.
        error: String,
    },
}

/// What became of a delivery at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored now.
    Stored,
    /// It was stored before.
    Repeated,
}

impl Accepted {
    /// What it means that a statement has stored so many rows.
    pub(super) const fn of(rows: u64) -> Self {
        if rows == 1 {
            Self::Stored
        } else {
            Self::Repeated
        }
    }
}

/// Stores a delivery unless it is there, as a part of something larger. It gets no mark, which costs a claim a look at it.
pub(super) fn insert_delivery(
    id: &str,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<Query, StoreError> {
    let statement = query(
        "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
         VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $6, $6) ON CONFLICT (source, delivery_key) DO NOTHING",
    );
    bound(statement, id, delivery, now)
}

/// The same by itself, with the mark where it stands behind an older one.
pub(super) fn accept_delivery(
    id: &str,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<Query, StoreError> {
    bound(dialect::insert_delivery(), id, delivery, now)
}

fn bound(
    statement: Query,
    id: &str,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<Query, StoreError> {
    Ok(statement
        .bind(id)
        .bind(delivery.source.name())
        .bind(&delivery.key)
        .bind(&delivery.conversation)
        .bind(serde_json::to_string(&delivery.body)?)
        .bind(now.0))
}

impl Store {
    /// Stores a delivery. When this returns, it is on the disk.
    ///
    /// One that is given away is in memory as its text alone until then: many may come at once.
    pub async fn accept(
        &self,
        delivery: impl Borrow<NewDelivery>,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        if let Some(intake) = &self.intake {
            let written = intake.written(delivery.borrow(), now)?;
            drop(delivery);
            return written.stored().await;
        }
        let statement = accept_delivery(&fresh_id(), delivery.borrow(), now)?;
        drop(delivery);
        let done = statement.execute(self.database.writing()).await?;
        Ok(Accepted::of(done))
    }

    /// Takes the oldest delivery that is due and has no older one waiting in its conversation. It is this caller's for a lease.
    pub async fn next_delivery(&self, now: Timestamp) -> Result<Option<Next>, StoreError> {
        let row = dialect::claim_delivery()
            .bind(now.0)
            .bind(&*self.hands.owner)
            .bind(Lease::Brief.until(now))
            .fetch_optional(self.database.writing())
            .await?;
        row.as_ref().map(|row| self.next(row)).transpose()
    }

    fn next(&self, row: &Row) -> Result<Next, StoreError> {
        let id = self.hands.take(
            Table::Inbox,
            row.try_get("id")?,
            row.try_get("token")?,
            Lease::Brief,
        );
        let name: &str = row.try_get("source")?;
        let Some(source) = Source::named(name) else {
            let error = format!("this Deckhand knows no source `{name}`");
            return Ok(Next::Unreadable { id, error });
        };
        let body = match document(row, "body")? {
            Ok(body) => body,
            Err(error) => {
                let error = format!("the stored body is damaged: {error}");
                return Ok(Next::Unreadable { id, error });
            }
        };
        Ok(Next::Delivery(Delivery {
            id,
            source,
            conversation: row.try_get("conversation")?,
            body,
            attempts: row.try_get("attempts")?,
            received: moment(row.try_get("received_ms")?),
        }))
    }

    /// Gives a delivery back that the database failed, as soon as the database takes that; else it and everything behind it
    /// would wait for the rest of the lease. What was stored of it after all stays.
    pub async fn hand_back_delivery(&self, id: &Ticket) -> Result<(), StoreError> {
        query("UPDATE inbox SET owner = '' WHERE id = $1 AND state = 'waiting' AND token = $2 AND owner = $3")
            .bind(&id.id)
            .bind(id.token)
            .bind(&*self.hands.owner)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// Tries a delivery again later.
    pub async fn postpone_delivery(
        &self,
        id: &Ticket,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        query("UPDATE inbox SET attempts = attempts + 1, due_ms = $2, error = $3, owner = '' WHERE id = $1 AND state = 'waiting' AND token = $4")
            .bind(&id.id)
            .bind(until.0)
            .bind(error)
            .bind(id.token)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// How many deliveries wait, and since when the oldest does.
    pub async fn inbox_depth(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let row = query("SELECT count(*) AS depth, min(received_ms) AS oldest FROM inbox WHERE state = 'waiting'").fetch_one(self.database.reading()).await?;
        Ok((
            row.try_get("depth")?,
            row.try_get::<Option<i64>>("oldest")?.map(moment),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::{
        domain::conversation::ConversationId,
        store::{dead_letters::GivenUp, tasks::Transition},
    };

    /// Long enough to have pages of the file to itself.
    fn pasted() -> String {
        "pasted-canary-7731 ".repeat(2_000)
    }

    /// Everything that lies in a folder.
    fn contents(folder: &std::path::Path) -> String {
        let files = std::fs::read_dir(folder).unwrap();
        let bytes = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap());
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
    }

    #[tokio::test]
    async fn what_a_delivery_said_is_gone_from_the_file_once_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let now = Timestamp(1);
        let store = Store::open(&address).await.unwrap();
        for key in ["handled", "given up"] {
            let delivery = NewDelivery {
                source: Source::Slack,
                key: key.to_owned(),
                conversation: format!("c:{key}"),
                body: json!({ "key": key, "text": pasted() }),
            };
            store.accept(&delivery, now).await.unwrap();
        }
        store.close().await;
        assert!(contents(folder.path()).contains("pasted-canary"));

        let store = Store::open(&address).await.unwrap();
        while let Some(Next::Delivery(delivery)) = store.next_delivery(now).await.unwrap() {
            let remains = json!({ "key": delivery.body["key"], "text": "[redacted]" });
            if delivery.body["key"] == "handled" {
                let transition = Transition {
                    delivery: delivery.id.clone(),
                    conversation: ConversationId(delivery.conversation.clone()),
                    task: None,
                    alone: None,
                    effects: Vec::new(),
                    audit: Vec::new(),
                    settings: None,
                };
                store.commit(&transition, &remains, now).await.unwrap();
            } else {
                let given_up = GivenUp {
                    id: &delivery.id,
                    error: "why",
                    remains: Some(&remains),
                    news: None,
                    unreadable: None,
                };
                store.give_up_delivery(&given_up, now).await.unwrap();
            }
        }
        store.close().await;
        let kept = contents(folder.path());
        assert!(!kept.contains("pasted-canary"));
        for rest in [
            r#"{"key":"handled","text":"[redacted]"}"#,
            r#"{"key":"given up","text":"[redacted]"}"#,
        ] {
            assert!(kept.contains(rest), "{rest} is not kept");
        }
    }
}
