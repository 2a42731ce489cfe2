//! A bot that is started again in the middle: nothing is lost, and nothing is done twice.

use std::time::Duration;

use deckhand_world::github::Fault;

use crate::harness::{PATIENCE, REQUEST, Stage, asking::no_message_twice, scripts};

/// The task has ended as if nothing had happened.
async fn ends_as_always(stage: Stage, thread: &deckhand_world::slack::Thread) {
    let task = stage.wait_for_state(thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(thread);
    assert!(thread.bot_messages().len() <= 6, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_plans() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    stage.models.until_waiting(1, PATIENCE).await.unwrap();
    stage.restart().await;
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.restart().await;
    stage.approve(&thread).await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_checks() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::slow_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "verifying").await;
    stage.restart().await;
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_publishes() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    // The push is done; the pull request has to wait.
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        Fault::SecondaryLimit { retry_after: 60 },
    );
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "publishing").await;
    let repository = stage.github.repository("acme/web").unwrap();
    let begun = std::time::Instant::now();
    while repository.tip(&task.branch()).await.unwrap().is_none() {
        assert!(begun.elapsed() < PATIENCE, "{}", thread.render());
        tokio::time::sleep(crate::harness::LOOK_EVERY).await;
    }
    stage.restart().await;
    stage.clock.advance(Duration::from_secs(61));
    ends_as_always(stage, &thread).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_was_there_to_hear() {
    let mut stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage
        .while_down(async |slack| {
            let thread = slack.thread(thread.channel(), thread.root());
            thread.say("ana", "approve").await.unwrap();
        })
        .await;
    // Slack tries again what nobody took.
    stage.slack.redeliver_lost().await;
    ends_as_always(stage, &thread).await;
}
