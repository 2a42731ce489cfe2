//! Slack's limits: at the limit a call is done, beyond it refused with Slack's code.

use deckhand_world::slack::{PostLimit, limits};
use serde_json::{Value, json};

use crate::{Stage, TOKEN};

fn button(label: &str) -> Value {
    json!({ "type": "button", "action_id": "a", "value": "1", "text": { "type": "plain_text", "text": label } })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Blocks, and the error that they meet.
fn cases() -> Vec<(Vec<Value>, Option<&'static str>)> {
    let long = |length: usize| "x".repeat(length);
    let header =
        |text: &str| json!({ "type": "header", "text": { "type": "plain_text", "text": text } });
    let markdown = |length: usize| json!({ "type": "markdown", "text": long(length) });
    let task = |status: &str| json!({ "task_id": "1", "title": "t", "status": status });
    let plan = |status: &str| json!({ "type": "plan", "title": "p", "tasks": [task(status)] });
    let actions = |elements: Value| json!({ "type": "actions", "elements": elements });
    let mut big = button("ok");
    big["value"] = json!(long(limits::BUTTON_VALUE + 1));
    let table = json!({ "type": "table", "rows": vec![vec![json!({ "type": "raw_text", "text": "x" }); 2]; 101] });
    vec![
        (vec![section("ok"); limits::BLOCKS_PER_MESSAGE], None),
        (
            vec![section("ok"); limits::BLOCKS_PER_MESSAGE + 1],
            Some("invalid_blocks"),
        ),
        (vec![section(&long(limits::SECTION_TEXT))], None),
        (
            vec![section(&long(limits::SECTION_TEXT + 1))],
            Some("invalid_blocks"),
        ),
        (vec![section("")], Some("invalid_blocks")),
        (
            vec![header(&long(limits::HEADER_TEXT + 1))],
            Some("invalid_blocks"),
        ),
        (vec![markdown(limits::MARKDOWN)], None),
        (vec![markdown(limits::MARKDOWN + 1)], Some("invalid_blocks")),
        (
            vec![markdown(7_000), markdown(7_000)],
            Some("msg_blocks_too_long"),
        ),
        (vec![plan("in_progress")], None),
        (vec![plan("completed")], Some("invalid_blocks")),
        (
            vec![actions(json!([button(&long(limits::BUTTON_TEXT))]))],
            None,
        ),
        (
            vec![actions(json!([button(&long(limits::BUTTON_TEXT + 1))]))],
            Some("invalid_blocks"),
        ),
        (
            vec![actions(json!([button("a"), button("b")]))],
            Some("invalid_blocks"),
        ),
        (vec![actions(json!([big]))], Some("invalid_blocks")),
        (vec![actions(json!([]))], Some("invalid_blocks")),
        (vec![table], Some("invalid_blocks")),
        (vec![json!({ "type": "marquee" })], Some("invalid_blocks")),
    ]
}

#[tokio::test]
async fn what_is_too_long_or_malformed_is_refused_with_slacks_code() {
    let stage = Stage::set().await;
    for (blocks, error) in cases() {
        let shown = json!(blocks)
            .to_string()
            .chars()
            .take(120)
            .collect::<String>();
        let answer = stage
            .call(
                "chat.postMessage",
                json!({ "channel": "CENG", "text": "t", "blocks": blocks }),
            )
            .await;
        assert_eq!(answer["error"].as_str(), error, "{shown}: {answer}");
    }
    let empty = stage
        .call("chat.postMessage", json!({ "channel": "CENG" }))
        .await;
    assert_eq!(empty["error"], "no_text");
    let both = json!({ "channel": "CENG", "text": "a", "markdown_text": "b" });
    assert_eq!(
        stage.call("chat.postMessage", both).await["error"],
        "markdown_text_conflict"
    );
}

#[tokio::test]
async fn an_edit_takes_less_text_than_a_new_message() {
    let stage = Stage::set().await;
    let ts = stage
        .post("CENG", None, &"x".repeat(limits::TEXT_IN_UPDATE + 1))
        .await;
    let edit = |length: usize| json!({ "channel": "CENG", "ts": ts, "text": "y".repeat(length) });
    assert_eq!(
        stage
            .call("chat.update", edit(limits::TEXT_IN_UPDATE + 1))
            .await["error"],
        "msg_too_long"
    );
    assert_eq!(
        stage
            .call("chat.update", edit(limits::TEXT_IN_UPDATE))
            .await["ok"],
        true
    );
}

#[tokio::test]
async fn a_channel_takes_one_message_a_second_where_the_limit_is_on() {
    let stage = Stage::set().await;
    stage.slack.set_post_limit(PostLimit::OnePerSecond);
    let post = async |channel: &str| {
        let arguments = json!({ "channel": channel, "text": "x" });
        let request = stage
            .client()
            .post(stage.method_url("chat.postMessage"))
            .bearer_auth(TOKEN)
            .json(&arguments);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        (post("CENG").await, post("CENG").await, post("CWEB").await),
        (200, 429, 200)
    );
}

#[tokio::test]
async fn a_session_status_must_be_one_of_three() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "hello").await.unwrap();
    let status = |word: &str| json!({ "channel_id": "CENG", "thread_ts": thread.root(), "status": word, "title": "Fix" });
    assert_eq!(
        stage
            .call("agents.sessions.setStatus", status("processing"))
            .await["ok"],
        true
    );
    assert_eq!(thread.status().session.as_deref(), Some("processing"));
    assert_eq!(
        stage
            .call("agents.sessions.setStatus", status("busy"))
            .await["error"],
        "invalid_arguments"
    );
}
