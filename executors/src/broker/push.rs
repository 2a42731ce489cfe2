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

impl Quarantine {
    /// Pushes `commit` to `branch` of the remote, if the branch is there as `expected`, or already at the commit.
    ///
    /// # Errors
    /// [`PushError::Moved`] where the branch is anywhere else; nothing was written then.
    pub async fn push(
        &self,
        url: &RepositoryUrl,
        credential: Option<&Credential>,
        commit: &CommitId,
        branch: &BranchName,
        expected: &RemoteBranch,
    ) -> Result<(), PushError> {
        let reference = branch.reference();
        let expected = match expected {
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
