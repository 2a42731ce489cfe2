//! What people answer: to questions, and about the repository.

use super::{
    Next, Question, QuestionKind, State, Surroundings, Task, holding::HeldReply, time::GoOn,
};
use crate::domain::{
    Timestamp,
    command::{self, UnknownOption},
    conversation::{Person, Road},
    effect::{Assignment, Effect, Mark},
    event::WorkplaceProblem,
    message::{Decision, Message},
    policy::Act,
    specification::RepositoryName,
};

impl Task {
    pub(super) fn repository_chosen(
        &mut self,
        by: &Person,
        repository: &RepositoryName,
        around: &Surroundings,
    ) -> Vec<Effect> {
        if let Err(refusal) = around
            .policy
            .allows(Act::Steer, by, &self.request.author.id)
        {
            return vec![Self::whisper(
                by,
                Message::NotAllowed {
                    act: Act::Steer,
                    refusal,
                },
            )];
        }
        let mut effects = match &self.state {
            State::AwaitingApproval { .. } => self.say_plan(Decision::Superseded),
            State::AwaitingInput { question } => match question.kind {
                QuestionKind::Workplace { .. } => vec![
                    self.say_question(&question.clone(), Some((by.clone(), repository.0.clone()))),
                ],
                QuestionKind::Check
                | QuestionKind::Agent { .. }
                | QuestionKind::Time { .. }
                | QuestionKind::Budget { .. }
                | QuestionKind::Held { .. } => {
                    return vec![self.nothing_to_do(by, "change the repository")];
                }
            },
            _ => return vec![self.nothing_to_do(by, "change the repository")],
        };
        self.options.repository = Some(repository.clone());
        self.options.branch = None;
        effects.extend(self.specify_again(around));
        effects
    }

    pub(super) fn specify_again(&mut self, around: &Surroundings) -> Vec<Effect> {
        self.workplace = None;
        self.specification = None;
        self.state = State::Queued {
            next: Next::Specify,
        };
        vec![
            self.say_progress_queued(around.ahead),
            Effect::Mark {
                mark: Mark::Accepted,
            },
        ]
    }

    pub(super) fn answered(
        &mut self,
        by: &Person,
        number: u32,
        text: &str,
        (road, at): (Road, Timestamp),
        around: &Surroundings,
    ) -> Vec<Effect> {
        let question = match &self.state {
            State::AwaitingInput { question } if question.number == number => question.clone(),
            _ => return vec![self.nothing_to_do(by, "take an answer")],
        };
        if let Err(refusal) = around
            .policy
            .allows(Act::Steer, by, &self.request.author.id)
        {
            return vec![Self::whisper(
                by,
                Message::NotAllowed {
                    act: Act::Steer,
                    refusal,
                },
            )];
        }
        let text = text.trim();
        if text.is_empty() {
            return vec![self.nothing_to_do(by, "take an empty answer")];
        }
        if let QuestionKind::Held { run, held } = &question.kind {
            let reply = HeldReply {
                question: &question,
                run: *run,
                held,
                by,
                text,
                road,
                at,
            };
            return self.held_answered(&reply, around);
        }
        let shown = self.say_question(&question, Some((by.clone(), text.to_owned())));
        if let QuestionKind::Time { .. } | QuestionKind::Budget { .. } = &question.kind {
            let next = self.answered_about_more(&question, (by, text, road), around);
            return self.closed_by(vec![shown], next, number);
        }
        let mut effects = vec![shown];
        match &question.kind {
            // They were answered above.
            QuestionKind::Held { .. } | QuestionKind::Time { .. } | QuestionKind::Budget { .. } => {
            }
            QuestionKind::Workplace { problem } => {
                if let Err(hint) = self.take_workplace_answer(problem, text) {
                    let written = text.to_owned();
                    let unknown = vec![UnknownOption { written, hint }];
                    return vec![Self::whisper(by, Message::OptionHints { unknown })];
                }
                effects.extend(self.specify_again(around));
            }
            QuestionKind::Check => {
                let none = matches!(
                    text.to_lowercase().trim_end_matches('.'),
                    "none" | "no" | "no checks" | "no check" | "nothing"
                );
                if let Some(specification) = self.specification.as_mut().filter(|_| !none) {
                    specification.require(text.trim_matches('`'));
                }
                effects.extend(self.show_edited_plan(around));
            }
            QuestionKind::Agent { question } => {
                let assignment = self.go_on_with(question, by, text);
                effects.extend(self.resume_with(assignment, around));
            }
        }
        effects
    }

