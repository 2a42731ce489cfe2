//! Time alone: working time that is used up, people who are waited for.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    conversation::Road,
    effect::{Assignment, Effect},
    event::{Change, Ending, Event, Happened, RunFailure},
    kept::Kept,
    message::{Message, QuestionText},
    plan_edit::PlanEdit,
    proof::CheckOutcome,
    task::{FINISH, Next, Patience, State, Task},
    waiting::{Asked, Made},
};

/// The ceiling of the tasks of these tests, in milliseconds.
const CEILING_MS: i64 = 60_000;
/// An hour, in milliseconds.
const HOUR_MS: i64 = 3_600_000;
const PATIENCE: Patience = Patience {
    remind_ms: Some(24 * HOUR_MS),
    end_ms: 14 * 24 * HOUR_MS,
};

fn at(task: &mut Task, milliseconds: i64, event: Event) -> Vec<Effect> {
    let at = Timestamp(milliseconds);
    task.handle(&Happened { at, event }, &around())
}

fn gathered() -> Event {
    Event::Gathered {
        context: vec![],
        workplace: Ok(workplace()),
        found_by: None,
        unread: Vec::new(),
    }
}

fn ended(run: u32, ending: Ending) -> Event {
    Event::RunEnded {
        run: RunNumber(run),
        ending: Box::new(ending),
    }
}

fn planned() -> Ending {
    Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    }
}

/// Planned within ten seconds, from 1,000 to 11,000.
fn waiting() -> Task {
    let (mut task, _) = opened();
    at(&mut task, 1_000, Event::SlotGranted);
    at(&mut task, 2_000, gathered());
    at(&mut task, 11_000, ended(1, planned()));
    assert_eq!(task.state.name(), "awaiting_approval");
    task
}

/// The same, approved a day later and at work since then.
fn at_work() -> (Task, i64) {
    let mut task = waiting();
    let day = 24 * HOUR_MS;
    at(&mut task, day, said(ana(), "looks good"));
    at(&mut task, day + 5_000, Event::SlotGranted);
    at(
        &mut task,
        day + 6_000,
        Event::RunStarted { run: RunNumber(2) },
    );
    assert_eq!(task.state.name(), "running");
    (task, day + 5_000)
}

fn commit() -> Change {
    Change::Commit {
        commit: CommitId("c1".into()),
        files: vec![],
        notices: vec![],
    }
}

fn out_of_time(change: Change) -> Ending {
    Ending {
        change,
        failure: Some(RunFailure::OutOfWorkTime),
        ..Ending::default()
    }
}

fn names(effects: &[Effect]) -> Vec<&'static str> {
    effects.iter().map(Effect::name).collect()
}

fn answer(task: &Task, text: &str) -> Event {
    Event::Answered {
        by: ana(),
        question: task.questions,
        text: text.to_owned(),
    }
}

#[test]
fn only_the_time_in_which_the_machine_is_used_counts() {
    let mut task = waiting();
    assert_eq!(task.work_ms(Timestamp(50 * HOUR_MS)), 10_000);
    let (task_at_work, since) = at_work();
    assert_eq!(task_at_work.work_ms(Timestamp(since + 4_000)), 14_000);
    // As it is stored, so it goes on.
    let stored = serde_json::to_string(&task_at_work).expect("stored");
    let read: Task = serde_json::from_str(&stored).expect("read");
    assert_eq!(read.work_ms(Timestamp(since + 4_000)), 14_000);
    // A clock that is set back takes nothing away and adds nothing.
    at(&mut task, 500, said(ana(), "what is this?"));
    at(&mut task, 600, Event::SlotGranted);
    at(&mut task, 200, said(ana(), "hm"));
    assert_eq!(task.work_ms(Timestamp(700)), 10_500);
}

