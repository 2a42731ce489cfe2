//! The Web API: what is checked, what is refused, and what a call does.

use std::time::Duration;

use deckhand_world::slack::{CatalogueSource, ChannelKind, Fault, Membership};
use serde_json::{Value, json};

use crate::{Stage, TOKEN};

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

#[tokio::test]
async fn a_call_without_the_token_is_refused() {
    let stage = Stage::set().await;
    let answer: Value = stage
        .client()
        .post(stage.method_url("auth.test"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        answer,
        json!({ "ok": false, "error": "not_authed", "response_metadata": { "messages": ["no token"] } })
    );
    let wrong = stage
        .client()
        .get(stage.method_url("auth.test"))
        .bearer_auth("xoxb-wrong");
    assert_eq!(
        wrong.send().await.unwrap().json::<Value>().await.unwrap()["error"],
        "invalid_auth"
    );
}

#[tokio::test]
async fn get_and_post_form_and_json_are_all_understood() {
    let stage = Stage::set().await;
    assert_eq!(
        stage.call("auth.test", json!({})).await["user_id"],
        "U0DECK"
    );
    assert_eq!(
        stage.ask("users.info", &[("user", "UANA")]).await["user"]["real_name"],
        "Ana"
    );
    let blocks = json!([section("as JSON in a string")]).to_string();
    let form = [
        ("channel", "CENG"),
        ("text", "a & b"),
        ("blocks", &blocks),
        ("token", TOKEN),
    ];
    let post = stage
        .client()
        .post(stage.method_url("chat.postMessage"))
        .form(&form);
    let answer: Value = post.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["message"]["blocks"][0]["text"]["text"], "as JSON in a string",
        "{answer}"
    );
    assert_eq!(answer["message"]["text"], "a & b");
    assert_eq!(stage.slack.violations(), [""; 0]);
}

#[tokio::test]
async fn the_granted_scopes_are_told_and_missing_ones_refused() {
    let stage = Stage::set().await;
    stage.slack.set_scopes(&["users:read"]);
    let request = stage
        .client()
        .get(stage.method_url("auth.test"))
        .bearer_auth(TOKEN);
    assert_eq!(
        request.send().await.unwrap().headers()["x-oauth-scopes"],
        "users:read"
    );
    let answer = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "CENG", "text": "x" }),
        )
        .await;
    assert_eq!(
        (&answer["error"], &answer["needed"]),
        (&json!("missing_scope"), &json!("chat:write"))
    );
}

#[tokio::test]
async fn a_method_that_slack_does_not_have_is_a_violation() {
    let stage = Stage::set().await;
    assert_eq!(
        stage.call("chat.shout", json!({})).await["error"],
        "unknown_method"
    );
    assert_eq!(
        stage.slack.violations(),
        ["chat.shout: unknown_method: Slack has no such method"]
    );
}

#[tokio::test]
async fn arguments_are_checked_against_the_description_of_the_method() {
    let stage = Stage::set().await;
    let missing = stage
        .call("chat.update", json!({ "channel": "CENG", "text": "x" }))
        .await;
    assert_eq!(missing["error"], "invalid_arguments");
    assert_eq!(
        missing["response_metadata"]["messages"],
        json!(["[ERROR] missing required field: ts"])
    );
    if stage.slack.catalogue_source() == CatalogueSource::BuiltIn {
        return;
    }
    let misspelt = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "CENG", "text": "x", "thread": "1.2" }),
        )
        .await;
    assert_eq!(
        misspelt["response_metadata"]["messages"],
        json!(["[ERROR] no such argument: thread"])
    );
    let wrong = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "CENG", "text": "x", "unfurl_links": "no" }),
        )
        .await;
    assert_eq!(wrong["error"], "invalid_arguments");
    assert_eq!(stage.slack.violations().len(), 3);
}

#[tokio::test]
async fn an_edit_keeps_what_the_message_said_before() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "root").await.unwrap();
    let ts = stage
        .post("CENG", Some(thread.root().as_str()), "one")
        .await;
    let edit = json!({ "channel": "CENG", "ts": ts, "text": "two", "blocks": [section("*two*")] });
    assert_eq!(stage.call("chat.update", edit).await["ok"], true);
    let message = thread.bot_messages().pop().unwrap();
    assert_eq!(
        (
            message.versions[0].text.as_str(),
            message.plain_text().as_str()
        ),
        ("one", "*two*")
    );
    assert!(
        thread.render().contains("deckhand (edited 1×):\n  *two*"),
        "{}",
        thread.render()
    );
}

#[tokio::test]
async fn only_the_bots_own_messages_can_be_edited_or_deleted() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "mine").await.unwrap();
    let place = json!({ "channel": "CENG", "ts": thread.root(), "text": "x" });
    assert_eq!(
        stage.call("chat.update", place).await["error"],
        "cant_update_message"
    );
    let place = json!({ "channel": "CENG", "ts": thread.root() });
    assert_eq!(
        stage.call("chat.delete", place).await["error"],
        "cant_delete_message"
    );
}

#[tokio::test]
async fn a_replys_time_stamp_is_no_thread() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "root").await.unwrap();
    let reply = thread.say("ben", "reply").await.unwrap();
    let arguments = json!({ "channel": "CENG", "text": "x", "thread_ts": reply.ts });
    assert_eq!(
        stage.call("chat.postMessage", arguments).await["error"],
        "cannot_reply_to_message"
    );
    assert_eq!(stage.slack.violations().len(), 1);
}

