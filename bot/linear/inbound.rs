//! What Linear tells: events of agent sessions, read into what they mean.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{access, changes, choices, files, ids, reactions};
use crate::domain::{
    conversation::{ConversationId, LineRef, PersonId, Standing, SubjectId},
    incoming::{Author, Incoming},
};

/// How Linear begins the comment that it writes itself where an issue is delegated and nobody commented.
pub(super) const OWN_ROOT_COMMENT: &str = "This thread is for an agent session with";
/// The longest text that is taken from a payload, in characters.
pub(super) const TEXT_MAX_CHARS: usize = 40_000;

/// A delivery worth storing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What makes it the same delivery when it comes again. Made of the content: it is not documented that Linear's
    /// repeats keep their delivery id.
    pub key: String,
    /// Where it stands: its session, or its issue where Linear does not name the session.
    pub conversation: ConversationId,
    /// What has to be known so that it matters.
    pub relevance: Relevance,
}

/// When a delivery matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relevance {
    /// In any case.
    Certain,
    /// Where a task is about this issue, by its name or by one that it had before. Most issues of a workspace are none of our
    /// business.
    IfWorkedOn(SubjectId, Vec<SubjectId>),
    /// Where this comment was said to a task, which is about this issue unless it opened the task itself.
    IfHeard(LineRef, SubjectId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    r#type: String,
    action: String,
    agent_session: Session,
    agent_activity: Option<Activity>,
}

#[derive(Deserialize)]
struct Session {
    id: String,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    creator: Option<User>,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    issue: Option<Issue>,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    comment: Option<Comment>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    identifier: Option<String>,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    team: Option<Team>,
}

/// Something that Linear tells the application's own user.
#[derive(Deserialize)]
struct Notice {
    r#type: String,
    action: String,
    notification: Notification,
}

#[derive(Deserialize)]
struct Notification {
    id: String,
    actor: Option<User>,
    issue: Issue,
}

#[derive(Deserialize)]
struct Team {
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    id: String,
    body: String,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    user_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct User {
    id: String,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    id: String,
    /// The comment that the person wrote, where the activity is one.
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    source_comment_id: Option<String>,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    content: Option<Content>,
    #[serde(default, deserialize_with = "as_far_as_it_can_be_read")]
    signal: Option<String>,
    user: User,
}

#[derive(Deserialize)]
struct Content {
    body: String,
}

/// What a request can do without: a part of another form than we know costs that part, and not the request.
fn as_far_as_it_can_be_read<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    part: D,
) -> Result<Option<T>, D::Error> {
    let part = Value::deserialize(part)?;
    Ok(T::deserialize(part).ok())
}

/// Whether a delivery matters, and what it is the same as. `_delivery_id` (`Linear-Delivery`) decides nothing.
#[must_use]
pub fn accept(payload: &Value, _delivery_id: &str) -> Option<Accepted> {
    if let Some((id, about, _)) = taken_away(payload) {
        return Some(Accepted {
            key: id,
            conversation: ConversationId(about.0),
            relevance: Relevance::Certain,
        });
    }
    if let Some(reaction) = reactions::accept(payload) {
        return Some(reaction);
    }
    if let Some(lost) = access::accept(payload) {
        return Some(lost);
    }
    if let Some(change) = changes::read(payload) {
        return Some(change.accepted());
    }
    let payload = session_event(payload)?;
    let key = match (payload.action.as_str(), &payload.agent_activity) {
        ("created", _) => format!("{}:created", payload.agent_session.id),
        ("prompted", Some(activity)) => activity.id.clone(),
        _ => return None,
    };
    Some(Accepted {
        key,
        conversation: ids::conversation(&payload.agent_session.id),
        relevance: Relevance::Certain,
    })
}

/// What a stored delivery means. What lies below `uploads_url` and is named in words hangs on them as a file.
#[must_use]
pub fn read(payload: &Value, uploads_url: &str) -> Incoming {
    if let Some((_, about, by)) = taken_away(payload) {
        return Incoming::TakenAway { about, by };
    }
    if let Some(reaction) = reactions::read(payload) {
        return reaction;
    }
    if let Some(lost) = access::read(payload) {
        return lost;
    }
    if let Some(change) = changes::read(payload) {
        return change.incoming(uploads_url);
    }
    let Some(payload) = session_event(payload) else {
        return Incoming::Nothing;
    };
    match (payload.action.as_str(), payload.agent_activity) {
        ("created", _) => created(payload.agent_session, uploads_url),
        ("prompted", Some(activity)) => prompted(&payload.agent_session, activity, uploads_url),
        _ => Incoming::Nothing,
    }
}

