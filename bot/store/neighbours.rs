//! Who writes next of the processes on one SQLite file: the bot, doors of their own, verbs of the command line. SQLite lets
//! whoever asks at the right moment write, and everybody else asks again after ever longer pauses. Here they stand in a line.
//!
//! Empty files beside the database are locked, which the system undoes with their process. They only decide who goes first:
//! SQLite's own lock holds whatever becomes of them, so nobody stands in the line for long.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

/// How often somebody who gives way to a flood looks whether it goes on.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long somebody stands in the line. A turn takes a few milliseconds, unless its process sleeps.
const TURN_WITHIN: Duration = Duration::from_millis(250);

/// What is behind the database's name in the names of the files.
const TURN: &str = "-turn";
const NEXT: &str = "-next";
const FLOOD: &str = "-flood";

/// The line, as one process stands in it. Clones share its place.
#[derive(Debug, Clone)]
pub(super) struct Neighbours {
    /// One of this process at a time.
    own: Arc<Mutex<()>>,
    files: Arc<Files>,
    /// Held by doors of their own while a flood comes in.
    flood: Arc<File>,
}

#[derive(Debug)]
struct Files {
    /// Held by whoever writes.
    turn: File,
    /// Held by whoever waits for that one: without it, who has just written would be the first to ask again.
    next: File,
    /// Whether a thread waits for it. Somebody who sleeps for long would gather many.
    is_waited_for: AtomicBool,
}

/// A turn to write, until it is dropped.
#[derive(Debug)]
pub(super) struct TurnOfAll {
    files: Arc<Files>,
    /// Whether nobody wants it any more, for a thread that waits for it.
    has_gone: Arc<AtomicBool>,
    _own: OwnedMutexGuard<()>,
}

impl Neighbours {
    /// Opens the files beside a database, which are made where they are missing.
    ///
    /// # Errors
    /// What the system said; without them SQLite's own order holds.
    pub(super) fn open(beside: impl Fn(&str) -> PathBuf) -> io::Result<Self> {
        Ok(Self {
            own: Arc::default(),
            files: Arc::new(Files {
                turn: lockable(&beside(TURN))?,
                next: lockable(&beside(NEXT))?,
                is_waited_for: AtomicBool::new(false),
            }),
            flood: Arc::new(lockable(&beside(FLOOD))?),
        })
    }

