//! What the bot's own work brings back: slots, readings, runs, proofs, publications.

use super::{Next, QuestionKind, State, Surroundings, Task};
use crate::domain::{
    RunNumber,
    conversation::{Line, LineKind, Taken},
    effect::{Assignment, Effect, Mark},
    event::{Change, Ending, Event, RunFailure, WorkplaceProblem},
    message::{Decision, FailureText, Phase},
    plan::{Plan, PlanRevision},
    policy::Act,
    preferences::Origin,
    specification::{Workplace, checks_named},
};

/// The most lines of a conversation that are kept as context; the newest are kept.
const CONTEXT_MAX: usize = 200;
/// What an agent is told whose work broke off.
const INTERRUPTED: &str =
    "The run was interrupted. Look at the state of the work tree and go on where you were.";

impl Task {
    pub(super) fn slot_granted(&mut self, around: &Surroundings) -> Vec<Effect> {
        let State::Queued { next } = &self.state else {
            return Vec::new();
        };
        match next.clone() {
            Next::Specify => {
                self.state = State::Specifying;
                vec![Effect::Gather, self.say_progress(Phase::Reading)]
            }
            Next::Run { assignment } if self.is_over_ceiling() => self.ask_for_more(assignment),
            Next::Run { assignment } if self.is_out_of_time() => {
                self.ask_for_time(self.last_run, assignment, &Change::None)
            }
            Next::Run {
                assignment: Assignment::Work,
            } => {
                self.take_network(around);
                self.start_approved_work()
            }
            Next::Run { assignment } => {
                let phase = if assignment.changes_files() {
                    Phase::Preparing
                } else {
                    self.phase_of_reading()
                };
                let start = self.start_run(assignment);
                vec![start, self.say_progress(phase)]
            }
            Next::Prove { run, commit } => {
                self.state = State::Verifying {
                    run,
                    commit: commit.clone(),
                };
                vec![
                    Effect::Prove { run, commit },
                    self.say_progress(Phase::Verifying),
                ]
            }
            Next::Publish { run, commit } => {
                self.state = State::Publishing {
                    run,
                    commit: commit.clone(),
                };
                vec![
                    Effect::Publish { run, commit },
                    self.say_progress(Phase::Publishing),
                ]
            }
        }
    }

    /// Checks the approval again at the start: what it was given for has to be what would be done now, and it starts one piece of work.
    fn start_approved_work(&mut self) -> Vec<Effect> {
        let holds = self.approval_holds();
        match self.approval.as_mut() {
            Some(approval) if holds && !approval.used => approval.used = true,
            Some(_) | None => {
                self.approval = None;
                return self.show_plan();
            }
        }
        let start = self.start_run(Assignment::Work);
        vec![start, self.say_progress(Phase::Preparing)]
    }

    pub(super) fn gathered(&mut self, event: &Event, around: &Surroundings) -> Vec<Effect> {
        let Event::Gathered {
            context,
            workplace,
            found_by,
            unread,
        } = event
        else {
            return Vec::new();
        };
        if self.state != State::Specifying {
            return Vec::new();
        }
        self.take_context(context, around);
        let told = self.say_unread(unread);
        let mut effects = self.take_workplace((workplace, *found_by), around);
        effects.extend(told);
        effects
    }

