//! Questions: each says what is wrong or missing, and how to answer.

use askama::Template;

use super::{
    amounts::{Cut, Room, spent},
    tame::filters,
};
use crate::{
    domain::{
        budget::Usage,
        event::WorkplaceProblem,
        message::{QuestionCard, QuestionText},
    },
    surface::Control,
};

/// Everything that `question.md` shows.
#[derive(Template)]
#[template(path = "messages/question.md")]
pub(super) struct QuestionView<'a> {
    card: &'a QuestionCard,
    task_url: &'a str,
    room: Room,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl<'a> QuestionView<'a> {
    pub(super) const fn new(card: &'a QuestionCard, task_url: &'a str, room: Room) -> Self {
        Self {
            card,
            task_url,
            room,
        }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn spent_words(&self, usage: &Usage) -> String {
        let words = spent(*usage);
        if usage.cost.is_some() {
            format!("{words} spent so far")
        } else {
            words
        }
    }

    /// The longest quoted question, in characters; wider than one list entry, because it is the whole matter.
    const fn passage_chars(&self) -> usize {
        self.room.chars * 5
    }
}

/// The offered answers, until one was given.
pub(super) fn controls(card: &QuestionCard) -> Vec<Control> {
    if card.answered.is_some() {
        return Vec::new();
    }
    card.choices
        .iter()
        .map(|choice| Control::Answer {
            question: card.number,
            choice: choice.clone(),
        })
        .collect()
}
