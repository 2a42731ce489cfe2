//! What every surface takes and gives: words with controls, forms, pictures, and the ways in which a platform fails.

use std::{fmt::Debug, time::Duration};

use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::domain::{
    attachment::UnreadLink,
    conversation::{Line, Person, PersonId},
    edit::Settlement,
    incoming::Author,
    network::Verdict,
    preferences::Preferences,
    task::Task,
};

/// What a request is about that stands elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its short name, as the platform gave it: `ENG-12`.
    pub name: String,
    /// Its text, with everybody who wrote in it.
    pub line: Line,
}

/// What a text links to, read one level deep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Linked {
    /// What was said there.
    pub lines: Vec<Line>,
    /// Addresses that could not be read.
    pub unread: Vec<UnreadLink>,
}

/// Where the subject of a conversation is filed, which may say what repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// The place, as settings name it: the team.
    pub place: String,
    /// Labels and project.
    pub names: Vec<String>,
}

/// A token that a platform gave out.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub secret: SecretString,
    /// How long it is worth something from now on.
    pub life: Duration,
}

/// Where tokens outlive the process. A store that fails is a store without tokens: another one is taken out then.
pub trait TokenStore: Debug + Send + Sync {
    /// The token of this name, where there is one that lives.
    fn kept<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Token>>;

    /// Keeps a token in place of an older one of its name, and takes care that it is shown nowhere.
    fn keep<'a>(&'a self, name: &'a str, token: &'a Token) -> BoxFuture<'a, ()>;

    /// Forgets a token that is not taken any more.
    fn forget<'a>(&'a self, name: &'a str) -> BoxFuture<'a, ()>;

    /// Whether a platform has taken the access away, so that no token is taken out of it.
    fn is_withdrawn<'a>(&'a self, surface: &'a str) -> BoxFuture<'a, bool>;
}

/// Tells who somebody is, and where a task is talked about, to doors that answer at once.
pub trait People: Send + Sync {
    /// Who somebody in a workspace is; none where the bot is not in that workspace.
    fn person_in<'a>(
        &'a self,
        home: &'a str,
        by: &'a Author,
    ) -> BoxFuture<'a, Result<Option<Person>, SurfaceError>>;

    /// The page on which a task was asked for; none where its surface has none, or does not say.
    fn page_of<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Option<String>>;
}

/// Keeps nothing: for whoever asks once and ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTokens;

impl TokenStore for NoTokens {
    fn kept<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Option<Token>> {
        Box::pin(std::future::ready(None))
    }

    fn keep<'a>(&'a self, _: &'a str, _: &'a Token) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn is_withdrawn<'a>(&'a self, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// A message in words, ready for any surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The whole message in Markdown, without mentions.
    pub markdown: String,
    /// One or two sentences for notifications and for surfaces without formatting.
    pub fallback: String,
    /// Who is mentioned, so that they are notified.
    pub mentions: Option<PersonId>,
    /// What can be done about it.
    pub controls: Vec<Control>,
    /// Whether this is a message of the kind that a surface may show as the state of its session rather than as talk.
    pub kind: WordsKind,
}

/// What a message is to its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordsKind {
    /// The status of the work: edited in place, newest wins.
    Status {
        /// Where the work is, in a few words: what stands above a checklist.
        headline: String,
        /// The plan's steps with their standing, for surfaces that show a checklist.
        steps: Vec<Step>,
        /// The task's title, once there is one, for surfaces that name their conversations.
        title: Option<String>,
        /// How soon the next one follows.
        pace: Pace,
    },
    /// Something that a person has to decide or answer.
    Decision,
    /// An end, good or bad.
    Ending {
        /// Whether it ended well.
        well: bool,
    },
    /// Anything else.
    Note,
}

/// How soon another status follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Within seconds: where a surface is limited, this one need not be seen.
    Passing,
    /// When the work has come to another point: this one stands till then.
    Lasting,
}

/// A step of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub title: String,
    /// How it stands.
    pub standing: StepStanding,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStanding {
    /// Not begun.
    Pending,
    /// Begun.
    Active,
    /// Done.
    Done,
    /// Given up.
    Failed,
}

