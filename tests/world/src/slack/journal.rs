//! What happened at the wire: calls of the bot, deliveries to it, and everything it did that Slack forbids.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::delivery::{Delivery, Parcel};
use super::limits::KEPT_RECORDS;

/// One call of the Web API.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The arguments, without the token.
    pub arguments: Value,
    /// When it arrived.
    pub at: Instant,
    /// How it ended.
    pub ending: CallEnding,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnding {
    /// It was done.
    Done,
    /// It was refused with this error code.
    Refused(String),
    /// A fault that a scenario ordered met it.
    Faulted,
}

/// The rows of what happened, each bounded.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) calls: VecDeque<Call>,
    pub(crate) deliveries: VecDeque<Delivery>,
    pub(crate) events: VecDeque<Parcel>,
    pub(crate) violations: VecDeque<String>,
}

/// How long a thing took, from a person's message.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// Until the bot's first reaction on the message.
    pub first_reaction: Option<Duration>,
    /// Until the bot's first words in the thread.
    pub first_words: Option<Duration>,
}

pub(crate) fn keep<T>(rows: &mut VecDeque<T>, row: T) {
    if rows.len() >= KEPT_RECORDS {
        rows.pop_front();
    }
    rows.push_back(row);
}
