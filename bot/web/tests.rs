//! What Slack may send beside what the bot uses, made by hand after Slack's reference of events, message subtypes and
//! interactions: all of it is acknowledged by both doors, and what somebody said to the bot is stored with every word.
#![expect(
    clippy::unwrap_used,
    reason = "a payload that is not answered is a failed test"
)]

use axum::{
    body::Body,
    extract::{FromRef as _, Request, State},
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    Web,
    doors::{Doors, slack_form},
    socket::{
        take,
        tests::{SECRET, by_http, doors, envelope, stored, taken_out},
    },
};
use crate::slack::{
    Identity, read,
    socket::{Content, Taken},
};

fn merged(mut value: Value, over: &Value) -> Value {
    for (name, field) in over.as_object().into_iter().flatten() {
        value[name] = field.clone();
    }
    value
}

/// An event in its envelope.
fn event(fields: &Value) -> Value {
    json!({
        "token": "x", "team_id": "T1", "context_team_id": "T1", "context_enterprise_id": null, "api_app_id": "A1",
        "type": "event_callback", "event_id": "Ev1", "event_time": 1_767_406_613, "event_context": "4-eyJ", "event": fields,
        "authorizations": [{ "enterprise_id": null, "team_id": "T1", "user_id": "U0BOT", "is_bot": true, "is_enterprise_install": false }],
        "is_ext_shared_channel": false,
    })
}

fn message(fields: &Value) -> Value {
    let usual = json!({
        "type": "message", "user": "U1", "channel": "C1", "channel_type": "channel", "ts": "1.000001", "event_ts": "1.000001", "team": "T1",
    });
    event(&merged(usual, fields))
}

