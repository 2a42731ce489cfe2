//! What goes for good: all of one task, and what has been kept long enough. What is freed is written over with zeros.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Store, StoreError,
    database::{Unit, query},
    dialect, fresh_id,
};
use crate::domain::{TaskId, Timestamp, conversation::ConversationId, task::Task};

/// What the audit log calls the deletion of a task.
pub const DELETE_ACT: &str = "delete";
/// How many rows one statement of a sweep removes, so that deliveries never wait long for the writer.
const BATCH_ROWS: i64 = 1_000;
/// For how long it is tried again to empty the log.
const EMPTIED_WITHIN: Duration = Duration::from_secs(2);
/// The pause between two tries.
const EMPTIED_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What became of the wish to delete a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// Its rows are gone now.
    Now,
    /// Its rows were gone already.
    Before {
        /// Who deleted it.
        by: String,
    },
    /// There never was one of this name.
    Unknown,
    /// It is not over.
    Alive {
        /// How it stands, as people say it.
        state: &'static str,
    },
    /// It is over, and something about it still waits to be done.
    Busy,
}

impl Store {
    /// Removes every row of a task that is over. The audit log keeps who decided what and when, without what was said, and
    /// who deleted it. Of handled deliveries their keys stay, so that a repeat of one does not begin the task again.
    pub async fn delete_task(
        &self,
        id: &TaskId,
        by: &str,
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let mut transaction = self.begin().await?;
        let row = dialect::task_to_itself()
            .bind(&id.0)
            .fetch_optional(&mut transaction)
            .await?;
        let Some(row) = row else {
            return deleted_before(&mut transaction, id).await;
        };
        let task: Task = serde_json::from_str(row.try_get("document")?)?;
        if !task.state.is_over() {
            let state = task.in_words();
            return Ok(Deleted::Alive { state });
        }
        if waits(&mut transaction, &task).await? {
            return Ok(Deleted::Busy);
        }
        remove_rows(&mut transaction, &task).await?;
        query("INSERT INTO audit (id, task, at_ms, person, act, detail) VALUES ($1, $2, $3, $4, $5, '')")
            .bind(fresh_id())
            .bind(&id.0)
            .bind(now.0)
            .bind(by)
            .bind(DELETE_ACT)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(Deleted::Now)
    }

    /// Empties the write-ahead log of SQLite, which holds what pages were before; says whether nobody stood in the way.
    /// PostgreSQL keeps its own log, and what of it is archived, by its own settings.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        if !self.database.is_file() {
            return Ok(true);
        }
        let until = Instant::now() + EMPTIED_WITHIN;
        loop {
            let row = query("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(self.database.writing())
                .await?;
            let is_empty = row.try_get::<i64>("busy")? == 0;
            if is_empty || Instant::now() >= until {
                return Ok(is_empty);
            }
            // SQLite has waited for whoever reads, and does not wait for the keeper of the log, which is there for moments.
            sleep(EMPTIED_AGAIN_AFTER).await;
        }
    }

    /// Removes deliveries and effects that were over before this moment; says how many there were. What was given up stays
    /// until an operator has looked at it.
    pub async fn forget_handled(&self, before: Timestamp) -> Result<u64, StoreError> {
        let deliveries = self
            .in_batches(
                "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox
                     WHERE state = 'done' AND handled_ms < $1 LIMIT $2)",
                before,
            )
            .await?;
        let effects = self
            .in_batches(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
                     WHERE state IN ('done', 'dropped') AND done_ms < $1 LIMIT $2)",
                before,
            )
            .await?;
        Ok(deliveries + effects)
    }

    /// Removes the logs of tasks that were over before this moment; says how many lines there were.
    pub async fn forget_logs(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.in_batches(
            "DELETE FROM run_log WHERE id IN (SELECT l.id FROM run_log AS l JOIN tasks AS t ON t.id = l.task
                 WHERE t.state IN ('completed', 'failed', 'canceled', 'expired') AND t.changed_ms < $1 LIMIT $2)",
            before,
        )
        .await
    }

    async fn in_batches(
        &self,
        statement: &'static str,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let done = query(statement)
                .bind(before.0)
                .bind(BATCH_ROWS)
                .execute(self.database.writing())
                .await?;
            if done == 0 {
                return Ok(removed);
            }
            removed += done;
        }
    }
}

async fn deleted_before(transaction: &mut Unit, id: &TaskId) -> Result<Deleted, StoreError> {
    let row = query("SELECT person FROM audit WHERE task = $1 AND act = $2 LIMIT 1")
        .bind(&id.0)
        .bind(DELETE_ACT)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = row else {
        return Ok(Deleted::Unknown);
    };
    let by = row.try_get("person")?;
    Ok(Deleted::Before { by })
}

