//! The task: a pure machine that turns events into effects.
//!
//! News of a run that is not the live one is dropped in one place ([`Task::handle`]); every sentence that a person
//! says yields at least one effect.

mod answers;
mod attached;
mod edits;
mod endings;
mod feedback;
mod holding;
mod inquiry;
mod issue;
mod naming;
mod network;
mod people;
mod places;
mod rewriting;
mod show;
mod state;
mod steering;
mod time;
mod waits;
mod work;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use places::PLACES_MAX;
pub use state::{Next, Question, QuestionKind, State};
pub use time::{FINISH, WorkTime};
pub use waits::Patience;

use super::{
    CommitId, RunNumber, TaskId, Timestamp,
    attachment::ReplyFile,
    budget::{Ceilings, Usage},
    command::{Options, UnknownOption},
    conversation::{ConversationId, Line, Place, Road, SubjectId},
    edit::Proposal,
    effect::{Assignment, Effect, Slot},
    event::{Event, Happened, Publication},
    feedback::Feedback,
    held::HeldDecision,
    inquiry::Inquiry,
    kept::Kept,
    message::Message,
    network::{NetworkTerms, TaskNetwork},
    plan::{Approval, Fingerprint, PlanRevision, Terms},
    policy::Policy,
    preferences::{Chosen, Noise},
    proof::{Proof, Report},
    specification::{SpecificationDraft, Workplace},
};

/// The most sentences that wait for the next turn of an agent; later ones push out none, they are refused with a sentence.
pub const WAITING_WORDS_MAX: usize = 50;

/// What the machine may look at beside the event: who may do what, and how busy the machine is.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Who may do what.
    pub policy: Policy,
    /// How many tasks would go first if this one had to wait now; zero means that it starts at once.
    pub ahead: u32,
    /// The network policy of the task's repository as it is now; none while that is not known.
    pub network: Option<NetworkTerms>,
    /// How long a task of its repository may work, in milliseconds; none while that is not known.
    pub work_ms: Option<i64>,
}

