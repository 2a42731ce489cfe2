//! Questions whose money or time is used up: nothing more is spent until somebody says whether they go on.

use std::time::Duration;

use deckhand::domain::task::State;
use deckhand_world::{
    models::{Phase, Script, Turn},
    slack::Thread,
};

use super::{QUESTION, is_looked_up, said};
use crate::harness::{Props, Stage, asking::says};

const TIME_IS_UP: &str = "so the search for the answer was stopped";

async fn waits_for_somebody(stage: &Stage, thread: &Thread) {
    stage.wait_for_state(thread, "awaiting_input").await;
    stage.wait_for_no_sandbox().await;
    stage.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_has_used_up_its_money_goes_on_where_somebody_says_so() {
    let stage = Stage::open().await;
    let costly = [
        Turn::Expensive(80_000),
        Turn::shell("git status --short"),
        Turn::Expensive(80_000),
        Turn::shell("git log --oneline"),
    ];
    let costly = Script::honest().first(Phase::Ask, costly);
    stage.models.otherwise(costly);
    let thread = stage.mention(&format!("{QUESTION} budget=1")).await;
    waits_for_somebody(&stage, &thread).await;
    let asked = says(&thread, "The spending ceiling of $1.00 is reached").await;
    assert!(
        asked.says("so the search for the answer was stopped")
            && asked.says("Stop ends the question"),
        "{}",
        thread.render()
    );
    let spent = stage.models.request_count();

    stage.models.otherwise(Script::honest());
    thread.press("ana", "Continue").await.unwrap();
    let task = stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;
    assert_eq!(task.state, State::Answered);
    assert!(stage.models.request_count() > spent);
    assert!(task.ceilings.spend > task.terms.budget);
    says(&thread, "The offset is applied in `listUsers`").await;
    assert_eq!(said(&thread), 3, "{}", thread.render());
    assert_eq!(thread.bot_marks(), ["speech_balloon"]);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_has_used_up_its_money_ends_where_somebody_says_so() {
    let stage = Stage::open().await;
    let thread = stage.mention(&format!("{QUESTION} budget=0.01")).await;
    waits_for_somebody(&stage, &thread).await;
    says(&thread, "The spending ceiling of $0.01 is reached").await;
    thread.press("ana", "Stop").await.unwrap();
    says(&thread, "The question was cancelled by ana").await;
    stage.wait_for_state(&thread, "canceled").await;
    assert_eq!(thread.bot_marks(), ["octagonal_sign"]);
    stage.nothing_more(&thread, async || {}).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_time_is_used_up_goes_on_or_ends_as_somebody_says() {
    let mut stage = Stage::open_with(Props {
        settings: vec![
            ("DECKHAND_TASK_MINUTES", "100".to_owned()),
            ("DECKHAND_SILENCE_MINUTES", "100000".to_owned()),
        ],
        ..Props::default()
    })
    .await;
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    is_looked_up(&stage, &thread).await;
    stage.clock.advance(Duration::from_mins(101));
    waits_for_somebody(&stage, &thread).await;
    let asked = says(&thread, "The working time of 1 h 40 min is used up").await;
    assert!(
        asked.says(TIME_IS_UP) && asked.says("the question ends"),
        "{}",
        thread.render()
    );
    assert!(thread.control("Finish as it is").is_err());
    stage.models.resume();
    // The next process begins with the world's clock.
    stage.restart().await;
    thread.press("ana", "Continue").await.unwrap();
    let task = stage.wait_for_state(&thread, "completed").await;
    assert_eq!(task.state, State::Answered);
    says(&thread, "The offset is applied in `listUsers`").await;

    stage.models.pause();
    let other = stage.mention(QUESTION).await;
    is_looked_up(&stage, &other).await;
    stage.clock.advance(Duration::from_mins(101));
    waits_for_somebody(&stage, &other).await;
    says(&other, TIME_IS_UP).await;
    stage.restart().await;
    other.press("ana", "Stop").await.unwrap();
    says(&other, "The question was cancelled by ana").await;
    stage.wait_for_state(&other, "canceled").await;
    stage
        .nothing_more(&other, async || stage.models.resume())
        .await;
    stage.close().await;
}
