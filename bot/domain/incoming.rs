//! What a surface understood of one delivery, before people are looked up and the task is found. The same for every surface.

use super::{
    conversation::{ConversationId, FileRef, LineRef, PersonId, Standing, SubjectId},
    edit::Settlement,
    event::ReactionMeaning,
    feedback::Opinion,
    network::Verdict,
    plan_edit::PlanEdit,
    preferences::Preferences,
};

/// Who did something, as far as the delivery says; the rest is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub id: PersonId,
    /// Their name, where the delivery says it.
    pub name: Option<String>,
    /// Their standing, where the delivery alone decides it: a bot, somebody from another organisation.
    pub standing: Option<Standing>,
}

/// What a delivery means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Somebody said something.
    Said {
        /// Where. A mention outside any thread opens its own conversation.
        conversation: ConversationId,
        /// The surface's name of what was said.
        reference: LineRef,
        /// Who.
        by: Author,
        /// The words, without the mention of the bot, with the surface's own escapes undone.
        text: String,
        /// What hung on it.
        files: Vec<FileRef>,
        /// Whether the bot was meant without doubt: a mention, a direct message, a delegation.
        mentioned: bool,
        /// What is known of the channel for choosing a repository and policy: the channel, the team.
        place: String,
    },
    /// Somebody changed what they had said.
    Edited {
        /// Where.
        conversation: ConversationId,
        /// The surface's name of what was said.
        reference: LineRef,
        /// Who changed it.
        by: Author,
        /// The words of now, without the mention of the bot, with the surface's own escapes undone.
        text: String,
        /// What hangs on it.
        files: Vec<FileRef>,
        /// Whether the change put a mention of the bot into it.
        mentioned: bool,
        /// What is known of the channel for choosing a repository and policy: the channel, the team.
        place: String,
    },
    /// Something that was said was taken away. Surfaces do not say by whom.
    Deleted {
        /// Where.
        conversation: ConversationId,
        /// The surface's name of what was said.
        reference: LineRef,
    },
    /// Somebody gave the bot something that is written elsewhere, an issue. Who wrote it is looked up.
    Delegated {
        /// Where.
        conversation: ConversationId,
        /// The surface's name of the request.
        reference: LineRef,
        /// Who gave it.
        by: Author,
        /// What is known of the channel for choosing a repository and policy: the team.
        place: String,
    },
    /// Somebody made a request of what somebody has said, without saying anything.
    Pointed {
        /// Where it was said.
        conversation: ConversationId,
        /// The surface's name of what was said.
        reference: LineRef,
        /// Who points at it.
        by: Author,
        /// Who said it.
        writer: Author,
        /// The words.
        text: String,
        /// What hangs on it.
        files: Vec<FileRef>,
        /// What is known of the channel for choosing a repository and policy.
        place: String,
    },
    /// Somebody wants the form that asks for a task.
    FormAsked {
        /// A place to whisper in, where something goes wrong.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// The surface's permission to open a form, short-lived.
        trigger: String,
    },
    /// Somebody sent the form that asks for a task. It stands nowhere yet.
    Requested {
        /// Where it is to stand: a channel.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// The words, with their options.
        text: String,
    },
    /// Somebody wants the form that holds settings.
    SettingsAsked {
        /// A place to whisper in, where something goes wrong.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// The surface's permission to open a form, short-lived.
        trigger: String,
        /// The channel whose settings are meant; none for the person's own.
        place: Option<String>,
    },
    /// Somebody sent the form that holds settings.
    SettingsSent {
        /// A place to whisper in.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// The channel whose settings are meant; none for the person's own.
        place: Option<String>,
        /// What they are to be.
        preferences: Preferences,
    },
    /// Somebody looks at the bot's own page on the surface.
    HomeOpened {
        /// A place to whisper in, where something goes wrong.
        conversation: ConversationId,
        /// Who.
        by: Author,
    },
    /// Somebody added an emoji.
    Reacted {
        /// Who.
        by: Author,
        /// To what.
        on: LineRef,
        /// What it means.
        meaning: ReactionMeaning,
    },
    /// Somebody pressed a button, or sent a form.
    Pressed {
        /// Where.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// What the button stands for.
        press: Press,
    },
    /// The surface's own stop signal.
    StopSignal {
        /// Where.
        conversation: ConversationId,
        /// Who.
        by: Author,
    },
    /// Somebody took what a task is about away from the bot.
    TakenAway {
        /// What.
        about: SubjectId,
        /// Who.
        by: Author,
    },
    /// Somebody wrote the issue that a task is about anew. What it says now is looked up, with everybody who wrote in it.
    IssueEdited {
        /// Which.
        about: SubjectId,
        /// What it was called before, the last name first.
        formerly: Vec<SubjectId>,
        /// Who edited it.
        by: Author,
    },
    /// The issue that a task is about was moved, and has another name.
    IssueMoved {
        /// What it is called now.
        about: SubjectId,
        /// What it was called before, the last name first.
        formerly: Vec<SubjectId>,
    },
    /// The issue that a task is about was thrown away. Surfaces do not say by whom.
    IssueDeleted {
        /// Which.
        about: SubjectId,
        /// What it was called before, the last name first.
        formerly: Vec<SubjectId>,
    },
    /// A surface has taken access of the bot's away.
    AccessLost {
        /// In whose order it stands; nobody talks there.
        conversation: ConversationId,
        /// What.
        lost: AccessLost,
    },
    /// A command outside any conversation; the answer is for one person.
    Asked {
        /// A place to whisper in: the surface's own name for channel and person.
        conversation: ConversationId,
        /// Who.
        by: Author,
        /// The words.
        text: String,
    },
    /// Nothing that matters here.
    Nothing,
}

