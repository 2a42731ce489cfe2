//! Payloads in which one thing is missing, or is something else than it is said to be.

use serde_json::{Value, json};

use super::{me, recorded::recordings};
use crate::{
    domain::incoming::Incoming,
    slack::{accept, challenge, left, meant, read, wrong},
};

/// What stands in the place of something: no value, and values of every kind, also texts that begin like Slack's own forms
/// and end too soon.
fn instead() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-7.5),
        json!(u64::MAX),
        json!([]),
        json!([[{}]]),
        json!({}),
        json!({ "id": {} }),
        json!(""),
        json!("<@"),
        json!("<@U1|<#C1|<!here^<https://é|ü> &lt;&am"),
        json!("9999999999999999999999.999999"),
        json!("\u{202e}👩\u{200d}💻`\u{0}"),
    ]
}

/// Where anything stands in a value, the innermost first.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            let name = |name: &str| name.replace('~', "~0").replace('/', "~1");
            let below = fields.iter();
            below.map(|(field, value)| (name(field), value)).collect()
        }
        Value::Array(items) => {
            let below = items.iter().enumerate();
            below
                .map(|(index, value)| (index.to_string(), value))
                .collect()
        }
        _ => Vec::new(),
    };
    for (name, value) in below {
        let place = format!("{at}/{name}");
        places(value, &place, found);
        found.push(place);
    }
}

fn without(payload: &Value, place: &str) -> Value {
    let mut payload = payload.clone();
    let (holder, name) = place.rsplit_once('/').unwrap_or_default();
    match payload.pointer_mut(holder) {
        Some(Value::Object(fields)) => {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            items.remove(name.parse().unwrap_or_default());
        }
        _ => {}
    }
    payload
}

/// A payload with one thing missing or changed, in every way, each with where that is.
pub(crate) fn broken(payload: &Value) -> impl Iterator<Item = (String, Value)> {
    let mut all = Vec::new();
    places(payload, "", &mut all);
    all.into_iter().flat_map(move |place| {
        let changed = instead().into_iter().map(|instead| {
            let mut payload = payload.clone();
            if let Some(changed) = payload.pointer_mut(&place) {
                *changed = instead;
            }
            payload
        });
        let all: Vec<Value> = changed.chain([without(payload, &place)]).collect();
        all.into_iter().map(move |payload| (place.clone(), payload))
    })
}

/// Everything that reads a payload reads this one, and says where it belongs if it is worth storing.
fn is_read(payload: &Value) -> Option<Incoming> {
    let _ = (
        challenge(payload),
        left(payload),
        wrong(payload),
        meant(payload),
    );
    let accepted = accept(payload)?;
    assert!(!accepted.key.is_empty(), "{payload}");
    let incoming = read(payload, &me("U0BOT"));
    if let (Some(hint), Some(conversation)) = (&accepted.conversation_hint, incoming.conversation())
    {
        assert_eq!(hint, conversation, "{payload}");
    }
    Some(incoming)
}

fn mention() -> Value {
    json!({
        "type": "event_callback", "token": "t", "team_id": "T1", "context_team_id": "T1", "enterprise_id": null,
        "api_app_id": "A1", "event_id": "Ev1", "event_time": 2, "is_ext_shared_channel": false, "event_context": "4-x",
        "authorizations": [{ "enterprise_id": null, "team_id": "T1", "user_id": "U0BOT", "is_bot": true }],
        "event": {
            "type": "app_mention", "user": "U1", "ts": "2.2", "event_ts": "2.2", "client_msg_id": "m1", "team": "T1",
            "channel": "C1", "text": "<@U0BOT> please fix the offset", "blocks": [{ "type": "rich_text", "block_id": "b", "elements": [
                { "type": "rich_text_section", "elements": [{ "type": "user", "user_id": "U0BOT" }, { "type": "text", "text": " please fix the offset" }] },
            ] }],
            "files": [{ "id": "F1", "name": "a.png", "mimetype": "image/png", "size": 3, "url_private": "https://files.example/a.png" }],
            "attachments": [{ "text": "quoted", "fallback": "quoted", "from_url": "https://acme.example/archives/C2/p1" }],
        },
    })
}

#[test]
fn a_mention_is_heard_whatever_else_is_wrong_in_its_payload() {
    /// Without these it is nobody's, nowhere, or no mention.
    const NEEDED: [&str; 8] = [
        "/type",
        "/team_id",
        "/event",
        "/event/type",
        "/event/user",
        "/event/ts",
        "/event/channel",
        "/event/text",
    ];
    for (place, payload) in broken(&mention()) {
        let incoming = is_read(&payload);
        if NEEDED.contains(&&*place) {
            continue;
        }
        // Who somebody is and where they are from may be told in another way; what was said is heard.
        let Some(Incoming::Said { text, .. }) = incoming else {
            panic!("{place} costs the request: {payload}")
        };
        assert!(text.contains("please fix the offset"), "{place}: {text}");
    }
}

#[test]
fn nothing_that_production_sent_breaks_anything_when_one_thing_in_it_is_wrong() {
    let Some(recordings) = recordings() else {
        return;
    };
    let mut read = 0;
    for (_, payload) in recordings.values() {
        for (_, payload) in broken(payload) {
            is_read(&payload);
            read += 1;
        }
    }
    assert!(read > 10_000, "{read}");
}
