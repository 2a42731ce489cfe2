//! What people and agents read, word for word.
#![expect(
    clippy::unwrap_used,
    reason = "words that cannot be made are a failed test"
)]

mod everything;
mod messages;
mod network;
mod prompts;
mod published;
pub(crate) mod samples;
mod waiting;

use super::{Links, render};
use crate::{domain::message::Message, surface::Words};

pub(crate) const TASK_URL: &str = "https://d.example/t/k7f3";

fn words(message: &Message) -> Words {
    render(
        message,
        &Links {
            task_url: TASK_URL.to_owned(),
            card_url: None,
        },
    )
    .unwrap()
}
