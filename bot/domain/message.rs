//! Everything that is ever said, as data. The words stand in `templates/messages`, one file a message.

mod applied;
mod failed;
mod live;
mod preferred;
mod result;

use serde::{Deserialize, Serialize};

pub use super::home::TaskLine;
use super::{
    Timestamp,
    attachment::{Refused, UnreadLink},
    budget::{MicroDollars, Usage},
    command::UnknownOption,
    conversation::{Person, PersonId, Road},
    edit::ProposalCard,
    event::{FilingProblem, WorkplaceProblem},
    feedback::Opinion,
    held::HeldChange,
    inquiry::{AnswerCard, Purpose},
    kept::Kept,
    network::{NetworkDecision, NetworkEntry},
    plan::{ListDifference, Plan},
    plan_edit::EditRefusal,
    policy::{Act, Refusal},
    preferences::{Chosen, Preferences, PreferencesOf},
    specification::{SpecificationDraft, Workplace},
    waiting::{Asked, Made, PutOff, Reminder, TimeNote},
};

pub use applied::{AppliedTerms, Because, LimitsCard, Used, WhyCard};
pub use failed::{FailureCard, FailureText};
pub use live::{CheckedTree, Checking, Live, LiveStanding, LiveStep, Trouble};
pub use preferred::SettingsCard;
pub use result::ResultCard;

