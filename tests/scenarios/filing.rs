//! Issues that are made for tasks of Slack, and tasks of threads that an issue was made from: one task on both.

use std::time::Duration;

use deckhand::domain::task::Task;
use deckhand_world::{
    linear::{Content, Fault, Linear, Session, SessionState},
    slack::{Control, Standing, Thread},
};

use crate::{
    harness::{
        Beside, Bot, PATIENCE, Props, REQUEST, Stage,
        asking::{says, whispered},
    },
    linear::{DESCRIPTION, asked, open},
};

fn linear(stage: &Stage) -> &Linear {
    stage.linear.as_ref().unwrap()
}

/// The only session, once there is one and it waits for a decision.
async fn only_session(stage: &Stage) -> Session {
    let is_there = async || !linear(stage).sessions().is_empty();
    stage.eventually("a session on the issue", is_there).await;
    let mut sessions = linear(stage).sessions();
    assert_eq!(sessions.len(), 1);
    let session = sessions.remove(0);
    asked(&session).await;
    session
}

async fn the_only_task(stage: &Stage) -> Task {
    let mut tasks = stage.context.store.recent_tasks(None, 9).await.unwrap();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    tasks.remove(0)
}

/// The page of a thread's first message, as Slack names it.
fn page(thread: &Thread) -> String {
    let ts = thread.root().as_str().replace('.', "");
    format!("https://acme.slack.com/archives/{}/p{ts}", thread.channel())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_slack_that_asks_for_an_issue_is_one_task_on_both() {
    let stage = open().await;
    // The issue is made, and the answer to that never comes.
    linear(&stage).fail_next("issueCreate", Fault::DoneButAnswered(502));
    let thread = stage.planned(&format!("{REQUEST} issue=eng")).await;
    let session = only_session(&stage).await;
    says(&thread, "The task has an issue now").await;
    says(&thread, "Your decision").await;
    stage.settle().await;
    let issue = linear(&stage).issue("ENG-1").expect("made");
    assert!(linear(&stage).issue("ENG-2").is_none(), "made once");
    let attached = issue.attachments.iter().map(|(_, url)| url.as_str());
    let threads: Vec<&str> = attached.filter(|url| url.contains("/archives/")).collect();
    assert_eq!(threads.len(), 1, "{issue:?}");
    let task = the_only_task(&stage).await;
    assert_eq!(task.about.as_ref().unwrap().0, "linear:ENG-1");
    assert_eq!(task.also.len(), 1);
    // A second one is not made for it.
    thread.say("ana", "create a Linear issue").await.unwrap();
    whispered(&thread, "about one already").await;

    session.select("ben", "Approve").unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    says(&thread, "Approved by Ben").await;
    let done = |session: &Session| (session.state() == SessionState::Complete).then_some(());
    session.wait_for("end", PATIENCE, done).await.unwrap();
    stage.settle().await;
    let issue = linear(&stage).issue("ENG-1").unwrap();
    let pull = |url: &str| url.contains("/acme/web/pull/");
    assert!(
        issue.attachments.iter().any(|(_, url)| pull(url)),
        "{issue:?}"
    );
    assert_eq!(issue.state, "In Progress");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_cannot_be_made_loses_nothing_and_is_made_later() {
    let stage = open().await;
    let thread = stage.planned(&format!("{REQUEST} issue=QA")).await;
    whispered(&thread, "there is no team `QA` that Deckhand can see").await;
    says(&thread, "Your decision").await;
    linear(&stage).fail_next("issueCreate", Fault::Refused { code: "FORBIDDEN" });
    let sentence = "Create a Linear issue in ENG.";
    thread.say("ana", sentence).await.unwrap();
    whispered(&thread, "Linear refused it (FORBIDDEN").await;
    assert!(linear(&stage).issue("ENG-1").is_none());
    let task = the_only_task(&stage).await;
    assert_eq!(task.state.name(), "awaiting_approval");
    // There is one team, so that it needs no name.
    thread.say("ben", "create a Linear issue").await.unwrap();
    let session = only_session(&stage).await;
    says(&thread, "The task has an issue now").await;
    session.stop("ana").unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

/// What stands on the button.
const BUTTON: &str = "Create Linear issue";

/// The button of the plan, once the plan is there.
async fn button(thread: &Thread) -> Control {
    let there = || thread.control(BUTTON).ok();
    thread.wait("the button", there).await.unwrap()
}

/// The button has gone from the card.
async fn no_button(thread: &Thread) {
    let gone = || thread.control(BUTTON).is_err().then_some(());
    thread.wait("the card without it", gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_of_the_plan_makes_one_issue_however_often_it_is_pressed() {
    let stage = open().await;
    stage.slack.add_user("gus", Standing::Guest);
    let thread = stage.planned(REQUEST).await;
    let button = button(&thread).await;
    thread.press_control("gus", &button).await.unwrap();
    whispered(&thread, "No issue was made in Linear: only full members").await;
    // The issue is made, and the answer to that never comes; meanwhile others press, too.
    linear(&stage).fail_next("issueCreate", Fault::DoneButAnswered(502));
    for user in ["ana", "ben", "ana"] {
        thread.press_control(user, &button).await.unwrap();
    }
    whispered(&thread, "is being made in Linear already").await;
    let session = only_session(&stage).await;
    says(&thread, "The task has an issue now").await;
    no_button(&thread).await;
    says(&thread, "Your decision").await;
    stage.settle().await;
    assert!(linear(&stage).issue("ENG-1").is_some());
    assert!(linear(&stage).issue("ENG-2").is_none(), "made once");
    let told = thread.bot_messages();
    let told = told.iter().filter(|one| one.says("has an issue now"));
    assert_eq!(told.count(), 1, "{}", thread.render());
    // Whoever still sees it is told.
    thread.press_control("ben", &button).await.unwrap();
    whispered(&thread, "it is about one already").await;
    let task = the_only_task(&stage).await;
    assert_eq!(task.about.as_ref().unwrap().0, "linear:ENG-1");
    let asked = session.activities().into_iter();
    let asked = asked.filter(|one| matches!(one.content, Content::Elicitation { .. }));
    assert_eq!(asked.count(), 1, "{}", session.render());

    session.select("ben", "Approve").unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    says(&thread, "Approved by Ben").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_teams_the_button_asks_and_an_old_one_is_refused() {
    let stage = open().await;
    linear(&stage).add_team("OPS", "Operations");
    let thread = stage.planned(REQUEST).await;
    let old = button(&thread).await;
    thread
        .say("ana", "Please also say it in the README.")
        .await
        .unwrap();
    says(&thread, "revision 2").await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    stage.settle().await;
    thread.press_control("ana", &old).await.unwrap();
    whispered(&thread, "Revision 1 of the plan can no longer").await;
    assert!(linear(&stage).sessions().is_empty());
    thread.press("ben", BUTTON).await.unwrap();
    thread.wait_for_view("ben").await.unwrap();
    thread.submit_view("ben", &[("said", "OPS")]).await.unwrap();
    let session = only_session(&stage).await;
    says(&thread, "The task has an issue now").await;
    no_button(&thread).await;
    let task = the_only_task(&stage).await;
    let about = task.about.unwrap().0;
    assert!(about.starts_with("linear:OPS-"), "{about}");
    session.stop("ana").unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_cannot_be_asked_for_in_a_form_is_asked_for_in_words() {
    let stage = open().await;
    linear(&stage).add_team("OPS", "Operations");
    let thread = stage.planned(REQUEST).await;
    button(&thread).await;
    let late = deckhand_world::slack::Fault::Error("expired_trigger_id".to_owned());
    stage.slack.fail_next("views.open", late);
    thread.press("ana", BUTTON).await.unwrap();
    whispered(&thread, "Say `create a Linear issue in ENG`").await;
    thread.press("ana", BUTTON).await.unwrap();
    thread.wait_for_view("ana").await.unwrap();
    stage.stop(&thread).await;
    // Its form is older than its end.
    thread.submit_view("ana", &[("said", "OPS")]).await.unwrap();
    whispered(&thread, "cannot get an issue now").await;
    stage.settle().await;
    assert!(linear(&stage).sessions().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_the_issue_of_a_button_is_made_it_makes_one() {
    let mut stage = Stage::open_with(Props {
        linear: Beside::Present,
        bot: Bot::Program,
        ..Props::default()
    })
    .await;
    let thread = stage.planned(REQUEST).await;
    let button = button(&thread).await;
    let never = Fault::Slow(Duration::from_hours(1));
    linear(&stage).fail_next("issueCreate", never);
    thread.press_control("ana", &button).await.unwrap();
    let made = async || linear(&stage).issue("ENG-1").is_some();
    stage.eventually("the issue", made).await;
    stage.crash(async |_| {}).await;
    thread.press_control("ben", &button).await.unwrap();
    let session = only_session(&stage).await;
    says(&thread, "The task has an issue now").await;
    no_button(&thread).await;
    stage.settle().await;
    assert!(linear(&stage).issue("ENG-2").is_none(), "made once");
    assert_eq!(linear(&stage).sessions().len(), 1);
    session.stop("ana").unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_making_of_an_issue() {
    let stage = open().await;
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    stage.settle().await;
    linear(&stage).fail_next("teams", Fault::Held);
    thread.say("ana", "create a Linear issue").await.unwrap();
    linear(&stage).until_held().await;
    thread.say("ana", "stop").await.unwrap();
    says(&thread, "Cancelled by").await;
    linear(&stage).let_go();
    stage.settle().await;
    assert!(linear(&stage).issue("ENG-1").is_none(), "made all the same");
    assert!(linear(&stage).sessions().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_linear_no_issue_is_made_and_the_person_hears_why() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    assert!(thread.control(BUTTON).is_err(), "{}", thread.render());
    thread.say("ana", "create a Linear issue").await.unwrap();
    whispered(&thread, "this Deckhand does not work with Linear").await;
    stage.stop(&thread).await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_linear_made_of_a_thread_is_the_task_of_that_thread() {
    let stage = open().await;
    let thread = stage.planned(REQUEST).await;
    let issue = linear(&stage)
        .create_issue_of_thread("ana", "Long pages", &page(&thread))
        .unwrap();
    let session = linear(&stage).delegate("ana", &issue).unwrap();
    asked(&session).await;
    stage.settle().await;
    let task = the_only_task(&stage).await;
    assert_eq!(task.about.as_ref().unwrap().0, format!("linear:{issue}"));
    assert_eq!((task.also.len(), task.plans.len()), (1, 1));
    // An issue of another thread is a task of its own.
    let other = linear(&stage)
        .create_issue_of_thread(
            "ana",
            DESCRIPTION,
            "https://acme.slack.com/archives/C9/p1700000000000100",
        )
        .unwrap();
    let second = linear(&stage).delegate("ana", &other).unwrap();
    asked(&second).await;
    stage.settle().await;
    assert_eq!(stage.rows("tasks").await, 2);
    for session in [&session, &second] {
        session.stop("ana").unwrap();
        let done = |session: &Session| (session.state() == SessionState::Complete).then_some(());
        session.wait_for("end", PATIENCE, done).await.unwrap();
    }
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    stage.close().await;
}
