//! What is asked about issues: how they are filed, what hangs on them, and which sessions are open on them.

use serde::{Deserialize, Serialize};

use super::{Identified, Link, Named, Nodes};

/// The answer to [`ISSUE`](super::ISSUE).
#[derive(Deserialize)]
pub(in crate::linear) struct IssueAnswer {
    pub(in crate::linear) issue: KnownIssue,
}

/// An issue with the sessions that are open on it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct KnownIssue {
    pub(in crate::linear) id: String,
    pub(in crate::linear) identifier: String,
    pub(in crate::linear) url: String,
    pub(in crate::linear) agent_sessions: Nodes<KnownSession>,
}

/// A session by its links.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct KnownSession {
    pub(in crate::linear) id: String,
    pub(in crate::linear) external_links: Vec<Link>,
}

/// What [`OPEN`](super::OPEN) makes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct NewSession<'a> {
    pub(in crate::linear) issue_id: &'a str,
    pub(in crate::linear) external_urls: [Link; 1],
}

/// The answer to [`OPEN`](super::OPEN).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct OpenAnswer {
    pub(in crate::linear) agent_session_create_on_issue: OpenedSession,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct OpenedSession {
    pub(in crate::linear) agent_session: Identified,
}

/// The answer to [`FILING`](super::FILING).
#[derive(Deserialize)]
pub(in crate::linear) struct Filed {
    pub(in crate::linear) issue: Option<FiledIssue>,
}

/// Where an issue is filed.
#[derive(Deserialize)]
pub(in crate::linear) struct FiledIssue {
    pub(in crate::linear) id: String,
    pub(in crate::linear) team: Keyed,
    pub(in crate::linear) project: Option<Named>,
    pub(in crate::linear) labels: Nodes<Named>,
}

/// A team.
#[derive(Deserialize)]
pub(in crate::linear) struct Keyed {
    pub(in crate::linear) key: String,
}

/// The variables of [`SUGGEST`](super::SUGGEST).
#[derive(Serialize)]
pub(in crate::linear) struct WhichRepository<'a> {
    pub(in crate::linear) issue: &'a str,
    pub(in crate::linear) session: &'a str,
    pub(in crate::linear) candidates: Vec<Candidate<'a>>,
}

/// A repository that may be meant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct Candidate<'a> {
    pub(in crate::linear) hostname: &'a str,
    pub(in crate::linear) repository_full_name: &'a str,
}

/// The answer to [`SUGGEST`](super::SUGGEST).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct Suggested {
    pub(in crate::linear) issue_repository_suggestions: Suggestions,
}

#[derive(Deserialize)]
pub(in crate::linear) struct Suggestions {
    pub(in crate::linear) suggestions: Vec<Suggestion>,
}

/// How sure Linear is of a repository, from 0 to 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct Suggestion {
    pub(in crate::linear) repository_full_name: String,
    pub(in crate::linear) confidence: f64,
}

/// The variables of [`LINK_PULL_REQUEST`](super::LINK_PULL_REQUEST).
#[derive(Serialize)]
pub(in crate::linear) struct PullRequestOf<'a> {
    pub(in crate::linear) issue: &'a str,
    pub(in crate::linear) url: &'a str,
}

/// What [`ATTACH`](super::ATTACH) makes. The same issue and address change what is attached already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct Attachment<'a> {
    pub(in crate::linear) issue_id: &'a str,
    pub(in crate::linear) title: &'static str,
    pub(in crate::linear) url: &'a str,
}

/// What [`CREATE_ISSUE`](super::CREATE_ISSUE) makes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct CreateIssue<'a> {
    pub(in crate::linear) id: &'a str,
    pub(in crate::linear) team_id: &'a str,
    pub(in crate::linear) title: String,
    pub(in crate::linear) description: &'a str,
}

/// The answer to [`TEAMS`](super::TEAMS).
#[derive(Deserialize)]
pub(in crate::linear) struct TeamsAnswer {
    pub(in crate::linear) teams: Nodes<KnownTeam>,
}

/// A team that the application can see.
#[derive(Deserialize)]
pub(in crate::linear) struct KnownTeam {
    pub(in crate::linear) id: String,
    pub(in crate::linear) key: String,
}

/// The answer to [`THREADS`](super::THREADS).
#[derive(Deserialize)]
pub(in crate::linear) struct Attached {
    pub(in crate::linear) issue: Option<WithAttachments>,
}

#[derive(Deserialize)]
pub(in crate::linear) struct WithAttachments {
    pub(in crate::linear) attachments: Nodes<AttachedPage>,
}

/// A page that hangs on an issue.
#[derive(Deserialize)]
pub(in crate::linear) struct AttachedPage {
    pub(in crate::linear) url: String,
}

/// The answer to [`THREAD`](super::THREAD).
#[derive(Deserialize)]
pub(in crate::linear) struct ThreadAnswer {
    pub(in crate::linear) comment: RootComment,
}

/// A comment that a session may have been opened on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::linear) struct RootComment {
    pub(in crate::linear) agent_session: Option<Identified>,
}
