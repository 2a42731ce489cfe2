//! Ceilings: of money, of time, of silence, of waiting.

use std::time::Duration;

use deckhand_world::models::{KeySeen, Phase, RequestKind, RequestRecord, Turn};

use crate::harness::{
    PATIENCE, Props, REQUEST, Stage,
    asking::says,
    engine::{Tag, docker},
    scripts,
};

/// An agent that writes a zero over every count of tokens that it reports.
const CLAIMS_NOTHING: &str = r#"#!/bin/sh
/opt/agents/goose/honest "$@" | sed -u -E 's/"(used|[a-zA-Z]*Tokens)":[0-9]+/"\1":0/g'
"#;

/// The model that only the agent's shell asks, and what one of its calls costs: 9,000 tokens read, 40 written.
const SHELLS_MODEL: &str = "claude-opus-5";
const SHELLS_CALL: i64 = 9_000 * 5 + 40 * 25;

/// So many calls of the model by the agent's shell.
fn calls_by_hand(calls: u32) -> String {
    format!(
        "for n in $(seq {calls}); do curl -s --noproxy '*' -o /dev/null http://127.0.0.1:3128/anthropic/v1/messages \
         -H \"x-api-key: ${{ANTHROPIC_API_KEY:?}}\" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \
         -d '{{\"model\":\"{SHELLS_MODEL}\",\"max_tokens\":100,\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'; done"
    )
}

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

#[tokio::test(flavor = "multi_thread")]
async fn the_ceiling_of_spend_holds_for_an_agent_that_claims_to_spend_nothing() {
    let name = "deckhand-story-claims-nothing";
    let image = format!("{name}:goose");
    let _tag = Tag::with_agent("deckhand-sandbox:goose", &image, "goose", CLAIMS_NOTHING);
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_IMAGE_PREFIX", format!("{name}:"))],
        ..Props::default()
    })
    .await;
    // Many more than the ceiling allows.
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(calls_by_hand(100))]);
    stage.models.otherwise(script);
    let thread = stage.planned(&format!("{REQUEST} budget=0.4")).await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_input").await;
    let spent = task.usage.cost.unwrap();
    for words in [
        "The spending ceiling of $0.40 is reached".to_owned(),
        format!("({spent} spent so far)"),
    ] {
        thread.wait_for_words(&words).await.unwrap();
    }
    // The calls of the shell are in it, and it ended with the call that reached the ceiling.
    let by_hand = made_by_hand(&stage);
    assert!((2..9).contains(&by_hand), "{by_hand}");
    assert!(spent >= task.terms.budget, "{spent}");
    assert!(spent.0 < task.terms.budget.0 + SHELLS_CALL, "{spent}");
    assert!(spent.0 > by_hand * SHELLS_CALL, "{spent}");
    let log = stage.log(&task.id).await;
    assert!(log.contains(r#""agent_microdollars":0"#), "{log}");

    // No call reaches the provider while the question stands: neither the shell's next one nor the agent's.
    let asked = stage.models.request_count();
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
    assert_eq!(stage.models.request_count(), asked);
    assert_eq!(stage.models.seen_keys(), [KeySeen::Expected].into());

    thread.press("ana", "Continue").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(stage.models.request_count() > asked);
    assert!(task.usage.cost.unwrap() > spent);
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    stage.close().await;
}

/// How many calls of the agent's shell the provider got.
fn made_by_hand(stage: &Stage) -> i64 {
    let of_the_shell = |request: &RequestRecord| request.model == SHELLS_MODEL;
    let by_hand = stage.models.requests().into_iter().filter(of_the_shell);
    i64::try_from(by_hand.count()).unwrap()
}

/// Until the agent's shell has made four calls and waits, to make many more when `/tmp/go` is there.
async fn halfway(stage: &Stage) -> deckhand_world::slack::Thread {
    let command = format!(
        "{}; touch /tmp/halfway; until [ -e /tmp/go ]; do sleep 0.1; done; {}",
        calls_by_hand(4),
        calls_by_hand(100)
    );
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(command)]);
    stage.models.otherwise(script);
    let thread = stage.planned(&format!("{REQUEST} budget=0.4")).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    assert_eq!(made_by_hand(stage), 4);
    thread
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_spent_before_a_restart_counts_towards_its_ceiling() {
    let mut stage = Stage::open().await;
    let thread = halfway(&stage).await;
    stage.restart().await;
    let sandbox = stage.sandboxes().await.remove(0);
    stage.inside(&sandbox, "touch /tmp/go").await;
    let task = stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("The spending ceiling of $0.40 is reached")
        .await
        .unwrap();
    let (spent, by_hand) = (task.usage.cost.unwrap(), made_by_hand(&stage));
    assert!(spent >= task.terms.budget, "{spent}");
    assert!(spent.0 < task.terms.budget.0 + SHELLS_CALL, "{spent}");
    assert!((5..9).contains(&by_hand), "{by_hand}");
    assert!(spent.0 > by_hand * SHELLS_CALL, "{spent}");
    stage.wait_for_no_sandbox().await;
    thread.press("ana", "Stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_run_spent_is_in_its_tasks_sum() {
    let stage = Stage::open().await;
    let thread = halfway(&stage).await;
    let before = stage.task(&thread).await.usage.cost.unwrap();
    stage.stop(&thread).await;
    thread.wait_for_words("Cancelled by").await.unwrap();
    let task = stage.task(&thread).await;
    let spent = task.usage.cost.unwrap();
    assert!(spent.0 > before.0 + 4 * SHELLS_CALL, "{before}, {spent}");
    assert!(spent < task.terms.budget, "{spent}");
    // People see it where they saw the figure while it ran.
    says(&thread, &format!("{spent} so far")).await;
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
    let mut stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_RUN_MINUTES", "60".to_owned())],
        ..Props::default()
    })
    .await;
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
    // Its last word is what its command said; then its model does not answer any more.
    let is_last = |request: &RequestRecord| {
        matches!(
            request.kind,
            RequestKind::Turn {
                phase: Phase::Work,
                step: 1,
                ..
            }
        )
    };
    stage.models.wait_for(is_last, PATIENCE).await.unwrap();
    let task = stage.task(&thread).await;
    let is_heard = async || {
        let log = stage.log(&task.id).await;
        log.lines().any(|line| line.starts_with("2 command"))
    };
    stage.eventually("heard to its last word", is_heard).await;
    stage.clock.advance(Duration::from_mins(11));
    stage.wait_for_state(&thread, "failed").await;
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

/// How often somebody has attached to a sandbox, as the engine remembers it.
fn attached(sandbox: &str) -> usize {
    let of_it = format!("container={sandbox}");
    let filters = ["--filter", "event=attach", "--filter", &of_it];
    let all = ["events", "--since", "60m", "--until", "0s"];
    docker(&[&all[..], &filters].concat()).lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_silent_for_half_of_its_limit_is_attached_again_once_and_goes_on() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    // Its command is the last that was heard of it.
    says(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    let before = attached(&sandbox);
    stage.clock.advance(Duration::from_mins(6));
    says(&thread, "The sandbox lives, but its agent says nothing").await;
    let is_attached = async || attached(&sandbox) == before + 1;
    stage.eventually("attached again", is_attached).await;

    stage.inside(&sandbox, "touch /tmp/go").await;
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(attached(&sandbox), before + 1, "it was attached once more");
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
