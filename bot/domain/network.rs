//! The network of a task: what its policy allows, what was refused, and what people decided about it.

use serde::{Deserialize, Serialize};

use super::{
    RunNumber, Timestamp,
    conversation::{Person, Road},
    specification::RepositoryName,
};

/// The most hosts that one card asks about; more are summed up.
pub const ROWS_MAX: usize = 6;
/// The most hosts that one task remembers; later ones are only counted.
pub const HOSTS_MAX: usize = 60;
/// The longest name of a host, in characters. Source: RFC 1035, 2.3.4, with room for a port.
pub const HOST_MAX_CHARS: usize = 260;
/// The longest command, path or rule that is kept, in characters.
pub const TEXT_MAX_CHARS: usize = 300;
/// A request that was under way when somebody allowed its host may still come in as refused, in milliseconds.
const UNDER_WAY_MS: i64 = 5_000;

/// The network policy of a repository, as far as people are shown it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkTerms {
    /// Changes with everything that the policy allows; part of what is approved.
    pub fingerprint: String,
    /// What it allows, in people's words, a rule a line; empty for the model only.
    pub summary: Vec<String>,
    /// Whether everything public is allowed.
    pub open: bool,
    /// Hosts that the plan asks for and that are not allowed now.
    pub beyond: Vec<String>,
}

/// What a person decides about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This task may reach it.
    Once,
    /// Every task of this repository may reach it.
    Repository,
    /// No task of this repository may reach it, and nobody is asked again.
    Never,
}

impl Verdict {
    /// Its name, as it is stored and as buttons carry it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Repository => "repository",
            Self::Never => "never",
        }
    }

    /// Reads what [`Self::name`] wrote.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Once, Self::Repository, Self::Never]
            .into_iter()
            .find(|verdict| verdict.name() == name)
    }

    /// Whether the host may be reached after it.
    #[must_use]
    pub const fn allows(self) -> bool {
        match self {
            Self::Once | Self::Repository => true,
            Self::Never => false,
        }
    }
}

/// Requests to one host that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedHost {
    /// As the sandbox asked for it; not to be trusted.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The part of the run: `setup`, `work` or `proof`.
    pub phase: String,
    /// The method of the first of them.
    pub method: String,
    /// The path of the first of them, where it was to be seen.
    pub path: Option<String>,
    /// The rule that refused it, in the proxy's words.
    pub rule: String,
    /// What tried it, where that is known; not to be trusted.
    pub command: Option<String>,
    /// How many there were.
    pub count: u32,
}

impl RefusedHost {
    /// The same with every text cut to its limit.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let cut = |text: &str| super::clip(text, TEXT_MAX_CHARS);
        self.host = super::clip(&self.host, HOST_MAX_CHARS);
        self.rule = cut(&self.rule);
        self.method = super::clip(&self.method, 20);
        self.path = self.path.as_deref().map(cut);
        self.command = self.command.as_deref().map(cut);
        self
    }
}

/// A decision about one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkDecision {
    /// What.
    pub verdict: Verdict,
    /// Who.
    pub by: Person,
    /// How.
    pub road: Road,
    /// When.
    pub at: Timestamp,
}

/// One host that a task was refused, with what people decided about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEntry {
    /// Its number within the task, from 1.
    pub number: u32,
    /// The card that asks about it.
    pub card: u32,
    /// The run that was refused last.
    pub run: RunNumber,
    /// What was refused.
    pub refused: RefusedHost,
    /// What was decided, once it was.
    pub decision: Option<NetworkDecision>,
}

/// A decision as it is stored and carried to the proxies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkGrant {
    /// The repository that it is for.
    pub repository: RepositoryName,
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The decision.
    pub decision: NetworkDecision,
}

/// Everything about the network that a task holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskNetwork {
    /// The policy as it was when the plan was shown or the work began.
    #[serde(default)]
    pub terms: NetworkTerms,
    /// Hosts that were refused, in order.
    #[serde(default)]
    pub entries: Vec<NetworkEntry>,
    /// How many cards there were.
    #[serde(default)]
    pub cards: u32,
    /// Refused hosts that found no place on a card.
    #[serde(default)]
    pub unlisted: u32,
}

/// What new refusals change for the people who read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Cards that show something else now, oldest first.
    pub cards: Vec<u32>,
}

impl Touched {
    fn touch(&mut self, card: u32) {
        if !self.cards.contains(&card) {
            self.cards.push(card);
            self.cards.sort_unstable();
        }
    }
}

