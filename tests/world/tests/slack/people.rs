//! What people do: press, choose, fill in, edit, delete, attach, and type commands.

use std::time::Duration;

use bytes::Bytes;
use deckhand_world::slack::{Attachment, On, Thread, ViewAnswer};
use serde_json::{Value, json};

use crate::{SECRET, Stage};

async fn card(stage: &Stage, revision: &str) -> Thread {
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let button = |id: &str, label: &str| json!({ "type": "button", "action_id": id, "value": revision, "text": { "type": "plain_text", "text": label } });
    let option =
        |name: &str| json!({ "text": { "type": "plain_text", "text": name }, "value": name });
    let menu = json!({
        "type": "static_select", "action_id": "repo", "options": [option("acme/web"), option("acme/api")],
        "placeholder": { "type": "plain_text", "text": "Repository" },
    });
    let blocks = json!([{
        "type": "actions", "block_id": "plan",
        "elements": [button("plan_approve", "Approve"), button("plan_edit", "Edit"), menu],
    }]);
    let post =
        json!({ "channel": "CENG", "thread_ts": thread.root(), "text": "Plan", "blocks": blocks });
    assert_eq!(stage.call("chat.postMessage", post).await["ok"], true);
    thread
}

fn modal(title: &str) -> Value {
    let text = |text: &str| json!({ "type": "plain_text", "text": text });
    let option =
        |name: &str| json!({ "text": { "type": "plain_text", "text": name }, "value": name });
    json!({
        "type": "modal", "callback_id": "edit_plan", "private_metadata": "task 1", "title": text(title),
        "submit": text("Send"), "close": text("Cancel"),
        "blocks": [
            { "type": "input", "block_id": "spec", "label": text("Changes"),
              "element": { "type": "plain_text_input", "action_id": "text", "multiline": true, "initial_value": "old" } },
            { "type": "input", "block_id": "branch", "label": text("Base"), "optional": true,
              "element": { "type": "static_select", "action_id": "name", "options": [option("main"), option("next")] } },
        ],
    })
}

#[tokio::test]
async fn a_press_carries_message_thread_and_value() {
    let stage = Stage::set().await;
    let thread = card(&stage, "task:1:rev:1").await;
    assert!(thread.press("ana", "Approve").await.unwrap().accepted());
    let pressed = stage.app.received("interactions").pop().unwrap();
    assert!(pressed.is_signed_with(SECRET));
    let payload = pressed.payload();
    assert_eq!(payload["actions"][0]["value"], "task:1:rev:1");
    assert_eq!(payload["actions"][0]["action_id"], "plan_approve");
    assert_eq!(payload["container"]["thread_ts"], json!(thread.root()));
    assert_eq!(payload["user"]["id"], "UANA");
    let chosen = thread.choose("ben", "repo", "acme/api").await.unwrap();
    assert!(chosen.accepted());
    let payload = stage.app.received("interactions").pop().unwrap().payload();
    assert_eq!(
        payload["actions"][0]["selected_option"]["value"],
        "acme/api"
    );
    assert!(thread.press("ana", "Launch").await.is_err());
}

#[tokio::test]
async fn a_button_that_has_gone_can_still_be_pressed() {
    let stage = Stage::set().await;
    let thread = card(&stage, "rev:1").await;
    let old = thread.control("Approve").unwrap();
    let edit =
        json!({ "channel": "CENG", "ts": old.message, "text": "Approved by ana", "blocks": [] });
    assert_eq!(stage.call("chat.update", edit).await["ok"], true);
    assert!(thread.control("Approve").is_err());
    thread.press_control("ben", &old).await.unwrap();
    assert_eq!(
        stage.app.received("interactions")[0].payload()["actions"][0]["value"],
        "rev:1"
    );
}

