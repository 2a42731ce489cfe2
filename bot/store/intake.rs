//! Intake of SQLite in groups: callers that come while the disk is busy share the next commit. Who comes alone does not wait
//! for others.

use std::{collections::HashSet, sync::Arc};

use sqlx::{AssertSqlSafe, Row as _, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::{
    StoreError, fresh_id,
    inbox::{Accepted, NewDelivery, Source},
};
use crate::domain::Timestamp;

/// The most deliveries that wait for their group; who comes then waits for a place.
const WAITING_MAX: usize = 1_024;
/// The most deliveries of one group.
const GROUP_MAX: usize = 256;
/// The most bytes of bodies in one group, unless a single one is larger.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// How many rows the prepared statements take; a group goes by the smallest that takes it, so that few are kept prepared.
const SIZES: [usize; 4] = [1, 8, 64, GROUP_MAX];

/// The statements by how many rows they take.
type Statements = [(usize, Arc<str>); SIZES.len()];

/// The way into the inbox. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Intake(mpsc::Sender<Waiting>);

/// A delivery and who waits for it.
#[derive(Debug)]
struct Waiting {
    id: String,
    source: Source,
    key: String,
    conversation: String,
    body: String,
    now: Timestamp,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
}

impl Waiting {
    /// What became of it where these were stored.
    fn among(&self, stored: &HashSet<String>) -> Accepted {
        if stored.contains(&self.id) {
            Accepted::Stored
        } else {
            Accepted::Repeated
        }
    }
}

impl Intake {
    /// Begins to take deliveries in; it ends with its last clone.
    pub(super) fn start(write: SqlitePool) -> Self {
        let (intake, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(write, waiting));
        Self(intake)
    }

    /// Whether deliveries are still taken in.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
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
            source: delivery.source,
            key: delivery.key.clone(),
            conversation: delivery.conversation.clone(),
            body: serde_json::to_string(&delivery.body)?,
            now,
            answer,
        };
        let gone = |()| StoreError::from(sqlx::Error::WorkerCrashed);
        self.0.send(waiting).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}

async fn run(write: SqlitePool, mut waiting: mpsc::Receiver<Waiting>) {
    let statements = SIZES.map(|rows| (rows, statement(rows)));
    while let Some(first) = waiting.recv().await {
        let mut bytes = first.body.len();
        let mut group = vec![first];
        while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.body.len();
            group.push(next);
        }
        store(&write, &statements, group).await;
    }
}

/// One commit for all of them. Where it fails, each is tried alone, so that nobody pays for another's.
async fn store(write: &SqlitePool, statements: &Statements, group: Vec<Waiting>) {
    let stored = if group.len() > 1 {
        store_rows(write, statements, &group).await.ok()
    } else {
        None
    };
    for waiting in group {
        let accepted = match &stored {
            Some(stored) => Ok(waiting.among(stored)),
            None => store_rows(write, statements, std::slice::from_ref(&waiting))
                .await
                .map(|stored| waiting.among(&stored)),
        };
        // Whoever has gone meanwhile does not hear it; a repeat will be one.
        let _ = waiting.answer.send(accepted);
    }
}

/// The identifiers of those that were not there before.
async fn store_rows(
    write: &SqlitePool,
    statements: &Statements,
    group: &[Waiting],
) -> Result<HashSet<String>, StoreError> {
    let fits = statements.iter().find(|(rows, _)| *rows >= group.len());
    let Some((rows, text)) = fits.or(statements.last()) else {
        return Ok(HashSet::new());
    };
    // The text is made of the store's own words and question marks alone.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
    for waiting in group {
        query = query
            .bind(&waiting.id)
            .bind(waiting.source.name())
            .bind(&waiting.key)
            .bind(&waiting.conversation)
            .bind(&waiting.body)
            .bind(waiting.now.0);
    }
    for _ in group.len()..*rows {
        query = (0..4).fold(query.bind(None::<&str>), |query, _| {
            query.bind(None::<&str>)
        });
        query = query.bind(None::<i64>);
    }
    let stored = query.fetch_all(write).await?;
    stored.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Stores so many rows, those with an identifier of nothing left out, each with the mark where it stands behind an older one.
pub(super) fn statement(rows: usize) -> Arc<str> {
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, behind)
         SELECT column1, column2, column3, column4, column5, 'waiting', 0, column6, column6,
                EXISTS (SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = column4 AND e.id || '' < column1)
         FROM (VALUES {values}) WHERE column1 IS NOT NULL
         ON CONFLICT (source, delivery_key) DO NOTHING RETURNING id"
    )
    .into()
}
