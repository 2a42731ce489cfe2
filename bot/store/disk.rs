//! The disk under SQLite's log in a flood of deliveries: one sync for all the groups that were written before it, while the next
//! group is written. Nobody hears that a delivery is stored before such a sync has ended.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use sqlx::SqliteConnection;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use super::{StoreError, inbox::Accepted};

/// The most groups that wait for the disk; whoever has written a further one waits for a place.
const GROUPS_MAX: usize = 8;

/// Deliveries that are written, and who waits to hear of them.
pub(super) type Written = Vec<(oneshot::Sender<Result<Accepted, StoreError>>, Accepted)>;

/// The way to the disk.
#[derive(Debug)]
pub(super) struct Disk {
    written: mpsc::Sender<Written>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many deliveries wait for it.
    waiting: AtomicUsize,
    /// A sync failed: nothing tells any more which part of the log is on the disk.
    failed: AtomicBool,
}

impl Disk {
    /// Begins to sync the log at this path; it ends with the value.
    pub(super) fn start(log: PathBuf) -> Self {
        let (sender, written) = mpsc::channel(GROUPS_MAX);
        let state = Arc::<State>::default();
        tokio::spawn(run(log, written, Arc::clone(&state)));
        Self {
            written: sender,
            state,
        }
    }

    /// How many deliveries are written and wait for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::Relaxed)
    }

    /// Answers those who wait as soon as what was written for them is on the disk, or with why it is not.
    pub(super) async fn answer_when_safe(&self, group: Written) {
        self.state.waiting.fetch_add(group.len(), Ordering::Relaxed);
        // Where nobody takes it any more, who waits hears that the answer does not come.
        let _ = self.written.send(group).await;
    }

    /// After a sync that failed, moves everything from the log into the file, and begins a new log: what comes after a part
    /// that never reached the disk would not be found again.
    ///
    /// # Errors
    /// Where that does not work either: nothing may be written then.
    pub(super) async fn heal(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if !self.state.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let (is_busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(connection)
            .await?;
        if is_busy != 0 {
            let readers = io::Error::other("its log is in use and cannot be begun anew");
            return Err(StoreError::Disk(Arc::new(readers)));
        }
        self.state.failed.store(false, Ordering::Release);
        Ok(())
    }
}

async fn run(log: PathBuf, mut written: mpsc::Receiver<Written>, state: Arc<State>) {
    let mut groups = Vec::with_capacity(GROUPS_MAX);
    while written.recv_many(&mut groups, GROUPS_MAX).await > 0 {
        // What is in `groups` was written before this begins.
        let log = log.clone();
        let synced = spawn_blocking(move || File::open(log)?.sync_data()).await;
        let synced = synced.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        let failed = synced.err().map(Arc::new);
        if failed.is_some() {
            state.failed.store(true, Ordering::Release);
        }
        for (answer, accepted) in groups.drain(..).flatten() {
            state.waiting.fetch_sub(1, Ordering::Relaxed);
            let accepted = failed
                .as_ref()
                .map_or(Ok(accepted), |why| Err(StoreError::Disk(Arc::clone(why))));
            // Whoever has gone meanwhile does not hear it; a repeat will be one.
            let _ = answer.send(accepted);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::process::Command;

    use sqlx::{Connection as _, sqlite::SqliteConnectOptions};

    use super::*;

    fn one() -> (Written, oneshot::Receiver<Result<Accepted, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (vec![(answer, Accepted::Stored)], answered)
    }

    #[tokio::test]
    async fn nobody_hears_of_a_delivery_before_the_sync_has_ended_nor_that_it_is_stored_when_it_failed()
     {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let disk = Disk::start(pipe.clone());
        let (group, mut answered) = one();
        disk.answer_when_safe(group).await;
        // To open a pipe takes until somebody opens its other end; to sync one fails.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(answered.try_recv().is_err());
        assert_eq!(disk.waiting(), 1);
        let other_end = spawn_blocking(move || File::options().write(true).open(pipe));
        assert!(matches!(answered.await.unwrap(), Err(StoreError::Disk(_))));
        other_end.await.unwrap().unwrap();
        assert_eq!(disk.waiting(), 0);
    }

    #[tokio::test]
    async fn after_a_sync_that_failed_the_log_is_begun_anew_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("CREATE TABLE t (x)")
            .execute(&mut connection)
            .await
            .unwrap();
        let log = folder.path().join("db-wal");
        let length = || log.metadata().unwrap().len();
        assert!(length() > 0);
        let disk = Disk::start(folder.path().join("nothing"));
        disk.heal(&mut connection).await.unwrap();
        assert!(length() > 0, "nothing had failed");
        let (group, answered) = one();
        disk.answer_when_safe(group).await;
        answered.await.unwrap().unwrap_err();
        disk.heal(&mut connection).await.unwrap();
        assert_eq!(length(), 0);
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut connection)
            .await
            .unwrap();
        disk.heal(&mut connection).await.unwrap();
        assert!(length() > 0, "it was healed once");
    }
}
