//! What cannot be read, said or done: the others go on, somebody hears of it, and an operator can put it right.

use std::time::Duration;

use deckhand::{
    domain::{Timestamp, event::Event},
    engine::dispatch::work_delivery,
    store::dead_letters::Queue,
};
use deckhand_world::{
    github::Fault as ForgeFault,
    slack::{Audience, Fault},
};
use serde_json::Value;

use crate::{
    doors::counter,
    harness::{
        Bot, CHANNEL, Database, Image, PATIENCE, Props, REQUEST, Stage,
        asking::{no_message_twice, says, whispered},
        program::Deckhand,
        scripts,
    },
};

/// Messages that were given up, and those that are tried again.
const SAID_NEVER: &str = r#"deckhand_effects_total{effect="say",result="dead"}"#;
const SAID_LATER: &str = r#"deckhand_effects_total{effect="say",result="again"}"#;

/// Rows as a newer program, a broken disk or a hand in the database leaves them.
const POISON: &str = r#"
    INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms) VALUES
        ('00000000000000000000000000000001', 'slack', 'p1', 'c:1', '{"half', 'waiting', 0, 0, 0),
        ('00000000000000000000000000000006', 'slack', 'p6', 'c:6', CAST(x'ff' AS TEXT), 'waiting', 0, 0, 0),
        ('00000000000000000000000000000002', 'pigeon', 'p2', 'c:2', '{}', 'waiting', 0, 0, 0),
        ('00000000000000000000000000000003', 'work', 'p3', 'c:3', '{"task":"x","event":{"event":"danced"}}', 'waiting', 0, 0, 0),
        ('00000000000000000000000000000004', 'command_line', 'p4', 'c:4', '{"command":"dance"}', 'waiting', 0, 0, 0);
    INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms) VALUES
        ('00000000000000000000000000000005', '', 'c:5', 'talk:c:5', '', '{"effect":"dance"}', 'ready', 0, 0, 0);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_can_read_are_put_aside_and_everybody_else_is_served() {
    let stage = Stage::open().await;
    stage.damage(POISON).await;
    let thread = stage.planned(REQUEST).await;
    stage.stop(&thread).await;
    stage.settle().await;
    assert_eq!(stage.context.store.given_up().await.unwrap(), (5, 1));

    let program = Deckhand::of(&stage);
    let listed = program.run(&["inbox", "list"]).await;
    assert!(listed.ok, "{listed:?}");
    for words in [
        "given up",
        "the stored body is damaged",
        "knows no source `pigeon`",
        "does not know this order",
    ] {
        assert!(listed.output.contains(words), "{words}: {}", listed.output);
    }
    assert_eq!(listed.output.lines().count(), 5, "{}", listed.output);
    let listed = program.run(&["outbox", "list", "--json"]).await;
    let effect: Value = serde_json::from_str(listed.output.trim()).unwrap();
    assert_eq!(effect["body"], r#"{"effect":"dance"}"#);
    assert_eq!(effect["given_up"], true);
    let (status, ready) = stage.get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    assert!(
        ready.contains("given up: 5 deliveries, 1 effects"),
        "{ready}"
    );
    let (_, metrics) = stage.get("/metrics").await;
    for counted in [
        "deckhand_inbox_given_up 5",
        r#"deckhand_effects_total{effect="unreadable",result="dead"} "#,
        r#"deckhand_deliveries_total{source="unreadable",result="dead"} "#,
    ] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }

    // Put right by hand, tried again, dropped.
    stage
        .damage("UPDATE inbox SET source = 'slack' WHERE delivery_key = 'p2'")
        .await;
    let id = |number: u8| format!("{number:032}");
    let retried = program.run(&["inbox", "retry", &id(2)]).await;
    assert!(retried.ok, "{retried:?}");
    stage.settle().await;
    let dropped = program.run(&["outbox", "drop", &id(5)]).await;
    assert!(dropped.ok, "{dropped:?}");
    let again = program.run(&["outbox", "drop", &id(5)]).await;
    let words = "was given up or waits";
    assert!(!again.ok && again.errors.contains(words), "{again:?}");
    assert_eq!(stage.context.store.given_up().await.unwrap(), (4, 0));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_unread_is_named_in_the_log() {
    let stage = Stage::open_with(Props {
        bot: Bot::Program,
        image: Image::Missing,
        // Only a file takes bytes that are no text.
        database: Database::File,
        ..Props::default()
    })
    .await;
    stage.damage(POISON).await;
    // Whoever asks for something wakes everybody who looks at rows.
    stage.mention("help").await;
    let given_up = async || stage.context.store.given_up().await.unwrap() == (5, 1);
    stage.eventually("all are given up", given_up).await;
    for (told, ids) in [
        ("a delivery is put aside unread", vec![1, 2, 6]),
        ("an effect is put aside unread", vec![5]),
    ] {
        stage.logs(told).await;
        let log = stage.process_log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(told)).collect();
        assert_eq!(lines.len(), ids.len(), "{log}");
        for id in ids {
            let id = format!("{id:032}");
            assert!(lines.iter().any(|line| line.contains(&id)), "{id}: {log}");
        }
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_read_costs_its_own_thread_alone_and_the_writer_hears_of_it() {
    let mut stage = Stage::open().await;
    let broken = stage.planned(REQUEST).await;
    let id = stage.task(&broken).await.id;
    stage.settle().await;
    stage
        .damage(&format!(
            "UPDATE tasks SET document = '{{half' WHERE id = '{id}'"
        ))
        .await;
    broken.say("ana", "also look at the tests").await.unwrap();
    // It is tried again and again; meanwhile another thread gets its plan.
    let other = stage.planned(REQUEST).await;
    stage
        .eventually("given up after the last try", async || {
            stage.clock.advance(Duration::from_mins(3));
            stage.context.store.given_up().await.unwrap().0 == 1
        })
        .await;
    whispered(&broken, "could not handle what you just sent").await;
    let listed = Deckhand::of(&stage).run(&["inbox", "list"]).await;
    let words = format!("what is stored of the task {id} cannot be read");
    assert!(listed.output.contains(&words), "{}", listed.output);
    let (_, metrics) = stage.get("/metrics").await;
    let gauge = "deckhand_tasks{state=\"unreadable\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");
    // The doors refuse what Slack signed long before the moved clock.
    stage.restart().await;
    stage.stop(&other).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_own_news_cannot_be_read_says_so_once_in_its_thread() {
    const SAID: &str = "This task cannot go on";
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let task = stage.task(&thread).await;
    stage.settle().await;
    let half = format!(
        "UPDATE tasks SET document = '{{half' WHERE id = '{}'",
        task.id
    );
    stage.damage(&half).await;
    for number in 1..=2 {
        let news = work_delivery(&task, number.to_string(), Event::TakenUp);
        stage.context.accept(news).await.unwrap();
        stage
            .eventually("given up after the last try", async || {
                stage.clock.advance(Duration::from_mins(3));
                stage.context.store.given_up().await.unwrap().0 == number
            })
            .await;
        let told = says(&thread, SAID).await;
        assert_eq!(told.audience, Audience::Everyone);
        stage.settle().await;
    }
    let said = thread.bot_messages();
    let said = said.iter().filter(|message| message.says(SAID)).count();
    assert_eq!(said, 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slack_refused_for_good_is_said_when_the_operator_tries_again() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let before = counter(&stage, SAID_NEVER).await;
    stage.slack.fail_next(
        "chat.postMessage",
        Fault::Error("restricted_action".to_owned()),
    );
    let asking = stage
        .slack
        .mention("ana", CHANNEL, REQUEST)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage
        .eventually("an effect is given up", async || {
            stage.context.store.given_up().await.unwrap() == (0, 1)
        })
        .await;
    // Other stories of the same process count too.
    assert!(counter(&stage, SAID_NEVER).await > before);
    let program = Deckhand::of(&stage);
    let listed = program.run(&["outbox", "list"]).await;
    assert!(listed.output.contains("restricted_action"), "{listed:?}");
    let id = listed.output.split_whitespace().next().unwrap().to_owned();
    let retried = program.run(&["outbox", "retry", &id]).await;
    assert!(retried.ok, "{retried:?}");
    stage.settle().await;
    no_message_twice(&asking);
    assert_eq!(stage.context.store.given_up().await.unwrap(), (0, 0));
    for thread in [asking, thread] {
        stage.stop(&thread).await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_retry_after_is_obeyed() {
    let mut stage = Stage::open().await;
    let asked = Duration::from_mins(20);
    let limited = Fault::RateLimited { retry_after: asked };
    let tried_again = counter(&stage, SAID_LATER).await;
    stage.slack.fail_next("chat.postMessage", limited);
    let before = stage.context.clock.now();
    let thread = stage.mention(REQUEST).await;
    let due = async || stage.context.store.next_effect_due().await.unwrap();
    stage
        .eventually("the message waits as long as Slack asks for", async || {
            due()
                .await
                .is_some_and(|due| due.milliseconds_since(before) >= 20 * 60 * 1_000)
        })
        .await;
    // Other stories of the same process count too.
    assert!(counter(&stage, SAID_LATER).await > tried_again);
    let (status, ready) = stage.get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    // Up to a tenth more is chance.
    stage.clock.advance(asked + asked / 9);
    let (status, ready) = stage.get("/readyz").await;
    assert_eq!(
        status, 200,
        "a Slack that limits is no reason to end: {ready}"
    );
    stage.context.wake.outbox();
    thread.wait_for_words("Requirements").await.unwrap();
    // The doors refuse what Slack signed long before the moved clock.
    stage.restart().await;
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_retry_after_is_obeyed_before_anything_is_known_of_the_person() {
    let mut stage = Stage::open().await;
    let asked = Duration::from_mins(20);
    let limited = Fault::RateLimited { retry_after: asked };
    stage.slack.fail_next("users.info", limited);
    let before = stage.context.clock.now();
    let thread = stage.mention(REQUEST).await;
    let store = stage.context.store.clone();
    let waiting = async || {
        let letters = store.letters(Queue::Inbox).await.unwrap();
        letters.iter().any(|letter| !letter.given_up)
    };
    stage.eventually("the delivery waits", waiting).await;
    let almost = Timestamp(before.0 + 20 * 60 * 1_000 - 1);
    assert_eq!(store.next_delivery(almost).await.unwrap(), None);
    // Up to a tenth more is chance.
    stage.clock.advance(asked + asked / 9);
    stage.context.wake.inbox();
    thread.wait_for_words("Requirements").await.unwrap();
    // The doors refuse what Slack signed long before the moved clock.
    stage.restart().await;
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_drops_while_a_task_waits_for_it_is_told_to_the_person() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        ForgeFault::SecondaryLimit { retry_after: 900 },
    );
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "publishing").await;
    let program = Deckhand::of(&stage);
    let store = &stage.context.store;
    let waiting = async || {
        let letters = store.letters(Queue::Outbox).await.unwrap();
        letters
            .into_iter()
            .find(|letter| letter.origin.starts_with("work:"))
    };
    stage
        .eventually("publishing waits for its time", async || {
            waiting().await.is_some()
        })
        .await;
    let id = waiting().await.unwrap().id;
    let dropped = program.run(&["outbox", "drop", &id]).await;
    assert!(dropped.ok, "{dropped:?}");
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "dropped it").await;
    thread.say("ana", "retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_slack_refuses_for_good_is_told_to_whoever_waits_for_it() {
    let stage = Stage::open().await;
    let thread = stage.being_planned(REQUEST).await;
    stage.settle().await;
    let refused = Fault::Error("restricted_action".to_owned());
    stage.slack.fail_next("chat.postMessage", refused);
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    let told = whispered(&thread, "The plan could not be posted in the thread").await;
    assert!(told.says("restricted_action"), "{}", thread.render());
    assert_eq!(stage.context.store.given_up().await.unwrap(), (0, 1));
    stage.stop(&thread).await;
    stage.close().await;
}
