//! Sessions that the bot opens itself, for tasks that were asked for elsewhere.

use deckhand_world::linear::Fault;

use super::bench::{Bench, SLOT, plan, said};
use crate::{
    domain::{conversation::LineKind, effect::Mark},
    linear::ids,
    surface::{Attempt, SurfaceError},
};

const PUBLIC: &str = "https://deckhand.example.com";
const TASK: &str = "https://deckhand.example.com/tasks/abc123?key=1";

#[tokio::test]
async fn a_session_is_opened_on_the_issue_once_and_what_is_no_issue_opens_none() {
    let bench = Bench::start().await;
    bench
        .world
        .create_issue("ben", "Offset is ignored", "When limit is over 100.")
        .expect("created");
    let open = async |name: &str| bench.linear.open_beside(&ids::issue(name), TASK).await;
    assert_eq!(open("UTF-8").await, Ok(None));
    let (place, about) = open("eng-1").await.expect("asked").expect("it is there");
    assert_eq!(about, ids::issue("ENG-1"));
    // What was done before a crash is found again; another task gets a session of its own.
    let again = open("ENG-1").await.expect("asked");
    assert_eq!(again, Some((place.clone(), about)));
    let other = bench
        .linear
        .open_beside(
            &ids::issue("ENG-1"),
            "https://deckhand.example.com/tasks/def456",
        )
        .await
        .expect("asked")
        .expect("it is there");
    assert_ne!(other.0, place);
    assert_eq!(bench.world.sessions().len(), 2);
    let is_own = bench.linear.is_own(&place.conversation, PUBLIC).await;
    assert_eq!(is_own, Ok(true));
    bench.assert_clean();
}

#[tokio::test]
async fn the_issue_is_read_and_begun_for_whoever_asked_elsewhere() {
    let bench = Bench::start().await;
    let issue = bench
        .world
        .create_issue("ben", "Offset is ignored", "When limit is over 100.")
        .expect("created");
    bench
        .world
        .comment("cleo", &issue, "Only with a filter.")
        .expect("written");
    let opened = bench.linear.open_beside(&ids::issue(&issue), TASK).await;
    let (place, _) = opened.expect("asked").expect("it is there");
    let lines = bench
        .linear
        .read_conversation(&place.conversation, &place.opening)
        .await
        .expect("read");
    let read: Vec<(&str, &str, LineKind)> = lines
        .iter()
        .map(|line| (line.author.name.as_str(), line.text.as_str(), line.kind))
        .collect();
    assert_eq!(
        read,
        [
            ("Cleo", "Only with a filter.", LineKind::Talk),
            (
                "Ben",
                "Offset is ignored\n\nWhen limit is over 100.",
                LineKind::Issue
            ),
        ]
    );
    bench
        .linear
        .say(
            &place.conversation,
            SLOT,
            None,
            &plan("The plan."),
            Attempt::First,
        )
        .await
        .expect("said");
    assert_eq!(said(&bench.world.sessions()[0]).len(), 1);
    bench
        .linear
        .mark(&place.conversation, &place.opening, Mark::Working)
        .await
        .expect("moved");
    let issue = bench.world.issue(&issue).expect("there");
    assert_eq!(
        (issue.state.as_str(), issue.delegate.as_deref()),
        ("In Progress", Some("deckhand"))
    );
    bench.assert_clean();
}

#[tokio::test]
async fn somebody_elses_session_is_not_the_bots_and_an_outage_is_no_answer() {
    let bench = Bench::start().await;
    let (_, conversation) = bench.delegated();
    let is_own = bench.linear.is_own(&conversation, PUBLIC).await;
    assert_eq!(is_own, Ok(false));
    bench.world.fail_next("issue", Fault::Status(503));
    let opened = bench.linear.open_beside(&ids::issue("ENG-1"), TASK).await;
    assert!(
        matches!(opened, Err(SurfaceError::Transient { .. })),
        "{opened:?}"
    );
    assert_eq!(bench.world.sessions().len(), 1);
}
