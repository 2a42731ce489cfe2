//! Decides one request: first what forbids, then what lets through, and by which rule.

use hyper::Method;

use super::{
    EgressPolicy, GrantVerdict,
    address::Reach,
    host::{is_address, is_host_name, normal},
    path::PathPrefix,
    rule::{Action, HTTP_PORT, Phase, PolicyRule, TLS_PORT, Tls},
    with_port,
};
use crate::egress::Rule;

/// A connection that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What let it through.
    pub rule: Rule,
    /// Which addresses the name may lead to.
    pub addresses: Reach,
    /// What is done with the TLS inside. Requests that are seen are decided one by one.
    pub tls: Tls,
}

/// A request that may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// What let it through.
    pub rule: Rule,
    /// Which addresses the name may lead to.
    pub addresses: Reach,
    /// The name of the credential that is added to it.
    pub credential: Option<String>,
}

/// Where a request was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Inside TLS that the proxy ended.
    Inspected,
    /// In plain HTTP.
    Plain,
}

/// A request whose method and path are seen.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The phase in which it comes.
    pub phase: Phase,
    /// The host that it names.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Its method.
    pub method: &'a Method,
    /// Its path, without the query.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// Where it was seen.
    pub seen: Seen,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The host is written as an address.
    AddressLiteral,
    /// What stands for a host is no name.
    NoName,
    /// Nothing lists the host.
    NotListed,
    /// It is listed, with another port.
    Port,
    /// The port is not spoken to in this way: TLS on the port of plain HTTP, or plain HTTP on the port of TLS.
    Form,
    /// It is listed, for another phase.
    Phase,
    /// It is listed, with other methods.
    Method,
    /// A preset lists it, to be read only; that is no question for people.
    ReadOnly,
    /// It is listed, with other paths.
    Path,
    /// Its rule lets git read, and this is a push or no git at all.
    GitReadOnly,
    /// A rule forbids it; by the rule's host.
    Forbidden(String),
    /// A person forbade it; by host and port.
    Never(String),
}

/// What lets a host through, before methods and paths are looked at.
#[derive(Debug)]
enum Ground<'a> {
    Rule(&'a PolicyRule, Rule),
    Grant(Rule),
    Open,
}

impl EgressPolicy {
    /// Decides whether a host may be connected to, by CONNECT or by the name in a TLS greeting.
    pub fn connect(&self, phase: Phase, host: &str, port: u16) -> Result<Passage, Denial> {
        let host = named(host)?;
        for rule in self.forbidding(phase, &host, port) {
            if !rule.is_partial() {
                return Err(forbidden(rule, &host));
            }
        }
        self.never(&host, port)?;
        let grounds = self.grounds(phase, &host, port)?;
        // Nobody speaks TLS on the port of plain HTTP; a tunnel to it carries something else.
        let rule = grounds
            .first()
            .map(Ground::rule)
            .filter(|_| port != HTTP_PORT)
            .ok_or(Denial::Form)?;
        let inspected = |ground: &Ground<'_>| match ground {
            Ground::Rule(rule, _) => rule.tls == Tls::Inspect,
            // A person allowed requests, and not somebody else's account there: that only shows when it is opened.
            Ground::Grant(_) => true,
            Ground::Open => false,
        };
        let sees =
            grounds.iter().any(inspected) || self.forbidding(phase, &host, port).next().is_some();
        Ok(Passage {
            rule,
            addresses: self.addresses(&grounds, &host),
            tls: if sees { Tls::Inspect } else { Tls::Tunnel },
        })
    }

    /// Decides a request whose method and path are seen.
    pub fn request(&self, question: &Question<'_>) -> Result<Permit, Denial> {
        let host = named(question.host)?;
        let (phase, port) = (question.phase, question.port);
        for rule in self.forbidding(phase, &host, port) {
            if forbids(rule, question) {
                return Err(forbidden(rule, &host));
            }
        }
        self.never(&host, port)?;
        let grounds = self.grounds(phase, &host, port)?;
        if question.seen == Seen::Plain && port == TLS_PORT {
            return Err(Denial::Form);
        }
        let mut denial = Denial::Path;
        for ground in &grounds {
            let credential = match ground {
                Ground::Rule(rule, _) => match lets_through(rule, question) {
                    Ok(()) => rule.credential.clone(),
                    Err(reason) => {
                        // The nearest miss says most.
                        if matches!(denial, Denial::Path | Denial::ReadOnly) {
                            denial = ground.miss(reason);
                        }
                        continue;
                    }
                },
                Ground::Grant(_) | Ground::Open => None,
            };
            return Ok(Permit {
                rule: ground.rule(),
                addresses: self.addresses(&grounds, &host),
                // In plain HTTP everybody on the way would read it.
                credential: credential.filter(|_| question.seen == Seen::Inspected),
            });
        }
        Err(denial)
    }

    fn forbidding(&self, phase: Phase, host: &str, port: u16) -> impl Iterator<Item = &PolicyRule> {
        self.rules.iter().filter(move |rule| {
            rule.action == Action::Deny
                && rule.phases.contains(&phase)
                && rule.has_port(port)
                && rule.covering(host).is_some()
        })
    }

    fn never(&self, host: &str, port: u16) -> Result<(), Denial> {
        match self.grants.get(&(host.to_owned(), port)) {
            Some(GrantVerdict::Never) => Err(Denial::Never(with_port(host, port))),
            Some(GrantVerdict::Allow) | None => Ok(()),
        }
    }

    /// All that lets a host through, the first first; never empty.
    fn grounds(&self, phase: Phase, host: &str, port: u16) -> Result<Vec<Ground<'_>>, Denial> {
        let mut grounds = Vec::new();
        let (mut other_port, mut other_phase) = (false, false);
        let written = self.rules.iter().map(|rule| (rule, ""));
        let trusted = self.trusted.iter().map(|rule| (rule, "trusted"));
        for (rule, preset) in written.chain(trusted) {
            let Some(pattern) = rule.covering(host).filter(|_| rule.action == Action::Allow) else {
                continue;
            };
            match (rule.has_port(port), rule.phases.contains(&phase)) {
                (true, true) => {
                    let name = with_port(&pattern.to_string(), port);
                    grounds.push(Ground::Rule(
                        rule,
                        if preset.is_empty() {
                            Rule::Listed(name)
                        } else {
                            Rule::Preset(format!("{preset} {name}"))
                        },
                    ));
                }
                (true, false) => other_phase = true,
                (false, true) => other_port = true,
                (false, false) => {}
            }
        }
        // Where checks run nothing changes by a press of a button.
        if phase != Phase::Proof {
            if self.grants.get(&(host.to_owned(), port)) == Some(&GrantVerdict::Allow) {
                grounds.push(Ground::Grant(Rule::Granted(with_port(host, port))));
            }
            if self.is_open {
                if matches!(port, TLS_PORT | HTTP_PORT) {
                    grounds.push(Ground::Open);
                } else {
                    other_port = true;
                }
            }
        }
        match (grounds.is_empty(), other_port, other_phase) {
            (false, ..) => Ok(grounds),
            (true, true, _) => Err(Denial::Port),
            (true, false, true) => Err(Denial::Phase),
            (true, false, false) => Err(Denial::NotListed),
        }
    }

    /// The house's addresses are for rules that say so; a person's grant for the same name goes where its rule goes.
    fn addresses(&self, grounds: &[Ground<'_>], host: &str) -> Reach {
        let of_rules = grounds.iter().any(|ground| match ground {
            Ground::Rule(rule, _) => rule.addresses == Reach::House,
            Ground::Grant(_) => self.rules.iter().any(|rule| {
                rule.addresses == Reach::House
                    && rule.action == Action::Allow
                    && rule.covering(host).is_some()
            }),
            Ground::Open => false,
        });
        if of_rules {
            Reach::House
        } else {
            Reach::Public
        }
    }
}