#[tokio::test]
async fn a_response_address_answers_one_person_or_replaces_the_message() {
    let stage = Stage::set().await;
    let thread = card(&stage, "rev:1").await;
    thread.press("ana", "Approve").await.unwrap();
    let url = stage.app.received("interactions")[0].payload()["response_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let answer = async |body: Value| {
        stage
            .client()
            .post(&url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(
        answer(json!({ "text": "Only a writer may approve." })).await,
        200
    );
    assert!(
        thread
            .render()
            .contains("deckhand (only ana sees this):\n  Only a writer"),
        "{}",
        thread.render()
    );
    assert_eq!(
        answer(json!({ "text": "Approved", "replace_original": true })).await,
        200
    );
    assert!(thread.control("Approve").is_err());
    for _ in 0..3 {
        assert_eq!(answer(json!({ "text": "again" })).await, 200);
    }
    assert_eq!(answer(json!({ "text": "a sixth time" })).await, 404);
}

#[tokio::test]
async fn a_view_opens_by_its_trigger_once_and_is_submitted() {
    let stage = Stage::set().await;
    let thread = card(&stage, "rev:1").await;
    thread.press("ana", "Edit").await.unwrap();
    let trigger = stage.app.received("interactions")[0].payload()["trigger_id"].clone();
    let open = json!({ "trigger_id": trigger, "view": modal("Edit the plan") });
    assert_eq!(stage.call("views.open", open.clone()).await["ok"], true);
    assert_eq!(
        stage.call("views.open", open).await["error"],
        "exchanged_trigger_id"
    );
    thread.wait_for_view("ana").await.unwrap();
    let refusal =
        json!({ "response_action": "errors", "errors": { "spec": "say more" } }).to_string();
    stage.app.answer([(200, vec![], refusal)]);
    let first = thread
        .submit_view("ana", &[("Changes", "x")])
        .await
        .unwrap();
    assert_eq!(
        first,
        ViewAnswer::Errors(vec![("spec".to_owned(), "say more".to_owned())])
    );
    let second = thread
        .submit_view("ana", &[("spec", "only lib/"), ("Base", "next")])
        .await
        .unwrap();
    assert_eq!(second, ViewAnswer::Closed);
    let view = &stage.app.received("interactions").pop().unwrap().payload()["view"];
    assert_eq!(
        view["state"]["values"]["spec"]["text"]["value"],
        "only lib/"
    );
    assert_eq!(
        view["state"]["values"]["branch"]["name"]["selected_option"]["value"],
        "next"
    );
    assert_eq!(view["private_metadata"], "task 1");
    assert!(
        thread.submit_view("ana", &[]).await.is_err(),
        "the view is closed"
    );
}

#[tokio::test]
async fn a_view_with_too_long_a_title_is_refused() {
    let stage = Stage::set().await;
    let thread = card(&stage, "rev:1").await;
    thread.press("ana", "Edit").await.unwrap();
    let trigger = stage.app.received("interactions")[0].payload()["trigger_id"].clone();
    let open =
        json!({ "trigger_id": trigger, "view": modal("A title of more than 24 characters") });
    assert_eq!(
        stage.call("views.open", open).await["error"],
        "invalid_arguments"
    );
}

#[tokio::test]
async fn a_slash_command_is_answered_to_its_person() {
    let stage = Stage::set().await;
    stage
        .app
        .answer([(200, vec![], json!({ "text": "No tasks." }).to_string())]);
    let answer = stage.slack.slash("ana", "eng", "list").await.unwrap();
    assert_eq!((answer.accepted, answer.text.as_str()), (true, "No tasks."));
    let form = stage.app.received("commands")[0].form();
    let field = |name: &str| {
        form.iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    assert_eq!(
        (field("command").as_str(), field("text").as_str()),
        ("/deckhand", "list")
    );
    assert_eq!(
        (field("user_id").as_str(), field("channel_name").as_str()),
        ("UANA", "eng")
    );
}

#[tokio::test]
async fn edits_deletions_and_reactions_of_people_are_heard() {
    let stage = Stage::set().await;
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let reply = thread.say("ben", "in lib/").await.unwrap();
    thread
        .edit("ben", &reply.ts, "in lib/users.js")
        .await
        .unwrap();
    thread.react("cleo", "✅", On::Root).await.unwrap();
    thread
        .react("cleo", "white_check_mark", On::Root)
        .await
        .unwrap();
    thread.unreact("cleo", "✅", On::Root).await.unwrap();
    thread.delete("ben", &reply.ts).await.unwrap();
    assert!(thread.edit("ana", &reply.ts, "gone").await.is_err());
    let changed = stage.app.events("message");
    let subtypes: Vec<_> = changed
        .iter()
        .filter_map(|m| m["event"]["subtype"].as_str())
        .collect();
    assert_eq!(subtypes, ["message_changed", "message_deleted"]);
    assert_eq!(
        stage.app.events("reaction_added").len(),
        1,
        "the same reaction twice is one"
    );
    assert_eq!(stage.app.events("reaction_removed").len(), 1);
}

#[tokio::test]
async fn an_attached_file_can_be_fetched_with_the_token() {
    let stage = Stage::set().await;
    let file = Attachment {
        name: "error.log".to_owned(),
        content: Bytes::from_static(b"boom"),
    };
    stage
        .slack
        .mention_with_files("ana", "eng", "see the log", vec![file])
        .await
        .unwrap();
    let event = &stage.app.events("message")[0]["event"];
    assert_eq!(event["subtype"], "file_share");
    let url = event["files"][0]["url_private"].as_str().unwrap();
    let fetched = stage
        .client()
        .get(url)
        .bearer_auth(crate::TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), "boom");
}

#[tokio::test]
async fn a_wait_that_ends_in_vain_tells_the_whole_thread() {
    let stage = Stage::set().await;
    let thread = card(&stage, "rev:1").await;
    thread.react("ben", "eyes", On::LastFromBot).await.unwrap();
    let waited = thread
        .with_patience(Duration::from_millis(20))
        .wait_for_words("Result")
        .await;
    let told = waited.unwrap_err().to_string();
    let expected = "the words \"Result\" did not come within 20ms\n#eng\nana:\n  @deckhand fix it\ndeckhand:\n  \
                    [Approve] [Edit] [Repository ▾]\n  (👀 ben)\n";
    assert!(told.starts_with(expected), "{told}");
    assert!(
        told.contains("app_mention [Attempt { outcome: Answered(200)"),
        "{told}"
    );
}

#[tokio::test]
async fn how_long_the_bot_took_is_measured() {
    let stage = Stage::set().await;
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    assert!(thread.timing().first_words.is_none());
    let mark = json!({ "channel": "CENG", "timestamp": thread.root(), "name": "eyes" });
    stage.call("reactions.add", mark).await;
    stage
        .post("CENG", Some(thread.root().as_str()), "On it")
        .await;
    let timing = thread.timing();
    assert!(timing.first_reaction.unwrap() <= timing.first_words.unwrap());
    assert!(thread.time_to(|message| message.says("On it")).is_some());
}

#[tokio::test]
async fn the_native_stop_button_is_an_event() {
    let stage = Stage::set().await;
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    thread.stop_session("ben").await.unwrap();
    let stopped = &stage.app.events("agent_session_stopped")[0]["event"];
    assert_eq!(
        (&stopped["thread_ts"], &stopped["user"]),
        (&json!(thread.root()), &json!("UBEN"))
    );
}
