//! How work ends: proofs, publications, and every way in which a task is over.

use super::{Next, State, Surroundings, Task};
use crate::domain::{
    RunNumber,
    conversation::{Person, Road},
    edit::ProposalStanding,
    effect::{Assignment, Effect, Mark, Slot},
    event::{Publication, PublishProblem},
    kept::Kept,
    message::{FailureText, Message, Phase},
    policy::Act,
    proof::{CheckOutcome, Proof, judge},
};

impl Task {
    pub(super) fn proved(&mut self, run: RunNumber, proof: &Proof) -> Vec<Effect> {
        match &self.state {
            State::Verifying { commit, .. } if *commit == proof.commit => {}
            // The proof of another commit proves nothing about this one.
            State::Verifying { .. } => {
                return self.proof_failed("another commit was checked");
            }
            _ => return Vec::new(),
        }
        let Some(specification) = &self.specification else {
            return Vec::new();
        };
        let judged = judge(specification, self.report.as_ref(), proof);
        self.proof = Some(proof.clone());
        // Without time left it is published as it is; what waits asks for more behind it.
        let may_go_on = !self.is_out_of_time();
        if !self.waiting.is_empty() && may_go_on {
            return self.take_next_turn();
        }
        if proof.refutes(&judged) && may_go_on && self.rework_rounds < self.ceilings.rework_rounds {
            self.rework_rounds += 1;
            let failed = proof
                .checks
                .iter()
                .filter(|check| check.outcome != CheckOutcome::Passed)
                .map(|check| format!("$ {}\n{}", check.command, check.tail))
                .collect();
            let start = self.start_run(Assignment::Rework {
                round: self.rework_rounds,
                judged,
                failed,
            });
            return vec![
                start,
                self.say_progress(Phase::Reworking {
                    round: self.rework_rounds,
                }),
            ];
        }
        self.state = State::Publishing {
            run,
            commit: proof.commit.clone(),
        };
        vec![
            Effect::Publish {
                run,
                commit: proof.commit.clone(),
            },
            self.say_progress(Phase::Publishing),
        ]
    }

    pub(super) fn proof_failed(&mut self, reason: &str) -> Vec<Effect> {
        if !matches!(self.state, State::Verifying { .. }) {
            return Vec::new();
        }
        self.fail(FailureText::Proof {
            reason: reason.to_owned(),
        })
    }

    pub(super) fn published(&mut self, run: RunNumber, publication: &Publication) -> Vec<Effect> {
        if !matches!(self.state, State::Publishing { .. }) {
            return Vec::new();
        }
        self.publication = Some(publication.clone());
        self.pushed = Some(publication.commit.clone());
        let Some(card) = self.last_result() else {
            return Vec::new();
        };
        let whole = card.whole;
        self.state = State::InReview { whole };
        let mut effects = vec![self.say_progress(Phase::Over {
            how: "done".to_owned(),
        })];
        if card
            .pictures
            .iter()
            .any(|picture| picture.artifact.is_some())
        {
            effects.push(Effect::ShowPictures { run });
        }
        effects.push(Effect::Say {
            slot: Slot::Result(run),
            message: Box::new(Message::Result(Box::new(card))),
        });
        effects.push(Effect::Mark {
            mark: if whole { Mark::Proved } else { Mark::Gaps },
        });
        if !self.waiting.is_empty() {
            let words = self.take_waiting();
            self.rework_rounds = 0;
            self.progress = RunNumber(self.last_run.0 + 1);
            self.state = State::Queued {
                next: Next::Run {
                    assignment: Assignment::FollowUp { words },
                },
            };
            effects.push(self.say_progress(Phase::Preparing));
        }
        effects
    }

    pub(super) fn publish_refused(&mut self, problem: &PublishProblem) -> Vec<Effect> {
        if !matches!(self.state, State::Publishing { .. }) {
            return Vec::new();
        }
        let effects = self.fail(FailureText::Publish {
            problem: problem.clone(),
        });
        // Publishing again would be refused again; the work's own start shows what has to be decided anew.
        let retry = match problem {
            PublishProblem::ApprovalVoid => Some(Assignment::Work),
            // The next run hands its change over anew, and that is held against the plan again.
            PublishProblem::Undecided { .. } => Some(self.work_again()),
            PublishProblem::Refused { .. }
            | PublishProblem::BranchMoved
            | PublishProblem::NoAccess
            | PublishProblem::PullRequestRefused { .. } => None,
        };
        if let (State::Failed { retry: next, .. }, Some(assignment)) = (&mut self.state, retry) {
            *next = Next::Run { assignment };
        }
        effects
    }

