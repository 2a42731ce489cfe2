//! What holds for each kind of effect: how often it is tried, and how it is called where people are told of it.

use std::time::Duration;

use crate::domain::effect::Effect;

/// How often a message is tried: over about an hour, so that a result outlives an outage of its surface.
const TALK_ATTEMPTS_MAX: i64 = 40;
/// How often work is tried.
const WORK_ATTEMPTS_MAX: i64 = 5;
/// How often what a task left is cleaned up: over about an hour, so that it outlives an outage of the engine.
const RELEASE_ATTEMPTS_MAX: i64 = 360;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_mins(2);
/// The longest pause between two tries to clean up: what is left is to go soon after the engine is back.
const RELEASE_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often an emoji or another decoration is tried.
const DECORATION_ATTEMPTS_MAX: i64 = 4;

/// How often an effect is tried before it is given up.
pub(super) fn attempts_max(effect: &Effect) -> i64 {
    match effect {
        Effect::Mark { .. }
        | Effect::Hear { .. }
        | Effect::OpenForm { .. }
        | Effect::ShowPictures { .. } => DECORATION_ATTEMPTS_MAX,
        Effect::Say { .. } | Effect::Whisper { .. } => TALK_ATTEMPTS_MAX,
        Effect::Gather
        | Effect::StartRun { .. }
        | Effect::Prove { .. }
        | Effect::Publish { .. }
        | Effect::Steer { .. }
        | Effect::Widen { .. }
        | Effect::StopAll => WORK_ATTEMPTS_MAX,
        Effect::Release => RELEASE_ATTEMPTS_MAX,
    }
}

/// The longest pause between two tries of an effect.
pub(super) const fn pause_max(effect: &Effect) -> Duration {
    if matches!(effect, Effect::Release) {
        RELEASE_PAUSE_MAX
    } else {
        PAUSE_MAX
    }
}

/// An effect as people call it.
pub(super) fn in_words(effect: &Effect) -> &'static str {
    match effect {
        Effect::Gather => "reading the conversation and the repository",
        Effect::StartRun { .. } => "starting the agent",
        Effect::Prove { .. } => "checking the result",
        Effect::Publish { .. } => "publishing the result",
        Effect::Say { .. } | Effect::Whisper { .. } => "saying something",
        Effect::Mark { .. } | Effect::Hear { .. } => "adding an emoji",
        Effect::OpenForm { .. } => "opening a form",
        Effect::Steer { .. } => "steering the agent",
        Effect::Widen { .. } => "changing what the sandbox may reach",
        Effect::ShowPictures { .. } => "posting pictures",
        Effect::StopAll => "stopping",
        Effect::Release => "cleaning up",
    }
}
