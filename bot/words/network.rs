//! The network in words: the card about refused hosts, and what is answered to decisions that change nothing.

use askama::Template;

use super::{
    amounts::{Room, clock_of, count},
    tame::{self, filters},
};
use crate::{
    domain::{
        message::NetworkCard,
        network::{NetworkDecision, NetworkEntry, NetworkTerms, TaskNetwork, Verdict},
    },
    surface::Control,
};

/// Everything that `network.md` shows.
#[derive(Template)]
#[template(path = "messages/network.md")]
pub(super) struct NetworkView<'a> {
    card: &'a NetworkCard,
    task_url: &'a str,
    room: Room,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl<'a> NetworkView<'a> {
    pub(super) const fn new(card: &'a NetworkCard, task_url: &'a str, room: Room) -> Self {
        Self {
            card,
            task_url,
            room,
        }
    }

    fn hosts(&self) -> String {
        let open = self.card.rows.iter().filter(|row| row.decision.is_none());
        count(open.count(), "host", "hosts")
    }

    fn more(&self) -> String {
        let more = usize::try_from(self.card.more).unwrap_or(usize::MAX);
        count(more, "more host", "more hosts")
    }

    fn names(&self) -> String {
        let open = self.card.rows.iter().filter(|row| row.decision.is_none());
        open.map(address_of).collect::<Vec<_>>().join(", ")
    }

    fn address(&self, row: &NetworkEntry) -> String {
        address_of(row)
    }

    fn asked(&self, row: &NetworkEntry, path: &str) -> String {
        format!("{} {path}", row.refused.method)
    }

    fn phase_words(&self, row: &NetworkEntry) -> &'static str {
        match row.refused.phase.as_str() {
            "setup" => "during the setup",
            "proof" => "while the result was checked",
            _ => "while the agent worked",
        }
    }

    fn reason<'b>(&self, row: &'b NetworkEntry) -> &'b str {
        refused_because(&row.refused.rule)
    }

    fn decided_words(&self, decision: &NetworkDecision) -> &'static str {
        match decision.verdict {
            Verdict::Once => "Allowed for this task",
            Verdict::Repository => "Allowed for the repository",
            Verdict::Never => "Never allowed in this repository, decided",
        }
    }

    fn clock(&self, decision: &NetworkDecision) -> String {
        clock_of(decision.at)
    }
}

/// `network_settled.md`.
#[derive(Template)]
#[template(path = "messages/network_settled.md")]
pub(super) struct NetworkSettledView<'a> {
    pub(super) host: &'a str,
    pub(super) decision: &'a NetworkDecision,
}

impl NetworkSettledView<'_> {
    fn decided_words(&self) -> &'static str {
        decided_words(self.decision.verdict)
    }

    fn clock(&self) -> String {
        clock_of(self.decision.at)
    }
}

/// `network_unknown.md`.
#[derive(Template)]
#[template(path = "messages/network_unknown.md")]
pub(super) struct NetworkUnknownView<'a> {
    pub(super) host: &'a str,
}

/// The proxy's name of a rule, as the end of "refused, because …". A rule that people are not asked about stays as it is.
#[must_use]
pub fn refused_because(rule: &str) -> &str {
    match rule {
        "not-listed" => "the network policy does not list it",
        "port" => "the network policy lists it with other ports only",
        "phase" => "the network policy allows it in another part of the work only",
        "path" => "the network policy allows other paths of it only",
        "method" => "the network policy allows other methods there only",
        other => other,
    }
}

/// What a decision made of a host, as the end of "it was …".
#[must_use]
pub const fn decided_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Once => "allowed for this task",
        Verdict::Repository => "allowed for this repository",
        Verdict::Never => "refused for good in this repository",
    }
}

/// `network_access.md`.
#[derive(Template)]
#[template(path = "prompts/network_access.md")]
struct NetworkAnswer<'a> {
    entries: Vec<&'a NetworkEntry>,
    unknown: Option<&'a str>,
    terms: &'a NetworkTerms,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl NetworkAnswer<'_> {
    fn decided(&self, decision: &NetworkDecision) -> &'static str {
        decided_words(decision.verdict)
    }

    fn reason<'b>(&self, entry: &'b NetworkEntry) -> &'b str {
        refused_because(&entry.refused.rule)
    }
}

/// What an agent is told of the network: everything that was refused in its task, or one host.
pub fn network_answer(network: &TaskNetwork, host: Option<&str>) -> Result<String, askama::Error> {
    let host = host.map(str::trim).filter(|host| !host.is_empty());
    let entries: Vec<&NetworkEntry> = match host {
        Some(host) => network.find(host, None).into_iter().collect(),
        None => network.entries.iter().collect(),
    };
    let unknown = host.filter(|_| entries.is_empty());
    let terms = &network.terms;
    let answer = NetworkAnswer {
        entries,
        unknown,
        terms,
    };
    Ok(super::tidy(&answer.render()?))
}

#[derive(Template)]
#[template(path = "prompts/parts/not_offered.md")]
struct NotOffered<'a> {
    agent: &'a str,
    servers: &'a [&'a str],
}

/// What is said of MCP servers that an agent cannot speak to.
pub fn not_offered(agent: &str, servers: &[&str]) -> Result<String, askama::Error> {
    Ok(super::tidy(&NotOffered { agent, servers }.render()?))
}

fn address_of(row: &NetworkEntry) -> String {
    tame::plain_to(
        &format!("{}:{}", row.refused.host, row.refused.port),
        HOST_SHOWN_MAX_CHARS,
    )
}

/// The longest address that is shown, in characters; a longer one is cut in the middle of its name, which shows.
const HOST_SHOWN_MAX_CHARS: usize = 120;

/// Three decisions for each host that waits for one.
pub(super) fn controls(card: &NetworkCard) -> Vec<Control> {
    let open = card.rows.iter().filter(|row| row.decision.is_none());
    open.flat_map(|row| {
        [Verdict::Once, Verdict::Repository, Verdict::Never].map(|verdict| Control::Widen {
            entry: row.number,
            host: address_of(row),
            verdict,
            repository: card.repository.clone().unwrap_or_default(),
        })
    })
    .collect()
}
