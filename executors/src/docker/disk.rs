//! Keeps sandboxes inside their part of the disk, where engines have no quota for volumes.
//!
//! Counting files is slow, asking the file system how much is free is not. So the free room is asked ten times a second, and
//! what it lost is held against every sandbox's allowance: the room that it had left when it was last counted. Whoever
//! may have used its allowance up is counted, and killed or given a new allowance. What others write on the same disk
//! costs a count now and then and is never held against a sandbox.
//!
//! The bound: a sandbox holds at most its ceiling, one least allowance ([`LEAST_PART`] of the ceiling), and what can be written
//! in one [`TICK`] and one count. A count takes some hundredths of a second, and longer only for very many files. Only the
//! first one has to wait for the container that counts, which is why it comes early, at [`FIRST_PART`] of the ceiling: until
//! then much is left. That container stays while its sandbox writes much. On a disk of 1 GB a second and with 10 GB the
//! bound is about 0.6 GB over. Files that are deleted and still open are counted; ones that are only mapped are not, and for
//! those and for everything else stands the [`Floor`]: below that much free room every sandbox is killed, without a count.
//!
//! A sandbox is not paused while it is counted. An engine whose container is paused in the moment in which a command
//! starts in it never lets go of either again (seen with 20.10).

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{Docker, errors::Error};
use tokio::{
    sync::{Mutex as AsyncMutex, OnceCell},
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};

use super::measure::{self, Count, Counter, Held};
use crate::sandbox::End;

/// How often the free room is asked.
const TICK: Duration = Duration::from_millis(100);
/// The part of the ceiling that is the least allowance: a sandbox just below its ceiling must not be counted all the time.
const LEAST_PART: u64 = 32;
/// The part of the ceiling that is the allowance until the first count.
const FIRST_PART: u64 = 16;
/// When a sandbox is counted for the first time, on volumes that may hold something. Not at once, because it starts then.
const FIRST_COUNT: Duration = Duration::from_secs(10);
/// How often a sandbox is counted at least: room that others free hides what it writes.
const COUNT_EVERY: Duration = Duration::from_mins(5);
/// The same where the free room cannot be asked, because the engine's disk is not this process's.
const COUNT_BLIND: Duration = Duration::from_secs(5);
/// How long a count may take. What cannot be counted in that time has too many files.
const COUNT_TIME: Duration = Duration::from_secs(30);
/// How long the engine may take to say whether it counts still.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How often a count may end without an answer.
const COUNTED_TRIES: u32 = 2;

/// What has to stay free of the engine's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Bytes.
    pub bytes: u64,
    /// Files, on file systems that have a number of them.
    pub files: u64,
}

impl Default for Floor {
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            files: 20_000,
        }
    }
}

/// A sandbox that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What is counted of it.
    pub count: Count,
    /// Its ceilings.
    pub ceiling: Held,
}

/// The watch over all sandboxes of one executor.
#[derive(Debug, Default)]
pub struct DiskWatch {
    shared: Arc<Shared>,
    /// The task that looks; begun with the first sandbox.
    looking: OnceCell<AbortHandle>,
    floor: Floor,
}

#[derive(Debug, Default)]
struct Shared {
    sandboxes: Mutex<HashMap<String, State>>,
    ends: Mutex<HashMap<String, End>>,
}

#[derive(Debug, Clone)]
struct State {
    watched: Watched,
    /// What it may write until it has to be counted.
    allowance: Held,
    /// What the disk lost since it was last counted; it may be somebody else's doing.
    lost: Held,
    is_counted_now: bool,
    count_at: Instant,
    counter: SharedCounter,
}

/// The counting container of a sandbox, where there is one.
type SharedCounter = Arc<AsyncMutex<Option<Counter>>>;

/// A count that has to be made.
#[derive(Debug)]
struct Due {
    watched: Watched,
    counter: SharedCounter,
    pace: Pace,
}

/// How soon the next count may be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Much is written: the container that counts stays for the next count.
    Writing,
    /// It was only time for a look.
    Quiet,
}

impl State {
    fn new(watched: Watched, allowance: Held, first_count: Duration) -> Self {
        Self {
            watched,
            allowance,
            lost: Held::default(),
            is_counted_now: false,
            count_at: Instant::now() + first_count,
            counter: SharedCounter::default(),
        }
    }

    fn due(&self, now: Instant) -> Option<Pace> {
        let is_spent =
            self.lost.bytes >= self.allowance.bytes || self.lost.files >= self.allowance.files;
        if self.is_counted_now {
            None
        } else if is_spent {
            Some(Pace::Writing)
        } else {
            (self.count_at <= now).then_some(Pace::Quiet)
        }
    }
}

