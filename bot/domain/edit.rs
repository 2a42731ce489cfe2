//! What becomes of a request that is edited or deleted after people have agreed on it: a proposal, which somebody decides.

use serde::{Deserialize, Serialize};

use super::{
    Timestamp,
    conversation::{LineKind, Person},
};

/// The most proposals of one task; later edits are answered with a sentence.
pub const PROPOSALS_MAX: usize = 20;

/// What was done to the request, or to the issue that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum RequestChange {
    /// Somebody wrote it differently.
    Edited {
        /// Who.
        by: Person,
        /// The words before.
        before: String,
        /// The words now.
        now: String,
        /// What was edited: what somebody said, or the issue.
        #[serde(default)]
        of: LineKind,
    },
    /// It was taken away. Surfaces do not say by whom.
    Deleted {
        /// What was: what somebody said, or the issue.
        #[serde(default)]
        of: LineKind,
    },
}

/// What somebody decides about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// The edit is work for the agent.
    Take,
    /// The work stays what was approved.
    Leave,
    /// The task ends with its request.
    Cancel,
    /// The task goes on without its request.
    Keep,
}

impl Settlement {
    /// Its name, for logs and for values that come back from a surface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Leave => "leave",
            Self::Cancel => "cancel",
            Self::Keep => "keep",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Take, Self::Leave, Self::Cancel, Self::Keep]
            .into_iter()
            .find(|settlement| settlement.name() == name)
    }
}

impl RequestChange {
    /// What can be decided about it, the one that acts first.
    #[must_use]
    pub const fn settlements(&self) -> [Settlement; 2] {
        match self {
            Self::Edited { .. } => [Settlement::Take, Settlement::Leave],
            Self::Deleted { .. } => [Settlement::Cancel, Settlement::Keep],
        }
    }
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum ProposalStanding {
    /// It waits for a decision. The work does not wait for it.
    Open,
    /// Somebody decided.
    Settled {
        /// Who.
        by: Person,
        /// What.
        settlement: Settlement,
        /// When.
        at: Timestamp,
    },
    /// The request was changed once more.
    Replaced,
    /// The task ended before a decision.
    Withdrawn,
}

/// A change of the request that somebody decides about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number within the task, from 1.
    pub number: u32,
    /// What was done.
    pub change: RequestChange,
    /// What became of it.
    pub standing: ProposalStanding,
}

/// A change of the request as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalCard {
    /// The change, and what became of it.
    pub proposal: Proposal,
    /// The task's title.
    pub title: String,
    /// Who asked for the task; mentioned once.
    pub asks: Person,
}

impl ProposalCard {
    /// Whether a decision is waited for.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.proposal.standing == ProposalStanding::Open
    }
}