/// Everything that is ever said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum Message {
    /// The one status message.
    Progress(Progress),
    /// A plan, to be decided on.
    PlanCard(Box<PlanCard>),
    /// Something only a person can answer.
    Question(QuestionCard),
    /// Hosts that a sandbox was refused, to be decided on.
    Network(Box<NetworkCard>),
    /// A change of the request, to be decided on.
    Proposal(Box<ProposalCard>),
    /// The end of a stretch of work.
    Result(Box<ResultCard>),
    /// The answer to a question.
    Answer(Box<AnswerCard>),
    /// The end of a task that did not work.
    Failed(FailureCard),
    /// The confirmation of a cancel.
    Canceled {
        /// Who asked for it.
        by: Person,
        /// How.
        road: Road,
        /// Whether the engine confirmed that everything is gone.
        confirmed: bool,
        /// The branch on the remote that stays, where something was pushed before.
        pushed_branch: Option<String>,
        /// The branch that may stand on the remote, where it was being pushed just then.
        #[serde(default)]
        unsure_branch: Option<String>,
        /// What became of the work that was not pushed.
        #[serde(default)]
        kept: Kept,
        /// What it was for.
        #[serde(default)]
        purpose: Purpose,
    },
    /// The pull request was merged or closed.
    PullRequestEnded {
        /// Whether it was merged.
        merged: bool,
        /// Who did it; empty where nobody says so.
        by: String,
    },
    /// The time that a task may work comes to its end.
    TimeLow(TimeNote),
    /// Somebody is still waited for.
    Reminder(Reminder),
    /// Nobody decided for too long.
    Expired {
        /// What nobody decided on; none in what an earlier version stored.
        #[serde(default)]
        asked: Option<Asked>,
        /// The branch on the remote that stays, where something was pushed before.
        #[serde(default)]
        pushed_branch: Option<String>,
        /// What became of the work that was not pushed.
        #[serde(default)]
        kept: Kept,
    },
    /// An act was refused.
    NotAllowed {
        /// What was wanted.
        act: Act,
        /// Why not.
        refusal: Refusal,
    },
    /// An approval came for a plan that is not the last one, or for none.
    StaleApproval {
        /// What was approved.
        seen: u32,
        /// The revision that waits, where one does.
        current: Option<u32>,
    },
    /// A decision came about a host that was decided about already.
    NetworkSettled {
        /// Which.
        host: String,
        /// What was decided.
        decision: NetworkDecision,
    },
    /// A decision came about a host that was not refused here.
    NetworkUnknown {
        /// Which, where it was named.
        host: String,
    },
    /// A cancel or retry came when there is nothing to cancel or retry.
    NothingToDo {
        /// How the task stands, in words.
        stands: String,
        /// What was wanted.
        wanted: String,
        /// What the task is for.
        #[serde(default)]
        purpose: Purpose,
    },
    /// Somebody edited a request before anything was made of it.
    EditTaken {
        /// What will be made of it: a plan, or an answer.
        #[serde(default)]
        purpose: Purpose,
    },
    /// How somebody's settings and those of a channel stand.
    Settings(Box<SettingsCard>),
    /// Settings were stored.
    SettingsKept {
        /// Whose.
        of: PreferencesOf,
        /// What they are now.
        preferences: Preferences,
    },
    /// Files of the request do not reach the agent.
    FilesRefused {
        /// Which, and why.
        files: Vec<Refused>,
    },
    /// Links of the request lead to what could not be read.
    LinksUnread {
        /// Which.
        links: Vec<UnreadLink>,
    },
    /// An edit of a plan changed nothing.
    EditRefused {
        /// Why.
        why: Box<EditRefusal>,
    },
    /// Somebody said what they think of a result, or of an answer.
    Thanks {
        /// What they think.
        opinion: Opinion,
        /// Whether they thought something else before.
        changed: bool,
        /// What was judged: a result, or an answer.
        #[serde(default)]
        purpose: Purpose,
    },
    /// An issue was made for the task.
    IssueFiled {
        /// Its name.
        name: String,
        /// Its page.
        url: String,
    },
    /// No issue was made for the task.
    IssueNotFiled {
        /// Why not.
        problem: FilingProblem,
    },
    /// A surface has taken access away, and the task goes on without it.
    PlaceLost {
        /// The surface.
        by: Person,
    },
    /// The issue was edited, and its words of now are not only by people who may give instructions.
    EditFenced {
        /// Who edited it.
        by: Person,
        /// Whose words in it are none of an instruction.
        strangers: Vec<String>,
    },
    /// Words that look like options and are none.
    OptionHints {
        /// Which.
        unknown: Vec<UnknownOption>,
    },
    /// The mention had nothing in it.
    NothingAsked,
    /// Somebody wrote `ask`, and no question.
    NothingToAnswer,
    /// How to talk to the bot.
    Help,
    /// What applies to whoever asks, and what says so.
    Why(Box<WhyCard>),
    /// The ceilings that apply, and what of them is used.
    Limits(Box<LimitsCard>),
    /// There are no experts, and what there is instead.
    Experts {
        /// The agents that could work now.
        agents: Vec<String>,
    },
    /// What somebody asked for in a form, where its task begins.
    Requested {
        /// Who.
        by: Person,
        /// The words.
        text: String,
    },
    /// What somebody asked for in a form cannot be said where they wanted it.
    CannotPost {
        /// The words.
        text: String,
    },
    /// Somebody made a request of something that is one already.
    AlreadyAsked {
        /// The task that it is the request of.
        task: TaskLine,
    },
    /// Tasks of a person, or of everybody.
    TaskList {
        /// The tasks, newest first.
        tasks: Vec<TaskLine>,
    },
    /// What somebody said or pressed was given up.
    NotHandled {
        /// What an operator finds it by.
        reference: String,
    },
    /// What is stored of a task cannot be read, so nothing more happens to it.
    Unreadable {
        /// Who asked for it.
        asks: PersonId,
        /// What an operator finds it by.
        reference: String,
    },
    /// An effect was given up.
    GivenUp {
        /// Which, in words.
        effect: String,
        /// The last error.
        reason: String,
    },
}

/// In which part of the work a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Waits for its turn.
    Queued {
        /// How many tasks go before it.
        ahead: u32,
    },
    /// Conversation and repository are read.
    Reading,
    /// The agent writes specification and plan.
    Planning,
    /// The agent looks for the answer to a question.
    Answering,
    /// The plan is there.
    Planned,
    /// The sandbox is made ready.
    Preparing,
    /// The agent works.
    Working,
    /// The agent mends what the host saw to be untrue.
    Reworking {
        /// Which round.
        round: u8,
    },
    /// The clean container runs the checks.
    Verifying,
    /// Push and pull request.
    Publishing,
    /// The agent has asked something; nothing runs.
    Waiting,
    /// It is over; the result says the rest.
    Over {
        /// How, in a word: `done`, `failed`, `cancelled`.
        how: String,
    },
}

