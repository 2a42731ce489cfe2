//! What makes things happen: deliveries become transitions, effects become acts, runs are watched.
//!
//! - [`dispatch`]: one delivery, one transition
//! - [`deliver`]: one effect, one act
//! - [`gather`], [`runs`], [`prove`], [`publish`]: the acts that take long
//! - [`leases`]: what this process has in hand, and what another one left
//! - [`reaper`], [`timers`]: what must not be left behind or wait for ever
//! - [`jumps`]: a clock that somebody sets
//! - [`keep`]: what was done of a task that is cancelled
//! - [`deletion`], [`retention`]: what goes for good, when somebody says so or after its time
//! - [`reviews`]: pull requests whose end nobody heard of
//! - [`sockets`]: this process's share of Slack's connections
//! - `live`: the status message while work is under way
//! - [`surfaces`], [`roster`]: which platform, which agent
//! - [`tokens`]: where tokens of platforms are kept
//! - [`workspaces`]: whose token is taken for what in Slack

pub mod artifacts;
pub mod deletion;
pub mod deliver;
pub mod dispatch;
pub mod gather;
pub mod holds;
pub mod jumps;
pub mod keep;
pub mod leases;
mod live;
pub mod policy_book;
pub mod prove;
pub mod publish;
pub mod reaper;
pub mod retention;
pub mod reviews;
pub mod roster;
pub mod runs;
pub mod sockets;
pub mod surfaces;
pub mod timers;
pub mod tokens;
pub mod way_out;
pub mod workspaces;

use std::{path::PathBuf, sync::Arc, time::Duration};

use deckhand_executors::{Executor, mirror::Mirrors};
use serde_json::Value;

use crate::{
    clock::Clock,
    config::Config,
    domain::{RunNumber, TaskId},
    github::{self, ForgeError, Github},
    heartbeat::Heartbeats,
    redact::{Redactor, Sought},
    store::{
        Store, StoreError,
        inbox::{Accepted, NewDelivery},
        leases::Ticket,
        runs::{LogKind, RunTicket},
    },
    surface::SurfaceError,
    wake::Wake,
};

/// What acts on the world need.
#[derive(Clone)]
pub struct Context {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The platforms of talk.
    pub surfaces: surfaces::Surfaces,
    /// The forge.
    pub github: Github,
    /// The container engine.
    pub executor: Arc<dyn Executor>,
    /// The one way out of every sandbox.
    pub way_out: way_out::WayOut,
    /// The host's copies of repositories.
    pub mirrors: Arc<Mirrors>,
    /// The agents.
    pub agents: roster::Agents,
    /// Runs in hand.
    pub runs: runs::Runs,
    /// The time.
    pub clock: Clock,
    /// Wakes the workers.
    pub wake: Wake,
    /// The workers' signs of life.
    pub heartbeats: Heartbeats,
    /// Takes secrets out of everything that leaves or is kept.
    pub redactor: Redactor,
}

impl Context {
    /// Stores a delivery of the bot's own work, without any secret that is held, and wakes the dispatcher.
    pub async fn accept(&self, delivery: NewDelivery) -> Result<(), StoreError> {
        self.accepted(delivery).await.map(drop)
    }

    /// The same, for whoever has to know whether it was stored before.
    pub async fn accepted(&self, delivery: NewDelivery) -> Result<Accepted, StoreError> {
        let delivery = self.without_secrets(delivery);
        let accepted = self.store.accept(&delivery, self.clock.now()).await?;
        self.wake.inbox();
        Ok(accepted)
    }

    /// The same of the end of a run, which is stored with it. Says whether the run is in this hand; where it is not, nothing
    /// is stored.
    pub async fn end_run(&self, run: &RunTicket, news: NewDelivery) -> Result<bool, StoreError> {
        let news = self.without_secrets(news);
        let is_ours = self.store.end_run(run, &news, self.clock.now()).await?;
        self.wake.inbox();
        Ok(is_ours)
    }

    /// The same of what an effect found. Says whether the effect is in this hand; where it is not, nothing is stored.
    pub async fn accept_found(
        &self,
        effect: &Ticket,
        found: NewDelivery,
    ) -> Result<bool, StoreError> {
        let (found, now) = (self.without_secrets(found), self.clock.now());
        let is_ours = self.store.accept_found(effect, &found, now).await?;
        self.wake.inbox();
        Ok(is_ours)
    }

    fn without_secrets(&self, mut delivery: NewDelivery) -> NewDelivery {
        // Only what is held: the delivery has commands in it that will be run, and a check may well sign in somewhere.
        self.redactor.redact_value(&mut delivery.body, Sought::Held);
        delivery
    }

    /// Writes a line into a run's log, without any secret.
    pub async fn log_run(
        &self,
        task: &TaskId,
        run: RunNumber,
        kind: LogKind,
        mut body: Value,
    ) -> Result<(), StoreError> {
        self.redactor.redact_value(&mut body, Sought::Everything);
        self.store
            .log_run(task, run, kind, &body, self.clock.now())
            .await
    }

    /// Fails where another process may have an effect by now that this one was at. To be asked just before something leaves
    /// that cannot be taken back.
    pub async fn still_ours(&self, effect: &Ticket) -> Result<(), Fault> {
        if self.store.holds(effect).await? {
            return Ok(());
        }
        Err(Fault::elsewhere())
    }

