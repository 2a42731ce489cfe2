//! Tasks that are asked for in a form: the shortcut that opens it, the form itself, and the message that stands for it.

use serde_json::{Value, json};

use super::{Accepted, author, certain, interactor, team, text_of};
use crate::{
    domain::{
        conversation::{ConversationId, LineRef, PersonId},
        incoming::Incoming,
    },
    slack::{forms, ids, manifest::NEW_TASK},
    surface::SurfaceError,
};

/// The type of what the bot itself stores for a request that it has posted. No door takes it.
pub(super) const POSTED: &str = "deckhand_request";

/// A request that was posted for a person, to be stored as what it is: their words.
#[derive(Debug, Clone, PartialEq)]
pub struct PostedRequest {
    /// Its key in the inbox.
    pub key: String,
    /// The thread that it begins.
    pub conversation: ConversationId,
    /// Its body.
    pub body: Value,
}

/// What to store for a request that stands at `line` now.
pub fn posted(line: &LineRef, by: &PersonId, text: &str) -> Result<PostedRequest, SurfaceError> {
    let (place, ts) = ids::parse_line(line)?;
    Ok(PostedRequest {
        key: format!("said:{}:{}:{ts}", place.team, place.channel),
        conversation: ids::conversation(&place.team, &place.channel, Some(&ts)),
        body: json!({ "type": POSTED, "line": line.0, "by": by.0, "text": text }),
    })
}

pub(super) fn read_posted(payload: &Value) -> Option<Incoming> {
    let reference = LineRef(payload["line"].as_str()?.to_owned());
    let (place, ts) = ids::parse_line(&reference).ok()?;
    let by = PersonId(payload["by"].as_str()?.to_owned());
    let (team, user) = ids::parse_person(&by).ok()?;
    Some(Incoming::Said {
        conversation: ids::conversation(&place.team, &place.channel, Some(&ts)),
        reference,
        by: author(team, user, None),
        text: payload["text"].as_str()?.to_owned(),
        files: Vec::new(),
        mentioned: true,
        place: format!("slack:{}:{}", place.team, place.channel),
    })
}

pub(super) fn accept_shortcut(payload: &Value) -> Option<Accepted> {
    let trigger = is_ours(payload)?;
    Some(certain(format!("shortcut:{trigger}"), alone(payload)?))
}

pub(super) fn read_shortcut(payload: &Value) -> Option<Incoming> {
    Some(Incoming::FormAsked {
        trigger: is_ours(payload)?.to_owned(),
        conversation: alone(payload)?,
        by: interactor(payload)?,
    })
}

/// The channel and the words of a sent form; none where it is another one.
pub(super) fn place(payload: &Value) -> Option<(ConversationId, String)> {
    let (channel, text) = forms::requested(&payload["view"])?;
    Some((ids::conversation(team(payload), channel, None), text))
}

fn is_ours(payload: &Value) -> Option<&str> {
    (text_of(payload, "callback_id") == NEW_TASK).then_some(())?;
    payload["trigger_id"].as_str()
}

/// A shortcut has no channel; what is to be said about it is said to its person alone.
pub(super) fn alone(payload: &Value) -> Option<ConversationId> {
    let user = payload["user"]["id"].as_str()?;
    Some(ids::conversation(team(payload), user, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slack::inbound::{accept, read};

    fn me() -> crate::slack::Identity {
        crate::slack::Identity {
            user_id: "U0BOT".into(),
            team_id: "T1".into(),
            bot_id: None,
            team_name: String::new(),
            user_name: String::new(),
            url: String::new(),
            organisation: None,
        }
    }

    fn sent(which: &Value) -> Value {
        json!({
            "type": "view_submission", "team": { "id": "T1" }, "user": { "id": "U1" },
            "view": { "id": "V1", "callback_id": "deckhand:request", "state": { "values": {
                "said": { "said": { "value": " fix the offset " } },
                "where": { "where": { "selected_conversation": "C1" } },
                "which": { "which": which },
            } } },
        })
    }

    #[test]
    fn the_form_says_what_where_and_in_which_repository() {
        for (which, expected) in [
            (json!({ "value": null }), "fix the offset"),
            (
                json!({ "value": "acme/web" }),
                "fix the offset\nrepo=acme/web",
            ),
            (
                json!({ "selected_option": { "value": "acme/api" } }),
                "fix the offset\nrepo=acme/api",
            ),
        ] {
            let payload = sent(&which);
            let accepted = accept(&payload).expect("a form of ours");
            assert_eq!(accepted.key, "form:V1:U1");
            let Incoming::Requested {
                conversation, text, ..
            } = read(&payload, &me())
            else {
                panic!("the form was not read")
            };
            assert_eq!(conversation.0, "slack:T1:C1:-");
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn what_the_bot_stores_for_it_is_what_the_person_said_and_no_door_takes_it() {
        let line = LineRef("slack:T1:C1:1.2".into());
        let posted = posted(&line, &PersonId("slack:T1:U1".into()), "fix <it>").expect("ours");
        assert_eq!(accept(&posted.body), None);
        let Incoming::Said {
            conversation,
            reference,
            text,
            by,
            ..
        } = read(&posted.body, &me())
        else {
            panic!("it was not read")
        };
        assert_eq!((conversation, reference), (posted.conversation, line));
        assert_eq!(
            (text.as_str(), by.id.0.as_str()),
            ("fix <it>", "slack:T1:U1")
        );
    }

    #[test]
    fn shortcuts_of_others_are_none_of_ours() {
        let ours = json!({
            "type": "shortcut", "callback_id": "new_task", "trigger_id": "1.2", "team": { "id": "T1" }, "user": { "id": "U1" },
        });
        assert!(matches!(read(&ours, &me()), Incoming::FormAsked { .. }));
        let mut other = ours;
        other["callback_id"] = json!("other");
        assert_eq!(accept(&other), None);
        assert_eq!(read(&other, &me()), Incoming::Nothing);
    }

    #[test]
    fn settings_are_asked_for_on_a_persons_page_and_in_a_thread() {
        let action = json!({ "action_id": "deckhand:settings:0", "action_ts": "9.1", "value": "{\"do\":\"settings\",\"place\":null}" });
        let mut payload = json!({
            "type": "block_actions", "team": { "id": "T1" }, "user": { "id": "U1" }, "trigger_id": "1.2.abc",
            "container": { "type": "view", "view_id": "V1" }, "view": { "id": "V1", "type": "home" }, "actions": [action],
        });
        let accepted = accept(&payload).expect("a press of ours");
        assert_eq!(accepted.key, "settings:U1:9.1");
        let Incoming::SettingsAsked {
            conversation,
            trigger,
            place,
            ..
        } = read(&payload, &me())
        else {
            panic!("it was not read")
        };
        assert_eq!(
            (conversation.0.as_str(), trigger.as_str()),
            ("slack:T1:U1:-", "1.2.abc")
        );
        assert_eq!(place, None);
        payload["container"] = json!({ "type": "message", "message_ts": "3.1", "channel_id": "C1", "thread_ts": "2.1", "is_ephemeral": true });
        payload["actions"][0]["value"] = json!("{\"do\":\"settings\",\"place\":\"slack:T1:C1\"}");
        let Incoming::SettingsAsked {
            conversation,
            place,
            ..
        } = read(&payload, &me())
        else {
            panic!("it was not read")
        };
        assert_eq!(conversation.0, "slack:T1:C1:2.1");
        assert_eq!(place.as_deref(), Some("slack:T1:C1"));
    }
}