#[test]
fn at_four_fifths_the_thread_is_told_once() {
    let (mut task, since) = at_work();
    let due = |task: &Task, ms| task.due(Timestamp(ms), &PATIENCE);
    let low = since + CEILING_MS * 8 / 10 - 10_000;
    assert_eq!(due(&task, low - 1), None);
    assert_eq!(due(&task, low), Some(Event::TimeLow));
    assert_eq!(names(&at(&mut task, low, Event::TimeLow)), ["say"]);
    assert_eq!(due(&task, low + 1), None);
    assert!(at(&mut task, low + 1, Event::TimeLow).is_empty());
    assert_eq!(task.state.name(), "running");
}

#[test]
fn at_the_ceiling_it_asks_and_going_on_allows_the_same_once_more() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS - 10_000;
    at(&mut task, since + 40_000, Event::TimeLow);
    assert!(task.work_left_ms(Timestamp(up - 1)) > 0);
    assert_eq!(task.work_left_ms(Timestamp(up)), 0);
    let effects = at(&mut task, up, ended(2, out_of_time(commit())));
    assert_eq!(names(&effects), ["say", "say", "mark"]);
    let State::AwaitingInput { question } = task.state.clone() else {
        panic!("{:?}", task.state)
    };
    assert_eq!(question.choices, ["Continue", FINISH, "Stop"]);
    // Two days pass before somebody answers; they cost nothing.
    let later = up + 48 * HOUR_MS;
    let go_on = answer(&task, "Continue, but leave the docs alone");
    at(&mut task, later, go_on);
    let State::Queued {
        next: Next::Run {
            assignment: Assignment::FollowUp { words },
        },
    } = &task.state
    else {
        panic!("{:?}", task.state)
    };
    assert_eq!(
        words.last().map(String::as_str),
        Some("ana: Continue, but leave the docs alone")
    );
    at(&mut task, later, Event::SlotGranted);
    assert_eq!(task.state, State::Preparing { run: RunNumber(3) });
    assert_eq!(task.work_left_ms(Timestamp(later)), CEILING_MS);
    assert!(!task.time.is_told, "people are told again");
}

#[test]
fn finishing_checks_and_publishes_what_there_is_without_another_round() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS;
    at(&mut task, since + 1_000, said(ana(), "also the docs"));
    at(&mut task, up, ended(2, out_of_time(commit())));
    let finish = answer(&task, FINISH);
    at(&mut task, up + 1, finish);
    let granted = at(&mut task, up + 2, Event::SlotGranted);
    assert_eq!(names(&granted), ["prove", "say"]);
    // A refuted proof would go back to the agent, and so would what people said meanwhile; there is no time for either.
    let proof = Box::new(proof("c1", CheckOutcome::Failed { status: 1 }));
    let run = RunNumber(2);
    let effects = at(&mut task, up + 3, Event::Proved { run, proof });
    assert_eq!(names(&effects), ["publish", "say"]);
    assert_eq!(task.waiting.len(), 1, "what was said waits on");
}

#[test]
fn a_held_change_of_a_run_without_time_is_asked_about_before_it_leaves() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS;
    let held = Change::Held {
        held: held_change(),
    };
    at(&mut task, up, ended(2, out_of_time(held)));
    assert!(!task.may_leave(&CommitId("h1".into())));
    let finish = answer(&task, "finish");
    at(&mut task, up + 1, finish);
    assert_eq!(task.questions, 2);
    assert!(!task.may_leave(&CommitId("h1".into())));
    let leave_out = answer(&task, "Leave out");
    at(&mut task, up + 2, leave_out);
    assert!(task.may_leave(&CommitId("r1".into())));
    assert_eq!(task.state.name(), "queued");
}

#[test]
fn without_work_nothing_can_be_finished_and_the_question_stays() {
    let (mut task, _) = opened();
    at(&mut task, 1_000, Event::SlotGranted);
    at(&mut task, 1_000, gathered());
    at(&mut task, 61_000, ended(1, out_of_time(Change::None)));
    let State::AwaitingInput { question } = task.state.clone() else {
        panic!("{:?}", task.state)
    };
    assert_eq!(question.choices, ["Continue", "Stop"]);
    assert!(matches!(
        question.kind.text(task.usage, &task.ceilings),
        QuestionText::Time {
            made: Made::Plan,
            ..
        }
    ));
    let finish = answer(&task, FINISH);
    assert_eq!(names(&at(&mut task, 61_001, finish)), ["whisper"]);
    assert_eq!(task.state.name(), "awaiting_input");
    let stop = answer(&task, "Stop");
    assert_eq!(names(&at(&mut task, 61_002, stop)), ["say", "stop_all"]);
}

