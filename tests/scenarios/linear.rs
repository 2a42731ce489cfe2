//! The same story told in Linear: an issue is delegated, and everything else is an activity of its session.

use deckhand_world::linear::{Content, Session, SessionState};

use crate::harness::{Beside, LOOK_EVERY, PATIENCE, Props, Stage};

const DESCRIPTION: &str =
    "The offset parameter of /api/v2/users is ignored when limit is over 100.\n\nrepo=acme/web";

async fn open() -> Stage {
    Stage::open_with(Props {
        linear: Beside::Present,
        ..Props::default()
    })
    .await
}

fn delegated(stage: &Stage) -> Session {
    let linear = stage.linear.as_ref().unwrap();
    let issue = linear
        .create_issue("ana", "Long pages begin at the first user", DESCRIPTION)
        .unwrap();
    linear.delegate("ana", &issue).unwrap()
}

async fn asked(session: &Session) {
    let waits = |session: &Session| (session.state() == SessionState::AwaitingInput).then_some(());
    session
        .wait_for("question about the plan", PATIENCE, waits)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_issue_becomes_a_proved_pull_request() {
    let stage = open().await;
    let session = delegated(&stage);
    session
        .wait_for_activity("first thought", PATIENCE, |one| {
            matches!(one.content, Content::Thought { .. })
        })
        .await
        .unwrap();
    asked(&session).await;
    session.select("ana", "Approve").unwrap();
    let done = |session: &Session| (session.state() == SessionState::Complete).then_some(());
    session.wait_for("end", PATIENCE, done).await.unwrap();
    stage.settle().await;
    let pulls = stage.pull_requests();
    assert_eq!(pulls.len(), 1, "{}", session.render());
    assert!(
        session
            .render()
            .contains(&format!("/acme/web/pull/{}", pulls[0].number)),
        "{}",
        session.render()
    );
    let task = stage
        .context
        .store
        .recent_tasks(None, 1)
        .await
        .unwrap()
        .remove(0);
    assert!(task.last_result().unwrap().whole, "{}", session.render());
    assert_eq!(task.approval.unwrap().by.name, "Ana");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_in_the_session_makes_revision_two() {
    let stage = open().await;
    let session = delegated(&stage);
    asked(&session).await;
    session
        .say("ana", "Please also say it in the README.")
        .unwrap();
    let revised = |session: &Session| session.render().contains("revision 2").then_some(());
    session
        .wait_for("revision 2", PATIENCE, revised)
        .await
        .unwrap();
    session.stop("ana").unwrap();
    ended(&stage).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_the_work() {
    let stage = open().await;
    stage.models.pause();
    let session = delegated(&stage);
    stage.models.until_waiting(1, PATIENCE).await.unwrap();
    let asked = std::time::Instant::now();
    session.stop("ana").unwrap();
    ended(&stage).await;
    stage.wait_for_no_sandbox().await;
    assert!(
        asked.elapsed() < crate::harness::asking::CANCEL_WITHIN,
        "{:?}",
        asked.elapsed()
    );
    stage.models.resume();
    stage.settle().await;
    assert!(stage.pull_requests().is_empty());
    assert_ne!(
        session.state(),
        SessionState::Stopping,
        "where things stand was said\n{}",
        session.render()
    );
    stage.close().await;
}

async fn ended(stage: &Stage) {
    let begun = std::time::Instant::now();
    loop {
        let task = stage
            .context
            .store
            .recent_tasks(None, 1)
            .await
            .unwrap()
            .remove(0);
        if task.state.name() == "canceled" {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}", task.state);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