/// The issue that a stored delivery of a session is about.
#[must_use]
pub fn about(payload: &Value) -> Option<SubjectId> {
    let issue = session_event(payload)?.agent_session.issue?;
    issue.identifier.as_deref().map(ids::issue)
}

/// The issue that somebody took away from the bot, with the notice's own name and whoever did it.
fn taken_away(payload: &Value) -> Option<(String, SubjectId, Author)> {
    let notice = Notice::deserialize(payload).ok()?;
    let is_meant =
        notice.r#type == "AppUserNotification" && notice.action == "issueUnassignedFromYou";
    let Notification { id, actor, issue } = notice.notification;
    let about = ids::issue(&issue.identifier?);
    (is_meant && !id.is_empty()).then(|| (id, about, actor.map_or_else(automation, author)))
}

fn session_event(payload: &Value) -> Option<Payload> {
    let payload = Payload::deserialize(payload).ok()?;
    let is_named = !payload.agent_session.id.is_empty()
        && payload
            .agent_activity
            .as_ref()
            .is_none_or(|activity| !activity.id.is_empty());
    (payload.r#type == "AgentSessionEvent" && is_named).then_some(payload)
}

fn created(session: Session, uploads_url: &str) -> Incoming {
    let place = place(&session);
    let conversation = ids::conversation(&session.id);
    let reference = ids::line(&session.id);
    let mention = session
        .comment
        .filter(|comment| !comment.body.trim().starts_with(OWN_ROOT_COMMENT));
    let creator = session.creator.map(author);
    match (mention, session.issue) {
        (Some(comment), _) => {
            let body = comment.body.trim();
            let text = crate::domain::clip(without_mention(body), TEXT_MAX_CHARS);
            Incoming::Said {
                conversation,
                reference: ids::line(&comment.id),
                by: said_by(comment.user_id.as_deref(), creator),
                files: files::named_in(&text, uploads_url),
                text,
                mentioned: true,
                place,
            }
        }
        // The payload has the issue's text and says nothing of who wrote it.
        (None, Some(_)) => Incoming::Delegated {
            conversation,
            reference,
            by: creator.unwrap_or_else(automation),
            place,
        },
        (None, None) => Incoming::Said {
            conversation,
            reference,
            by: creator.unwrap_or_else(automation),
            files: Vec::new(),
            text: String::new(),
            mentioned: true,
            place,
        },
    }
}

/// Whoever opened the session, unless the comment with the mention is another's.
fn said_by(writer: Option<&str>, creator: Option<Author>) -> Author {
    match (writer, creator) {
        (_, None) => automation(),
        (Some(writer), Some(creator)) if creator.id != ids::person(writer) => Author {
            id: ids::person(writer),
            name: None,
            standing: None,
        },
        (_, Some(creator)) => creator,
    }
}

/// Whoever writes in a session means its agent: nobody else is there.
fn prompted(session: &Session, activity: Activity, uploads_url: &str) -> Incoming {
    let conversation = ids::conversation(&session.id);
    let by = author(activity.user);
    if activity.signal.as_deref() == Some("stop") {
        return Incoming::StopSignal { conversation, by };
    }
    let body = activity.content.map(|content| content.body);
    let body = body.unwrap_or_default();
    if let Some(press) = choices::pressed(&body, &activity.id) {
        return Incoming::Pressed {
            conversation,
            by,
            press,
        };
    }
    let text = crate::domain::clip(without_mention(body.trim()), TEXT_MAX_CHARS);
    // By the comment's name, under which an edit of it comes.
    let reference = activity.source_comment_id.unwrap_or(activity.id);
    Incoming::Said {
        conversation,
        reference: ids::line(&reference),
        by,
        files: files::named_in(&text, uploads_url),
        text,
        mentioned: true,
        place: place(session),
    }
}

/// The text of an issue: title, and description where there is one. At most [`TEXT_MAX_CHARS`] characters.
pub(super) fn issue_text(title: &str, description: Option<&str>) -> String {
    let text = match description
        .map(str::trim)
        .filter(|description| !description.is_empty())
    {
        Some(description) => format!("{}\n\n{description}", title.trim()),
        None => title.trim().to_owned(),
    };
    crate::domain::clip(&text, TEXT_MAX_CHARS)
}

fn place(session: &Session) -> String {
    session
        .issue
        .as_ref()
        .and_then(|issue| issue.team.as_ref())
        .map(|team| team.key.clone())
        .unwrap_or_default()
}

/// The payload does not say who is a guest, so the standing is left to be looked up.
pub(super) fn author(user: User) -> Author {
    Author {
        id: ids::person(&user.id),
        name: user.name,
        standing: None,
    }
}

/// A session without a creator was opened by a rule of the workspace, not by a person.
pub(super) fn automation() -> Author {
    Author {
        id: PersonId("linear:automation".to_owned()),
        name: Some("an automation".to_owned()),
        standing: Some(Standing::Bot),
    }
}

/// Takes the mention from the front: `@name`, or a link whose text is one.
pub(super) fn without_mention(text: &str) -> &str {
    let rest = if let Some(link) = text.strip_prefix("[@") {
        link.split_once("](")
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(_, rest)| rest)
    } else {
        text.strip_prefix('@').map(|name| {
            name.find(char::is_whitespace)
                .map_or("", |end| &name[end..])
        })
    };
    rest.map_or(text, |rest| rest.trim_start_matches([',', ':']).trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{edit::Settlement, incoming::Press, network::Verdict};

    fn created_with(session: &Value) -> Value {
        let mut payload = json!({ "type": "AgentSessionEvent", "action": "created", "agentSession": {
            "id": "s1", "creator": { "id": "u1", "name": "Ana" },
            "issue": { "title": "Offset is ignored", "description": "Over 100.\nrepo=acme/web", "team": { "key": "ENG" } },
        } });
        for (key, value) in session.as_object().into_iter().flatten() {
            payload["agentSession"][key] = value.clone();
        }
        payload
    }

    fn prompted_with(body: &str, signal: &Value) -> Value {
        json!({ "type": "AgentSessionEvent", "action": "prompted", "agentSession": { "id": "s1", "status": "something new" }, "agentActivity": {
            "id": "a1", "content": { "type": "prompt", "body": body }, "signal": signal, "user": { "id": "u2", "name": "Ben" },
        } })
    }

    fn said(payload: &Value) -> (String, Author, String) {
        match read(payload, "") {
            Incoming::Said {
                text,
                by,
                place,
                mentioned: true,
                ..
            } => (text, by, place),
            other => panic!("not said: {other:?}"),
        }
    }

    fn delegated(payload: &Value) -> (Author, String) {
        match read(payload, "") {
            Incoming::Delegated { by, place, .. } => (by, place),
            other => panic!("not delegated: {other:?}"),
        }
    }

    #[test]
    fn whoever_delegates_an_issue_has_not_said_what_is_in_it() {
        for comment in [
            Value::Null,
            json!({ "id": "c1", "body": "This thread is for an agent session with Deckhand." }),
        ] {
            let (by, place) = delegated(&created_with(&json!({ "comment": comment })));
            assert_eq!(
                (by.id.0.as_str(), by.name.as_deref(), by.standing),
                ("linear:u1", Some("Ana"), None)
            );
            assert_eq!(place, "ENG");
        }
    }

    #[test]
    fn a_mention_is_by_whoever_wrote_the_comment() {
        let by = |user: &Value| {
            let comment = json!({ "id": "c1", "body": "@deckhand fix it", "userId": user });
            said(&created_with(&json!({ "comment": comment }))).1.id.0
        };
        assert_eq!(by(&Value::Null), "linear:u1");
        assert_eq!(by(&json!("u1")), "linear:u1");
        assert_eq!(by(&json!("u9")), "linear:u9");
    }

    #[test]
    fn a_mention_is_what_the_comment_says() {
        let check = |body: &str, expected: &str| {
            assert_eq!(
                said(&created_with(
                    &json!({ "comment": { "id": "c1", "body": body } })
                ))
                .0,
                expected
            );
        };
        check("@deckhand fix it", "fix it");
        check(
            "[@deckhand](https://linear.example/acme/profiles/deckhand): fix it",
            "fix it",
        );
        check("please fix it, @deckhand", "please fix it, @deckhand");
        check("@deckhand", "");
    }

    #[test]
    fn an_automation_is_no_person_and_a_document_is_no_issue() {
        let (by, _) = delegated(&created_with(&json!({ "creator": null })));
        assert_eq!(by.standing, Some(Standing::Bot));
        let (text, _, place) = said(&created_with(
            &json!({ "issue": null, "comment": { "id": "c1", "body": "@deckhand fix it" } }),
        ));
        assert_eq!((text.as_str(), place.as_str()), ("fix it", ""));
    }

    #[test]
    fn the_values_of_choices_are_presses_and_everything_else_is_words() {
        let pressed = |body: &str| match read(&prompted_with(body, &Value::Null), "") {
            Incoming::Pressed { press, .. } => Some(press),
            _ => None,
        };
        assert_eq!(pressed("approve:2"), Some(Press::Approve { revision: 2 }));
        assert_eq!(
            pressed("answer:3:npm test: all"),
            Some(Press::Answer {
                question: 3,
                text: "npm test: all".to_owned()
            })
        );
        assert_eq!(
            pressed("network:2:once"),
            Some(Press::Widen {
                entry: 2,
                verdict: Verdict::Once
            })
        );
        assert_eq!(
            pressed("settle:2:take"),
            Some(Press::Settle {
                proposal: 2,
                settlement: Settlement::Take
            })
        );
        assert_eq!(
            pressed("revise:2"),
            Some(Press::OpenCorrection {
                revision: 2,
                trigger: "a1".to_owned()
            })
        );
        assert_eq!(
            pressed("repository:change"),
            Some(Press::OpenRepository {
                trigger: "a1".to_owned()
            })
        );
        for words in [
            "revise",
            "revise: 2",
            "repository",
            "network:2:always",
            "network:once",
            "approve",
            "approve:x",
            "approve: 2 but rename it",
            "looks good",
            "answer:",
            "answer:1",
            "cancel",
        ] {
            assert_eq!(pressed(words), None, "{words}");
            assert_eq!(said(&prompted_with(words, &Value::Null)).0, words);
        }
    }

    #[test]
    fn a_stop_signal_stops_whatever_the_words_are_and_an_unknown_signal_does_not() {
        let stop = read(&prompted_with("Stop", &json!("stop")), "");
        assert!(matches!(stop, Incoming::StopSignal { by, .. } if by.id.0 == "linear:u2"));
        assert_eq!(said(&prompted_with("go on", &json!("pause"))).0, "go on");
    }

    #[test]
    fn the_same_content_is_the_same_delivery() {
        let key = |payload: &Value, id: &str| accept(payload, id).map(|accepted| accepted.key);
        assert_eq!(
            key(&created_with(&json!({})), "d1").as_deref(),
            Some("s1:created")
        );
        assert_eq!(
            key(&created_with(&json!({})), "d2").as_deref(),
            Some("s1:created")
        );
        assert_eq!(
            key(&prompted_with("x", &Value::Null), "d3").as_deref(),
            Some("a1")
        );
    }

    #[test]
    fn the_manifest_asks_for_what_is_read() {
        let manifest: Value =
            serde_json::from_str(include_str!("../../manifest/linear.json")).unwrap_or_default();
        assert_eq!(
            manifest["webhook"]["resourceTypes"],
            json!([
                created_with(&json!({}))["type"],
                unassigned()["type"],
                changes::ISSUE,
                changes::COMMENT,
                access::PERMISSION,
            ])
        );
    }

    fn unassigned() -> Value {
        json!({ "type": "AppUserNotification", "action": "issueUnassignedFromYou", "notification": {
            "id": "n1", "actor": { "id": "u1", "name": "Ana" }, "issue": { "identifier": "ENG-1" },
        } })
    }

    #[test]
    fn an_issue_that_is_taken_away_is_told_by_its_name_and_who_did_it() {
        let taken = unassigned();
        let accepted = accept(&taken, "d1").expect("it matters");
        assert_eq!(
            (accepted.key.as_str(), accepted.conversation.0.as_str()),
            ("n1", "linear:ENG-1")
        );
        let Incoming::TakenAway { about, by } = read(&taken, "") else {
            panic!("not taken away")
        };
        assert_eq!(
            (about.0.as_str(), by.id.0.as_str()),
            ("linear:ENG-1", "linear:u1")
        );
        let mut by_rule = taken.clone();
        by_rule["notification"]["actor"] = Value::Null;
        let Incoming::TakenAway { by, .. } = read(&by_rule, "") else {
            panic!("not taken away")
        };
        assert_eq!(by.standing, Some(Standing::Bot));
        for action in ["issueAssignedToYou", "issueMoved", "something new"] {
            let mut other = taken.clone();
            other["action"] = json!(action);
            assert_eq!(
                (accept(&other, "d1"), read(&other, "")),
                (None, Incoming::Nothing)
            );
        }
    }

    #[test]
    fn what_is_not_of_a_session_is_left_aside() {
        let mut other = created_with(&json!({}));
        other["type"] = json!("Issue");
        for payload in [
            other,
            json!({ "type": "AppUserNotification", "action": "issueMention" }),
            json!([]),
            prompted_with("x", &Value::Null)["agentSession"].clone(),
        ] {
            assert_eq!(accept(&payload, "d1"), None);
            assert_eq!(read(&payload, ""), Incoming::Nothing);
        }
    }
}
