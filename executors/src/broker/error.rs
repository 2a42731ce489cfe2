//! What can go wrong when commits leave, as fine as callers branch.

use crate::{mirror::git::GitError, sandbox::ExecutorError};

/// Why the work could not be taken out of a sandbox, or not be dealt with in quarantine.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// There is nothing to take: no commit and a clean work tree, or commits that undo each other.
    #[error("nothing was changed")]
    NothingChanged,
    /// Something is over its limit.
    #[error("the change is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit that was passed.
        limit: u64,
        /// What it counts: `bytes`, `commits`, `files`.
        unit: &'static str,
    },
    /// The commits do not build on the base that the sandbox was given.
    #[error("the commits do not build on the commit that the task began with")]
    ForeignHistory,
    /// Git's own checks refuse the objects: a path that would leave the tree, a broken object, a bundle that is none.
    #[error("the commits were refused: {0}")]
    Malformed(String),
    /// The work tree in the sandbox cannot be read: it was removed, or git fails in it.
    #[error("the work tree cannot be read: {0}")]
    WorkTree(String),
    /// The sandbox did not hand its work out in time.
    #[error("the sandbox did not hand its work out in time")]
    TooSlow,
    /// The sandbox or the engine failed.
    #[error(transparent)]
    Sandbox(#[from] ExecutorError),
    /// The host's own disk or git failed.
    #[error("the quarantine failed: {0}")]
    Host(String),
}

impl BrokerError {
    pub(crate) fn host(error: impl std::fmt::Display) -> Self {
        Self::Host(error.to_string())
    }

    /// An error of a command that read what the sandbox handed out.
    pub(crate) fn unpacking(error: GitError) -> Self {
        match error {
            GitError::Failed(failure) => Self::Malformed(failure.cause()),
            GitError::Start(_)
            | GitError::TooSlow(_)
            | GitError::TooMuch(_)
            | GitError::Pipe(_) => Self::host(error),
        }
    }
}

/// Why a commit did not arrive at the remote.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The remote has a rule against it; its own words.
    #[error("the remote refused the push: {}", reason.join(" / "))]
    Refused {
        /// The remote's lines, at most twenty, without credentials.
        reason: Vec<String>,
    },
    /// The branch at the remote is not where it was left: somebody else pushed or deleted it.
    #[error("the branch moved at the remote")]
    Moved,
    /// The credential is missing, wrong, or may not write.
    #[error("the remote refused access: {}", reason.join(" / "))]
    AccessRefused {
        /// The remote's lines, at most twenty, without credentials.
        reason: Vec<String>,
    },
    /// The remote or the road to it is down, or too slow; worth another try later.
    #[error("the remote does not answer: {0}")]
    Unreachable(String),
    /// The host itself does not push this.
    #[error("this is not pushed: {0}")]
    Unfit(String),
    /// Anything else; not worth another try.
    #[error("the push failed: {0}")]
    Other(String),
}
