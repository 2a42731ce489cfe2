//! What holds for each kind of effect: how often it is tried, and how it is called where people are told of it.

use std::time::Duration;

use crate::domain::effect::{Effect, Slot};

/// How often a message is tried: with its pauses over about three days, so that a result outlives a long outage of its
/// surface. A surface that refuses for good ends it at once.
const TALK_ATTEMPTS_MAX: i64 = 450;
/// How often work is tried: over about a minute, so that a few bad answers in a row, or a restart in the middle of them, cost
/// no task.
const WORK_ATTEMPTS_MAX: i64 = 8;
/// How often what a task left is cleaned up: over about an hour, so that it outlives an outage of the engine.
const RELEASE_ATTEMPTS_MAX: i64 = 360;
/// The longest pause between two tries of a message.
const TALK_PAUSE_MAX: Duration = Duration::from_mins(10);
/// The longest pause between two tries of what somebody waits for.
const WAITED_FOR_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest pause between two tries of anything else.
const PAUSE_MAX: Duration = Duration::from_mins(2);
/// The longest pause between two tries to clean up: what is left is to go soon after the engine is back.
const RELEASE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often an emoji or another decoration is tried.
const DECORATION_ATTEMPTS_MAX: i64 = 4;
/// What has to be done whatever happens, such as a cancel: as often as it takes.
const ALWAYS: i64 = i64::MAX;

/// How often anything is tried where the other side says when to come again: it has not failed, it is busy.
const LIMITED_ATTEMPTS_MAX: i64 = 60;
/// How long work may be put off in all: whoever waits for it longer than a day is better told why, and tries again. In
/// milliseconds.
const PUT_OFF_MAX_MS: i64 = 24 * 60 * 60 * 1_000;
/// How often work is tried at least before that ends it, though the bot itself may have been away for most of the day: no pause
/// is much longer than an hour.
const PUT_OFF_ATTEMPTS_MIN: i64 = 24;

/// Whether an effect may wait once more where the other side says when to come again: it was tried so often, and was asked for
/// so long ago, in milliseconds.
pub(super) fn may_wait(effect: &Effect, attempts: i64, waited_ms: i64) -> bool {
    let is_put_off_too_long = when_missed(effect) == Missed::TaskHears
        && attempts >= PUT_OFF_ATTEMPTS_MIN
        && waited_ms > PUT_OFF_MAX_MS;
    attempts < LIMITED_ATTEMPTS_MAX && !is_put_off_too_long
}

/// How often an effect is tried before it is given up.
pub(super) const fn attempts_max(effect: &Effect) -> i64 {
    match effect {
        Effect::Mark { .. }
        | Effect::Hear { .. }
        | Effect::OpenForm { .. }
        | Effect::OpenRequestForm { .. }
        | Effect::OpenSettingsForm { .. }
        | Effect::ShowHome { .. }
        | Effect::ShowPictures { .. } => DECORATION_ATTEMPTS_MAX,
        Effect::Say { .. }
        | Effect::Introduce
        | Effect::Redraw
        | Effect::Whisper { .. }
        | Effect::PostRequest { .. } => TALK_ATTEMPTS_MAX,
        Effect::FileIssue { .. }
        | Effect::Gather
        | Effect::StartRun { .. }
        | Effect::Prove { .. }
        | Effect::Publish { .. } => WORK_ATTEMPTS_MAX,
        Effect::Release => RELEASE_ATTEMPTS_MAX,
        Effect::Steer { .. } | Effect::Widen { .. } | Effect::StopAll => ALWAYS,
    }
}

/// The longest pause between two tries, where the other side does not ask for a longer one.
pub(super) const fn pause_max(effect: &Effect) -> Duration {
    match effect {
        Effect::Say { .. }
        | Effect::Introduce
        | Effect::Redraw
        | Effect::Whisper { .. }
        | Effect::PostRequest { .. } => TALK_PAUSE_MAX,
        // Somebody waits for it.
        Effect::Steer { .. } | Effect::Widen { .. } | Effect::StopAll => WAITED_FOR_PAUSE_MAX,
        Effect::Mark { .. }
        | Effect::Hear { .. }
        | Effect::OpenForm { .. }
        | Effect::OpenRequestForm { .. }
        | Effect::OpenSettingsForm { .. }
        | Effect::ShowHome { .. }
        | Effect::ShowPictures { .. }
        | Effect::FileIssue { .. }
        | Effect::Gather
        | Effect::StartRun { .. }
        | Effect::Prove { .. }
        | Effect::Publish { .. } => PAUSE_MAX,
        Effect::Release => RELEASE_PAUSE_MAX,
    }
}

