//! Payloads in all their shapes: doubled, organisation-wide, from outsiders, from nobody.
#![expect(
    clippy::needless_pass_by_value,
    reason = "payloads are written where they are used"
)]

use serde_json::{Value, json};

use super::me;
use crate::{
    domain::{
        conversation::{ConversationId, LineRef, PersonId, Standing},
        event::ReactionMeaning,
        incoming::{Incoming, Press},
    },
    slack::{Relevance, accept, challenge, read},
};

fn envelope(event: Value) -> Value {
    json!({ "type": "event_callback", "team_id": "T1", "event": event, "authorizations": [{ "team_id": "T1", "user_id": "U0BOT", "is_bot": true }] })
}

fn message(fields: Value) -> Value {
    let mut event = json!({ "type": "message", "user": "U1", "ts": "2.2", "text": "hello", "channel": "C1", "channel_type": "channel" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    envelope(event)
}

fn relevance(payload: &Value) -> Option<Relevance> {
    accept(payload).map(|accepted| accepted.relevance)
}

#[test]
fn a_mention_that_arrives_twice_is_one_delivery() {
    let text = json!({ "text": "<@U0BOT> fix it" });
    let as_message = message(text.clone());
    let mut as_mention = message(text);
    as_mention["event"]["type"] = json!("app_mention");
    as_mention["event_id"] = json!("Ev2");
    assert_eq!(accept(&as_message), accept(&as_mention));
    assert_eq!(
        read(&as_message, &me("U0BOT")),
        read(&as_mention, &me("U0BOT"))
    );
    assert_eq!(
        accept(&as_message).map(|accepted| accepted.key).as_deref(),
        Some("said:T1:C1:2.2")
    );
}

#[test]
fn a_mention_is_heard_where_slack_does_not_say_who_the_bot_is() {
    let mut mention = message(json!({ "type": "app_mention", "text": "<@U0BOT> fix it" }));
    mention["authorizations"].take();
    assert_eq!(relevance(&mention), Some(Relevance::Certain));
}

#[test]
fn chatter_programs_and_edits_are_not_even_stored() {
    assert_eq!(accept(&message(json!({}))), None, "two people talk");
    for nothing in [
        message(json!({ "user": "U0BOT", "text": "<@U0BOT>" })),
        message(json!({ "bot_id": "B2", "text": "<@U0BOT>" })),
        message(json!({ "subtype": "bot_message", "text": "<@U0BOT>" })),
        message(
            json!({ "subtype": "message_changed", "hidden": true, "message": { "text": "<@U0BOT>" } }),
        ),
        message(json!({ "subtype": "message_deleted", "hidden": true })),
        message(json!({ "subtype": "channel_join", "text": "<@U0BOT> has joined" })),
        message(json!({ "user": null, "text": "<@U0BOT>" })),
        envelope(json!({ "type": "team_join" })),
        json!({ "type": "event_callback" }),
        json!({ "type": "block_actions", "actions": [] }),
        json!({ "type": "shortcut" }),
        json!([]),
        json!(null),
    ] {
        assert_eq!(accept(&nothing), None, "{nothing}");
        assert_eq!(read(&nothing, &me("U0BOT")), Incoming::Nothing, "{nothing}");
    }
}

#[test]
fn a_reply_matters_where_its_thread_is_known() {
    let reply = message(json!({ "thread_ts": "2.1" }));
    assert_eq!(relevance(&reply), Some(Relevance::IfConversationKnown));
    assert_eq!(
        accept(&reply).and_then(|accepted| accepted.conversation_hint),
        Some(ConversationId("slack:T1:C1:2.1".into()))
    );
    assert_eq!(
        relevance(&message(
            json!({ "thread_ts": "2.1", "text": "<@U0BOT> x" })
        )),
        Some(Relevance::Certain)
    );
    assert_eq!(
        relevance(&message(json!({ "channel": "D1", "channel_type": "im" }))),
        Some(Relevance::Certain)
    );
    assert_eq!(
        relevance(&message(json!({ "thread_ts": "2.2" }))),
        None,
        "the first message of a thread is no reply"
    );
}

#[test]
fn a_private_channel_is_heard_as_a_public_one() {
    for kind in ["channel", "group", "mpim"] {
        let place = |fields: Value| {
            let mut payload = message(fields);
            payload["event"]["channel_type"] = json!(kind);
            payload["event"]["channel"] = json!("G1");
            payload
        };
        let mention = place(json!({ "text": "<@U0BOT> fix it" }));
        assert_eq!(relevance(&mention), Some(Relevance::Certain), "{kind}");
        let reply = place(json!({ "thread_ts": "2.1" }));
        let known = Some(Relevance::IfConversationKnown);
        assert_eq!(relevance(&reply), known, "{kind}");
        assert_eq!(relevance(&place(json!({}))), None, "{kind}");
    }
}

#[test]
fn an_organisation_wide_installation_names_no_team() {
    let mut payload = message(json!({ "text": "<@U0BOT> fix it", "files": null }));
    payload["team_id"] = Value::Null;
    payload["enterprise_id"] = json!("E1");
    payload["authorizations"] = json!([{ "enterprise_id": "E1", "team_id": null, "user_id": "U0BOT", "is_bot": true, "is_enterprise_install": true }]);
    assert_eq!(
        accept(&payload).map(|accepted| accepted.key).as_deref(),
        Some("said:E1:C1:2.2")
    );
    payload["context_team_id"] = json!("T9");
    assert_eq!(
        accept(&payload).map(|accepted| accepted.key).as_deref(),
        Some("said:E1:C1:2.2"),
        "only some payloads name the workspace"
    );
}

#[test]
fn outsiders_of_a_shared_channel_are_known_at_once() {
    let standing = |payload: &Value| match read(payload, &me("U0BOT")) {
        Incoming::Said { by, .. } => by.standing,
        other => panic!("{other:?}"),
    };
    let mut payload = message(json!({ "user_team": "T2" }));
    assert_eq!(standing(&payload), None);
    payload["is_ext_shared_channel"] = json!(true);
    assert_eq!(standing(&payload), Some(Standing::Outsider));
    payload["event"]["user_team"] = json!("T1");
    assert_eq!(standing(&payload), None);
}

#[test]
fn files_are_named_by_their_address_or_by_their_identifier() {
    let payload = message(
        json!({ "subtype": "file_share", "thread_ts": "2.1", "files": [
        { "id": "F1", "name": "a.png", "mimetype": "image/png", "size": 3, "url_private": "https://files.slack.com/a" },
        { "id": "F2", "file_access": "check_file_info" },
        { "id": "F3", "mode": "tombstone" },
    ] }),
    );
    let Incoming::Said { files, text, .. } = read(&payload, &me("U0BOT")) else {
        panic!("not heard")
    };
    assert_eq!(text, "hello");
    let handles: Vec<&str> = files.iter().map(|file| file.handle.as_str()).collect();
    assert_eq!(handles, ["https://files.slack.com/a", "F2"]);
}

#[test]
fn reactions_mean_something_or_nothing() {
    let reaction = |name: &str, user: &str| {
        envelope(
            json!({ "type": "reaction_added", "user": user, "reaction": name, "item": { "type": "message", "channel": "C1", "ts": "2.5" }, "event_ts": "4.0" }),
        )
    };
    let meaning = |name: &str| match read(&reaction(name, "U1"), &me("U0BOT")) {
        Incoming::Reacted { meaning, on, .. } => {
            assert_eq!(on, LineRef("slack:T1:C1:2.5".into()));
            Some(meaning)
        }
        _ => None,
    };
    assert_eq!(meaning("white_check_mark"), Some(ReactionMeaning::Approve));
    assert_eq!(meaning("+1::skin-tone-2"), Some(ReactionMeaning::Approve));
    for cancel in ["x", "octagonal_sign", "no_entry"] {
        assert_eq!(meaning(cancel), Some(ReactionMeaning::Cancel));
    }
    assert_eq!(meaning("repeat"), Some(ReactionMeaning::Retry));
    assert_eq!(meaning("tada"), None);
    assert_eq!(accept(&reaction("tada", "U1")), None);
    assert_eq!(
        accept(&reaction("x", "U0BOT")),
        None,
        "the bot does not decide by its own marks"
    );
    let accepted = accept(&reaction("x", "U1"));
    assert_eq!(
        accepted.as_ref().map(|accepted| accepted.key.as_str()),
        Some("reaction:C1:2.5:U1:x:4.0")
    );
    assert_eq!(
        accepted.and_then(|accepted| accepted.reaction_on),
        Some(LineRef("slack:T1:C1:2.5".into()))
    );
}

fn press(value: &str) -> Value {
    json!({ "type": "block_actions", "team": { "id": "T1" }, "user": { "id": "U1", "team_id": "T1" }, "trigger_id": "1.2.abc",
        "container": { "type": "message", "message_ts": "2.5", "channel_id": "C1", "thread_ts": "2.1" },
        "actions": [{ "type": "button", "action_id": "deckhand:approve:0", "value": value, "action_ts": "10.0" }] })
}

#[test]
fn presses_carry_what_they_stand_for() {
    let meaning = |payload: &Value| match read(payload, &me("U0BOT")) {
        Incoming::Pressed {
            conversation,
            by,
            press,
        } => {
            assert_eq!(
                (conversation.0.as_str(), by.id),
                ("slack:T1:C1:2.1", PersonId("slack:T1:U1".into()))
            );
            Some(press)
        }
        _ => None,
    };
    assert_eq!(
        meaning(&press(r#"{"do":"approve","revision":2}"#)),
        Some(Press::Approve { revision: 2 })
    );
    assert_eq!(
        meaning(&press(r#"{"do":"edit","revision":2}"#)),
        Some(Press::OpenCorrection {
            revision: 2,
            trigger: "1.2.abc".into()
        })
    );
    assert_eq!(
        meaning(&press(r#"{"do":"answer","question":3,"choice":"main"}"#)),
        Some(Press::Answer {
            question: 3,
            text: "main".into()
        })
    );
    assert_eq!(meaning(&press("nonsense")), None);
    let mut other_app = press(r#"{"do":"cancel"}"#);
    other_app["actions"][0]["action_id"] = json!("cancel");
    assert_eq!(accept(&other_app), None);
    assert_eq!(
        accept(&press(r#"{"do":"cancel"}"#))
            .map(|accepted| accepted.key)
            .as_deref(),
        Some("press:C1:2.5:U1:deckhand:approve:0:10.0")
    );
}

#[test]
fn a_choice_from_a_menu_is_an_answer() {
    let mut payload = press("");
    payload["actions"] = json!([{ "type": "static_select", "action_id": "deckhand:choose:4", "selected_option": { "value": "acme/web" }, "action_ts": "10.0" }]);
    let Incoming::Pressed { press, .. } = read(&payload, &me("U0BOT")) else {
        panic!("not read")
    };
    assert_eq!(
        press,
        Press::Answer {
            question: 4,
            text: "acme/web".into()
        }
    );
}

#[test]
fn slacks_own_stop_is_a_signal() {
    let payload = envelope(
        json!({ "type": "agent_session_stopped", "channel": "C1", "thread_ts": "2.1", "user": "U1", "event_ts": "7.0" }),
    );
    assert_eq!(relevance(&payload), Some(Relevance::IfConversationKnown));
    assert!(
        matches!(read(&payload, &me("U0BOT")), Incoming::StopSignal { conversation, .. } if conversation.0 == "slack:T1:C1:2.1")
    );
}

#[test]
fn the_address_proves_itself() {
    assert_eq!(
        challenge(&json!({ "type": "url_verification", "challenge": "abc" })),
        Some("abc")
    );
    assert_eq!(
        challenge(&json!({ "type": "event_callback", "challenge": "abc" })),
        None
    );
}

/// An event of a changed message, as Slack sends it: the words before and now, and who edited when.
fn changed(before: &str, now: &str) -> Value {
    envelope(json!({
        "type": "message", "subtype": "message_changed", "hidden": true, "channel": "C1", "channel_type": "channel", "ts": "3.0",
        "message": { "type": "message", "user": "U1", "text": now, "ts": "2.2", "edited": { "user": "U1", "ts": "3.0" } },
        "previous_message": { "type": "message", "user": "U1", "text": before, "ts": "2.2" },
    }))
}

#[test]
fn an_edit_is_one_where_a_person_wrote_it_differently() {
    let payload = changed("<@U0BOT> fix it", "<@U0BOT> fix &amp; test it");
    let accepted = accept(&payload).expect("an edit");
    assert_eq!(accepted.relevance, Relevance::IfConversationKnown);
    assert_eq!(accepted.key, "edited:T1:C1:2.2:3.0");
    let Incoming::Edited {
        conversation,
        reference,
        text,
        mentioned,
        ..
    } = read(&payload, &me("U0BOT"))
    else {
        panic!("the edit was not read")
    };
    assert_eq!(conversation.0, "slack:T1:C1:2.2");
    assert_eq!(reference.0, "slack:T1:C1:2.2");
    assert_eq!((text.as_str(), mentioned), ("fix & test it", false));
    // Links get previews, threads get replies, and the bot edits its own: nobody wrote anything.
    let same = changed("see https://a.example", "see https://a.example");
    let mut own = changed("working", "done");
    own["event"]["previous_message"]["user"] = json!("U0BOT");
    let mut program = changed("a", "b");
    program["event"]["previous_message"]["bot_id"] = json!("B2");
    let mut unmarked = changed("a", "b");
    unmarked["event"]["message"]["edited"].take();
    for nothing in [same, own, program, unmarked] {
        assert_eq!(accept(&nothing), None, "{nothing}");
        assert_eq!(read(&nothing, &me("U0BOT")), Incoming::Nothing, "{nothing}");
    }
}

#[test]
fn a_mention_that_an_edit_adds_is_heard_wherever_it_is() {
    let payload = changed("fix it", "<@U0BOT> fix it");
    assert_eq!(relevance(&payload), Some(Relevance::Certain));
    assert!(matches!(
        read(&payload, &me("U0BOT")),
        Incoming::Edited {
            mentioned: true,
            ..
        }
    ));
}

#[test]
fn a_deleted_message_is_told_of_in_both_of_its_shapes() {
    let gone = envelope(json!({
        "type": "message", "subtype": "message_deleted", "hidden": true, "channel": "C1", "ts": "3.0", "deleted_ts": "2.2",
        "previous_message": { "type": "message", "user": "U1", "text": "fix it", "ts": "2.2", "thread_ts": "2.1" },
    }));
    let mut emptied = changed("fix it", "This message was deleted.");
    emptied["event"]["message"]["subtype"] = json!("tombstone");
    emptied["event"]["message"]["user"] = json!("USLACKBOT");
    emptied["event"]["message"]["edited"].take();
    emptied["event"]["previous_message"]["thread_ts"] = json!("2.1");
    for payload in [gone, emptied] {
        assert_eq!(relevance(&payload), Some(Relevance::IfConversationKnown));
        assert_eq!(
            read(&payload, &me("U0BOT")),
            Incoming::Deleted {
                conversation: ConversationId("slack:T1:C1:2.1".into()),
                reference: LineRef("slack:T1:C1:2.2".into()),
            }
        );
    }
}
