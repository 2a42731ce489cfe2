//! What other processes have in hand: which runs and tasks are theirs, and how they are taken from them where a task is
//! cancelled.

use std::collections::HashSet;

use super::{
    Store, StoreError,
    database::{Query, query},
    leases::{Lease, Table},
    runs::RunTicket,
    turns,
};
use crate::domain::{TaskId, Timestamp};

impl Store {
    /// Says that this process lives, and so do its runs; answers which of those that it watches are in another hand by now.
    pub async fn keep_runs(
        &self,
        watched: &[RunTicket],
        now: Timestamp,
    ) -> Result<Vec<RunTicket>, StoreError> {
        query("UPDATE runs SET lease_until_ms = $2 WHERE owner = $1 AND state = 'live'")
            .bind(&*self.hands.owner)
            .bind(Lease::Whole.until(now))
            .execute(self.database.writing())
            .await?;
        self.runs_elsewhere(watched).await
    }

    /// Which of these runs are in another hand, or were when they ended.
    pub(super) async fn runs_elsewhere(
        &self,
        watched: &[RunTicket],
    ) -> Result<Vec<RunTicket>, StoreError> {
        // All at once: a process that watches a thousand runs asks this twice a second.
        let rows =
            query("SELECT task, number, token FROM runs WHERE owner = $1 AND state = 'live'")
                .bind(&*self.hands.owner)
                .fetch_all(self.database.reading())
                .await?;
        let ours: HashSet<(String, i64, i64)> = rows
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("task")?,
                    row.try_get("number")?,
                    row.try_get("token")?,
                ))
            })
            .collect::<Result<_, StoreError>>()?;
        let mut lost = Vec::new();
        for run in watched {
            let is_ours = ours.contains(&(run.task.0.clone(), i64::from(run.run.0), run.token));
            // It may be over and nobody else's.
            if !is_ours && self.run_is_elsewhere(run).await? {
                lost.push(run.clone());
            }
        }
        Ok(lost)
    }

    /// Whether a run is in another hand, or was when it ended. Nobody's hand is another one, and so is a later one of this
    /// process.
    pub(super) async fn run_is_elsewhere(&self, run: &RunTicket) -> Result<bool, StoreError> {
        let row = query("SELECT token FROM runs WHERE task = $1 AND number = $2")
            .bind(&run.task.0)
            .bind(i64::from(run.run.0))
            .fetch_optional(self.database.reading())
            .await?;
        let token = row.map(|row| row.try_get::<i64>("token")).transpose()?;
        Ok(token.is_some_and(|token| token != run.token))
    }

    /// Whether a run lives and is in this hand.
    pub async fn run_is_ours(&self, run: &RunTicket) -> Result<bool, StoreError> {
        let row = query(
            "SELECT 1 FROM runs WHERE task = $1 AND number = $2 AND state = 'live' AND token = $3",
        )
        .bind(&run.task.0)
        .bind(i64::from(run.run.0))
        .bind(run.token)
        .fetch_optional(self.database.reading())
        .await?;
        Ok(row.is_some())
    }

    /// Takes every live run of a task into the hands of this process, whoever has it: nothing of it goes on. Says whether
    /// another process has something of the task in hand.
    pub async fn take_task(&self, task: &TaskId, now: Timestamp) -> Result<bool, StoreError> {
        let elsewhere = self.is_elsewhere(task).await?;
        // What a watcher of this process has spent is stored as it lets go, so its own number stays.
        query(
            "UPDATE runs SET owner = $2, lease_until_ms = $3, token = CASE WHEN owner = $2 THEN token ELSE token + 1 END
             WHERE task = $1 AND state = 'live'",
        )
        .bind(&task.0)
        .bind(&*self.hands.owner)
        .bind(Lease::Whole.until(now))
        .execute(self.database.writing())
        .await?;
        Ok(elsewhere)
    }

    /// Whether another process has a run or an effect of a task in hand.
    pub async fn is_elsewhere(&self, task: &TaskId) -> Result<bool, StoreError> {
        if self.database.is_file() {
            return Ok(false);
        }
        let found = query(
            "SELECT 1 FROM runs WHERE task = $1 AND state = 'live' AND owner NOT IN ('', $2)
             UNION ALL SELECT 1 FROM outbox WHERE task = $1 AND state = 'leased' AND owner <> $2 LIMIT 1",
        );
        self.has_of(found, task).await
    }

    /// Takes the work on a task out of the hands of other processes: it is not gone on with anywhere.
    pub async fn drop_work_elsewhere(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let dropped = query(
            "UPDATE outbox SET state = 'dropped', token = token + 1, done_ms = $3, error = 'stopped'
             WHERE task = $1 AND state = 'leased' AND owner <> $2 AND lane LIKE 'work:%' AND effect <> '{\"effect\":\"release\"}'",
        );
        self.take_out(dropped, task, now).await
    }

    /// Takes what is done beside the work of a task out of the hands of other processes.
    pub async fn drop_errands_elsewhere(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let dropped = query(
            "UPDATE outbox SET state = 'dropped', token = token + 1, done_ms = $3, error = 'cancelled'
             WHERE task = $1 AND state = 'leased' AND owner <> $2 AND lane LIKE 'errands:%'",
        );
        self.take_out(dropped, task, now).await
    }

    /// Whether another process is saying something of a task.
    pub async fn is_said_elsewhere(&self, task: &TaskId) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM outbox WHERE task = $1 AND state = 'leased' AND owner <> $2 AND (lane LIKE 'talk:%' OR lane LIKE 'marks:%') LIMIT 1",
        );
        self.has_of(found, task).await
    }

    /// Takes what is said of a task out of the hands of other processes: it is not said any more.
    pub async fn drop_words_elsewhere(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let dropped = query(
            "UPDATE outbox SET state = 'dropped', token = token + 1, done_ms = $3, error = 'cancelled'
             WHERE task = $1 AND state = 'leased' AND owner <> $2 AND (lane LIKE 'talk:%' OR lane LIKE 'marks:%')",
        );
        self.take_out(dropped, task, now).await
    }

    /// Drops the work of a cancelled task that waits for its time: it was in hand when the task was cancelled, and is to be
    /// tried again. What is left of the task could go only behind it.
    pub async fn drop_waiting_work(&self, task: &TaskId, now: Timestamp) -> Result<(), StoreError> {
        query(
            "UPDATE outbox SET state = 'dropped', done_ms = $2, error = 'cancelled'
             WHERE task = $1 AND state = 'ready' AND lane LIKE 'work:%' AND effect <> '{\"effect\":\"release\"}'",
        )
        .bind(&task.0)
        .bind(now.0)
        .execute(self.database.writing())
        .await?;
        turns::in_lane(self.database.writing(), &format!("work:{task}")).await?;
        Ok(())
    }

    /// Drops the statuses of a cancelled task that wait for their time.
    pub async fn drop_waiting_statuses(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE outbox SET state = 'dropped', done_ms = $2, error = 'cancelled'
             WHERE task = $1 AND state = 'ready' AND slot LIKE 'progress-%'",
        )
        .bind(&task.0)
        .bind(now.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Whether this process is saying something of a task.
    pub async fn is_said_here(&self, task: &TaskId) -> Result<bool, StoreError> {
        let found = query(
            "SELECT 1 FROM outbox WHERE task = $1 AND state = 'leased' AND owner = $2 AND lane LIKE 'talk:%' LIMIT 1",
        );
        self.has_of(found, task).await
    }

    /// Breaks off the statuses of a task that this process says. One that is on its way may be seen all the same, so what is
    /// said next in its slot looks for it first.
    pub async fn break_off_statuses(
        &self,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let in_hand = query(
            "SELECT id FROM outbox WHERE task = $1 AND state = 'leased' AND owner = $2 AND slot LIKE 'progress-%'",
        );
        let rows = in_hand
            .bind(&task.0)
            .bind(&*self.hands.owner)
            .fetch_all(self.database.writing())
            .await?;
        for row in rows {
            let id: String = row.try_get("id")?;
            // With another number: how it ends is not stored any more.
            query(
                "UPDATE outbox SET state = 'dropped', token = token + 1, done_ms = $3, error = 'cancelled'
                 WHERE id = $1 AND state = 'leased' AND owner = $2",
            )
            .bind(&id)
            .bind(&*self.hands.owner)
            .bind(now.0)
            .execute(self.database.writing())
            .await?;
            turns::of_lane(self.database.writing(), &id).await?;
            self.hands.lose(Table::Outbox, id);
        }
        Ok(())
    }

    /// Whether a statement about who has what of a task finds something: task, this process.
    async fn has_of(&self, found: Query, task: &TaskId) -> Result<bool, StoreError> {
        let row = found
            .bind(&task.0)
            .bind(&*self.hands.owner)
            .fetch_optional(self.database.reading())
            .await?;
        Ok(row.is_some())
    }

    /// Does a statement that takes something of a task from others: task, this process, moment.
    async fn take_out(
        &self,
        dropped: Query,
        task: &TaskId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        dropped
            .bind(&task.0)
            .bind(&*self.hands.owner)
            .bind(now.0)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }
}
