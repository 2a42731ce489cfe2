//! People, what they said, and where they said it. Surfaces are named by opaque keys: nothing here knows what Slack is.

use serde::{Deserialize, Serialize};

/// One place of talk: a thread, an agent session. Opaque; made and read by the surface it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationId(pub String);

impl ConversationId {
    /// The surface that made it, which stands in front of the first colon of every key; empty where there is none.
    #[must_use]
    pub fn surface(&self) -> &str {
        self.0.split_once(':').map_or("", |(surface, _)| surface)
    }
}

/// What a conversation is about that stands elsewhere, an issue. Opaque; made and read by the surface it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubjectId(pub String);

impl SubjectId {
    /// The surface that made it, as of a [`ConversationId`].
    #[must_use]
    pub fn surface(&self) -> &str {
        self.0.split_once(':').map_or("", |(surface, _)| surface)
    }
}

/// A conversation that a task is talked about in beside the one that it was asked for in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where.
    pub conversation: ConversationId,
    /// What opened it there, so that it can be marked.
    pub opening: LineRef,
}

/// A person on a surface. Opaque; made and read by the surface it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub String);

impl PersonId {
    /// The surface that made it, which stands in front of the first colon of every key; empty where there is none.
    #[must_use]
    pub fn surface(&self) -> &str {
        self.0.split_once(':').map_or("", |(surface, _)| surface)
    }
}

/// How a person stands to the organisation that runs this Deckhand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A full member.
    Member,
    /// A guest account.
    Guest,
    /// Somebody from another organisation, in a shared channel.
    Outsider,
    /// A program.
    Bot,
    /// The surface could not say; treated as the least trusted.
    Unknown,
}

/// Somebody who speaks, presses or reacts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// The name that others see.
    pub name: String,
    /// How they stand to the organisation.
    pub standing: Standing,
}

/// The surface's own name for one thing that was said, so that it can be marked or linked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LineRef(pub String);

/// One thing that somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where it stands on the surface.
    pub reference: LineRef,
    /// Who said it.
    pub author: Person,
    /// Who else has written in it: whoever edited it, or whose words it repeats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_by: Vec<Person>,
    /// The words, without the mention of the bot.
    pub text: String,
    /// What hung on it.
    #[serde(default)]
    pub files: Vec<FileRef>,
    /// What it is in its conversation.
    #[serde(default, skip_serializing_if = "LineKind::is_talk")]
    pub kind: LineKind,
    /// What it is for the agent. A surface knows nothing of that: the task decides it by the policy.
    #[serde(default, skip_serializing_if = "Taken::is_background")]
    pub taken: Taken,
}

/// What a line is in its conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Somebody said it.
    #[default]
    Talk,
    /// The text of the issue that the request is about: what is asked for, where whoever wrote it may ask.
    Issue,
    /// What the place has written down for every agent that works there.
    Guidance,
    /// It was said elsewhere, and the request links to it.
    Linked,
    /// An agent answered it to an earlier question in the same conversation.
    Earlier,
}

/// What a line is for the agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Data: read, and not obeyed.
    #[default]
    Background,
    /// An instruction.
    Instruction,
}

impl Line {
    /// Something that one person said, taken as background until a task decides otherwise.
    #[must_use]
    pub fn said(reference: LineRef, author: Person, text: String) -> Self {
        Self {
            reference,
            author,
            also_by: Vec::new(),
            text,
            files: Vec::new(),
            kind: LineKind::Talk,
            taken: Taken::Background,
        }
    }

    /// Everybody whose words are in it, its author first.
    pub fn writers(&self) -> impl Iterator<Item = &Person> {
        std::iter::once(&self.author).chain(&self.also_by)
    }
}

impl LineKind {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the serialiser gives a reference"
    )]
    fn is_talk(&self) -> bool {
        *self == Self::Talk
    }
}

impl Taken {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the serialiser gives a reference"
    )]
    fn is_background(&self) -> bool {
        *self == Self::Background
    }
}

/// A file that hung on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Its name.
    pub name: String,
    /// Its media type, as the surface states it.
    pub media_type: String,
    /// Its size in bytes, as the surface states it.
    pub size_bytes: u64,
    /// The surface's own name for it.
    pub handle: String,
}

/// By which road a decision came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Road {
    /// A button was pressed.
    Button,
    /// An emoji was added.
    Reaction,
    /// A sentence was written.
    Sentence,
    /// The surface's own stop signal.
    Signal,
    /// The command line.
    CommandLine,
    /// A program, with a token of the API.
    Api,
    /// The surface has taken the bot's access away.
    Withdrawn,
}
