//! Reads git's own account of what changed between two commits.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use super::BrokerError;
use crate::mirror::{
    CommitId,
    git::{Git, GitError, Overflow},
};

/// Bytes of the longest account that is read: some hundred thousand files.
const ACCOUNT_BYTES: usize = 32 * 1024 * 1024;

/// What happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeStatus {
    /// It is new.
    Added,
    /// Its content or its mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It was moved, with or without a change of content.
    Renamed {
        /// Where it was.
        from: String,
    },
    /// It became another kind of thing: a link where a file was.
    Retyped,
}

/// How many lines changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// A text.
    Text {
        /// New lines.
        added: u32,
        /// Lines that are gone.
        removed: u32,
    },
    /// Not a text; it has no lines.
    Binary,
}

/// One file that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Where it is; where it was, for a deleted one. Bytes that are no UTF-8 are replaced.
    pub path: String,
    /// What happened to it.
    pub status: ChangeStatus,
    /// How many lines changed.
    pub lines: Lines,
}

/// A unified diff, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffText {
    /// The text. Bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Whether the end is missing, because it was over the limit.
    pub is_cut: bool,
}

/// The kind and the object of one path on one side of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The mode as git prints it: `100644`, `120000`; `000000` where there is nothing.
    pub(crate) mode: String,
    /// The object's name.
    pub(crate) id: String,
}

/// Modes of git's trees.
pub(crate) mod mode {
    pub(crate) const NOTHING: &str = "000000";
    pub(crate) const PROGRAM: &str = "100755";
    pub(crate) const LINK: &str = "120000";
    pub(crate) const SUBMODULE: &str = "160000";
}

impl Entry {
    /// Whether it is a file's content that can be read.
    pub(crate) fn is_file(&self) -> bool {
        self.mode.starts_with("100")
    }
}

/// A changed file with both of its sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// What callers see.
    pub(crate) file: FileChange,
    /// The old side.
    pub(crate) before: Entry,
    /// The new side.
    pub(crate) after: Entry,
    /// The path in its own bytes, which need not be UTF-8.
    pub(crate) raw: Vec<u8>,
    /// The same of where the file was before.
    pub(crate) raw_before: Vec<u8>,
}

impl Change {
    /// Whether nothing was called so before.
    pub(crate) fn is_new_name(&self) -> bool {
        match self.file.status {
            ChangeStatus::Added | ChangeStatus::Renamed { .. } => true,
            ChangeStatus::Modified | ChangeStatus::Deleted | ChangeStatus::Retyped => false,
        }
    }

    /// Where the file was before, under another name or the same.
    pub(crate) fn path_before(&self) -> &str {
        match &self.file.status {
            ChangeStatus::Renamed { from } => from,
            ChangeStatus::Added
            | ChangeStatus::Modified
            | ChangeStatus::Deleted
            | ChangeStatus::Retyped => &self.file.path,
        }
    }
}

/// The options under which git tells of a change and runs nothing of the repository's.
pub(crate) const COMPARE: [&str; 5] = ["diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv"];

/// Files above this are told to differ, and not how; git holds two versions of a file in memory to compare them.
pub(crate) const DIFF_FILE_LIMIT: &str = "4m";

/// All files that differ between two commits.
pub(crate) async fn between(
    repository: &Path,
    from: &CommitId,
    to: &CommitId,
) -> Result<Vec<Change>, BrokerError> {
    let compare = ["-z", "--raw", "--numstat", "--no-abbrev"];
    let compare = compare
        .into_iter()
        .chain([from.as_str(), to.as_str()])
        .fold(Git::within(repository, &COMPARE), Git::argument);
    let account = match compare.output(ACCOUNT_BYTES, Overflow::Refuse).run().await {
        Ok(account) => account,
        Err(GitError::TooMuch(limit)) => {
            return Err(BrokerError::TooLarge {
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
                unit: "bytes of file names",
            });
        }
        Err(error) => return Err(BrokerError::host(error)),
    };
    parse(&account).ok_or_else(|| BrokerError::host("git's account of the change cannot be read"))
}

/// Which part of a difference is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// All of it.
    Whole,
    /// One file, by its path in its own bytes.
    File(&'a [u8]),
}

