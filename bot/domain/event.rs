//! Everything that can happen to a task. Past tense; a closed list.

mod outcomes;

use serde::{Deserialize, Serialize};

pub use outcomes::{
    BaseStanding, DiskWall, FilingProblem, Publication, PublishProblem, PullRequest, RunFailure,
    RunSpend,
};

use super::{
    CommitId, RunNumber, Timestamp,
    attachment::UnreadLink,
    budget::Usage,
    command::{Command, Options, TeamKey},
    conversation::{ConversationId, FileRef, Line, LineRef, Person, Place, Road, SubjectId},
    edit::Settlement,
    feedback::Opinion,
    held::HeldChange,
    inquiry::Answer,
    kept::Kept,
    network::{RefusedHost, Verdict},
    plan::Plan,
    plan_edit::PlanEdit,
    preferences::Origin,
    proof::{ChangedFile, Proof, Report},
    specification::{RepositoryName, SpecificationDraft, Workplace},
    waiting::PutOff,
};

/// An event with its moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Happened {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What an emoji means when a person adds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactionMeaning {
    /// ✅ 👍
    Approve,
    /// ❌ 🛑 ⛔
    Cancel,
    /// 🔁
    Retry,
}

/// Everything that can happen to a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody said something in the task's conversation.
    Said {
        /// Who, where, and the words as written.
        line: Line,
        /// What they ask for.
        command: Command,
        /// What they set.
        options: Options,
        /// Whether the bot was mentioned.
        mentioned: bool,
    },
    /// Somebody changed what they had said in the task's conversation.
    Edited {
        /// The words of now, by whoever changed them.
        line: Line,
        /// What they ask for.
        command: Command,
        /// What they set.
        options: Options,
        /// Whether the change put a mention of the bot into it.
        mentioned: bool,
    },
    /// Something that was said in the task's conversation was taken away.
    Deleted {
        /// What.
        line: LineRef,
    },
    /// Somebody decided about a change of the request.
    ProposalSettled {
        /// Who.
        by: Person,
        /// The proposal's number.
        proposal: u32,
        /// What.
        settlement: Settlement,
        /// How.
        road: Road,
    },
    /// Somebody added an emoji to something in the conversation.
    Reacted {
        /// Who.
        by: Person,
        /// What it means.
        meaning: ReactionMeaning,
        /// The plan revision that the emoji hangs on, where it hangs on a plan.
        revision: Option<u32>,
    },
    /// Somebody approved a revision by a button.
    Approved {
        /// Who.
        by: Person,
        /// The revision that the button stands for.
        revision: u32,
        /// How.
        road: Road,
    },
    /// Somebody asked for the end.
    CancelAsked {
        /// Who.
        by: Person,
        /// How.
        road: Road,
    },
    /// Somebody wants to try again.
    RetryAsked {
        /// Who.
        by: Person,
    },
    /// Somebody said by a button what they think of the result.
    Rated {
        /// Who.
        by: Person,
        /// What they think.
        opinion: Opinion,
    },
    /// Somebody chose one of the offered answers, or wrote one in a form.
    Answered {
        /// Who.
        by: Person,
        /// The question's number.
        question: u32,
        /// The answer.
        text: String,
    },
    /// Somebody corrected a plan in its form.
    Corrected {
        /// Who.
        by: Person,
        /// The revision they saw.
        revision: u32,
        /// What should be different.
        text: String,
    },
    /// Somebody wrote a plan anew in its form.
    PlanEdited {
        /// Who.
        by: Person,
        /// The revision they saw.
        revision: u32,
        /// The lists as they are to be.
        edit: Box<PlanEdit>,
    },
    /// Somebody chose another repository.
    RepositoryChosen {
        /// Who.
        by: Person,
        /// Which.
        repository: RepositoryName,
    },
    /// Somebody decided about a host that was refused.
    NetworkDecided {
        /// Who.
        by: Person,
        /// The host's number within the task.
        entry: u32,
        /// What.
        verdict: Verdict,
        /// How.
        road: Road,
    },
    /// Requests of a sandbox were refused that a person could allow.
    NetworkRefused {
        /// The run that it belongs to; setup and proof belong to the last one.
        run: RunNumber,
        /// Which, retries counted.
        hosts: Vec<RefusedHost>,
    },
    /// The task is talked about in another conversation from now on, too.
    Joined {
        /// Who brought it there; nobody where the request itself names what that conversation is about.
        by: Option<Person>,
        /// Where.
        place: Place,
        /// What the task is about by that.
        about: Option<SubjectId>,
    },
    /// An issue was made for the task, which is talked about there from now on, too.
    IssueFiled {
        /// Where.
        place: Place,
        /// The issue.
        about: SubjectId,
        /// Its name, as people know it.
        name: String,
        /// Its page.
        url: String,
    },
    /// Somebody pressed the button that has an issue made for the task.
    IssueWanted {
        /// Who.
        by: Person,
        /// The revision of the plan that they saw.
        revision: u32,
        /// In which team, where they chose one.
        team: Option<TeamKey>,
        /// The surface's permission to open a form, short-lived: should nothing say which team is meant, they choose one.
        trigger: Option<String>,
    },
    /// No issue was made for the task.
    IssueNotFiled {
        /// Who wanted it.
        by: Person,
        /// Why not.
        problem: FilingProblem,
        /// The surface's permission to open a form, where a button asked.
        #[serde(default)]
        trigger: Option<String>,
    },
    /// The issue that the task is about is called something else from now on: it was moved.
    IssueMoved {
        /// What it is called now.
        about: SubjectId,
    },
    /// The issue reads otherwise when it is read again before anything is made of it: it was edited meanwhile.
    IssueRead {
        /// As it reads now, by everybody who wrote in it.
        line: Line,
    },
    /// A surface has taken access away, so that nothing can be said or heard any more in some of the task's conversations.
    PlacesLost {
        /// The surface, by the name that people know it by.
        by: Person,
        /// Where.
        places: Vec<ConversationId>,
    },
    /// The task may use the machine now.
    SlotGranted,
    /// Conversation and repository were read.
    Gathered {
        /// What was said before and around the request.
        context: Vec<Line>,
        /// Where the work happens, or why it cannot.
        workplace: Result<Workplace, WorkplaceProblem>,
        /// What says that this repository is meant, where only the reading found it out.
        #[serde(default)]
        found_by: Option<Origin>,
        /// Links of the request to what could not be read.
        #[serde(default)]
        unread: Vec<UnreadLink>,
    },
    /// The agent's process lives.
    RunStarted {
        /// Which run.
        run: RunNumber,
    },
    /// Files of replies could not be read when a run was to have them.
    FilesGone {
        /// Which run.
        run: RunNumber,
        /// Which files are not there, or lie where the bot may not read.
        files: Vec<FileRef>,
        /// Which files there is more of than is taken: not every surface says how large a file is.
        #[serde(default)]
        too_large: Vec<FileRef>,
    },
    /// A run is over.
    RunEnded {
        /// Which run.
        run: RunNumber,
        /// What it left.
        ending: Box<Ending>,
    },
    /// The bot was started again and goes on with what the task was at.
    TakenUp,
    /// A platform has asked for a pause, and the task's work waits for its end.
    PutOff(PutOff),
    /// The clean container has spoken.
    Proved {
        /// The run whose commit it was.
        run: RunNumber,
        /// What was found.
        proof: Box<Proof>,
    },
    /// The clean container could not do its work.
    ProofFailed {
        /// The run whose commit it was.
        run: RunNumber,
        /// Why, for people.
        reason: String,
    },
    /// The commit is on the remote, and the pull request stands.
    Published {
        /// The run whose commit it was.
        run: RunNumber,
        /// Where.
        publication: Publication,
    },
    /// The commit could not be published.
    PublishRefused {
        /// The run whose commit it was.
        run: RunNumber,
        /// Why.
        problem: PublishProblem,
    },
    /// The pull request was merged or closed.
    PullRequestEnded {
        /// Whether it was merged.
        merged: bool,
        /// Who did it, as the forge names them; empty where it does not.
        by: String,
    },
    /// Everything of the task that ran is gone.
    Stopped {
        /// Whether the engine confirmed it; otherwise the reaper goes on.
        confirmed: bool,
        /// What the runs had spent that were cut off.
        #[serde(default)]
        spent: Vec<RunSpend>,
        /// What became of the work.
        #[serde(default)]
        kept: Kept,
    },
    /// An effect was given up after its last attempt.
    EffectGivenUp {
        /// Which, in words.
        effect: String,
        /// The last error, for people.
        reason: String,
    },
    /// Something that a person waits for could not be said where the task was asked for, for good.
    Unsaid {
        /// What, in words.
        what: String,
        /// The last error, for people.
        reason: String,
    },
    /// The time that the task may work comes to its end.
    TimeLow,
    /// The time that the task may work is over, and its run did not end by itself.
    TimeUp,
    /// Nobody has decided for some time.
    Unanswered {
        /// Since when it is waited.
        since: Timestamp,
        /// How long it will go on waiting, in milliseconds.
        left_ms: i64,
    },
    /// Nobody decided for too long.
    WaitedTooLong {
        /// Since when it was waited; none in what an earlier version stored.
        #[serde(default)]
        since: Option<Timestamp>,
        /// What became of the work that was not pushed.
        #[serde(default)]
        kept: Kept,
    },
}

