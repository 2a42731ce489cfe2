//! What people decide about a change that was held back. Nothing of it leaves before a decision is stored.

use deckhand_executors::broker::Scope;

use super::{Next, Question, QuestionKind, State, Surroundings, Task};
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    conversation::{Person, Road},
    effect::{Assignment, Effect, Mark},
    held::{HeldAnswer, HeldChange, HeldDecision, HeldVerdict, HoldReason},
    message::{Decision, Message},
    plan::{Approval, PlanRevision},
    policy::Act,
};

/// An answer to a question about a held change.
pub(super) struct HeldReply<'a> {
    pub question: &'a Question,
    pub run: RunNumber,
    pub held: &'a HeldChange,
    pub by: &'a Person,
    pub text: &'a str,
    pub road: Road,
    pub at: Timestamp,
}

impl Task {
    /// Whether this commit may be pushed: it was never held back, or a stored decision lets it leave.
    #[must_use]
    pub fn may_leave(&self, commit: &CommitId) -> bool {
        let is_open = |question: &Question| match &question.kind {
            QuestionKind::Held { held, .. } => {
                held.commit == *commit || held.rest.as_ref() == Some(commit)
            }
            QuestionKind::Workplace { .. }
            | QuestionKind::Check
            | QuestionKind::Agent { .. }
            | QuestionKind::Time { .. }
            | QuestionKind::Budget { .. } => false,
        };
        !matches!(&self.state, State::AwaitingInput { question } if is_open(question))
            && (!self.was_held.contains(commit)
                || self
                    .held_decisions
                    .iter()
                    .any(|decision| decision.commit == *commit))
    }

    pub(super) fn ask_about(&mut self, run: RunNumber, held: &HeldChange) -> Vec<Effect> {
        self.hold(held);
        let kind = QuestionKind::Held {
            run,
            held: Box::new(held.clone()),
        };
        self.ask(kind, held.choices())
    }

    /// From now on it leaves by a stored decision alone.
    pub(super) fn hold(&mut self, held: &HeldChange) {
        for commit in [&held.commit].into_iter().chain(&held.rest) {
            if !self.was_held.contains(commit) {
                self.was_held.push(commit.clone());
            }
        }
    }

    pub(super) fn held_answered(
        &mut self,
        reply: &HeldReply<'_>,
        around: &Surroundings,
    ) -> Vec<Effect> {
        match HeldAnswer::read(reply.text) {
            HeldAnswer::Include if reply.held.can_be_included() => self.include(reply, around),
            HeldAnswer::LeaveOut => match &reply.held.rest {
                Some(rest) => self.leave_out(reply, rest, around),
                None => self.hint_choices(reply),
            },
            HeldAnswer::Include | HeldAnswer::Unclear => self.hint_choices(reply),
            HeldAnswer::Cancel => {
                let mut effects = self.cancel(reply.by, reply.road, around);
                if matches!(self.state, State::Canceled { .. }) {
                    effects.insert(0, self.say_answered(reply));
                }
                effects
            }
            HeldAnswer::Words => self.held_corrected(reply, around),
        }
    }

    /// A bare yes or no does not say to what.
    fn hint_choices(&self, reply: &HeldReply<'_>) -> Vec<Effect> {
        let choices = reply.question.choices.join(" or ");
        let wanted = format!("take this as a decision; answer with {choices}");
        vec![self.nothing_to_do(reply.by, &wanted)]
    }

