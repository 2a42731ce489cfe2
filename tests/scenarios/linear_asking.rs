//! Questions in a Linear session whose task waits for somebody or works: what can be chosen there stays, whatever is said by
//! the way, and what becomes of a question is the question's alone.

use deckhand::domain::task::{State, Task};
use deckhand_world::{
    linear::{Activity, Content, Fault, Session, SessionState},
    models::{Phase, Script, Turn},
};

use serde_json::json;

use crate::{
    harness::{PATIENCE, Stage, asking::until, scripts},
    linear::{DESCRIPTION, asked, open},
};

const QUESTION: &str = "ask where is the offset applied?";
/// Where the honest model has read the answer.
const ANSWERED: &str = "lib/users.js:28-40";
/// Waits until somebody makes a file in the sandbox.
const WAIT: &str = "until [ -e /tmp/go ]; do sleep 0.1; done";

/// The honest model, which takes its time to look something up.
fn slow_answer() -> Script {
    scripts::without_pages().first(Phase::Ask, [Turn::shell(WAIT)])
}

/// The same, of one that has found nothing and hands nothing over.
fn no_answer(script: Script) -> Script {
    script.on(Phase::Ask, [Turn::say("I looked, and I am not sure.")])
}

async fn planned(stage: &Stage) -> Session {
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear.create_issue("ana", "Long pages begin at the first user", DESCRIPTION);
    let session = linear.delegate("ana", &issue.unwrap()).unwrap();
    asked(&session).await;
    stage.settle().await;
    session
}

/// The newest task of a kind.
async fn newest(stage: &Stage, is_question: bool) -> Option<Task> {
    let recent = stage.context.store.recent_tasks(None, 9).await.unwrap();
    let is_it = |task: &Task| task.purpose().is_inquiry() == is_question;
    recent.into_iter().find(is_it)
}

async fn the_task(stage: &Stage) -> Task {
    newest(stage, false).await.unwrap()
}

/// Ana asks, and the question is looked up.
async fn looked_up(stage: &Stage, session: &Session) -> Task {
    let before = newest(stage, true).await.map(|task| task.id);
    session.say("ana", QUESTION).unwrap();
    until(PATIENCE, || async {
        let task = newest(stage, true).await;
        let task = task.filter(|task| {
            Some(&task.id) != before.as_ref() && matches!(task.state, State::Planning { .. })
        });
        task.ok_or_else(|| format!("it is not looked up\n{}", session.render()))
    })
    .await
}

/// Lets the command end that waits in the sandbox of a task, also where a bot that has just begun replaces the sandbox.
async fn go_on(stage: &Stage, task: &Task) {
    let of_task = format!("deckhand-{}-run-", task.id);
    until(PATIENCE, || async {
        for sandbox in stage.sandboxes().await {
            if sandbox.contains(&of_task) {
                let _ = stage.inside_if_there(&sandbox, "touch /tmp/go").await;
            }
        }
        let stored = stage.context.store.task(&task.id).await.unwrap().unwrap();
        let goes_on = stored.task.state.name() != task.state.name();
        goes_on
            .then_some(())
            .ok_or_else(|| format!("{} goes on nowhere", task.id))
    })
    .await;
}

async fn reads(session: &Session, words: &str) {
    let is_there = |session: &Session| session.render().contains(words).then_some(());
    session.wait_for(words, PATIENCE, is_there).await.unwrap();
}

async fn comes_to(stage: &Stage, wanted: &str) -> Task {
    let id = the_task(stage).await.id;
    stage
        .wait_for_task(&id, wanted, |task| task.state.name() == wanted)
        .await
}

/// What can be chosen in a session now: the values of the last activity, which has to say these words.
fn choices(session: &Session, words: &str) -> Vec<String> {
    let last: Activity = session.activities().pop().unwrap();
    assert!(last.content.text().contains(words), "{}", session.render());
    let options = last.signal_metadata["options"].as_array().cloned();
    let options = options.unwrap_or_default().into_iter();
    options
        .map(|option| option["value"].as_str().unwrap().to_owned())
        .collect()
}

fn of_plan(revision: u32) -> Vec<String> {
    let mut choices = vec![format!("approve:{revision}"), format!("revise:{revision}")];
    choices.extend(["repository:change", "cancel"].map(str::to_owned));
    choices
}

