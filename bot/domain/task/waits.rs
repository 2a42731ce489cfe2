//! What a moment brings by itself: a task that waits for a person reminds them once and ends at last, one that works
//! comes near the ceiling of its time.

use super::{State, Task};
use crate::domain::{
    Timestamp,
    effect::{Effect, Mark},
    event::{Event, Happened},
    kept::{Kept, Reached},
    message::{Decision, Message, Phase},
    waiting::{Asked, Reminder},
};

/// How long people are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// After which time they are reminded, in milliseconds; none for never.
    pub remind_ms: Option<i64>,
    /// After which time the task ends, in milliseconds.
    pub end_ms: i64,
}

impl Task {
    /// What has to happen by then because of the time alone. The same until it was handled.
    #[must_use]
    pub fn due(&self, at: Timestamp, patience: &Patience) -> Option<Event> {
        match self.state {
            State::AwaitingApproval { .. } | State::AwaitingInput { .. } => {
                self.wait_due(at, patience)
            }
            State::Planning { .. } | State::Preparing { .. } | State::Running { .. } => {
                if self.is_time_up(at) {
                    Some(Event::TimeUp)
                } else {
                    self.is_time_low(at).then_some(Event::TimeLow)
                }
            }
            State::Queued { .. }
            | State::Specifying
            | State::Verifying { .. }
            | State::Publishing { .. }
            | State::InReview { .. }
            | State::Completed { .. }
            | State::Answered
            | State::Failed { .. }
            | State::Canceled { .. }
            | State::Expired => None,
        }
    }

    /// Hears of what was due. What is not any more does nothing.
    pub(super) fn time_told(&mut self, happened: &Happened) -> Vec<Effect> {
        match &happened.event {
            Event::TimeLow => self.time_low(happened.at),
            Event::TimeUp => self.time_up(happened.at),
            Event::Unanswered { since, left_ms } => self.unanswered(*since, *left_ms),
            Event::WaitedTooLong { since, kept } => self.waited_too_long(*since, kept),
            _ => Vec::new(),
        }
    }

    fn wait_due(&self, at: Timestamp, patience: &Patience) -> Option<Event> {
        let since = self.changed_at;
        let waited = at.milliseconds_since(since);
        if waited > patience.end_ms {
            return Some(Event::WaitedTooLong {
                since: Some(since),
                kept: Kept::Nothing,
            });
        }
        let is_due = patience.remind_ms.is_some_and(|after| waited >= after);
        (is_due && self.reminded != Some(since)).then(|| Event::Unanswered {
            since,
            left_ms: patience.end_ms - waited,
        })
    }

    /// What is waited for; none where nobody is.
    #[must_use]
    pub fn asked(&self) -> Option<Asked> {
        match &self.state {
            State::AwaitingApproval { revision } => Some(Asked::Plan {
                revision: *revision,
                title: self.title(),
            }),
            State::AwaitingInput { question } => {
                Some(Asked::Question(Box::new(self.question_card(question))))
            }
            _ => None,
        }
    }

    /// Calls the person once for each thing that is waited for, however often it is asked.
    fn unanswered(&mut self, since: Timestamp, left_ms: i64) -> Vec<Effect> {
        let Some(asked) = self.asked() else {
            return Vec::new();
        };
        if since != self.changed_at || self.reminded == Some(since) {
            return Vec::new();
        }
        self.reminded = Some(since);
        vec![self.note(Message::Reminder(Reminder {
            asked,
            left_ms,
            asks: self.request.author.clone(),
        }))]
    }

    /// Ends what nobody decided on, unless it was another wait that had become too long.
    fn waited_too_long(&mut self, since: Option<Timestamp>, kept: &Kept) -> Vec<Effect> {
        let Some(asked) = self.asked() else {
            return Vec::new();
        };
        if since.is_some_and(|since| since != self.changed_at) {
            return Vec::new();
        }
        let mut effects = self.close_card();
        self.state = State::Expired;
        self.kept = kept.clone();
        effects.push(self.say_progress(Phase::Over {
            how: "expired".to_owned(),
        }));
        effects.push(self.note(Message::Expired {
            asked: Some(asked),
            pushed_branch: self.pushed_branch(),
            kept: kept.clone(),
        }));
        effects.push(Effect::Mark { mark: Mark::Gaps });
        effects.push(Effect::Release);
        effects
    }

    /// Takes the buttons off what will not be decided any more.
    pub(super) fn close_card(&self) -> Vec<Effect> {
        match &self.state {
            State::AwaitingApproval { .. } => self.say_plan(Decision::Withdrawn),
            State::AwaitingInput { question } => vec![self.say_question_closed(question)],
            _ => Vec::new(),
        }
    }

    /// The branch on the remote, where something was published.
    pub(super) fn pushed_branch(&self) -> Option<String> {
        let publication = self.publication.as_ref();
        publication.map(|publication| publication.branch.clone())
    }

    /// The branch that may stand on the remote, where the task ended between its first push and the news of it.
    pub(super) fn unsure_branch(&self) -> Option<String> {
        let handed = self.state.handed();
        let was_pushed = handed.is_some_and(|handed| handed.reached == Reached::Push);
        (was_pushed && self.publication.is_none()).then(|| self.branch())
    }
}
