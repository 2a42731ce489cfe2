//! Issues that are made for tasks of Slack, and tasks of threads that an issue was made from: one task on both.

use deckhand::domain::task::Task;
use deckhand_world::{
    linear::{Fault, Linear, Session, SessionState},
    slack::Thread,
};

use crate::{
    harness::{
        PATIENCE, REQUEST, Stage,
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

#[tokio::test(flavor = "multi_thread")]
async fn without_linear_no_issue_is_made_and_the_person_hears_why() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
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