/// Events that the app may be subscribed to, or that come without a subscription.
fn other_events() -> Vec<Value> {
    let channel_entity = json!({ "entities": [{ "type": "slack#/types/channel_id", "value": "C1", "team_id": "T1" }] });
    let message_entity = json!({ "entities": [{ "type": "slack#/types/message_context", "value": { "message_ts": "2.2", "channel_id": "C1" }, "team_id": "T1" }] });
    [
        json!({ "type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "messages", "event_ts": "5.0", "context": channel_entity }),
        json!({ "type": "app_home_opened", "user": "U1", "channel": "D1", "event_ts": "5.1" }),
        json!({ "type": "app_context_changed", "channel": "D1", "user": "U1", "event_ts": "6.0", "context": message_entity }),
        json!({ "type": "agent_session_title_changed", "channel": "C1", "thread_ts": "2.1", "user": "U1", "team_id": "T1", "title": "Login", "previous_title": "Task", "event_ts": "7.1" }),
        json!({ "type": "agent_session_stopped", "channel": "C1", "user": "U1", "event_ts": "7.2" }),
        json!({ "type": "assistant_thread_started", "assistant_thread": { "user_id": "U1", "context": { "channel_id": "C1", "team_id": "T1", "enterprise_id": null }, "channel_id": "D1", "thread_ts": "8.0" }, "event_ts": "8.1" }),
        json!({ "type": "assistant_thread_context_changed", "assistant_thread": { "user_id": "U1", "context": {}, "channel_id": "D1", "thread_ts": "8.0" }, "event_ts": "8.2" }),
        json!({ "type": "file_shared", "channel_id": "C1", "file_id": "F1", "user_id": "U1", "file": { "id": "F1" }, "event_ts": "9.0" }),
        json!({ "type": "link_shared", "channel": "C1", "user": "U1", "message_ts": "9.0", "unfurl_id": "C1.9.0.x", "source": "conversations_history", "is_bot_user_member": true, "links": [{ "domain": "bot.example.com", "url": "https://bot.example.com/runs/42" }], "event_ts": "9.1" }),
        json!({ "type": "member_joined_channel", "user": "U0BOT", "channel": "C1", "channel_type": "C", "team": "T1", "inviter": "U1", "event_ts": "9.2" }),
        json!({ "type": "channel_archive", "channel": "C1", "user": "U1", "event_ts": "9.3" }),
        json!({ "type": "channel_deleted", "channel": "C1", "event_ts": "9.4" }),
        json!({ "type": "reaction_removed", "user": "U1", "reaction": "x", "item": { "type": "message", "channel": "C1", "ts": "2.1" }, "event_ts": "9.5" }),
        json!({ "type": "reaction_added", "user": "U1", "reaction": "x", "item": { "type": "file", "file": "F1" }, "event_ts": "9.6" }),
        json!({ "type": "reaction_added", "user": "U1", "reaction": "x", "item": { "type": "file_comment", "file": "F1", "file_comment": "Fc1" }, "event_ts": "9.7" }),
        json!({ "type": "message_metadata_posted", "app_id": "A2", "channel_id": "C1", "message_ts": "2.2", "metadata": { "event_type": "x", "event_payload": { "n": 1.5, "deep": { "list": [1, null] } } }, "event_ts": "9.8" }),
        json!({ "type": "function_executed", "function": { "id": "Fn1" }, "inputs": { "n": 7 }, "function_execution_id": "Fx1", "workflow_execution_id": "Wx1", "bot_access_token": "xwfp-1", "event_ts": "9.9" }),
        json!({ "type": "tokens_revoked", "tokens": { "oauth": ["U1"], "bot": [] } }),
        json!({ "type": "user_change", "user": { "id": "U1", "profile": {} }, "event_ts": "9.91" }),
        json!({ "type": "app_mention", "channel": "C1", "ts": "9.92", "bot_id": "B9", "subtype": "bot_message", "text": "<@U0BOT> from a workflow", "event_ts": "9.92" }),
    ]
    .iter()
    .map(event)
    .chain([
        json!({ "type": "app_rate_limited", "token": "x", "team_id": "T1", "minute_rate_limited": 1_518_467_820, "api_app_id": "A1" }),
        json!({ "type": "event_callback", "event": { "type": "team_access_granted", "team_ids": ["T1", "T2"] }, "team_id": null, "enterprise_id": "E1", "authorizations": [] }),
    ])
    .collect()
}

/// Messages that nobody says to the bot.
fn other_messages() -> Vec<Value> {
    let service = [
        "bot_message",
        "channel_join",
        "channel_leave",
        "channel_topic",
        "channel_purpose",
        "channel_name",
        "channel_archive",
        "channel_convert_to_private",
        "group_join",
        "message_replied",
        "pinned_item",
        "reminder_add",
        "huddle_thread",
        "document_mention",
        "document_comment_root",
        "canvas_updated",
        "assistant_app_thread",
        "bot_add",
        "tombstone",
        "ekm_access_denied",
    ];
    let service = service
        .iter()
        .map(|subtype| message(&json!({ "subtype": subtype, "text": "<@U0BOT> is named in it" })));
    let shapes = [
        json!({ "text": null }),
        json!({ "text": 7, "blocks": "none" }),
        json!({ "user": null, "text": "<@U0BOT> from nobody" }),
        json!({ "user": "USLACKBOT", "text": "<@U0BOT> is reminded" }),
        json!({ "user": "U0BOT", "text": "<@U0BOT> the bot's own" }),
        json!({ "channel": null, "text": "<@U0BOT> nowhere" }),
        json!({ "ts": 1.5, "text": "<@U0BOT> a moment that is a number" }),
        json!({ "subtype": "message_changed", "hidden": true, "message": null, "previous_message": null }),
        json!({ "subtype": "message_deleted", "hidden": true, "deleted_ts": "1.0" }),
    ];
    service.chain(shapes.iter().map(message)).collect()
}

/// What people say to the bot, in every dress that Slack has for it, with the words.
fn said() -> Vec<(String, Value)> {
    let words = |what: &str| {
        format!("<@U0BOT> {what}: fix the offset &amp; say so, שלום 👩\u{200d}💻 ```if a &lt; b```")
    };
    let plain = |what: &str, over: &Value| {
        let text = words(what);
        (
            text.clone(),
            message(&merged(json!({ "text": text }), over)),
        )
    };
    let unknown_block = json!([{ "type": "block_of_next_year", "rows": [{ "n": 1 }] }, { "type": "rich_text", "elements": [{ "type": "rich_text_of_next_year" }] }]);
    let numbers =
        json!({ "event_type": "x", "event_payload": { "n": 1.5, "flag": true, "none": null } });
    let mut all = vec![
        plain(
            "a file",
            &json!({ "ts": "1.1", "subtype": "file_share", "files": [{ "id": "F1", "mode": "file_access", "file_access": "check_file_info" }] }),
        ),
        plain(
            "also to the channel",
            &json!({ "ts": "1.2", "subtype": "thread_broadcast", "thread_ts": "1.0", "root": { "ts": "1.0", "text": "x" } }),
        ),
        plain("about me", &json!({ "ts": "1.3", "subtype": "me_message" })),
        plain("numbers", &json!({ "ts": "1.4", "metadata": numbers })),
        plain("blocks", &json!({ "ts": "1.5", "blocks": unknown_block })),
        plain(
            "shared",
            &json!({ "ts": "1.6", "attachments": [{ "is_share": true, "text": "what somebody said", "message_blocks": [] }] }),
        ),
        plain(
            "by several",
            &json!({ "ts": "1.7", "channel": "G2", "channel_type": "mpim" }),
        ),
        plain(
            "from a bridge",
            &json!({ "ts": "1.8", "user_team": "T2", "source_team": "T2", "user_profile": { "team": "T2" } }),
        ),
        plain("long", &json!({ "ts": "1.9" })),
    ];
    let (text, mut organisation) =
        plain("for an organisation", &json!({ "ts": "2.0", "team": null }));
    for pointer in ["/team_id", "/context_team_id", "/authorizations/0/team_id"] {
        organisation.pointer_mut(pointer).unwrap().take();
    }
    organisation["enterprise_id"] = json!("E1");
    organisation["authorizations"][0]["is_enterprise_install"] = json!(true);
    all.push((text, organisation));
    let (text, mut nobody) = plain(
        "without authorizations",
        &json!({ "ts": "2.1", "type": "app_mention" }),
    );
    nobody["authorizations"].take();
    all.push((text, nobody));
    let direct = json!({ "ts": "2.2", "channel": "D1", "channel_type": "im", "text": "in the agent's messages", "app_context": { "entities": [] } });
    all.push(("in the agent's messages".to_owned(), message(&direct)));
    let long = format!("<@U0BOT> {}", "many words ".repeat(3_600));
    all.push((long.clone(), message(&json!({ "ts": "2.3", "text": long }))));
    all
}

/// Interactions and commands, which come as forms.
fn interactions() -> Vec<Value> {
    let usual = json!({
        "user": { "id": "U1", "username": "ana", "team_id": "T1" }, "api_app_id": "A1", "token": "x", "trigger_id": "1.2.abc",
        "team": { "id": "T1", "domain": "acme" }, "enterprise": null, "is_enterprise_install": false,
    });
    let press = json!([{ "type": "button", "action_id": "deckhand:cancel:0", "block_id": "b", "value": "{\"do\":\"cancel\"}", "action_ts": "3.0" }]);
    let others = json!([{ "type": "datepicker", "action_id": "other", "selected_date": "2026-01-01", "action_ts": "3.1" }]);
    let view = json!({ "id": "V1", "type": "modal", "callback_id": "other", "private_metadata": "", "state": { "values": {} }, "blocks": [] });
    [
        json!({ "type": "block_actions", "actions": press, "container": { "type": "view", "view_id": "V1" }, "view": { "id": "V1", "type": "home" } }),
        json!({ "type": "block_actions", "actions": press, "container": { "type": "view", "view_id": "V2" }, "view": view }),
        json!({ "type": "block_actions", "actions": others, "container": { "type": "message", "message_ts": "2.5", "channel_id": "C1", "is_ephemeral": true }, "channel": { "id": "C1" } }),
        json!({ "type": "block_actions", "actions": null, "container": null }),
        json!({ "type": "block_actions", "team": null, "enterprise": { "id": "E1" }, "is_enterprise_install": true, "actions": others, "container": { "type": "message_attachment", "message_ts": "2.5", "channel_id": "C1" } }),
        json!({ "type": "view_submission", "view": view }),
        json!({ "type": "view_submission", "view": merged(view.clone(), &json!({ "callback_id": "deckhand:correction", "private_metadata": "{{{" })) }),
        json!({ "type": "view_closed", "view": view, "is_cleared": true }),
        json!({ "type": "shortcut", "callback_id": "other", "action_ts": "4.0" }),
        json!({ "type": "message_action", "callback_id": "other", "message": { "ts": "2.2", "text": "x" }, "channel": { "id": "C1" } }),
        json!({ "type": "interactive_message", "callback_id": "old", "actions": [{ "name": "a", "value": "b" }], "original_message": { "ts": "1.0" } }),
        json!({ "type": "dialog_submission", "callback_id": "old", "submission": { "a": "b" } }),
        json!({ "type": "workflow_step_edit", "callback_id": "w", "workflow_step": {} }),
        json!({ "type": "block_suggestion", "action_id": "other", "block_id": "other", "value": "we" }),
        json!({ "type": "interaction_of_next_year", "something": [1, { "n": 2.5 }] }),
    ]
    .iter()
    .map(|fields| merged(usual.clone(), fields))
    .collect()
}

async fn by_form(web: &Web, body: String) -> u16 {
    let now = u64::try_from(web.clock.now().0 / 1_000).unwrap();
    let signature =
        deckhand_world::slack::signature(&SecretString::from(SECRET), now, body.as_bytes());
    let request = Request::post("/slack/interactions")
        .header("x-slack-request-timestamp", now)
        .header("x-slack-signature", signature)
        .body(Body::from(body))
        .unwrap();
    slack_form(State(Doors::from_ref(web)), request)
        .await
        .status()
        .as_u16()
}

fn form_of(payload: &Value) -> String {
    let mut address = reqwest::Url::parse("form:/").unwrap();
    address
        .query_pairs_mut()
        .append_pair("payload", &payload.to_string());
    address.query().unwrap_or_default().to_owned()
}

async fn by_socket(web: &Web, payload: &Value) -> Taken {
    let content = Content::Payload(payload.clone());
    take(web.clone(), envelope("e", content)).await
}

fn me() -> Identity {
    Identity {
        user_id: "U0BOT".into(),
        team_id: "T1".into(),
        bot_id: Some("B0BOT".into()),
        team_name: String::new(),
        user_name: String::new(),
        url: String::new(),
        organisation: None,
    }
}

#[tokio::test]
async fn whatever_else_slack_sends_is_acknowledged_and_no_words_are_lost() {
    let folder = tempfile::tempdir().unwrap();
    let web = doors(&folder).await;
    for payload in other_events().iter().chain(&other_messages()) {
        assert_eq!(by_http(&web, payload).await, 200, "{payload}");
        assert_eq!(by_socket(&web, payload).await, Taken::Stored, "{payload}");
        let _ = read(payload, &me());
    }
    for payload in &interactions() {
        assert_eq!(by_form(&web, form_of(payload)).await, 200, "{payload}");
        assert_eq!(by_socket(&web, payload).await, Taken::Stored, "{payload}");
        let _ = read(payload, &me());
    }
    assert_eq!(stored(&web).await, 0, "{:?}", taken_out(&web).await);

    let said = said();
    for (words, payload) in &said {
        for _ in 0..2 {
            assert_eq!(by_http(&web, payload).await, 200, "{words}");
            assert_eq!(by_socket(&web, payload).await, Taken::Stored, "{words}");
        }
    }
    let mut kept: Vec<String> = taken_out(&web).await.into_values().flatten().collect();
    let mut expected: Vec<String> = said.into_iter().map(|(words, _)| words).collect();
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn commands_in_every_dress_are_one_delivery_each() {
    let folder = tempfile::tempdir().unwrap();
    let web = doors(&folder).await;
    let usual = "team_domain=acme&channel_name=eng&user_id=U1&user_name=ana&command=%2Fdeckhand&api_app_id=A1";
    for (more, number) in [
        (
            "team_id=T1&channel_id=C1&text=list&trigger_id=1.1&is_enterprise_install=false",
            1,
        ),
        ("team_id=T1&channel_id=D1&text=&trigger_id=1.2", 2),
        (
            "enterprise_id=E1&enterprise_name=Big&channel_id=C1&text=%D7%A9%D7%9C%D7%95%D7%9D+%F0%9F%9B%91&trigger_id=1.3&is_enterprise_install=true",
            3,
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(
                by_form(&web, format!("{usual}&{more}")).await,
                200,
                "{more}"
            );
            assert_eq!(stored(&web).await, number, "{more}");
        }
    }
}

/// What people do about a message of the moment 1.2 that stands in this thread, in each way that does not mention the bot.
fn about_it(root: &str) -> [Value; 5] {
    let was = json!({ "user": "U1", "ts": "1.2", "thread_ts": root, "text": "<@U0BOT> fix it" });
    let is = merged(
        was.clone(),
        &json!({ "text": "<@U0BOT> fix both", "edited": { "user": "U1", "ts": "1.6" } }),
    );
    let reacted = json!({ "type": "message", "channel": "C1", "ts": "1.2" });
    [
        message(&json!({ "ts": "1.5", "thread_ts": root, "text": "stop" })),
        message(
            &json!({ "subtype": "message_changed", "hidden": true, "ts": "1.6", "message": is, "previous_message": was }),
        ),
        message(
            &json!({ "subtype": "message_deleted", "hidden": true, "ts": "1.7", "deleted_ts": "1.2", "previous_message": was }),
        ),
        event(
            &json!({ "type": "agent_session_stopped", "channel": "C1", "thread_ts": root, "user": "U1", "event_ts": "1.8" }),
        ),
        event(
            &json!({ "type": "reaction_added", "user": "U1", "reaction": "x", "item": reacted, "event_ts": "1.9" }),
        ),
    ]
}

#[tokio::test]
async fn what_people_do_about_a_request_that_waits_is_kept_behind_it() {
    // The request opens a thread, or stands in one of other people.
    for root in ["1.2", "1.0"] {
        let folder = tempfile::tempdir().unwrap();
        let web = doors(&folder).await;
        for payload in &about_it(root) {
            assert_eq!(by_http(&web, payload).await, 200, "{payload}");
        }
        assert_eq!(stored(&web).await, 0, "what is nobody's here is kept");
        let request = json!({ "ts": "1.2", "thread_ts": root, "text": "<@U0BOT> fix it" });
        assert_eq!(by_http(&web, &message(&request)).await, 200);
        for (number, payload) in (2..).zip(&about_it(root)) {
            assert_eq!(by_http(&web, payload).await, 200, "{payload}");
            assert_eq!(stored(&web).await, number, "{payload}");
        }
        let now = web.clock.now();
        assert!(web.store.next_delivery(now).await.unwrap().is_some());
        let next = web.store.next_delivery(now).await.unwrap();
        assert!(next.is_none(), "it does not wait for the request: {next:?}");
    }
}
