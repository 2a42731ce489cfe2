//! A question that is only answered: it is read and looked up on the road of planning, and ends with its answer.
//!
//! Nothing changes by it: there is no plan, no approval, no work, no proof and nothing that is published.

use super::{Next, QuestionKind, State, Surroundings, Task};
use crate::domain::{
    RunNumber, clip,
    conversation::{Line, LineKind, LineRef, Person, PersonId, Standing},
    effect::{Assignment, Effect, Mark, Slot},
    event::{Ending, RunFailure},
    inquiry::{AnswerCard, EARLIER_MAX_CHARS, Inquiry, Purpose},
    message::{Message, Phase},
};

/// How an answered question stands, in words.
pub(super) const ANSWERED: &str = "was answered";

impl Task {
    /// What it is for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self.inquiry {
            Some(_) => Purpose::Inquiry,
            None => Purpose::Change,
        }
    }

    /// Whether it is a question that was asked where a task is talked about.
    #[must_use]
    pub fn is_beside(&self) -> bool {
        self.inquiry.as_ref().is_some_and(|inquiry| inquiry.beside)
    }

    /// How it stands, in words, for lists.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        if self.inquiry.is_some() && matches!(self.state, State::Planning { .. }) {
            return "is being looked up";
        }
        self.state.in_words()
    }

    /// The name of its state as people know it.
    #[must_use]
    pub const fn state_in_a_word(&self) -> &'static str {
        match self.state {
            State::Answered => "answered",
            _ => self.state.name(),
        }
    }

    /// What its first run is asked to do.
    pub(super) const fn first_assignment(&self) -> Assignment {
        match self.purpose() {
            Purpose::Change => Assignment::Plan,
            Purpose::Inquiry => Assignment::Inquire { added: Vec::new() },
        }
    }

    /// The part of the work in which an agent reads and changes nothing.
    pub(super) const fn phase_of_reading(&self) -> Phase {
        match self.purpose() {
            Purpose::Change => Phase::Planning,
            Purpose::Inquiry => Phase::Answering,
        }
    }

    /// The mark of a task that goes on. Behind a question no issue is begun.
    pub(super) const fn mark_going_on(&self) -> Mark {
        match self.purpose() {
            Purpose::Change => Mark::Working,
            Purpose::Inquiry => Mark::Accepted,
        }
    }

    /// What people have added to the question so far, as the last run was told, and this.
    pub(super) fn inquire_with(&self, more: impl IntoIterator<Item = String>) -> Assignment {
        let mut added = match &self.assignment {
            Some(Assignment::Inquire { added }) => added.clone(),
            _ => Vec::new(),
        };
        added.extend(more);
        Assignment::Inquire { added }
    }

    /// A run that looked for the answer is over, and did not fail.
    pub(super) fn inquiry_ended(&mut self, run: RunNumber, ending: &Ending) -> Vec<Effect> {
        if let Some(inquiry) = &mut self.inquiry
            && ending.answer.is_some()
        {
            inquiry.answer.clone_from(&ending.answer);
        }
        if let Some(question) = &ending.question {
            let kind = QuestionKind::Agent {
                question: question.question.clone(),
            };
            return self.ask(kind, question.choices.clone());
        }
        if ending.answer.is_none() {
            return self.run_failed(&RunFailure::NothingHandedOver, ending);
        }
        if !self.waiting.is_empty() {
            // Nobody has seen the answer yet, and it may be another one now.
            let said = self.take_waiting();
            let assignment = self.inquire_with(said);
            let start = self.start_run(assignment);
            return vec![start, self.say_progress(Phase::Answering)];
        }
        self.answer_with(run)
    }

    fn answer_with(&mut self, run: RunNumber) -> Vec<Effect> {
        let Some(card) = self.answer_card() else {
            return Vec::new();
        };
        self.state = State::Answered;
        vec![
            self.say_progress(Phase::Over {
                how: "answered".to_owned(),
            }),
            Effect::Say {
                slot: Slot::Answer(run),
                message: Box::new(Message::Answer(Box::new(card))),
            },
            Effect::Mark {
                mark: Mark::Answered,
            },
            Effect::Release,
        ]
    }

    /// The card of the last answer.
    #[must_use]
    pub fn answer_card(&self) -> Option<AnswerCard> {
        let Inquiry { beside, answer } = self.inquiry.as_ref()?;
        Some(AnswerCard {
            answer: answer.clone()?,
            workplace: self.workplace.clone()?,
            agent: self.terms.agent.clone(),
            model: self.model.clone(),
            usage: self.usage,
            elapsed_ms: self.run_ms,
            beside: *beside,
            asks: self.request.author.clone(),
        })
    }

    /// What a later task of the conversation is told of this answer: the agent's words, which nobody obeys, with the question
    /// that they answer.
    #[must_use]
    pub fn as_earlier_answer(&self) -> Option<Line> {
        let answer = self.inquiry.as_ref()?.answer.as_ref()?;
        let agent = Person {
            id: PersonId(format!("agent:{}", self.terms.agent)),
            name: self.terms.agent.clone(),
            standing: Standing::Bot,
        };
        let mut text = format!(
            "To the question: {}\n\n{}",
            clip(&self.request.text, 400),
            clip(&answer.text, EARLIER_MAX_CHARS)
        );
        for source in &answer.sources {
            text.push_str("\nRead in: ");
            text.push_str(&source.in_words());
        }
        Some(Line {
            kind: LineKind::Earlier,
            also_by: self.request.writers().cloned().collect(),
            ..Line::said(LineRef(format!("answer:{}", self.id)), agent, text)
        })
    }

    /// What somebody says to a question that broke off is added to it.
    pub(super) fn ask_again(
        &mut self,
        by: &Person,
        text: &str,
        around: &Surroundings,
    ) -> Vec<Effect> {
        let said = format!("{}: {text}", by.name);
        let has_begun = matches!(
            self.state,
            State::Failed {
                retry: Next::Run { .. },
                ..
            }
        );
        let next = if has_begun {
            Next::Run {
                assignment: self.inquire_with([said]),
            }
        } else {
            self.request.text = format!("{}\n{text}", self.request.text);
            Next::Specify
        };
        self.requeue(next, around)
    }
}
