//! The one connection that writes into SQLite, and who goes first on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::SqlitePool;
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
    turn: Arc<Mutex<()>>,
    flood: watch::Sender<bool>,
    wanted: Arc<AtomicBool>,
}

/// The right to wait for the connection as the only one beside the intake, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    wanted: Arc<AtomicBool>,
    _of_all: OwnedMutexGuard<()>,
}

/// What the intake tells everybody else who writes, and hears of them.
#[derive(Debug)]
pub(super) struct Flood {
    comes_in: watch::Sender<bool>,
    wanted: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn new(connection: SqlitePool) -> Self {
        Self {
            connection,
            turn: Arc::default(),
            flood: watch::Sender::default(),
            wanted: Arc::default(),
        }
    }

    /// What the intake needs: the connection without a turn, and who is to hear of a flood.
    pub(super) fn for_intake(&self) -> (SqlitePool, Flood) {
        let flood = Flood {
            comes_in: self.flood.clone(),
            wanted: Arc::clone(&self.wanted),
        };
        (self.connection.clone(), flood)
    }

    /// A turn at the connection, until it is dropped.
    pub(super) async fn turn(&self) -> Turn {
        let of_all = Arc::clone(&self.turn).lock_owned().await;
        if *self.flood.borrow() {
            let mut flood = self.flood.subscribe();
            // Whether it is over or goes on, this one has waited long enough.
            let _ = timeout(GIVE_WAY, flood.wait_for(|comes_in| !comes_in)).await;
        }
        self.wanted.store(true, Ordering::Release);
        Turn {
            wanted: Arc::clone(&self.wanted),
            _of_all: of_all,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Release);
    }
}

impl Flood {
    /// Whether one comes in.
    pub(super) fn comes_in(&self) -> bool {
        *self.comes_in.borrow()
    }

    /// Whether somebody whose turn it is waits for the connection, or has it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Tells everybody who waits for a turn.
    pub(super) fn tell(&self, comes_in: bool) {
        self.comes_in
            .send_if_modified(|before| std::mem::replace(before, comes_in) != comes_in);
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
        Writer::new(SqlitePool::connect_lazy("sqlite::memory:").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_at_once_when_there_is_no_flood_and_when_it_is_over() {
        let writer = writer();
        let (_, flood) = writer.for_intake();
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
        let (_, flood) = writer.for_intake();
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
        let (_, flood) = writer.for_intake();
        assert!(!flood.is_wanted());
        let turn = writer.turn().await;
        assert!(flood.is_wanted());
        drop(turn);
        assert!(!flood.is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn an_intake_that_has_ended_leaves_no_flood_behind() {
        let writer = writer();
        let (_, flood) = writer.for_intake();
        flood.tell(true);
        drop(flood);
        assert!(writer.turn().now_or_never().is_some());
    }
}
