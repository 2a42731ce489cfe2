//! Time that runs out: of a task that works, and of people who are waited for.

use std::time::Duration;

use deckhand::engine::reaper;
use deckhand_world::{
    models::{Phase, Turn},
    slack::{Message, Thread},
};
use serde_json::json;

use crate::harness::{
    Props, REQUEST, Stage,
    asking::{no_message_twice, says, whispered},
    program::Deckhand,
    scripts,
};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A stage whose tasks work for a hundred minutes before they ask, and may be silent for as long.
async fn with_little_time() -> Stage {
    Stage::open_with(Props {
        settings: vec![
            ("DECKHAND_TASK_MINUTES", "100".to_owned()),
            ("DECKHAND_SILENCE_MINUTES", "100000".to_owned()),
        ],
        ..Props::default()
    })
    .await
}

async fn at_work(stage: &Stage) -> Thread {
    stage.models.otherwise(scripts::long_work());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_file(&thread, "/tmp/halfway").await;
    thread
}

/// Time passes, and the bot makes its round.
async fn later(stage: &Stage, time: Duration) {
    stage.clock.advance(time);
    reaper::step(&stage.context).await.unwrap();
    stage.settle().await;
}

/// How many messages have these words.
fn times_said(thread: &Thread, words: &str) -> usize {
    let is_it = |message: &Message| message.from_bot() && message.says(words);
    thread.messages().into_iter().filter(is_it).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn working_time_is_told_before_it_is_over_and_what_there_is_can_be_published() {
    let mut stage = with_little_time().await;
    let thread = at_work(&stage).await;
    later(&stage, Duration::from_mins(70)).await;
    assert_eq!(times_said(&thread, "of working time are left"), 0);
    later(&stage, Duration::from_mins(12)).await;
    says(&thread, "of 1 h 40 min for this task").await;
    later(&stage, Duration::from_mins(1)).await;
    assert_eq!(times_said(&thread, "of working time are left"), 1);
    assert_eq!(stage.task(&thread).await.state.name(), "running");

    stage.clock.advance(Duration::from_mins(20));
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, "working time of 1 h 40 min is used up").await;
    says(&thread, "1 changed file, not checked yet").await;
    stage.wait_for_no_sandbox().await;
    let asked = stage.models.request_count();
    stage.settle().await;
    assert_eq!(stage.models.request_count(), asked, "nothing is spent");

    stage.restart().await;
    thread.press("ana", "Finish as it is").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(!task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(task.rework_rounds, 0, "it does not go back to the agent");
    assert_eq!(stage.models.request_count(), asked);
    let pulls = stage.pull_requests();
    assert_eq!(pulls.len(), 1, "{}", thread.render());
    let repository = stage.github.repository("acme/web").unwrap();
    let file = repository.file_at(&task.branch(), "lib/users.js").await;
    assert!(file.unwrap().unwrap().ends_with("// begun\n"));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn working_time_counts_over_a_restart_and_going_on_goes_on_from_there() {
    let mut stage = with_little_time().await;
    let thread = at_work(&stage).await;
    later(&stage, Duration::from_mins(82)).await;
    says(&thread, "of 1 h 40 min for this task").await;
    // The next process begins with the world's clock, which is put where the story is.
    stage.restart().await;
    stage.clock.advance(Duration::from_mins(82));
    assert_eq!(stage.task(&thread).await.state.name(), "running");
    stage.clock.advance(Duration::from_mins(19));
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, "working time of 1 h 40 min is used up").await;
    stage.wait_for_no_sandbox().await;

    stage.restart().await;
    stage.models.otherwise(scripts::without_pages());
    thread
        .say("ana", "go on, and keep the comment short")
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    // What was put off before the restart is due by the clock of then.
    stage.clock.advance(Duration::from_mins(101));
    stage.settle().await;
    assert!(task.last_run.0 >= 3, "{:?}", task.last_run);
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    let repository = stage.github.repository("acme/web").unwrap();
    let file = repository.file_at(&task.branch(), "lib/users.js").await;
    assert!(file.unwrap().unwrap().contains("// begun"));
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_does_not_end_is_stopped_with_the_time() {
    let mut stage = with_little_time().await;
    stage.models.otherwise(scripts::endless_setup());
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "preparing").await;
    later(&stage, Duration::from_mins(104)).await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, "working time of 1 h 40 min is used up").await;
    stage.wait_for_no_sandbox().await;
    assert!(thread.control("Finish as it is").is_err());
    stage.restart().await;
    thread.press("ana", "Stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_asked_about_again_once_and_then_the_task_ends() {
    let mut stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let approve = thread.control("Approve").unwrap();
    later(&stage, 23 * HOUR).await;
    assert_eq!(times_said(&thread, "still waits"), 0);
    later(&stage, 2 * HOUR).await;
    let reminder = says(&thread, "This plan still waits for your decision").await;
    assert!(
        reminder.says("this task ends in 13 days"),
        "{}",
        thread.render()
    );
    // It leads to the card with the buttons.
    let page = format!("/p{}", approve.message.as_str().replace('.', ""));
    let linked = serde_json::to_string(&reminder.blocks).unwrap();
    assert!(linked.contains(&page), "{linked}");
    later(&stage, DAY).await;
    stage.restart().await;
    later(&stage, 3 * DAY).await;
    assert_eq!(times_said(&thread, "still waits"), 1, "{}", thread.render());

    later(&stage, 12 * DAY).await;
    stage.wait_for_state(&thread, "expired").await;
    says(&thread, "nobody decided on its plan in time").await;
    says(&thread, "mention Deckhand here with the request").await;
    stage.settle().await;
    assert!(thread.control("Approve").is_err(), "{}", thread.render());
    // Whoever has it still on their screen is told.
    stage.restart().await;
    thread.press_control("ana", &approve).await.unwrap();
    whispered(&thread, "no plan of this task waits for a decision now").await;
    assert_eq!(stage.task(&thread).await.state.name(), "expired");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_loses_its_buttons_with_the_task() {
    let mut stage = Stage::open().await;
    let thread = stage.planned(&format!("{REQUEST} #script:asking")).await;
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    stage.settle().await;
    let answer = thread.control("Keep cutting it").unwrap();
    later(&stage, 2 * DAY).await;
    says(&thread, "This still waits for your answer").await;
    later(&stage, 13 * DAY).await;
    stage.wait_for_state(&thread, "expired").await;
    says(&thread, "nobody answered its question in time").await;
    says(&thread, "No longer asked").await;
    assert!(
        thread.control("Keep cutting it").is_err(),
        "{}",
        thread.render()
    );
    stage.restart().await;
    thread.press_control("ana", &answer).await.unwrap();
    whispered(&thread, "This task expired").await;
    stage.settle().await;
    assert!(stage.context.executor.volumes().await.unwrap().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_before_a_question_that_nobody_answers_is_kept() {
    let stage = Stage::open().await;
    let work = [
        Turn::shell("echo '// begun' >> lib/users.js"),
        Turn::tool("ask_person", json!({ "question": "Cut it, or refuse it?" })),
        Turn::say("I wait for the answer."),
    ];
    stage
        .models
        .otherwise(scripts::without_pages().on(Phase::Work, work));
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    let id = stage.wait_for_state(&thread, "awaiting_input").await.id;
    stage.settle().await;
    later(&stage, 15 * DAY).await;
    stage.wait_for_state(&thread, "expired").await;
    says(&thread, "is kept on the server for 30 days").await;
    stage.settle().await;
    later(&stage, DAY).await;
    assert!(stage.context.executor.volumes().await.unwrap().is_empty());

    let program = Deckhand::of(&stage);
    let bundle = program.path("work.bundle");
    let path = bundle.display().to_string();
    let handed = program.run(&["task", "work", &id.0, &path]).await;
    assert!(handed.ok, "{handed:?}");
    assert!(bundle.exists());
    later(&stage, 30 * DAY).await;
    assert!(
        !stage.context.quarantine_path(&id).exists(),
        "its time is over"
    );
    stage.close().await;
}
