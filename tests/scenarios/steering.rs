//! Words to an agent that works: queued for its next turn, or at once.

use std::time::Duration;

use deckhand::domain::task::Task;
use deckhand_world::{
    models::{Phase, RequestKind, RequestRecord, Script},
    slack::{Fault, Message, Thread},
};

use crate::harness::{
    Bot, PATIENCE, Props, REQUEST, Stage, asking::no_message_twice, engine::docker, scripts,
};

/// What the honest model says when its work is done.
const LAST_WORDS: &str = "The report says what was changed";

/// Until the agent of an approved task has so many answers behind it.
async fn working(stage: &Stage, script: &str, step: usize) -> Thread {
    let thread = stage.planned(&format!("{REQUEST} #script:{script}")).await;
    thread.say("ana", "approve").await.unwrap();
    let is_there = |request: &RequestRecord| matches!(request.kind, RequestKind::Turn { phase: Phase::Work, step: done, .. } if done == step);
    stage.models.wait_for(is_there, PATIENCE).await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    thread
}

/// The run whose log has the command that follows the interruption.
pub async fn run_that_heard(stage: &Stage, task: &Task) -> u32 {
    let log = stage.log(&task.id).await;
    let heard = |line: &&str| line.contains("The offset counts the users");
    let line = log.lines().find(heard).expect("the words were heard");
    line.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn now_interrupts_what_the_agent_runs() {
    let stage = Stage::open().await;
    let thread = working(&stage, "stuck", 0).await;
    let run = stage.task(&thread).await.last_run.0;
    thread
        .say("ana", "now: say in the README what the offset does")
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(
        run_that_heard(&stage, &task).await,
        run,
        "it is the same run"
    );
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

/// Some agents listen only when their model has answered.
#[tokio::test(flavor = "multi_thread")]
async fn now_reaches_an_agent_that_does_not_listen_with_its_next_run() {
    let stage = Stage::open().await;
    let thread = working(&stage, "hanging", 1).await;
    let run = stage.task(&thread).await.last_run.0;
    thread
        .say("ana", "now: say in the README what the offset does")
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(run_that_heard(&stage, &task).await, run + 1);
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

/// The agent stands still from before the words until the bot that had them in hand is dead.
#[tokio::test(flavor = "multi_thread")]
async fn now_reaches_the_agent_when_the_bot_is_killed_right_behind_it() {
    let mut stage = Stage::open_with(Props {
        bot: Bot::Program,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let sandbox = stage.sandboxes().await.remove(0);
    docker(&["pause", &sandbox]);
    let now = "now: say in the README what the offset does";
    let said = thread.say("ana", now).await.unwrap();
    let is_heard = |message: &Message| message.ts == said.ts && !message.reactions.is_empty();
    thread
        .wait_for("the sign that it was heard", is_heard)
        .await
        .unwrap();
    stage
        .crash(async |_| {
            docker(&["unpause", &sandbox]);
        })
        .await;
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    run_that_heard(&stage, &task).await;
    assert_eq!(stage.pull_requests().len(), 1);
    no_message_twice(&thread);
    stage.close().await;
}

/// Nobody listens to the agent any more, and the task still stands as at work.
#[tokio::test(flavor = "multi_thread")]
async fn now_said_while_the_work_of_a_run_is_taken_out_begins_the_next_one() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    let before = stage.task(&thread).await;
    // The commit names the thread, and Slack takes its time to say where that is.
    let slow = Fault::Slow {
        by: Duration::from_secs(5),
    };
    stage.slack.fail_next("chat.getPermalink", slow);
    let sandbox = stage.sandboxes().await.remove(0);
    stage.inside(&sandbox, "touch /tmp/go").await;
    stage
        .eventually("at its last words", async || {
            stage.log(&before.id).await.contains(LAST_WORDS)
        })
        .await;
    thread
        .say("ana", "now: say in the README what the offset does")
        .await
        .unwrap();
    let task = stage
        .wait_until(&thread, "in review with more", |task| {
            task.state.name() == "in_review" && task.last_run > before.last_run
        })
        .await;
    stage.settle().await;
    assert_eq!(
        run_that_heard(&stage, &task).await,
        before.last_run.0 + 1,
        "{}",
        thread.render()
    );
    assert_eq!(stage.pull_requests().len(), 1, "one result, with both");
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_while_it_works_are_taken_in_the_next_turn() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
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
    let heard = |message: &Message| message.ts == reply.ts && !message.reactions.is_empty();
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
