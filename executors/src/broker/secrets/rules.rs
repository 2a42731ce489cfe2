//! Reads the set of rules, and tells which of them a text may meet before any of them is tried.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{LazyLock, OnceLock},
};

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

/// The rules as they are kept.
const TEXT: &str = include_str!("gitleaks.json");
/// Bytes of the largest compiled rule.
const RULE_BYTES: usize = 64 * 1024 * 1024;

/// The rules cannot be read. The tests read every one, so this is a fault of the build.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the rules for secrets cannot be read: {0}")]
pub struct BrokenRules(String);

/// The set, read at its first use.
pub(super) static RULES: LazyLock<Result<RuleSet, BrokenRules>> = LazyLock::new(RuleSet::read);

#[derive(Deserialize)]
struct Kept {
    allow: KeptAllow,
    rules: Vec<KeptRule>,
}

#[derive(Deserialize)]
struct KeptRule {
    id: String,
    pattern: String,
    keywords: Vec<String>,
    #[serde(default)]
    group: Option<usize>,
    /// Bits of a byte of the secret; what has fewer is a word.
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    allow: Vec<KeptAllow>,
}

#[derive(Deserialize)]
struct KeptAllow {
    target: Target,
    #[serde(default)]
    regexes: Vec<String>,
    #[serde(default)]
    stopwords: Vec<String>,
}

/// What an exception is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    Secret,
    Match,
    Line,
}

/// All rules.
pub(super) struct RuleSet {
    pub(super) rules: Vec<Rule>,
    /// What is no secret by any rule.
    allow: Allow,
    keywords: AhoCorasick,
    /// The rules of each keyword, by index.
    rules_of: Vec<Vec<usize>>,
}

/// One rule.
pub(super) struct Rule {
    pub(super) id: String,
    source: String,
    /// Compiled at its first use: most texts meet no rule at all.
    pattern: OnceLock<Result<Regex, BrokenRules>>,
    group: Option<usize>,
    entropy: f64,
    path: Option<Regex>,
    allow: Vec<Allow>,
}

/// What is no secret although it looks like one.
struct Allow {
    target: Target,
    sources: Vec<String>,
    regexes: OnceLock<Result<Vec<Regex>, BrokenRules>>,
    stopwords: Vec<String>,
}

fn compile(pattern: &str) -> Result<Regex, BrokenRules> {
    // Letters and digits of ASCII are meant; the tables of Unicode's cost a hundred times the memory.
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(RULE_BYTES)
        .build()
        .map_err(|error| BrokenRules(error.to_string()))
}

impl RuleSet {
    fn read() -> Result<Self, BrokenRules> {
        let broken = |error: &dyn std::fmt::Display| BrokenRules(error.to_string());
        let kept: Kept = serde_json::from_str(TEXT).map_err(|error| broken(&error))?;
        let mut places: HashMap<String, usize> = HashMap::new();
        let (mut words, mut rules_of) = (Vec::new(), Vec::<Vec<usize>>::new());
        let mut rules = Vec::new();
        for (index, rule) in kept.rules.into_iter().enumerate() {
            for word in &rule.keywords {
                let place = *places.entry(word.to_lowercase()).or_insert_with(|| {
                    words.push(word.to_lowercase());
                    rules_of.push(Vec::new());
                    words.len() - 1
                });
                rules_of[place].push(index);
            }
            rules.push(Rule {
                id: rule.id,
                source: rule.pattern,
                pattern: OnceLock::new(),
                group: rule.group,
                entropy: rule.entropy,
                path: rule.path.as_deref().map(compile).transpose()?,
                allow: rule.allow.into_iter().map(Allow::new).collect(),
            });
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&words)
            .map_err(|error| broken(&error))?;
        Ok(Self {
            rules,
            allow: Allow::new(kept.allow),
            keywords,
            rules_of,
        })
    }

    /// The rules with a keyword in the text, in their own order.
    pub(super) fn suspected(&self, path: &str, text: &[u8]) -> Vec<&Rule> {
        let mut is_suspected = vec![false; self.rules.len()];
        for found in self.keywords.find_overlapping_iter(text) {
            for index in &self.rules_of[found.pattern().as_usize()] {
                is_suspected[*index] = true;
            }
        }
        let fits = |rule: &&Rule| {
            let path_fits = |pattern: &Regex| pattern.is_match(path.as_bytes());
            rule.path.as_ref().is_none_or(path_fits)
        };
        let suspected = self.rules.iter().zip(is_suspected);
        suspected
            .filter_map(|(rule, is_suspected)| is_suspected.then_some(rule))
            .filter(fits)
            .collect()
    }
}

impl Rule {
    /// Where the text has secrets by this rule.
    pub(super) fn find(
        &self,
        set: &RuleSet,
        text: &[u8],
    ) -> Result<Vec<Range<usize>>, BrokenRules> {
        let pattern = self.pattern.get_or_init(|| compile(&self.source));
        let pattern = pattern.as_ref().map_err(BrokenRules::clone)?;
        let mut found = Vec::new();
        for captures in pattern.captures_iter(text) {
            let Some(whole) = captures.get(0) else {
                continue;
            };
            let first = || (1..captures.len()).find_map(|group| captures.get(group));
            let secret = match self.group {
                Some(group) => captures.get(group),
                None => first(),
            };
            let secret = secret.filter(|secret| !secret.is_empty()).unwrap_or(whole);
            if self.entropy > 0.0 && entropy(secret.as_bytes()) <= self.entropy {
                continue;
            }
            let line = line_around(text, &whole.range());
            let mut is_allowed = false;
            for allow in self.allow.iter().chain([&set.allow]) {
                let target = match allow.target {
                    Target::Secret => secret.as_bytes(),
                    Target::Match => whole.as_bytes(),
                    Target::Line => line,
                };
                is_allowed = is_allowed || allow.fits(target, secret.as_bytes())?;
            }
            if !is_allowed {
                found.push(secret.range());
            }
        }
        Ok(found)
    }
}

impl Allow {
    fn new(kept: KeptAllow) -> Self {
        Self {
            target: kept.target,
            sources: kept.regexes,
            regexes: OnceLock::new(),
            stopwords: kept.stopwords,
        }
    }

    fn fits(&self, target: &[u8], secret: &[u8]) -> Result<bool, BrokenRules> {
        let regexes = self.regexes.get_or_init(|| {
            let sources = self.sources.iter();
            sources.map(|source| compile(source)).collect()
        });
        let regexes = regexes.as_ref().map_err(BrokenRules::clone)?;
        let secret = secret.to_ascii_lowercase();
        let has = |word: &String| {
            let word = word.as_bytes();
            secret.windows(word.len()).any(|part| part == word)
        };
        Ok(regexes.iter().any(|regex| regex.is_match(target)) || self.stopwords.iter().any(has))
    }
}

/// The whole lines that a place stands in.
fn line_around<'a>(text: &'a [u8], place: &Range<usize>) -> &'a [u8] {
    let start = text[..place.start].iter().rposition(|byte| *byte == b'\n');
    let end = text[place.end..].iter().position(|byte| *byte == b'\n');
    &text[start.map_or(0, |at| at + 1)..end.map_or(text.len(), |at| place.end + at)]
}

/// Shannon's entropy in bits of a byte.
#[expect(clippy::cast_precision_loss, reason = "lengths of secrets are small")]
fn entropy(secret: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in secret {
        counts[usize::from(*byte)] += 1;
    }
    let all = secret.len() as f64;
    let parts = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = *count as f64 / all;
        -share * share.log2()
    });
    parts.sum()
}