    /// Whether a task may go on that has used up its time or its money.
    fn answered_about_more(
        &mut self,
        question: &Question,
        (by, text, road): (&Person, &str, Road),
        around: &Surroundings,
    ) -> Vec<Effect> {
        let answer = GoOn::read(text);
        match &question.kind {
            QuestionKind::Time { .. } | QuestionKind::Budget { .. } if answer == GoOn::Stop => {
                self.cancel(by, road, around)
            }
            QuestionKind::Time { run, change, .. } if answer == GoOn::Finish => {
                self.finish((*run, change), by, around)
            }
            QuestionKind::Time { assignment, .. } => {
                let assignment = self.with_words(assignment.clone(), by, text);
                self.go_on(assignment, around)
            }
            QuestionKind::Budget { assignment } => {
                let assignment = self.with_words(assignment.clone(), by, text);
                let spent = self.usage.cost.unwrap_or(self.ceilings.spend);
                self.ceilings.spend = spent.plus(self.terms.budget);
                self.resume_with(assignment, around)
            }
            QuestionKind::Workplace { .. }
            | QuestionKind::Check
            | QuestionKind::Agent { .. }
            | QuestionKind::Held { .. } => Vec::new(),
        }
    }

    /// What follows of an answer, behind the question's card that shows it; the card stays open where it was refused.
    fn closed_by(&self, mut card: Vec<Effect>, next: Vec<Effect>, number: u32) -> Vec<Effect> {
        let is_open =
            matches!(&self.state, State::AwaitingInput { question } if question.number == number);
        if is_open {
            return next;
        }
        card.extend(next);
        card
    }

    /// How an answer goes back to the agent: to its session, or into the plan where nothing is approved yet.
    fn go_on_with(&self, question: &str, by: &Person, answer: &str) -> Assignment {
        if self.inquiry.is_some() {
            return self.inquire_with([format!(
                "You asked: {question}\n{} answered: {answer}",
                by.name
            )]);
        }
        if self.approval.is_some() {
            return Assignment::Answer {
                question: question.to_owned(),
                answer: answer.to_owned(),
            };
        }
        let correction = format!("You asked: {question}\n{} answered: {answer}", by.name);
        Assignment::Revise {
            corrections: vec![correction],
        }
    }

    fn take_workplace_answer(
        &mut self,
        problem: &WorkplaceProblem,
        text: &str,
    ) -> Result<(), String> {
        match problem {
            WorkplaceProblem::NoSuchAgent { known, .. } => {
                let agent = text.trim_start_matches("agent=").to_lowercase();
                if !known.contains(&agent) {
                    return Err(format!("agents here are {}", known.join(", ")));
                }
                self.options.agent = Some(agent.clone());
                self.terms.agent = agent;
            }
            WorkplaceProblem::NoSuchBranch { .. } if command::parse_repository(text).is_none() => {
                if text.split_whitespace().count() != 1 {
                    return Err("answer with one branch name".to_owned());
                }
                self.options.branch = Some(text.trim_start_matches("branch=").to_owned());
            }
            WorkplaceProblem::NoSuchBranch { .. }
            | WorkplaceProblem::Unclear { .. }
            | WorkplaceProblem::NotFound { .. }
            | WorkplaceProblem::Empty { .. }
            | WorkplaceProblem::Unreachable { .. } => {
                let name = text
                    .split_whitespace()
                    .find_map(command::parse_repository)
                    .ok_or("answer with `owner/name`")?;
                self.options.repository = Some(name);
                self.options.branch = None;
            }
        }
        Ok(())
    }

    pub(super) fn resume_with(
        &mut self,
        assignment: Assignment,
        around: &Surroundings,
    ) -> Vec<Effect> {
        self.state = State::Queued {
            next: Next::Run { assignment },
        };
        vec![
            self.say_progress_waiting_for_turn(around),
            Effect::Mark {
                mark: self.mark_going_on(),
            },
        ]
    }
}
