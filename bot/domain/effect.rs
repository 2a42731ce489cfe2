//! Everything that can be done about an event. Imperative; a closed list. Each is a row before it is done.

use serde::{Deserialize, Serialize};

use super::{
    CommitId, RunNumber,
    command::TeamKey,
    conversation::{LineRef, Person, PersonId},
    home::Home,
    inquiry::Purpose,
    message::Message,
    network::NetworkGrant,
    preferences::PreferencesOf,
    proof::Judged,
};

/// The place of a message in its conversation. Saying something into a slot that is taken edits what stands there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "slot", content = "key", rename_all = "snake_case")]
pub enum Slot {
    /// The one status message of a stretch of work, by the number of its first run; 0 is the planning.
    Progress(RunNumber),
    /// A plan card, by revision.
    Plan(u32),
    /// A question, by number.
    Question(u32),
    /// A card about refused hosts, by number.
    Network(u32),
    /// A card about a change of the request, by number.
    Proposal(u32),
    /// A result, by the run that it came from.
    Result(RunNumber),
    /// The answer to a question, by the run that it came from.
    Answer(RunNumber),
    /// The pictures of a run.
    Pictures(RunNumber),
    /// Anything that is said once, numbered within the task.
    Note(u32),
}

impl Slot {
    /// Where a thread is told that its task cannot be read: such a task numbers nothing any more, and its own notes begin at 1.
    pub const UNREADABLE: Self = Self::Note(0);

    /// Whether what stands there waits for somebody, until it is decided.
    #[must_use]
    pub const fn is_a_card(&self) -> bool {
        match self {
            Self::Plan(_) | Self::Question(_) | Self::Network(_) | Self::Proposal(_) => true,
            Self::Progress(_)
            | Self::Result(_)
            | Self::Answer(_)
            | Self::Pictures(_)
            | Self::Note(_) => false,
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Progress(run) => write!(formatter, "progress-{run}"),
            Self::Plan(revision) => write!(formatter, "plan-{revision}"),
            Self::Question(number) => write!(formatter, "question-{number}"),
            Self::Network(number) => write!(formatter, "network-{number}"),
            Self::Proposal(number) => write!(formatter, "proposal-{number}"),
            Self::Result(run) => write!(formatter, "result-{run}"),
            Self::Answer(run) => write!(formatter, "answer-{run}"),
            Self::Pictures(run) => write!(formatter, "pictures-{run}"),
            Self::Note(number) => write!(formatter, "note-{number}"),
        }
    }
}

/// The bot's one status emoji on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// 👀
    Accepted,
    /// ⏳
    Working,
    /// 🙋
    NeedsYou,
    /// ✅
    Proved,
    /// 💬
    Answered,
    /// ⚠️
    Gaps,
    /// 🛑
    Canceled,
}

/// What a run is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Assignment {
    /// Write specification and plan. The workspace is read-only.
    Plan,
    /// Write the next revision of the plan. The workspace is read-only.
    Revise {
        /// What people said about the last one.
        corrections: Vec<String>,
    },
    /// Find the answer to a question. The workspace is read-only.
    Inquire {
        /// What people have added to the question since it was asked.
        added: Vec<String>,
    },
    /// Do the work of the approved plan.
    Work,
    /// Go on with the answer to the agent's question.
    Answer {
        /// The question.
        question: String,
        /// The answer.
        answer: String,
    },
    /// Mend what the host saw to be untrue.
    Rework {
        /// Which round, from 1.
        round: u8,
        /// How each requirement stands.
        judged: Vec<Judged>,
        /// Failed commands with their last lines.
        failed: Vec<String>,
    },
    /// Do what people asked for after, or during, the last run.
    FollowUp {
        /// Their words.
        words: Vec<String>,
    },
}

impl Assignment {
    /// Whether the run may change the workspace.
    #[must_use]
    pub const fn changes_files(&self) -> bool {
        match self {
            Self::Plan | Self::Revise { .. } | Self::Inquire { .. } => false,
            Self::Work | Self::Answer { .. } | Self::Rework { .. } | Self::FollowUp { .. } => true,
        }
    }

    /// What the run is for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        match self {
            Self::Inquire { .. } => Purpose::Inquiry,
            Self::Plan
            | Self::Revise { .. }
            | Self::Work
            | Self::Answer { .. }
            | Self::Rework { .. }
            | Self::FollowUp { .. } => Purpose::Change,
        }
    }

    /// Whether the run goes on in the agent's session of the run before.
    #[must_use]
    pub const fn resumes(&self) -> bool {
        match self {
            Self::Plan | Self::Revise { .. } | Self::Inquire { .. } | Self::Work => false,
            Self::Answer { .. } | Self::Rework { .. } | Self::FollowUp { .. } => true,
        }
    }
}