impl DiskWatch {
    /// A watch that keeps so much free.
    pub fn keeping(floor: Floor) -> Self {
        Self {
            shared: Arc::default(),
            looking: OnceCell::new(),
            floor,
        }
    }

    /// Begins to watch a sandbox. One that is watched already stays as it is.
    pub async fn begin(&self, docker: &Docker, root: Option<PathBuf>, watched: Watched) {
        let first = watched.part(FIRST_PART);
        let state = State::new(watched, first, FIRST_COUNT);
        if let Ok(mut sandboxes) = self.shared.sandboxes.lock() {
            let name = state.watched.count.sandbox.clone();
            sandboxes.entry(name).or_insert(state);
        }
        self.looking
            .get_or_init(|| async {
                let (shared, docker, floor) =
                    (Arc::clone(&self.shared), docker.clone(), self.floor);
                tokio::spawn(look(shared, docker, root, floor)).abort_handle()
            })
            .await;
    }

    /// Ends the watch over a sandbox, and forgets how it ended.
    pub fn end(&self, sandbox: &str) {
        self.shared.forget(sandbox);
        if let Ok(mut ends) = self.shared.ends.lock() {
            ends.remove(sandbox);
        }
    }

    /// Why a sandbox was killed, where this watch did it.
    pub fn verdict(&self, sandbox: &str) -> Option<End> {
        self.shared.ends.lock().ok()?.get(sandbox).copied()
    }

    /// A sentence where there is too little room for one more sandbox.
    pub fn lacks_room(&self, root: Option<&PathBuf>) -> Option<String> {
        let free = free(root)?;
        is_below(free, self.floor).then(|| {
            format!(
                "the engine's disk is nearly full: {} MB and {} files are free, {} MB and {} files are kept free",
                free.bytes >> 20,
                free.files,
                self.floor.bytes >> 20,
                self.floor.files
            )
        })
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        if let Some(task) = self.looking.get() {
            task.abort();
        }
    }
}

impl Watched {
    fn part(&self, part: u64) -> Held {
        Held {
            bytes: self.ceiling.bytes / part,
            files: self.ceiling.files / part,
        }
    }

    fn allowance(&self, held: Held) -> Held {
        let least = self.part(LEAST_PART);
        Held {
            bytes: (self.ceiling.bytes.saturating_sub(held.bytes)).max(least.bytes),
            files: (self.ceiling.files.saturating_sub(held.files)).max(least.files),
        }
    }

    fn judge(&self, held: Option<Held>) -> Option<End> {
        match held {
            Some(held) if held.bytes > self.ceiling.bytes => Some(End::DiskFull {
                limit_bytes: self.ceiling.bytes,
            }),
            Some(held) if held.files <= self.ceiling.files => None,
            // What cannot be counted in time counts as too many.
            Some(_) | None => Some(End::TooManyFiles {
                limit: self.ceiling.files,
            }),
        }
    }
}

impl Shared {
    fn forget(&self, sandbox: &str) {
        if let Ok(mut sandboxes) = self.sandboxes.lock() {
            sandboxes.remove(sandbox);
        }
    }

    /// Holds what the disk lost against everybody's allowance; answers with those that have to be counted, which are
    /// taken to be counted from now on.
    fn charge(&self, lost: Held) -> Vec<Due> {
        let Ok(mut sandboxes) = self.sandboxes.lock() else {
            return Vec::new();
        };
        let now = Instant::now();
        let charged = sandboxes.values_mut().filter_map(|state| {
            state.lost.bytes = state.lost.bytes.saturating_add(lost.bytes);
            state.lost.files = state.lost.files.saturating_add(lost.files);
            let pace = state.due(now)?;
            state.is_counted_now = true;
            // What is written during the count may be missing in it.
            state.lost = Held::default();
            Some(Due {
                watched: state.watched.clone(),
                counter: Arc::clone(&state.counter),
                pace,
            })
        });
        charged.collect()
    }

    fn renew(&self, watched: &Watched, held: Held, next: Duration) {
        if let Ok(mut sandboxes) = self.sandboxes.lock()
            && let Some(state) = sandboxes.get_mut(&watched.count.sandbox)
        {
            state.allowance = watched.allowance(held);
            state.is_counted_now = false;
            state.count_at = Instant::now() + next;
        }
    }

    fn all(&self) -> Vec<Watched> {
        self.sandboxes.lock().map_or_else(
            |_| Vec::new(),
            |sandboxes| {
                let all = sandboxes.values().map(|state| state.watched.clone());
                all.collect()
            },
        )
    }

