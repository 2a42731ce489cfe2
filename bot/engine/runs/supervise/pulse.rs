//! The heartbeat of a run: when it was heard last, what the engine says of its sandbox, and what follows from both.
//!
//! An agent that thinks long says nothing and lives, so silence alone ends nothing early. Where a run is silent for some
//! seconds the engine is asked about its sandbox, whose main process the agent is: that answer is the heartbeat. A sandbox
//! that ended is attached again, so that its last words are heard. One that lives and stays silent is attached again too,
//! once, because the connection may be dead without anybody having said so; after that it has stalled, people are told, and
//! at the end of their patience the run is over.

use std::time::Duration;

use deckhand_executors::{SandboxName, sandbox::Condition};

use crate::{
    config::Limits,
    domain::{Timestamp, event::RunFailure, message::Trouble},
    engine::Context,
};

/// How long the engine may take to say how a sandbox is doing.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often the output is attached again without a word of the agent in between; then its run is given up.
const ATTACHED_MAX: u32 = 8;

/// Asks the engine how a sandbox is doing. None where it does not say so in time.
pub(super) async fn ask(context: &Context, name: &SandboxName) -> Option<Condition> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, context.executor.condition(name)).await;
    answer.ok()?.ok()
}

/// What follows for the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// It goes on.
    Going,
    /// Its output has to be attached again.
    AttachAgain,
    /// It is over.
    Over(RunFailure),
}

/// What is known of a run's heartbeat.
#[derive(Debug)]
pub(super) struct Pulse {
    every_ms: i64,
    silence_ms: i64,
    heard: Timestamp,
    asked: Timestamp,
    /// Since when the engine does not answer.
    unanswered: Option<Timestamp>,
    /// How often the output was attached again since the agent was last heard.
    attached: u32,
}

impl Pulse {
    /// That of a run that is heard now.
    pub(super) fn new(limits: &Limits, now: Timestamp) -> Self {
        let milliseconds =
            |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self {
            every_ms: milliseconds(limits.heartbeat),
            silence_ms: milliseconds(limits.silence),
            heard: now,
            asked: now,
            unanswered: None,
            attached: 0,
        }
    }

    /// The agent said something.
    pub(super) const fn heard(&mut self, now: Timestamp) {
        self.heard = now;
        self.asked = now;
        self.unanswered = None;
        self.attached = 0;
    }

    /// Whether the engine should be asked now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.milliseconds_since(self.asked) >= self.every_ms
    }

    /// The engine is asked now.
    pub(super) const fn ask(&mut self, now: Timestamp) {
        self.asked = now;
    }

    /// What the engine said; none where it did not answer.
    pub(super) fn answered(&mut self, condition: Option<&Condition>, now: Timestamp) -> Beat {
        match condition {
            Some(Condition::Running) => {
                self.unanswered = None;
                Beat::Going
            }
            Some(Condition::Ended { .. }) => {
                self.unanswered = None;
                self.cut_off()
            }
            Some(Condition::Absent) => Beat::Over(RunFailure::SandboxLost),
            None => {
                let since = *self.unanswered.get_or_insert(now);
                if now.milliseconds_since(since) > self.silence_ms {
                    return Beat::Over(RunFailure::EngineLost);
                }
                Beat::Going
            }
        }
    }

    /// The connection to the agent is gone while nothing is known of an end.
    pub(super) fn cut_off(&mut self) -> Beat {
        self.attached += 1;
        if self.attached > ATTACHED_MAX {
            return Beat::Over(RunFailure::Other {
                detail: "The connection to its sandbox broke off again and again.".to_owned(),
            });
        }
        Beat::AttachAgain
    }

    /// What the time alone says.
    pub(super) fn at(&mut self, now: Timestamp) -> Beat {
        // Of a sandbox that nobody can see, it is not known that it is silent.
        if self.unanswered.is_some() {
            return Beat::Going;
        }
        let silent = now.milliseconds_since(self.heard);
        if silent > self.silence_ms {
            return Beat::Over(RunFailure::Silent);
        }
        if silent > self.silence_ms / 2 && self.attached == 0 {
            return self.cut_off();
        }
        Beat::Going
    }

    /// What people should know.
    pub(super) fn trouble(&self, now: Timestamp) -> Option<Trouble> {
        let limit_ms = self.silence_ms;
        if self.unanswered.is_some() {
            return Some(Trouble::EngineSilent { limit_ms });
        }
        (now.milliseconds_since(self.heard) > limit_ms / 2)
            .then_some(Trouble::AgentSilent { limit_ms })
    }
}

