//! What a surface understood of one delivery, before people are looked up and the task is found. The same for every surface.

use super::{
    conversation::{ConversationId, FileRef, LineRef, PersonId, Standing, SubjectId},
    event::ReactionMeaning,
    network::Verdict,
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
    /// The form with a repository was sent.
    ChooseRepository {
        /// As it was written.
        text: String,
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
            | Self::Delegated { conversation, .. }
            | Self::Pressed { conversation, .. }
            | Self::StopSignal { conversation, .. }
            | Self::Asked { conversation, .. } => Some(conversation),
            Self::Reacted { .. } | Self::TakenAway { .. } | Self::Nothing => None,
        }
    }

    /// Who did it.
    #[must_use]
    pub const fn author(&self) -> Option<&Author> {
        match self {
            Self::Said { by, .. }
            | Self::Delegated { by, .. }
            | Self::Reacted { by, .. }
            | Self::Pressed { by, .. }
            | Self::StopSignal { by, .. }
            | Self::TakenAway { by, .. }
            | Self::Asked { by, .. } => Some(by),
            Self::Nothing => None,
        }
    }
}