    fn note(&self, sandbox: &str, end: End) {
        if let Ok(mut ends) = self.ends.lock() {
            ends.insert(sandbox.to_owned(), end);
        }
    }
}

async fn look(shared: Arc<Shared>, docker: Docker, root: Option<PathBuf>, floor: Floor) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = free(root.as_ref());
    if before.is_none() {
        info!(
            "the engine's disk cannot be asked for its free room; sandboxes are counted every few seconds"
        );
    }
    loop {
        ticks.tick().await;
        let now = free(root.as_ref());
        let lost = match (before, now) {
            (Some(before), Some(now)) => Held {
                bytes: before.bytes.saturating_sub(now.bytes),
                files: before.files.saturating_sub(now.files),
            },
            _ => Held::default(),
        };
        before = now;
        if now.is_some_and(|now| is_below(now, floor)) {
            for watched in shared.all() {
                kill(&shared, &docker, &watched, End::HostDiskLow).await;
            }
            continue;
        }
        let next = if now.is_some() {
            COUNT_EVERY
        } else {
            COUNT_BLIND
        };
        for due in shared.charge(lost) {
            let (shared, docker) = (Arc::clone(&shared), docker.clone());
            // Beside the ticks: the floor is looked at meanwhile. It ends by itself in bounded time.
            tokio::spawn(async move { check(&shared, &docker, due, next).await });
        }
    }
}

/// Counts one sandbox, and kills it where it holds too much or cannot be counted.
async fn check(shared: &Shared, docker: &Docker, due: Due, next: Duration) {
    let watched = &due.watched;
    let sandbox = &watched.count.sandbox;
    for tries in 1.. {
        let counted = count(docker, &due).await;
        // The counting program dies with the sandbox whose processes it shares.
        if !matches!(counted, Ok(Counted::Held(_))) && is_gone(docker, sandbox).await {
            shared.forget(sandbox);
            return;
        }
        let held = match counted {
            Ok(Counted::Held(held)) => Some(held),
            // An engine that was started again takes the counting program with it. One that dies twice was killed.
            Ok(Counted::Silent) if tries < COUNTED_TRIES => continue,
            Ok(Counted::Silent | Counted::Late) => None,
            Err(error) => {
                warn!(sandbox, %error, "what a sandbox holds could not be counted");
                // The floor stands whatever happens here; a sandbox is not killed for an engine's trouble.
                shared.renew(watched, Held::default(), COUNT_BLIND);
                return;
            }
        };
        match watched.judge(held) {
            Some(end) => kill(shared, docker, watched, end).await,
            None => shared.renew(watched, held.unwrap_or_default(), next),
        }
        return;
    }
}

/// What came of a count.
#[derive(Debug)]
enum Counted {
    /// What it found.
    Held(Held),
    /// It ended without an answer.
    Silent,
    /// It takes too long, while the engine answers.
    Late,
}

/// Counts with the container that is there, else with a new one, which stays where much is written.
async fn count(docker: &Docker, due: &Due) -> Result<Counted, Error> {
    let mut place = due.counter.lock().await;
    let count = &due.watched.count;
    // What was broken off in its middle is not asked again: it is put back only after its answer.
    let mut counter = match place.take() {
        Some(counter) => counter,
        // How long the container takes to begin is the engine's affair.
        None => timeout(COUNT_TIME, Counter::start(docker, count))
            .await
            .map_err(|_| Error::RequestTimeoutError)??,
    };
    let Ok(held) = timeout(COUNT_TIME, counter.count()).await else {
        let is_counting = timeout(ANSWER_TIME, measure::is_counting(docker, &count.sandbox));
        let is_counting = is_counting
            .await
            .map_err(|_| Error::RequestTimeoutError)??;
        measure::end(docker, &count.sandbox).await;
        return Ok(if is_counting {
            Counted::Late
        } else {
            Counted::Silent
        });
    };
    let held = held?;
    if held.is_some() && due.pace == Pace::Writing {
        *place = Some(counter);
    } else {
        measure::end(docker, &count.sandbox).await;
    }
    Ok(held.map_or(Counted::Silent, Counted::Held))
}

/// Kills what runs in a sandbox; the container stays, so that its last words can be read.
async fn kill(shared: &Shared, docker: &Docker, watched: &Watched, end: End) {
    let sandbox = &watched.count.sandbox;
    // First the reason: whoever hears of the end asks for it at once.
    shared.note(sandbox, end);
    shared.forget(sandbox);
    warn!(sandbox, ?end, "a sandbox is killed for its use of the disk");
    let options = None::<bollard::query_parameters::KillContainerOptions>;
    if let Err(error) = docker.kill_container(sandbox, options).await
        && !is_gone(docker, sandbox).await
    {
        warn!(sandbox, %error, "a sandbox that fills the disk could not be killed");
        shared.retry(watched);
    }
}

