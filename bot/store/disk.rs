//! The disk under SQLite's log in a flood of deliveries: one sync for all the groups that were written before it, while the next
//! group is written. Nobody hears that a delivery is stored before such a sync has ended.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};

use super::{StoreError, inbox::Accepted, writer::Commits};

/// The most groups that wait for the disk; whoever has written a further one waits for a place.
const GROUPS_MAX: usize = 8;

/// Deliveries that are written, and who waits to hear of them.
pub(super) type Written = Vec<(oneshot::Sender<Result<Accepted, StoreError>>, Accepted)>;

/// The way to the disk.
#[derive(Debug)]
pub(super) struct Disk {
    written: mpsc::Sender<Written>,
    /// How many deliveries wait for it.
    waiting: Arc<AtomicUsize>,
}

impl Disk {
    /// Begins to sync the log at this path, which these commits go to; it ends with the value.
    pub(super) fn start(log: PathBuf, commits: Commits) -> Self {
        let (sender, written) = mpsc::channel(GROUPS_MAX);
        let waiting = Arc::<AtomicUsize>::default();
        tokio::spawn(run((log, commits), written, Arc::clone(&waiting)));
        Self {
            written: sender,
            waiting,
        }
    }

    /// How many deliveries are written and wait for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Answers those who wait as soon as what was written for them is on the disk, or with why it is not.
    pub(super) async fn answer_when_safe(&self, group: Written) {
        self.waiting.fetch_add(group.len(), Ordering::Relaxed);
        // Where nobody takes it any more, who waits hears that the answer does not come.
        let _ = self.written.send(group).await;
    }
}

async fn run(
    (log, commits): (PathBuf, Commits),
    mut written: mpsc::Receiver<Written>,
    waiting: Arc<AtomicUsize>,
) {
    let mut groups = Vec::with_capacity(GROUPS_MAX);
    while written.recv_many(&mut groups, GROUPS_MAX).await > 0 {
        // What is in `groups` was written before this begins. Where it was written behind a part of the log that is in doubt,
        // it is not found again without that, and a further sync does not tell: each failure is told once.
        // Source: fsync(2), and errseq in the kernel's documentation.
        let synced = if commits.is_in_doubt() {
            Err(io::Error::other(
                "a part of the log before it was not synced",
            ))
        } else {
            let log = log.clone();
            let synced = spawn_blocking(move || File::open(log)?.sync_data()).await;
            synced.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
        };
        let failed = synced.err().map(Arc::new);
        if failed.is_some() {
            commits.doubt();
        }
        for (answer, accepted) in groups.drain(..).flatten() {
            waiting.fetch_sub(1, Ordering::Relaxed);
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

    use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::store::database::{Database, Purpose, query};

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
        let disk = Disk::start(pipe.clone(), Commits::default());
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
        let commits = Commits::default();
        let disk = Disk::start(folder.path().join("nothing"), commits.clone());
        commits.heal(&mut connection).await.unwrap();
        assert!(length() > 0, "nothing had failed");
        let (group, answered) = one();
        disk.answer_when_safe(group).await;
        answered.await.unwrap().unwrap_err();
        commits.heal(&mut connection).await.unwrap();
        assert_eq!(length(), 0);
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut connection)
            .await
            .unwrap();
        commits.heal(&mut connection).await.unwrap();
        assert!(length() > 0, "it was healed once");
    }

    #[tokio::test]
    async fn what_was_written_behind_a_part_that_is_in_doubt_is_not_said_to_be_stored() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        File::create(&log).unwrap();
        let commits = Commits::default();
        let disk = Disk::start(log, commits.clone());
        let (group, answered) = one();
        disk.answer_when_safe(group).await;
        answered.await.unwrap().unwrap();
        commits.doubt();
        // This one's own sync would say that all is well.
        let (group, answered) = one();
        disk.answer_when_safe(group).await;
        assert!(matches!(answered.await.unwrap(), Err(StoreError::Disk(_))));
        assert!(commits.is_in_doubt());
    }

    #[tokio::test]
    async fn whoever_writes_next_begins_the_log_anew_where_it_is_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}?mode=rwc", folder.path().join("db").display());
        let (database, _) = Database::open(&address, Purpose::Beside).await.unwrap();
        let Database::Sqlite { write, .. } = &database else {
            panic!("it is a file");
        };
        let commits = write.commits();
        let length = || folder.path().join("db-wal").metadata().unwrap().len();
        assert!(length() > 0);
        commits.doubt();
        let unit = database.begin().await.unwrap();
        assert_eq!(length(), 0);
        assert!(!commits.is_in_doubt());
        drop(unit);
        for _ in 0..2 {
            commits.doubt();
            let written = query("DELETE FROM audit WHERE id = 'a'");
            written.execute(database.writing()).await.unwrap();
            assert!(!commits.is_in_doubt());
        }
        database.close().await;
    }
}
