//! What people are told where time runs out or somebody is waited for, as data.

use serde::{Deserialize, Serialize};

use super::{
    RunNumber, Timestamp, conversation::Person, effect::Slot, inquiry::Purpose,
    message::QuestionCard,
};

/// What there is of a work that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Made {
    /// It was still being planned.
    Plan,
    /// The answer was still being looked for.
    Answer,
    /// Nothing was changed, or it could not be looked at.
    Nothing,
    /// A change that can be checked and published.
    Change {
        /// How many files it touches.
        files: usize,
    },
    /// A change that people have to decide about before it leaves.
    Held {
        /// How many of its files.
        files: usize,
    },
    /// A change that may not leave its sandbox.
    Refused {
        /// Why.
        reason: String,
    },
}

/// How much time a task has left to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeNote {
    /// What is left, in milliseconds.
    pub left_ms: i64,
    /// The ceiling, in milliseconds.
    pub ceiling_ms: i64,
    /// Whether it still plans.
    pub plans: bool,
    /// What it is for.
    #[serde(default)]
    pub purpose: Purpose,
}

/// Work that waits because a platform has asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutOff {
    /// The run that it belongs to; none while conversation and repository are read.
    pub run: Option<RunNumber>,
    /// When it is tried again.
    pub until: Timestamp,
    /// Which platform asked, by the name that people know it by; none where that is not known.
    pub asked_by: Option<String>,
}

/// What a person is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Asked {
    /// A decision on a plan.
    Plan {
        /// Its revision.
        revision: u32,
        /// The title of what it is for.
        title: String,
    },
    /// An answer.
    Question(Box<QuestionCard>),
}

impl Asked {
    /// Where the card stands that asks for it.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        match self {
            Self::Plan { revision, .. } => Slot::Plan(*revision),
            Self::Question(card) => Slot::Question(card.number),
        }
    }
}

/// What a person is reminded of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// What is waited for.
    pub asked: Asked,
    /// How long it will go on waiting, in milliseconds.
    pub left_ms: i64,
    /// Who is asked; mentioned once.
    pub asks: Person,
}
