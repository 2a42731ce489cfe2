//! Work that a platform lets wait: what the status says of it, and for how long.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    conversation::Road,
    effect::Effect,
    event::{BaseStanding, Change, Ending, Event, Happened, Publication, PublishProblem},
    message::Message,
    proof::CheckOutcome,
    task::Task,
};

const RUN: RunNumber = RunNumber(2);

fn handle(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

/// Until when the last status among the effects says that the work waits.
fn said_until(effects: &[Effect]) -> Option<i64> {
    let mut statuses = effects.iter().filter_map(|effect| match effect {
        Effect::Say { message, .. } => match &**message {
            Message::Progress(progress) => Some(progress),
            _ => None,
        },
        _ => None,
    });
    let last = statuses.next_back().expect("a status");
    last.put_off.as_ref().map(|put_off| put_off.until.0)
}

/// The same of the status as it is said whenever somebody asks.
fn says_until(task: &Task) -> Option<i64> {
    task.progress_now().put_off.map(|put_off| put_off.until.0)
}

/// The clean container has a commit to check.
fn verifying() -> Task {
    let mut task = planned();
    let change = Change::Commit {
        commit: CommitId("c1".into()),
        files: vec![],
        notices: vec![],
    };
    let ended = Event::RunEnded {
        run: RUN,
        ending: Box::new(Ending {
            change,
            ..Ending::default()
        }),
    };
    for event in [
        said(ana(), "looks good"),
        Event::SlotGranted,
        Event::RunStarted { run: RUN },
        ended,
    ] {
        handle(&mut task, event);
    }
    assert_eq!(task.state.name(), "verifying");
    task
}

fn proved() -> Event {
    Event::Proved {
        run: RUN,
        proof: Box::new(proof("c1", CheckOutcome::Passed)),
    }
}

fn publishing() -> Task {
    let mut task = verifying();
    handle(&mut task, proved());
    assert_eq!(task.state.name(), "publishing");
    task
}

#[test]
fn the_status_says_until_when_the_work_waits_and_a_later_pause_takes_its_place() {
    let mut task = publishing();
    let (since, worked) = (task.changed_at, task.work_ms(Timestamp(9)));
    assert_eq!(says_until(&task), None);
    for until in [60_000, 120_000] {
        let at = Timestamp(9);
        let event = put_off(Some(RUN), until);
        let effects = task.handle(&Happened { at, event }, &around());
        assert_eq!(effects.len(), 1, "one status and nothing else");
        assert_eq!(said_until(&effects), Some(until));
        assert_eq!(says_until(&task), Some(until));
    }
    assert_eq!(task.changed_at, since);
    assert_eq!(task.work_ms(Timestamp(9)), worked);
    // As it is stored, so it is said.
    let stored = serde_json::to_string(&task).expect("stored");
    let read: Task = serde_json::from_str(&stored).expect("read");
    assert_eq!(says_until(&read), Some(120_000));
}

#[test]
fn what_goes_on_does_not_say_that_it_waits() {
    let mut task = publishing();
    handle(&mut task, put_off(Some(RUN), 60_000));
    let published = Event::Published {
        run: RUN,
        publication: Publication {
            commit: CommitId("c1".into()),
            branch: task.branch(),
            pull_request: None,
            base: BaseStanding::Same,
        },
    };
    let effects = handle(&mut task, published);
    assert_eq!(task.state.name(), "in_review");
    assert_eq!(said_until(&effects), None);

    // The next part of the same run's work does not wait.
    let mut task = verifying();
    handle(&mut task, put_off(Some(RUN), 60_000));
    assert_eq!(said_until(&handle(&mut task, proved())), None);

    // What a retry does again under the same name has not waited yet.
    let mut task = publishing();
    handle(&mut task, put_off(Some(RUN), 60_000));
    let refused = Event::PublishRefused {
        run: RUN,
        problem: PublishProblem::NoAccess,
    };
    for event in [refused, Event::RetryAsked { by: ana() }, Event::SlotGranted] {
        handle(&mut task, event);
    }
    assert_eq!(task.state.name(), "publishing");
    assert_eq!(says_until(&task), None);

    // Another process goes on with it.
    handle(&mut task, put_off(Some(RUN), 60_000));
    assert_eq!(said_until(&handle(&mut task, Event::TakenUp)), None);
}

#[test]
fn reading_waits_too_and_so_does_the_start_of_a_run_that_plans() {
    let run = RunNumber(1);
    let (mut task, _) = opened();
    assert!(handle(&mut task, put_off(None, 5)).is_empty(), "in line");
    let [granted, gathered, _] = to_the_first_end(Ending::default());
    handle(&mut task, granted);
    assert_eq!(said_until(&handle(&mut task, put_off(None, 5))), Some(5));
    assert_eq!(said_until(&handle(&mut task, gathered)), None);
    assert_eq!(task.state.name(), "planning");
    assert!(handle(&mut task, put_off(None, 5)).is_empty(), "it is read");
    let effects = handle(&mut task, put_off(Some(run), 6));
    assert_eq!(said_until(&effects), Some(6));
    handle(&mut task, Event::RunStarted { run });
    assert_eq!(says_until(&task), None);
}

#[test]
fn nothing_is_said_of_a_run_that_is_over_or_of_a_task_that_is_cancelled() {
    let mut task = publishing();
    assert!(handle(&mut task, put_off(Some(RunNumber(1)), 5)).is_empty());
    let cancel = Event::CancelAsked {
        by: ana(),
        road: Road::Button,
    };
    handle(&mut task, put_off(Some(RUN), 5));
    handle(&mut task, cancel);
    assert_eq!(task.state.name(), "canceled");
    assert!(handle(&mut task, put_off(Some(RUN), 6)).is_empty());
    assert_eq!(says_until(&task), None);
}
