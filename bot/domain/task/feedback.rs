//! What people think of the result, or of the answer: one opinion each, the newest counts.

use super::{State, Surroundings, Task};
use crate::domain::{
    Timestamp,
    conversation::Person,
    effect::Effect,
    feedback::{Feedback, Opinion},
    inquiry::Purpose,
    message::Message,
    policy::Act,
};

/// The most people whose opinion is kept with a task; the audit log has all of them.
const PEOPLE_MAX: usize = 200;

impl Task {
    pub(super) fn rated(
        &mut self,
        by: &Person,
        opinion: Opinion,
        at: Timestamp,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let act = Act::Rate;
        if let Err(refusal) = around.policy.allows(act, by, &self.request.author.id) {
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let purpose = self.purpose();
        let (is_there, what) = match purpose {
            Purpose::Change => (self.publication.is_some(), "take an opinion of its result"),
            Purpose::Inquiry => (
                self.state == State::Answered,
                "take an opinion of its answer",
            ),
        };
        if !is_there {
            return vec![self.nothing_to_do(by, what)];
        }
        let given = Feedback {
            by: by.clone(),
            opinion,
            at,
        };
        let known = self.feedback.iter().position(|one| one.by.id == by.id);
        let before = known.map(|index| self.feedback.remove(index).opinion);
        if self.feedback.len() >= PEOPLE_MAX {
            self.feedback.remove(0);
        }
        self.feedback.push(given);
        let changed = before.is_some_and(|before| before != opinion);
        let thanks = Message::Thanks {
            opinion,
            changed,
            purpose,
        };
        vec![Self::whisper(by, thanks)]
    }
}