impl TaskNetwork {
    /// The entry of this number.
    #[must_use]
    pub fn entry(&self, number: u32) -> Option<&NetworkEntry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// The entries of one card.
    pub fn on_card(&self, card: u32) -> impl Iterator<Item = &NetworkEntry> {
        self.entries.iter().filter(move |entry| entry.card == card)
    }

    /// Hosts of a run that nobody has decided about.
    #[must_use]
    pub fn open_hosts(&self, run: RunNumber) -> Vec<String> {
        self.entries
            .iter()
            .filter(|entry| entry.run == run && entry.decision.is_none())
            .map(|entry| entry.refused.host.clone())
            .collect()
    }

    /// The newest entry of a host, by its name and, where one is given, its port.
    #[must_use]
    pub fn find(&self, host: &str, port: Option<u16>) -> Option<&NetworkEntry> {
        self.entries.iter().rev().find(|entry| {
            entry.refused.host.eq_ignore_ascii_case(host)
                && port.is_none_or(|port| port == entry.refused.port)
        })
    }

    /// Takes refusals of a run. Retries are counted; a host that was allowed since and is refused all the same is asked
    /// about again; what nobody has decided about moves to the card of the later run.
    pub fn refuse(&mut self, run: RunNumber, hosts: &[RefusedHost], at: Timestamp) -> Touched {
        let mut touched = Touched::default();
        for refused in hosts {
            let known = self.entries.iter().rposition(|entry| {
                entry.refused.port == refused.port
                    && entry.refused.host.eq_ignore_ascii_case(&refused.host)
            });
            match known {
                Some(known) if !self.entries[known].is_asked_again(at) => {
                    self.count(known, run, refused, &mut touched);
                }
                Some(_) | None => self.list(run, refused, &mut touched),
            }
        }
        touched
    }

    fn count(
        &mut self,
        known: usize,
        run: RunNumber,
        refused: &RefusedHost,
        touched: &mut Touched,
    ) {
        let moves = {
            let entry = &self.entries[known];
            entry.decision.is_none() && entry.run != run
        };
        let card = if moves { self.card_of(run) } else { None };
        let entry = &mut self.entries[known];
        let before = entry.refused.count;
        entry.refused.count = before.saturating_add(refused.count);
        if entry.decision.is_some() {
            return;
        }
        entry.run = run;
        if let Some(card) = card.filter(|card| *card != entry.card) {
            touched.touch(std::mem::replace(&mut entry.card, card));
            touched.touch(card);
        } else if digits(before) != digits(entry.refused.count) {
            // Each tenfold is news; each single one would only edit the card all day.
            touched.touch(entry.card);
        }
    }

    fn list(&mut self, run: RunNumber, refused: &RefusedHost, touched: &mut Touched) {
        let card = match self.card_of(run) {
            Some(card) if self.entries.len() < HOSTS_MAX => card,
            Some(_) | None => {
                self.unlisted = self.unlisted.saturating_add(1);
                // Said with the first one, and not again for each.
                if self.unlisted == 1 {
                    touched.touch(self.cards);
                }
                return;
            }
        };
        let number = self.entries.last().map_or(1, |last| last.number + 1);
        self.entries.push(NetworkEntry {
            number,
            card,
            run,
            refused: refused.clone().cut(),
            decision: None,
        });
        touched.touch(card);
    }

    /// The card that asks for a run: the last one while something on it is open and it belongs to this run, otherwise a
    /// new one. None where the card has no place left.
    fn card_of(&mut self, run: RunNumber) -> Option<u32> {
        let last = self.cards;
        let is_open = self
            .on_card(last)
            .any(|entry| entry.run == run && entry.decision.is_none());
        if !is_open {
            self.cards += 1;
            self.unlisted = 0;
            return Some(self.cards);
        }
        (self.on_card(last).count() < ROWS_MAX).then_some(last)
    }

    /// Stores a decision. None where there is nothing to decide: no such entry, or it was decided before.
    pub fn decide(&mut self, number: u32, decision: NetworkDecision) -> Option<&NetworkEntry> {
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.number == number && entry.decision.is_none())?;
        entry.decision = Some(decision);
        Some(entry)
    }
}

impl NetworkEntry {
    /// Whether a refusal now means that a decision which allowed the host does not hold any more.
    fn is_asked_again(&self, now: Timestamp) -> bool {
        self.decision.as_ref().is_some_and(|decision| {
            decision.verdict.allows() && now.milliseconds_since(decision.at) > UNDER_WAY_MS
        })
    }
}

