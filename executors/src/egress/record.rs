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
    /// A preset, with the host where it lists one.
    Preset(String),
    /// A person's decision to allow, by host and port.
    Granted(String),
    /// A rule that denies, by its host as it is written.
    Forbidden(String),
    /// A person's decision to refuse for good, by host and port.
    Never(String),
    /// The host is not listed.
    NotListed,
    /// The host is an address in figures.
    AddressLiteral,
    /// The host is listed with another port.
    Port,
    /// The name leads to an address that it may not lead to.
    PrivateAddress,
    /// What is asked for is not reached in this phase.
    Phase,
    /// The run's way out is closed for good.
    Revoked,
    /// What is inside a tunnel is no TLS, or for another host than the tunnel.
    ServerName,
    /// The path leaves its base address, is below none, or is not listed for the host.
    Path,
    /// The method is not allowed there.
    Method,
    /// The rule lets git read; this is a push, or no git at all.
    GitReadOnly,
    /// The request's body is over the limit.
    TooLarge,
    /// The request makes no sense to a proxy.
    Malformed,
    /// The run has spent what it may.
    Ceiling,
    /// What the run may still spend is set aside for calls under way.
    CeilingNear,
    /// The request has the model's provider reach or run something.
    ServerTool,
}

impl Rule {
    /// Whether a person may change a refusal by this rule. Nobody is asked about what is malformed or hostile, nor
    /// about what an administrator or a person already refused.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        match self {
            Self::NotListed | Self::Port | Self::Phase | Self::Path | Self::Method => true,
            Self::BaseAddress(_)
            | Self::Listed(_)
            | Self::Preset(_)
            | Self::Granted(_)
            | Self::Forbidden(_)
            | Self::Never(_)
            | Self::AddressLiteral
            | Self::PrivateAddress
            | Self::Revoked
            | Self::ServerName
            | Self::GitReadOnly
            | Self::TooLarge
            | Self::Malformed
            | Self::Ceiling
            | Self::CeilingNear
            | Self::ServerTool => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::BaseAddress(prefix) => return write!(formatter, "base-address {prefix}"),
            Self::Listed(entry) => return write!(formatter, "listed {entry}"),
            Self::Preset(name) => return write!(formatter, "preset {name}"),
            Self::Granted(host) => return write!(formatter, "granted {host}"),
            Self::Forbidden(entry) => return write!(formatter, "forbidden {entry}"),
            Self::Never(host) => return write!(formatter, "never {host}"),
            Self::NotListed => "not-listed",
            Self::AddressLiteral => "address-literal",
            Self::Port => "port",
            Self::PrivateAddress => "private-address",
            Self::Phase => "phase",
            Self::Revoked => "revoked",
            Self::ServerName => "server-name",
            Self::Path => "path",
            Self::Method => "method",
            Self::GitReadOnly => "git-read-only",
            Self::TooLarge => "too-large",
            Self::Malformed => "malformed",
            Self::Ceiling => "ceiling",
            Self::CeilingNear => "ceiling-near",
            Self::ServerTool => "server-tool",
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
    /// The command line in the sandbox that asked, where it is known: text of a stranger's, clipped.
    pub client: Option<String>,
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

/// A refusal that a person may want to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When it came.
    pub at: SystemTime,
    /// The phase in which it came.
    pub phase: Phase,
    /// Its method; `CONNECT` where only the host was seen.
    pub method: String,
    /// The host, in its one spelling.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path without its query, at most 512 characters, where it was seen.
    pub path: Option<String>,
    /// Why it was refused.
    pub rule: Rule,
    /// The command line in the sandbox that asked, where it is known: text of a stranger's, clipped.
    pub client: Option<String>,
}

/// Where records and notices go; it never waits.
#[derive(Debug)]
pub struct Journal {
    log: mpsc::Sender<EgressRecord>,
    refused: mpsc::Sender<Refused>,
    dropped: AtomicU64,
    unnoticed: AtomicU64,
}

impl Journal {
    /// A journal that writes records to `log`, and refusals that a person may change to `refused`.
    pub fn new(log: mpsc::Sender<EgressRecord>, refused: mpsc::Sender<Refused>) -> Self {
        Self {
            log,
            refused,
            dropped: AtomicU64::new(0),
            unnoticed: AtomicU64::new(0),
        }
    }

    /// Notices that found no room.
    pub fn unnoticed(&self) -> u64 {
        self.unnoticed.load(Ordering::Relaxed)
    }

    fn notice(&self, refused: Refused) {
        // Closed means that nobody wants them.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.refused.try_send(refused) {
            self.unnoticed.fetch_add(1, Ordering::Relaxed);
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
            target: asked.target,
            record: EgressRecord {
                at: SystemTime::now(),
                phase: asked.phase,
                method: asked.method,
                host: asked.host,
                client: asked.client,
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
    /// The host in its one spelling and the port, where a person could allow them: not for what is no name of a host,
    /// and not for what is asked of the proxy itself.
    pub target: Option<(String, u16)>,
    /// The command line in the sandbox that asks, where it is known.
    pub client: Option<String>,
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
    target: Option<(String, u16)>,
    record: EgressRecord,
}

impl Entry {
    /// Says what became of the request; the last word counts. People are told of a refusal that they may change.
    pub fn decide(&mut self, verdict: Verdict, rule: Rule) {
        if verdict == Verdict::Denied
            && rule.is_for_people()
            && let Some(phase @ (Phase::Setup | Phase::Work)) = self.record.phase
            && let Some((host, port)) = self.target.clone()
        {
            self.journal.notice(Refused {
                at: self.record.at,
                phase,
                method: self.record.method.clone(),
                host,
                port,
                path: self.record.path.clone(),
                rule: rule.clone(),
                client: self.record.client.clone(),
            });
        }
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