/// One piece of work asked for in one conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its short name.
    pub id: TaskId,
    /// Where it was asked for.
    pub conversation: ConversationId,
    /// Where else it is talked about.
    #[serde(default)]
    pub also: Vec<Place>,
    /// Which of its conversations are out of reach, because a surface has taken access away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<ConversationId>,
    /// What it is about, where that stands elsewhere.
    #[serde(default)]
    pub about: Option<SubjectId>,
    /// Since when an issue is being made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Timestamp>,
    /// The question that it answers; none where something is to be different afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inquiry: Option<Inquiry>,
    /// The request, as written.
    pub request: Line,
    /// What the request sets.
    pub options: Options,
    /// When it was asked for.
    pub opened_at: Timestamp,
    /// Agent, model, ceiling and network policy; part of what is approved.
    pub terms: Terms,
    /// Ceilings.
    pub ceilings: Ceilings,
    /// What others said, as far as it was read.
    pub context: Vec<Line>,
    /// Repository, branch and commit, once they are known.
    pub workplace: Option<Workplace>,
    /// What is to be done, once it is written.
    pub specification: Option<SpecificationDraft>,
    /// Every revision that was shown.
    pub plans: Vec<PlanRevision>,
    /// The approval in force.
    pub approval: Option<Approval>,
    /// Number of the last run; 0 before the first.
    pub last_run: RunNumber,
    /// What the last run was asked to do, so that a retry asks for the same.
    #[serde(default)]
    pub assignment: Option<Assignment>,
    /// The run whose status message is edited.
    pub progress: RunNumber,
    /// The agent's own name of its session, for going on.
    pub session: Option<String>,
    /// The last report of the agent.
    pub report: Option<Report>,
    /// The last proof.
    pub proof: Option<Proof>,
    /// Where the work is, once it was published.
    pub publication: Option<Publication>,
    /// The commit that stands on the remote; the next one goes on top of it.
    pub pushed: Option<CommitId>,
    /// Commits that were held back; each leaves only by a stored decision.
    #[serde(default)]
    pub was_held: Vec<CommitId>,
    /// What people decided about held changes, in order.
    #[serde(default)]
    pub held_decisions: Vec<HeldDecision>,
    /// How often this result went back to the agent.
    pub rework_rounds: u8,
    /// Sentences that wait for the next turn.
    pub waiting: Vec<Line>,
    /// What was said to interrupt the run at work, in order: all of it, until it is known what its agent has heard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steering: Vec<Line>,
    /// Sentences that steer nothing, by people whom policy does not allow to steer.
    pub bystanders: Vec<Line>,
    /// What was used, of all runs.
    pub usage: Usage,
    /// Runs that were started and whose spend is not in the sum yet.
    #[serde(default)]
    pub uncounted: Vec<RunNumber>,
    /// How long the runs took together, in milliseconds.
    pub run_ms: i64,
    /// The model, as the agent named it last.
    pub model: Option<String>,
    /// How many questions were asked.
    pub questions: u32,
    /// How many notes were said.
    pub notes: u32,
    /// What its sandboxes may reach, were refused, and were allowed by people.
    #[serde(default)]
    pub network: TaskNetwork,
    /// The first line of the request as it was written first, where it was edited since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_after: Option<String>,
    /// Changes of the request since it was approved, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposals: Vec<Proposal>,
    /// Files and links of which people were told that they were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told_unread: Vec<String>,
    /// Files of replies, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_files: Vec<ReplyFile>,
    /// What people think of its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Feedback>,
    /// What the settings of people chose for it, and not the request.
    #[serde(default)]
    pub chosen: Chosen,
    /// How much is said about it where it was asked for.
    #[serde(default)]
    pub noise: Noise,
    /// Whether replies without a mention are left alone.
    pub muted: bool,
    /// What became of its work when it was cancelled.
    #[serde(default)]
    pub kept: Kept,
    /// How long it has worked.
    #[serde(default)]
    pub time: WorkTime,
    /// The beginning of the wait that people were reminded of.
    #[serde(default)]
    pub reminded: Option<Timestamp>,
    /// The name of the state in which the bot was started again last; people are told while the task is in it.
    #[serde(default)]
    pub taken_up_in: Option<String>,
    /// The part of the work that was put off last, and until when; people are told while the task is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off: Option<Box<(super::message::Phase, super::waiting::PutOff)>>,
    /// When the state last changed, or when another wait followed one of the same name.
    pub changed_at: Timestamp,
    /// How it stands.
    pub state: State,
}

/// What opens a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// Its short name.
    pub id: TaskId,
    /// Where it was asked for.
    pub conversation: ConversationId,
    /// The request.
    pub request: Line,
    /// What the request points at and may not say itself: an issue by people who may not give instructions.
    pub subject: Option<Line>,
    /// What the place has written down for agents.
    pub guidance: Vec<Line>,
    /// What the conversation is about, where that stands elsewhere.
    pub about: Option<SubjectId>,
    /// Whether it is a question that is only answered.
    pub inquiry: Option<Inquiry>,
    /// What the request sets.
    pub options: Options,
    /// Agent, model, ceiling and network policy.
    pub terms: Terms,
    /// Ceilings.
    pub ceilings: Ceilings,
}

