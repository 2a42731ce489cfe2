//! The answer to a question: what the agent found out, and where it was read.

use std::fmt::Write as _;

use askama::Template;

use super::{
    amounts::{Cut, Room, duration, spent},
    passage::{Passage, passage},
    tame::{code, filters, plain_to},
};
use crate::{
    domain::inquiry::{AnswerCard, Source},
    surface::{Control, WordsKind},
};

/// Everything that `answer.md` shows.
#[derive(Template)]
#[template(path = "messages/answer.md")]
pub(super) struct AnswerView<'a> {
    card: &'a AnswerCard,
    task_url: &'a str,
    words: Passage,
    room: Room,
}

impl<'a> AnswerView<'a> {
    pub(super) fn new(card: &'a AnswerCard, task_url: &'a str, room: Room) -> Self {
        Self {
            card,
            task_url,
            words: passage(&card.answer.text, words_max(room)),
            room,
        }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    /// The first line of words, for notifications.
    fn first_words(&self) -> String {
        let lines = self.card.answer.text.lines();
        let mut words = lines.map(|line| plain_to(line, 220));
        let is_said = |line: &String| line.chars().any(char::is_alphanumeric);
        words.find(is_said).unwrap_or_default()
    }

    /// A place that was read, with its page where it has one.
    fn place(&self, source: &Source) -> String {
        let words = code(&source.in_words());
        match &self.card.answer.pages {
            Some(pages) => format!("[{words}]({pages}{})", page_of(source)),
            None => words,
        }
    }

    fn duration(&self) -> String {
        duration(self.card.elapsed_ms)
    }

    fn spent(&self) -> String {
        spent(self.card.usage)
    }
}

/// How much of the agent's words a message has room for, in characters.
const fn words_max(room: Room) -> usize {
    match room.chars {
        600.. => 9_000,
        300.. => 7_000,
        200.. => 5_000,
        160.. => 3_500,
        120.. => 2_000,
        _ => 1_000,
    }
}

/// The rest of the address of a file's page, with its lines.
fn page_of(source: &Source) -> String {
    let mut page = String::new();
    for byte in source.path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/') {
            page.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(page, "%{byte:02X}");
        }
    }
    if let Some(first) = source.first_line {
        let _ = write!(page, "#L{first}");
    }
    if let Some(last) = source
        .last_line
        .filter(|last| Some(*last) > source.first_line)
    {
        let _ = write!(page, "-L{last}");
    }
    page
}

/// Where a task is talked about in the same conversation, the answer is said by the way, and the task goes on.
pub(super) const fn kind(card: &AnswerCard) -> WordsKind {
    if card.beside {
        WordsKind::Note
    } else {
        WordsKind::Ending { well: true }
    }
}

/// Where to look, and what people think of it.
pub(super) fn controls(card: &AnswerCard, open: Control) -> Vec<Control> {
    // What a surface shows of the conversation leads to its task.
    let open = (!card.beside).then_some(open);
    open.into_iter().chain([Control::Rate]).collect()
}
