//! What people and agents read, word for word.
#![expect(
    clippy::unwrap_used,
    reason = "words that cannot be made are a failed test"
)]

mod everything;
mod failures;
mod messages;
mod nasty;
mod nasty_notes;
mod network;
mod prompts;
mod published;
pub(crate) mod samples;
mod waiting;

use super::{Issues, Links, Reactions, label, render};
use crate::{domain::message::Message, surface::Words};

pub(crate) const TASK_URL: &str = "https://d.example/t/k7f3";

fn words(message: &Message) -> Words {
    words_where(Reactions::Heard, message)
}

fn words_where(reactions: Reactions, message: &Message) -> Words {
    let links = Links {
        task_url: TASK_URL.to_owned(),
        card_url: None,
        reactions,
        issues: Issues::Made,
    };
    render(message, &links).unwrap()
}

/// What stands on the buttons of a message.
fn labels(message: &Message) -> Vec<String> {
    let words = words(message);
    words
        .controls
        .iter()
        .map(|control| label(control, &words.kind))
        .collect()
}
