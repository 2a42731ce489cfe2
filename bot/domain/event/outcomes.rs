//! What came of a run and of a publication: why a run failed, where a commit stands, why it could not be published.

use serde::{Deserialize, Serialize};

use crate::domain::{CommitId, RunNumber, budget::Usage};

/// What one run had spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpend {
    /// Which.
    pub run: RunNumber,
    /// How much.
    pub usage: Usage,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum RunFailure {
    /// The sandbox or the agent in it did not start.
    DidNotStart {
        /// The last lines, for people.
        detail: String,
    },
    /// The provider refuses the key.
    KeyRefused,
    /// The provider's account has no credit.
    OutOfCredit,
    /// The provider limits this account.
    RateLimited,
    /// The provider is overloaded.
    Overloaded,
    /// The agent speaks nonsense.
    Nonsense {
        /// What was wrong.
        detail: String,
    },
    /// It wrote more than is read.
    TooMuchOutput,
    /// It ended by itself before its turn was over.
    Died {
        /// The last lines, for people.
        detail: String,
        /// Whether the engine killed it for memory.
        out_of_memory: bool,
    },
    /// It was killed because there was no room on the disk.
    OutOfDisk {
        /// What was full.
        wall: DiskWall,
    },
    /// The ceiling of time was reached.
    OutOfTime,
    /// The time that its task may work was used up.
    OutOfWorkTime,
    /// It said nothing for too long.
    Silent,
    /// The ceiling of spend was reached.
    OutOfBudget,
    /// It ended its turn without handing over what was asked for.
    NothingHandedOver,
    /// The sandbox is gone and with it the run: the engine was restarted or cleaned.
    SandboxLost,
    /// The container engine did not answer for too long.
    EngineLost,
    /// Anything else, for people.
    Other {
        /// What happened.
        detail: String,
    },
}

/// What of a disk was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskWall {
    /// The sandbox's own files, by their size.
    Bytes {
        /// The ceiling in bytes.
        limit: u64,
    },
    /// The sandbox's own files, by their number.
    Files {
        /// The ceiling.
        limit: u64,
    },
    /// The disk of the machine, which all sandboxes share.
    Host,
}

/// Where a commit was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The commit.
    pub commit: CommitId,
    /// The branch.
    pub branch: String,
    /// The pull request, where the remote has a forge.
    pub pull_request: Option<PullRequest>,
    /// Whether the base has moved since the plan, and where the two collide.
    pub base: BaseStanding,
}

/// How the base branch stands to the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum BaseStanding {
    /// Where it was.
    Same,
    /// It has moved, and the two go together.
    Moved,
    /// It has moved, and the two collide.
    Conflicts {
        /// The files.
        files: Vec<String>,
    },
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
}

/// Why a commit could not be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum PublishProblem {
    /// The remote refused the push.
    Refused {
        /// Its words.
        reason: String,
    },
    /// The branch has commits that are not the bot's.
    BranchMoved,
    /// The token may not push.
    NoAccess,
    /// The forge refused the pull request.
    PullRequestRefused {
        /// Its words.
        reason: String,
    },
    /// The approval does not fit what would be published.
    ApprovalVoid,
    /// The commit has something in it that nobody decided on.
    Undecided {
        /// The files.
        paths: Vec<String>,
    },
}

/// Why no issue was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum FilingProblem {
    /// One is being made at this moment.
    BeingMade,
    /// There is no surface that has issues.
    NotSetUp,
    /// There is no team of this name in reach.
    NoSuchTeam {
        /// As it was written.
        team: String,
        /// The ones in reach, by their keys.
        known: Vec<String>,
    },
    /// Nothing says which team is meant.
    WhichTeam {
        /// The ones in reach, by their keys.
        known: Vec<String>,
    },
    /// The surface refused.
    Refused {
        /// In its own words.
        reason: String,
    },
}
