//! One record for each request: what was asked, what became of it, and by which rule.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::policy::Phase;

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
    /// A preset lets the host be read, and nothing else.
    ReadOnly,
    /// The rule lets git read; this is a push, or no git at all.
    GitReadOnly,
    /// The request's body is over the limit.
    TooLarge,
    /// As much has left by the rule that lets this through as may leave in one run.
    UpLimit,
    /// The header `Host` names another host than the address.
    HostMismatch,
    /// The connection shall become another protocol, which nobody could decide.
    Upgrade,
    /// The address has a scheme that a proxy is not asked for.
    Scheme,
    /// The request makes no sense to a proxy.
    Malformed,
    /// The run has spent what it may.
    Ceiling,
    /// What the run may still spend is set aside for calls under way.
    CeilingNear,
    /// The request has the model's provider reach or run something.
    ServerTool,
    /// The request carries the placeholder of another run.
    Placeholder,
    /// Stands in the last record of a run that made more requests than are recorded.
    LogFull,
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
            | Self::ReadOnly
            | Self::GitReadOnly
            | Self::TooLarge
            | Self::UpLimit
            | Self::HostMismatch
            | Self::Upgrade
            | Self::Scheme
            | Self::Malformed
            | Self::Ceiling
            | Self::CeilingNear
            | Self::ServerTool
            | Self::Placeholder
            | Self::LogFull => false,
        }
    }
}

impl Rule {
    /// Whether it is a part of the policy that lets something through.
    pub(super) fn is_of_policy(&self) -> bool {
        matches!(self, Self::Listed(_) | Self::Preset(_) | Self::Granted(_))
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
            Self::ReadOnly => "read-only",
            Self::GitReadOnly => "git-read-only",
            Self::TooLarge => "too-large",
            Self::UpLimit => "up-limit",
            Self::HostMismatch => "host-mismatch",
            Self::Upgrade => "upgrade",
            Self::Scheme => "scheme",
            Self::Malformed => "malformed",
            Self::Ceiling => "ceiling",
            Self::CeilingNear => "ceiling-near",
            Self::ServerTool => "server-tool",
            Self::Placeholder => "placeholder",
            Self::LogFull => "log-full",
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
