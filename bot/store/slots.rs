//! Who may use the machine: so many tasks at once, and who waits longest comes first.

use super::{
    Store, StoreError,
    database::query,
    dialect, fresh_id,
    inbox::{NewDelivery, Source, insert_delivery},
};
use crate::domain::{TaskId, Timestamp};

impl Store {
    /// How many tasks use the machine or were promised to, and how many wait.
    pub async fn slots(&self) -> Result<(i64, i64), StoreError> {
        let row = query(
            "SELECT (SELECT count(*) FROM tasks WHERE slot <> 'none') AS taken,
                    (SELECT count(*) FROM tasks WHERE state = 'queued' AND slot = 'none') AS waiting",
        )
        .fetch_one(self.database.reading())
        .await?;
        Ok((row.try_get("taken")?, row.try_get("waiting")?))
    }

    /// Promises the machine to the task that waits longest, unless `limit` tasks use it already or another process is promising it
    /// at this moment. Returns the task.
    pub async fn grant_slot(
        &self,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<TaskId>, StoreError> {
        // Mostly nobody waits, and then nothing has to be locked to know it.
        let waits = query("SELECT 1 FROM tasks WHERE state = 'queued' AND slot = 'none' LIMIT 1")
            .fetch_optional(self.database.reading())
            .await?;
        if waits.is_none() || self.slots().await?.0 >= i64::from(limit) {
            return Ok(None);
        }
        let mut transaction = self.begin().await?;
        if let Some(turn) = dialect::slots_to_itself(&self.database)
            && turn.fetch_optional(&mut transaction).await?.is_none()
        {
            // Whoever is at it goes on until nobody waits or nothing is free; what comes in between is seen in the next round.
            return Ok(None);
        }
        let row = query(
            "UPDATE tasks SET slot = 'granted' WHERE id = (
                 SELECT id FROM tasks WHERE state = 'queued' AND slot = 'none' ORDER BY queued_ms, id LIMIT 1)
               AND (SELECT count(*) FROM tasks WHERE slot <> 'none') < $1
             RETURNING id, version, conversation",
        )
        .bind(i64::from(limit))
        .fetch_optional(&mut transaction)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, version, conversation): (String, i64, String) = (
            row.try_get("id")?,
            row.try_get("version")?,
            row.try_get("conversation")?,
        );
        let granted = NewDelivery {
            source: Source::Work,
            key: format!("slot:{id}:{version}"),
            conversation,
            body: serde_json::json!({"task": id, "event": {"event": "slot_granted"}}),
        };
        insert_delivery(&fresh_id(), &granted, now)?
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(TaskId(id)))
    }

    /// How the queue stands before each waiting task: its identifier and how many go first.
    pub async fn queue(&self) -> Result<Vec<TaskId>, StoreError> {
        let rows = query(
            "SELECT id FROM tasks WHERE state = 'queued' AND slot = 'none' ORDER BY queued_ms, id",
        )
        .fetch_all(self.database.reading())
        .await?;
        rows.iter()
            .map(|row| Ok(TaskId(row.try_get("id")?)))
            .collect()
    }
}