/// Something that a reader can press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Approves a revision of the plan.
    Approve {
        /// The revision.
        revision: u32,
    },
    /// Opens the form that corrects a revision.
    Edit {
        /// The revision.
        revision: u32,
    },
    /// Opens the form that chooses another repository.
    ChangeRepository,
    /// Has an issue made for the task.
    MakeIssue {
        /// The revision of the plan that it stands on.
        revision: u32,
    },
    /// Ends the task.
    Cancel,
    /// Tries again.
    Retry,
    /// Gives one of the offered answers.
    Answer {
        /// The question's number.
        question: u32,
        /// The answer, which is also the label.
        choice: String,
    },
    /// Decides about a host that was refused.
    Widen {
        /// The host's number within the task.
        entry: u32,
        /// The host with its port, made harmless.
        host: String,
        /// The decision that it stands for.
        verdict: Verdict,
        /// The repository that a lasting decision is for.
        repository: String,
    },
    /// Says whether a result or an answer was what the reader needed: a pair of buttons.
    Rate,
    /// Decides about a change of the request.
    Settle {
        /// The proposal's number.
        proposal: u32,
        /// The decision that it stands for.
        settlement: Settlement,
    },
    /// Opens the form that holds settings.
    Settings {
        /// The channel whose they are; none for the reader's own.
        place: Option<String>,
    },
    /// Opens a page.
    Open {
        /// The label.
        label: String,
        /// The page.
        url: String,
    },
}

/// What a conversation waits for while something else is said in it. Where a surface shows the choices of the last words
/// alone, they have to stand below these, too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// A sentence that says so.
    pub sentence: String,
    /// What can be chosen.
    pub controls: Vec<Control>,
}

/// A form to be opened for one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// What should be different about this plan?
    Correction {
        /// The revision that is corrected.
        revision: u32,
        /// The plan as text, to be read while writing.
        plan: String,
        /// The same as text that can be edited and read back; none where nothing can be.
        editable: Option<String>,
    },
    /// What should be done, where, and in which repository?
    Request {
        /// The repositories in reach; empty where they are not known.
        known: Vec<String>,
    },
    /// Which repository?
    Repository {
        /// The ones in reach; empty where they are not known.
        known: Vec<String>,
    },
    /// In which team is an issue to be made?
    Team {
        /// The revision of the plan that was seen.
        revision: u32,
        /// The keys of those in reach.
        known: Vec<String>,
    },
}

/// The form that holds settings, with what they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsForm {
    /// The channel whose they are; none for a person's own.
    pub place: Option<String>,
    /// What is set.
    pub set: Preferences,
    /// The repositories in reach.
    pub known: Vec<String>,
    /// The agents that could work now.
    pub agents: Vec<String>,
}

/// A person's page of the surface, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomePage {
    /// Its parts, in order.
    pub sections: Vec<HomeSection>,
    /// What can be pressed below them.
    pub controls: Vec<Control>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeSection {
    /// Above it.
    pub title: String,
    /// Its entries.
    pub entries: Vec<HomeEntry>,
}

/// An entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeEntry {
    /// Plain text, of one or two lines.
    pub text: String,
    /// The label and address of the page behind it, where there is one.
    pub page: Option<(String, String)>,
}

/// A picture to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// The file's name.
    pub name: String,
    /// What it shows, for people who cannot see it too.
    pub title: String,
    /// PNG bytes.
    pub png: Vec<u8>,
}

/// The code with which a surface refuses a file of which there is more than was wanted.
pub const FILE_TOO_LARGE: &str = "file_too_large";

/// Whether an effect is done for the first time, or may have been done before a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// For the first time.
    First,
    /// Perhaps again: look before you act.
    Repeated,
}

/// How a platform failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SurfaceError {
    /// It may work later.
    #[error("{what}")]
    Transient {
        /// What was tried and what came back, without any content that may be secret.
        what: String,
        /// How long the platform asks to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// It will not work by trying again.
    #[error("{what}: {code}")]
    Permanent {
        /// What was tried.
        what: String,
        /// The platform's own code.
        code: String,
    },
    /// The bot is not there any more; nothing was tried, and nothing is to be.
    #[error("{why}")]
    Closed {
        /// Where it was, and what ended that.
        why: String,
    },
}
