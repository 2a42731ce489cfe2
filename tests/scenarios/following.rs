//! Questions in the middle, replies after the result, the end on the forge, and a bot that is started again.

use std::time::Duration;

use deckhand::engine::reviews::Reviews;
use deckhand_world::{github::Fault, slack::Thread};

use serde_json::json;

use crate::{
    doors::{knock, now, signed},
    harness::{REQUEST, Stage, scripts},
};

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

/// A stage with a pull request that waits for people.
async fn in_review() -> (Stage, Thread) {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.approve(&thread).await;
    stage.settle().await;
    (stage, thread)
}

/// The thread says that the task is complete, once, whatever GitHub sends behind that.
async fn is_complete_once(stage: &Stage, thread: &Thread) {
    const COMPLETE: &str = "This task is complete";
    stage.wait_for_state(thread, "completed").await;
    thread.wait_for_words(COMPLETE).await.unwrap();
    stage.github.redeliver("pull_request").await.unwrap();
    stage.github.settle().await;
    stage.settle().await;
    let said = thread.bot_messages();
    let said = said.iter().filter(|message| message.says(COMPLETE)).count();
    assert_eq!(said, 1, "{}", thread.render());
}

/// How many deliveries of GitHub are stored.
async fn from_github(stage: &Stage) -> i64 {
    stage.rows("inbox WHERE source = 'github'").await
}

/// How often the pull request was looked up.
fn looked_up(stage: &Stage) -> usize {
    let requests = stage.github.requests();
    let looks = requests
        .iter()
        .filter(|request| request.method == "GET" && request.path.ends_with("/pulls/1"));
    looks.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_while_the_bot_was_away_comes_back_to_the_thread_and_its_webhook_adds_nothing() {
    let (mut stage, thread) = in_review().await;
    let github = stage.github.clone();
    stage
        .while_down(async |_| {
            github.merge("acme/web", 1).await.unwrap();
            // Nobody takes it, and GitHub does not send it again by itself.
            github.settle().await;
        })
        .await;
    is_complete_once(&stage, &thread).await;
    assert_eq!(from_github(&stage).await, 1, "the webhook told the same");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_could_not_be_stored_is_looked_up() {
    let (stage, thread) = in_review().await;
    // What is lost without a word: nothing else is stored while the news of the merge come.
    stage.damage("ALTER TABLE inbox RENAME TO inbox_away").await;
    stage.github.merge("acme/web", 1).await.unwrap();
    stage.github.settle().await;
    let told = stage.github.deliveries();
    let merge = told.iter().rev().find(|one| one.event == "pull_request");
    assert_eq!(merge.unwrap().status, Some(503));
    stage.damage("ALTER TABLE inbox_away RENAME TO inbox").await;
    is_complete_once(&stage, &thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_looked_up_once_an_hour_and_not_while_github_asks_to_wait() {
    let (stage, thread) = in_review().await;
    let (mut hourly, mut limited) = (Reviews::default(), Reviews::default());
    hourly.step(&stage.context).await.unwrap();
    hourly.step(&stage.context).await.unwrap();
    assert_eq!(looked_up(&stage), 1);

    let limit = Fault::SecondaryLimit { retry_after: 600 };
    stage.github.fail_next("GET /repos/*/*/pulls/1", limit);
    for _ in 0..2 {
        limited.step(&stage.context).await.unwrap();
        assert_eq!(looked_up(&stage), 2);
    }
    stage.clock.advance(Duration::from_mins(12));
    limited.step(&stage.context).await.unwrap();
    assert_eq!(looked_up(&stage), 3, "it is not forgotten");
    assert_eq!(from_github(&stage).await, 0, "nothing has happened there");

    stage
        .github
        .set_webhook_url("http://127.0.0.1:9/github/webhooks");
    stage.github.merge("acme/web", 1).await.unwrap();
    stage.github.settle().await;
    hourly.step(&stage.context).await.unwrap();
    assert_eq!(looked_up(&stage), 3);
    stage.clock.advance(Duration::from_hours(1));
    hourly.step(&stage.context).await.unwrap();
    stage.wait_for_state(&thread, "completed").await;
    thread
        .wait_for_words("This task is complete")
        .await
        .unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn another_pull_request_of_its_branch_ends_no_task() {
    let (stage, thread) = in_review().await;
    let branch = stage.task(&thread).await.branch();
    // Whoever may write into the repository can open one into a branch of their own, and merge it.
    let repository = json!({ "full_name": "acme/web" });
    let head = json!({ "ref": branch, "repo": repository });
    let body = json!({
        "action": "closed", "repository": repository, "sender": { "login": "ben" },
        "pull_request": { "number": 2, "merged": true, "closed_at": "2026-07-01T10:00:00Z", "head": head },
    });
    let (door, body) = ("/github/webhooks", body.to_string());
    let headers = signed(door, &body, now());
    assert_eq!(knock(&stage, door, &headers, &body).await, 200);
    stage.settle().await;
    assert_eq!(from_github(&stage).await, 1, "it was heard");
    assert_eq!(stage.task(&thread).await.state.name(), "in_review");
    stage.github.merge("acme/web", 1).await.unwrap();
    is_complete_once(&stage, &thread).await;
    stage.close().await;
}
