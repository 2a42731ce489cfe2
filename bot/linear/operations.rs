//! Everything that is asked of Linear: the operations, with what they take and give. Each stands in its own file, so that
//! it can be held against Linear's schema; fragments that several have stand in one beside them.
//!
//! A field that is absent is never sent: an explicit null clears it at Linear.

mod issues;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choices::Select;

pub(super) use issues::{
    Attached, Attachment, Candidate, CreateIssue, Filed, FiledIssue, IssueAnswer, KnownIssue,
    KnownSession, NewSession, OpenAnswer, PullRequestOf, Suggested, TeamsAnswer, ThreadAnswer,
    WhichRepository,
};

/// An operation.
pub(super) struct Operation {
    /// What it is for, for people.
    pub(super) what: &'static str,
    /// The document.
    pub(super) text: &'static str,
}

macro_rules! operations {
    ($($name:ident: $file:literal $(with $fragments:literal)?, $what:literal;)*) => {
        $(pub(super) const $name: Operation = Operation {
            what: $what,
            text: concat!(
                include_str!(concat!("operations/", $file, ".graphql")),
                $("\n", include_str!(concat!("operations/", $fragments, ".graphql")))?
            ),
        };)*
    };
}

operations! {
    VIEWER: "viewer", "asking Linear who the bot is";
    PERSON: "person", "looking a person up in Linear";
    SESSION: "session", "reading a session in Linear";
    WORK_ITEM: "work_item", "reading a session's issue in Linear";
    START_ISSUE: "start_issue", "moving an issue in Linear";
    SAY: "say", "saying something in Linear";
    SAID: "said", "looking for what was said in Linear";
    SHOW: "show", "showing plan and links in Linear";
    UPLOAD: "upload", "announcing a picture to Linear";
    FILING: "filing", "reading how an issue is filed in Linear";
    SUGGEST: "suggest", "asking Linear which repository an issue is about";
    LINK_PULL_REQUEST: "link_pull_request", "linking a pull request to an issue in Linear";
    ATTACH: "attach", "attaching a pull request to an issue in Linear";
    ISSUE: "issue", "looking for an issue in Linear";
    CREATE_ISSUE: "create_issue", "making an issue in Linear";
    TEAMS: "teams", "reading the teams of Linear";
    THREAD: "thread", "looking for the session of a comment in Linear";
    THREADS: "threads", "looking for the thread of an issue in Linear";
    OPEN: "open", "opening a session in Linear";
    SUBJECT: "subject" with "request", "reading who wrote an issue in Linear";
    CONVERSATION: "conversation" with "request", "reading a conversation in Linear";
}

/// The variable of most queries.
#[derive(Serialize)]
pub(super) struct Id<'a> {
    pub(super) id: &'a str,
}

/// The variables of what takes none.
#[derive(Serialize)]
pub(super) struct Nothing {}

/// The only variable of most mutations.
#[derive(Serialize)]
pub(super) struct Input<I> {
    pub(super) input: I,
}

/// The variables of a change.
#[derive(Serialize)]
pub(super) struct Change<'a, I> {
    pub(super) id: &'a str,
    pub(super) input: I,
}

/// The answer to a mutation, of which only the success matters: by the name of the field.
#[derive(Deserialize)]
pub(super) struct Done(BTreeMap<String, Success>);

#[derive(Deserialize)]
struct Success {
    success: bool,
}

impl Done {
    /// Whether everything that was asked for was done.
    pub(super) fn is_whole(&self) -> bool {
        self.0.values().all(|one| one.success)
    }
}

/// A named thing.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// A thing with an identifier.
#[derive(Debug, Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

/// The items of a list.
#[derive(Deserialize)]
pub(super) struct Nodes<T> {
    pub(super) nodes: Vec<T>,
}

/// The answer to [`VIEWER`].
#[derive(Deserialize)]
pub(super) struct ViewerAnswer {
    pub(super) viewer: Named,
    pub(super) organization: Named,
}

/// A user.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) app: bool,
    pub(super) guest: bool,
    pub(super) active: bool,
}

/// The answer to [`PERSON`].
#[derive(Deserialize)]
pub(super) struct PersonAnswer {
    pub(super) user: User,
}

/// An answer about a session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfSession<S> {
    pub(super) agent_session: S,
}

/// How Linear says a session stands; it follows from the last activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    /// Nothing was said yet.
    Pending,
    /// The agent works.
    Active,
    /// The agent has asked.
    AwaitingInput,
    /// The agent has ended.
    Complete,
    /// The agent has failed.
    Error,
    /// Nothing was said for half an hour, a person pressed Stop, or something newer than this client.
    #[serde(other)]
    Other,
}

/// The answer to [`SESSION`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    pub(super) status: Status,
    pub(super) url: Option<String>,
    pub(super) external_links: Vec<Link>,
    pub(super) issue: Option<Page>,
}

/// An issue with its page.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) id: String,
    pub(super) url: String,
}

/// A link of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) label: String,
    pub(super) url: String,
}

