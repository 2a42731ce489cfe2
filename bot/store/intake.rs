//! Intake of SQLite in groups: callers that come while the disk is busy share the next commit. Who comes alone does not wait
//! for others.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use super::{
    StoreError,
    database::On,
    dialect, fresh_id,
    inbox::{Accepted, NewDelivery, insert_delivery},
};
use crate::domain::Timestamp;

/// The most deliveries that wait for their group; who comes then waits for a place.
const WAITING_MAX: usize = 1_024;
/// The most deliveries of one group.
const GROUP_MAX: usize = 256;
/// The most bytes of bodies in one group, unless a single one is larger.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// The way into the inbox. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Intake(mpsc::Sender<Waiting>);

/// A delivery and who waits for it.
#[derive(Debug)]
struct Waiting {
    id: String,
    delivery: NewDelivery,
    body: String,
    now: Timestamp,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
}

impl Waiting {
    /// Text that is the same in SQL and in JSON's functions; a zero byte is not.
    fn is_plain(&self) -> bool {
        !self.delivery.key.contains('\0') && !self.delivery.conversation.contains('\0')
    }
}

impl Intake {
    /// Begins to take deliveries in; it ends with its last clone.
    pub(super) fn start(write: SqlitePool) -> Self {
        let (intake, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(write, waiting));
        Self(intake)
    }

    /// Returns when the delivery is on the disk.
    pub(super) async fn accept(
        &self,
        delivery: &NewDelivery,
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            id: fresh_id(),
            body: serde_json::to_string(&delivery.body)?,
            delivery: delivery.clone(),
            now,
            answer,
        };
        let gone = |()| StoreError::from(sqlx::Error::WorkerCrashed);
        self.0.send(waiting).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}

async fn run(write: SqlitePool, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(first) = waiting.recv().await {
        let mut bytes = first.body.len();
        let mut group = vec![first];
        while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.body.len();
            group.push(next);
        }
        store(&write, group).await;
    }
}

/// One commit for all of them. Where it fails, each is tried alone, so that nobody pays for another's.
async fn store(write: &SqlitePool, group: Vec<Waiting>) {
    let stored = if group.len() > 1 && group.iter().all(Waiting::is_plain) {
        store_together(write, &group).await.ok()
    } else {
        None
    };
    for waiting in group {
        let accepted = match &stored {
            Some(stored) if stored.contains(&waiting.id) => Ok(Accepted::Stored),
            Some(_) => Ok(Accepted::Repeated),
            None => store_alone(write, &waiting).await,
        };
        // Whoever has gone meanwhile does not hear it; a repeat will be one.
        let _ = waiting.answer.send(accepted);
    }
}

/// The identifiers of those that were not there before.
async fn store_together(
    write: &SqlitePool,
    group: &[Waiting],
) -> Result<HashSet<String>, StoreError> {
    let rows: Vec<Value> = group
        .iter()
        .map(|waiting| {
            let delivery = &waiting.delivery;
            json!([
                waiting.id,
                delivery.source.name(),
                delivery.key,
                delivery.conversation,
                waiting.body,
                waiting.now.0
            ])
        })
        .collect();
    let stored = dialect::insert_deliveries()
        .bind(Value::from(rows).to_string())
        .fetch_all(On::Sqlite(write))
        .await?;
    stored.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

async fn store_alone(write: &SqlitePool, waiting: &Waiting) -> Result<Accepted, StoreError> {
    let done = insert_delivery(&waiting.id, &waiting.delivery, waiting.now)?
        .execute(On::Sqlite(write))
        .await?;
    Ok(Accepted::of(done))
}
