//! Looks through what is new in a change for secrets: the new lines of texts, and the whole of what has no lines.

use std::{ops::Range, path::Path};

use sha2::{Digest as _, Sha256};

use super::{
    BrokerError, Finding, FindingKind, Rules,
    changes::{COMPARE, Change, ChangeStatus, DIFF_FILE_LIMIT},
    contents,
    findings::Approved,
    secrets::{self, BrokenRules},
};
use crate::mirror::{
    CommitId,
    git::{Git, GitError, Overflow},
};

/// Bytes of all new lines that are looked through.
const LINES_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of all files without lines that are looked through; the rest is held unread.
const BINARY_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a mark by which a decision about a secret is known again.
const MARK_BYTES: usize = 12;

impl From<BrokenRules> for BrokerError {
    fn from(error: BrokenRules) -> Self {
        Self::host(error)
    }
}

/// The new lines of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Added {
    /// The lines, each with its end.
    text: Vec<u8>,
    /// Where in the text each line begins, and its number in the new file.
    lines: Vec<(usize, u32)>,
    /// Whether git tells only that the files differ.
    is_binary: bool,
}

impl Added {
    fn line_of(&self, at: usize) -> u32 {
        let after = self.lines.partition_point(|(start, _)| *start <= at);
        after.checked_sub(1).map_or(0, |line| self.lines[line].1)
    }
}

/// Looks through what is new between two commits.
pub(crate) async fn find(
    repository: &Path,
    (from, to): (&CommitId, &CommitId),
    changes: &[Change],
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, BrokerError> {
    let patches = added(repository, from, to, changes).await?;
    let sizes = contents::sizes(repository, changes).await?;
    let mut findings = Vec::new();
    let mut room = BINARY_BYTES;
    for (change, added) in changes.iter().zip(patches) {
        let path = &change.file.path;
        let name = Added {
            text: path.clone().into_bytes(),
            ..Added::default()
        };
        if change.is_new_name() {
            search(path, &name, rules, &mut findings)?;
        }
        if !change.after.is_file() {
            search(path, &added, rules, &mut findings)?;
            continue;
        }
        let bytes = sizes.get(change.after.id.as_str()).copied().unwrap_or(0);
        if !added.is_binary {
            search(path, &added, rules, &mut findings)?;
        } else if bytes > rules.limits.file_bytes {
            // It is refused for its size already.
        } else if bytes > room {
            findings.push(finding(path, FindingKind::NotSearched { bytes }));
        } else {
            room -= bytes;
            let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
            let text = contents::read(repository, &change.after.id, limit).await?;
            let whole = Added {
                text,
                ..Added::default()
            };
            search(path, &whole, rules, &mut findings)?;
        }
    }
    Ok(findings)
}

fn finding(path: &str, kind: FindingKind) -> Finding {
    Finding {
        path: path.to_owned(),
        kind,
        approved: Approved::No,
    }
}

fn search(
    path: &str,
    added: &Added,
    rules: &Rules<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), BrokenRules> {
    let known: Vec<Range<usize>> = rules.known.find(&added.text);
    if let Some(first) = known.first() {
        let line = added.line_of(first.start);
        findings.push(finding(path, FindingKind::HostSecret { line }));
    }
    for found in secrets::find(path, &added.text)? {
        let is_known =
            |known: &Range<usize>| known.start < found.at.end && found.at.start < known.end;
        if known.iter().any(is_known) {
            continue;
        }
        let secret = String::from_utf8_lossy(&added.text[found.at.clone()]);
        let kind = FindingKind::Secret {
            rule: found.rule.to_owned(),
            line: added.line_of(found.at.start),
            masked: secrets::masked(&secret),
            mark: mark(path, &secret),
        };
        findings.push(finding(path, kind));
    }
    Ok(())
}

/// The same secret in the same file has the same mark; the mark does not tell the secret.
fn mark(path: &str, secret: &str) -> String {
    let whole = Sha256::digest(format!("deckhand secret\0{path}\0{secret}"));
    hex::encode(&whole[..MARK_BYTES])
}

/// The values of all secrets in the new lines of each change, for taking them out of what is shown.
pub(crate) async fn values(
    repository: &Path,
    (from, to): (&CommitId, &CommitId),
    changes: &[Change],
) -> Result<Vec<Vec<String>>, BrokerError> {
    let mut values = Vec::with_capacity(changes.len());
    for (change, added) in changes
        .iter()
        .zip(added(repository, from, to, changes).await?)
    {
        let found = secrets::find(&change.file.path, &added.text)?.into_iter();
        let value =
            |found: secrets::Found| String::from_utf8_lossy(&added.text[found.at]).into_owned();
        values.push(found.map(value).collect());
    }
    Ok(values)
}

/// The new lines of each change, in their order.
async fn added(
    repository: &Path,
    from: &CommitId,
    to: &CommitId,
    changes: &[Change],
) -> Result<Vec<Added>, BrokerError> {
    let arguments = ["-p", "-U0", "--no-color", from.as_str(), to.as_str()];
    let compare = Git::within(repository, &COMPARE)
        .setting("core.bigFileThreshold", DIFF_FILE_LIMIT)
        .output(LINES_BYTES, Overflow::Refuse);
    let compare = arguments.into_iter().fold(compare, Git::argument);
    let patch = match compare.run().await {
        Ok(patch) => patch,
        Err(GitError::TooMuch(limit)) => {
            return Err(BrokerError::TooLarge {
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
                unit: "bytes of changed lines",
            });
        }
        Err(error) => return Err(BrokerError::host(error)),
    };
    parse(&patch, changes).ok_or_else(|| BrokerError::host("git's new lines cannot be read"))
}

/// Reads a patch: a part for each change, in the same order, and two for a file that became another kind of thing. No
/// line of a file stands at the beginning of a line of the patch, so the heads cannot be forged.
fn parse(patch: &[u8], changes: &[Change]) -> Option<Vec<Added>> {
    let mut parts: Vec<Added> = Vec::new();
    let mut number = None;
    for line in patch.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"diff --git ") {
            parts.push(Added::default());
            number = None;
            continue;
        }
        let part = parts.last_mut()?;
        if line.starts_with(b"@@ -") {
            number = Some(first_line(line)?);
        } else if let (Some(number), Some(new)) = (number.as_mut(), line.strip_prefix(b"+")) {
            part.lines.push((part.text.len(), *number));
            part.text.extend_from_slice(new);
            *number = number.saturating_add(1);
        } else if number.is_none() && line.starts_with(b"Binary files ") {
            part.is_binary = true;
        }
    }
    let mut parts = parts.into_iter();
    let mut added = Vec::with_capacity(changes.len());
    for change in changes {
        let mut part = parts.next()?;
        if change.file.status == ChangeStatus::Retyped {
            part = parts.next()?;
        }
        added.push(part);
    }
    parts.next().is_none().then_some(added)
}

/// The number of the first new line, from a head such as `@@ -3,0 +4,2 @@`.
fn first_line(head: &[u8]) -> Option<u32> {
    let head = String::from_utf8_lossy(head);
    let new = head.split(' ').find_map(|part| part.strip_prefix('+'))?;
    new.split(',').next()?.trim().parse().ok()
}
