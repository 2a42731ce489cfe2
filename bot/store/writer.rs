//! The one connection that writes into SQLite, and who goes first on it.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::neighbours::{Neighbours, TurnOfAll};
use sqlx::{Executor as _, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, watch},
    time::timeout,
};

/// How long everybody else lets a flood of deliveries go before, each time. Work on what came before goes on through a flood
/// of any length, a cancel's too.
const GIVE_WAY: Duration = Duration::from_millis(25);

/// The one connection that writes into SQLite: a second one would only wait.
///
/// The intake goes straight to it. Everybody else takes turns before, so that of all of them one at most stands between two
/// groups of deliveries, and while a flood of them comes in, only now and then: who sends something waits for the disk, and not
/// for the work on what came before.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) connection: SqlitePool,
    commits: Commits,
    log: Option<PathBuf>,
    neighbours: Option<Neighbours>,
    place: Place,
    turn: Arc<Mutex<()>>,
    flood: watch::Sender<bool>,
    wanted: watch::Sender<bool>,
}

/// What a process does on the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It works, or looks after something.
    Work,
    /// It takes deliveries in for one that works.
    Doors,
}

/// Whether a commit of the connection returns before it is on the disk. Only the intake lets it, which syncs the log itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Commits {
    are_synced_later: Arc<AtomicBool>,
    /// A sync failed: nothing tells any more which part of the log is on the disk.
    log_is_doubtful: Arc<AtomicBool>,
}

/// The connection, kept by the intake from group to group while nobody else waits for it: to hand it back and take it again
/// takes its thread two more questions.
#[derive(Debug)]
pub(super) struct Kept {
    connection: SqlitePool,
    held: Option<PoolConnection<Sqlite>>,
    commits: Commits,
    is_synced_later: bool,
}

/// When a commit is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// When it returns.
    AtOnce,
    /// When whoever wrote it has synced the log.
    Later,
}

/// The right to wait for the connection as the only one beside the intake, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    wanted: watch::Sender<bool>,
    _of_process: OwnedMutexGuard<()>,
    _of_all: Option<TurnOfAll>,
}

/// What the intake tells everybody else who writes, and hears of them.
#[derive(Debug)]
pub(super) struct Flood {
    comes_in: watch::Sender<bool>,
    wanted: watch::Receiver<bool>,
    /// Of doors of their own: who else there is.
    neighbours: Option<Neighbours>,
}

impl Writer {
    /// Of the connection with its commits, and of the file that is its log, where it has one.
    pub(super) fn new(connection: SqlitePool, commits: Commits, log: Option<PathBuf>) -> Self {
        Self {
            connection,
            commits,
            log,
            neighbours: None,
            place: Place::Work,
            turn: Arc::default(),
            flood: watch::Sender::default(),
            wanted: watch::Sender::default(),
        }
    }

    /// The same among other processes.
    pub(super) fn among(self, neighbours: Option<Neighbours>, place: Place) -> Self {
        Self {
            neighbours,
            place,
            ..self
        }
    }

    /// The connection for the intake, which needs no turn.
    pub(super) fn kept(&self) -> Kept {
        Kept {
            connection: self.connection.clone(),
            held: None,
            commits: self.commits.clone(),
            is_synced_later: false,
        }
    }

    /// The processes on the file, where it is one.
    pub(super) fn neighbours(&self) -> Option<Neighbours> {
        self.neighbours.clone()
    }

    /// What the intake tells of a flood, and hears of others.
    pub(super) fn flood(&self) -> Flood {
        Flood {
            comes_in: self.flood.clone(),
            wanted: self.wanted.subscribe(),
            neighbours: match self.place {
                Place::Doors => self.neighbours.clone(),
                Place::Work => None,
            },
        }
    }

    /// What is known of the commits of the connection.
    pub(super) fn commits(&self) -> Commits {
        self.commits.clone()
    }

    /// Makes the log whole again where it is in doubt, by whoever has the turn.
    ///
    /// # Errors
    /// Those of [`Commits::heal`].
    pub(super) async fn heal(&self) -> Result<(), sqlx::Error> {
        if !self.commits.is_in_doubt() {
            return Ok(());
        }
        let mut connection = self.connection.acquire().await?;
        self.commits.heal(&mut connection).await
    }

    /// The file that is the log of the connection.
    pub(super) fn log(&self) -> Option<PathBuf> {
        self.log.clone()
    }

    /// A turn at the connection, until it is dropped.
    pub(super) async fn turn(&self) -> Turn {
        let of_process = Arc::clone(&self.turn).lock_owned().await;
        if *self.flood.borrow() {
            let mut flood = self.flood.subscribe();
            // Whether it is over or goes on, this one has waited long enough.
            let _ = timeout(GIVE_WAY, flood.wait_for(|comes_in| !comes_in)).await;
        }
        let of_all = match &self.neighbours {
            Some(neighbours) => {
                if self.place == Place::Work {
                    neighbours.give_way(GIVE_WAY).await;
                }
                Some(neighbours.turn().await)
            }
            None => None,
        };
        self.wanted.send_replace(true);
        Turn {
            wanted: self.wanted.clone(),
            _of_process: of_process,
            _of_all: of_all,
        }
    }
}

