//! What went wrong, for people.

use serde::{Deserialize, Serialize};

use super::Phase;
use crate::domain::{
    budget::Usage,
    conversation::Person,
    event::{PublishProblem, RunFailure},
};

/// What went wrong, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FailureText {
    /// A run failed.
    Run {
        /// In which part.
        phase: Phase,
        /// Why.
        failure: RunFailure,
        /// The last words of the agent, cut.
        closing_words: String,
    },
    /// The agent changed nothing.
    NothingChanged {
        /// The last words of the agent, cut.
        closing_words: String,
    },
    /// The change may not leave the sandbox.
    ChangeRefused {
        /// Why.
        reason: String,
    },
    /// The clean container could not do its work.
    Proof {
        /// Why.
        reason: String,
    },
    /// The commit could not be published.
    Publish {
        /// Why.
        problem: PublishProblem,
    },
    /// Something that has to be done could not be done.
    GivenUp {
        /// What, in words.
        effect: String,
        /// The last error.
        reason: String,
    },
}

/// A failure as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCard {
    /// What went wrong.
    pub text: FailureText,
    /// The agent that worked.
    pub agent: String,
    /// Hosts that the last run was refused and that nobody has decided about.
    #[serde(default)]
    pub refused_hosts: Vec<String>,
    /// Whether it is a question that was asked where a task is talked about, which hears what is said there.
    #[serde(default)]
    pub beside: bool,
    /// Whether Retry is offered.
    pub can_retry: bool,
    /// What was spent so far.
    pub spent: Usage,
    /// Who asked for the task; mentioned once.
    pub asks: Person,
}