    /// The folder of a task's quarantined commits.
    #[must_use]
    pub fn quarantine_path(&self, task: &TaskId) -> PathBuf {
        self.config.quarantine_path(task)
    }
}

/// Why an act did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It may work later.
    Transient {
        /// What was tried and what came back.
        what: String,
        /// How long to wait, where the other side says so.
        retry_after: Option<Duration>,
        /// Which side that is, by the name that people know it by; none where that is not known.
        asked_by: Option<&'static str>,
    },
    /// It will not work by trying again.
    Permanent {
        /// What was tried and what came back.
        what: String,
    },
    /// Nothing was tried, because the bot is not there any more.
    Resting {
        /// Where it was, and what ended that.
        what: String,
    },
}

impl Fault {
    /// The same in words that may be logged, stored and said.
    fn without_secrets(self, redactor: &Redactor) -> Self {
        match self {
            Self::Transient {
                what,
                retry_after,
                asked_by,
            } => Self::Transient {
                what: redactor.redacted(what),
                retry_after,
                asked_by,
            },
            Self::Permanent { what } => Self::Permanent {
                what: redactor.redacted(what),
            },
            Self::Resting { what } => Self::Resting {
                what: redactor.redacted(what),
            },
        }
    }

    /// The same where trying again does no harm and something else will end it.
    fn for_now(self) -> Self {
        match self {
            Self::Permanent { what } => Self::transient(what),
            Self::Transient { .. } | Self::Resting { .. } => self,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is passed as a function")]
    fn transient(what: impl ToString) -> Self {
        Self::Transient {
            what: what.to_string(),
            retry_after: None,
            asked_by: None,
        }
    }

    /// How the surface failed that made an address, such as that of a conversation or of a line.
    fn of_surface(error: SurfaceError, address: &str) -> Self {
        let mut fault = Self::from(error);
        if let Self::Transient { asked_by, .. } = &mut fault {
            *asked_by = surfaces::name_of(address);
        }
        fault
    }

    fn elsewhere() -> Self {
        Self::transient("another process has it now")
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is passed as a function")]
    fn permanent(what: impl ToString) -> Self {
        Self::Permanent {
            what: what.to_string(),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is passed as a function")]
    fn of_words(error: askama::Error) -> Self {
        Self::permanent(format!("a message could not be put into words: {error}"))
    }
}

impl From<SurfaceError> for Fault {
    fn from(error: SurfaceError) -> Self {
        match error {
            SurfaceError::Transient { what, retry_after } => Self::Transient {
                what,
                retry_after,
                asked_by: None,
            },
            SurfaceError::Permanent { what, code } => Self::Permanent {
                what: format!("{what}: {code}"),
            },
            SurfaceError::Closed { why } => Self::Resting { what: why },
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::transient(error)
    }
}

impl From<ForgeError> for Fault {
    fn from(error: ForgeError) -> Self {
        match error {
            ForgeError::Transient { what, retry_after } => Self::Transient {
                what,
                retry_after,
                asked_by: Some(github::NAME),
            },
            ForgeError::NotFound { what } | ForgeError::Refused { what, .. } => {
                Self::Permanent { what }
            }
        }
    }
}

impl From<deckhand_executors::ExecutorError> for Fault {
    fn from(error: deckhand_executors::ExecutorError) -> Self {
        use deckhand_executors::ExecutorError as Engine;
        match error {
            Engine::Unreachable(_) | Engine::Refused(_) => Self::transient(error),
            Engine::ImageMissing(image) => Self::permanent(format!(
                "the image {image} is not there; `script/setup` makes it"
            )),
            Engine::Start(_) | Engine::Gone(_) => Self::permanent(error),
        }
    }
}

/// Half a second, then double each time up to `longest`, with up to a quarter on top by chance, so that many do not come
/// back at once.
pub(crate) fn pause_before_try(attempts: i64, longest: Duration) -> Duration {
    let doubled = Duration::from_millis(500)
        * 2_u32.pow(u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0));
    let pause = doubled.min(longest);
    pause + by_chance(pause / 4)
}

/// What a platform asked for, up to `longest`, with up to a tenth on top by chance.
fn pause_asked_for(asked: Duration, longest: Duration) -> Duration {
    let pause = asked.min(longest);
    pause + by_chance(pause / 10)
}

fn by_chance(most: Duration) -> Duration {
    most * u32::from(uuid::Uuid::new_v4().as_bytes()[0]) / 256
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fault, Redactor, pause_before_try};

    #[test]
    fn what_failed_is_told_without_secrets() {
        let redactor = Redactor::new(["canary-of-a-platform".into()]).expect("made");
        let what = "the server answered canary-of-a-platform";
        for fault in [Fault::transient(what), Fault::permanent(what)] {
            let told = format!("{:?}", fault.without_secrets(&redactor));
            assert!(
                !told.contains("canary") && told.contains("answered [redacted]"),
                "{told}"
            );
        }
    }

    #[test]
    fn pauses_grow_to_their_ceiling_and_differ_by_chance_also_there() {
        let longest = Duration::from_mins(2);
        for (attempts, least) in [
            (1, 500),
            (2, 1_000),
            (8, 64_000),
            (9, 120_000),
            (40, 120_000),
        ] {
            let least = Duration::from_millis(least);
            let pauses: Vec<Duration> = (0..200)
                .map(|_| pause_before_try(attempts, longest))
                .collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| *pause >= least && *pause <= least * 5 / 4)
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
}
