//! Names of things in Slack, as the rest of the project carries them around: `slack:<team>:<channel>:<moment>`.

use crate::{
    domain::conversation::{ConversationId, LineRef, PersonId},
    surface::SurfaceError,
};

/// The first part of every name that belongs to this surface.
const SURFACE: &str = "slack";
/// Stands for the moment where there is no thread: a slash command.
const NO_THREAD: &str = "-";

/// A message, or a thread by its first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The workspace, or the organisation where a payload names no workspace.
    pub team: String,
    /// The channel.
    pub channel: String,
    /// The message's moment, which is its name; none where a conversation is no thread.
    pub ts: Option<String>,
}

/// The name of a thread.
#[must_use]
pub fn conversation(team: &str, channel: &str, thread_ts: Option<&str>) -> ConversationId {
    ConversationId(format!(
        "{SURFACE}:{team}:{channel}:{}",
        thread_ts.unwrap_or(NO_THREAD)
    ))
}

/// The name of a message.
#[must_use]
pub fn line(team: &str, channel: &str, ts: &str) -> LineRef {
    LineRef(format!("{SURFACE}:{team}:{channel}:{ts}"))
}

/// The name of a person.
#[must_use]
pub fn person(team: &str, user: &str) -> PersonId {
    PersonId(format!("{SURFACE}:{team}:{user}"))
}

/// The workspace, or the organisation, in any name of this surface: a conversation's, a line's or a person's.
#[must_use]
pub fn home(name: &str) -> Option<&str> {
    let mut parts = name.split(':');
    (parts.next() == Some(SURFACE)).then_some(())?;
    parts.next().filter(|team| !team.is_empty())
}

/// What the names of all conversations of a workspace begin with.
#[must_use]
pub fn under(home: &str) -> String {
    format!("{SURFACE}:{home}:")
}

/// The thread that a message's page belongs to: `https://acme.slack.com/archives/C0123/p1700000000000100`, with
/// `?thread_ts=1700000000.000100` where the message is a reply.
#[must_use]
pub fn thread_of_page(team: &str, page: &str) -> Option<ConversationId> {
    let (_, rest) = page.split_once("/archives/")?;
    let (path, asked) = rest.split_once('?').unwrap_or((rest, ""));
    let (channel, message) = path.split_once('/')?;
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric());
    let is_moment = |ts: &str| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        ts.split_once('.')
            .is_some_and(|(s, us)| digits(s) && digits(us))
    };
    let root = asked
        .split('&')
        .find_map(|pair| pair.strip_prefix("thread_ts="));
    let ts = if let Some(root) = root {
        root.to_owned()
    } else {
        let digits = message.strip_prefix('p')?;
        let (seconds, rest) = digits.split_at_checked(digits.len().checked_sub(6)?)?;
        format!("{seconds}.{rest}")
    };
    (is_plain(channel) && is_moment(&ts)).then(|| conversation(team, channel, Some(&ts)))
}

/// Reads a thread's name.
pub fn parse_conversation(id: &ConversationId) -> Result<Place, SurfaceError> {
    parse_place(&id.0).ok_or_else(not_ours)
}

/// Reads a message's name, and its moment.
pub fn parse_line(line: &LineRef) -> Result<(Place, String), SurfaceError> {
    let place = parse_place(&line.0).ok_or_else(not_ours)?;
    let ts = place.ts.clone().ok_or_else(not_ours)?;
    Ok((place, ts))
}

/// Reads a person's name: team and user.
pub fn parse_person(id: &PersonId) -> Result<(&str, &str), SurfaceError> {
    let mut parts = id.0.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(SURFACE), Some(team), Some(user), None) if !user.is_empty() => Ok((team, user)),
        _ => Err(not_ours()),
    }
}

fn parse_place(id: &str) -> Option<Place> {
    let mut parts = id.split(':');
    let (surface, team, channel, ts) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if surface != SURFACE || channel.is_empty() || ts.is_empty() || parts.next().is_some() {
        return None;
    }
    Some(Place {
        team: team.to_owned(),
        channel: channel.to_owned(),
        ts: (ts != NO_THREAD).then(|| ts.to_owned()),
    })
}

fn not_ours() -> SurfaceError {
    SurfaceError::Permanent {
        what: "reading a name of Slack".to_owned(),
        code: "not_a_slack_name".to_owned(),
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a name that cannot be read is a failed test"
)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_made() {
        let place = parse_conversation(&conversation("T1", "C1", Some("1.2"))).unwrap();
        assert_eq!(
            place,
            Place {
                team: "T1".into(),
                channel: "C1".into(),
                ts: Some("1.2".into())
            }
        );
        assert_eq!(
            parse_conversation(&conversation("T1", "C1", None))
                .unwrap()
                .ts,
            None
        );
        assert_eq!(parse_line(&line("T1", "C1", "1.2")).unwrap().1, "1.2");
        assert_eq!(parse_person(&person("T1", "U1")).unwrap(), ("T1", "U1"));
    }

    #[test]
    fn a_thread_is_known_by_the_page_of_any_of_its_messages() {
        let thread = |page: &str| thread_of_page("T1", page).map(|one| one.0);
        let expected = Some("slack:T1:C0123:1700000000.000100".to_owned());
        for page in [
            "https://acme.slack.com/archives/C0123/p1700000000000100",
            "https://acme.slack.com/archives/C0123/p1700000555000100?thread_ts=1700000000.000100&cid=C0123",
        ] {
            assert_eq!(thread(page), expected, "{page}");
        }
        for page in [
            "https://acme.slack.com/archives/C0123",
            "https://acme.slack.com/archives/C0123/p12",
            "https://acme.slack.com/archives/C0:1/p1700000000000100",
            "https://acme.slack.com/archives/C0123/p1700000000000100?thread_ts=x:y",
            "https://example.com/C0123/p1700000000000100",
            "",
        ] {
            assert_eq!(thread(page), None, "{page}");
        }
    }

    #[test]
    fn names_of_others_are_refused() {
        for other in [
            "linear:a:b:c",
            "slack:T1:C1",
            "slack:T1:C1:1.2:x",
            "slack:T1::1.2",
            "",
        ] {
            assert!(
                parse_conversation(&ConversationId(other.to_owned())).is_err(),
                "{other}"
            );
        }
        assert!(parse_line(&LineRef("slack:T1:C1:-".to_owned())).is_err());
        assert!(parse_person(&PersonId("slack:T1:C1:1.2".to_owned())).is_err());
    }
}
