//! The suite's table: what was tried, whether it was held, and what was seen; and the canaries that were planted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Instant,
};

/// Characters of evidence that stand in the table.
const EVIDENCE_MAX_CHARS: usize = 160;

/// What a family of attacks is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Ways out of the sandbox that are not the proxy's rules.
    Network,
    /// The machine that runs the sandboxes.
    Host,
    /// The host's git, and what is pushed.
    Repository,
    /// What an agent is told by people who may not tell it anything.
    Words,
}

impl Family {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 4] = [Self::Network, Self::Host, Self::Repository, Self::Words];

    /// The word for it on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Host => "host",
            Self::Repository => "repository",
            Self::Words => "words",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One row of the table before it was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name, for filters and for `docs/SECURITY.md`; it never changes.
    pub id: String,
    /// What it is aimed at.
    pub family: Family,
    /// What is tried, in one sentence.
    pub tries: String,
}

/// How an attack went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was made, and nothing came of it outside.
    Held,
    /// It had the effect that it was after.
    Succeeded,
    /// It could not be made at all, which shows nothing: the suite has failed.
    NotMade,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Held => "held",
            Self::Succeeded => "SUCCEEDED",
            Self::NotMade => "NOT MADE",
        })
    }
}

/// How an attack went, and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, in one line.
    pub evidence: String,
    /// The canary that was seen outside, where that is how it succeeded.
    pub found: Option<Canary>,
}

impl Outcome {
    /// It was held.
    pub fn held(evidence: impl Into<String>) -> Self {
        Self::of(Verdict::Held, evidence)
    }

    /// It succeeded.
    pub fn succeeded(evidence: impl Into<String>) -> Self {
        Self::of(Verdict::Succeeded, evidence)
    }

    /// It succeeded, and this canary was seen outside.
    pub fn found(canary: &Canary, evidence: impl Into<String>) -> Self {
        Self {
            found: Some(canary.clone()),
            ..Self::succeeded(evidence)
        }
    }

    /// It could not be made.
    pub fn not_made(why: impl Into<String>) -> Self {
        Self::of(Verdict::NotMade, why)
    }

    /// Whether it is worth a second try: it shows nothing, and a busy machine may have been why.
    pub fn is_not_made(&self) -> bool {
        self.verdict == Verdict::NotMade
    }

    /// The outcome of a second try, which says why there was one.
    #[must_use]
    pub fn after(self, first: &Self) -> Self {
        let evidence = format!(
            "{} (at the second try; the first: {})",
            self.evidence, first.evidence
        );
        Self { evidence, ..self }
    }

    fn of(verdict: Verdict, evidence: impl Into<String>) -> Self {
        Self {
            verdict,
            evidence: evidence.into(),
            found: None,
        }
    }
}

/// A word that nobody else says, for one attack: where it is seen, that attack has been.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Canary(String);

/// How each canary begins, by which it is seen in whatever arrives.
pub const CANARY_START: &str = "canary-";
/// The hexadecimal digits of those that are made here.
pub const CANARY_DIGITS: usize = 32;
/// Bytes of the longest one, a key's among them: what came in two pieces is looked at from so far before the second.
pub const CANARY_MAX_BYTES: usize = 100;

impl Canary {
    /// A new one, short enough to be the label of a host's name.
    pub fn new() -> Self {
        Self(format!("{CANARY_START}{}", uuid::Uuid::new_v4().simple()))
    }