#[test]
fn a_run_that_does_not_end_by_itself_is_ended_from_outside() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS - 10_000;
    at(&mut task, up - 5_000, Event::TimeLow);
    let minute = 60_000;
    assert_eq!(task.due(Timestamp(up + 2 * minute), &PATIENCE), None);
    assert!(at(&mut task, up + 2 * minute, Event::TimeUp).is_empty());
    let late = up + 3 * minute;
    assert_eq!(task.due(Timestamp(late), &PATIENCE), Some(Event::TimeUp));
    let effects = at(&mut task, late, Event::TimeUp);
    assert_eq!(names(&effects), ["stop_all", "say", "say", "mark"]);
    // What comes of it after all is news of a run that is over.
    assert!(at(&mut task, late + 1, ended(2, out_of_time(commit()))).is_empty());
}

#[test]
fn a_task_without_time_asks_before_it_takes_its_turn() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS;
    at(
        &mut task,
        up,
        ended(
            2,
            Ending {
                change: commit(),
                ..Ending::default()
            },
        ),
    );
    let run = RunNumber(2);
    let proof = Box::new(proof("c1", CheckOutcome::Passed));
    at(&mut task, up + 1, Event::Proved { run, proof });
    assert_eq!(task.state.name(), "publishing");
    task.state = State::InReview { whole: true };
    at(&mut task, up + 2, said(ana(), "and the docs"));
    let effects = at(&mut task, up + 3, Event::SlotGranted);
    assert_eq!(names(&effects), ["say", "say", "mark"]);
    assert_eq!(task.state.name(), "awaiting_input");
    assert_eq!(task.last_run, RunNumber(2), "nothing was started");
}

