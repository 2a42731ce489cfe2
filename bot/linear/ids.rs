//! The opaque keys of the domain, as this surface makes and reads them: `linear:` and one of Linear's own identifiers.

use crate::{
    domain::conversation::{ConversationId, LineRef, PersonId, SubjectId},
    surface::SurfaceError,
};

const PREFIX: &str = "linear:";
const OWN: &str = "own-";

/// An agent session.
#[must_use]
pub fn conversation(session: &str) -> ConversationId {
    ConversationId(format!("{PREFIX}{session}"))
}

/// Something that was said: an activity, a comment, an issue, or the session's own opening.
#[must_use]
pub fn line(id: &str) -> LineRef {
    LineRef(format!("{PREFIX}{id}"))
}

/// What the bot itself said to open a session for somebody who asked elsewhere.
#[must_use]
pub fn own_opening(session: &str) -> LineRef {
    line(&format!("{OWN}{session}"))
}

/// Whether a session was opened by the bot itself for somebody who asked elsewhere.
pub(super) fn is_own_opening(line: &LineRef) -> bool {
    behind(&line.0, "reading a line's name").is_ok_and(|id| id.starts_with(OWN))
}

/// An issue, by the name that people know it by: `ENG-12`.
#[must_use]
pub fn issue(identifier: &str) -> SubjectId {
    SubjectId(format!("{PREFIX}{}", identifier.to_ascii_uppercase()))
}

/// An issue as it reads after an edit: another line than the one that was read first.
#[must_use]
pub fn edited(issue: &LineRef) -> LineRef {
    LineRef(format!("{}/edited", issue.0))
}

/// A user.
#[must_use]
pub fn person(user: &str) -> PersonId {
    PersonId(format!("{PREFIX}{user}"))
}

/// The session behind a conversation.
pub(super) fn session_of(conversation: &ConversationId) -> Result<&str, SurfaceError> {
    behind(&conversation.0, "reading a conversation's name")
}

/// The name of an issue as people know it.
pub(super) fn issue_of(subject: &SubjectId) -> Result<&str, SurfaceError> {
    behind(&subject.0, "reading an issue's name")
}

/// The comment behind a line.
pub(super) fn comment_of(line: &LineRef) -> Result<&str, SurfaceError> {
    behind(&line.0, "reading a comment's name")
}

/// The user behind a person.
pub(super) fn user_of(person: &PersonId) -> Result<&str, SurfaceError> {
    behind(&person.0, "reading a person's name")
}

fn behind<'a>(key: &'a str, what: &str) -> Result<&'a str, SurfaceError> {
    key.strip_prefix(PREFIX)
        .filter(|id| !id.is_empty())
        .ok_or_else(|| SurfaceError::Permanent {
            what: what.to_owned(),
            code: "not_of_linear".to_owned(),
        })
}