    /// Waits so long for a flood at the doors to end.
    pub(super) async fn give_way(&self, at_most: Duration) {
        let until = Instant::now() + at_most;
        while !is_free(&self.flood) && Instant::now() < until {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Tells the others whether a flood comes in.
    pub(super) fn tell(&self, comes_in: bool) {
        let told = if comes_in {
            self.flood.try_lock().map_err(io::Error::from)
        } else {
            self.flood.unlock()
        };
        if let Err(error) = told {
            debug!(%error, "a flood cannot be told of");
        }
    }

    /// A turn, where nobody stands in the line.
    pub(super) fn turn_at_once(&self) -> Option<TurnOfAll> {
        let own = Arc::clone(&self.own).try_lock_owned().ok()?;
        self.files.try_lock().then(|| self.files.locked(own))
    }

    /// A turn.
    pub(super) async fn turn(&self) -> TurnOfAll {
        let own = Arc::clone(&self.own).lock_owned().await;
        // From here on it is given back, also where the caller goes while this waits.
        let turn = self.files.locked(own);
        if self.files.try_lock() || self.files.is_waited_for.swap(true, Ordering::AcqRel) {
            return turn;
        }
        let (files, has_gone) = (Arc::clone(&self.files), Arc::clone(&turn.has_gone));
        let waiting = spawn_blocking(move || files.lock(&has_gone));
        if timeout(TURN_WITHIN, waiting).await.is_err() {
            // Whoever has it sleeps. SQLite says whether it has the database too.
            turn.has_gone.store(true, Ordering::Release);
        }
        turn
    }
}

impl Files {
    fn locked(self: &Arc<Self>, own: OwnedMutexGuard<()>) -> TurnOfAll {
        TurnOfAll {
            files: Arc::clone(self),
            has_gone: Arc::default(),
            _own: own,
        }
    }

    /// Takes the turn where it is free and nobody waits for it.
    fn try_lock(&self) -> bool {
        if self.next.try_lock().is_err() {
            return false;
        }
        let is_taken = self.turn.try_lock().is_ok();
        // It is held: it was locked a moment ago.
        let _ = self.next.unlock();
        is_taken
    }

    /// Waits for the turn, and gives it back where whoever wanted it has gone.
    fn lock(&self, has_gone: &AtomicBool) {
        let locked = self.next.lock().and_then(|()| self.turn.lock());
        if let Err(error) = locked {
            debug!(%error, "turns at the database cannot be taken");
        }
        let _ = self.next.unlock();
        self.is_waited_for.store(false, Ordering::Release);
        if has_gone.load(Ordering::Acquire) {
            let _ = self.turn.unlock();
        }
    }
}

impl Drop for TurnOfAll {
    fn drop(&mut self) {
        self.has_gone.store(true, Ordering::Release);
        // Where it was never had, there is nothing to give back.
        let _ = self.files.turn.unlock();
    }
}

/// An empty file to be locked, which is made where it is missing.
pub(super) fn lockable(path: &Path) -> io::Result<File> {
    if !path.exists() {
        File::options().append(true).create(true).open(path)?;
    }
    // To be locked it need not be written, and nobody is kept from making the disk read-only.
    File::open(path)
}

/// Whether no other process holds it.
fn is_free(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            true
        }
        Err(TryLockError::WouldBlock) => false,
        // What cannot be told holds nobody up.
        Err(TryLockError::Error(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use futures::FutureExt as _;

    use super::*;

    /// The same files, as two processes have them open.
    fn two(folder: &tempfile::TempDir) -> [Neighbours; 2] {
        let open = || Neighbours::open(|name| folder.path().join(format!("db{name}"))).unwrap();
        [open(), open()]
    }

    #[tokio::test]
    async fn who_waits_has_the_turn_before_who_has_just_had_it() {
        let folder = tempfile::tempdir().unwrap();
        let [bot, doors] = two(&folder);
        let turn = bot.turn_at_once().unwrap();
        assert!(doors.turn_at_once().is_none());
        assert!(bot.turn_at_once().is_none(), "one of each process");
        let waiting = doors.clone();
        let waiting = tokio::spawn(async move { waiting.turn().await });
        while is_free(&bot.files.next) {
            tokio::task::yield_now().await;
        }
        drop(turn);
        // It stands behind.
        assert!(bot.turn_at_once().is_none());
        let turn = waiting.await.unwrap();
        assert!(bot.turn_at_once().is_none());
        drop(turn);
        assert!(bot.turn_at_once().is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_long_for_somebody_who_sleeps_nor_keeps_what_comes_too_late() {
        let folder = tempfile::tempdir().unwrap();
        let [bot, doors] = two(&folder);
        let sleeps = bot.turn().await;
        drop(doors.turn().await);
        assert!(doors.turn_at_once().is_none(), "it was not given back");
        // The thread that waits is there still, and no second one comes.
        assert!(doors.turn().now_or_never().is_some());
        drop(sleeps);
        // The thread that waited has it for a moment.
        while bot.turn_at_once().is_none() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_goes_while_they_wait_keeps_no_turn() {
        let folder = tempfile::tempdir().unwrap();
        let [bot, doors] = two(&folder);
        let turn = bot.turn().await;
        assert!(doors.turn().now_or_never().is_none());
        drop(turn);
        while bot.turn_at_once().is_none() || doors.files.is_waited_for.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
        assert!(bot.turn_at_once().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_bot_gives_way_to_a_flood_for_so_long() {
        let folder = tempfile::tempdir().unwrap();
        let [bot, doors] = two(&folder);
        let way = Duration::from_millis(25);
        bot.give_way(way).now_or_never().unwrap();
        doors.tell(true);
        let begun = Instant::now();
        bot.give_way(way).await;
        assert_eq!(begun.elapsed(), way);
        doors.tell(false);
        bot.give_way(way).now_or_never().unwrap();
        doors.tell(true);
        // A flood ends with its process.
        drop(doors);
        bot.give_way(way).now_or_never().unwrap();
    }
}
