//! The bare repository in which a task's commits wait: it borrows the mirror's objects and has no work tree, ever.

use std::path::{Path, PathBuf};

use super::{
    BrokerError, DiffText, FileChange, Finding, Rules,
    changes::{self, Change, Part},
    findings::{self, Compared},
    trees::Forest,
};
use crate::mirror::{
    CommitId, TreeId,
    git::{Git, GitError, Overflow, SHORT_OUTPUT_BYTES},
    make_bare,
};

/// Bytes of the longest list of paths in conflict that is read.
const CONFLICTS_BYTES: usize = 1024 * 1024;
/// Where commits that the host made are held, so that they are never without a reference.
const MADE: &str = "refs/deckhand/made";

/// A task's bare repository on the host.
#[derive(Debug, Clone)]
pub struct Quarantine {
    path: PathBuf,
}

/// Who made a commit, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name. Letters that git keeps for itself are dropped.
    pub name: String,
    /// The address of electronic mail.
    pub email: String,
    /// Seconds since 1970. The same parts and the same time make the same commit, so that a repeat after a crash
    /// makes no second one.
    pub at_seconds: u64,
}

/// Whether a commit can be merged into a branch without anybody's help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// It can.
    Clean,
    /// It cannot.
    Conflicts {
        /// The files in conflict.
        paths: Vec<String>,
    },
}

impl Quarantine {
    /// Opens the quarantine at this absolute path, and makes it first where there is none.
    pub async fn open(path: PathBuf, mirror: &Path) -> Result<Self, BrokerError> {
        if let Some(folder) = path.parent() {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(BrokerError::host)?;
        }
        make_bare(&path).await.map_err(BrokerError::host)?;
        let borrowed = format!("{}\n", mirror.join("objects").display());
        let alternates = path.join("objects/info/alternates");
        let written = async {
            tokio::fs::create_dir_all(path.join("objects/info")).await?;
            tokio::fs::write(&alternates, borrowed).await
        };
        written.await.map_err(BrokerError::host)?;
        Ok(Self { path })
    }

    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The absolute path, on the host and in the proof's sandbox.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tree of a commit: two commits with the same tree hold the same files.
    pub async fn tree_of(&self, commit: &CommitId) -> Result<TreeId, BrokerError> {
        let name = format!("{commit}^{{tree}}");
        let ask = self.git(&["rev-parse", "--verify", &name]).line().await;
        let tree = ask.map_err(BrokerError::host)?;
        TreeId::parse(&tree).map_err(BrokerError::host)
    }

    /// Makes the commit that is pushed: the agent's files, the host's words. However many commits the agent made,
    /// the remote sees one on top of `parents`.
    pub async fn make_commit(
        &self,
        tree: &TreeId,
        parents: &[CommitId],
        message: &str,
        author: &Signature,
    ) -> Result<CommitId, BrokerError> {
        let date = format!("{} +0000", author.at_seconds);
        let (name, email) = (without_marks(&author.name), without_marks(&author.email));
        let make = parents
            .iter()
            .fold(self.git(&["commit-tree", tree.as_str()]), |git, parent| {
                git.argument("-p").argument(parent.as_str())
            })
            .argument("-F")
            .argument("-")
            .variable("GIT_AUTHOR_NAME", name.clone())
            .variable("GIT_AUTHOR_EMAIL", email.clone())
            .variable("GIT_AUTHOR_DATE", date.clone())
            .variable("GIT_COMMITTER_NAME", name)
            .variable("GIT_COMMITTER_EMAIL", email)
            .variable("GIT_COMMITTER_DATE", date)
            .input(message.replace('\0', ""));
        let commit = make.line().await.map_err(BrokerError::host)?;
        let commit = CommitId::parse(&commit).map_err(BrokerError::host)?;
        self.hold(&format!("{MADE}/{commit}"), &commit).await?;
        Ok(commit)
    }

