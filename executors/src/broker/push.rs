//! Pushes one commit to one branch of the remote, in such a way that a repeat after a crash is a success.

use std::time::Duration;

use super::{PushError, Quarantine};
use crate::mirror::{
    BranchName, CommitId, Credential, RepositoryUrl,
    git::{Failure, GitError, Overflow, SHORT_OUTPUT_BYTES},
    trouble::Trouble,
};

/// Wall-clock limit of one push.
const PUSH_TIME: Duration = Duration::from_mins(5);
/// Lines of the remote's own words that are kept.
const REASON_LINES: usize = 20;
/// Letters of each that are kept.
const REASON_LETTERS: usize = 300;

/// What the branch at the remote should be before a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteBranch {
    /// Not there yet.
    Absent,
    /// Where the last push left it.
    At(CommitId),
}

/// What begins the name of every branch that is pushed.
const BRANCH_START: &str = "deckhand/";

/// What is pushed, and where to.
#[derive(Debug, Clone, Copy)]
pub struct Push<'a> {
    /// The commit.
    pub commit: &'a CommitId,
    /// The task's branch.
    pub branch: &'a BranchName,
    /// What the branch should be before.
    pub expected: &'a RemoteBranch,
    /// The commit that the task began with.
    pub base: &'a CommitId,
}

impl Quarantine {
    /// Pushes a commit to a task's branch of the remote, if the branch is there as expected, or already at the commit.
    ///
    /// # Errors
    /// [`PushError::Moved`] where the branch is anywhere else; nothing was written then. [`PushError::Unfit`] where
    /// the branch is no task's, or the commit does not build on the base and on what was pushed before.
    pub async fn push(
        &self,
        url: &RepositoryUrl,
        credential: Option<&Credential>,
        push: &Push<'_>,
    ) -> Result<(), PushError> {
        let (commit, branch) = (push.commit, push.branch);
        if !branch.as_str().starts_with(BRANCH_START) {
            return Err(PushError::Unfit(format!("{branch} is no branch of a task")));
        }
        let before = match push.expected {
            RemoteBranch::Absent => push.base,
            RemoteBranch::At(commit) => commit,
        };
        for ground in [push.base, before] {
            let descends = self.descends(commit, ground).await;
            if !descends.map_err(|error| PushError::Other(error.to_string()))? {
                return Err(PushError::Unfit(format!(
                    "{commit} does not build on {ground}"
                )));
            }
        }
        let reference = branch.reference();
        let expected = match push.expected {
            RemoteBranch::Absent => "",
            RemoteBranch::At(commit) => commit.as_str(),
        };
        let lease = format!("--force-with-lease={reference}:{expected}");
        let what = format!("{commit}:{reference}");
        let arguments = [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            &lease,
            url.as_str(),
            &what,
        ];
        let push = self.git(&arguments).remote(url, credential).time(PUSH_TIME);
        match push.output(SHORT_OUTPUT_BYTES, Overflow::Cut).run().await {
            Ok(_) => Ok(()),
            Err(GitError::Failed(failure)) => Err(read_refusal(&failure)),
            Err(GitError::TooSlow(limit)) => Err(PushError::Unreachable(format!(
                "no answer within {} seconds",
                limit.as_secs()
            ))),
            Err(error @ (GitError::Start(_) | GitError::TooMuch(_) | GitError::Pipe(_))) => {
                Err(PushError::Other(error.to_string()))
            }
        }
    }
}

/// Tells a rule of the remote from a branch that moved and from a remote that is not there.
fn read_refusal(failure: &Failure) -> PushError {
    let output = String::from_utf8_lossy(&failure.output);
    let refused = output.lines().find(|line| line.starts_with("!\t"));
    if let Some(refused) = refused {
        let moved = [
            "stale info",
            "non-fast-forward",
            "fetch first",
            "cannot lock ref",
        ];
        if moved.iter().any(|mark| refused.contains(mark)) {
            return PushError::Moved;
        }
        let why = refused.rsplit('\t').next().unwrap_or(refused);
        return PushError::Refused {
            reason: reason(failure, why),
        };
    }
    match failure.trouble() {
        Trouble::AccessRefused | Trouble::NotFound => PushError::AccessRefused {
            reason: reason(failure, &failure.summary()),
        },
        Trouble::Unreachable | Trouble::TooSlow => PushError::Unreachable(failure.summary()),
        Trouble::Locked | Trouble::Other => PushError::Other(failure.summary()),
    }
}

/// The remote's own lines, then what git made of them.
fn reason(failure: &Failure, verdict: &str) -> Vec<String> {
    let remote = failure
        .errors
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"));
    let lines = remote.map(str::trim).filter(|line| !line.is_empty());
    lines
        .take(REASON_LINES - 1)
        .chain([verdict])
        .map(|line| line.chars().filter(|letter| !letter.is_control()))
        .map(|letters| letters.take(REASON_LETTERS).collect())
        .collect()
}
