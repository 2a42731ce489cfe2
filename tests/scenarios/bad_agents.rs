//! Agents and sandboxes that do not do their part: each ends in a clear sentence, and nothing is left behind.

use deckhand::domain::effect::Assignment;
use deckhand_world::models::{Failure, Phase, Script, Turn};

use serde_json::json;

use crate::harness::{
    Image, Props, REQUEST, Stage,
    asking::says,
    engine::{Lacking, Tag},
    program::Deckhand,
    scripts,
};

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
    says(
        &thread,
        "the image deckhand-not-built:goose is not there; `script/setup` makes it",
    )
    .await;
    says(&thread, "deckhand doctor").await;
    stage.close().await;
}

/// A stage whose sandboxes are made of another image, under a name of its own.
async fn with_image(image: &str, name: &'static str) -> (Stage, Tag) {
    let tag = Tag::of(image, &format!("{name}:goose"));
    let settings = vec![("DECKHAND_IMAGE_PREFIX", format!("{name}:"))];
    let stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    (stage, tag)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_the_agent_says_what_is_missing() {
    let (stage, _tag) = with_image("deckhand-sandbox:base", "deckhand-story-without-agent").await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "The agent goose did not start in its sandbox").await;
    says(&thread, "/opt/agents/goose/run").await;
    says(&thread, "deckhand doctor").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_none_of_deckhands_says_who_makes_one() {
    let (stage, _tag) = with_image("deckhand-base:latest", "deckhand-story-without-shim").await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "`script/setup` makes it anew").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_fills_its_disk_is_ended_and_a_retry_begins_afresh() {
    let settings = vec![("DECKHAND_SANDBOX_DISK_GB", "1".to_owned())];
    let stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    let fill = "head -c 2000M /dev/zero > /work/repo/filled; sleep 86400";
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(fill)]);
    stage.models.otherwise(script);
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "failed").await;
    for words in [
        "It stopped while working",
        "The sandbox filled its disk: 1 GB is the limit. It was ended.",
        "a retry begins with a fresh work tree",
    ] {
        says(&thread, words).await;
    }
    // What was written takes no room any more.
    stage.wait_for_no_sandbox().await;
    let has_none = async || stage.context.executor.volumes().await.unwrap().is_empty();
    stage.eventually("without its volumes", has_none).await;
    assert!(thread.control("Give up").is_ok(), "{}", thread.render());

    stage.models.otherwise(scripts::without_pages());
    thread.press("ana", "Retry").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_lacks_a_wall_starts_no_run_and_the_thread_names_what_lacks() {
    for (fact, value, words) in [
        (
            "PidsLimit",
            json!(false),
            "does not enforce limits of processes",
        ),
        ("SecurityOptions", json!([]), "filters no system calls"),
    ] {
        let engine = Lacking::serve(fact, value);
        let stage = Stage::open_with(Props {
            settings: vec![("DECKHAND_DOCKER_HOST", engine.address())],
            ..Props::default()
        })
        .await;
        let thread = stage.mention(REQUEST).await;
        stage.wait_for_state(&thread, "failed").await;
        says(&thread, words).await;
        says(&thread, "run `deckhand doctor`").await;
        assert_eq!(stage.models.request_count(), 0);
        assert_eq!(stage.sandboxes().await, Vec::<String>::new());

        // Whoever follows that advice reads the same there.
        let doctor = Deckhand::of(&stage).run(&["doctor"]).await;
        assert!(!doctor.ok, "{doctor:?}");
        let line = doctor.line("walls");
        assert!(
            line.starts_with("missing") && line.contains(words),
            "{line}"
        );
        assert!(line.contains("Runs do not start without it"), "{line}");
        stage.close().await;
    }
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
    stage
        .models
        .when("listUsers in lib/users.js", Script::honest());
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

/// A provider that refuses once, in the middle: what people had said is not lost with the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_still_knows_what_was_said_to_the_run_that_failed() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.models.fail_next(Failure::Unauthorized, 1);
    thread
        .say("ana", "Call the new test after the ticket, please.")
        .await
        .unwrap();
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "Ask whoever runs Deckhand to check the key").await;
    thread.press("ana", "Retry").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.plans.len(), 2, "{}", thread.render());
    let Some(Assignment::Revise { corrections }) = &task.assignment else {
        panic!("{:?}", task.assignment);
    };
    assert!(
        corrections[0].contains("after the ticket"),
        "{corrections:?}"
    );

    stage.approve(&thread).await;
    stage.models.fail_next(Failure::Unauthorized, 1);
    thread
        .say("ana", "Please add a line about it to the README.")
        .await
        .unwrap();
    stage.wait_for_state(&thread, "failed").await;
    thread.press("ana", "Retry").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    let Some(Assignment::FollowUp { words }) = &task.assignment else {
        panic!("{:?}", task.assignment);
    };
    assert!(words[0].contains("to the README"), "{words:?}");
    stage.close().await;
}
