//! What people think of a result, or of an answer.

use serde::{Deserialize, Serialize};

use super::{Timestamp, conversation::Person};

/// Whether a result or an answer was what somebody needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// It was.
    Good,
    /// It was not.
    Bad,
}

impl Opinion {
    /// Its name in the audit log and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// What one person thinks of a task's result or answer now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// Who.
    pub by: Person,
    /// What they think.
    pub opinion: Opinion,
    /// Since when.
    pub at: Timestamp,
}
