//! Slack through sockets: the same stories by another road, and what becomes of them when the road is bad.

use deckhand_world::slack::{Farewell, Outcome, Road};
use serde_json::json;

use crate::harness::{
    PATIENCE, Props, REQUEST, SOCKETS, SlackDoors, Stage,
    asking::{no_message_twice, until},
    program::Deckhand,
    scripts,
};

async fn stage(doors: SlackDoors) -> Stage {
    let props = Props {
        doors,
        ..Props::default()
    };
    let stage = Stage::open_with(props).await;
    stage.models.otherwise(scripts::without_pages());
    stage
}

/// What `/readyz` answers once it says this.
async fn readiness(stage: &Stage, wanted: &str) -> (u16, String) {
    until(PATIENCE, || async {
        let (status, text) = stage.get("/readyz").await;
        if text.contains(wanted) {
            return Ok((status, text));
        }
        Err(format!("{wanted} is not in {text}"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_becomes_a_pull_request_without_an_open_port() {
    let stage = stage(SlackDoors::Socket).await;
    let thread = stage.planned(REQUEST).await;
    thread.wait_for_words("Plan").await.unwrap();
    let pressed = thread.press("ana", "Approve").await.unwrap();
    assert!(pressed.accepted(), "{pressed:?}");
    stage.wait_for_state(&thread, "in_review").await;
    let asked = stage.slack.slash("ana", "eng", "list").await.unwrap();
    assert!(asked.accepted);
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(&thread);
    assert!(readiness(&stage, "ready").await.1.starts_with("ready\n"));
    let figures = stage.get("/metrics").await.1;
    assert!(
        figures.contains(&format!("deckhand_slack_connections {SOCKETS}\n")),
        "{figures}"
    );
    // Nobody who finds the doors can speak for Slack.
    let door = format!("{}/slack/events", stage.context.config.public_url);
    let knock = reqwest::Client::new().post(door).body("{}").send();
    assert_eq!(knock.await.unwrap().status().as_u16(), 404);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_both_doors_is_one() {
    let stage = stage(SlackDoors::Both).await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let (messages, deliveries) = (thread.messages().len(), stage.rows("inbox").await);
    for road in [Road::Http, Road::Socket] {
        stage.slack.set_road(road);
        for delivery in stage.slack.redeliver_shuffled(7).await {
            assert!(delivery.accepted(), "{delivery:?}");
        }
    }
    stage.settle().await;
    assert_eq!(thread.messages().len(), messages, "{}", thread.render());
    assert_eq!(stage.rows("tasks").await, 1);
    assert_eq!(stage.rows("inbox").await, deliveries);
    stage.slack.set_road(Road::Http);
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_connections_are_renewed_and_break_is_heard_once() {
    let stage = stage(SlackDoors::Socket).await;
    stage.slack.renew_sockets(Farewell::Warning);
    let thread = stage.planned(REQUEST).await;
    stage.slack.renew_sockets(Farewell::RefreshRequested);
    stage.slack.close_sockets();
    thread
        .say("ana", "Please also mention the limit in the README.")
        .await
        .unwrap();
    stage
        .wait_until(&thread, "a second plan", |task| task.plans.len() == 2)
        .await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    // Whether Slack sees the acknowledgement or not, the approval is one.
    let (said, ()) = tokio::join!(thread.say("ana", "approve"), async {
        stage.slack.break_sockets();
    });
    said.unwrap();
    stage.slack.wait_for_sockets(SOCKETS).await;
    stage.slack.redeliver_lost().await;
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert_eq!(
        (stage.rows("tasks").await, stage.pull_requests().len()),
        (1, 1)
    );
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_acknowledged_comes_again_to_the_next_start() {
    let mut stage = stage(SlackDoors::Socket).await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage
        .while_down(async |slack| {
            assert_eq!(slack.sockets(), 0, "a bot that ends takes its leave");
            let thread = slack.thread(thread.channel(), thread.root());
            thread.say("ana", "stop").await.unwrap();
        })
        .await;
    for delivery in stage.slack.redeliver_lost().await {
        assert!(delivery.accepted(), "{delivery:?}");
    }
    stage.wait_for_state(&thread, "canceled").await;
    assert_eq!(stage.rows("tasks").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_take_is_not_acknowledged() {
    let stage = stage(SlackDoors::Socket).await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let database = sqlx::SqlitePool::connect(&stage.context.config.database_url)
        .await
        .unwrap();
    // Another process holds the one place of the writer, until Slack has given up to wait for the first time.
    let held = database.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (press, said) = tokio::join!(
        async {
            let press = thread.press("ana", "Cancel").await.unwrap();
            held.rollback().await.unwrap();
            press
        },
        thread.say("ana", "stop"),
    );
    said.unwrap();
    database.close().await;
    assert!(!press.accepted(), "{press:?}");
    let deliveries = stage.slack.deliveries();
    let said = deliveries
        .iter()
        .rfind(|delivery| delivery.what == "message");
    let outcomes: Vec<&Outcome> = said
        .unwrap()
        .attempts
        .iter()
        .map(|attempt| &attempt.outcome)
        .collect();
    assert_eq!(outcomes, [&Outcome::TimedOut, &Outcome::Acknowledged]);
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 1);
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_of_a_kind_to_come_is_kept_and_acknowledged() {
    let stage = stage(SlackDoors::Socket).await;
    let before = stage.rows("inbox").await;
    let unknown = json!({ "type": "workflow_step", "payload": { "step": 7 } });
    assert!(stage.slack.post_envelope(unknown).await);
    assert_eq!(stage.rows("inbox").await, before + 1);
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_mode_that_is_switched_off_is_named_where_operators_look() {
    let stage = stage(SlackDoors::Socket).await;
    let program = Deckhand::of(&stage);
    let line = program.run(&["doctor"]).await.line("slack");
    assert!(
        line.starts_with("ok ") && line.contains("Socket Mode works"),
        "{line}"
    );
    stage.slack.disable_socket_mode();
    let (status, text) = readiness(&stage, "switched off").await;
    assert_eq!(status, 503, "{text}");
    let asked = stage.slack.sockets_asked();
    let line = program.run(&["doctor"]).await.line("slack");
    assert!(
        line.starts_with("missing") && line.contains("switched off"),
        "{line}"
    );
    // Nobody has asked since but the doctor.
    assert_eq!(stage.slack.sockets_asked(), asked + 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_doors_a_road_that_is_closed_is_a_note() {
    let stage = stage(SlackDoors::Both).await;
    stage.slack.disable_socket_mode();
    let (_, text) = readiness(&stage, "Socket Mode: ").await;
    assert!(text.contains("switched off"), "{text}");
    readiness(&stage, "ready\n").await;
    stage.slack.set_road(Road::Http);
    let thread = stage.planned(REQUEST).await;
    stage.stop(&thread).await;
    stage.close().await;
}