    pub(super) fn pull_request_ended(&mut self, merged: bool, by: &str) -> Vec<Effect> {
        let whole = match self.state {
            State::InReview { whole } => whole,
            State::Failed { .. } if self.publication.is_some() => false,
            _ => return Vec::new(),
        };
        self.state = State::Completed { merged, whole };
        vec![
            self.note(Message::PullRequestEnded {
                merged,
                by: by.to_owned(),
            }),
            Effect::Release,
        ]
    }

    pub(super) fn cancel_asked(
        &mut self,
        by: &Person,
        road: Road,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let closed = self.close_card();
        let mut effects = self.cancel(by, road, around);
        if effects.first() == Some(&Effect::StopAll) {
            effects.extend(closed);
            effects.extend(self.close_proposals(&ProposalStanding::Withdrawn));
        }
        effects
    }

    /// The end of a task that nobody decides about.
    pub(super) fn ended_by(&mut self, by: &Person, road: Road) -> Vec<Effect> {
        let closed = self.close_card();
        let mut effects = self.end(by, road);
        effects.extend(closed);
        effects.extend(self.close_proposals(&ProposalStanding::Withdrawn));
        effects
    }

    fn end(&mut self, by: &Person, road: Road) -> Vec<Effect> {
        self.waiting.clear();
        self.steering.clear();
        self.state = State::Canceled {
            by: by.clone(),
            road,
            confirmed: false,
            handed: self.state.handed(),
        };
        vec![Effect::StopAll]
    }

    /// The same where what was asked is answered by it.
    pub(super) fn cancel(&mut self, by: &Person, road: Road, around: &Surroundings) -> Vec<Effect> {
        if self.state.is_over() && !matches!(self.state, State::Failed { .. }) {
            // The command line and the API have said so themselves, and nobody in the conversation has asked.
            if matches!(road, Road::CommandLine | Road::Api | Road::Withdrawn) {
                return Vec::new();
            }
            return vec![self.nothing_to_do(by, "cancel")];
        }
        // Whoever made a token said with it what it may; the policy names people.
        if road != Road::Api
            && let Err(refusal) = around
                .policy
                .allows(Act::Cancel, by, &self.request.author.id)
        {
            return vec![Self::whisper(
                by,
                Message::NotAllowed {
                    act: Act::Cancel,
                    refusal,
                },
            )];
        }
        self.end(by, road)
    }

    pub(super) fn stopped(&mut self, engine_confirmed: bool, kept: &Kept) -> Vec<Effect> {
        let State::Canceled {
            by,
            road,
            confirmed,
            ..
        } = &mut self.state
        else {
            return Vec::new();
        };
        if std::mem::replace(confirmed, true) {
            return Vec::new();
        }
        let (by, road) = (by.clone(), *road);
        let message = Message::Canceled {
            by,
            road,
            confirmed: engine_confirmed,
            pushed_branch: self.pushed_branch(),
            unsure_branch: self.unsure_branch(),
            kept: kept.clone(),
            purpose: self.purpose(),
        };
        self.kept = kept.clone();
        vec![
            self.say_progress(Phase::Over {
                how: "cancelled".to_owned(),
            }),
            self.note(message),
            Effect::Mark {
                mark: Mark::Canceled,
            },
            Effect::Release,
        ]
    }

    /// Tells whoever asked, in private, what could not be said where everybody sees it.
    pub(super) fn unsaid(&self, what: &str, reason: &str) -> Vec<Effect> {
        if matches!(self.state, State::Canceled { .. }) {
            return Vec::new();
        }
        let message = Message::GivenUp {
            effect: what.to_owned(),
            reason: reason.to_owned(),
        };
        vec![Self::whisper(&self.request.author, message)]
    }

    pub(super) fn effect_given_up(&mut self, effect: &str, reason: &str) -> Vec<Effect> {
        if self.state.is_over() {
            return Vec::new();
        }
        // A start that was given up may have left a container, and nobody would hear it.
        let may_live = matches!(
            self.state,
            State::Planning { .. } | State::Preparing { .. } | State::Running { .. }
        );
        let mut effects = if may_live {
            vec![Effect::StopAll]
        } else {
            Vec::new()
        };
        effects.extend(self.fail(FailureText::GivenUp {
            effect: effect.to_owned(),
            reason: reason.to_owned(),
        }));
        effects
    }
}