/// Who hears of an effect that is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// The task, which waits for it, and so the person.
    TaskHears,
    /// Whoever asked for the task, in private: their surface refuses it where they wait for it.
    RequesterHears,
    /// The operator, in the list of what was given up: what cannot be said cannot be said about either, a decoration is
    /// no loss, and the reaper clears up what a release missed.
    OperatorSees,
}

/// Who hears of it when this effect is given up.
pub(super) const fn when_missed(effect: &Effect) -> Missed {
    match effect {
        Effect::Gather
        | Effect::StartRun { .. }
        | Effect::Prove { .. }
        | Effect::Publish { .. }
        // Given up where it has no task at all, which then hears nothing either.
        | Effect::Steer { .. }
        | Effect::Widen { .. }
        | Effect::StopAll => Missed::TaskHears,
        Effect::FileIssue { .. }
        | Effect::Say {
            slot: Slot::Plan(_) | Slot::Question(_) | Slot::Result(_) | Slot::Answer(_),
            ..
        } => Missed::RequesterHears,
        Effect::Say { .. }
        | Effect::Introduce
        | Effect::Redraw
        | Effect::Whisper { .. }
        | Effect::PostRequest { .. }
        | Effect::Mark { .. }
        | Effect::Hear { .. }
        | Effect::OpenForm { .. }
        | Effect::OpenRequestForm { .. }
        | Effect::OpenSettingsForm { .. }
        | Effect::ShowHome { .. }
        | Effect::ShowPictures { .. }
        | Effect::Release => Missed::OperatorSees,
    }
}

/// An effect as people call it.
pub(super) fn in_words(effect: &Effect) -> &'static str {
    match effect {
        Effect::FileIssue { .. } => "The news of an issue in Linear",
        Effect::Gather => "reading the conversation and the repository",
        Effect::StartRun { .. } => "starting the agent",
        Effect::Prove { .. } => "checking the result",
        Effect::Publish { .. } => "publishing the result",
        Effect::Say {
            slot: Slot::Plan(_),
            ..
        } => "The plan",
        Effect::Say {
            slot: Slot::Question(_),
            ..
        } => "A question",
        Effect::Say {
            slot: Slot::Result(_),
            ..
        } => "The result",
        Effect::Say {
            slot: Slot::Answer(_),
            ..
        } => "The answer",
        Effect::Say { .. } | Effect::Introduce | Effect::Redraw | Effect::Whisper { .. } => {
            "saying something"
        }
        Effect::Mark { .. } | Effect::Hear { .. } => "adding an emoji",
        Effect::OpenForm { .. }
        | Effect::OpenRequestForm { .. }
        | Effect::OpenSettingsForm { .. } => "opening a form",
        Effect::PostRequest { .. } => "posting a request",
        Effect::ShowHome { .. } => "showing the App Home",
        Effect::Steer { .. } => "steering the agent",
        Effect::Widen { .. } => "changing what the sandbox may reach",
        Effect::ShowPictures { .. } => "posting pictures",
        Effect::StopAll => "stopping",
        Effect::Release => "cleaning up",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CommitId, RunNumber, message::Message};

    /// An hour, in milliseconds.
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn work_waits_for_a_platform_for_about_a_day_and_a_message_as_long_as_it_is_tried() {
        let publish = Effect::Publish {
            run: RunNumber(1),
            commit: CommitId("c1".into()),
        };
        assert!(may_wait(&publish, 23, 25 * HOUR_MS));
        assert!(may_wait(&publish, 59, HOUR_MS), "short pauses are no day");
        assert!(!may_wait(&publish, 24, 25 * HOUR_MS));
        // The bot may have been away before the first try.
        assert!(may_wait(&publish, 1, 100 * HOUR_MS));
        assert!(!may_wait(&publish, 60, HOUR_MS));
        let say = Effect::Say {
            slot: Slot::Progress(RunNumber(1)),
            message: Box::new(Message::Help),
        };
        assert!(may_wait(&say, 59, 100 * HOUR_MS));
    }
}
