//! What Slack itself shows of the work, against the stand-in: the session of a thread, and the checklist of its status.
#![expect(clippy::unwrap_used, reason = "a call that fails is a failed test")]

use std::time::Duration;

use deckhand_world::slack::{Call, CallEnding, Fault};
use serde_json::Value;

use super::calls::{Stage, stage, words};
use crate::{
    domain::effect::Mark,
    surface::{Attempt, Step, StepStanding, SurfaceError, Words, WordsKind},
};

const METHOD: &str = "agents.sessions.setStatus";

fn called(stage: &Stage, method: &str) -> Vec<Call> {
    let calls = stage.world.calls().into_iter();
    calls.filter(|call| call.method == method).collect()
}

async fn shown(stage: &Stage, mark: Mark) -> Result<(), SurfaceError> {
    let title = Some(" Mend the offset ");
    stage
        .slack
        .show_session(&stage.conversation, mark, title)
        .await
}

#[tokio::test]
async fn the_session_moves_with_the_marks_and_is_named_once() {
    let stage = stage().await;
    for (mark, expected) in [
        (Mark::Accepted, "processing"),
        (Mark::NeedsYou, "suspended"),
        (Mark::Working, "processing"),
        (Mark::Canceled, "active"),
        (Mark::Working, "processing"),
        (Mark::Proved, "active"),
        (Mark::Gaps, "active"),
    ] {
        shown(&stage, mark).await.unwrap();
        let status = stage.thread.status();
        assert_eq!(status.session.as_deref(), Some(expected), "{mark:?}");
        assert_eq!(status.title.as_deref(), Some("Mend the offset"));
    }
    stage.ends_well();
}

#[tokio::test]
async fn a_workspace_without_sessions_is_asked_once_and_loses_nothing() {
    let stage = stage().await;
    let fault = Fault::Error("unknown_method".to_owned());
    stage.world.fail_next(METHOD, fault);
    shown(&stage, Mark::Accepted).await.unwrap();
    shown(&stage, Mark::Working).await.unwrap();
    assert_eq!(called(&stage, METHOD).len(), 1);
}

#[tokio::test]
async fn a_place_that_refuses_is_not_the_workspace_and_an_outage_is_tried_again() {
    let stage = stage().await;
    let fault = Fault::Error("restricted_action_thread_locked".to_owned());
    stage.world.fail_next(METHOD, fault);
    shown(&stage, Mark::Accepted).await.unwrap();
    let retry_after = Duration::from_secs(1);
    stage
        .world
        .fail_next(METHOD, Fault::RateLimited { retry_after });
    let limited = shown(&stage, Mark::Working).await.unwrap_err();
    assert!(
        matches!(limited, SurfaceError::Transient { retry_after: Some(asked), .. } if asked == retry_after),
        "{limited:?}"
    );
    shown(&stage, Mark::Working).await.unwrap();
    assert_eq!(stage.thread.status().session.as_deref(), Some("processing"));
}

fn status(headline: &str, standings: [StepStanding; 2]) -> Words {
    let steps = standings.into_iter().zip(["Write a plan", "Do the work"]);
    let steps = steps.map(|(standing, title)| Step {
        title: title.to_owned(),
        standing,
    });
    Words {
        kind: WordsKind::Status {
            headline: headline.to_owned(),
            steps: steps.collect(),
            title: None,
            pace: crate::surface::Pace::Lasting,
        },
        ..words("**Working**")
    }
}

fn checklist(stage: &Stage) -> Vec<(String, String)> {
    let messages = stage.thread.bot_messages();
    let [message] = messages.as_slice() else {
        panic!("one status message\n{}", stage.thread.render())
    };
    let mut blocks = message.blocks.iter();
    let plan = blocks.find(|block| block["type"] == "plan");
    let tasks = plan.map(|plan| plan["tasks"].as_array().cloned());
    let text = |task: &Value, field: &str| task[field].as_str().unwrap_or_default().to_owned();
    let tasks = tasks.flatten().unwrap_or_default();
    let told = tasks
        .iter()
        .map(|one| (text(one, "title"), text(one, "status")));
    told.collect()
}

#[tokio::test]
async fn the_status_is_one_message_with_a_checklist_that_is_edited_in_place() {
    let stage = stage().await;
    let slack = &stage.slack;
    let (first, later) = (
        status("0 of 2 done", [StepStanding::Active, StepStanding::Pending]),
        status("1 of 2 done", [StepStanding::Done, StepStanding::Active]),
    );
    let line = slack
        .say(&stage.conversation, "s", None, &first, Attempt::First)
        .await
        .unwrap();
    let title = |title: &str, status: &str| (title.to_owned(), status.to_owned());
    assert_eq!(
        checklist(&stage),
        [
            title("Write a plan", "in_progress"),
            title("Do the work", "pending")
        ]
    );
    slack
        .say(
            &stage.conversation,
            "s",
            Some(&line),
            &later,
            Attempt::First,
        )
        .await
        .unwrap();
    assert_eq!(
        checklist(&stage),
        [
            title("Write a plan", "complete"),
            title("Do the work", "in_progress")
        ]
    );
    stage.ends_well();
}

#[tokio::test]
async fn where_there_is_no_such_block_the_words_come_without_it() {
    let stage = stage().await;
    let first = status("0 of 2 done", [StepStanding::Active, StepStanding::Pending]);
    stage.world.fail_next(
        "chat.postMessage",
        Fault::Error("invalid_blocks".to_owned()),
    );
    let line = stage
        .slack
        .say(&stage.conversation, "s", None, &first, Attempt::First)
        .await
        .unwrap();
    assert_eq!(checklist(&stage), []);
    stage
        .slack
        .say(
            &stage.conversation,
            "s",
            Some(&line),
            &first,
            Attempt::First,
        )
        .await
        .unwrap();
    // It is not offered to that workspace again.
    let updates = called(&stage, "chat.update");
    assert!(updates.iter().all(|call| call.ending == CallEnding::Done));
    assert_eq!((updates.len(), checklist(&stage)), (1, Vec::new()));
}
