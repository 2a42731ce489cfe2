//! Effects: everything that has to be done, one after the other in each lane.

use super::{
    Store, StoreError,
    database::{document, query},
    moment,
};
use crate::domain::{TaskId, Timestamp, conversation::ConversationId, effect::Effect};

/// An effect that was taken out to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its identifier.
    pub id: String,
    /// The task that it belongs to; none for answers outside a task.
    pub task: Option<TaskId>,
    /// Where the task was asked for.
    pub conversation: ConversationId,
    /// What is to be done.
    pub effect: Effect,
    /// How often it was begun, this time included.
    pub attempts: i64,
    /// When it was asked for.
    pub created: Timestamp,
}

/// What was taken out of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// An effect.
    Effect(Claimed),
    /// A row that this program cannot read: it was damaged, or a newer program stored it.
    Unreadable {
        /// Its identifier.
        id: String,
        /// The task that it belongs to.
        task: Option<TaskId>,
        /// What is wrong with it.
        error: String,
    },
}

impl Store {
    /// Takes the oldest effect that is due and has no older one open in its lane.
    pub async fn claim_effect(&self, now: Timestamp) -> Result<Option<Taken>, StoreError> {
        let row = query(
            "UPDATE outbox SET state = 'leased', attempts = attempts + 1 WHERE id = (
                 SELECT id FROM outbox AS o WHERE state = 'ready' AND due_ms <= $1
                   AND NOT EXISTS (SELECT 1 FROM outbox AS e WHERE e.lane = o.lane AND e.state IN ('ready', 'leased') AND e.id < o.id)
                 ORDER BY id LIMIT 1)
             RETURNING id, task, conversation, effect, attempts, created_ms",
        )
        .bind(now.0)
        .fetch_optional(self.database.writing())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id: String = row.try_get("id")?;
        let task: String = row.try_get("task")?;
        let task = (!task.is_empty()).then_some(TaskId(task));
        let effect = match document(&row, "effect")? {
            Ok(effect) => effect,
            Err(error) => {
                let error = format!("the stored effect cannot be read: {error}");
                return Ok(Some(Taken::Unreadable { id, task, error }));
            }
        };
        Ok(Some(Taken::Effect(Claimed {
            id,
            task,
            conversation: ConversationId(row.try_get("conversation")?),
            effect,
            attempts: row.try_get("attempts")?,
            created: moment(row.try_get("created_ms")?),
        })))
    }

    /// Marks an effect as done.
    pub async fn effect_done(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.end_effect(id, "done", now, None).await
    }

    async fn end_effect(
        &self,
        id: &str,
        state: &str,
        now: Timestamp,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        query("UPDATE outbox SET state = $2, done_ms = $3, error = $4 WHERE id = $1 AND state = 'leased'")
            .bind(id)
            .bind(state)
            .bind(now.0)
            .bind(error)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// Tries an effect again later.
    pub async fn postpone_effect(
        &self,
        id: &str,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        query("UPDATE outbox SET state = 'ready', due_ms = $2, error = $3 WHERE id = $1 AND state = 'leased'")
            .bind(id)
            .bind(until.0)
            .bind(error)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// How many effects are open, and since when the oldest is.
    pub async fn outbox_depth(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let row = query("SELECT count(*) AS depth, min(created_ms) AS oldest FROM outbox WHERE state IN ('ready', 'leased')").fetch_one(self.database.reading()).await?;
        Ok((
            row.try_get("depth")?,
            row.try_get::<Option<i64>>("oldest")?.map(moment),
        ))
    }

    /// When the next effect that waits for its time is due.
    pub async fn next_effect_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = query("SELECT min(due_ms) AS due FROM outbox WHERE state = 'ready'")
            .fetch_one(self.database.reading())
            .await?;
        Ok(row.try_get::<Option<i64>>("due")?.map(moment))
    }

    /// This process is the only one, so what an earlier one had begun is open again.
    pub(super) async fn take_back_leases(&self) -> Result<(), StoreError> {
        query("UPDATE outbox SET state = 'ready' WHERE state = 'leased'")
            .execute(self.database.writing())
            .await?;
        Ok(())
    }
}