/// The status message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The part of the work.
    pub phase: Phase,
    /// What the task is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The title, once there is one.
    pub title: Option<String>,
    /// Repository and branch, once they are known.
    pub workplace: Option<Workplace>,
    /// The steps of the last plan; empty before there is one.
    #[serde(default)]
    pub steps: Vec<String>,
    /// What the live run says; none while nothing runs.
    pub live: Option<Live>,
    /// What the clean container runs at this moment; none while it does not run, and where that is not told.
    #[serde(default)]
    pub checking: Option<Checking>,
    /// What the work waits for, where a platform has asked for a pause.
    #[serde(default)]
    pub put_off: Option<PutOff>,
    /// Whether the bot was started again in this part of the work, and took it up where it was.
    #[serde(default)]
    pub taken_up: bool,
    /// What was spent so far.
    pub spent: Usage,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Decision {
    /// It waits for a decision.
    Open,
    /// Somebody approved it.
    Approved {
        /// Who.
        by: Person,
        /// When; none in what an earlier version stored.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// A later revision took its place.
    Superseded,
    /// The task was ended before a decision.
    Withdrawn,
}

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanCard {
    /// The revision.
    pub revision: u32,
    /// The specification.
    pub specification: SpecificationDraft,
    /// Whose words were taken as instructions.
    pub instructed_by: Vec<String>,
    /// Whose words were taken as background.
    pub background_by: Vec<String>,
    /// Who wrote the issue that the goal comes from, where not all of them may give instructions. Empty otherwise.
    #[serde(default)]
    pub described_by: Vec<String>,
    /// Repository, branch and commit.
    pub workplace: Workplace,
    /// The plan.
    pub plan: Plan,
    /// What is different from the revision before; empty for the first.
    pub changes: Vec<ListDifference>,
    /// The agent that will work.
    pub agent: String,
    /// What the settings of people chose, and not the request.
    #[serde(default)]
    pub chosen: Chosen,
    /// Its model, where one was chosen.
    pub model: Option<String>,
    /// The ceiling of spend.
    pub budget: MicroDollars,
    /// The ceiling of working time, in milliseconds; none where there is none.
    #[serde(default)]
    pub work_ms: Option<i64>,
    /// What the network policy allows, in people's words; empty for the model only.
    pub network: Vec<String>,
    /// Whether the policy allows everything public.
    pub network_is_open: bool,
    /// Hosts that the plan asks for and the policy does not allow.
    pub network_beyond: Vec<String>,
    /// Whether the task is about an issue already, so that none is offered.
    #[serde(default)]
    pub has_issue: bool,
    /// What became of it.
    pub decision: Decision,
    /// Who is asked to decide; mentioned once.
    pub asks: Person,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum QuestionText {
    /// The repository is not clear, or cannot be used.
    Workplace {
        /// Why.
        problem: WorkplaceProblem,
    },
    /// Nothing decides whether the work is done.
    Check,
    /// The agent asks.
    Agent {
        /// Its words.
        question: String,
    },
    /// A change was held back.
    Held {
        /// The change, and why.
        held: Box<HeldChange>,
    },
    /// The time that the task may work was used up.
    Time {
        /// How long it may work before it asks, in milliseconds.
        ceiling_ms: i64,
        /// What there is of its work.
        made: Made,
    },
    /// The ceiling of spend was reached.
    Budget {
        /// What was spent.
        spent: Usage,
        /// The ceiling.
        ceiling: MicroDollars,
        /// What it is spent for.
        #[serde(default)]
        purpose: Purpose,
    },
}

/// Refused hosts as they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkCard {
    /// The hosts; empty where all of them are asked about on a later card.
    pub rows: Vec<NetworkEntry>,
    /// How many more were refused than the card has places.
    pub more: u32,
    /// The repository, where it is known.
    pub repository: Option<String>,
    /// Who asked for the task; mentioned once.
    pub asks: Person,
}

impl NetworkCard {
    /// Whether something on it waits for a decision.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.rows.iter().any(|row| row.decision.is_none())
    }
}

/// A question as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuestionCard {
    /// Its number within the task.
    pub number: u32,
    /// What is asked.
    pub text: QuestionText,
    /// Answers to choose from.
    pub choices: Vec<String>,
    /// Who is asked.
    pub asks: Person,
    /// What was answered and by whom, once it was.
    pub answered: Option<(Person, String)>,
    /// Whether the task ended before an answer.
    #[serde(default)]
    pub is_closed: bool,
}

impl QuestionCard {
    /// Whether an answer is waited for.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answered.is_none() && !self.is_closed
    }
}