/// Why there is no workplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum WorkplaceProblem {
    /// Nothing says which repository is meant.
    Unclear {
        /// The ones in reach.
        known: Vec<RepositoryName>,
    },
    /// It is not there, or this installation cannot see it: forges answer the same for both.
    NotFound {
        /// The one that was asked for.
        repository: RepositoryName,
        /// The ones in reach.
        known: Vec<RepositoryName>,
    },
    /// It has no commit.
    Empty {
        /// The one that was asked for.
        repository: RepositoryName,
    },
    /// The base branch is not there.
    NoSuchBranch {
        /// The repository.
        repository: RepositoryName,
        /// The branch that was asked for.
        branch: String,
        /// Branches with the nearest names.
        near: Vec<String>,
    },
    /// The forge did not answer in time, after retries.
    Unreachable {
        /// The repository.
        repository: RepositoryName,
        /// The last error, for people.
        reason: String,
    },
    /// There is no such agent here.
    NoSuchAgent {
        /// The one that was asked for.
        agent: String,
        /// The ones that are set up.
        known: Vec<String>,
    },
}

/// What a run left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// The specification that was handed over.
    pub specification: Option<SpecificationDraft>,
    /// The plan that was handed over.
    pub plan: Option<Plan>,
    /// The answer that was handed over.
    #[serde(default)]
    pub answer: Option<Answer>,
    /// The question that was asked.
    pub question: Option<AgentQuestion>,
    /// What the agent said about its own work.
    pub report: Option<Report>,
    /// The last words of the agent, cut.
    pub closing_words: String,
    /// The agent's own name of the session, for going on later.
    pub session: Option<String>,
    /// What was used.
    pub usage: Usage,
    /// How long it took, in milliseconds.
    pub elapsed_ms: i64,
    /// The model, as the agent names it.
    pub model: Option<String>,
    /// What was changed.
    pub change: Change,
    /// What has interrupted the agent and was told to it, by its numbers.
    #[serde(default)]
    pub heard: Vec<u32>,
    /// Words that were to interrupt the agent and that it never took. The task has them too, but for what an earlier version
    /// had said to the run.
    #[serde(default)]
    pub unheard: Option<String>,
    /// What people have to know of how it ran, in sentences; a plan shows them among its risks.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Why it failed, where it did.
    pub failure: Option<RunFailure>,
}

/// What a run changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Change {
    /// Nothing, or nothing was looked for.
    #[default]
    None,
    /// The commit that will be proved and pushed.
    Commit {
        /// The commit, made by the host.
        commit: CommitId,
        /// Changed files against the base.
        files: Vec<ChangedFile>,
        /// Things a reviewer should look at.
        notices: Vec<String>,
    },
    /// A person has to decide before it leaves.
    Held {
        /// The change, and why it was held back.
        held: HeldChange,
    },
    /// It may not leave the sandbox.
    Refused {
        /// Why, for people.
        reason: String,
    },
}

/// A question of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgentQuestion {
    /// The question, in one or two sentences.
    pub question: String,
    /// Answers to choose from; empty where the answer is free.
    #[serde(default)]
    pub choices: Vec<String>,
}

impl Event {
    /// The line that asks, where the event is a person's sentence.
    #[must_use]
    pub fn line(&self) -> Option<&LineRef> {
        if let Self::Said { line, .. } = self {
            Some(&line.reference)
        } else {
            None
        }
    }
}