/// The difference of two commits as people read it.
pub(crate) async fn diff(
    repository: &Path,
    from: &CommitId,
    to: &CommitId,
    part: Part<'_>,
    limit_bytes: usize,
) -> Result<DiffText, BrokerError> {
    let compare = ["-p", "--no-color", from.as_str(), to.as_str()];
    let mut compare = compare
        .into_iter()
        .fold(Git::within(repository, &COMPARE), Git::argument)
        .setting("core.bigFileThreshold", DIFF_FILE_LIMIT);
    if let Part::File(path) = part {
        compare = compare
            .argument("--")
            .argument(OsStr::from_bytes(path).to_owned());
    }
    let bytes = compare.output(limit_bytes, Overflow::Cut).run().await;
    let bytes = bytes.map_err(BrokerError::host)?;
    Ok(DiffText {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        is_cut: bytes.len() >= limit_bytes,
    })
}

/// Reads the account: first a raw record for each file, then a count of lines for each, in the same order.
fn parse(account: &[u8]) -> Option<Vec<Change>> {
    let mut fields = account.split(|byte| *byte == 0).peekable();
    let mut changes = Vec::new();
    while let Some(record) = fields.next_if(|field| field.starts_with(b":")) {
        let record = std::str::from_utf8(&record[1..]).ok()?;
        let mut facts = record.split(' ');
        let (old_mode, new_mode) = (facts.next()?, facts.next()?);
        let (old_id, new_id) = (facts.next()?, facts.next()?);
        let kind = facts.next()?.chars().next()?;
        let raw_before = fields.next()?.to_vec();
        let (raw, status) = match kind {
            'A' => (raw_before.clone(), ChangeStatus::Added),
            'M' => (raw_before.clone(), ChangeStatus::Modified),
            'D' => (raw_before.clone(), ChangeStatus::Deleted),
            'T' => (raw_before.clone(), ChangeStatus::Retyped),
            'R' => (
                fields.next()?.to_vec(),
                ChangeStatus::Renamed {
                    from: shown(&raw_before),
                },
            ),
            _ => return None,
        };
        let entry = |mode: &str, id: &str| Entry {
            mode: mode.to_owned(),
            id: id.to_owned(),
        };
        changes.push(Change {
            file: FileChange {
                path: shown(&raw),
                status,
                lines: Lines::Binary,
            },
            before: entry(old_mode, old_id),
            after: entry(new_mode, new_id),
            raw,
            raw_before,
        });
    }
    for change in &mut changes {
        let record = String::from_utf8_lossy(fields.next()?);
        let mut parts = record.splitn(3, '\t');
        let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
        if path.is_empty() {
            // Both paths of a moved file follow.
            fields.next()?;
            fields.next()?;
        }
        if let (Ok(added), Ok(removed)) = (added.parse(), removed.parse()) {
            change.file.lines = Lines::Text { added, removed };
        }
    }
    Some(changes)
}

fn shown(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_account_with_a_move_and_a_binary_file_is_read() {
        let zero = "0".repeat(40);
        let one = "1".repeat(40);
        let account = format!(
            ":000000 100644 {zero} {one} A\0new.txt\0:100644 100644 {one} {zero} R090\0old\tname\0new\nname\0\
             :100644 000000 {one} {zero} D\0gone.png\0\
             3\t0\tnew.txt\01\t2\t\0old\tname\0new\nname\0-\t-\tgone.png\0"
        );
        let changes = parse(account.as_bytes()).unwrap();
        let seen: Vec<_> = changes.iter().map(|change| change.file.clone()).collect();
        let file = |path: &str, status, lines| FileChange {
            path: path.to_owned(),
            status,
            lines,
        };
        let text = |added, removed| Lines::Text { added, removed };
        let renamed = ChangeStatus::Renamed {
            from: "old\tname".to_owned(),
        };
        assert_eq!(
            seen,
            [
                file("new.txt", ChangeStatus::Added, text(3, 0)),
                file("new\nname", renamed, text(1, 2)),
                file("gone.png", ChangeStatus::Deleted, Lines::Binary),
            ]
        );
    }
}