impl Task {
    /// Opens a task for a request. The first words are said at once, also when it has to wait.
    #[must_use]
    pub fn open(
        opening: Opening,
        at: Timestamp,
        surroundings: &Surroundings,
    ) -> (Self, Vec<Effect>) {
        let unknown = opening.options.unknown.clone();
        let mut task = Self {
            id: opening.id,
            conversation: opening.conversation,
            also: Vec::new(),
            lost: Vec::new(),
            filing: None,
            about: opening.about,
            inquiry: opening.inquiry,
            request: opening.request,
            options: opening.options,
            opened_at: at,
            terms: opening.terms,
            ceilings: opening.ceilings,
            context: opening
                .guidance
                .into_iter()
                .chain(opening.subject)
                .collect(),
            workplace: None,
            specification: None,
            plans: Vec::new(),
            approval: None,
            last_run: RunNumber(0),
            assignment: None,
            progress: RunNumber(0),
            session: None,
            report: None,
            proof: None,
            publication: None,
            pushed: None,
            was_held: Vec::new(),
            held_decisions: Vec::new(),
            rework_rounds: 0,
            waiting: Vec::new(),
            steering: Vec::new(),
            bystanders: Vec::new(),
            usage: Usage::default(),
            uncounted: Vec::new(),
            run_ms: 0,
            model: None,
            questions: 0,
            notes: 0,
            network: TaskNetwork::default(),
            named_after: None,
            proposals: Vec::new(),
            told_unread: Vec::new(),
            reply_files: Vec::new(),
            chosen: Chosen::default(),
            noise: Noise::default(),
            feedback: Vec::new(),
            muted: false,
            kept: Kept::default(),
            time: WorkTime::default(),
            reminded: None,
            taken_up_in: None,
            put_off: None,
            changed_at: at,
            state: State::Queued {
                next: Next::Specify,
            },
        };
        let effects = task.begin(unknown, surroundings);
        (task, effects)
    }

    /// The first words, and what the request asks for at once.
    fn begin(&mut self, unknown: Vec<UnknownOption>, surroundings: &Surroundings) -> Vec<Effect> {
        let mut effects = vec![
            Effect::Mark {
                mark: super::effect::Mark::Accepted,
            },
            self.say_progress_queued(surroundings.ahead),
        ];
        if let Some(team) = self.options.issue_in.clone() {
            let (by, at) = (self.request.author.clone(), self.opened_at);
            effects.extend(self.file_issue(&by, (Some(&team), None), at));
        }
        if !unknown.is_empty() {
            effects.push(Effect::Whisper {
                to: self.request.author.clone(),
                message: Box::new(Message::OptionHints { unknown }),
            });
        }
        effects
    }

    /// Takes an event and says what to do about it.
    pub fn handle(&mut self, happened: &Happened, surroundings: &Surroundings) -> Vec<Effect> {
        let before = (self.state.name(), self.state.wait());
        self.count(&happened.event);
        self.count_time(happened.at);
        let effects = self.react(happened, surroundings);
        self.keep_unheard();
        self.count_time(happened.at);
        if (self.state.name(), self.state.wait()) != before {
            self.changed_at = happened.at;
            self.put_off = None;
        }
        effects
    }

    fn react(&mut self, happened: &Happened, around: &Surroundings) -> Vec<Effect> {
        match &happened.event {
            Event::Said {
                line,
                command,
                options,
                mentioned,
            } => self.said(line, command, options, *mentioned, happened.at, around),
            Event::Reacted {
                by,
                meaning,
                revision,
            } => self.reacted(by, *meaning, *revision, happened.at, around),
            Event::Approved { .. }
            | Event::Corrected { .. }
            | Event::PlanEdited { .. }
            | Event::RepositoryChosen { .. } => self.plan_decided(happened, around),
            Event::Edited { .. } | Event::Deleted { .. } | Event::ProposalSettled { .. } => {
                self.reworded(happened, around)
            }
            Event::CancelAsked { by, road } => self.cancel_asked(by, *road, around),
            Event::RetryAsked { by } => self.retry_asked(by, around),
            Event::Rated { by, opinion } => self.rated(by, *opinion, happened.at, around),
            Event::Answered { by, question, text } => {
                let how = (Road::Button, happened.at);
                self.answered(by, *question, text, how, around)
            }
            Event::NetworkDecided { .. } | Event::NetworkRefused { .. } => {
                self.network_told(happened, around)
            }
            Event::Joined { .. }
            | Event::PlacesLost { .. }
            | Event::IssueWanted { .. }
            | Event::IssueFiled { .. }
            | Event::IssueNotFiled { .. }
            | Event::IssueMoved { .. }
            | Event::IssueRead { .. } => self.placed(happened, around),
            Event::SlotGranted => self.slot_granted(around),
            Event::Gathered { .. } => self.gathered(&happened.event, around),
            Event::RunStarted { run }
            | Event::FilesGone { run, .. }
            | Event::RunEnded { run, .. }
            | Event::Proved { run, .. }
            | Event::ProofFailed { run, .. }
            | Event::Published { run, .. }
            | Event::PublishRefused { run, .. } => {
                if self.is_live(*run) {
                    self.run_told(*run, &happened.event, around)
                } else {
                    Vec::new()
                }
            }
            Event::PullRequestEnded { merged, by } => self.pull_request_ended(*merged, by),
            Event::Stopped {
                confirmed, kept, ..
            } => self.stopped(*confirmed, kept),
            Event::EffectGivenUp { effect, reason } => self.effect_given_up(effect, reason),
            Event::Unsaid { what, reason } => self.unsaid(what, reason),
            Event::TakenUp | Event::PutOff(_) => self.work_told(&happened.event),
            Event::TimeLow
            | Event::TimeUp
            | Event::Unanswered { .. }
            | Event::WaitedTooLong { .. } => self.time_told(happened),
        }
    }