impl Ground<'_> {
    /// Why it did not let a request through. Package managers ask their registries for more than they need, such as an
    /// audit at each installation; a preset that reads only refuses that without a question to people.
    fn miss(&self, reason: Denial) -> Denial {
        match self {
            Self::Rule(_, Rule::Preset(_)) if reason == Denial::Method => Denial::ReadOnly,
            Self::Rule(..) | Self::Grant(_) | Self::Open => reason,
        }
    }

    fn rule(&self) -> Rule {
        match self {
            Self::Rule(_, rule) | Self::Grant(rule) => rule.clone(),
            Self::Open => Rule::Preset("open".to_owned()),
        }
    }
}

/// The host in its one spelling, if it is a name.
fn named(host: &str) -> Result<String, Denial> {
    let host = normal(host);
    if is_address(&host) {
        Err(Denial::AddressLiteral)
    } else if is_host_name(&host) {
        Ok(host)
    } else {
        Err(Denial::NoName)
    }
}

fn forbidden(rule: &PolicyRule, host: &str) -> Denial {
    let pattern = rule.covering(host);
    Denial::Forbidden(pattern.map_or_else(String::new, ToString::to_string))
}

/// Whether a rule that denies covers a request. What it does not name, it covers.
fn forbids(rule: &PolicyRule, question: &Question<'_>) -> bool {
    let touches = |paths: &std::collections::BTreeSet<PathPrefix>| {
        paths.iter().any(|prefix| prefix.touches(question.path))
    };
    rule.names_method(question.method.as_str()).unwrap_or(true)
        && rule.paths.as_ref().is_none_or(touches)
}

/// Whether a rule that allows covers a request.
fn lets_through(rule: &PolicyRule, question: &Question<'_>) -> Result<(), Denial> {
    if let Some(paths) = &rule.paths
        && !paths.iter().any(|prefix| prefix.covers(question.path))
    {
        return Err(Denial::Path);
    }
    if rule.git.is_some() {
        return if is_git_read(question) {
            Ok(())
        } else {
            Err(Denial::GitReadOnly)
        };
    }
    let reads = matches!(*question.method, Method::GET | Method::HEAD);
    let unseen = rule.tls == Tls::Tunnel && question.seen == Seen::Inspected;
    if rule
        .names_method(question.method.as_str())
        .unwrap_or(reads || unseen)
    {
        Ok(())
    } else {
        Err(Denial::Method)
    }
}

/// The two requests of a clone or fetch over HTTP. Source: gitprotocol-http(5).
fn is_git_read(question: &Question<'_>) -> bool {
    match *question.method {
        Method::GET => {
            question.path.ends_with("/info/refs")
                && question.query == Some("service=git-upload-pack")
        }
        Method::POST => question.path.ends_with("/git-upload-pack") && question.query.is_none(),
        _ => false,
    }
}
