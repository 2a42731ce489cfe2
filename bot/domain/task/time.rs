//! How long a task works: the time in which it uses the machine, without the time in which it waits for people or for
//! its turn. Near the ceiling people are told, at the ceiling they are asked.

use serde::{Deserialize, Serialize};

use super::{QuestionKind, State, Surroundings, Task};
use crate::domain::{
    RunNumber, Timestamp, command,
    conversation::Person,
    effect::{Assignment, Effect},
    event::Change,
    message::Message,
    waiting::TimeNote,
};

/// From which part of the ceiling on people are told, in percent.
const WARNED_PERCENT: i64 = 80;
/// How long a run may take to end by itself and to hand its work out, before it is ended from outside, in milliseconds.
const WIND_UP_MS: i64 = 3 * 60 * 1_000;
/// The answer that ends the work with what there is.
pub const FINISH: &str = "Finish as it is";

/// How long a task has worked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkTime {
    /// How long it had worked at `since`, or when it stopped working, in milliseconds.
    pub worked_ms: i64,
    /// Since when it works; none while it waits.
    pub since: Option<Timestamp>,
    /// How long it had worked when people last let it go on; the ceiling counts from there, in milliseconds.
    pub granted_at_ms: i64,
    /// Whether people were told since then that the time runs out.
    pub is_told: bool,
}

impl Task {
    /// How long the task has worked by then, in milliseconds.
    #[must_use]
    pub fn work_ms(&self, at: Timestamp) -> i64 {
        let open = self
            .time
            .since
            .map_or(0, |since| at.milliseconds_since(since));
        self.time.worked_ms.saturating_add(open)
    }

    /// How long it may go on then without asking, in milliseconds; zero or less where the ceiling is reached.
    #[must_use]
    pub fn work_left_ms(&self, at: Timestamp) -> i64 {
        let ceiling = self
            .time
            .granted_at_ms
            .saturating_add(self.ceilings.work_ms);
        ceiling.saturating_sub(self.work_ms(at))
    }

    /// Counts up to this moment. A clock that was set back takes nothing away.
    pub(super) fn count_time(&mut self, at: Timestamp) {
        self.time.worked_ms = self.work_ms(at);
        self.time.since = self.state.holds_slot().then_some(at);
    }

    /// Whether the ceiling was reached when time was last counted.
    pub(super) const fn is_out_of_time(&self) -> bool {
        self.time.worked_ms.saturating_sub(self.time.granted_at_ms) >= self.ceilings.work_ms
    }

    /// Whether people have to be told by then that the time runs out.
    pub(super) fn is_time_low(&self, at: Timestamp) -> bool {
        let left = self.work_left_ms(at);
        let least = self.ceilings.work_ms / 100 * (100 - WARNED_PERCENT);
        self.is_at_work() && !self.time.is_told && left > 0 && left <= least
    }

    /// Whether the ceiling was reached so long before that its run should have ended by itself.
    pub(super) fn is_time_up(&self, at: Timestamp) -> bool {
        self.is_at_work() && self.work_left_ms(at) <= -WIND_UP_MS
    }

    /// Checks and publishing have ceilings of their own, and are let come to their end.
    const fn is_at_work(&self) -> bool {
        matches!(
            self.state,
            State::Planning { .. } | State::Preparing { .. } | State::Running { .. }
        )
    }

    pub(super) fn time_low(&mut self, at: Timestamp) -> Vec<Effect> {
        if !self.is_time_low(at) {
            return Vec::new();
        }
        self.time.is_told = true;
        let note = TimeNote {
            left_ms: self.work_left_ms(at),
            ceiling_ms: self.ceilings.work_ms,
            plans: matches!(self.state, State::Planning { .. }),
            purpose: self.purpose(),
        };
        vec![self.note(Message::TimeLow(note))]
    }

