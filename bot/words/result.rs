//! The result: what the host saw to be true, and what it did not.

use askama::Template;

use super::{
    amounts::{Cut, Room, count, duration, grouped, spent},
    tame::filters,
};
use crate::{
    domain::{
        event::BaseStanding,
        message::ResultCard,
        proof::{CheckOutcome, CheckResult, Judged, Picture, Verdict},
    },
    surface::Control,
};

/// The most failed commands whose last lines are shown; all of them are on the task page.
const TAILS_MAX: usize = 2;

/// Everything that `result.md` shows.
#[derive(Template)]
#[template(path = "messages/result.md")]
pub(super) struct ResultView<'a> {
    card: &'a ResultCard,
    task_url: &'a str,
    room: Room,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl<'a> ResultView<'a> {
    pub(super) const fn new(card: &'a ResultCard, task_url: &'a str, room: Room) -> Self {
        Self {
            card,
            task_url,
            room,
        }
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn met(&self) -> usize {
        self.card
            .requirements
            .iter()
            .filter(|one| one.verdict == Verdict::Met)
            .count()
    }

    fn all_met(&self) -> bool {
        self.met() == self.card.requirements.len()
    }

    fn passed(&self) -> usize {
        self.card
            .checks
            .iter()
            .filter(|check| check.outcome == CheckOutcome::Passed)
            .count()
    }

    /// Commands that did not pass.
    fn failed_checks(&self) -> Vec<&CheckResult> {
        self.card
            .checks
            .iter()
            .filter(|check| check.outcome != CheckOutcome::Passed)
            .collect()
    }

    /// The last lines of the first failed commands; the narrowest cuts leave them to the task page.
    fn tails(&self) -> Vec<&str> {
        let most = if self.room.entries > 3 { TAILS_MAX } else { 0 };
        self.failed_checks()
            .into_iter()
            .map(|check| check.tail.as_str())
            .filter(|tail| !tail.trim().is_empty())
            .take(most)
            .collect()
    }

    fn mark(&self, one: &Judged) -> &'static str {
        mark(one.verdict)
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

    fn missing_pictures(&self) -> Vec<&Picture> {
        self.card
            .pictures
            .iter()
            .filter(|picture| picture.artifact.is_none())
            .collect()
    }

    fn size(&self) -> String {
        let (added, removed) =
            self.card
                .files
                .iter()
                .fold((0_u32, 0_u32), |(added, removed), file| {
                    (
                        added.saturating_add(file.added),
                        removed.saturating_add(file.removed),
                    )
                });
        let files = count(self.card.files.len(), "file", "files");
        format!(
            "{files} changed, {} added, {} removed",
            count(added as usize, "line", "lines"),
            grouped(removed.into())
        )
    }

    fn rounds(&self) -> String {
        match self.card.rework_rounds {
            0 => String::new(),
            1 => " · sent back to the agent once".to_owned(),
            2 => " · sent back to the agent twice".to_owned(),
            rounds => format!(" · sent back to the agent {rounds} times"),
        }
    }
}

/// The mark of a verdict. A cross is never used: people cancel with it.
pub(super) const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "✅",
        Verdict::NotMet => "⚠️",
        Verdict::NotChecked => "◻️",
    }
}

/// A verdict in words, for readers who do not see the mark.
pub(super) const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::NotMet => "not met",
        Verdict::NotChecked => "not checked",
    }
}

/// How a command ended, in words.
pub(super) fn outcome_words(outcome: &CheckOutcome) -> String {
    match outcome {
        CheckOutcome::Passed => "passed".to_owned(),
        CheckOutcome::Failed { status } => format!("failed with status {status}"),
        CheckOutcome::TimedOut => "did not end in time".to_owned(),
        CheckOutcome::CouldNotRun { reason } => {
            format!("could not be run: {}", super::tame::tame_to(reason, 200))
        }
    }
}

/// Where to look: the pull request, and the task page; and what people think of it.
pub(super) fn controls(card: &ResultCard, open_task: Control) -> Vec<Control> {
    let pull_request = card.publication.pull_request.as_ref();
    pull_request
        .map(|request| Control::Open {
            label: super::labels::OPEN_PULL_REQUEST.to_owned(),
            url: request.url.clone(),
        })
        .into_iter()
        .chain([open_task, Control::Rate])
        .collect()
}
