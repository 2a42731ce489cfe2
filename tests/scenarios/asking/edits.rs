//! Questions that an edit asks, and questions that are edited.

use deckhand::domain::task::State;
use deckhand_world::models::{Phase, Script, Turn};
use serde_json::json;

use super::{QUESTION, is_answered, is_looked_up, question, said};
use crate::harness::{
    CHANNEL, PATIENCE, REQUEST, Stage,
    asking::{says, whispered},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_an_edit_asks_is_answered_in_its_thread() {
    let stage = Stage::open().await;
    let thread = stage
        .slack
        .say("ana", CHANNEL, "Where is the offset applied?")
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage.slack.settled().await;
    assert_eq!(stage.rows("inbox").await, 0, "it was said to others");
    thread
        .edit("ana", thread.root(), &format!("@deckhand {QUESTION}"))
        .await
        .unwrap();
    // Slack sends some of it twice.
    stage.slack.redeliver_last().await;
    let task = stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;
    assert_eq!(task.state, State::Answered);
    says(&thread, "The offset is applied in `listUsers`").await;
    assert_eq!(said(&thread), 2, "{}", thread.render());
    assert_eq!(stage.rows("tasks").await, 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_an_edit_asks_in_a_tasks_thread_does_not_disturb_the_task() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let before = stage.task(&thread).await;
    let aside = thread.say("ben", "!aside where is it applied?").await;
    let aside = aside.unwrap();
    stage.settle().await;
    thread
        .edit(
            "ben",
            &aside.ts,
            "@deckhand ask where is the offset applied?",
        )
        .await
        .unwrap();
    let asked = question(&stage, &thread).await;
    is_answered(&stage, &asked.id).await;
    says(&thread, "The offset is applied in `listUsers`").await;
    assert_eq!(asked.request.author.name, "ben");
    let after = stage.task(&thread).await;
    assert_eq!(after.id, before.id);
    assert_eq!(after.plans.len(), 1, "{}", thread.render());
    assert_eq!(after.state, before.state);
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_edited_while_it_is_looked_up_is_answered_as_it_reads_now() {
    let stage = Stage::open().await;
    let script = Script::honest().on(
        Phase::Ask,
        [
            Turn::decide(|scene| {
                let is_edited = scene.prompt.contains("The question was edited");
                let answer = if is_edited { "The route calls it." } else { "In the list." };
                let answer = json!({ "answer": answer, "sources": [{ "path": "lib/users.js", "first_line": 28 }] });
                Turn::tool("submit_answer", answer)
            }),
            Turn::say("Done."),
        ],
    );
    stage.models.otherwise(script);
    stage.models.pause();
    let thread = stage.mention(QUESTION).await;
    is_looked_up(&stage, &thread).await;
    let edited = "@deckhand ask who calls listUsers? repo=acme/web";
    thread.edit("ana", thread.root(), edited).await.unwrap();
    let taken = whispered(&thread, "Your edit counts").await;
    assert!(
        taken.says("the answer will be to the question as it reads now") && !taken.says("plan"),
        "{}",
        thread.render()
    );
    stage.models.resume();
    let task = stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;
    assert_eq!(task.state, State::Answered);
    assert_eq!(task.request.text, "who calls listUsers?");
    says(&thread, "The route calls it.").await;
    // What was found for the words of before is nobody's answer.
    assert!(
        !thread.render().contains("In the list."),
        "{}",
        thread.render()
    );
    assert_eq!(
        said(&thread),
        2,
        "a status, and the answer\n{}",
        thread.render()
    );
    assert_eq!(stage.rows("tasks").await, 1);
    stage.close().await;
}
