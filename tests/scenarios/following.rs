//! Questions in the middle, replies after the result, the end on the forge, and a bot that is started again.

use crate::harness::{REQUEST, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_and_its_answer_goes_on_in_the_same_session() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{REQUEST} #script:asking")).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "ok").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_input").await;
    stage.settle().await;
    // Waiting costs nothing.
    stage.wait_for_no_sandbox().await;
    let session = task.session.clone();
    assert!(session.is_some());

    thread.press("ana", "Keep cutting it").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    let repository = stage.github.repository("acme/web").unwrap();
    let decision = repository
        .file_at(&task.branch(), "docs/decisions.md")
        .await
        .unwrap();
    assert!(
        decision.unwrap().contains("Keep cutting it"),
        "the same session knows its own question"
    );
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_after_the_result_continues_branch_and_pull_request() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "lgtm").await.unwrap();
    let first = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;

    thread
        .say("ana", "Please add a line about it to the README.")
        .await
        .unwrap();
    let second = stage
        .wait_until(&thread, "in review with more", |task| {
            task.state.name() == "in_review" && task.pushed != first.pushed
        })
        .await;
    stage.settle().await;
    let repository = stage.github.repository("acme/web").unwrap();
    assert_eq!(repository.pull_requests().len(), 1, "{}", thread.render());
    assert_eq!(first.branch(), second.branch());
    let commits = repository.log(&second.branch()).await.unwrap();
    assert_eq!(commits[0].id, second.pushed.unwrap().0);
    assert_eq!(commits[0].parents, [first.pushed.unwrap().0]);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_comes_back_to_the_thread() {
    let stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.github.merge("acme/web", 1).await.unwrap();
    let task = stage.wait_for_state(&thread, "completed").await;
    thread.wait_for_words("Merged").await.unwrap();
    let _ = task;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_the_bot() {
    let mut stage = Stage::open().await;
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    stage
        .models
        .until_waiting(1, crate::harness::PATIENCE)
        .await
        .unwrap();
    stage.restart().await;
    stage.models.resume();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .pull_requests()
            .len(),
        1
    );
    stage.close().await;
}
