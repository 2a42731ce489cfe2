//! A task that is quiet for long says why: who lets it wait and until when, and what is checked at this moment.

use std::time::Duration;

use deckhand_world::{
    github::Fault,
    slack::{Message, Thread},
};

use crate::harness::{REQUEST, Stage, asking::says, scripts};

/// What is said of a platform that lets the work wait.
const SLOWER: &str = "asks Deckhand to go slower";

/// GitHub lets the publishing wait for so many seconds, and the thread says so.
async fn put_off(stage: &Stage, seconds: u64) -> Thread {
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.github.fail_next(
        "POST /repos/*/*/pulls",
        Fault::SecondaryLimit {
            retry_after: seconds,
        },
    );
    thread.say("ana", "approve").await.unwrap();
    let card = says(&thread, &format!("GitHub {SLOWER}; it goes on at ")).await;
    for words in ["Publishing", " UTC."] {
        assert!(card.says(words), "{}", thread.render());
    }
    thread
}

fn is_said(thread: &Thread, words: &str) -> bool {
    thread.messages().iter().any(|message| message.says(words))
}

/// Whether a message says something, or has said it before an edit.
fn has_said(message: &Message, words: &str) -> bool {
    let before = message.versions.iter().any(|version| {
        version.text.contains(words) || format!("{:?}", version.blocks).contains(words)
    });
    before || message.says(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishing_that_github_lets_wait_says_until_when_and_goes_on_by_itself() {
    let stage = Stage::open().await;
    let thread = put_off(&stage, 120).await;
    assert_eq!(stage.task(&thread).await.state.name(), "publishing");
    assert!(stage.pull_requests().is_empty(), "{}", thread.render());
    // Up to a tenth more is chance.
    stage.clock.advance(Duration::from_secs(133));
    stage.context.wake.outbox();
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    assert!(!is_said(&thread, SLOWER), "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_github_is_cancelled_like_any_other() {
    let stage = Stage::open().await;
    let thread = put_off(&stage, 900).await;
    stage.stop(&thread).await;
    says(&thread, "Cancelled by").await;
    stage.settle().await;
    assert!(!is_said(&thread, SLOWER), "{}", thread.render());
    assert!(stage.pull_requests().is_empty(), "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_names_the_check_that_runs_and_is_the_usual_one_afterwards() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::slow_check());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    let named = |message: &Message| {
        has_said(message, "sleep 3")
            && (1..10).any(|all| has_said(message, &format!("(1 of {all})")))
    };
    let card = thread
        .wait("the check in the status", || {
            let mut bot = thread.bot_messages().into_iter();
            bot.find(|message| has_said(message, "Checking") && named(message))
        })
        .await
        .unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let mut bot = thread.bot_messages().into_iter();
    let card = bot.find(|message| message.ts == card.ts).unwrap();
    assert!(card.says("Done"), "{}", thread.render());
    assert!(!card.says("sleep 3"), "{}", thread.render());
    stage.close().await;
}