/// The answer to [`WORK_ITEM`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkItem {
    pub(super) creator: Option<Identified>,
    pub(super) app_user: Identified,
    pub(super) issue: Option<WorkIssue>,
}

#[derive(Deserialize)]
pub(super) struct WorkIssue {
    pub(super) id: String,
    pub(super) delegate: Option<Identified>,
    pub(super) state: IssueState,
    pub(super) team: Team,
}

#[derive(Deserialize)]
pub(super) struct IssueState {
    pub(super) r#type: String,
}

#[derive(Deserialize)]
pub(super) struct Team {
    pub(super) states: Nodes<TeamState>,
}

#[derive(Deserialize)]
pub(super) struct TeamState {
    pub(super) id: String,
    pub(super) position: f64,
}

/// What [`START_ISSUE`] changes.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartIssue {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delegate_id: Option<String>,
}

/// What an activity says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Content {
    /// What the agent thinks; no comment, notifies nobody.
    Thought { body: String },
    /// Something that was done; no comment, notifies nobody.
    Action {
        action: &'static str,
        parameter: String,
    },
    /// A question; the session waits.
    Elicitation { body: String },
    /// An end; the session is complete.
    Response { body: String },
    /// A failure.
    Error { body: String },
}

/// Whether the next activity takes an activity's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "bool")]
pub(super) enum Stay {
    /// It stays.
    Lasting,
    /// The next one replaces it.
    Ephemeral,
}

impl From<Stay> for bool {
    fn from(stay: Stay) -> Self {
        stay == Stay::Ephemeral
    }
}

/// What [`SAY`] makes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Activity<'a> {
    pub(super) agent_session_id: &'a str,
    /// In the form of a UUID of version 4, the only one that Linear takes.
    pub(super) id: String,
    pub(super) content: Content,
    pub(super) ephemeral: Stay,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<Signal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal_metadata: Option<Select>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Signal {
    /// The reader chooses.
    Select,
}

/// What [`SHOW`] changes.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Show {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Vec<PlanStep>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) added_external_urls: Vec<Link>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) removed_external_urls: Vec<String>,
}

/// A step of a session's checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PlanStep {
    pub(super) content: String,
    pub(super) status: PlanStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PlanStatus {
    Pending,
    InProgress,
    Completed,
    Canceled,
}

/// The variables of [`UPLOAD`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upload<'a> {
    pub(super) filename: &'a str,
    pub(super) content_type: &'static str,
    pub(super) size: usize,
}

/// The answer to [`UPLOAD`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadAnswer {
    pub(super) file_upload: FileUpload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileUpload {
    pub(super) upload_file: Option<UploadFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UploadFile {
    pub(super) upload_url: String,
    pub(super) asset_url: String,
    pub(super) headers: Vec<Header>,
}

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) key: String,
    pub(super) value: String,
}

/// The answer to [`CONVERSATION`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    pub(super) created_at: jiff::Timestamp,
    pub(super) comment: Option<Identified>,
    pub(super) issue: Option<Issue>,
    pub(super) activities: Nodes<SaidActivity>,
}

#[derive(Deserialize)]
pub(super) struct Issue {
    #[serde(flatten)]
    pub(super) request: Request,
    pub(super) parent: Option<Request>,
    /// Its sub-issues.
    pub(super) children: Nodes<Request>,
    pub(super) comments: Nodes<Comment>,
}

/// The answer to [`SUBJECT`].
#[derive(Deserialize)]
pub(super) struct OnIssue {
    pub(super) issue: Option<Request>,
}

/// An issue as the words of those who wrote it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) identifier: String,
    pub(super) title: String,
    pub(super) description: Option<String>,
    pub(super) created_at: jiff::Timestamp,
    /// Nobody where it was made by an integration, or from outside.
    pub(super) creator: Option<User>,
    pub(super) external_user_creator: Option<Outside>,
    /// What made it, where it was made by way of something; then its text may be anybody's.
    pub(super) bot_actor: Option<Outside>,
    pub(super) history: History,
}

/// Somebody or something that is no user of the workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Outside {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

/// What was changed in an issue.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    pub(super) nodes: Vec<Edit>,
    pub(super) page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub(super) has_next_page: bool,
}

/// One change; most are of other things than words.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edit {
    pub(super) to_title: Option<String>,
    pub(super) updated_description: Option<bool>,
    /// Nobody where an integration or a rule did it.
    pub(super) actor: Option<User>,
    pub(super) bot_actor: Option<Outside>,
    pub(super) description_updated_by: Option<Vec<User>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comment {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) created_at: jiff::Timestamp,
    pub(super) user: Option<User>,
    pub(super) external_user: Option<Outside>,
    pub(super) bot_actor: Option<Outside>,
    pub(super) parent: Option<Identified>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SaidActivity {
    pub(super) id: String,
    pub(super) created_at: jiff::Timestamp,
    pub(super) user: User,
    pub(super) content: SaidContent,
}

/// Of what the agent says itself, nothing is asked for.
#[derive(Deserialize)]
pub(super) struct SaidContent {
    pub(super) body: Option<String>,
}
