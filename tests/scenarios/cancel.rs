//! Cancel, at any moment and by any road.

use deckhand_world::slack::On;

use crate::harness::{REQUEST, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_on_the_request_ends_the_work() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:hanging")).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "go ahead").await.unwrap();
    stage.wait_for_state(&thread, "running").await;

    let begun = std::time::Instant::now();
    thread
        .react("ana", "octagonal_sign", On::Root)
        .await
        .unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    assert!(begun.elapsed().as_secs() < 5, "the promise is five seconds");
    stage.wait_for_no_sandbox().await;
    assert_eq!(stage.task(&thread).await.state.name(), "canceled");
    assert!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .pull_requests()
            .is_empty()
    );
    let calls = stage.models.request_count();
    stage.settle().await;
    assert_eq!(
        stage.models.request_count(),
        calls,
        "no model call after the confirmation"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_ends_it_while_the_plan_waits() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    stage.settle().await;
    assert!(
        thread.control("Approve").is_err(),
        "nothing is left to approve\n{}",
        thread.render()
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_ends_it_while_it_is_planned() {
    let stage = Stage::open().await;
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    thread
        .wait("the Cancel button", || thread.control("Cancel").ok())
        .await
        .unwrap();
    thread.press("ana", "Cancel").await.unwrap();
    thread.wait_for_words("ancelled").await.unwrap();
    stage.models.resume();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_a_finished_task_says_so() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    thread.say("ana", "stop").await.unwrap();
    stage.settle().await;
    thread
        .wait("a sentence for ana alone", || {
            thread
                .messages()
                .into_iter()
                .find(|message| message.says("was cancelled"))
        })
        .await
        .unwrap();
    stage.close().await;
}