/// Whether anything of the task, or anything said where it lived, has still to be dealt with.
async fn waits(transaction: &mut Unit, task: &Task) -> Result<bool, StoreError> {
    for conversation in task.conversations() {
        let row = query(
            "SELECT (SELECT count(*) FROM outbox WHERE task = $1 AND state IN ('ready', 'leased'))
                  + (SELECT count(*) FROM inbox WHERE state = 'waiting' AND (conversation IN ($1, $2) OR body LIKE $3)) AS open",
        )
        .bind(&task.id.0)
        .bind(&conversation.0)
        .bind(format!("%{}%", task.id))
        .fetch_one(&mut *transaction)
        .await?;
        if row.try_get::<i64>("open")? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn remove_rows(transaction: &mut Unit, task: &Task) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM run_log WHERE task = $1",
        "DELETE FROM runs WHERE task = $1",
        "DELETE FROM posts WHERE task = $1",
        "DELETE FROM milestones WHERE task = $1",
        "DELETE FROM outbox WHERE task = $1",
        "DELETE FROM network_grants WHERE task = $1",
        "DELETE FROM tasks WHERE id = $1",
        "UPDATE audit SET detail = '' WHERE task = $1",
    ] {
        query(statement)
            .bind(&task.id.0)
            .execute(&mut *transaction)
            .await?;
    }
    for conversation in task.conversations() {
        remove_of_conversation(transaction, task, conversation).await?;
    }
    Ok(())
}

async fn remove_of_conversation(
    transaction: &mut Unit,
    task: &Task,
    conversation: &ConversationId,
) -> Result<(), StoreError> {
    // Whispers and answers in the same conversation that were of no task.
    query("DELETE FROM outbox WHERE task = '' AND conversation = $1 AND state NOT IN ('ready', 'leased')")
        .bind(&conversation.0)
        .execute(&mut *transaction)
        .await?;
    // A forge's delivery names the task in its branch, and has the pull request's words in it.
    query(
        "UPDATE inbox SET body = 'null', error = NULL
         WHERE state <> 'waiting' AND (conversation IN ($1, $2) OR body LIKE $3)",
    )
    .bind(&task.id.0)
    .bind(&conversation.0)
    .bind(format!("%{}%", task.id))
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::{domain::RunNumber, store::runs::LogKind};

    const GONE: &str = "canary-of-an-old-log-7142";
    const KEPT: &str = "words-of-a-live-task-2215";
    /// Enough for pages to be split, merged and freed.
    const LINES: usize = 600;

    async fn task(store: &Store, id: &str, state: &str, changed: i64) {
        query(
            "INSERT INTO tasks (id, conversation, requester, state, slot, version, document, opened_ms, changed_ms, queued_ms)
             VALUES ($1, $1, 'p:ana', $2, 'none', 1, '{}', 0, $3, 0)",
        )
        .bind(id)
        .bind(state)
        .bind(changed)
        .execute(store.database.writing())
        .await
        .unwrap();
    }

    /// How often each of the words stands in the files of a folder.
    fn counted(folder: &std::path::Path) -> [usize; 2] {
        let files = std::fs::read_dir(folder).unwrap();
        let bytes: Vec<u8> = files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        [GONE, KEPT].map(|words| text.matches(words).count())
    }

    #[tokio::test]
    async fn old_logs_of_ended_tasks_are_gone_from_the_file_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&address).await.unwrap();
        task(&store, "old", "failed", 10).await;
        task(&store, "young", "completed", 20).await;
        task(&store, "live", "running", 10).await;
        let at = Timestamp(1);
        for line in 0..LINES {
            // Lines of all lengths, beside each other on the same pages.
            let body = json!(GONE.repeat(1 + line * 37 % 90));
            let (id, run) = (TaskId("old".into()), RunNumber(1));
            let log = store.log_run(&id, run, LogKind::Text, &body, at);
            log.await.unwrap();
            for id in ["young", "live"] {
                let body = json!(KEPT.repeat(1 + line * 11 % 7));
                let id = TaskId(id.into());
                let log = store.log_run(&id, run, LogKind::Text, &body, at);
                log.await.unwrap();
            }
        }
        assert!(store.empty_log().await.unwrap());
        let [gone, kept] = counted(folder.path());
        assert!(gone > LINES && kept > LINES);
        let lines = u64::try_from(LINES).unwrap();
        assert_eq!(store.forget_logs(Timestamp(20)).await.unwrap(), lines);
        assert_eq!(store.forget_logs(Timestamp(20)).await.unwrap(), 0);
        assert!(store.empty_log().await.unwrap());
        let [gone, still] = counted(folder.path());
        assert_eq!(gone, 0, "the file still has what was deleted");
        assert!(still >= kept / 2, "{still} of {kept} words are left");
        for id in ["young", "live"] {
            let left = store.log_after(&TaskId(id.into()), "", 5_000).await;
            assert_eq!(left.unwrap().len(), LINES);
        }
    }

    #[tokio::test]
    async fn what_never_was_is_not_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let store = Store::open(&address).await.unwrap();
        let id = TaskId("k3f9qx".into());
        let deleted = store.delete_task(&id, "ana", Timestamp(1));
        assert_eq!(deleted.await.unwrap(), Deleted::Unknown);
    }
}
