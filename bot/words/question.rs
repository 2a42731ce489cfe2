//! Questions: each says what is wrong or missing, and how to answer.

use askama::Template;

use super::{
    amounts::{Cut, Room, count, duration, spent},
    tame::filters,
};
use crate::{
    domain::{
        budget::Usage,
        event::WorkplaceProblem,
        held::{Hold, HoldReason},
        inquiry::Purpose,
        message::{QuestionCard, QuestionText},
        waiting::Made,
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

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn time_words(&self, milliseconds: &i64) -> String {
        duration(*milliseconds)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn changed_words(&self, files: &usize) -> String {
        count(*files, "changed file", "changed files")
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn held_words(&self, files: &usize) -> String {
        let verb = if *files == 1 { "has" } else { "have" };
        format!("{} {verb}", count(*files, "changed file", "changed files"))
    }

    /// How many files, as the subject of a sentence with its verb.
    fn files_words(&self, holds: &[Hold]) -> String {
        match holds.len() {
            1 => "one of its files has".to_owned(),
            count => format!("{count} of its files have"),
        }
    }

    const fn them(&self, holds: &[Hold]) -> &'static str {
        if holds.len() == 1 { "it" } else { "them" }
    }

    const fn they(&self, holds: &[Hold]) -> &'static str {
        if holds.len() == 1 { "It" } else { "They" }
    }

    fn path_words(&self, path: &str) -> String {
        super::tame::escaped(path)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn line_words(&self, line: &u32) -> String {
        match line {
            0 => "something in it".to_owned(),
            line => format!("line {line}"),
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    const fn megabytes(&self, bytes: &u64) -> u64 {
        bytes.div_ceil(1_000_000)
    }

    /// The files whose difference is shown.
    fn differing<'b>(&self, holds: &'b [Hold]) -> Vec<&'b Hold> {
        let differing = holds.iter().filter(|hold| !hold.diff.trim().is_empty());
        differing.take(self.room.entries.div_ceil(3)).collect()
    }

    /// Lines of one file's difference.
    const fn diff_lines(&self) -> usize {
        self.room.entries + 2
    }

    /// The longest quoted question, in characters; wider than one list entry, because it is the whole matter.
    const fn passage_chars(&self) -> usize {
        self.room.chars * 5
    }
}

/// The offered answers, until one was given.
pub(super) fn controls(card: &QuestionCard) -> Vec<Control> {
    if !card.is_open() {
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
