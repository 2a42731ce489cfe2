//! What becomes of the work of a task that is cancelled, or that ends because nobody decided on it.

use serde::{Deserialize, Serialize};

use super::{CommitId, TaskId};

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Kept {
    /// There was none, or all of it stands at the remote.
    #[default]
    Nothing,
    /// It lies on a branch of the task's quarantine.
    Branch {
        /// Whose it is.
        task: TaskId,
        /// Its last commit.
        commit: CommitId,
        /// For how many days; none for ever.
        days: Option<u64>,
    },
    /// It goes with its sandbox, because this installation keeps none.
    Dropped,
    /// It goes with its sandbox, because it could not be taken out, or not in time.
    Lost,
}

/// A commit that a run has handed over, where it is not known to stand on the remote and no later run has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The commit, which the host made.
    pub commit: CommitId,
    /// How far it has come.
    pub reached: Reached,
}

/// How far a commit has come on its way to the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// It lies in the task's quarantine, and was not pushed.
    Quarantine,
    /// Its push was begun; whether it has arrived is not known.
    Push,
}

impl Handed {
    pub(super) fn new(commit: &CommitId, reached: Reached) -> Self {
        Self {
            commit: commit.clone(),
            reached,
        }
    }
}

/// The branch on which the work of a task lies that was cancelled or that nobody decided on.
#[must_use]
pub fn branch_of(task: &TaskId) -> String {
    format!("deckhand/canceled/{task}")
}
