//! Time that runs out, and people who are waited for.

use askama::Template;

use super::{
    Links,
    amounts::{duration, long_duration},
    notes::KeptView,
    tame::filters,
};
use crate::{
    domain::{
        kept::Kept,
        message::Message,
        waiting::{Asked, Reminder, TimeNote},
    },
    surface::Control,
};

/// `time_low.md`.
#[derive(Template)]
#[template(path = "messages/time_low.md")]
pub(super) struct TimeLowView<'a> {
    pub(super) note: &'a TimeNote,
}

impl TimeLowView<'_> {
    fn left(&self) -> String {
        duration(whole_minutes(self.note.left_ms))
    }

    fn ceiling(&self) -> String {
        duration(self.note.ceiling_ms)
    }
}

/// A time that people plan with; seconds would only look exact.
const fn whole_minutes(milliseconds: i64) -> i64 {
    const MINUTE_MS: i64 = 60_000;
    if milliseconds < 2 * MINUTE_MS {
        return milliseconds;
    }
    (milliseconds + MINUTE_MS / 2) / MINUTE_MS * MINUTE_MS
}

/// `reminder.md`.
#[derive(Template)]
#[template(path = "messages/reminder.md")]
pub(super) struct ReminderView<'a> {
    reminder: &'a Reminder,
    asked: String,
    card_url: Option<&'a str>,
}

impl<'a> ReminderView<'a> {
    pub(super) fn new(reminder: &'a Reminder, links: &'a Links) -> Result<Self, askama::Error> {
        Ok(Self {
            reminder,
            asked: question_words(Some(&reminder.asked), links)?,
            card_url: links.card_url.as_deref(),
        })
    }

    const fn is_plan(&self) -> bool {
        matches!(self.reminder.asked, Asked::Plan { .. })
    }

    fn left(&self) -> String {
        long_duration(self.reminder.left_ms)
    }
}

/// What can be pressed below a reminder whose card is not linked.
pub(super) fn controls(reminder: &Reminder) -> Vec<Control> {
    match &reminder.asked {
        Asked::Plan { revision, .. } => vec![
            Control::Approve {
                revision: *revision,
            },
            Control::Cancel,
        ],
        Asked::Question(card) => super::question::controls(card),
    }
}

/// `still_asked.md`.
#[derive(Template)]
#[template(path = "messages/parts/still_asked.md")]
struct StillAskedView<'a> {
    asked: Option<&'a Asked>,
    question: String,
}

/// Says below other words what is still waited for; none where it is a decision of another kind than a plan's.
pub fn still_asked(asked: Option<&Asked>, links: &Links) -> Result<String, askama::Error> {
    let question = question_words(asked, links)?;
    let view = StillAskedView { asked, question };
    Ok(super::tidy(&view.render()?))
}

/// `expired.md`.
#[derive(Template)]
#[template(path = "messages/expired.md")]
pub(super) struct ExpiredView<'a> {
    asked: Option<&'a Asked>,
    question: String,
    pushed_branch: Option<&'a str>,
    kept: KeptView<'a>,
}

impl<'a> ExpiredView<'a> {
    pub(super) fn new(
        asked: Option<&'a Asked>,
        pushed_branch: Option<&'a str>,
        kept: &'a Kept,
        links: &Links,
    ) -> Result<Self, askama::Error> {
        Ok(Self {
            asked,
            question: question_words(asked, links)?,
            pushed_branch,
            kept: KeptView { kept },
        })
    }

    const fn is_plan(&self) -> bool {
        matches!(self.asked, Some(Asked::Plan { .. }))
    }

    const fn is_question(&self) -> bool {
        matches!(self.asked, Some(Asked::Question(_)))
    }
}

/// A question in one sentence, as its notification has it; nothing where something else is asked.
fn question_words(asked: Option<&Asked>, links: &Links) -> Result<String, askama::Error> {
    match asked {
        Some(Asked::Question(card)) => {
            let words = super::render(&Message::Question((**card).clone()), links)?;
            Ok(words.fallback)
        }
        Some(Asked::Plan { .. }) | None => Ok(String::new()),
    }
}
