//! Menus that people write into: who gets the list of repositories, and who gets none.

use std::fmt::Write as _;

use deckhand_world::slack::{Door, Standing, TEAM_ID, Thread};
use serde_json::{Value, json};

use crate::harness::{Props, REQUEST, Stage, asking::says};

/// More repositories than a menu of Slack's holds, so that it asks for those that fit.
const MANY: usize = 120;

async fn many() -> Stage {
    let mut file = String::new();
    for number in 0..MANY {
        let _ = write!(
            file,
            "[[repository]]\nname = \"acme/part-{number}\"\nurl = \"https://git.acme.example/{number}.git\"\n"
        );
    }
    Stage::open_with(Props {
        file,
        ..Props::default()
    })
    .await
}

/// What Slack would ask for somebody who writes `part-11` into the menu of the form for another repository.
fn asked_by(user: &str, team: &str) -> Value {
    json!({
        "type": "block_suggestion", "action_id": "said", "block_id": "said", "value": "part-11",
        "team": { "id": team }, "user": { "id": user, "team_id": team },
        "view": { "id": "V1", "type": "modal", "callback_id": "deckhand:repository", "private_metadata": "{}" },
    })
}

/// The entries that the bot's door tells; the request is signed.
async fn told(stage: &Stage, asked: &Value) -> Vec<Value> {
    let fields = [("payload", asked.to_string())];
    let form = reqwest::Url::parse_with_params("http://form/", fields).unwrap();
    let form = form.query().unwrap().to_owned();
    let kind = "application/x-www-form-urlencoded";
    let sent = stage.slack.post_signed(Door::Options, kind, form.into());
    let delivery = sent.await.unwrap();
    assert!(delivery.accepted(), "{delivery:?}");
    let answer: Value = serde_json::from_str(&delivery.answer).unwrap();
    answer["options"].as_array().unwrap().clone()
}

async fn counted(stage: &Stage, result: &str) -> u64 {
    let (_, page) = stage.get("/metrics").await;
    let name = format!("deckhand_menus_total{{result=\"{result}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().parse().unwrap()
}

async fn looks(stage: &Stage, thread: &Thread, user: &str) -> Vec<String> {
    thread.press(user, "Change repository").await.unwrap();
    thread.wait_for_view(user).await.unwrap();
    stage
        .slack
        .look_into(user, "said", "part-11")
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_ask_gets_the_repositories_that_fit_and_others_get_none() {
    let stage = many().await;
    stage.slack.add_user("gus", Standing::Guest);
    stage.slack.add_user("olga", Standing::Outsider);
    stage.slack.add_user("robot", Standing::Bot);
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    let offered = looks(&stage, &thread, "ana").await;
    assert_eq!(offered.len(), 11, "{offered:?}");
    assert_eq!(offered[0], "acme/part-11");
    let refused = counted(&stage, "refused").await;
    // Their requests are Slack's own; a form that they should not have may be open in front of them.
    for asked in [
        asked_by("UGUS", TEAM_ID),
        asked_by("UOLGA", TEAM_ID),
        asked_by("UROBOT", TEAM_ID),
        asked_by("UNOBODY", TEAM_ID),
        asked_by("UANA", "T0OTHER"),
        json!({ "type": "block_suggestion", "action_id": "said", "view": { "callback_id": "deckhand:repository" } }),
    ] {
        assert_eq!(told(&stage, &asked).await, Vec::<Value>::new(), "{asked}");
    }
    assert_eq!(told(&stage, &asked_by("UANA", TEAM_ID)).await.len(), 11);
    // Other stories of the same process count, too.
    assert!(counted(&stage, "refused").await >= refused + 6);

    let forged = reqwest::Client::new()
        .post(format!("{}/slack/options", stage.context.config.public_url))
        .header("x-slack-request-timestamp", "1")
        .header("x-slack-signature", "v0=00")
        .body("payload=%7B%7D");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    stage.stop(&thread).await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_open_tells_nothing_more_to_whoever_was_made_a_guest() {
    let mut stage = many().await;
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    assert_eq!(looks(&stage, &thread, "ben").await.len(), 11);
    stage.slack.add_user("ben", Standing::Guest);
    // What is known of people is believed for a minute, and not by the next process.
    stage.restart().await;
    let offered = stage.slack.look_into("ben", "said", "part-11").await;
    assert_eq!(offered.unwrap(), Vec::<String>::new());
    stage.stop(&thread).await;
    stage.settle().await;
    stage.close().await;
}