impl Commits {
    /// For a connection that goes back: whatever became of the intake, nobody else's commit returns before it is on the disk.
    pub(super) async fn sync_at_once(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if self.are_synced_later.swap(false, Ordering::AcqRel) {
            connection.execute("PRAGMA synchronous = FULL").await?;
        }
        Ok(())
    }

    /// Whether a part of the log may be missing on the disk. What is written behind such a part would not be found again after
    /// a power cut, whether or not it is on the disk itself.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.log_is_doubtful.load(Ordering::Acquire)
    }

    /// Says that a sync of the log failed.
    pub(super) fn doubt(&self) {
        self.log_is_doubtful.store(true, Ordering::Release);
    }

    /// Where the log is in doubt, moves everything from it into the file, and begins a new log.
    ///
    /// # Errors
    /// Where that does not work either: nothing may be written then.
    pub(super) async fn heal(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if !self.is_in_doubt() {
            return Ok(());
        }
        let begun_anew = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)");
        let (is_busy, ..): (i64, i64, i64) = begun_anew.fetch_one(connection).await?;
        if is_busy != 0 {
            return Err(sqlx::Error::Io(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "its log is in use and cannot be begun anew",
            )));
        }
        self.log_is_doubtful.store(false, Ordering::Release);
        Ok(())
    }

    async fn sync_later(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.are_synced_later.store(true, Ordering::Release);
        connection.execute("PRAGMA synchronous = NORMAL").await?;
        Ok(())
    }
}

impl Kept {
    /// The connection, kept or fresh, with commits that are synced so.
    pub(super) async fn get(
        &mut self,
        synced: Synced,
    ) -> Result<&mut SqliteConnection, sqlx::Error> {
        let mut connection = match self.held.take() {
            Some(connection) => connection,
            None => self.connection.acquire().await?,
        };
        match synced {
            Synced::AtOnce => self.commits.sync_at_once(&mut connection).await?,
            Synced::Later if self.is_synced_later => {}
            Synced::Later => self.commits.sync_later(&mut connection).await?,
        }
        self.is_synced_later = synced == Synced::Later;
        Ok(self.held.insert(connection))
    }

    /// Whether it is kept.
    pub(super) const fn is_kept(&self) -> bool {
        self.held.is_some()
    }

    /// Hands it back.
    pub(super) fn give_back(&mut self) {
        self.is_synced_later = false;
        self.held = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.wanted.send_replace(false);
    }
}

impl Flood {
    /// Whether one comes in.
    pub(super) fn comes_in(&self) -> bool {
        *self.comes_in.borrow()
    }

    /// Whether somebody whose turn it is waits for the connection, or has it.
    pub(super) fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Returns when that is so.
    pub(super) async fn wanted(&mut self) {
        if self.wanted.wait_for(|wanted| *wanted).await.is_err() {
            // Nobody is left who could.
            std::future::pending::<()>().await;
        }
    }

    /// Tells everybody who waits for a turn.
    pub(super) fn tell(&self, comes_in: bool) {
        let is_news = self
            .comes_in
            .send_if_modified(|before| std::mem::replace(before, comes_in) != comes_in);
        if let Some(neighbours) = self.neighbours.as_ref().filter(|_| is_news) {
            neighbours.tell(comes_in);
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.tell(false);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use futures::FutureExt as _;

    use super::*;

    fn writer() -> Writer {
        let connection = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        Writer::new(connection, Commits::default(), None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_at_once_when_there_is_no_flood_and_when_it_is_over() {
        let writer = writer();
        let flood = writer.flood();
        assert!(writer.turn().now_or_never().is_some());
        flood.tell(true);
        let mut turn = Box::pin(writer.turn());
        assert!(turn.as_mut().now_or_never().is_none());
        flood.tell(false);
        assert!(turn.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_without_an_end_holds_nobody_up_for_ever() {
        let writer = writer();
        let flood = writer.flood();
        flood.tell(true);
        let begun = tokio::time::Instant::now();
        for turns in 1..=3 {
            let _turn = writer.turn().await;
            assert_eq!(begun.elapsed(), GIVE_WAY * turns);
        }
        assert!(flood.comes_in());
    }

    #[tokio::test]
    async fn the_intake_hears_whether_somebody_has_a_turn() {
        let writer = writer();
        let flood = writer.flood();
        assert!(!flood.is_wanted());
        let turn = writer.turn().await;
        assert!(flood.is_wanted());
        drop(turn);
        assert!(!flood.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn an_intake_that_has_ended_leaves_no_flood_behind() {
        let writer = writer();
        let flood = writer.flood();
        flood.tell(true);
        drop(flood);
        assert!(writer.turn().now_or_never().is_some());
    }
}