/// What a surface took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLost {
    /// Everything: the bot is not installed there any more.
    Everything,
    /// Something: a team, so that some conversations may be out of reach.
    Something,
}

/// What a button or form stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Press {
    /// Approve this revision.
    Approve {
        /// The revision.
        revision: u32,
    },
    /// Open the form that corrects this revision.
    OpenCorrection {
        /// The revision.
        revision: u32,
        /// The surface's permission to open a form, short-lived.
        trigger: String,
    },
    /// Open the form that chooses another repository.
    OpenRepository {
        /// The surface's permission to open a form, short-lived.
        trigger: String,
    },
    /// The form with a correction was sent.
    Correct {
        /// The revision that was seen.
        revision: u32,
        /// What should be different.
        text: String,
    },
    /// The form with the plan's own text was sent.
    EditPlan {
        /// The revision that was seen.
        revision: u32,
        /// The lists as they are to be.
        edit: Box<PlanEdit>,
    },
    /// The form with a repository was sent.
    ChooseRepository {
        /// As it was written.
        text: String,
    },
    /// Have an issue made for the task.
    MakeIssue {
        /// The revision that was seen.
        revision: u32,
        /// In which team, as it was chosen; none where the button alone was pressed.
        team: Option<String>,
        /// The surface's permission to open a form, short-lived; none where a form was sent already.
        trigger: Option<String>,
    },
    /// Cancel.
    Cancel,
    /// Retry.
    Retry,
    /// Decide about a host that was refused.
    Widen {
        /// The host's number within the task.
        entry: u32,
        /// What.
        verdict: Verdict,
    },
    /// Decide about a change of the request.
    Settle {
        /// The proposal's number.
        proposal: u32,
        /// What.
        settlement: Settlement,
    },
    /// Say what one thinks of the result.
    Rate {
        /// What.
        opinion: Opinion,
    },
    /// One of the offered answers.
    Answer {
        /// The question's number.
        question: u32,
        /// The answer.
        text: String,
    },
}

impl Incoming {
    /// Where it happened, where the delivery alone says so.
    #[must_use]
    pub const fn conversation(&self) -> Option<&ConversationId> {
        match self {
            Self::Said { conversation, .. }
            | Self::Edited { conversation, .. }
            | Self::Deleted { conversation, .. }
            | Self::Pointed { conversation, .. }
            | Self::FormAsked { conversation, .. }
            | Self::Requested { conversation, .. }
            | Self::SettingsAsked { conversation, .. }
            | Self::SettingsSent { conversation, .. }
            | Self::HomeOpened { conversation, .. }
            | Self::Delegated { conversation, .. }
            | Self::Pressed { conversation, .. }
            | Self::StopSignal { conversation, .. }
            | Self::AccessLost { conversation, .. }
            | Self::Asked { conversation, .. } => Some(conversation),
            Self::Reacted { .. }
            | Self::TakenAway { .. }
            | Self::IssueEdited { .. }
            | Self::IssueMoved { .. }
            | Self::IssueDeleted { .. }
            | Self::Nothing => None,
        }
    }

    /// Who did it.
    #[must_use]
    pub const fn author(&self) -> Option<&Author> {
        match self {
            Self::Said { by, .. }
            | Self::Edited { by, .. }
            | Self::Pointed { by, .. }
            | Self::FormAsked { by, .. }
            | Self::Requested { by, .. }
            | Self::SettingsAsked { by, .. }
            | Self::SettingsSent { by, .. }
            | Self::HomeOpened { by, .. }
            | Self::Delegated { by, .. }
            | Self::Reacted { by, .. }
            | Self::Pressed { by, .. }
            | Self::StopSignal { by, .. }
            | Self::TakenAway { by, .. }
            | Self::IssueEdited { by, .. }
            | Self::Asked { by, .. } => Some(by),
            Self::Deleted { .. }
            | Self::IssueMoved { .. }
            | Self::IssueDeleted { .. }
            | Self::AccessLost { .. }
            | Self::Nothing => None,
        }
    }
}
