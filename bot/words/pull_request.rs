//! The text of a pull request.

use askama::Template;

use super::{
    amounts::{Cut, Room, count, duration, spent},
    result::{mark, outcome_words, verdict_word},
    tame::filters,
};
use crate::domain::{
    message::ResultCard,
    proof::{CheckOutcome, CheckResult, Judged},
    task::Task,
};

/// The longest text of a pull request, in characters. GitHub takes 65,536; the rest is for what people add.
pub const BODY_MAX_CHARS: usize = 60_000;
/// The most commands in the log; the last ones are kept.
const COMMANDS_MAX: usize = 100;

/// One command that the agent ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// As it was run.
    pub command: String,
    /// How it ended, where that is known.
    pub status: Option<i64>,
}

/// A picture that a browser can load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureLink {
    /// What it shows, and when: "Users, after".
    pub title: String,
    /// Where it is.
    pub url: String,
}

/// What a pull request shows beside the result.
#[derive(Debug, Clone, Copy)]
pub struct PullRequestExtra<'a> {
    /// Commands that the agent ran, oldest first.
    pub commands: &'a [CommandLine],
    /// Pictures.
    pub pictures: &'a [PictureLink],
    /// The page of the task.
    pub task_url: &'a str,
}

#[derive(Template)]
#[template(path = "pull_request.md")]
struct PullRequestView<'a> {
    task: &'a Task,
    card: &'a ResultCard,
    extra: &'a PullRequestExtra<'a>,
    room: Room,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl PullRequestView<'_> {
    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn goal(&self) -> &str {
        self.task
            .specification
            .as_ref()
            .map_or("", |specification| specification.goal.as_str())
    }

    fn approver(&self) -> &str {
        self.task
            .approval
            .as_ref()
            .map_or("nobody", |approval| approval.by.name.as_str())
    }

    fn model(&self) -> &str {
        self.task
            .model
            .as_deref()
            .or(self.task.terms.model.as_deref())
            .unwrap_or("its default model")
    }

    fn commands(&self) -> &[CommandLine] {
        let all = self.extra.commands;
        &all[all
            .len()
            .saturating_sub(COMMANDS_MAX.min(self.room.entries * 4))..]
    }

    fn all_checks(&self) -> &[CheckResult] {
        &self.card.checks
    }

    fn passed(&self) -> usize {
        self.card
            .checks
            .iter()
            .filter(|check| check.outcome == CheckOutcome::Passed)
            .count()
    }

    fn mark(&self, one: &Judged) -> &'static str {
        mark(one.verdict)
    }

    fn verdict(&self, one: &Judged) -> &'static str {
        verdict_word(one.verdict)
    }

    fn outcome(&self, check: &CheckResult) -> String {
        outcome_words(&check.outcome)
    }

    fn checks_counted(&self) -> String {
        count(self.card.checks.len(), "check", "checks")
    }

    fn duration(&self) -> String {
        duration(self.card.elapsed_ms)
    }

    fn spent(&self) -> String {
        spent(self.card.usage)
    }
}

/// The text of a pull request: requirements with their evidence first, everything else behind them.
pub fn pull_request_body(
    task: &Task,
    card: &ResultCard,
    extra: &PullRequestExtra<'_>,
) -> Result<String, askama::Error> {
    let mut body = String::new();
    for room in Room::ALL {
        body = super::tidy(
            &PullRequestView {
                task,
                card,
                extra,
                room,
            }
            .render()?,
        );
        if body.chars().count() <= BODY_MAX_CHARS {
            break;
        }
    }
    Ok(call_nobody(&crate::domain::clip(&body, BODY_MAX_CHARS)))
}

/// A forge notifies everybody whose `@name` stands outside of code; names that a model wrote must not.
fn call_nobody(body: &str) -> String {
    let mut in_fence = false;
    let lines = body.lines().map(|line| {
        let toggles = line.starts_with("```");
        in_fence ^= toggles;
        if in_fence || toggles {
            line.to_owned()
        } else {
            call_nobody_in(line)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn call_nobody_in(line: &str) -> String {
    let mut quiet = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    let (mut before, mut in_code) = (' ', false);
    while let Some(character) = characters.next() {
        in_code ^= character == '`';
        quiet.push(character);
        let names_somebody = character == '@'
            && !before.is_alphanumeric()
            && characters.peek().is_some_and(|next| next.is_alphanumeric());
        if names_somebody && !in_code {
            quiet.push('\u{200b}');
        }
        before = character;
    }
    quiet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_notifies_nobody_at_the_forge() {
        assert_eq!(
            call_nobody("ask @ana, see `@types/node` and a@b.c"),
            "ask @\u{200b}ana, see `@types/node` and a@b.c"
        );
        assert_eq!(
            call_nobody("```\nnpm i @types/node\n```\n@ben"),
            "```\nnpm i @types/node\n```\n@\u{200b}ben"
        );
    }
}
