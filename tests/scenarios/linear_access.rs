//! Access that Linear takes away: what is at home there ends, what is at home in Slack goes on, and nothing is tried in vain.

use deckhand::domain::conversation::Road;
use deckhand_world::linear::{Linear, Session, SessionState};

use crate::{
    harness::{PATIENCE, Stage, asking::says, program::Deckhand},
    linear::{DESCRIPTION, asked, open},
};

fn linear(stage: &Stage) -> &Linear {
    stage.linear.as_ref().unwrap()
}

fn issue(stage: &Stage) -> String {
    let title = "Long pages begin at the first user";
    linear(stage)
        .create_issue("ana", title, DESCRIPTION)
        .unwrap()
}

/// An issue that ana has delegated, and another one that Slack has named; the plans of both wait.
async fn two(stage: &Stage) -> (Session, deckhand_world::slack::Thread, Session) {
    let delegated = linear(stage).delegate("ana", &issue(stage)).unwrap();
    asked(&delegated).await;
    let request = format!("Please do {}. repo=acme/web", issue(stage));
    let thread = stage.planned(&request).await;
    let opened = async || linear(stage).sessions().len() == 2;
    stage.eventually("the second session", opened).await;
    let named = linear(stage).sessions().remove(1);
    asked(&named).await;
    stage.settle().await;
    (delegated, thread, named)
}

async fn ended(stage: &Stage, session: &Session) {
    let conversation = deckhand::linear::ids::conversation(session.id());
    let stored = stage.context.store.task_of(&conversation).await.unwrap();
    let task = stored.unwrap().task;
    stage
        .wait_for_task(&task.id, "ended", |task| {
            matches!(
                task.state,
                deckhand::domain::task::State::Canceled {
                    road: Road::Withdrawn,
                    confirmed: true,
                    ..
                }
            )
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_that_is_taken_away_ends_what_is_at_home_in_linear_and_is_not_tried_again() {
    let stage = open().await;
    let (delegated, thread, _) = two(&stage).await;
    assert_eq!(stage.rows("secrets").await, 1, "the token is kept");
    let before = linear(&stage).operations().len();
    linear(&stage).revoke();
    ended(&stage, &delegated).await;
    says(&thread, "Linear has taken Deckhand's access").await;
    let told = stage.notes("access was taken away").await;
    assert!(told.starts_with("ready"), "{told}");
    assert_eq!(stage.rows("secrets").await, 0, "the token is gone");
    let doctor = Deckhand::of(&stage).run(&["doctor"]).await;
    let line = doctor.line("linear");
    assert!(line.contains("its access was taken away on"), "{line}");

    // The other task is decided on and done in Slack, and Linear is not asked for anything.
    thread.press("ana", "Approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(linear(&stage).operations().len(), before);
    assert_eq!(stage.context.store.given_up().await.unwrap(), (0, 0));

    // Installed again, the first session shows it.
    linear(&stage).install_again();
    let again = linear(&stage).delegate("ana", &issue(&stage)).unwrap();
    asked(&again).await;
    let (_, page) = stage.get("/readyz").await;
    assert!(!page.contains("access was taken away"), "{page}");
    again.stop("ana").unwrap();
    let done = |session: &Session| (session.state() == SessionState::Complete).then_some(());
    again.wait_for("end", PATIENCE, done).await.unwrap();
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_that_linear_does_not_give_are_named_with_what_does_not_work_without_them() {
    let stage = open().await;
    let doctor = async || Deckhand::of(&stage).run(&["doctor"]).await.line("linear");
    let line = doctor().await;
    assert!(line.starts_with("ok "), "{line}");
    linear(&stage).withhold(&["app:mentionable"]);
    let line = doctor().await;
    let words = "these scopes are missing: app:mentionable (mentions open no session)";
    assert!(
        line.starts_with("missing") && line.contains(words),
        "{line}"
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_taken_away_ends_its_tasks_and_leaves_the_others() {
    let stage = open().await;
    let (delegated, thread, _) = two(&stage).await;
    let only = stage.planned("Fix the offset. repo=acme/web").await;
    linear(&stage).shut_out();
    // Linear sends it twice.
    linear(&stage).redeliver_last_with_new_id().await.unwrap();
    ended(&stage, &delegated).await;
    says(&thread, "Linear has taken Deckhand's access").await;
    stage.settle().await;
    let task = stage.task(&thread).await;
    assert_eq!((task.lost.len(), task.notes), (1, 1), "{}", thread.render());
    assert_eq!(stage.task(&only).await.notes, 0);
    for thread in [&thread, &only] {
        stage.stop(thread).await;
    }
    stage.settle().await;
    stage.close().await;
}
