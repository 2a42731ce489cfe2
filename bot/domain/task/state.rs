//! How a task stands. Each state carries exactly what is true in it.

use serde::{Deserialize, Serialize};

use super::inquiry::ANSWERED;
use crate::domain::{
    CommitId, RunNumber,
    budget::{Ceilings, Usage},
    conversation::{Person, Road},
    effect::Assignment,
    event::Change,
    held::HeldChange,
    kept::{Handed, Reached},
    message::{FailureText, QuestionText},
    waiting::Made,
};

/// What a queued task does when it gets its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Next {
    /// Reads conversation and repository, then plans.
    Specify,
    /// Starts this run.
    Run {
        /// What it is asked to do.
        assignment: Assignment,
    },
    /// Proves a commit again.
    Prove {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
    /// Publishes a proved commit again.
    Publish {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its number within the task.
    pub number: u32,
    /// What the answer is for.
    pub kind: QuestionKind,
    /// Answers to choose from.
    pub choices: Vec<String>,
}

/// What an answer is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QuestionKind {
    /// Repository, branch or agent.
    Workplace {
        /// What was wrong.
        problem: crate::domain::event::WorkplaceProblem,
    },
    /// The command that decides whether the work is done.
    Check,
    /// The agent's question.
    Agent {
        /// Its words.
        question: String,
    },
    /// Whether a change leaves that was held back.
    Held {
        /// The run whose change it is.
        run: RunNumber,
        /// The change, and why it was held back.
        held: Box<HeldChange>,
    },
    /// Whether to work longer.
    Time {
        /// What to go on with.
        assignment: Assignment,
        /// The run that was stopped.
        run: RunNumber,
        /// What it had changed.
        change: Box<Change>,
    },
    /// Whether to spend more.
    Budget {
        /// What to go on with.
        assignment: Assignment,
    },
}

impl QuestionKind {
    /// What a run has handed over that waits for the answer.
    fn handed(&self) -> Option<Handed> {
        match self {
            Self::Held { held, .. } => Some(Handed::new(&held.commit, Reached::Quarantine)),
            Self::Time { change, .. } => handed_in(change),
            Self::Workplace { .. } | Self::Check | Self::Agent { .. } | Self::Budget { .. } => None,
        }
    }

    /// The question as it is shown.
    #[must_use]
    pub fn text(&self, usage: Usage, ceilings: &Ceilings) -> QuestionText {
        match self {
            Self::Workplace { problem } => QuestionText::Workplace {
                problem: problem.clone(),
            },
            Self::Check => QuestionText::Check,
            Self::Agent { question } => QuestionText::Agent {
                question: question.clone(),
            },
            Self::Held { held, .. } => QuestionText::Held { held: held.clone() },
            Self::Time {
                assignment, change, ..
            } => QuestionText::Time {
                ceiling_ms: ceilings.work_ms,
                made: made(assignment, change),
            },
            Self::Budget { assignment } => QuestionText::Budget {
                spent: usage,
                ceiling: ceilings.spend,
                purpose: assignment.purpose(),
            },
        }
    }
}

/// What a run has handed over whose change it is.
fn handed_in(change: &Change) -> Option<Handed> {
    match change {
        Change::Commit { commit, .. }
        | Change::Held {
            held: HeldChange { commit, .. },
        } => Some(Handed::new(commit, Reached::Quarantine)),
        Change::None | Change::Refused { .. } => None,
    }
}

