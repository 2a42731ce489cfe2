//! The opaque keys of the domain, as this surface makes and reads them: `linear:` and one of Linear's own identifiers.

use crate::{
    domain::conversation::{ConversationId, LineRef, PersonId},
    surface::SurfaceError,
};

const PREFIX: &str = "linear:";

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

/// A user.
#[must_use]
pub fn person(user: &str) -> PersonId {
    PersonId(format!("{PREFIX}{user}"))
}

/// The session behind a conversation.
pub(super) fn session_of(conversation: &ConversationId) -> Result<&str, SurfaceError> {
    behind(&conversation.0, "reading a conversation's name")
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
