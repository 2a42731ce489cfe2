//! What can go wrong with a mirror, as fine as callers branch.

use super::{
    git::{Failure, GitError},
    names::BranchName,
    trouble::Trouble,
};

/// Why a repository cannot be mirrored or read.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is no such repository. Forges answer the same where the credential may not know of it.
    #[error("there is no such repository, or none that the credential may see")]
    NotFound,
    /// The credential is missing, wrong, or allows too little.
    #[error("the repository's host refused access")]
    AccessRefused,
    /// The repository has no commit yet.
    #[error("the repository has no commits")]
    Empty,
    /// The host of the repository or the road to it is down; worth another try later.
    #[error("the repository's host does not answer: {0}")]
    Unreachable(String),
    /// The transfer did not end in time; worth another try, and likely to fail again where the repository is huge.
    #[error("the repository could not be copied in time")]
    TooSlow,
    /// The branch or commit that was asked for is not there.
    #[error("there is no branch {branch:?}")]
    NoSuchBranch {
        /// What was asked for.
        branch: String,
        /// Branches of the nearest names, nearest first, at most five.
        known: Vec<BranchName>,
    },
    /// Anything else; not worth another try.
    #[error("the mirror failed: {0}")]
    Other(String),
}

impl MirrorError {
    /// An error of a command that spoke to a remote.
    pub(crate) fn remote(error: GitError) -> Self {
        match error {
            GitError::Failed(failure) => Self::of(&failure),
            GitError::TooSlow(_) => Self::TooSlow,
            GitError::Start(_) | GitError::TooMuch(_) | GitError::Pipe(_) => {
                Self::Other(error.to_string())
            }
        }
    }

    /// An error of a command that touched only the host's own disk.
    #[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
    pub(crate) fn local(error: GitError) -> Self {
        Self::Other(error.to_string())
    }

    fn of(failure: &Failure) -> Self {
        match failure.trouble() {
            Trouble::NotFound => Self::NotFound,
            Trouble::AccessRefused => Self::AccessRefused,
            Trouble::Unreachable | Trouble::Locked => Self::Unreachable(failure.summary()),
            Trouble::TooSlow => Self::TooSlow,
            Trouble::Other => Self::Other(failure.summary()),
        }
    }
}
