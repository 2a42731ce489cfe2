//! Takes secrets out of texts: those that this process holds, in every form they can have, and what else looks like one.
//!
//! It stands before everything that leaves: words to people, pull requests, commit messages, logs. What this process holds
//! is found exactly, also encoded; what it was never told of is found by its shape. One pass over a text looks for all of it
//! at once, so that a text without secrets costs no more than being read.

mod address;
mod forms;
mod known;
mod output;
mod shapes;

#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

pub use address::Address;
use forms::{Reach, forms_of, parts_of};
pub use output::{LineWriter, Redacting};
use shapes::Shape;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";
/// The most secrets that are added while the process runs; the oldest gives way. Tokens of installations live an hour.
const ADDED_MAX: usize = 200;
/// The shortest piece of a held secret that is taken for one where a text was cut through it, in bytes.
const CUT_MIN_BYTES: usize = 12;

/// What is taken out of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Only what this process holds: for texts that a program reads or runs, where a lookalike has to stay what it is.
    Held,
    /// Whatever looks like a secret too: for texts that people read.
    Everything,
}

/// Whether a secret is looked for by its value: not one of fewer than eight bytes, and no short word, because such stand in
/// ordinary sentences.
#[must_use]
pub fn is_looked_for(secret: &SecretString) -> bool {
    !parts_of(secret.expose_secret()).is_empty()
}

/// Why the redactor cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// There are too many secrets, or they are too long.
    #[error("the secrets cannot be looked for: {0}")]
    Secrets(#[from] aho_corasick::BuildError),
    /// A shape cannot be read.
    #[error("the shapes of secrets cannot be looked for: {0}")]
    Shapes(#[from] regex::Error),
}

/// Takes secrets out of texts. Clones share everything.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    shapes: Shapes,
    held: RwLock<Held>,
}

/// What secrets look like, and what finds the keywords without which none of a shape is looked for.
struct Shapes {
    all: Vec<Shape>,
    keywords: AhoCorasick,
    /// The shape of each keyword, by its index.
    meant: Vec<usize>,
}

/// The secrets, and what finds them.
struct Held {
    /// The ones held from the start come first.
    secrets: Vec<SecretString>,
    from_start: usize,
    finder: Arc<Finder>,
}

/// Finds the secrets that are held.
struct Finder {
    automaton: AhoCorasick,
    /// How far what each pattern of the automaton finds goes.
    reaches: Vec<Reach>,
    /// Every secret as it is, each between two zeros, to look cut ones up in.
    whole: Vec<u8>,
    /// Where each piece of [`CUT_MIN_BYTES`] begins in it, in the order of the pieces.
    pieces: Vec<usize>,
    /// What is shorter has no secret, whole or cut, in bytes.
    shortest: usize,
}

impl Redactor {
    /// Gets ready to find these secrets. Those that could be words are not looked for: [`is_looked_for`].
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, RedactError> {
        let shapes = Shapes::build(shapes::all()?)?;
        let secrets: Vec<SecretString> = secrets.into_iter().collect();
        let finder = Arc::new(Finder::build(&secrets)?);
        let held = RwLock::new(Held {
            from_start: secrets.len(),
            secrets,
            finder,
        });
        Ok(Self {
            inner: Arc::new(Inner { shapes, held }),
        })
    }

    /// Finds one more secret from now on. A repeat changes nothing.
    pub fn add(&self, secret: &SecretString) {
        let mut held = self
            .inner
            .held
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if held
            .secrets
            .iter()
            .any(|known| known.expose_secret() == secret.expose_secret())
        {
            return;
        }
        if held.secrets.len() - held.from_start >= ADDED_MAX {
            let oldest = held.from_start;
            held.secrets.remove(oldest);
        }
        held.secrets.push(secret.clone());
        match Finder::build(&held.secrets) {
            Ok(finder) => held.finder = Arc::new(finder),
            Err(error) => tracing::error!(%error, "a new secret cannot be looked for"),
        }
    }

    /// The text without any secret, held or by its looks: for people.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.replace(&self.finder(), text, Sought::Everything)
    }

    /// The same for a text that is owned already.
    #[must_use]
    pub fn redacted(&self, text: String) -> String {
        match self.redact(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => clean,
        }
    }

    /// Takes secrets out of every text in a value. Names of fields stay.
    pub fn redact_value(&self, value: &mut Value, sought: Sought) {
        self.redact_inside(&self.finder(), value, sought);
    }

    fn redact_inside(&self, finder: &Finder, value: &mut Value, sought: Sought) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.replace(finder, text, sought) {
                    *text = clean;
                }
            }
            Value::Array(values) => values
                .iter_mut()
                .for_each(|value| self.redact_inside(finder, value, sought)),
            Value::Object(fields) => fields
                .values_mut()
                .for_each(|value| self.redact_inside(finder, value, sought)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What finds the secrets that are held now.
    fn finder(&self) -> Arc<Finder> {
        let held = self.inner.held.read();
        Arc::clone(&held.unwrap_or_else(PoisonError::into_inner).finder)
    }

    fn replace<'a>(&self, finder: &Finder, text: &'a str, sought: Sought) -> Cow<'a, str> {
        let mut spans = finder.spans(text.as_bytes());
        if sought == Sought::Everything {
            spans.extend(self.inner.shapes.spans(text.as_bytes()));
        }
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        spans.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let (mut kept_to, mut count) = (0, 0_u64);
        for (start, end) in spans {
            // Spans that touch are one secret: a key in its header, a token in its address.
            if start >= kept_to && (start > kept_to || count == 0) {
                clean.push_str(text.get(kept_to..start).unwrap_or_default());
                clean.push_str(REDACTED);
                count += 1;
            }
            kept_to = kept_to.max(end);
        }
        clean.push_str(text.get(kept_to..).unwrap_or_default());
        metrics::counter!("deckhand_redactions_total").increment(count);
        Cow::Owned(clean)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// The smallest kind: an App's private key alone makes thousands of states.
