//! What Deckhand is about, pure: no input or output, no clock, no randomness, no async.
//!
//! Time, identifiers and prices come in as arguments. In reading order:
//!
//! - [`conversation`]: people, what they said, and where; [`attachment`]: which files of it reach the agent
//! - [`command`]: what a sentence asks for
//! - [`specification`] and [`plan`]: what is to be done, and how; [`plan_edit`]: a plan as a person writes it
//! - [`proof`]: what the host found out about a commit
//! - [`policy`]: who may do what, which repository is meant
//! - [`preferences`]: what people set for themselves and for a channel
//! - [`budget`]: money and ceilings
//! - [`network`]: what a sandbox may reach, was refused, and was allowed by people
//! - [`incoming`]: what a surface understood of a delivery
//! - [`event`] and [`effect`]: everything that can happen, everything that can be done about it
//! - [`kept`] and [`waiting`]: what becomes of cancelled work, what is said where time runs out
//! - [`feedback`]: what people think of a result; [`inquiry`]: questions that are only answered
//! - [`message`]: everything that is ever said, as data
//! - [`task`]: the machine that turns events into effects

pub mod attachment;
pub mod budget;
pub mod command;
pub mod conversation;
pub mod edit;
pub mod effect;
pub mod event;
pub mod feedback;
pub mod held;
pub mod home;
pub mod incoming;
pub mod inquiry;
pub mod kept;
pub mod message;
pub mod network;
pub mod plan;
pub mod plan_edit;
pub mod policy;
pub mod preferences;
pub mod proof;
pub mod specification;
pub mod task;
pub mod waiting;

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds from `earlier` to this moment; zero where `earlier` is later.
    #[must_use]
    pub fn milliseconds_since(self, earlier: Self) -> i64 {
        (self.0 - earlier.0).max(0)
    }
}

/// The short name of a task: lower-case letters and digits, safe in a branch, a container's name and a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId(pub String);

impl std::fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The number of a run within its task, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunNumber(pub u32);

impl std::fmt::Display for RunNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// The full hexadecimal name of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first ten digits, which is what people are shown.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

/// Cuts a text to at most `limit_chars` characters, and marks the cut with an ellipsis.
#[must_use]
pub fn clip(text: &str, limit_chars: usize) -> String {
    if text.chars().count() <= limit_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