/// Everything that can be done about an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Says something to everybody in the conversation, or edits what stands in the slot.
    Say {
        /// Where.
        slot: Slot,
        /// What.
        message: Box<Message>,
    },
    /// Shows in a conversation that the task was brought into how it stands, at the moment when it is shown.
    Introduce,
    /// Shows the card that waits for a decision anew, where cards can be edited: something about the task has changed that
    /// it offers. Where none stands, nothing is shown.
    Redraw,
    /// Says something that only one person sees. State is never whispered.
    Whisper {
        /// To whom.
        to: Person,
        /// What.
        message: Box<Message>,
    },
    /// Sets the status emoji on the request.
    Mark {
        /// Which.
        mark: Mark,
    },
    /// Shows that a reply was heard.
    Hear {
        /// Which.
        line: LineRef,
    },
    /// Makes an issue for the task, and takes the task there.
    FileIssue {
        /// Who wants it.
        by: Person,
        /// In which team; where none is named, the settings say it.
        team: Option<TeamKey>,
        /// The surface's permission to open a form, short-lived, where a button asked: should nothing say which team is
        /// meant, people choose one.
        #[serde(default)]
        trigger: Option<String>,
    },
    /// Reads conversation and repository.
    Gather,
    /// Starts a run.
    StartRun {
        /// Its number.
        run: RunNumber,
        /// What it is asked to do.
        assignment: Assignment,
    },
    /// Interrupts the agent's turn and says something to it at once. Done when the agent was told and that is stored, or when
    /// the run is over: the task keeps the words until then.
    Steer {
        /// The run.
        run: RunNumber,
        /// Its number among what was said to this run, from 1. None in what an earlier version stored.
        #[serde(default)]
        number: Option<u32>,
        /// The words.
        text: String,
        /// Files that came with them, by the surface's own names.
        #[serde(default)]
        files: Vec<String>,
    },
    /// Stores what a person decided about a host, and carries it to the proxies of live sandboxes.
    Widen {
        /// The decision.
        grant: Box<NetworkGrant>,
    },
    /// Proves a commit in a clean container.
    Prove {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
    /// Pushes a commit and makes or finds its pull request.
    Publish {
        /// The run whose commit it is.
        run: RunNumber,
        /// The commit.
        commit: CommitId,
    },
    /// Posts the pictures of a run into the conversation.
    ShowPictures {
        /// The run whose pictures they are.
        run: RunNumber,
    },
    /// Opens a form for the person who pressed a button.
    OpenForm {
        /// The surface's permission to open one, short-lived.
        trigger: String,
        /// Which.
        form: FormRequest,
    },
    /// Opens the form that asks for a task.
    OpenRequestForm {
        /// The surface's permission to open one, short-lived.
        trigger: String,
    },
    /// Opens the form that holds settings.
    OpenSettingsForm {
        /// The surface's permission to open one, short-lived.
        trigger: String,
        /// Whose.
        of: PreferencesOf,
    },
    /// Says a request for a person who wrote it in a form, so that its task has a place.
    PostRequest {
        /// Who asks.
        by: Person,
        /// The words, with their options.
        text: String,
    },
    /// Shows a person their page of the surface.
    ShowHome {
        /// Whom.
        to: PersonId,
        /// What.
        home: Box<Home>,
    },
    /// Ends everything of the task that runs.
    StopAll,
    /// Removes sandboxes and volumes of an ended task.
    Release,
}

impl Effect {
    /// In which lane it waits. Effects of one lane are done one after the other; lanes never wait for each other.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Say { .. }
            | Self::Introduce
            | Self::Redraw
            | Self::Whisper { .. }
            | Self::ShowPictures { .. }
            | Self::PostRequest { .. }
            | Self::ShowHome { .. } => Lane::Talk,
            Self::Mark { .. } | Self::Hear { .. } => Lane::Marks,
            Self::Gather
            | Self::StartRun { .. }
            | Self::Prove { .. }
            | Self::Publish { .. }
            | Self::Release => Lane::Work,
            Self::FileIssue { .. } => Lane::Errands,
            Self::Steer { .. }
            | Self::Widen { .. }
            | Self::OpenForm { .. }
            | Self::OpenRequestForm { .. }
            | Self::OpenSettingsForm { .. }
            | Self::StopAll => Lane::Control,
        }
    }

    /// Whether it reaches people where they talk. Work goes on wherever it was asked for.
    #[must_use]
    pub const fn is_said(&self) -> bool {
        match self.lane() {
            Lane::Talk | Lane::Marks => true,
            Lane::Work | Lane::Errands | Lane::Control => {
                matches!(self, Self::OpenForm { .. } | Self::OpenRequestForm { .. })
            }
        }
    }

    /// Its name, for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Say { .. } => "say",
            Self::Introduce => "introduce",
            Self::Redraw => "redraw",
            Self::Whisper { .. } => "whisper",
            Self::Mark { .. } => "mark",
            Self::Hear { .. } => "hear",
            Self::FileIssue { .. } => "file_issue",
            Self::Gather => "gather",
            Self::StartRun { .. } => "start_run",
            Self::Steer { .. } => "steer",
            Self::Widen { .. } => "widen",
            Self::Prove { .. } => "prove",
            Self::Publish { .. } => "publish",
            Self::ShowPictures { .. } => "show_pictures",
            Self::OpenForm { .. } => "open_form",
            Self::OpenRequestForm { .. } => "open_request_form",
            Self::OpenSettingsForm { .. } => "open_settings_form",
            Self::PostRequest { .. } => "post_request",
            Self::ShowHome { .. } => "show_home",
            Self::StopAll => "stop_all",
            Self::Release => "release",
        }
    }
}

/// Which form is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum FormRequest {
    /// What should be different about this plan?
    Correction {
        /// The revision.
        revision: u32,
    },
    /// Which repository?
    Repository,
    /// In which team is the issue to be made?
    Team {
        /// Who wants one.
        by: Person,
        /// The revision of the plan that was seen.
        revision: u32,
        /// The teams in reach, by their keys.
        known: Vec<String>,
    },
}

/// A queue of effects within one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Messages, in order.
    Talk,
    /// Emojis.
    Marks,
    /// Everything long.
    Work,
    /// What is done beside the work, and holds nothing else up.
    Errands,
    /// What may not wait behind anything.
    Control,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Talk,
        Self::Marks,
        Self::Work,
        Self::Errands,
        Self::Control,
    ];

    /// Its name in the outbox.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Talk => "talk",
            Self::Marks => "marks",
            Self::Work => "work",
            Self::Errands => "errands",
            Self::Control => "control",
        }
    }
}