fn automaton<P: AsRef<[u8]>>(patterns: &[P]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(patterns)
}

impl Shapes {
    fn build(all: Vec<Shape>) -> Result<Self, aho_corasick::BuildError> {
        let words = |(index, shape): (usize, &Shape)| {
            let words = shape.keywords.iter();
            words.map(move |word| (index, *word)).collect::<Vec<_>>()
        };
        let (meant, words): (Vec<usize>, Vec<&str>) =
            all.iter().enumerate().flat_map(words).unzip();
        Ok(Self {
            keywords: automaton(&words)?,
            meant,
            all,
        })
    }

    /// Where something stands that looks like a secret, in no order.
    fn spans(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut suspected: Vec<usize> = self
            .keywords
            .find_overlapping_iter(text)
            .map(|found| self.meant[found.pattern().as_usize()])
            .collect();
        suspected.sort_unstable();
        suspected.dedup();
        let secret = |found: regex::bytes::Captures<'_>| {
            let secret = found.get(1).or_else(|| found.get(0));
            secret.map(|secret| (secret.start(), secret.end()))
        };
        suspected
            .into_iter()
            .flat_map(|index| {
                self.all[index]
                    .pattern
                    .captures_iter(text)
                    .filter_map(secret)
            })
            .collect()
    }
}

impl Finder {
    fn build(secrets: &[SecretString]) -> Result<Self, aho_corasick::BuildError> {
        let (mut patterns, mut reaches, mut whole) = (Vec::new(), Vec::new(), vec![0]);
        for secret in secrets {
            for form in forms_of(secret.expose_secret()) {
                patterns.push(form.text);
                reaches.push(form.reach);
            }
            let parts = parts_of(secret.expose_secret());
            // The whole of a secret of several lines is never cut: it is found by its lines.
            for part in parts.iter().skip(usize::from(parts.len() > 1)) {
                whole.extend_from_slice(part.as_bytes());
                whole.push(0);
            }
        }
        // A zero stands between secrets, so a piece with one in it is inside of none.
        let mut pieces: Vec<usize> = (0..whole.len())
            .filter(|at| piece(&whole, *at).is_some_and(|piece| !piece.contains(&0)))
            .collect();
        pieces.sort_by_key(|at| piece(&whole, *at));
        let automaton = automaton(&patterns)?;
        Ok(Self {
            shortest: automaton.min_pattern_len().min(CUT_MIN_BYTES),
            automaton,
            reaches,
            whole,
            pieces,
        })
    }

    /// Where secrets stand that are held, in no order, perhaps over each other.
    fn spans(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut spans = Vec::new();
        if text.len() < self.shortest {
            return spans;
        }
        for found in self.automaton.find_overlapping_iter(text) {
            match self.reaches[found.pattern().as_usize()] {
                Reach::Exact => spans.push((found.start(), found.end())),
                Reach::Encoded => {
                    // Pieces of one encoded text follow each other, and the first has found its end already.
                    if spans
                        .last()
                        .is_none_or(|(start, end)| found.start() < *start || found.end() > *end)
                    {
                        spans.push(encoded_around(text, found.start(), found.end()));
                    }
                }
            }
        }
        spans.extend(self.cut_at_start(text));
        spans.extend(self.cut_at_end(text));
        spans
    }

    /// The rest of a held secret whose beginning was cut off: outputs are shown by their last bytes.
    fn cut_at_start(&self, text: &[u8]) -> Option<(usize, usize)> {
        let head = text.get(..CUT_MIN_BYTES)?;
        self.places_of(head).find_map(|at| {
            let rest = self.whole[at..].split(|byte| *byte == 0).next()?;
            text.starts_with(rest).then_some((0, rest.len()))
        })
    }

    /// The beginning of a held secret whose rest was cut off, with or without a mark that something was.
    fn cut_at_end(&self, text: &[u8]) -> Option<(usize, usize)> {
        let text = text.strip_suffix("…".as_bytes()).unwrap_or(text);
        let tail = text.get(text.len().checked_sub(CUT_MIN_BYTES)?..)?;
        self.places_of(tail).find_map(|at| {
            let before = self.whole[..at + CUT_MIN_BYTES]
                .rsplit(|byte| *byte == 0)
                .next()?;
            let start = text.len().checked_sub(before.len())?;
            text.ends_with(before).then_some((start, text.len()))
        })
    }

    /// Where a piece of [`CUT_MIN_BYTES`] stands inside of secrets.
    fn places_of<'a>(&'a self, sought: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let first = self
            .pieces
            .partition_point(|at| piece(&self.whole, *at) < Some(sought));
        let places = self.pieces[first..].iter().copied();
        places.take_while(move |at| piece(&self.whole, *at) == Some(sought))
    }
}

/// The piece of [`CUT_MIN_BYTES`] that begins there, where so much is left.
fn piece(whole: &[u8], at: usize) -> Option<&[u8]> {
    whole.get(at..at + CUT_MIN_BYTES)
}

/// As far as the letters of Base64 go, to both sides.
fn encoded_around(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    let before = text[..start]
        .iter()
        .rev()
        .take_while(|byte| is_letter(byte))
        .count();
    let behind = text[end..]
        .iter()
        .take_while(|byte| is_letter(byte))
        .count();
    (start - before, end + behind)
}