/// What there is of a work that was stopped, and is to go on with this.
fn made(assignment: &Assignment, change: &Change) -> Made {
    match change {
        Change::None if matches!(assignment, Assignment::Inquire { .. }) => Made::Answer,
        Change::None if !assignment.changes_files() => Made::Plan,
        Change::None => Made::Nothing,
        Change::Commit { files, .. } => Made::Change { files: files.len() },
        Change::Held { held } => Made::Held {
            files: held.holds.len(),
        },
        Change::Refused { reason } => Made::Refused {
            reason: reason.clone(),
        },
    }
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Waits for its turn.
    Queued {
        /// What comes then.
        next: Next,
    },
    /// Conversation and repository are read.
    Specifying,
    /// An agent writes specification and plan.
    Planning {
        /// The run.
        run: RunNumber,
    },
    /// A plan waits for a decision; nothing runs.
    AwaitingApproval {
        /// The revision.
        revision: u32,
    },
    /// The sandbox of a run is made ready.
    Preparing {
        /// The run.
        run: RunNumber,
    },
    /// The agent works.
    Running {
        /// The run.
        run: RunNumber,
    },
    /// A question waits for an answer; nothing runs.
    AwaitingInput {
        /// The question.
        question: Question,
    },
    /// The clean container runs the checks.
    Verifying {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
    /// Push and pull request.
    Publishing {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
    /// The pull request waits for people.
    InReview {
        /// Whether everything was seen to be true.
        whole: bool,
    },
    /// The pull request was merged or closed.
    Completed {
        /// Whether it was merged.
        merged: bool,
        /// Whether everything was seen to be true.
        whole: bool,
    },
    /// The question was answered. It ends as what is done does, and is kept under the same name.
    Answered,
    /// It did not work.
    Failed {
        /// Why.
        failure: FailureText,
        /// What Retry would do.
        retry: Next,
    },
    /// Somebody ended it.
    Canceled {
        /// Who.
        by: Person,
        /// How.
        road: Road,
        /// Whether the end was confirmed in the conversation.
        confirmed: bool,
        /// What a run had handed over for it by then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handed: Option<Handed>,
    },
    /// Nobody decided for too long.
    Expired,
}

impl State {
    /// The state's name, as it is stored and shown.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Specifying => "specifying",
            Self::Planning { .. } => "planning",
            Self::AwaitingApproval { .. } => "awaiting_approval",
            Self::Preparing { .. } => "preparing",
            Self::Running { .. } => "running",
            Self::AwaitingInput { .. } => "awaiting_input",
            Self::Verifying { .. } => "verifying",
            Self::Publishing { .. } => "publishing",
            Self::InReview { .. } => "in_review",
            Self::Completed { .. } | Self::Answered => "completed",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The state in words, for lists.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "waits for its turn",
            Self::Specifying => "is reading the conversation",
            Self::Planning { .. } => "is planning",
            Self::AwaitingApproval { .. } => "waits for your decision on its plan",
            Self::Preparing { .. } => "is preparing its sandbox",
            Self::Running { .. } => "is working",
            Self::AwaitingInput { .. } => "waits for an answer",
            Self::Verifying { .. } => "is being checked",
            Self::Publishing { .. } => "is being published",
            Self::InReview { whole: true } => "is in review, proved",
            Self::InReview { whole: false } => "is in review, with gaps",
            Self::Completed { merged: true, .. } => "was merged",
            Self::Completed { merged: false, .. } => "was closed without a merge",
            Self::Answered => ANSWERED,
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "was cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether the task uses the machine in this state.
    #[must_use]
    pub const fn holds_slot(&self) -> bool {
        match self {
            Self::Specifying
            | Self::Planning { .. }
            | Self::Preparing { .. }
            | Self::Running { .. }
            | Self::Verifying { .. }
            | Self::Publishing { .. } => true,
            Self::Queued { .. }
            | Self::AwaitingApproval { .. }
            | Self::AwaitingInput { .. }
            | Self::InReview { .. }
            | Self::Completed { .. }
            | Self::Answered
            | Self::Failed { .. }
            | Self::Canceled { .. }
            | Self::Expired => false,
        }
    }

    /// What a run has handed over, where that is not known to stand on the remote and no later run has begun.
    #[must_use]
    pub fn handed(&self) -> Option<Handed> {
        match self {
            Self::Verifying { commit, .. }
            | Self::Queued {
                next: Next::Prove { commit, .. },
            }
            | Self::Failed {
                retry: Next::Prove { commit, .. },
                ..
            } => Some(Handed::new(commit, Reached::Quarantine)),
            Self::Publishing { commit, .. }
            | Self::Queued {
                next: Next::Publish { commit, .. },
            }
            | Self::Failed {
                retry: Next::Publish { commit, .. },
                ..
            } => Some(Handed::new(commit, Reached::Push)),
            Self::AwaitingInput { question } => question.kind.handed(),
            Self::Canceled { handed, .. } => handed.clone(),
            Self::Queued {
                next: Next::Specify | Next::Run { .. },
            }
            | Self::Failed {
                retry: Next::Specify | Next::Run { .. },
                ..
            }
            | Self::Specifying
            | Self::Planning { .. }
            | Self::AwaitingApproval { .. }
            | Self::Preparing { .. }
            | Self::Running { .. }
            | Self::InReview { .. }
            | Self::Completed { .. }
            | Self::Answered
            | Self::Expired => None,
        }
    }

    /// The run whose news still matter.
    #[must_use]
    pub const fn live_run(&self) -> Option<RunNumber> {
        match self {
            Self::Planning { run }
            | Self::Preparing { run }
            | Self::Running { run }
            | Self::Verifying { run, .. }
            | Self::Publishing { run, .. } => Some(*run),
            Self::Queued { .. }
            | Self::Specifying
            | Self::AwaitingApproval { .. }
            | Self::AwaitingInput { .. }
            | Self::InReview { .. }
            | Self::Completed { .. }
            | Self::Answered
            | Self::Failed { .. }
            | Self::Canceled { .. }
            | Self::Expired => None,
        }
    }

    /// Which of the task's waits for people this is: the revision of the plan, or the number of the question. A plan that
    /// somebody edits is followed by another wait under the same name.
    pub(super) const fn wait(&self) -> Option<u32> {
        match self {
            Self::AwaitingApproval { revision } => Some(*revision),
            Self::AwaitingInput { question } => Some(question.number),
            Self::Queued { .. }
            | Self::Specifying
            | Self::Planning { .. }
            | Self::Preparing { .. }
            | Self::Running { .. }
            | Self::Verifying { .. }
            | Self::Publishing { .. }
            | Self::InReview { .. }
            | Self::Completed { .. }
            | Self::Answered
            | Self::Failed { .. }
            | Self::Canceled { .. }
            | Self::Expired => None,
        }
    }

    /// Whether somebody has ended it, confirmed or not.
    #[must_use]
    pub const fn is_canceled(&self) -> bool {
        matches!(self, Self::Canceled { .. })
    }

    /// Whether nothing more happens by itself and nobody is waited for.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Completed { .. }
            | Self::Answered
            | Self::Failed { .. }
            | Self::Canceled { .. }
            | Self::Expired => true,
            Self::Queued { .. }
            | Self::Specifying
            | Self::Planning { .. }
            | Self::AwaitingApproval { .. }
            | Self::Preparing { .. }
            | Self::Running { .. }
            | Self::AwaitingInput { .. }
            | Self::Verifying { .. }
            | Self::Publishing { .. }
            | Self::InReview { .. } => false,
        }
    }
}