#[cfg(test)]
mod tests {
    use deckhand_executors::sandbox::End;

    use super::*;

    fn pulse() -> Pulse {
        Pulse {
            every_ms: 15_000,
            silence_ms: 600_000,
            heard: Timestamp(0),
            asked: Timestamp(0),
            unanswered: None,
            attached: 0,
        }
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000)
    }

    #[test]
    fn silence_is_asked_about_and_words_are_an_answer() {
        let mut pulse = pulse();
        assert!(!pulse.is_due(seconds(14)));
        assert!(pulse.is_due(seconds(15)));
        pulse.ask(seconds(15));
        assert!(!pulse.is_due(seconds(16)));
        pulse.heard(seconds(29));
        assert!(!pulse.is_due(seconds(43)));
        assert!(pulse.is_due(seconds(44)));
    }

    #[test]
    fn an_agent_that_thinks_long_in_a_sandbox_that_lives_goes_on() {
        let mut pulse = pulse();
        for at in (15..300).step_by(15) {
            let now = seconds(at);
            assert_eq!(pulse.answered(Some(&Condition::Running), now), Beat::Going);
            assert_eq!(pulse.at(now), Beat::Going);
            assert_eq!(pulse.trouble(now), None);
        }
    }

    #[test]
    fn a_stall_is_attached_once_then_told_and_at_last_over() {
        let mut pulse = pulse();
        assert_eq!(pulse.at(seconds(301)), Beat::AttachAgain);
        assert_eq!(pulse.at(seconds(302)), Beat::Going);
        let told = Trouble::AgentSilent { limit_ms: 600_000 };
        assert_eq!(pulse.trouble(seconds(302)), Some(told));
        assert_eq!(pulse.at(seconds(601)), Beat::Over(RunFailure::Silent));
        // A word begins everything anew.
        pulse.heard(seconds(601));
        assert_eq!(pulse.at(seconds(700)), Beat::Going);
        assert_eq!(pulse.trouble(seconds(700)), None);
        assert_eq!(pulse.at(seconds(902)), Beat::AttachAgain);
    }

    #[test]
    fn a_sandbox_that_is_gone_is_lost_and_one_that_ended_is_heard_to_its_end() {
        let mut pulse = pulse();
        let ended = Condition::Ended {
            status: 1,
            by: End::Itself,
        };
        assert_eq!(pulse.answered(Some(&ended), seconds(15)), Beat::AttachAgain);
        assert_eq!(
            pulse.answered(Some(&Condition::Absent), seconds(30)),
            Beat::Over(RunFailure::SandboxLost)
        );
    }

    #[test]
    fn an_engine_that_does_not_answer_is_told_of_and_given_up_after_its_time() {
        let mut pulse = pulse();
        assert_eq!(pulse.answered(None, seconds(20)), Beat::Going);
        let told = Trouble::EngineSilent { limit_ms: 600_000 };
        assert_eq!(pulse.trouble(seconds(21)), Some(told));
        // The agent cannot be heard meanwhile, which is not its fault.
        assert_eq!(pulse.at(seconds(619)), Beat::Going);
        assert_eq!(pulse.answered(None, seconds(619)), Beat::Going);
        assert_eq!(
            pulse.answered(None, seconds(621)),
            Beat::Over(RunFailure::EngineLost)
        );
        pulse.heard(seconds(622));
        assert_eq!(pulse.trouble(seconds(622)), None);
    }

    #[test]
    fn a_connection_that_breaks_again_and_again_is_given_up() {
        let mut pulse = pulse();
        for _ in 0..ATTACHED_MAX {
            assert_eq!(pulse.cut_off(), Beat::AttachAgain);
        }
        assert!(matches!(pulse.cut_off(), Beat::Over(_)));
    }
}
