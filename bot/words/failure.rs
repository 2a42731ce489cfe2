//! Failures: in which part, what happened, the last lines, and what to do.

use askama::Template;

use super::{
    Links, Reactions,
    amounts::{Cut, Room, grouped, spent},
    tame::filters,
};
use crate::{
    domain::{
        event::{DiskWall, PublishProblem, RunFailure},
        message::{FailureCard, FailureText, Phase},
    },
    surface::Control,
};

/// Everything that `failed.md` shows.
#[derive(Template)]
#[template(path = "messages/failed.md")]
pub(super) struct FailureView<'a> {
    card: &'a FailureCard,
    reactions: Reactions,
    room: Room,
}

#[expect(clippy::unused_self, reason = "a template calls methods of its view")]
impl<'a> FailureView<'a> {
    pub(super) const fn new(card: &'a FailureCard, links: &Links, room: Room) -> Self {
        Self {
            card,
            reactions: links.reactions,
            room,
        }
    }

    /// Whether Retry and Give up stand below it. A surface without reactions is a session, where an error has no choices.
    fn has_buttons(&self) -> bool {
        self.reactions == Reactions::Heard
    }

    fn cut<'b, T>(&self, list: &'b [T]) -> Cut<'b, T> {
        self.room.cut(list)
    }

    fn phase_words(&self, phase: &Phase) -> &'static str {
        phase_words(phase)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn gigabytes(&self, bytes: &u64) -> String {
        super::amounts::gigabytes(*bytes)
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "a template passes references"
    )]
    fn grouped(&self, number: &u64) -> String {
        grouped(*number)
    }

    fn spent(&self) -> String {
        spent(self.card.spent)
    }

    /// The last lines of what broke, and the last words of the agent; whichever there is.
    fn last_lines(&self) -> &str {
        let FailureText::Run { failure, .. } = &self.card.text else {
            return "";
        };
        match failure {
            RunFailure::DidNotStart { detail }
            | RunFailure::Nonsense { detail }
            | RunFailure::Died { detail, .. }
            | RunFailure::Other { detail } => detail,
            RunFailure::KeyRefused
            | RunFailure::OutOfCredit
            | RunFailure::RateLimited
            | RunFailure::Overloaded
            | RunFailure::TooMuchOutput
            | RunFailure::OutOfDisk { .. }
            | RunFailure::OutOfTime
            | RunFailure::OutOfWorkTime
            | RunFailure::Silent
            | RunFailure::OutOfBudget
            | RunFailure::NothingHandedOver
            | RunFailure::SandboxLost
            | RunFailure::EngineLost => "",
        }
    }

    fn closing_words(&self) -> &str {
        match &self.card.text {
            FailureText::Run { closing_words, .. }
            | FailureText::NothingChanged { closing_words } => closing_words,
            FailureText::ChangeRefused { .. }
            | FailureText::Proof { .. }
            | FailureText::Publish { .. }
            | FailureText::GivenUp { .. } => "",
        }
    }
}

/// The part of the work, as the end of a sentence.
const fn phase_words(phase: &Phase) -> &'static str {
    match phase {
        Phase::Queued { .. } | Phase::Reading => "while reading",
        Phase::Planning | Phase::Planned => "while planning",
        Phase::Answering => "while looking for the answer",
        Phase::Preparing => "while starting",
        Phase::Working => "while working",
        Phase::Reworking { .. } => "while closing gaps",
        Phase::Verifying => "while checking the result",
        Phase::Publishing => "while publishing",
        Phase::Waiting => "while waiting for an answer",
        Phase::Over { .. } => "at the end",
    }
}

/// What can be done about a failure. Cancel reads "Give up" here.
pub(super) fn controls(card: &FailureCard, open_task: Control) -> Vec<Control> {
    if card.can_retry {
        vec![Control::Retry, Control::Cancel, open_task]
    } else {
        vec![open_task]
    }
}
