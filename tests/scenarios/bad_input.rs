//! Bad input: each ends in a clear sentence in the thread, nothing lost, nothing left behind.

use deckhand_world::slack::Thread;

use crate::harness::{Props, Stage};

async fn says(thread: &Thread, words: &str) {
    thread
        .wait(&format!("the words {words:?}"), || {
            thread
                .messages()
                .into_iter()
                .find(|message| message.says(words))
        })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_with_nothing_in_it() {
    let stage = Stage::open().await;
    let thread = stage.mention("").await;
    thread
        .wait("an answer", || {
            thread
                .messages()
                .into_iter()
                .find(deckhand_world::slack::Message::from_bot)
        })
        .await
        .unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_repository_is_asked_for_and_the_answer_goes_on() {
    let stage = Stage::open().await;
    let thread = stage.mention("Fix the offset. repo=acme/wbe").await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, "acme/wbe").await;
    thread.say("ana", "acme/web").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_and_a_branch_that_is_not_there() {
    let stage = Stage::open().await;
    stage.github.seed_empty("acme/new").await.unwrap();
    let empty = stage.mention("Write a README. repo=acme/new").await;
    stage.wait_for_state(&empty, "awaiting_input").await;
    says(&empty, "no commit").await;
    empty.say("ana", "stop").await.unwrap();
    let branch = stage
        .mention("Fix the offset. repo=acme/web branch=mian")
        .await;
    stage.wait_for_state(&branch, "awaiting_input").await;
    says(&branch, "mian").await;
    branch.say("ana", "stop").await.unwrap();
    for thread in [&empty, &branch] {
        stage.wait_for_state(thread, "canceled").await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_checked_so_one_question_is_asked_first() {
    let stage = Stage::open().await;
    let thread = stage
        .mention("Make it nicer. repo=acme/web #script:no_checks")
        .await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    stage.settle().await;
    thread.say("ana", "`node --test`").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.specification.unwrap().all_checks(), ["node --test"]);
    thread.say("ana", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.close().await;
}

/// The provider's refusals, as people read them.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_refuses_is_named_with_what_to_do() {
    let stage = Stage::open().await;
    for (script, words) in [
        ("unauthorized", "key"),
        ("out_of_credit", "credit"),
        ("rate_limited", "limit"),
        ("overloaded", "overloaded"),
    ] {
        let thread = stage
            .mention(&format!("Fix the offset. repo=acme/web #script:{script}"))
            .await;
        stage.wait_for_state(&thread, "failed").await;
        says(&thread, words).await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_nothing_and_one_that_floods() {
    let stage = Stage::open().await;
    for script in ["nothing", "flooding"] {
        let thread = stage
            .mention(&format!("Fix the offset. repo=acme/web #script:{script}"))
            .await;
        stage.wait_for_state(&thread, "awaiting_approval").await;
        thread.say("ana", "approve").await.unwrap();
        stage
            .wait_until(&thread, "at its end", |task| {
                matches!(task.state.name(), "failed" | "in_review")
            })
            .await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_refused_says_the_remotes_words() {
    let stage = Stage::open().await;
    stage
        .github
        .refuse_pushes("acme/web", "the release is frozen until Monday")
        .unwrap();
    let thread = stage
        .mention("The offset parameter is ignored when limit is over 100. repo=acme/web")
        .await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "frozen until Monday").await;
    stage.github.allow_pushes("acme/web").unwrap();
    thread.say("ana", "retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moved_into_a_conflict_is_told() {
    let stage = Stage::open().await;
    let thread = stage
        .mention("The offset parameter is ignored when limit is over 100. repo=acme/web")
        .await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage
        .github
        .commit(
            "acme/web",
            "main",
            &[("lib/users.js", "// rewritten by somebody else\n")],
            "Rewrite the users",
        )
        .await
        .unwrap();
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    let base = task.publication.unwrap().base;
    assert!(
        matches!(
            base,
            deckhand::domain::event::BaseStanding::Conflicts { .. }
        ),
        "{base:?}"
    );
    says(&thread, "lib/users.js").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_start_says_why() {
    let stage = Stage::open_with(Props {
        file: "[[repository]]\nname = \"acme/web\"\nsetup = \"echo no network here >&2; exit 3\"\n"
            .to_owned(),
        ..Props::default()
    })
    .await;
    let thread = stage.mention("Fix the offset. repo=acme/web").await;
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "no network here").await;
    stage.close().await;
}
