//! What a person decides on when a change is held back: the difference of each file, and the change without some of them.

use super::{
    BrokerError, DiffText, KnownSecrets, Quarantine,
    changes::{self, Change, Part, mode},
    searched, secrets,
};
use crate::mirror::{
    CommitId, TreeId,
    git::{Git, Overflow, SHORT_OUTPUT_BYTES},
};

/// Bytes of one file's difference that are read before secrets are taken out of it.
const DIFF_BYTES: usize = 256 * 1024;
/// The index in which trees are put together; there is never a work tree to it.
const INDEX: &str = "held.index";

/// One file's difference, without the secrets in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file.
    pub path: String,
    /// The name of its new content, by which it is known again; zeros where it is gone.
    pub content: String,
    /// What differs, as people read it.
    pub diff: DiffText,
}

impl Quarantine {
    /// What differs in these files, each at most so many bytes, with every secret masked.
    pub async fn differences(
        &self,
        from: &CommitId,
        to: &CommitId,
        paths: &[String],
        known: &dyn KnownSecrets,
        limit_bytes: usize,
    ) -> Result<Vec<Difference>, BrokerError> {
        let changes = self.changes(from, to).await?;
        let values = searched::values(self.path(), (from, to), &changes).await?;
        let mut differences = Vec::new();
        for path in paths {
            let found = changes
                .iter()
                .zip(&values)
                .find(|(change, _)| change.file.path == *path || change.path_before() == path);
            let Some((change, values)) = found else {
                continue;
            };
            let part = Part::File(if change.file.path == *path {
                &change.raw
            } else {
                &change.raw_before
            });
            let whole = changes::diff(self.path(), from, to, part, DIFF_BYTES).await?;
            let text = secrets::without(path, &whole.text, values, known)?;
            let text = text
                .split_once("\n@@")
                .map_or(text.clone(), |(_, rest)| format!("@@{rest}"));
            let cut = text.floor_char_boundary(limit_bytes.min(text.len()));
            differences.push(Difference {
                path: path.clone(),
                content: content_of(change, path),
                diff: DiffText {
                    is_cut: whole.is_cut || cut < text.len(),
                    text: text[..cut].to_owned(),
                },
            });
        }
        Ok(differences)
    }

    /// The names of the new contents of these files: what tells whether a file is still the one that was decided on.
    pub async fn contents(
        &self,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<(String, String)>, BrokerError> {
        let changes = self.changes(from, to).await?;
        let both = changes.iter().flat_map(|change| {
            let (path, before) = (change.file.path.as_str(), change.path_before());
            let old = (before != path).then_some(before);
            [Some(path), old]
                .into_iter()
                .flatten()
                .map(|name| (name.to_owned(), content_of(change, name)))
        });
        Ok(both.collect())
    }

    /// The tree of `commit` with these files as they are in `from`, put together without any work tree. A moved file
    /// goes back where it was.
    pub async fn tree_without(
        &self,
        commit: &CommitId,
        from: &CommitId,
        paths: &[String],
    ) -> Result<TreeId, BrokerError> {
        let mut entries: Vec<u8> = Vec::new();
        let changes = self.changes(from, commit).await?;
        let is_meant = |path: &str| paths.iter().any(|wanted| wanted == path);
        for change in &changes {
            if !is_meant(&change.file.path) && !is_meant(change.path_before()) {
                continue;
            }
            if change.raw != change.raw_before || change.before.mode == mode::NOTHING {
                let id = &change.after.id;
                entry(
                    &mut entries,
                    mode::NOTHING,
                    &"0".repeat(id.len()),
                    &change.raw,
                );
            }
            if change.before.mode != mode::NOTHING {
                entry(
                    &mut entries,
                    &change.before.mode,
                    &change.before.id,
                    &change.raw_before,
                );
            }
        }
        let index = self.path().join(INDEX);
        let within = |arguments: &[&str]| {
            Git::within(self.path(), arguments)
                .variable("GIT_INDEX_FILE", index.display().to_string())
                .output(SHORT_OUTPUT_BYTES, Overflow::Refuse)
        };
        let read = within(&["read-tree", commit.as_str()]).run().await;
        read.map_err(BrokerError::host)?;
        let update = within(&["update-index", "-z", "--index-info"])
            .input(entries)
            .run()
            .await;
        update.map_err(BrokerError::host)?;
        let tree = within(&["write-tree"])
            .line()
            .await
            .map_err(BrokerError::host)?;
        let _ = tokio::fs::remove_file(&index).await;
        TreeId::parse(&tree).map_err(BrokerError::host)
    }
}

/// The new content of a path of a change; zeros where nothing is there any more.
fn content_of(change: &Change, path: &str) -> String {
    if change.file.path == path {
        change.after.id.clone()
    } else {
        "0".repeat(change.after.id.len())
    }
}

fn entry(into: &mut Vec<u8>, mode: &str, id: &str, path: &[u8]) {
    into.extend_from_slice(format!("{mode} {id}\t").as_bytes());
    into.extend_from_slice(path);
    into.push(0);
}
