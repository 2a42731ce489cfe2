//! Names what a change did to the means of checking it: tests gone or skipped, assertions gone or empty, check
//! commands that can no longer fail.
//!
//! It reads text, not programs, and means to be right where it speaks: a test that moved or got another name is not
//! gone, and a mark that was there before is not new. What it says is for people and for the report; it refuses
//! nothing.

mod cases;
mod commands;
mod compare;
mod languages;

use crate::{
    broker::{BrokerError, ChangeStatus, Quarantine},
    mirror::{
        CommitId,
        git::{Git, Overflow},
    },
};

/// Bytes of the largest file that is looked at; larger ones are data.
const FILE_BYTES: usize = 512 * 1024;
/// Bytes of all files together.
const TOTAL_BYTES: usize = 64 * 1024 * 1024;
/// Letters of an excerpt.
const EXCERPT_LETTERS: usize = 160;
/// Weakenings that are named; a change with more has been named often enough.
const NAMED: usize = 50;

/// A changed file with its text on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedText {
    /// Where it is, or was where it is gone.
    pub path: String,
    /// Where it was before, when it was moved; otherwise the same as `path`.
    pub path_before: String,
    /// Its old text; `None` where it is new or not a text.
    pub before: Option<String>,
    /// Its new text; `None` where it is gone or not a text.
    pub after: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeakeningKind {
    /// A file with tests is gone, and they are nowhere else.
    TestFileDeleted {
        /// How many tests were in it that are nowhere else.
        tests: usize,
    },
    /// A test is gone.
    TestRemoved {
        /// Its name.
        name: String,
    },
    /// A test checks less than before.
    AssertionsRemoved {
        /// How many assertions it has less.
        count: usize,
    },
    /// A test is skipped, ignored, or expected to fail.
    TestSkipped,
    /// A mark lets this test run and no other.
    OthersLeftOut,
    /// An assertion that cannot fail.
    AssertionMadeTrivial,
    /// A check's command can no longer fail.
    CheckMadeTrivial,
    /// A check's command leaves something out that it did not leave out before.
    CheckNarrowed,
    /// A check's command is gone.
    CheckRemoved,
}

/// One thing that a change did to the means of checking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakening {
    /// The file.
    pub path: String,
    /// The line in the new text, from 1; `None` where the thing is gone.
    pub line: Option<usize>,
    /// What was done.
    pub kind: WeakeningKind,
    /// The line, or what was there.
    pub excerpt: String,
}

impl Weakening {
    fn new(path: &str, line: Option<usize>, kind: WeakeningKind, excerpt: &str) -> Self {
        Self {
            path: path.to_owned(),
            line,
            kind,
            excerpt: excerpt.trim().chars().take(EXCERPT_LETTERS).collect(),
        }
    }
}

/// Looks through a change, at most fifty weakenings deep. Files that have nothing to do with tests may be among it.
#[must_use]
pub fn find(changes: &[ChangedText]) -> Vec<Weakening> {
    let mut found = compare::tests(changes);
    for change in changes {
        found.extend(commands::weakened(change));
    }
    found.truncate(NAMED);
    found
}

/// Looks through what differs between two commits in quarantine.
pub async fn between(
    quarantine: &Quarantine,
    base: &CommitId,
    commit: &CommitId,
) -> Result<Vec<Weakening>, BrokerError> {
    let mut texts = Vec::new();
    let mut wanted = Vec::new();
    for change in quarantine.changes(base, commit).await? {
        let path_before = change.path_before().to_owned();
        if !concerns(&change.file.path) && !concerns(&path_before) {
            continue;
        }
        for side in [&change.before, &change.after] {
            wanted.push(side.is_file().then(|| side.id.clone()));
        }
        texts.push(ChangedText {
            path: change.file.path.clone(),
            path_before,
            before: None,
            after: None,
        });
        debug_assert!(change.file.status != ChangeStatus::Deleted || !change.after.is_file());
    }
    let mut contents = read(quarantine, &wanted).await?.into_iter();
    for text in &mut texts {
        text.before = contents.next().flatten();
        text.after = contents.next().flatten();
    }
    Ok(find(&texts))
}

fn concerns(path: &str) -> bool {
    languages::Language::of(path).is_some() || commands::concerns(path)
}

/// Reads contents by object name, in order; `None` where none is wanted, or it is large or not a text.
async fn read(
    quarantine: &Quarantine,
    wanted: &[Option<String>],
) -> Result<Vec<Option<String>>, BrokerError> {
    let names: Vec<&str> = wanted.iter().flatten().map(String::as_str).collect();
    let batch = Git::within(quarantine.path(), &["cat-file", "--batch"]);
    let output = batch
        .input(names.join("\n"))
        .output(TOTAL_BYTES, Overflow::Cut)
        .run()
        .await;
    let output = output.map_err(BrokerError::host)?;
    let mut rest = output.as_slice();
    let mut contents = Vec::new();
    for id in wanted {
        contents.push(id.as_ref().and_then(|_| next_content(&mut rest)));
    }
    Ok(contents)
}

/// Takes one entry of the batch: a heading that ends in the size, a line end, the bytes, a line end.
fn next_content(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let size = str::from_utf8(&rest[..end]).ok()?.rsplit(' ').next()?;
    let size: usize = size.parse().ok()?;
    let content = rest.get(end + 1..end + 1 + size);
    *rest = rest.get(end + 2 + size..).unwrap_or_default();
    let content = content.filter(|content| content.len() <= FILE_BYTES)?;
    str::from_utf8(content).ok().map(str::to_owned)
}