    fn take_workplace(
        &mut self,
        (workplace, found_by): (&Result<Workplace, WorkplaceProblem>, Option<Origin>),
        around: &Surroundings,
    ) -> Vec<Effect> {
        if let Some(work_ms) = around.work_ms {
            self.ceilings.work_ms = work_ms;
        }
        match workplace {
            // An edit has named another place since that reading began; the one that it asked for follows.
            Ok(workplace) if !self.is_asked_for(workplace) => Vec::new(),
            Ok(workplace) => {
                self.workplace = Some(workplace.clone());
                if let Some(origin) = found_by {
                    self.chosen.repository = Some((workplace.repository.clone(), origin));
                }
                let assignment = self.first_assignment();
                let start = self.start_run(assignment);
                vec![start, self.say_progress(self.phase_of_reading())]
            }
            Err(WorkplaceProblem::Unreachable { repository, reason }) => {
                self.fail(FailureText::GivenUp {
                    effect: format!("reading {repository}"),
                    reason: reason.clone(),
                })
            }
            Err(problem) => {
                let choices = match problem {
                    WorkplaceProblem::Unclear { known }
                    | WorkplaceProblem::NotFound { known, .. } => {
                        known.iter().map(|name| name.0.clone()).collect()
                    }
                    WorkplaceProblem::NoSuchBranch { near, .. } => near.clone(),
                    WorkplaceProblem::NoSuchAgent { known, .. } => known.clone(),
                    WorkplaceProblem::Empty { .. } | WorkplaceProblem::Unreachable { .. } => {
                        Vec::new()
                    }
                };
                self.ask(
                    QuestionKind::Workplace {
                        problem: problem.clone(),
                    },
                    choices,
                )
            }
        }
    }

    /// Whether a reading is of the place that is asked for now.
    fn is_asked_for(&self, workplace: &Workplace) -> bool {
        let Workplace {
            repository,
            base_branch,
            ..
        } = workplace;
        let options = &self.options;
        let same_repository = options
            .repository
            .as_ref()
            .is_none_or(|wanted| wanted == repository);
        same_repository
            && options
                .branch
                .as_ref()
                .is_none_or(|wanted| wanted == base_branch)
    }

    /// Takes what was said, and decides line by line what is an instruction: the words of the requester, and the issue
    /// that the request is about and the place's guidance, where everybody who wrote in them may steer. The rest of the conversation was said to
    /// others. Sentences that wait were let in as instructions when they came.
    fn take_context(&mut self, context: &[Line], around: &Surroundings) {
        let subject = std::mem::take(&mut self.context)
            .into_iter()
            .filter(|line| matches!(line.kind, LineKind::Issue | LineKind::Guidance));
        let mut lines: Vec<Line> = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        for mut line in context.iter().cloned().chain(subject) {
            line.taken = self.taken(&line, around);
            add_once(&mut lines, line);
        }
        for mut line in waiting {
            line.taken = Taken::Instruction;
            add_once(&mut lines, line);
        }
        let over = lines.len().saturating_sub(CONTEXT_MAX);
        lines.drain(..over);
        self.context = lines;
    }

    fn taken(&self, line: &Line, around: &Surroundings) -> Taken {
        let requester = &self.request.author.id;
        let is_meant = match line.kind {
            LineKind::Issue | LineKind::Guidance => true,
            LineKind::Talk => line.author.id == *requester,
            // It was said to others, also where the requester said it.
            LineKind::Linked | LineKind::Earlier => false,
        };
        let policy = &around.policy;
        let may_steer = |person| policy.allows(Act::Steer, person, requester).is_ok();
        if is_meant && line.writers().all(may_steer) {
            Taken::Instruction
        } else {
            Taken::Background
        }
    }

    pub(super) fn run_started(&mut self, run: RunNumber) -> Vec<Effect> {
        // What its start had waited for is over; a run that plans goes on under the same name.
        self.put_off = None;
        if !matches!(self.state, State::Preparing { .. }) {
            return Vec::new();
        }
        self.state = State::Running { run };
        vec![
            self.say_progress(self.phase()),
            Effect::Mark {
                mark: Mark::Working,
            },
        ]
    }

    pub(super) fn run_ended(
        &mut self,
        run: RunNumber,
        ending: &Ending,
        around: &Surroundings,
    ) -> Vec<Effect> {
        self.run_ms = self.run_ms.saturating_add(ending.elapsed_ms);
        self.model = ending.model.clone().or_else(|| self.model.take());
        match self.state {
            State::Planning { .. } => {
                self.take_network(around);
                self.planning_ended(run, ending)
            }
            State::Preparing { .. } | State::Running { .. } => {
                self.session = ending.session.clone().or_else(|| self.session.take());
                self.work_ended(run, ending)
            }
            _ => Vec::new(),
        }
    }