/// How often an answer stands in a session.
fn answers(session: &Session) -> usize {
    let is_one = |one: &Activity| one.content.text().contains(ANSWERED);
    session.activities().into_iter().filter(is_one).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_choices_of_a_plan_stand_below_an_answer_and_below_whatever_is_said_by_the_way() {
    let stage = open().await;
    let linear = stage.linear.as_ref().unwrap();
    stage.models.otherwise(scripts::without_pages());
    let session = planned(&stage).await;
    assert_eq!(choices(&session, "R1"), of_plan(1));
    session.say("ana", QUESTION).unwrap();
    linear.redeliver_last_with_new_id().await.unwrap();
    reads(&session, ANSWERED).await;
    stage.settle().await;
    assert_eq!(answers(&session), 1, "{}", session.render());
    let waits = "The plan still waits for your decision";
    assert_eq!(choices(&session, waits), of_plan(1));
    assert_eq!(session.state(), SessionState::AwaitingInput);
    // The same where it answers one person.
    session.say("ben", "limits").unwrap();
    let is_told = async || {
        session
            .activities()
            .last()
            .unwrap()
            .content
            .text()
            .contains("eiling")
    };
    stage.eventually("told the ceilings", is_told).await;
    assert_eq!(choices(&session, waits), of_plan(1));
    session.select("ana", "Approve").unwrap();
    comes_to(&stage, "in_review").await;
    stage.settle().await;
    assert_eq!(session.state(), SessionState::Complete);
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_restart_breaks_off_stands_once_with_the_choices() {
    let mut stage = open().await;
    stage.models.otherwise(slow_answer());
    let session = planned(&stage).await;
    let question = looked_up(&stage, &session).await;
    stage.settle().await;
    assert_eq!(choices(&session, "The plan still waits"), of_plan(1));
    // It is said, the bot does not hear that it was, and ends.
    let linear = stage.linear.clone().unwrap();
    linear.fail_next("agentActivityCreate", Fault::DoneButAnswered(502));
    for _ in 0..3 {
        linear.fail_next("agentActivity", Fault::Status(502));
    }
    go_on(&stage, &question).await;
    reads(&session, ANSWERED).await;
    stage.restart().await;
    stage.settle().await;
    assert_eq!(answers(&session), 1, "{}", session.render());
    assert_eq!(choices(&session, ANSWERED), of_plan(1));
    assert_eq!(session.state(), SessionState::AwaitingInput);
    // A process that knows nothing of the session leaves the plan its choices, too.
    session.say("ana", QUESTION).unwrap();
    let second = until(PATIENCE, || async {
        let task = newest(&stage, true)
            .await
            .filter(|task| task.id != question.id);
        task.ok_or_else(|| "nothing was asked".to_owned())
    });
    let second = second.await;
    stage.restart().await;
    let planning = |task: &Task| matches!(task.state, State::Planning { .. });
    let second = stage.wait_for_task(&second.id, "looked up", planning).await;
    go_on(&stage, &second).await;
    let is_second = async || answers(&session) == 2;
    stage.eventually("answered again", is_second).await;
    stage.settle().await;
    assert_eq!(choices(&session, ANSWERED), of_plan(1));
    session.stop("ana").unwrap();
    comes_to(&stage, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_plan_that_was_revised_meanwhile_offers_the_last_revision() {
    let stage = open().await;
    stage.models.otherwise(slow_answer());
    let session = planned(&stage).await;
    let question = looked_up(&stage, &session).await;
    session
        .say("ana", "Please also say it in the README.")
        .unwrap();
    reads(&session, "revision 2").await;
    comes_to(&stage, "awaiting_approval").await;
    stage.settle().await;
    go_on(&stage, &question).await;
    reads(&session, ANSWERED).await;
    stage.settle().await;
    assert_eq!(choices(&session, ", revision 2."), of_plan(2));
    session.select("ana", "Approve").unwrap();
    comes_to(&stage, "in_review").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_plan_that_was_approved_meanwhile_offers_nothing_and_the_work_is_shown() {
    let stage = open().await;
    let script = slow_answer().first(Phase::Work, [Turn::shell(WAIT)]);
    stage.models.otherwise(script);
    let session = planned(&stage).await;
    let question = looked_up(&stage, &session).await;
    session.select("ana", "Approve").unwrap();
    let task = comes_to(&stage, "running").await;
    stage.settle().await;
    go_on(&stage, &question).await;
    reads(&session, ANSWERED).await;
    stage.settle().await;
    let is_answer = |one: &Activity| one.content.text().contains(ANSWERED);
    let answer = session.activities().into_iter().find(is_answer).unwrap();
    assert!(
        matches!(answer.content, Content::Thought { .. }),
        "{answer:?}"
    );
    assert!(answer.signal.is_none() && !answer.content.text().contains("still waits"));
    assert_eq!(session.state(), SessionState::Active);
    go_on(&stage, &task).await;
    comes_to(&stage, "in_review").await;
    stage.settle().await;
    assert_eq!(session.state(), SessionState::Complete);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_to_choose_from_stand_below_an_answer() {
    let stage = open().await;
    let web = crate::harness::fixture("web");
    stage.github.seed("acme/docs", &web).await.unwrap();
    stage.models.otherwise(scripts::without_pages());
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear.create_issue("ana", "Long pages", "The offset is ignored.");
    let session = linear.delegate("ana", &issue.unwrap()).unwrap();
    reads(&session, "Which repository is this for?").await;
    stage.settle().await;
    let offered = choices(&session, "Which repository");
    assert!(
        offered.iter().any(|one| one.ends_with(":acme/docs")),
        "{offered:?}"
    );
    session
        .say("ana", &format!("{QUESTION} repo=acme/web"))
        .unwrap();
    reads(&session, ANSWERED).await;
    stage.settle().await;
    assert_eq!(
        choices(&session, "This still waits for your answer"),
        offered
    );
    session.select("ana", "acme/docs").unwrap();
    let task = comes_to(&stage, "awaiting_approval").await;
    assert_eq!(task.workplace.unwrap().repository.0, "acme/docs");
    session.stop("ana").unwrap();
    comes_to(&stage, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_asks_back_hears_the_choice_and_the_plan_gets_its_own_back() {
    let stage = open().await;
    let asks = json!({ "question": "In which of the two?", "choices": ["the list", "the page"] });
    let answer = json!({
        "answer": "It is applied in the list.",
        "sources": [{ "path": "lib/users.js", "first_line": 28, "last_line": 40 }],
    });
    let decide = Turn::decide(move |scene| {
        if scene.prompt.contains("answered: the list") {
            Turn::tool("submit_answer", answer.clone())
        } else {
            Turn::tool("ask_person", asks.clone())
        }
    });
    let script = scripts::without_pages().on(Phase::Ask, [decide, Turn::say("Done.")]);
    stage.models.otherwise(script);
    let session = planned(&stage).await;
    session.say("ana", QUESTION).unwrap();
    reads(&session, "In which of the two?").await;
    stage.settle().await;
    session.select("ana", "the list").unwrap();
    reads(&session, ANSWERED).await;
    stage.settle().await;
    assert_eq!(choices(&session, "The plan still waits"), of_plan(1));
    assert_eq!(the_task(&stage).await.plans.len(), 1);
    session.stop("ana").unwrap();
    comes_to(&stage, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_or_is_stopped_leaves_the_plan_as_it_was() {
    let stage = open().await;
    stage.models.otherwise(no_answer(scripts::without_pages()));
    let session = planned(&stage).await;
    session.say("ana", QUESTION).unwrap();
    reads(&session, "while looking for the answer").await;
    stage.settle().await;
    let again = "Write `retry` to have the question looked up again.";
    assert_eq!(choices(&session, again), of_plan(1));
    assert_eq!(session.state(), SessionState::AwaitingInput);
    assert_eq!(the_task(&stage).await.state.name(), "awaiting_approval");

    stage.models.otherwise(slow_answer());
    session.say("ana", "retry").unwrap();
    let question = newest(&stage, true).await.unwrap();
    let planning = |task: &Task| matches!(task.state, State::Planning { .. });
    stage
        .wait_for_task(&question.id, "looked up", planning)
        .await;
    session.stop("ana").unwrap();
    reads(&session, "The question was cancelled by Ana").await;
    stage.settle().await;
    assert_eq!(choices(&session, "The question was cancelled"), of_plan(1));
    assert_eq!(session.state(), SessionState::AwaitingInput);
    assert_eq!(the_task(&stage).await.state.name(), "awaiting_approval");

    session.stop("ana").unwrap();
    comes_to(&stage, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_fails_beside_the_work_is_told_of_and_the_work_goes_on() {
    let stage = open().await;
    stage.models.otherwise(no_answer(scripts::long_work()));
    let session = planned(&stage).await;
    session.select("ana", "Approve").unwrap();
    let task = comes_to(&stage, "running").await;
    session.say("ana", QUESTION).unwrap();
    reads(&session, "while looking for the answer").await;
    stage.settle().await;
    assert_eq!(
        session.state(),
        SessionState::Active,
        "{}",
        session.render()
    );
    let failed = |one: &Activity| matches!(one.content, Content::Error { .. });
    assert!(
        !session.activities().iter().any(failed),
        "{}",
        session.render()
    );
    let now = the_task(&stage).await;
    assert_eq!((now.state.name(), now.last_run), ("running", task.last_run));
    go_on(&stage, &task).await;
    comes_to(&stage, "in_review").await;
    stage.settle().await;
    assert_eq!(session.state(), SessionState::Complete);
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}
