//! Deliveries: signature, double delivery, retries, duplicates, and what the bot hears of itself.

use deckhand_world::slack::{ChannelKind, DeliveryHabit, Membership, Outcome, Standing};
use serde_json::json;

use crate::{SECRET, Stage};

#[tokio::test]
async fn a_mention_arrives_twice_under_two_identifiers() {
    let stage = Stage::set().await;
    let thread = stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let (mentions, messages) = (stage.app.events("app_mention"), stage.app.events("message"));
    assert_eq!((mentions.len(), messages.len()), (1, 1));
    assert_eq!(mentions[0]["event"]["ts"], json!(thread.root()));
    assert_eq!(messages[0]["event"]["ts"], json!(thread.root()));
    assert_ne!(mentions[0]["event_id"], messages[0]["event_id"]);
    assert_eq!(mentions[0]["event"]["text"], "<@U0DECK> fix it");
    assert!(mentions[0]["event"]["channel_type"].is_null());
    assert_eq!(messages[0]["event"]["channel_type"], "channel");
    assert!(
        stage
            .app
            .received("events")
            .iter()
            .all(|received| received.is_signed_with(SECRET))
    );
}

#[tokio::test]
async fn a_direct_message_arrives_once() {
    let stage = Stage::set().await;
    stage.slack.direct("ana", "@deckhand hello").await.unwrap();
    assert_eq!(stage.app.events("app_mention").len(), 0);
    assert_eq!(
        stage.app.events("message")[0]["event"]["channel_type"],
        "im"
    );
}

#[tokio::test]
async fn a_refused_event_is_sent_again_with_the_reason() {
    let stage = Stage::set().await;
    stage
        .app
        .answer([(500, vec![], String::new()), (503, vec![], String::new())]);
    stage.slack.say("ana", "eng", "hello").await.unwrap();
    let received = stage.app.received("events");
    let numbers: Vec<_> = received
        .iter()
        .map(|received| received.header("x-slack-retry-num"))
        .collect();
    assert_eq!(numbers, ["", "1", "2"]);
    assert_eq!(received[1].header("x-slack-retry-reason"), "http_error");
    assert_eq!(
        received[0].json()["event_id"],
        received[2].json()["event_id"]
    );
    let delivery = stage.slack.deliveries().pop().unwrap();
    let outcomes: Vec<_> = delivery
        .attempts
        .iter()
        .map(|attempt| attempt.outcome.clone())
        .collect();
    assert_eq!(outcomes, [500, 503, 200].map(Outcome::Answered));
}

#[tokio::test]
async fn an_app_can_ask_for_no_retry() {
    let stage = Stage::set().await;
    stage
        .app
        .answer([(500, vec![("x-slack-no-retry", "1")], String::new())]);
    stage.slack.say("ana", "eng", "hello").await.unwrap();
    assert_eq!(stage.app.received("events").len(), 1);
}

#[tokio::test]
async fn what_the_app_lost_can_be_sent_later() {
    let stage = Stage::set().await;
    stage.app.answer(vec![(500, vec![], String::new()); 4]);
    stage.slack.say("ana", "eng", "hello").await.unwrap();
    assert!(!stage.slack.deliveries().pop().unwrap().accepted());
    let again = stage.slack.redeliver_lost().await;
    assert_eq!(again.len(), 1);
    assert!(again[0].accepted());
    assert_eq!(stage.slack.redeliver_lost().await.len(), 0);
}

#[tokio::test]
async fn duplicates_have_the_identifier_of_the_first() {
    let stage = Stage::set().await;
    stage.slack.set_delivery_habit(DeliveryHabit::Twice);
    stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let mut ids: Vec<_> = stage
        .app
        .events("app_mention")
        .iter()
        .map(|e| e["event_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 2);
    ids.dedup();
    assert_eq!(ids.len(), 1);
    stage.slack.set_delivery_habit(DeliveryHabit::AsUsual);
    stage.slack.redeliver_last().await;
    assert_eq!(stage.app.received("events").len(), 5);
    stage.slack.redeliver_shuffled(7).await;
    assert_eq!(stage.app.received("events").len(), 7);
}

#[tokio::test]
async fn the_message_can_come_before_its_mention() {
    let stage = Stage::set().await;
    stage.slack.set_delivery_habit(DeliveryHabit::Reversed);
    stage.slack.mention("ana", "eng", "fix it").await.unwrap();
    let kinds: Vec<_> = stage
        .app
        .received("events")
        .iter()
        .map(|r| r.json()["event"]["type"].clone())
        .collect();
    assert_eq!(kinds, ["message", "app_mention"]);
}

#[tokio::test]
async fn the_bot_hears_of_its_own_deeds() {
    let stage = Stage::set().await;
    let ts = stage.post("CENG", None, "hello").await;
    let mark = json!({ "channel": "CENG", "timestamp": ts, "name": "eyes" });
    stage.call("reactions.add", mark).await;
    stage
        .call(
            "chat.update",
            json!({ "channel": "CENG", "ts": ts, "text": "hello again" }),
        )
        .await;
    stage.slack.settled().await;
    let messages = stage.app.events("message");
    assert!(
        messages
            .iter()
            .any(|m| m["event"]["bot_id"] == "B0DECK" && m["event"]["subtype"].is_null())
    );
    assert!(
        messages
            .iter()
            .any(|m| m["event"]["subtype"] == "message_changed")
    );
    assert_eq!(
        stage.app.events("reaction_added")[0]["event"]["user"],
        "U0DECK"
    );
}

#[tokio::test]
async fn nothing_is_heard_from_a_channel_without_the_bot() {
    let stage = Stage::set().await;
    stage
        .slack
        .add_channel("lounge", ChannelKind::Public, Membership::Absent);
    stage
        .slack
        .mention("ana", "lounge", "fix it")
        .await
        .unwrap();
    assert_eq!(stage.app.received("events").len(), 0);
}

#[tokio::test]
async fn an_outsider_is_told_by_team_and_channel() {
    let stage = Stage::set().await;
    stage.slack.add_user("dora", Standing::Outsider);
    stage
        .slack
        .add_channel("partners", ChannelKind::Connect, Membership::Joined);
    stage
        .slack
        .mention("dora", "partners", "fix it")
        .await
        .unwrap();
    let mention = &stage.app.events("app_mention")[0];
    assert_eq!(
        (
            &mention["is_ext_shared_channel"],
            &mention["event"]["user_team"]
        ),
        (&json!(true), &json!("T0OTHER"))
    );
    assert_eq!(
        stage.ask("users.info", &[("user", "UDORA")]).await["user"]["is_stranger"],
        true
    );
}