    /// Writes the files into the plan, and takes the answer as the approval of exactly this.
    fn include(&mut self, reply: &HeldReply<'_>, around: &Surroundings) -> Vec<Effect> {
        let by = reply.by;
        let allowed = around
            .policy
            .allows(Act::Approve, by, &self.request.author.id);
        if let Err(refusal) = allowed {
            let act = Act::Approve;
            return vec![Self::whisper(by, Message::NotAllowed { act, refusal })];
        }
        let Some(last) = self.plans.last() else {
            return vec![self.nothing_to_do(by, "include files")];
        };
        let mut plan = last.plan.clone();
        let number = last.number + 1;
        let known = Scope::read(&plan.files).unwrap_or_default();
        for hold in &reply.held.holds {
            let is_plans = |reason: &HoldReason| !matches!(reason, HoldReason::Secret { .. });
            if !known.names(&hold.path, "") && hold.reasons.iter().any(is_plans) {
                plan.files.push(hold.path.clone());
            }
        }
        let paths: Vec<&str> = reply
            .held
            .holds
            .iter()
            .map(|hold| hold.path.as_str())
            .collect();
        let reason = format!("{} included {}.", by.name, paths.join(", "));
        plan.reason = Some(crate::domain::clip(&reason, 600));
        let Some((fingerprint, decision)) = self.fingerprint(&plan).zip(decision(
            reply,
            &reply.held.commit,
            HeldVerdict::Included { revision: number },
        )) else {
            return vec![self.nothing_to_do(by, "include files")];
        };
        self.plans.push(PlanRevision {
            number,
            plan,
            fingerprint: fingerprint.clone(),
            specification: self.specification.clone(),
        });
        self.approval = Some(Approval {
            revision: number,
            fingerprint,
            by: by.clone(),
            road: reply.road,
            at: reply.at,
            used: true,
        });
        self.held_decisions.push(decision);
        let mut effects = vec![self.say_answered(reply)];
        effects.extend(self.say_plan(Decision::Approved {
            by: by.clone(),
            at: Some(reply.at),
        }));
        effects.extend(self.prove_next(reply.run, &reply.held.commit, around));
        effects
    }

    fn leave_out(
        &mut self,
        reply: &HeldReply<'_>,
        rest: &CommitId,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let Some(decision) = decision(reply, rest, HeldVerdict::LeftOut) else {
            return vec![self.nothing_to_do(reply.by, "leave files out")];
        };
        self.held_decisions.push(decision);
        let mut effects = vec![self.say_answered(reply)];
        effects.extend(self.prove_next(reply.run, rest, around));
        effects
    }

    /// Words go to the agent, whose next change takes the place of the held one.
    fn held_corrected(&mut self, reply: &HeldReply<'_>, around: &Surroundings) -> Vec<Effect> {
        let mut effects = vec![self.say_answered(reply)];
        let words = format!("{}: {}", reply.by.name, reply.text);
        effects.extend(self.resume_with(Assignment::FollowUp { words: vec![words] }, around));
        effects
    }

    pub(super) fn prove_next(
        &mut self,
        run: RunNumber,
        commit: &CommitId,
        around: &Surroundings,
    ) -> Vec<Effect> {
        self.state = State::Queued {
            next: Next::Prove {
                run,
                commit: commit.clone(),
            },
        };
        vec![
            self.say_progress_waiting_for_turn(around),
            Effect::Mark {
                mark: Mark::Working,
            },
        ]
    }

    fn say_answered(&self, reply: &HeldReply<'_>) -> Effect {
        let answered = (reply.by.clone(), reply.text.to_owned());
        self.say_question(reply.question, Some(answered))
    }
}

fn decision(
    reply: &HeldReply<'_>,
    commit: &CommitId,
    verdict: HeldVerdict,
) -> Option<HeldDecision> {
    let holds = &reply.held.holds;
    let reasons = holds.iter().flat_map(|hold| &hold.reasons);
    let marks = reasons.filter_map(|reason| {
        if let HoldReason::Secret { mark, .. } = reason {
            Some(mark.clone())
        } else {
            None
        }
    });
    let no_secrets = match verdict {
        HeldVerdict::Included { .. } => marks.collect(),
        HeldVerdict::LeftOut => Vec::new(),
    };
    Some(HeldDecision {
        digest: reply.held.digest()?,
        commit: commit.clone(),
        run: reply.run,
        verdict,
        files: holds
            .iter()
            .map(|hold| (hold.path.clone(), hold.content.clone()))
            .collect(),
        no_secrets,
        by: reply.by.clone(),
        road: reply.road,
        at: reply.at,
    })
}