    /// Hears of the live run.
    fn run_told(&mut self, run: RunNumber, event: &Event, around: &Surroundings) -> Vec<Effect> {
        match event {
            Event::RunStarted { .. } => self.run_started(run),
            Event::FilesGone {
                files, too_large, ..
            } => self.files_gone(files, too_large),
            Event::RunEnded { ending, .. } => self.run_ended(run, ending, around),
            Event::Proved { proof, .. } => self.proved(run, proof),
            Event::ProofFailed { reason, .. } => self.proof_failed(reason),
            Event::Published { publication, .. } => self.published(run, publication),
            Event::PublishRefused { problem, .. } => self.publish_refused(problem),
            _ => Vec::new(),
        }
    }

    /// Whether news of this run still matter.
    fn is_live(&self, run: RunNumber) -> bool {
        self.state.live_run() == Some(run)
    }

    /// Adds what runs spent to the task's sum, once for each run, by whichever road its end is told: also where the task
    /// went on without it.
    fn count(&mut self, event: &Event) {
        let spent = if let Event::RunEnded { run, ending } = event {
            vec![(*run, ending.usage)]
        } else if let Event::Stopped { spent, .. } = event {
            let runs = spent.iter();
            runs.map(|spend| (spend.run, spend.usage)).collect()
        } else {
            return;
        };
        for (run, usage) in spent {
            let before = self.uncounted.len();
            self.uncounted.retain(|uncounted| *uncounted != run);
            if self.uncounted.len() < before {
                self.usage = self.usage.plus(usage);
            }
        }
    }

    /// Starts the next run. The only place where run numbers are made.
    fn start_run(&mut self, assignment: Assignment) -> Effect {
        self.last_run = RunNumber(self.last_run.0 + 1);
        self.assignment = Some(assignment.clone());
        let run = self.last_run;
        self.uncounted.push(run);
        self.hand_files_to(run);
        self.state = if assignment.changes_files() {
            State::Preparing { run }
        } else {
            State::Planning { run }
        };
        Effect::StartRun { run, assignment }
    }

    /// What approving the last revision would approve now.
    #[must_use]
    pub fn fingerprint(&self, plan: &super::plan::Plan) -> Option<Fingerprint> {
        let specification = self.whole_specification()?;
        Fingerprint::of(&specification, plan, &self.terms)
    }

    /// The specification with its context, once draft and workplace are known.
    #[must_use]
    pub fn whole_specification(&self) -> Option<super::specification::Specification> {
        Some(super::specification::Specification {
            draft: self.specification.clone()?,
            context: self.context.clone(),
            workplace: self.workplace.clone()?,
        })
    }

    /// Whether the approval in force covers what would be done now.
    #[must_use]
    pub fn approval_holds(&self) -> bool {
        let Some((approval, revision)) = self.approval.as_ref().zip(self.plans.last()) else {
            return false;
        };
        approval.revision == revision.number
            && self.fingerprint(&revision.plan).as_ref() == Some(&approval.fingerprint)
    }

    fn note(&mut self, message: Message) -> Effect {
        self.notes += 1;
        Effect::Say {
            slot: Slot::Note(self.notes),
            message: Box::new(message),
        }
    }
}
