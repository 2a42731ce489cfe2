//! What a sandbox may reach: a policy is data, written as a document, merged for a repository, widened by people.

mod address;
mod decide;
mod document;
mod host;
mod path;
mod presets;
mod rule;
mod variable;

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

pub use address::{Reach, may_lead_to};
pub use decide::{Denial, Passage, Permit, Question, Seen};
pub use document::{PolicyDocument, PolicyError};
pub use host::{is_address, is_host_name, normal};
pub use rule::{HTTP_PORT, Phase, TLS_PORT, Tls};

use rule::{Action, PolicyRule};

/// What a run may reach by name. What is not listed is refused, and the default lists nothing. Models need no entry:
/// they are reached by base address, and never by a tunnel, through which a key of the sandbox's own could travel.
#[derive(Debug, Clone, Default)]
pub struct EgressPolicy {
    /// As written, the repository's own first.
    rules: Vec<PolicyRule>,
    /// What the preset `trusted` adds.
    trusted: Vec<PolicyRule>,
    /// The preset `open`.
    is_open: bool,
    /// What people decided, by host and port.
    grants: BTreeMap<(String, u16), GrantVerdict>,
}

/// What people decided about one host and port. It holds in setup and work, never in proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The host's exact name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What was decided.
    pub verdict: GrantVerdict,
}

/// What a person says of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantVerdict {
    /// It may be reached: inspected, with every method and path, without a credential unless a rule adds one.
    Allow,
    /// It is refused from now on, whatever rules allow it, and nobody is asked again.
    Never,
}

impl EgressPolicy {
    /// The policy with what people decided, later decisions in the place of earlier ones for the same host and port.
    #[must_use]
    pub fn with(mut self, grants: &[Grant]) -> Self {
        for grant in grants {
            self.add(grant);
        }
        self
    }

    /// Adds what people decided.
    pub(super) fn add(&mut self, grant: &Grant) {
        self.grants
            .insert((normal(&grant.host), grant.port), grant.verdict);
    }

    /// A hash of everything that the policy says, the same for the same policy in every process. Sixty-four
    /// hexadecimal signs.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let grants: Vec<_> = self.grants.iter().collect();
        let canonical = serde_json::to_vec(&(1, &self.rules, &self.trusted, self.is_open, grants));
        // Nothing in it can fail to be written.
        hex::encode(Sha256::digest(canonical.unwrap_or_default()))
    }

    /// Whether anything at all may be reached in a phase.
    #[must_use]
    pub fn reaches(&self, phase: Phase) -> bool {
        let rules = self.rules.iter().chain(&self.trusted);
        let listed = rules
            .filter(|rule| rule.action == Action::Allow)
            .any(|rule| rule.phases.contains(&phase));
        let granted = || {
            self.grants
                .values()
                .any(|verdict| *verdict == GrantVerdict::Allow)
        };
        listed || (phase != Phase::Proof && (self.is_open || granted()))
    }

    /// The variables that a sandbox holds in a phase, each with the name of the credential for which it stands. A
    /// repository's own rules come first here too.
    pub(super) fn variables(&self, phase: Phase) -> BTreeMap<&str, &str> {
        let mut variables = BTreeMap::new();
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.phases.contains(&phase))
        {
            if let (Some(variable), Some(credential)) = (&rule.variable, &rule.credential) {
                variables
                    .entry(variable.as_str())
                    .or_insert(credential.as_str());
            }
        }
        variables
    }

    /// Whether every public host may be reached.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// What the policy says, in lines for a person: the widest first. Empty where nothing can be reached.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_open {
            lines.push("open: everything public".to_owned());
        }
        lines.extend(self.rules.iter().map(line));
        for (phases, title) in [(2, "package registries"), (1, "documentation")] {
            let rules = self.trusted.iter();
            let hosts = rules.filter(|rule| rule.phases.len() == phases).count();
            if hosts > 0 {
                let when = if phases == 2 {
                    "setup and work"
                } else {
                    "work"
                };
                let unit = if hosts == 1 { "host" } else { "hosts" };
                lines.push(format!(
                    "trusted: {title} ({hosts} {unit}, {when}, GET and HEAD)"
                ));
            }
        }
        lines.extend(self.grants.iter().map(|((host, port), verdict)| {
            let host = with_port(host, *port);
            match verdict {
                GrantVerdict::Allow => format!("{host} (allowed by a person)"),
                GrantVerdict::Never => format!("never {host} (refused by a person)"),
            }
        }));
        lines
    }
}

/// A rule in one line: `packages.example (setup, GET)`.
fn line(rule: &PolicyRule) -> String {
    let hosts: Vec<String> = rule.hosts.iter().map(ToString::to_string).collect();
    let mut parts = Vec::new();
    if !rule.ports.iter().all(|port| is_customary(port.0)) {
        let numbers: Vec<String> = rule.ports.iter().map(|port| port.0.to_string()).collect();
        parts.push(format!("port {}", numbers.join(" and ")));
    }
    let phases: Vec<String> = rule.phases.iter().map(ToString::to_string).collect();
    if rule.action == Action::Allow || phases.len() < 3 {
        parts.push(phases.join(" and "));
    }
    match (rule.git, rule.methods.is_some(), rule.action, rule.tls) {
        (Some(_), ..) => parts.push("git clone and fetch".to_owned()),
        (None, true, ..) => {
            parts.push(rule.method_names().collect::<Vec<_>>().join(" and "));
        }
        (None, false, Action::Allow, Tls::Inspect) => parts.push("GET and HEAD".to_owned()),
        (None, false, Action::Allow, Tls::Tunnel) => parts.push("unseen in a tunnel".to_owned()),
        (None, false, Action::Deny, _) => {}
    }
    if let Some(paths) = &rule.paths {
        let paths: Vec<&str> = paths.iter().map(path::PathPrefix::as_str).collect();
        parts.push(format!("below {}", paths.join(" and ")));
    }
    match (&rule.credential, &rule.variable) {
        (Some(credential), Some(variable)) => parts.push(format!(
            "with the credential {credential}, in whose place the sandbox holds {}",
            variable.as_str()
        )),
        (Some(credential), None) => parts.push(format!("with the credential {credential}")),
        (None, _) => {}
    }
    if rule.addresses == Reach::House {
        parts.push("may stand in the house".to_owned());
    }
    let never = match rule.action {
        Action::Allow => "",
        Action::Deny => "never ",
    };
    let (hosts, parts) = (hosts.join(", "), parts.join(", "));
    if parts.is_empty() {
        format!("{never}{hosts}")
    } else {
        format!("{never}{hosts} ({parts})")
    }
}

fn is_customary(port: u16) -> bool {
    matches!(port, TLS_PORT | HTTP_PORT)
}

/// A host with its port where that says something.
fn with_port(host: &str, port: u16) -> String {
    if is_customary(port) {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