#[test]
fn somebody_who_is_waited_for_is_reminded_once_and_each_wait_has_its_own() {
    let mut task = waiting();
    let since = task.changed_at;
    let due = |task: &Task, hours: i64| task.due(Timestamp(since.0 + hours * HOUR_MS), &PATIENCE);
    assert_eq!(due(&task, 23), None);
    let unanswered = Event::Unanswered {
        since,
        left_ms: 13 * 24 * HOUR_MS,
    };
    assert_eq!(due(&task, 24), Some(unanswered.clone()));
    let effects = at(&mut task, since.0 + 24 * HOUR_MS, unanswered.clone());
    let [Effect::Say { message, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let Message::Reminder(reminder) = &**message else {
        panic!("{message:?}")
    };
    assert_eq!(
        (&reminder.asks, reminder.left_ms),
        (&ana(), 13 * 24 * HOUR_MS)
    );
    assert!(matches!(reminder.asked, Asked::Plan { revision: 1, .. }));
    assert_eq!(due(&task, 24 * 13), None);
    assert!(at(&mut task, since.0 + 25 * HOUR_MS, unanswered.clone()).is_empty());

    // The next plan is another wait: what was due for the first one neither reminds of it nor ends it.
    let corrected = Event::Corrected {
        by: ana(),
        revision: 1,
        text: "smaller".into(),
    };
    let next = since.0 + 26 * HOUR_MS;
    at(&mut task, next, corrected);
    at(&mut task, next, Event::SlotGranted);
    at(&mut task, next + 1, ended(2, planned()));
    assert_eq!(task.state, State::AwaitingApproval { revision: 2 });
    let old = Event::WaitedTooLong {
        since: Some(since),
        kept: Kept::Nothing,
    };
    for stale in [unanswered, old] {
        assert!(at(&mut task, next + 2, stale).is_empty());
    }
    assert!(matches!(
        task.due(Timestamp(next + 25 * HOUR_MS), &PATIENCE),
        Some(Event::Unanswered { .. })
    ));
    let never = Patience {
        remind_ms: None,
        ..PATIENCE
    };
    assert_eq!(task.due(Timestamp(next + 25 * HOUR_MS), &never), None);
}

/// What is due for a task so many hours after a wait of it began.
fn due_after(task: &Task, since: i64, hours: i64) -> Option<&'static str> {
    let due = task.due(Timestamp(since + hours * HOUR_MS), &PATIENCE)?;
    match due {
        Event::Unanswered { since: of, .. } => {
            assert_eq!(of, Timestamp(since));
            Some("reminder")
        }
        Event::WaitedTooLong { since: of, .. } => {
            assert_eq!(of, Some(Timestamp(since)));
            Some("end")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_that_somebody_edits_on_its_last_day_waits_as_long_as_any_other() {
    let mut task = waiting();
    let since = task.changed_at;
    let reminded = Event::Unanswered {
        since,
        left_ms: 13 * 24 * HOUR_MS,
    };
    at(&mut task, since.0 + 24 * HOUR_MS, reminded);
    let edited = Event::PlanEdited {
        by: ana(),
        revision: 1,
        edit: Box::new(PlanEdit {
            steps: vec!["mend".into(), "say so".into()],
            ..PlanEdit::default()
        }),
    };
    let next = since.0 + 13 * 24 * HOUR_MS;
    at(&mut task, next, edited);
    assert_eq!(task.state, State::AwaitingApproval { revision: 2 });
    assert_eq!(due_after(&task, next, 23), None);
    assert_eq!(due_after(&task, next, 24), Some("reminder"));
    assert_eq!(due_after(&task, next, 14 * 24 + 1), Some("end"));
    // What was due for the first revision ends nothing of the second.
    let old = Event::WaitedTooLong {
        since: Some(since),
        kept: Kept::Nothing,
    };
    assert!(at(&mut task, next + 1, old).is_empty());
}

#[test]
fn the_question_about_a_held_change_behind_another_one_waits_anew() {
    let (mut task, since) = at_work();
    let up = since + CEILING_MS;
    let held = Change::Held {
        held: held_change(),
    };
    at(&mut task, up, ended(2, out_of_time(held)));
    let finish = answer(&task, FINISH);
    let next = up + 13 * 24 * HOUR_MS;
    at(&mut task, next, finish);
    assert_eq!((task.state.name(), task.questions), ("awaiting_input", 2));
    assert_eq!(due_after(&task, next, 23), None);
    assert_eq!(due_after(&task, next, 24), Some("reminder"));
    assert_eq!(due_after(&task, next, 14 * 24 + 1), Some("end"));
}

#[test]
fn what_nobody_decides_on_ends_and_its_buttons_go() {
    let mut task = waiting();
    let late = task.changed_at.0 + PATIENCE.end_ms + 1;
    let due = task.due(Timestamp(late), &PATIENCE).expect("it is due");
    let effects = at(&mut task, late, due);
    assert_eq!(names(&effects), ["say", "say", "say", "mark", "release"]);
    assert_eq!(task.state, State::Expired);
    let approve = Event::Approved {
        by: ana(),
        revision: 1,
        road: Road::Button,
    };
    assert_eq!(names(&at(&mut task, late, approve)), ["whisper"]);
    assert_eq!(task.state, State::Expired);

    let (mut task, since) = at_work();
    at(
        &mut task,
        since + CEILING_MS,
        ended(2, out_of_time(commit())),
    );
    let late = task.changed_at.0 + PATIENCE.end_ms + 1;
    // As an earlier version stored it.
    let due: Event = serde_json::from_str(r#"{"event":"waited_too_long"}"#).expect("read");
    let effects = at(&mut task, late, due);
    let is_closed = |effect: &Effect| {
        matches!(effect, Effect::Say { message, .. }
            if matches!(&**message, Message::Question(card) if card.is_closed))
    };
    assert!(effects.iter().any(is_closed), "{effects:?}");
}
