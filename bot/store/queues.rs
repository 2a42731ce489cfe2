//! What waits, by kind, and how many tasks and runs there are of each state: for whoever watches.

use super::{
    Store, StoreError,
    database::{Row, query},
    moment,
};
use crate::domain::Timestamp;

/// What waits of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The kind: a source of deliveries, or a lane of effects.
    pub kind: String,
    /// How many rows.
    pub depth: i64,
    /// Since when the oldest does.
    pub oldest: Timestamp,
}

impl Store {
    /// Deliveries that wait, by the names of their sources. A source of which none waits is left out.
    pub async fn deliveries_by_source(&self) -> Result<Vec<Queue>, StoreError> {
        let rows = query(
            "SELECT source AS kind, count(*) AS depth, min(received_ms) AS oldest
             FROM inbox WHERE state = 'waiting' GROUP BY source",
        )
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().map(queue).collect()
    }

    /// Effects that are open, by the names of their lanes' kinds. A kind of which none is open is left out.
    pub async fn effects_by_lane(&self) -> Result<Vec<Queue>, StoreError> {
        // A lane is called by its kind and its task.
        let rows = query(
            "SELECT CASE WHEN lane LIKE 'talk:%' THEN 'talk' WHEN lane LIKE 'marks:%' THEN 'marks'
                         WHEN lane LIKE 'work:%' THEN 'work' WHEN lane LIKE 'errands:%' THEN 'errands'
                         ELSE 'control' END AS kind,
                    count(*) AS depth, min(created_ms) AS oldest
             FROM outbox WHERE state IN ('ready', 'leased') GROUP BY 1",
        )
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().map(queue).collect()
    }

    /// How many runs live, and how many ever ended of the tasks that are kept.
    pub async fn runs_by_state(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = query("SELECT state, count(*) AS number FROM runs GROUP BY state")
            .fetch_all(self.database.reading())
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("state")?, row.try_get("number")?)))
            .collect()
    }
}

fn queue(row: &Row) -> Result<Queue, StoreError> {
    Ok(Queue {
        kind: row.try_get("kind")?,
        depth: row.try_get("depth")?,
        oldest: moment(row.try_get("oldest")?),
    })
}