    /// The run did not end by itself: it is ended from outside, and its work stays in its volume.
    pub(super) fn time_up(&mut self, at: Timestamp) -> Vec<Effect> {
        if !self.is_time_up(at) {
            return Vec::new();
        }
        let assignment = if matches!(self.state, State::Planning { .. }) {
            self.plan_again()
        } else {
            self.work_again()
        };
        let mut effects = vec![Effect::StopAll];
        effects.extend(self.ask_for_time(self.last_run, assignment, &Change::None));
        effects
    }

    /// Asks whether to go on. What the run had made can be checked and published as it is.
    pub(super) fn ask_for_time(
        &mut self,
        run: RunNumber,
        assignment: Assignment,
        change: &Change,
    ) -> Vec<Effect> {
        if let Change::Held { held } = change {
            self.hold(held);
        }
        let has_work = matches!(change, Change::Commit { .. } | Change::Held { .. });
        let choices = [Some("Continue"), has_work.then_some(FINISH), Some("Stop")];
        let kind = QuestionKind::Time {
            assignment,
            run,
            change: Box::new(change.clone()),
        };
        let choices = choices.into_iter().flatten().map(str::to_owned).collect();
        self.ask(kind, choices)
    }

    /// What is to go on, with words for the agent where the answer has some.
    pub(super) fn with_words(
        &mut self,
        assignment: Assignment,
        by: &Person,
        text: &str,
    ) -> Assignment {
        if is_plain_yes(text) {
            return assignment;
        }
        let said = format!("{}: {text}", by.name);
        match assignment {
            Assignment::Plan => {
                self.request.text = format!("{}\n{text}", self.request.text);
                Assignment::Plan
            }
            Assignment::Revise { mut corrections } => {
                corrections.push(said);
                Assignment::Revise { corrections }
            }
            Assignment::Inquire { mut added } => {
                added.push(said);
                Assignment::Inquire { added }
            }
            Assignment::FollowUp { mut words } => {
                words.push(said);
                Assignment::FollowUp { words }
            }
            Assignment::Answer { question, answer } => Assignment::FollowUp {
                words: vec![format!("You asked: {question}\nThe answer: {answer}"), said],
            },
            Assignment::Work | Assignment::Rework { .. } => {
                Assignment::FollowUp { words: vec![said] }
            }
        }
    }

    /// Goes on for the same time once more.
    pub(super) fn go_on(&mut self, assignment: Assignment, around: &Surroundings) -> Vec<Effect> {
        self.time.granted_at_ms = self.time.worked_ms;
        self.time.is_told = false;
        self.resume_with(assignment, around)
    }

    /// Has what there is checked and published, or asks about what was held back of it.
    pub(super) fn finish(
        &mut self,
        (run, change): (RunNumber, &Change),
        by: &Person,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match change {
            Change::Commit { commit, .. } => self.prove_next(run, commit, around),
            Change::Held { held } => self.ask_about(run, held),
            Change::None | Change::Refused { .. } => {
                vec![self.nothing_to_do(by, "finish as it is")]
            }
        }
    }
}

/// Whether an answer says to go on and nothing else.
fn is_plain_yes(text: &str) -> bool {
    let plain = text.trim().trim_end_matches(['.', '!']).to_lowercase();
    let plain = plain.as_str();
    command::is_approval(plain) || matches!(plain, "continue" | "go on" | "more time")
}

/// What somebody answers who is asked whether a task may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoOn {
    /// It goes on.
    Continue,
    /// It ends with what there is.
    Finish,
    /// It ends.
    Stop,
}

impl GoOn {
    /// Reads an answer, as a button has it or as people say it. Other words are for the agent, so it goes on.
    pub(super) fn read(text: &str) -> Self {
        let plain = text.trim().trim_end_matches(['.', '!']).to_lowercase();
        match plain.as_str() {
            "stop" | "no" | "cancel" => Self::Stop,
            "finish as it is" | "finish" | "finish it" => Self::Finish,
            _ => Self::Continue,
        }
    }
}
