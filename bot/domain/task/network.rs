//! What a sandbox was refused, and what people decide about it. Nothing here changes how the task stands: a run goes on
//! whatever is decided, and nobody is waited for.

use super::{State, Surroundings, Task};
use crate::domain::{
    RunNumber, Timestamp,
    command::Command,
    conversation::{Line, Person, Road},
    effect::{Effect, Slot},
    event::{Event, Happened},
    message::{Message, NetworkCard},
    network::{NetworkDecision, NetworkGrant, RefusedHost, Verdict},
    policy::Act,
};

/// A decision as somebody made it, before it is known whether it counts.
pub(super) struct Wish<'a> {
    pub by: &'a Person,
    pub verdict: Verdict,
    pub road: Road,
    pub at: Timestamp,
}

impl<'a> Wish<'a> {
    pub const fn new(by: &'a Person, verdict: Verdict, road: Road, at: Timestamp) -> Self {
        Self {
            by,
            verdict,
            road,
            at,
        }
    }
}

impl Task {
    /// Takes what the policy in force says, where a plan is about to be shown or approved work is about to begin. Later
    /// changes of the policy do not touch work that is under way.
    pub(super) fn take_network(&mut self, around: &Surroundings) {
        if let Some(terms) = &around.network {
            self.terms.network_policy.clone_from(&terms.fingerprint);
            self.network.terms = terms.clone();
        }
    }

    /// Takes a refusal, or what somebody decided about one.
    pub(super) fn network_told(
        &mut self,
        happened: &Happened,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match &happened.event {
            Event::NetworkRefused { run, hosts } => self.network_refused(*run, hosts, happened.at),
            Event::NetworkDecided {
                by,
                entry,
                verdict,
                road,
            } => {
                let wish = Wish::new(by, *verdict, *road, happened.at);
                self.network_decided(*entry, &wish, around)
            }
            _ => Vec::new(),
        }
    }

    /// Refusals of the last run count although it may be over: a setup that fails for a host ends before it is read.
    pub(super) fn network_refused(
        &mut self,
        run: RunNumber,
        hosts: &[RefusedHost],
        at: Timestamp,
    ) -> Vec<Effect> {
        if run != self.last_run || self.takes_no_decision() {
            return Vec::new();
        }
        let touched = self.network.refuse(run, hosts, at);
        let cards = touched.cards.into_iter();
        cards.map(|card| self.say_network(card)).collect()
    }

    pub(super) fn network_decided(
        &mut self,
        entry: u32,
        wish: &Wish<'_>,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let by = wish.by;
        if self.takes_no_decision() {
            return vec![self.nothing_to_do(by, "change its network")];
        }
        let allowed = around
            .policy
            .allows(Act::WidenNetwork, by, &self.request.author.id);
        if let Err(refusal) = allowed {
            let act = Act::WidenNetwork;
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let Some(repository) = self.repository().cloned() else {
            return vec![self.nothing_to_do(by, "change its network")];
        };
        let decision = NetworkDecision {
            verdict: wish.verdict,
            by: by.clone(),
            road: wish.road,
            at: wish.at,
        };
        if let Some(decided) = self.network.decide(entry, decision.clone()) {
            let card = decided.card;
            let grant = NetworkGrant {
                repository,
                host: decided.refused.host.clone(),
                port: decided.refused.port,
                decision,
            };
            let grant = Box::new(grant);
            return vec![Effect::Widen { grant }, self.say_network(card)];
        }
        let message = match self.network.entry(entry) {
            Some(known) => Message::NetworkSettled {
                host: known.refused.host.clone(),
                decision: known.decision.clone().unwrap_or(decision),
            },
            None => Message::NetworkUnknown {
                host: String::new(),
            },
        };
        vec![Self::whisper(by, message)]
    }

    /// "allow once packages.example", from whoever may decide; they need not be among those who steer. Only about a host that
    /// was refused here, so that nobody opens a way by a sentence that nobody was asked about. None for other words.
    pub(super) fn network_said(
        &mut self,
        line: &Line,
        command: &Command,
        at: Timestamp,
        around: &Surroundings,
    ) -> Option<Vec<Effect>> {
        let Command::Network {
            host,
            port,
            verdict,
        } = command
        else {
            return None;
        };
        let Some(entry) = self.network.find(host, *port).map(|entry| entry.number) else {
            let host = host.clone();
            let message = Message::NetworkUnknown { host };
            return Some(vec![Self::whisper(&line.author, message)]);
        };
        let wish = Wish {
            by: &line.author,
            verdict: *verdict,
            road: Road::Sentence,
            at,
        };
        let mut effects = self.network_decided(entry, &wish, around);
        if matches!(effects.first(), Some(Effect::Widen { .. })) {
            effects.push(Effect::Hear {
                line: line.reference.clone(),
            });
        }
        Some(effects)
    }

    /// Whether the task is over for good, so that it has no network to decide about.
    fn takes_no_decision(&self) -> bool {
        self.state.is_over() && !matches!(self.state, State::Failed { .. })
    }

    fn say_network(&self, card: u32) -> Effect {
        Effect::Say {
            slot: Slot::Network(card),
            message: Box::new(Message::Network(Box::new(self.network_card(card)))),
        }
    }

    /// The card of this number as it stands now.
    #[must_use]
    pub fn network_card(&self, card: u32) -> NetworkCard {
        let is_last = card == self.network.cards;
        NetworkCard {
            rows: self.network.on_card(card).cloned().collect(),
            more: if is_last { self.network.unlisted } else { 0 },
            repository: self.repository().map(|name| name.0.clone()),
            asks: self.request.author.clone(),
        }
    }
}
