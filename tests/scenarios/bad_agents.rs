//! Agents and sandboxes that do not do their part: each ends in a clear sentence, and nothing is left behind.

use deckhand_world::models::{Phase, Script, Turn};

use crate::harness::{Image, Props, REQUEST, Stage, asking::says, engine::Tag};

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_missing_is_named() {
    let settings = vec![("DECKHAND_IMAGE_PREFIX", "deckhand-not-built:".to_owned())];
    let stage = Stage::open_with(Props {
        settings,
        image: Image::Missing,
        ..Props::default()
    })
    .await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "deckhand-not-built:goose").await;
    says(&thread, "deckhand doctor").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_the_agent_says_what_is_missing() {
    let _tag = Tag::of("deckhand-base:latest", "deckhand-story-without-agent:goose");
    let settings = vec![(
        "DECKHAND_IMAGE_PREFIX",
        "deckhand-story-without-agent:".to_owned(),
    )];
    let stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "/opt/deckhand/shim").await;
    says(&thread, "deckhand doctor").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_not_set_up_is_asked_about() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} agent=hal")).await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread.wait_for_words("There is no agent").await.unwrap();
    thread.say("ana", "goose").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.terms.agent, "goose");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_plans_nonsense_has_handed_over_nothing() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:nonsense")).await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "without handing over what was asked for").await;
    says(&thread, "Seven blue offsets").await;
    // A reply that says more is a new try.
    stage.models.when("limit over 100", Script::honest());
    thread
        .say("ana", "I mean the function listUsers in lib/users.js.")
        .await
        .unwrap();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_says_its_last_lines() {
    let stage = Stage::open().await;
    // The agent is the parent of the shell that it runs commands with.
    stage
        .models
        .otherwise(Script::honest().on(Phase::Work, [Turn::shell("kill -9 $PPID")]));
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "It stopped while working").await;
    stage.models.otherwise(Script::honest());
    thread.press("ana", "Retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lie_that_is_mended_in_the_first_round_ends_well() {
    let stage = Stage::open().await;
    let thread = stage
        .planned(&format!("{REQUEST} #script:lying_then_honest"))
        .await;
    let task = stage.approve(&thread).await;
    assert_eq!(task.rework_rounds, 1);
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    stage.close().await;
}