    /// Whether `commit` merges into `tip` by itself. Both have to be in the quarantine or in the mirror.
    pub async fn merges_cleanly(
        &self,
        tip: &CommitId,
        commit: &CommitId,
    ) -> Result<Merge, BrokerError> {
        let arguments = [
            "merge-tree",
            "--write-tree",
            "--name-only",
            "--no-messages",
            "-z",
        ];
        let merge = self
            .git(&arguments)
            .argument(tip.as_str())
            .argument(commit.as_str());
        match merge.output(CONFLICTS_BYTES, Overflow::Refuse).run().await {
            Ok(_) => Ok(Merge::Clean),
            Err(GitError::Failed(failure)) if failure.status == 1 => {
                let fields = failure.output.split(|byte| *byte == 0);
                // The first field is the tree with the conflicts in it.
                let paths = fields.skip(1).filter(|path| !path.is_empty());
                let mut paths: Vec<String> = paths
                    .map(|path| String::from_utf8_lossy(path).into_owned())
                    .collect();
                paths.dedup();
                Ok(Merge::Conflicts { paths })
            }
            Err(error) => Err(BrokerError::host(error)),
        }
    }

    /// The files that differ between two commits.
    pub async fn files(
        &self,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<FileChange>, BrokerError> {
        let changes = self.changes(from, to).await?;
        Ok(changes.into_iter().map(|change| change.file).collect())
    }

    /// The difference of two commits as people read it, at most so many bytes.
    pub async fn diff(
        &self,
        from: &CommitId,
        to: &CommitId,
        limit_bytes: usize,
    ) -> Result<DiffText, BrokerError> {
        changes::diff(&self.path, from, to, Part::Whole, limit_bytes).await
    }

    /// Looks through everything that differs between a task's base and a commit of it, as it was done when the commit
    /// left its sandbox. `since` is the commit that stands at the remote already, or the base.
    pub async fn inspect(
        &self,
        base: &CommitId,
        since: &CommitId,
        head: &CommitId,
        rules: &Rules<'_>,
    ) -> Result<Vec<Finding>, BrokerError> {
        let (_, findings) = self.looked_through(base, since, head, rules).await?;
        Ok(findings)
    }

    pub(crate) async fn looked_through(
        &self,
        base: &CommitId,
        since: &CommitId,
        head: &CommitId,
        rules: &Rules<'_>,
    ) -> Result<(Vec<Change>, Vec<Finding>), BrokerError> {
        let (before, after) = (self.tree_of(base).await?, self.tree_of(head).await?);
        let forest = Forest::of(&self.path, &before, &after).await?;
        let changes = self.changes(base, head).await?;
        if changes.len() > rules.limits.files {
            return Err(BrokerError::TooLarge {
                limit: u64::try_from(rules.limits.files).unwrap_or(u64::MAX),
                unit: "files",
            });
        }
        let compared = Compared {
            base,
            since,
            head,
            changes: &changes,
            forest: &forest,
        };
        let findings = findings::find(&self.path, &compared, rules).await?;
        Ok((changes, findings))
    }

    /// Whether `commit` builds on `base`, or is the same.
    pub async fn descends(&self, commit: &CommitId, base: &CommitId) -> Result<bool, BrokerError> {
        let ancestry = [
            "merge-base",
            "--is-ancestor",
            base.as_str(),
            commit.as_str(),
        ];
        match self.git(&ancestry).run().await {
            Ok(_) => Ok(true),
            Err(GitError::Failed(failure)) if failure.status == 1 => Ok(false),
            Err(error) => Err(BrokerError::host(error)),
        }
    }

    pub(crate) async fn changes(
        &self,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<Change>, BrokerError> {
        changes::between(&self.path, from, to).await
    }

    /// Points a reference at a commit.
    pub(crate) async fn hold(&self, reference: &str, commit: &CommitId) -> Result<(), BrokerError> {
        let hold = self.git(&["update-ref", reference, commit.as_str()]);
        hold.run().await.map_err(BrokerError::host)?;
        Ok(())
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Git {
        Git::within(&self.path, arguments).output(SHORT_OUTPUT_BYTES, Overflow::Refuse)
    }
}

/// A name without the letters that would end it in a commit's header.
fn without_marks(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_control() && !"<>".contains(*letter))
        .collect();
    let text = text.trim();
    // Git refuses a commit by nobody.
    if text.is_empty() {
        "unknown".to_owned()
    } else {
        text.to_owned()
    }
}
