//! Ceilings: of money, of time, of silence, of waiting.

use std::time::{Duration, Instant};

use deckhand_world::models::Phase;

use crate::harness::{PATIENCE, Props, REQUEST, Stage, asking::says};

#[tokio::test(flavor = "multi_thread")]
async fn the_ceiling_of_spend_asks_first_and_continue_goes_on() {
    let stage = Stage::open().await;
    let thread = stage
        .planned(&format!("{REQUEST} budget=1 #script:expensive"))
        .await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("The spending ceiling of $1.00 is reached")
        .await
        .unwrap();
    assert!(task.usage.cost.unwrap() > task.ceilings.spend);
    // Nothing runs, and nothing is spent, until somebody decides.
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    let asked = stage.models.request_count();

    thread.press("ana", "Continue").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(stage.models.request_count() > asked);
    assert!(task.ceilings.spend > task.terms.budget);
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ceiling_of_spend_holds_while_planning_too() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} budget=0.01")).await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("The spending ceiling of $0.01 is reached")
        .await
        .unwrap();
    thread.press("ana", "Stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.close().await;
}

/// Until a run has asked the model that never answers.
async fn hanging(stage: &Stage) -> deckhand_world::slack::Thread {
    let thread = stage.planned(&format!("{REQUEST} #script:hanging")).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    stage
        .models
        .wait_for(|request| request.phase() == Some(Phase::Work), PATIENCE)
        .await
        .unwrap();
    thread
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_ends_in_a_sentence() {
    let mut stage = Stage::open().await;
    let thread = hanging(&stage).await;
    stage.clock.advance(Duration::from_mins(61));
    stage.wait_for_state(&thread, "failed").await;
    says(
        &thread,
        "A retry goes on from there; a reply with a smaller step often does better",
    )
    .await;
    stage.wait_for_no_sandbox().await;
    // Its work tree is still there, so that a retry goes on from it.
    assert!(!stage.context.executor.volumes().await.unwrap().is_empty());
    stage.restart().await;
    thread.press("ana", "Give up").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    assert!(stage.context.executor.volumes().await.unwrap().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_silent_too_long_ends_in_a_sentence_and_a_retry_goes_on() {
    let settings = vec![("DECKHAND_RUN_MINUTES", "100000".to_owned())];
    let mut stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    let thread = hanging(&stage).await;
    let begun = Instant::now();
    // The agent may have said its last word just after the clock was moved.
    while stage.task(&thread).await.state.name() != "failed" {
        stage.clock.advance(Duration::from_mins(11));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(begun.elapsed() < PATIENCE, "{}", thread.render());
    }
    says(
        &thread,
        "The work so far is kept, and a retry goes on from there",
    )
    .await;
    stage.wait_for_no_sandbox().await;
    stage.restart().await;
    thread.press("ana", "Retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_nobody_decides_on_expires() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage.clock.advance(Duration::from_hours(15 * 24));
    deckhand::engine::reaper::step(&stage.context)
        .await
        .unwrap();
    stage.wait_for_state(&thread, "expired").await;
    thread.wait_for_words("This task has ended").await.unwrap();
    stage.settle().await;
    assert!(thread.control("Approve").is_err(), "{}", thread.render());
    stage.close().await;
}