    fn planning_ended(&mut self, run: RunNumber, ending: &Ending) -> Vec<Effect> {
        if ending.failure == Some(RunFailure::OutOfBudget) {
            let assignment = self.plan_again();
            return self.ask_for_more(assignment);
        }
        if ending.failure == Some(RunFailure::OutOfWorkTime) {
            let assignment = self.plan_again();
            return self.ask_for_time(self.last_run, assignment, &Change::None);
        }
        if let Some(failure) = &ending.failure {
            return self.run_failed(failure, ending);
        }
        if self.inquiry.is_some() {
            return self.inquiry_ended(run, ending);
        }
        if let Some(specification) = &ending.specification {
            let mut specification = specification.clone();
            for check in checks_named(&self.request.text) {
                specification.require(&check);
            }
            self.specification = Some(specification);
        }
        if let Some(question) = &ending.question {
            return self.ask(
                QuestionKind::Agent {
                    question: question.question.clone(),
                },
                question.choices.clone(),
            );
        }
        let (Some(plan), true) = (&ending.plan, self.specification.is_some()) else {
            return self.run_failed(&RunFailure::NothingHandedOver, ending);
        };
        let mut plan = plan.clone();
        plan.risks.extend(ending.remarks.iter().cloned());
        self.take_plan(&plan);
        if !self.waiting.is_empty() {
            let corrections = self.take_waiting();
            let start = self.start_run(Assignment::Revise { corrections });
            return vec![start, self.say_progress(Phase::Planning)];
        }
        if self
            .specification
            .as_ref()
            .is_some_and(|specification| specification.all_checks().is_empty())
        {
            return self.ask(QuestionKind::Check, Vec::new());
        }
        self.show_plan()
    }

    pub(super) fn take_plan(&mut self, plan: &Plan) {
        let number = self.plans.last().map_or(1, |last| last.number + 1);
        let Some(fingerprint) = self.fingerprint(plan) else {
            return;
        };
        self.plans.push(PlanRevision {
            number,
            plan: plan.clone(),
            fingerprint,
            specification: self.specification.clone(),
        });
    }

    /// Shows the last revision and waits. The fingerprint is taken of what is shown.
    pub(super) fn show_plan(&mut self) -> Vec<Effect> {
        let fingerprint = self
            .plans
            .last()
            .and_then(|last| self.fingerprint(&last.plan));
        let (Some(last), Some(fingerprint)) = (self.plans.last_mut(), fingerprint) else {
            return self.fail(FailureText::GivenUp {
                effect: "showing the plan".to_owned(),
                reason: "there is no plan".to_owned(),
            });
        };
        last.fingerprint = fingerprint;
        last.specification.clone_from(&self.specification);
        self.state = State::AwaitingApproval {
            revision: last.number,
        };
        let mut effects = self.say_plan(Decision::Open);
        effects.push(self.say_progress(Phase::Planned));
        effects.push(Effect::Mark {
            mark: Mark::NeedsYou,
        });
        effects
    }

