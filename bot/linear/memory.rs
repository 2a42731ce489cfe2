//! What is remembered of each session: how it stands, and what it shows. Lost at a restart, when Linear is asked again.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::operations::{Link, PlanStep, Status};
use crate::{domain::Timestamp, surface::Words};

/// The most sessions that are remembered; above it, those that nobody speaks in at the moment are forgotten.
const SESSIONS_MAX: usize = 1_000;
/// How long a thought stands before the next one that says the same with newer figures.
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// How long a session may stand without an activity while work goes on, in milliseconds. Linear calls it stale after half
/// an hour; less than half of that leaves room for a process that is started again and has forgotten.
const QUIET_MAX_MS: i64 = 12 * 60 * 1_000;

/// How a session stands, by what was said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posture {
    /// Work goes on, or will.
    Working,
    /// A question is open.
    Waiting,
    /// Nothing goes on.
    Resting,
}

impl Posture {
    /// After a restart, as far as Linear knows. A session in which nothing was said has nothing that goes on.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::AwaitingInput => Self::Waiting,
            Status::Complete | Status::Error | Status::Pending => Self::Resting,
            Status::Active | Status::Other => Self::Working,
        }
    }
}

/// What is remembered of a session. Whoever holds it speaks; the others wait, so that order holds.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) posture: Option<Posture>,
    pub(super) plan: Vec<PlanStep>,
    /// The session's title, as it was given last.
    pub(super) title: Option<String>,
    /// None until Linear was asked which links there are.
    pub(super) links: Option<Vec<Link>>,
    thought: Option<(Words, Instant)>,
    /// How many activities were made.
    activities: u64,
    /// How many there were when it was looked last, and since when.
    looked: Option<(u64, Timestamp)>,
}

impl Memory {
    /// Whether a status says something new: at once where the part of the work is another, from time to time where only
    /// figures are.
    pub(super) fn is_news(&self, words: &Words) -> bool {
        let Some((last, said_at)) = &self.thought else {
            return true;
        };
        if last.kind != words.kind || last.fallback != words.fallback {
            return true;
        }
        last.markdown != words.markdown && said_at.elapsed() >= FIGURES_EVERY
    }

    /// Whether nothing was said for so long that the session would be taken for stale before long.
    pub(super) fn is_quiet(&mut self, now: Timestamp) -> bool {
        match self.looked {
            Some((activities, since)) if activities == self.activities => {
                now.milliseconds_since(since) >= QUIET_MAX_MS
            }
            Some(_) | None => {
                self.looked = Some((self.activities, now));
                false
            }
        }
    }

    /// The status that was said last, where nothing else was said since.
    pub(super) fn last_status(&self) -> Option<&Words> {
        self.thought.as_ref().map(|(words, _)| words)
    }

    /// Remembers the thought that stands now; the next activity replaces it.
    pub(super) fn thinks(&mut self, words: &Words) {
        self.activities += 1;
        self.thought = Some((words.clone(), Instant::now()));
        self.posture = Some(Posture::Working);
    }

    /// Remembers that something else stands now.
    pub(super) fn stands(&mut self, posture: Posture) {
        self.activities += 1;
        self.thought = None;
        self.posture = Some(posture);
    }
}

/// All that is remembered.
#[derive(Default)]
pub(super) struct Memories(Mutex<HashMap<String, Arc<Mutex<Memory>>>>);

impl Memories {
    pub(super) async fn of(&self, session: &str) -> Arc<Mutex<Memory>> {
        let mut all = self.0.lock().await;
        if all.len() >= SESSIONS_MAX {
            all.retain(|_, memory| Arc::strong_count(memory) > 1);
        }
        Arc::clone(all.entry(session.to_owned()).or_default())
    }
}