impl Shared {
    /// Watches on: the next look comes at once.
    fn retry(&self, watched: &Watched) {
        if let Ok(mut sandboxes) = self.sandboxes.lock() {
            let state = State::new(watched.clone(), Held::default(), Duration::ZERO);
            sandboxes.insert(watched.count.sandbox.clone(), state);
        }
    }
}

/// Whether a sandbox does not run any more. An engine that does not answer says nothing about that.
async fn is_gone(docker: &Docker, sandbox: &str) -> bool {
    let options = None::<bollard::query_parameters::InspectContainerOptions>;
    match docker.inspect_container(sandbox, options).await {
        Ok(facts) => facts.state.is_none_or(|state| state.running != Some(true)),
        Err(Error::DockerResponseServerError { status_code, .. }) => status_code == 404,
        Err(_) => false,
    }
}

/// What is free on the file system with the engine's data.
fn free(root: Option<&PathBuf>) -> Option<Held> {
    let facts = rustix::fs::statvfs(root?).ok()?;
    Some(Held {
        bytes: facts.f_bavail.saturating_mul(facts.f_frsize),
        // Some file systems make room for files as they go, and say zero.
        files: if facts.f_files == 0 {
            u64::MAX
        } else {
            facts.f_favail
        },
    })
}

fn is_below(free: Held, floor: Floor) -> bool {
    free.bytes < floor.bytes || free.files < floor.files
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn watched() -> Watched {
        Watched {
            count: Count {
                sandbox: "s".into(),
                id: "1".into(),
                image: "i".into(),
                volumes: Vec::new(),
                most_files: 1_000,
                labels: HashMap::new(),
            },
            ceiling: Held {
                bytes: 3_200,
                files: 320,
            },
        }
    }

    fn state(bytes: u64, files: u64) -> State {
        State::new(watched(), Held { bytes, files }, COUNT_EVERY)
    }

    #[tokio::test]
    async fn whoever_may_have_used_its_allowance_up_is_counted_and_once_at_a_time() {
        let shared = Shared::default();
        let set = |state| shared.sandboxes.lock().unwrap().insert("s".into(), state);
        let is_counted = |bytes, files| !shared.charge(Held { bytes, files }).is_empty();
        let held = |bytes| Held { bytes, files: 1 };
        set(state(1_000, 100));
        assert!(!is_counted(600, 10));
        assert!(!is_counted(399, 10));
        assert!(is_counted(1, 0));
        assert!(!is_counted(5_000, 0), "it is counted already");
        shared.renew(&watched(), held(1), COUNT_EVERY);
        assert!(is_counted(0, 0), "what was written during the count counts");
        shared.renew(&watched(), held(1), COUNT_EVERY);
        assert!(is_counted(0, 320));
        shared.renew(&watched(), held(3_190), COUNT_EVERY);
        // Just below the ceiling there is the least allowance and not the ten bytes that are left.
        assert!(!is_counted(99, 0));
        assert!(is_counted(1, 0));
        shared.renew(&watched(), held(0), Duration::ZERO);
        assert!(is_counted(0, 0));
    }

    #[test]
    fn a_ceiling_is_reached_when_it_is_passed_and_what_cannot_be_counted_is_too_much() {
        let judged = |bytes, files| watched().judge(Some(Held { bytes, files }));
        assert_eq!(judged(3_200, 320), None);
        assert_eq!(judged(3_201, 1), Some(End::DiskFull { limit_bytes: 3_200 }));
        assert_eq!(judged(1, 321), Some(End::TooManyFiles { limit: 320 }));
        assert_eq!(
            watched().judge(None),
            Some(End::TooManyFiles { limit: 320 })
        );
    }

    #[test]
    fn a_disk_below_its_floor_takes_no_more_sandboxes() {
        let here = std::env::temp_dir();
        assert_eq!(
            DiskWatch::keeping(Floor { bytes: 0, files: 0 }).lacks_room(Some(&here)),
            None
        );
        let watch = DiskWatch::keeping(Floor {
            bytes: u64::MAX,
            files: 0,
        });
        assert!(
            watch
                .lacks_room(Some(&here))
                .is_some_and(|why| why.contains("nearly full"))
        );
        // Where the disk cannot be asked nothing is known.
        assert_eq!(watch.lacks_room(None), None);
    }
}