    fn work_ended(&mut self, run: RunNumber, ending: &Ending) -> Vec<Effect> {
        if let Some(effects) = self.go_on_with_unheard(ending) {
            return effects;
        }
        if ending.failure == Some(RunFailure::OutOfBudget) {
            let assignment = self.work_again();
            return self.ask_for_more(assignment);
        }
        if ending.failure == Some(RunFailure::OutOfWorkTime) {
            self.report = ending.report.clone().or_else(|| self.report.take());
            let assignment = self.work_again();
            return self.ask_for_time(run, assignment, &ending.change);
        }
        if let Some(failure) = &ending.failure {
            return self.run_failed(failure, ending);
        }
        if let Some(question) = &ending.question {
            return self.ask(
                QuestionKind::Agent {
                    question: question.question.clone(),
                },
                question.choices.clone(),
            );
        }
        self.report = ending.report.clone().or_else(|| self.report.take());
        if !self.waiting.is_empty() {
            return self.take_next_turn();
        }
        match &ending.change {
            Change::Commit { commit, .. } => {
                self.state = State::Verifying {
                    run,
                    commit: commit.clone(),
                };
                vec![
                    Effect::Prove {
                        run,
                        commit: commit.clone(),
                    },
                    self.say_progress(Phase::Verifying),
                ]
            }
            Change::Held { held } => self.ask_about(run, held),
            Change::Refused { reason } => self.fail(FailureText::ChangeRefused {
                reason: reason.clone(),
            }),
            Change::None => self.fail(FailureText::NothingChanged {
                closing_words: ending.closing_words.clone(),
            }),
        }
    }

    pub(super) fn take_next_turn(&mut self) -> Vec<Effect> {
        let words = self.take_waiting();
        let start = self.start_run(Assignment::FollowUp { words });
        vec![start, self.say_progress(Phase::Preparing)]
    }

    pub(super) fn take_waiting(&mut self) -> Vec<String> {
        as_told(std::mem::take(&mut self.waiting))
    }

    /// What to start when work that broke off is to go on: in the same session where there is one, with the same words.
    pub(super) fn work_again(&self) -> Assignment {
        match &self.assignment {
            Some(Assignment::FollowUp { words }) => {
                let mut words = words.clone();
                if words.last().is_none_or(|last| last != INTERRUPTED) {
                    words.push(INTERRUPTED.to_owned());
                }
                Assignment::FollowUp { words }
            }
            Some(same @ (Assignment::Answer { .. } | Assignment::Rework { .. })) => same.clone(),
            Some(
                Assignment::Plan
                | Assignment::Revise { .. }
                | Assignment::Inquire { .. }
                | Assignment::Work,
            )
            | None
                if self.session.is_some() =>
            {
                Assignment::FollowUp {
                    words: vec![INTERRUPTED.to_owned()],
                }
            }
            Some(
                Assignment::Plan
                | Assignment::Revise { .. }
                | Assignment::Inquire { .. }
                | Assignment::Work,
            )
            | None => Assignment::Work,
        }
    }

    /// What to start when planning that broke off is to go on. Corrections stand nowhere else.
    pub(super) fn plan_again(&self) -> Assignment {
        match &self.assignment {
            Some(same @ (Assignment::Revise { .. } | Assignment::Inquire { .. })) => same.clone(),
            Some(
                Assignment::Plan
                | Assignment::Work
                | Assignment::Answer { .. }
                | Assignment::Rework { .. }
                | Assignment::FollowUp { .. },
            )
            | None => self.first_assignment(),
        }
    }

    fn is_over_ceiling(&self) -> bool {
        self.usage
            .cost
            .is_some_and(|cost| cost > self.ceilings.spend)
    }

    fn ask_for_more(&mut self, assignment: Assignment) -> Vec<Effect> {
        self.ask(
            QuestionKind::Budget { assignment },
            vec!["Continue".to_owned(), "Stop".to_owned()],
        )
    }

    pub(super) fn run_failed(&mut self, failure: &RunFailure, ending: &Ending) -> Vec<Effect> {
        let phase = self.phase();
        self.fail(FailureText::Run {
            phase,
            failure: failure.clone(),
            closing_words: ending.closing_words.clone(),
        })
    }
}

/// Sentences as an agent is told them, each with its writer.
pub(super) fn as_told(lines: Vec<Line>) -> Vec<String> {
    let each = lines.into_iter();
    each.map(|line| format!("{}: {}", line.author.name, line.text))
        .collect()
}

fn add_once(lines: &mut Vec<Line>, line: Line) {
    if !lines.iter().any(|known| known.reference == line.reference) {
        lines.push(line);
    }
}