fn digits(count: u32) -> u32 {
    count.checked_ilog10().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::conversation::{PersonId, Standing};

    fn refused(host: &str) -> RefusedHost {
        RefusedHost {
            host: host.into(),
            port: 443,
            phase: "work".into(),
            method: "CONNECT".into(),
            path: None,
            rule: "not listed".into(),
            command: None,
            count: 1,
        }
    }

    fn allowed(at: i64) -> NetworkDecision {
        NetworkDecision {
            verdict: Verdict::Once,
            by: Person {
                id: PersonId("p".into()),
                name: "ana".into(),
                standing: Standing::Member,
            },
            road: Road::Button,
            at: Timestamp(at),
        }
    }

    fn hosts(network: &TaskNetwork, card: u32) -> Vec<(u32, &str, u32)> {
        let entries = network.on_card(card);
        entries
            .map(|entry| {
                let refused = &entry.refused;
                (entry.number, refused.host.as_str(), refused.count)
            })
            .collect()
    }

    #[test]
    fn retries_are_counted_and_only_each_tenfold_is_news() {
        let mut network = TaskNetwork::default();
        let first = network.refuse(RunNumber(2), &[refused("a.example")], Timestamp(0));
        assert_eq!(first.cards, [1]);
        let mut news = 0;
        for _ in 0..99 {
            news += network
                .refuse(RunNumber(2), &[refused("A.example")], Timestamp(1))
                .cards
                .len();
        }
        assert_eq!(hosts(&network, 1), [(1, "a.example", 100)]);
        assert_eq!(news, 2);
    }

    #[test]
    fn a_card_is_used_until_all_of_it_is_decided() {
        let mut network = TaskNetwork::default();
        let run = RunNumber(2);
        network.refuse(run, &[refused("a.example")], Timestamp(0));
        network.refuse(run, &[refused("b.example")], Timestamp(0));
        assert!(network.decide(1, allowed(1)).is_some());
        assert!(network.decide(1, allowed(2)).is_none(), "decided twice");
        assert!(network.decide(9, allowed(2)).is_none());
        network.refuse(run, &[refused("c.example")], Timestamp(3));
        assert_eq!(hosts(&network, 1).len(), 3);
        for open in [2, 3] {
            network.decide(open, allowed(4));
        }
        assert_eq!(
            network
                .refuse(run, &[refused("d.example")], Timestamp(5))
                .cards,
            [2]
        );
        assert_eq!(hosts(&network, 2), [(4, "d.example", 1)]);
    }

    #[test]
    fn what_is_open_moves_to_the_card_of_the_later_run() {
        let mut network = TaskNetwork::default();
        network.refuse(RunNumber(1), &[refused("a.example")], Timestamp(0));
        let touched = network.refuse(RunNumber(2), &[refused("a.example")], Timestamp(1));
        assert_eq!(touched.cards, [1, 2]);
        assert_eq!(hosts(&network, 1), []);
        assert_eq!(hosts(&network, 2), [(1, "a.example", 2)]);
        assert_eq!(network.open_hosts(RunNumber(2)), ["a.example"]);
    }

    #[test]
    fn a_host_that_was_allowed_and_is_refused_later_is_asked_about_again() {
        let mut network = TaskNetwork::default();
        let run = RunNumber(1);
        network.refuse(run, &[refused("a.example")], Timestamp(0));
        network.decide(1, allowed(1_000));
        let late = network.refuse(run, &[refused("a.example")], Timestamp(2_000));
        assert_eq!(late.cards, Vec::<u32>::new(), "it was under way");
        let again = network.refuse(run, &[refused("a.example")], Timestamp(60_000));
        assert_eq!(again.cards, [2]);
        assert!(
            network
                .find("a.example", None)
                .is_some_and(|e| e.number == 2)
        );
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut network = TaskNetwork::default();
        let many: Vec<RefusedHost> = (0..1_000)
            .map(|n| refused(&format!("h{n}.example")))
            .collect();
        let touched = network.refuse(RunNumber(1), &many, Timestamp(0));
        assert_eq!((touched.cards, network.entries.len()), (vec![1], ROWS_MAX));
        assert_eq!(network.unlisted, 1_000 - 6);
        for run in 2..100 {
            network.refuse(RunNumber(run), &many[..12], Timestamp(0));
            let more: Vec<RefusedHost> = (0..12)
                .map(|n| refused(&format!("r{run}-{n}.example")))
                .collect();
            network.refuse(RunNumber(run), &more, Timestamp(0));
        }
        assert!(network.entries.len() <= HOSTS_MAX);
    }
}
