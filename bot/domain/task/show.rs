//! What a task shows of itself: cards built from what it holds.

use super::{State, Task};
use crate::domain::{
    CommitId, RunNumber,
    conversation::{Line, LineKind, Person, Taken},
    effect::{Assignment, Effect, Mark, Slot},
    event::{Event, Publication},
    message::{
        Decision, FailureCard, FailureText, Message, Phase, PlanCard, Progress, QuestionCard,
        ResultCard,
    },
    plan::{self, ListDifference, PlanRevision},
    proof::{Proof, judge},
    waiting::PutOff,
};

use super::state::{Next, Question, QuestionKind};

impl Task {
    pub(super) fn say_progress_queued(&self, ahead: u32) -> Effect {
        self.say_progress(if ahead == 0 {
            Phase::Reading
        } else {
            Phase::Queued { ahead }
        })
    }

    pub(super) fn say_progress(&self, phase: Phase) -> Effect {
        Effect::Say {
            slot: Slot::Progress(self.progress),
            message: Box::new(Message::Progress(self.progress_in(phase))),
        }
    }

    fn progress_in(&self, phase: Phase) -> Progress {
        let put_off = self.put_off.as_deref();
        Progress {
            put_off: put_off
                .filter(|(within, _)| *within == phase)
                .map(|(_, put_off)| put_off.clone()),
            phase,
            purpose: self.purpose(),
            title: self
                .specification
                .as_ref()
                .map(|specification| specification.title.clone()),
            workplace: self.workplace.clone(),
            steps: self
                .plans
                .last()
                .map(|revision| revision.plan.steps.clone())
                .unwrap_or_default(),
            live: None,
            checking: None,
            taken_up: self.taken_up_in.as_deref() == Some(self.state.name()),
            spent: self.usage,
        }
    }

    /// Hears that the work has stopped for a while without anybody of the task.
    pub(super) fn work_told(&mut self, event: &Event) -> Vec<Effect> {
        if let Event::PutOff(put_off) = event {
            self.wait_for_platform(put_off)
        } else {
            self.take_up()
        }
    }

    /// Tells people, in the status message, who lets the work wait and until when. A later pause takes the place of this one;
    /// what has begun or ended meanwhile does not wait.
    fn wait_for_platform(&mut self, put_off: &PutOff) -> Vec<Effect> {
        let waits = match put_off.run {
            Some(run) => self.is_live(run) && self.state != State::Running { run },
            None => self.state == State::Specifying,
        };
        if !waits {
            return Vec::new();
        }
        self.put_off = Some(Box::new((self.phase(), put_off.clone())));
        vec![self.say_progress(self.phase())]
    }

    /// Tells people, in the status message, why it may have been quiet. Nothing is told where nothing was going on.
    fn take_up(&mut self) -> Vec<Effect> {
        if self.state.live_run().is_none() && self.state != State::Specifying {
            return Vec::new();
        }
        self.put_off = None;
        self.taken_up_in = Some(self.state.name().to_owned());
        vec![self.say_progress(self.phase())]
    }

    /// The status message of this moment, without what a live run would add.
    #[must_use]
    pub fn progress_now(&self) -> Progress {
        self.progress_in(self.phase())
    }