#[tokio::test]
async fn the_bot_writes_only_where_it_is() {
    let stage = Stage::set().await;
    stage
        .slack
        .add_channel("lounge", ChannelKind::Public, Membership::Absent);
    stage
        .slack
        .add_channel("board", ChannelKind::Private, Membership::Absent);
    for (channel, error) in [
        ("CLOUNGE", "not_in_channel"),
        ("CBOARD", "channel_not_found"),
        ("CX", "channel_not_found"),
    ] {
        let answer = stage
            .call(
                "chat.postMessage",
                json!({ "channel": channel, "text": "x" }),
            )
            .await;
        assert_eq!(answer["error"], error, "{channel}");
    }
    let answer = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "UANA", "text": "only you" }),
        )
        .await;
    assert_eq!(answer["channel"], "DUANA");
}

#[tokio::test]
async fn a_thread_is_read_in_pages() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "0").await.unwrap();
    for number in 1..5 {
        thread.say("ben", &number.to_string()).await.unwrap();
    }
    let root = thread.root().as_str();
    let mut texts = Vec::new();
    let mut cursor = String::new();
    loop {
        let arguments = [
            ("channel", "CENG"),
            ("ts", root),
            ("limit", "2"),
            ("cursor", &cursor),
        ];
        let page = stage.ask("conversations.replies", &arguments).await;
        texts.extend(
            page["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["text"].as_str().unwrap().to_owned()),
        );
        cursor = page["response_metadata"]["next_cursor"]
            .as_str()
            .unwrap()
            .to_owned();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    let history = stage
        .ask("conversations.history", &[("channel", "CENG")])
        .await;
    assert_eq!(history["messages"][0]["reply_count"], 4);
}

#[tokio::test]
async fn reactions_come_once_and_go_once() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "hello").await.unwrap();
    let mark = |name: &str| json!({ "channel": "CENG", "timestamp": thread.root(), "name": name });
    assert_eq!(stage.call("reactions.add", mark("eyes")).await["ok"], true);
    assert_eq!(
        stage.call("reactions.add", mark("eyes")).await["error"],
        "already_reacted"
    );
    assert_eq!(
        stage.call("reactions.add", mark("no-such")).await["error"],
        "invalid_name"
    );
    assert_eq!(thread.bot_marks(), ["eyes"]);
    assert_eq!(
        stage.call("reactions.remove", mark("eyes")).await["ok"],
        true
    );
    assert_eq!(
        stage.call("reactions.remove", mark("eyes")).await["error"],
        "no_reaction"
    );
}

#[tokio::test]
async fn a_file_is_announced_sent_and_shared_in_the_thread() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "show me").await.unwrap();
    let announce = [
        ("filename", "after.png"),
        ("length", "4"),
        ("alt_txt", "the page"),
    ];
    let ticket = stage.ask("files.getUploadURLExternal", &announce).await;
    let share = json!({
        "files": [{ "id": ticket["file_id"], "title": "After" }], "channel_id": "CENG",
        "thread_ts": thread.root(), "initial_comment": "Pictures",
    });
    assert_eq!(
        stage
            .call("files.completeUploadExternal", share.clone())
            .await["error"],
        "file_not_found"
    );
    let upload_url = ticket["upload_url"].as_str().unwrap();
    let short = stage
        .client()
        .post(upload_url)
        .body("abc")
        .send()
        .await
        .unwrap();
    assert_eq!(short.status(), 400);
    let sent = stage
        .client()
        .post(upload_url)
        .body("abcd")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.text().await.unwrap(), "OK - 4");
    assert_eq!(
        stage.call("files.completeUploadExternal", share).await["ok"],
        true
    );
    assert!(
        thread.render().contains("📎 After (after.png, 4 bytes)"),
        "{}",
        thread.render()
    );
    let file = stage
        .ask(
            "files.info",
            &[("file", ticket["file_id"].as_str().unwrap())],
        )
        .await;
    let url = file["file"]["url_private"].as_str().unwrap();
    let content = stage
        .client()
        .get(url)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(content.text().await.unwrap(), "abcd");
}

#[tokio::test]
async fn faults_meet_the_next_call_and_only_that() {
    let stage = Stage::set().await;
    let post = json!({ "channel": "CENG", "text": "x" });
    let request = || {
        stage
            .client()
            .post(stage.method_url("chat.postMessage"))
            .bearer_auth(TOKEN)
            .json(&post)
    };
    stage.slack.fail_next(
        "chat.postMessage",
        Fault::RateLimited {
            retry_after: Duration::from_secs(7),
        },
    );
    let limited = request().send().await.unwrap();
    assert_eq!(
        (
            limited.status().as_u16(),
            limited.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    stage
        .slack
        .fail_next("chat.postMessage", Fault::ServerError);
    assert_eq!(request().send().await.unwrap().status(), 503);
    stage
        .slack
        .fail_next("chat.postMessage", Fault::Error("is_archived".to_owned()));
    assert_eq!(
        request()
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()["error"],
        "is_archived"
    );
    stage
        .slack
        .fail_next("chat.postMessage", Fault::DropRequest);
    let broken = async || request().send().await?.bytes().await;
    assert!(broken().await.is_err());
    assert_eq!(stage.slack.threads("eng").len(), 0);
    stage.slack.fail_next("chat.postMessage", Fault::DropAnswer);
    assert!(broken().await.is_err());
    assert_eq!(
        stage.slack.threads("eng").len(),
        1,
        "the call was done although its answer was lost"
    );
    assert_eq!(
        request()
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()["ok"],
        true
    );
}
