//! The page: what each person sees, what can be done there, and that nothing written becomes markup.

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::Stage;

impl Stage {
    fn page_url(&self, path: &str) -> String {
        format!("{}{path}", self.slack.web_url())
    }

    async fn snapshot(&self, query: &[(&str, &str)]) -> Value {
        let request = self
            .client()
            .get(self.page_url("page/snapshot"))
            .query(query);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn act(&self, deed: Value) -> Value {
        let request = self.client().post(self.page_url("page/act")).json(&deed);
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn html_of(messages: &Value) -> String {
    messages
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["html"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_page_takes_nothing_from_elsewhere() {
    let stage = Stage::set().await;
    let page = stage.client().get(stage.page_url("")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
        "{policy}"
    );
    let document = page.text().await.unwrap();
    for part in ["page/style.css", "page/script.js"] {
        assert!(document.contains(part));
        assert_eq!(
            stage
                .client()
                .get(stage.page_url(part))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn what_is_written_on_the_page_reaches_the_app_and_is_shown_without_markup() {
    let stage = Stage::set().await;
    let text = "@deckhand <img src=x onerror=alert(1)> *now* & `a<b`";
    let said = stage
        .act(json!({ "who": "UANA", "do": "say", "channel": "CENG", "text": text }))
        .await;
    assert_eq!(said["to_bot"], true);
    stage.slack.settled().await;
    let mention = &stage.app.events("app_mention")[0]["event"];
    assert_eq!(
        mention["text"],
        "<@U0DECK> &lt;img src=x onerror=alert(1)&gt; *now* &amp; `a&lt;b`"
    );
    let shown = html_of(&stage.snapshot(&[("as", "UBEN"), ("channel", "CENG")]).await["messages"]);
    assert!(
        shown.contains("<span class=\"mention\">@deckhand</span> &lt;img src=x"),
        "{shown}"
    );
    assert!(
        shown.contains("<strong>now</strong> &amp; <code>a&lt;b</code>"),
        "{shown}"
    );
}

#[tokio::test]
async fn blocks_cannot_bring_markup_of_their_own() {
    let stage = Stage::set().await;
    let evil = "\"><script>x</script>";
    let plain = json!({ "type": "plain_text", "text": evil });
    let blocks = json!([
        { "type": "header", "text": plain },
        { "type": "section", "text": { "type": "mrkdwn", "text": evil }, "fields": [plain] },
        { "type": "markdown", "text": evil },
        { "type": "context", "elements": [plain] },
        { "type": "plan", "title": evil, "tasks": [{ "task_id": "1", "title": evil, "status": "error" }] },
        { "type": "table", "rows": [[{ "type": "raw_text", "text": evil }]] },
        { "type": "image", "image_url": evil, "alt_text": evil, "title": plain },
        { "type": "actions", "block_id": evil, "elements": [
            { "type": "button", "action_id": evil, "text": plain, "value": evil, "url": evil } ] },
    ]);
    let posted = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "CENG", "text": "t", "blocks": blocks }),
        )
        .await;
    assert_eq!(posted["ok"], true, "{posted}");
    let shown = html_of(&stage.snapshot(&[("as", "UANA"), ("channel", "CENG")]).await["messages"]);
    assert!(!shown.contains("<script"), "{shown}");
    assert!(!shown.contains("\"\">"), "{shown}");
}

#[tokio::test]
async fn an_ephemeral_message_is_seen_by_one() {
    let stage = Stage::set().await;
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let root = thread.root().as_str();
    let only =
        json!({ "channel": "CENG", "user": "UANA", "thread_ts": root, "text": "between us" });
    assert_eq!(stage.call("chat.postEphemeral", only).await["ok"], true);
    let seen = async |user: &str| {
        let snapshot = stage
            .snapshot(&[("as", user), ("channel", "CENG"), ("thread", root)])
            .await;
        html_of(&snapshot["thread"]["messages"]).contains("between us")
    };
    assert_eq!((seen("UANA").await, seen("UBEN").await), (true, false));
}

#[tokio::test]
async fn a_button_is_pressed_and_a_reaction_toggled_on_the_page() {
    let stage = Stage::set().await;
    let button = json!({ "type": "button", "action_id": "ok", "text": { "type": "plain_text", "text": "Approve" } });
    let blocks = json!([{ "type": "actions", "block_id": "plan", "elements": [button] }]);
    let card = stage
        .call(
            "chat.postMessage",
            json!({ "channel": "CENG", "text": "Plan", "blocks": blocks }),
        )
        .await;
    let at = json!({ "who": "UANA", "channel": "CENG", "ts": card["ts"] });
    let with = |extra: Value| {
        let mut deed = at.clone();
        deed.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        deed
    };
    stage
        .act(with(
            json!({ "do": "press", "block": "plan", "action": "ok" }),
        ))
        .await;
    assert_eq!(
        stage.app.received("interactions")[0].payload()["actions"][0]["action_id"],
        "ok"
    );
    let gone = stage
        .act(with(
            json!({ "do": "press", "block": "plan", "action": "nothing" }),
        ))
        .await;
    assert_eq!(gone["error"], "the button is gone: the message has changed");
    for _ in 0..2 {
        stage
            .act(with(json!({ "do": "react", "name": "+1" })))
            .await;
        stage.slack.settled().await;
    }
    assert_eq!(
        (
            stage.app.events("reaction_added").len(),
            stage.app.events("reaction_removed").len()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_slash_command_is_refused_in_a_thread_and_taken_in_a_channel() {
    let stage = Stage::set().await;
    let thread = stage.slack.say("ana", "eng", "root").await.unwrap();
    let typed = json!({ "who": "UANA", "do": "say", "channel": "CENG", "text": "/deckhand list" });
    let mut in_thread = typed.clone();
    in_thread["thread"] = json!(thread.root());
    assert!(
        stage.act(in_thread).await["error"]
            .as_str()
            .unwrap()
            .starts_with("Slack has no slash commands")
    );
    assert_eq!(stage.act(typed).await, json!({}));
    assert_eq!(stage.app.received("commands").len(), 1);
}

#[tokio::test]
async fn an_app_that_cannot_be_reached_is_said_on_the_page() {
    let stage = Stage::set().await;
    assert!(stage.snapshot(&[]).await["trouble"].is_null());
    stage.slack.set_app_urls(
        "http://127.0.0.1:9/",
        "http://127.0.0.1:9/",
        "http://127.0.0.1:9/",
    );
    stage.slack.say("ana", "eng", "hello").await.unwrap();
    assert_eq!(
        stage.snapshot(&[]).await["trouble"],
        "Deckhand cannot be reached. Is it running?"
    );
}

#[tokio::test]
async fn the_page_hears_of_each_change() {
    let stage = Stage::set().await;
    let changes = stage
        .client()
        .get(stage.page_url("page/changes"))
        .send()
        .await
        .unwrap();
    let mut changes = changes.bytes_stream();
    assert!(
        changes
            .next()
            .await
            .unwrap()
            .unwrap()
            .starts_with(b"data: ")
    );
    stage.post("CENG", None, "hello").await;
    assert!(
        changes
            .next()
            .await
            .unwrap()
            .unwrap()
            .starts_with(b"data: ")
    );
}