    /// The part of the work that the task is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Queued { .. } => Phase::Queued { ahead: 0 },
            State::Specifying => Phase::Reading,
            State::Planning { .. } => self.phase_of_reading(),
            State::AwaitingApproval { .. } => Phase::Planned,
            State::Preparing { .. } => Phase::Preparing,
            State::Running { .. } if self.rework_rounds > 0 => Phase::Reworking {
                round: self.rework_rounds,
            },
            State::Running { .. } => Phase::Working,
            State::AwaitingInput { .. } => Phase::Waiting,
            State::Verifying { .. } => Phase::Verifying,
            State::Publishing { .. } => Phase::Publishing,
            State::InReview { .. } | State::Completed { .. } => Phase::Over {
                how: "done".to_owned(),
            },
            State::Answered => Phase::Over {
                how: "answered".to_owned(),
            },
            State::Failed { .. } => Phase::Over {
                how: "failed".to_owned(),
            },
            State::Canceled { .. } => Phase::Over {
                how: "cancelled".to_owned(),
            },
            State::Expired => Phase::Over {
                how: "expired".to_owned(),
            },
        }
    }

    pub(super) fn say_plan(&self, decision: Decision) -> Vec<Effect> {
        self.plan_card(decision)
            .map(|card| Effect::Say {
                slot: Slot::Plan(card.revision),
                message: Box::new(Message::PlanCard(Box::new(card))),
            })
            .into_iter()
            .collect()
    }

    /// The card of the last revision.
    #[must_use]
    pub fn plan_card(&self, decision: Decision) -> Option<PlanCard> {
        let last = self.plans.last()?;
        let before = self.plans.iter().rev().nth(1);
        let heard = self.whose_words();
        Some(PlanCard {
            revision: last.number,
            specification: self.specification.clone()?,
            instructed_by: names(&heard.instructing),
            background_by: names(&heard.background),
            described_by: names(&heard.describing),
            workplace: self.workplace.clone()?,
            plan: last.plan.clone(),
            changes: before
                .map(|before| changes_since(before, last))
                .unwrap_or_default(),
            agent: self.terms.agent.clone(),
            chosen: self.chosen.clone(),
            model: self.terms.model.clone().or_else(|| self.model.clone()),
            budget: self.terms.budget,
            work_ms: (self.ceilings.work_ms < i64::MAX).then_some(self.ceilings.work_ms),
            network: self.network.terms.summary.clone(),
            network_is_open: self.network.terms.open,
            network_beyond: self.network.terms.beyond.clone(),
            has_issue: self.about.is_some(),
            decision,
            asks: self.request.author.clone(),
        })
    }

    /// Whose words were taken as what, each person once.
    fn whose_words(&self) -> WhoseWords<'_> {
        let mut heard = WhoseWords::default();
        for writer in self.request.writers() {
            add_once(&mut heard.instructing, writer);
        }
        let taken_as = |taken| self.context.iter().filter(move |line| line.taken == taken);
        for writer in taken_as(Taken::Instruction).flat_map(Line::writers) {
            add_once(&mut heard.instructing, writer);
        }
        for line in taken_as(Taken::Background) {
            for writer in line.writers() {
                match line.kind {
                    LineKind::Talk | LineKind::Guidance | LineKind::Linked | LineKind::Earlier => {}
                    LineKind::Issue => add_once(&mut heard.describing, writer),
                }
                // Somebody of the same name is somebody else.
                if !heard.instructing.iter().any(|one| one.id == writer.id) {
                    add_once(&mut heard.background, writer);
                }
            }
        }
        heard
    }

    pub(super) fn ask(&mut self, kind: QuestionKind, choices: Vec<String>) -> Vec<Effect> {
        self.questions += 1;
        let question = Question {
            number: self.questions,
            kind,
            choices,
        };
        let say = self.say_question(&question, None);
        self.state = State::AwaitingInput { question };
        vec![
            say,
            self.say_progress(Phase::Waiting),
            Effect::Mark {
                mark: Mark::NeedsYou,
            },
        ]
    }

    pub(super) fn say_question(
        &self,
        question: &Question,
        answered: Option<(Person, String)>,
    ) -> Effect {
        Effect::Say {
            slot: Slot::Question(question.number),
            message: Box::new(Message::Question(QuestionCard {
                answered,
                ..self.question_card(question)
            })),
        }
    }

    /// The question without its answers, because the task ended.
    pub(super) fn say_question_closed(&self, question: &Question) -> Effect {
        Effect::Say {
            slot: Slot::Question(question.number),
            message: Box::new(Message::Question(QuestionCard {
                is_closed: true,
                ..self.question_card(question)
            })),
        }
    }

    pub(super) fn question_card(&self, question: &Question) -> QuestionCard {
        QuestionCard {
            number: question.number,
            text: question.kind.text(self.usage, &self.ceilings),
            choices: question.choices.clone(),
            asks: self.request.author.clone(),
            answered: None,
            is_closed: false,
        }
    }

    pub(super) fn result_card(
        &self,
        publication: &Publication,
        proof: &Proof,
    ) -> Option<ResultCard> {
        let specification = self.specification.as_ref()?;
        let workplace = self.workplace.as_ref()?;
        let requirements = judge(specification, self.report.as_ref(), proof);
        Some(ResultCard {
            title: specification.title.clone(),
            publication: publication.clone(),
            repository: workplace.repository.clone(),
            base_branch: workplace.base_branch.clone(),
            whole: proof.is_whole(&requirements),
            requirements,
            checks: proof.checks.clone(),
            weakenings: proof.weakenings.clone(),
            files: proof.files.clone(),
            pictures: proof.pictures.clone(),
            notices: proof.notices.clone(),
            not_done: self
                .report
                .as_ref()
                .map(|report| report.not_done.clone())
                .unwrap_or_default(),
            rework_rounds: self.rework_rounds,
            usage: self.usage,
            elapsed_ms: self.run_ms,
            asks: self.request.author.clone(),
        })
    }

    /// How each requirement stands by the last proof; empty before there is one.
    #[must_use]
    pub fn judged(&self) -> Vec<crate::domain::proof::Judged> {
        let both = self.specification.as_ref().zip(self.proof.as_ref());
        both.map(|(specification, proof)| judge(specification, self.report.as_ref(), proof))
            .unwrap_or_default()
    }

    /// The card of the last result, where there is one.
    #[must_use]
    pub fn last_result(&self) -> Option<ResultCard> {
        self.result_card(self.publication.as_ref()?, self.proof.as_ref()?)
    }

    /// The result as it would be if this commit were published now; the pull request's text is made from it before it exists.
    #[must_use]
    pub fn result_of(&self, commit: &CommitId) -> Option<ResultCard> {
        let publication = Publication {
            commit: commit.clone(),
            branch: self.branch(),
            pull_request: None,
            base: crate::domain::event::BaseStanding::Same,
        };
        self.result_card(&publication, self.proof.as_ref()?)
    }

    pub(super) fn whisper(to: &Person, message: Message) -> Effect {
        Effect::Whisper {
            to: to.clone(),
            message: Box::new(message),
        }
    }

    /// Ends the task as failed, says why, and remembers what Retry would do.
    pub(super) fn fail(&mut self, text: FailureText) -> Vec<Effect> {
        let retry = self.retry_of_state();
        let card = FailureCard {
            text: text.clone(),
            agent: self.terms.agent.clone(),
            refused_hosts: self.network.open_hosts(self.last_run),
            beside: self.is_beside(),
            can_retry: true,
            spent: self.usage,
            asks: self.request.author.clone(),
        };
        self.state = State::Failed {
            failure: text,
            retry,
        };
        vec![
            self.say_progress(Phase::Over {
                how: "failed".to_owned(),
            }),
            self.note(Message::Failed(card)),
            Effect::Mark { mark: Mark::Gaps },
        ]
    }

    fn retry_of_state(&self) -> Next {
        let again = |run: &RunNumber, commit: &CommitId| (*run, commit.clone());
        match &self.state {
            State::Verifying { run, commit } => {
                let (run, commit) = again(run, commit);
                Next::Prove { run, commit }
            }
            State::Publishing { run, commit } => {
                let (run, commit) = again(run, commit);
                Next::Publish { run, commit }
            }
            State::Preparing { .. } | State::Running { .. } => Next::Run {
                assignment: self.work_again(),
            },
            State::Planning { .. } => match self.plan_again() {
                assignment @ Assignment::Revise { .. } => Next::Run { assignment },
                Assignment::Inquire { added } if !added.is_empty() => Next::Run {
                    assignment: Assignment::Inquire { added },
                },
                Assignment::Plan
                | Assignment::Inquire { .. }
                | Assignment::Work
                | Assignment::Answer { .. }
                | Assignment::Rework { .. }
                | Assignment::FollowUp { .. } => Next::Specify,
            },
            State::Queued { next } => next.clone(),
            State::Failed { retry, .. } => retry.clone(),
            State::Specifying
            | State::AwaitingApproval { .. }
            | State::AwaitingInput { .. }
            | State::InReview { .. }
            | State::Completed { .. }
            | State::Answered
            | State::Canceled { .. }
            | State::Expired => Next::Specify,
        }
    }
}

/// What is different from an earlier revision, the specification first.
fn changes_since(before: &PlanRevision, now: &PlanRevision) -> Vec<ListDifference> {
    let both = before
        .specification
        .as_ref()
        .zip(now.specification.as_ref());
    let mut changes = both
        .map(|(before, now)| plan::specification_difference(before, now))
        .unwrap_or_default();
    changes.extend(plan::difference(&before.plan, &now.plan));
    changes
}

/// People, by what their words were taken as.
#[derive(Default)]
struct WhoseWords<'a> {
    instructing: Vec<&'a Person>,
    background: Vec<&'a Person>,
    /// Who wrote the issue, where it was taken as background.
    describing: Vec<&'a Person>,
}

fn add_once<'a>(people: &mut Vec<&'a Person>, person: &'a Person) {
    if !people.iter().any(|known| known.id == person.id) {
        people.push(person);
    }
}

fn names(people: &[&Person]) -> Vec<String> {
    people.iter().map(|person| person.name.clone()).collect()
}
