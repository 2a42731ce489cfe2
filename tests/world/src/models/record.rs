//! What the providers were asked: a bounded list, and a way to wait for something in it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::sync::watch;

use super::{script::Phase, wire::Provider};

/// Requests that are kept; older ones are dropped and counted.
pub const MAX_RECORDS: usize = 10_000;

/// Complaints that are kept.
const MAX_VIOLATIONS: usize = 100;

/// What a request carried as its key. The key itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeySeen {
    /// The key that the provider expects.
    Expected,
    /// The placeholder that stands in sandboxes; it must never come here.
    Placeholder,
    /// Another key.
    Wrong,
    /// None.
    Missing,
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A turn of a task's conversation.
    Turn {
        /// The phase that the newest prompt names.
        phase: Phase,
        /// The script that answers.
        script: String,
        /// Calls of tools since the phase began.
        step: usize,
    },
    /// Something that an agent asks beside its work: a title, a summary, a probe of the quota.
    Side,
    /// A count of tokens.
    Count,
    /// The list of models.
    ModelList,
    /// An address that the stand-in does not have.
    Unknown,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is held, or the model thinks, or it is never answered.
    Open,
    /// It was answered, with a call of this tool where there is one.
    Answered {
        /// The tool called, under the name that the agent gave it.
        tool: Option<String>,
    },
    /// It was refused with this status.
    Refused(u16),
}

/// One request.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Counts from 1.
    pub number: u64,
    /// Since the start of the stand-in.
    pub at: Duration,
    /// Whose form it had.
    pub provider: Provider,
    /// The address, without its query.
    pub path: String,
    /// The model asked for; empty where it stands in the address.
    pub model: String,
    /// What it was for.
    pub kind: RequestKind,
    /// How many tools the agent offered.
    pub tools: usize,
    /// The key that came with it.
    pub key: KeySeen,
    /// What became of it.
    pub outcome: Outcome,
}

impl RequestRecord {
    /// The phase, where it was a turn of a task.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self.kind {
            RequestKind::Turn { phase, .. } => Some(phase),
            RequestKind::Side
            | RequestKind::Count
            | RequestKind::ModelList
            | RequestKind::Unknown => None,
        }
    }
}

#[derive(Default)]
struct Pages {
    records: VecDeque<RequestRecord>,
    total: u64,
    keys: BTreeSet<KeySeen>,
    violations: Vec<String>,
}

pub(super) struct RequestLog {
    started: Instant,
    pages: Mutex<Pages>,
    changed: watch::Sender<u64>,
}

/// What is known of a request when it has been read.
pub(super) struct Arrival {
    pub provider: Provider,
    pub path: String,
    pub model: String,
    pub kind: RequestKind,
    pub tools: usize,
    pub key: KeySeen,
}

impl RequestLog {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            pages: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a request down and gives its number.
    pub fn arrived(&self, arrival: Arrival) -> u64 {
        let mut pages = self.pages();
        pages.total += 1;
        pages.keys.insert(arrival.key);
        let number = pages.total;
        if pages.records.len() == MAX_RECORDS {
            pages.records.pop_front();
        }
        pages.records.push_back(RequestRecord {
            number,
            at: self.started.elapsed(),
            provider: arrival.provider,
            path: arrival.path,
            model: arrival.model,
            kind: arrival.kind,
            tools: arrival.tools,
            key: arrival.key,
            outcome: Outcome::Open,
        });
        drop(pages);
        self.changed.send_modify(|version| *version += 1);
        number
    }

    /// Writes down what became of a request.
    pub fn ended(&self, number: u64, outcome: Outcome) {
        let mut pages = self.pages();
        let mut newest_first = pages.records.iter_mut().rev();
        if let Some(record) = newest_first.find(|record| record.number == number) {
            record.outcome = outcome;
        }
        drop(pages);
        self.changed.send_modify(|version| *version += 1);
    }

    pub fn complain(&self, what: String) {
        let mut pages = self.pages();
        if pages.violations.len() < MAX_VIOLATIONS {
            pages.violations.push(what);
        }
    }

    pub fn all(&self) -> Vec<RequestRecord> {
        self.pages().records.iter().cloned().collect()
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    pub fn total(&self) -> u64 {
        self.pages().total
    }

    pub fn keys(&self) -> BTreeSet<KeySeen> {
        self.pages().keys.clone()
    }

    pub fn violations(&self) -> Vec<String> {
        self.pages().violations.clone()
    }

    /// The oldest kept request that fits, as soon as there is one.
    pub async fn wait_for(
        &self,
        fits: impl Fn(&RequestRecord) -> bool,
        longest: Duration,
    ) -> anyhow::Result<RequestRecord> {
        let mut changes = self.changed.subscribe();
        let search = async {
            loop {
                changes.borrow_and_update();
                let found = self
                    .pages()
                    .records
                    .iter()
                    .find(|record| fits(record))
                    .cloned();
                if let Some(record) = found {
                    return Some(record);
                }
                changes.changed().await.ok()?;
            }
        };
        match tokio::time::timeout(longest, search).await {
            Ok(Some(record)) => Ok(record),
            Ok(None) | Err(_) => bail!(
                "no such request came to the model providers within {longest:?}; these did: {:#?}",
                self.all()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(kind: RequestKind) -> Arrival {
        Arrival {
            provider: Provider::Chat,
            path: "/v1/chat/completions".into(),
            model: "m".into(),
            kind,
            tools: 0,
            key: KeySeen::Expected,
        }
    }

    #[test]
    fn the_list_is_bounded_and_the_count_is_not() {
        let log = RequestLog::new();
        for _ in 0..=MAX_RECORDS {
            log.arrived(arrival(RequestKind::Side));
        }
        assert_eq!(log.all().len(), MAX_RECORDS);
        assert_eq!(log.total(), MAX_RECORDS as u64 + 1);
        assert_eq!(log.all()[0].number, 2);
    }

    #[test]
    fn the_moment_of_a_request_is_told_by_everybodys_clock() {
        let log = RequestLog::new();
        std::thread::sleep(Duration::from_millis(2));
        let before = Instant::now();
        log.arrived(arrival(RequestKind::Side));
        let moment = log.started() + log.all()[0].at;
        assert!(before <= moment && moment <= Instant::now());
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_request_comes_or_time_is_up() {
        let log = RequestLog::new();
        let is_count = |record: &RequestRecord| record.kind == RequestKind::Count;
        let late = log.wait_for(is_count, Duration::ZERO).await;
        assert!(late.unwrap_err().to_string().contains("no such request"));
        let (found, _) = tokio::join!(log.wait_for(is_count, Duration::from_secs(5)), async {
            log.arrived(arrival(RequestKind::Side));
            log.arrived(arrival(RequestKind::Count))
        });
        assert_eq!(found.unwrap().number, 2);
    }
}
