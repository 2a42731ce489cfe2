//! One record for each request: what was asked, what became of it, and by which rule.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::mpsc;

use super::policy::Phase;

/// Characters of a path that are recorded.
const MAX_PATH_CHARACTERS: usize = 512;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was let through.
    Allowed,
    /// A rule refused it.
    Denied,
    /// No rule refused it, and it failed: the host did not answer, the connection broke, a limit was reached.
    Failed,
}

/// The rule that decided. Its text form is stable; it stands in the header `x-deckhand-egress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A base address, by its prefix.
    BaseAddress(String),
    /// An entry of the list, as it is written.
    Listed(String),
    /// The host is not listed for the phase.
    NotListed,
    /// The host is an address in figures.
    AddressLiteral,
    /// The host is listed with another port.
    Port,
    /// The name leads to an address that it may not lead to.
    PrivateAddress,
    /// Models are not reached in this phase.
    Phase,
    /// The run's way out is closed for good.
    Revoked,
    /// What is inside a tunnel is no TLS, or for another host than the tunnel.
    ServerName,
    /// The path leaves its base address, or is below none.
    Path,
    /// The method is not allowed there.
    Method,
    /// The request's body is over the limit.
    TooLarge,
    /// The request makes no sense to a proxy.
    Malformed,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BaseAddress(prefix) => return write!(formatter, "base-address {prefix}"),
            Self::Listed(entry) => return write!(formatter, "listed {entry}"),
            Self::NotListed => "not-listed",
            Self::AddressLiteral => "address-literal",
            Self::Port => "port",
            Self::PrivateAddress => "private-address",
            Self::Phase => "phase",
            Self::Revoked => "revoked",
            Self::ServerName => "server-name",
            Self::Path => "path",
            Self::Method => "method",
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
        })
    }
}

/// One request of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRecord {
    /// When it came.
    pub at: SystemTime,
    /// The phase in which it came; `None` after the way out was revoked.
    pub phase: Option<Phase>,
    /// Its method; `CONNECT` for a tunnel.
    pub method: String,
    /// The host that was wanted, with its port where it was written.
    pub host: String,
    /// The path without its query, at most 512 characters. Unseen in a tunnel.
    pub path: Option<String>,
    /// Bytes of bodies, or of a tunnel, that left the sandbox.
    pub bytes_up: u64,
    /// Bytes that came in.
    pub bytes_down: u64,
    /// The HTTP status that the sandbox saw, where it saw one.
    pub status: Option<u16>,
    /// What became of it.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Rule,
    /// From the request's head to the end of the answer.
    pub elapsed: Duration,
}

/// Where records go; it never waits.
#[derive(Debug)]
pub struct Journal {
    log: mpsc::Sender<EgressRecord>,
    dropped: AtomicU64,
}

impl Journal {
    /// A journal that writes to `log`.
    pub fn new(log: mpsc::Sender<EgressRecord>) -> Self {
        Self {
            log,
            dropped: AtomicU64::new(0),
        }
    }

    /// Records that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Begins the record of a request. It is written when the entry is dropped, whatever happens.
    pub fn entry(self: &Arc<Self>, asked: Asked) -> Entry {
        Entry {
            journal: Arc::clone(self),
            begun: Instant::now(),
            traffic: Arc::default(),
            record: EgressRecord {
                at: SystemTime::now(),
                phase: asked.phase,
                method: asked.method,
                host: asked.host,
                path: asked
                    .path
                    .map(|path| path.chars().take(MAX_PATH_CHARACTERS).collect()),
                bytes_up: 0,
                bytes_down: 0,
                status: None,
                // Stands where the client goes away before anything is decided.
                verdict: Verdict::Failed,
                rule: Rule::Malformed,
                elapsed: Duration::ZERO,
            },
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub struct Asked {
    /// The phase, unless revoked.
    pub phase: Option<Phase>,
    /// The method.
    pub method: String,
    /// The host.
    pub host: String,
    /// The path, where it is seen.
    pub path: Option<String>,
}

/// Bytes so far, counted where they pass.
#[derive(Debug, Default)]
pub struct Traffic {
    up: AtomicU64,
    down: AtomicU64,
}

impl Traffic {
    /// Counts bytes that leave; answers with the sum.
    pub fn add_up(&self, bytes: usize) -> u64 {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// Counts bytes that come; answers with the sum.
    pub fn add_down(&self, bytes: usize) -> u64 {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// Both together.
    pub fn total(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }
}

/// The record of a request that is under way.
#[derive(Debug)]
pub struct Entry {
    journal: Arc<Journal>,
    begun: Instant,
    traffic: Arc<Traffic>,
    record: EgressRecord,
}

impl Entry {
    /// Says what became of the request; the last word counts.
    pub fn decide(&mut self, verdict: Verdict, rule: Rule) {
        self.record.verdict = verdict;
        self.record.rule = rule;
    }

    /// The request failed by no rule: the rule that let it through stays.
    pub fn fail(&mut self) {
        self.record.verdict = Verdict::Failed;
    }

    /// Notes the status that the sandbox sees.
    pub fn status(&mut self, status: u16) {
        self.record.status = Some(status);
    }

    /// The counters of this request.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut record = self.record.clone();
        record.bytes_up = self.traffic.up.load(Ordering::Relaxed);
        record.bytes_down = self.traffic.down.load(Ordering::Relaxed);
        record.elapsed = self.begun.elapsed();
        if self.journal.log.try_send(record).is_err() {
            self.journal.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