    /// All that stand in a text or in bytes, keys that are made like one among them.
    pub fn all_within(bytes: &[u8]) -> Vec<Self> {
        let start = CANARY_START.as_bytes();
        let begins = memchr::memmem::find_iter(bytes, start).map(|begin| begin + start.len());
        let words = begins.map(|begin| {
            let rest = &bytes[begin..];
            let count = |fits: fn(&u8) -> bool| rest.iter().take_while(|byte| fits(byte)).count();
            // What stands behind a canary may go on as it does.
            let length = match count(u8::is_ascii_hexdigit) {
                CANARY_DIGITS.. => CANARY_DIGITS,
                _ => count(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'),
            };
            let word = String::from_utf8_lossy(&rest[..length]);
            Self(format!("{CANARY_START}{word}"))
        });
        words.collect()
    }

    /// The word itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wanted, and what was seen so far.
pub struct Suite {
    filter: Filter,
    told: BTreeSet<String>,
    held: BTreeSet<String>,
    succeeded: BTreeSet<String>,
    not_made: BTreeSet<String>,
    planted: BTreeSet<Canary>,
    /// The canaries that were seen outside, and where.
    found: BTreeMap<Canary, String>,
    begun: Instant,
}

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this family.
    pub family: Option<Family>,
    /// Only rows whose id holds this; empty for all.
    pub fragment: String,
}

impl Suite {
    /// Nothing was tried yet.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            told: BTreeSet::new(),
            held: BTreeSet::new(),
            succeeded: BTreeSet::new(),
            not_made: BTreeSet::new(),
            planted: BTreeSet::new(),
            found: BTreeMap::new(),
            begun: Instant::now(),
        }
    }

    /// Whether a row is wanted.
    pub fn wants(&self, row: &Listed) -> bool {
        self.filter.family.is_none_or(|family| family == row.family)
            && row.id.contains(&self.filter.fragment)
    }

    /// Whether any of the rows is wanted: else their ground need not be laid.
    pub fn wants_any(&self, rows: &[Listed]) -> bool {
        rows.iter().any(|row| self.wants(row))
    }

    /// A new canary for an attack.
    pub fn plant(&mut self) -> Canary {
        let canary = Canary::new();
        self.planted.insert(canary.clone());
        canary
    }

    /// A canary that is there for longer than one attack, such as a key.
    pub fn plant_this(&mut self, canary: &Canary) {
        self.planted.insert(canary.clone());
    }

    /// A canary was seen outside after its attack had been judged. `id` is that attack; none for one that is not of one
    /// attack alone.
    pub fn found_later(&mut self, id: Option<&str>, canary: &Canary, place: String) {
        if self.found.contains_key(canary) {
            return;
        }
        println!(
            "{:<9}  {:<34}  {}",
            Verdict::Succeeded.to_string(),
            id.unwrap_or(canary.as_str()),
            line(&place)
        );
        if let Some(id) = id {
            self.held.remove(id);
            self.not_made.remove(id);
            self.succeeded.insert(id.to_owned());
        }
        self.found.insert(canary.clone(), place);
    }

    /// Writes a row of the table.
    pub fn tell(&mut self, row: &Listed, outcome: &Outcome) {
        assert!(
            self.told.insert(row.id.clone()),
            "two rows are called {}",
            row.id
        );
        let verdicts = match outcome.verdict {
            Verdict::Held => &mut self.held,
            Verdict::Succeeded => &mut self.succeeded,
            Verdict::NotMade => &mut self.not_made,
        };
        verdicts.insert(row.id.clone());
        if let Some(canary) = &outcome.found {
            self.found.insert(canary.clone(), outcome.evidence.clone());
        }
        println!(
            "{:<9}  {:<34}  {}\n{:<11}{}",
            outcome.verdict.to_string(),
            row.id,
            row.tries,
            "",
            line(&outcome.evidence)
        );
    }

    /// Writes a heading.
    pub fn heading(&self, family: Family) {
        println!("\n== {family} ({} s)", self.begun.elapsed().as_secs());
    }

    /// Writes the end: what failed in words, and the line that programs read. True where everything was held.
    pub fn finish(self) -> bool {
        println!();
        for id in &self.succeeded {
            println!("SUCCEEDED: {id}");
        }
        for id in &self.not_made {
            println!("NOT MADE: {id}");
        }
        for (canary, place) in &self.found {
            println!("FOUND: {}: {}", canary.as_str(), line(place));
        }
        let (held, found) = (self.held.len(), self.found.len());
        let attacks = held + self.succeeded.len() + self.not_made.len();
        println!(
            "{held} held, {} succeeded, {} could not be made, {} s",
            self.succeeded.len(),
            self.not_made.len(),
            self.begun.elapsed().as_secs()
        );
        let is_good =
            attacks > 0 && self.succeeded.is_empty() && self.not_made.is_empty() && found == 0;
        println!(
            "{{\"attacks\":{attacks},\"succeeded\":{},\"canaries_planted\":{},\"canaries_found\":{found}}}",
            self.succeeded.len(),
            self.planted.len(),
        );
        is_good
    }
}

/// Evidence as one line that cannot write over others: what an attack says is hostile too.
fn line(text: &str) -> String {
    let tame: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(EVIDENCE_MAX_CHARS)
        .collect();
    tame.split_whitespace().collect::<Vec<_>>().join(" ")
}
