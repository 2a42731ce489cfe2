//! Words to an agent that works: queued for its next turn, or at once.

use deckhand_world::models::{Phase, Script};

use crate::harness::{REQUEST, Stage, asking::no_message_twice};

#[tokio::test(flavor = "multi_thread")]
async fn now_interrupts_a_running_agent() {
    let stage = Stage::open().await;
    let thread = stage.planned(&format!("{REQUEST} #script:hanging")).await;
    thread.say("ana", "approve").await.unwrap();
    stage
        .models
        .wait_for(
            |request| request.phase() == Some(Phase::Work) && hangs(request),
            crate::harness::PATIENCE,
        )
        .await
        .unwrap();
    let run = stage.wait_for_state(&thread, "running").await.last_run;

    thread
        .say("ana", "now: say in the README what the offset does")
        .await
        .unwrap();
    let follow_up =
        |request: &deckhand_world::models::RequestRecord| request.phase() == Some(Phase::FollowUp);
    stage
        .models
        .wait_for(follow_up, crate::harness::PATIENCE)
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    // It was the same run that took the words: its log has the command that followed them.
    let log = stage.log(&task.id).await;
    assert!(
        log.lines().any(|line| line.starts_with(&format!("{run} "))
            && line.contains("The offset counts the users")),
        "{log}"
    );
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

/// The hanging model runs one command and then never answers.
fn hangs(request: &deckhand_world::models::RequestRecord) -> bool {
    matches!(
        request.kind,
        deckhand_world::models::RequestKind::Turn { step: 1, .. }
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_while_it_works_are_taken_in_the_next_turn() {
    let stage = Stage::open().await;
    stage
        .models
        .otherwise(crate::harness::scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    let reply = thread
        .say("ana", "Please add a line about it to the README.")
        .await
        .unwrap();
    thread.say("ben", "And mind the tests.").await.unwrap();
    stage.settle().await;
    assert_eq!(stage.task(&thread).await.waiting.len(), 2);
    let heard = |message: &deckhand_world::slack::Message| {
        message.ts == reply.ts && !message.reactions.is_empty()
    };
    thread
        .wait_for("the sign that the reply was heard", heard)
        .await
        .unwrap();

    stage.models.resume();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(task.waiting.is_empty());
    let repository = stage.github.repository("acme/web").unwrap();
    let readme = repository
        .file_at(&task.branch(), "README.md")
        .await
        .unwrap()
        .unwrap();
    assert!(readme.contains("The offset counts the users"), "{readme}");
    assert_eq!(
        repository.pull_requests().len(),
        1,
        "one result, with both\n{}",
        thread.render()
    );
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_while_it_plans_are_part_of_the_plan() {
    let stage = Stage::open().await;
    stage.models.otherwise(Script::honest());
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "planning").await;
    thread
        .say("ana", "Say it in the README, too.")
        .await
        .unwrap();
    stage.settle().await;
    stage.models.resume();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(
        task.plans.len(),
        2,
        "the first plan was revised before anybody saw it"
    );
    stage.settle().await;
    assert_eq!(
        thread
            .bot_messages()
            .iter()
            .filter(|message| message.says("Requirements"))
            .count(),
        1,
        "{}",
        thread.render()
    );
    stage.stop(&thread).await;
    stage.close().await;
}
