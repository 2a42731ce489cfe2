//! Words that interrupt an agent: until it is known that it has heard them, they are the task's.

use super::ground::*;
use crate::domain::{
    CommitId,
    attachment::ReplyFile,
    conversation::{FileRef, LineRef},
    effect::{Assignment, Effect},
    event::{Change, Ending, Event, RunFailure},
    task::{FINISH, Next, State, Task, WAITING_WORDS_MAX},
};

const NOW: &str = "now: use the other file";
const TOLD: &str = "ana: use the other file";

fn tell(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

/// A task whose agent works, and was told something.
fn steered() -> Task {
    let mut task = planned();
    tell(&mut task, said(ana(), "approve"));
    tell(&mut task, Event::SlotGranted);
    let run = task.last_run;
    tell(&mut task, Event::RunStarted { run });
    let effects = tell(&mut task, said(ana(), NOW));
    let is_told = |effect: &Effect| matches!(effect, Effect::Steer { run: of, .. } if *of == run);
    assert!(effects.iter().any(is_told), "{effects:?}");
    task
}

fn ended(task: &Task, ending: Ending) -> Event {
    Event::RunEnded {
        run: task.last_run,
        ending: Box::new(ending),
    }
}

fn commit() -> Change {
    Change::Commit {
        commit: CommitId("c1".into()),
        files: vec![],
        notices: vec![],
    }
}

fn started(effects: &[Effect]) -> Option<&Assignment> {
    effects.iter().find_map(|effect| match effect {
        Effect::StartRun { assignment, .. } => Some(assignment),
        _ => None,
    })
}

fn follow_up<const N: usize>(words: [&str; N]) -> Assignment {
    let words = words.map(str::to_owned).to_vec();
    Assignment::FollowUp { words }
}

#[test]
fn what_the_agent_had_not_heard_by_its_end_begins_the_next_run_with_what_waits() {
    let mut task = steered();
    tell(&mut task, said(ana(), "and mind the tests"));
    let ending = Ending {
        change: commit(),
        ..Ending::default()
    };
    let event = ended(&task, ending);
    let effects = tell(&mut task, event);
    let words = follow_up([TOLD, "ana: and mind the tests"]);
    assert_eq!(started(&effects), Some(&words));
    assert!(task.steering.is_empty() && task.waiting.is_empty());
}

#[test]
fn what_the_agent_has_heard_is_not_said_again() {
    let mut task = steered();
    tell(&mut task, said(ana(), "now: and this one"));
    let ending = |heard: &[u32]| Ending {
        change: commit(),
        heard: heard.to_vec(),
        ..Ending::default()
    };
    let mut of_one = task.clone();
    let event = ended(&task, ending(&[1, 2]));
    tell(&mut task, event);
    assert_eq!(task.state.name(), "verifying");
    assert!(task.steering.is_empty());
    let event = ended(&of_one, ending(&[2]));
    let effects = tell(&mut of_one, event);
    assert_eq!(started(&effects), Some(&follow_up([TOLD])));
}

#[test]
fn a_run_that_failed_is_tried_again_with_what_it_had_not_heard() {
    let mut task = steered();
    let failed = Ending {
        failure: Some(RunFailure::SandboxLost),
        ..Ending::default()
    };
    let event = ended(&task, failed);
    tell(&mut task, event);
    let State::Failed {
        retry: Next::Run {
            assignment: Assignment::FollowUp { words },
        },
        ..
    } = &task.state
    else {
        panic!("{:?}", task.state)
    };
    assert_eq!(words[0], TOLD);
}

/// Somebody may take the work as it is; what was said is no part of that.
#[test]
fn what_was_not_heard_in_time_waits_behind_the_work_that_is_finished_as_it_is() {
    let mut task = steered();
    let out_of_time = Ending {
        change: commit(),
        failure: Some(RunFailure::OutOfWorkTime),
        ..Ending::default()
    };
    let event = ended(&task, out_of_time);
    tell(&mut task, event);
    assert_eq!(task.state.name(), "awaiting_input");
    let finish = Event::Answered {
        by: ana(),
        question: task.questions,
        text: FINISH.into(),
    };
    tell(&mut task, finish);
    let waiting: Vec<&str> = task.waiting.iter().map(|line| &*line.text).collect();
    assert_eq!(waiting, ["use the other file"]);
}

#[test]
fn what_was_said_to_a_run_that_is_ended_from_outside_waits_for_the_next_turn() {
    let mut task = steered();
    tell(&mut task, said(ana(), "and mind the tests"));
    let given_up = Event::EffectGivenUp {
        effect: "starting the agent".into(),
        reason: "the engine is gone".into(),
    };
    tell(&mut task, given_up);
    assert_eq!(task.state.name(), "failed");
    let waiting: Vec<&str> = task.waiting.iter().map(|line| &*line.text).collect();
    assert_eq!(waiting, ["use the other file", "and mind the tests"]);
    // Who cancels wants nothing of it.
    let mut canceled = steered();
    tell(&mut canceled, said(ana(), "stop"));
    assert!(canceled.steering.is_empty() && canceled.waiting.is_empty());
}

#[test]
fn a_file_goes_with_the_words_to_the_run_that_hears_them() {
    let mut task = steered();
    let run = task.last_run;
    let file = FileRef {
        name: "f1.png".into(),
        media_type: "image/png".into(),
        size_bytes: 100,
        handle: "f1".into(),
    };
    task.reply_files.push(ReplyFile {
        line: LineRef(format!("l:{NOW}")),
        file: file.clone(),
        run: Some(run),
    });
    let event = ended(&task, Ending::default());
    tell(&mut task, event);
    assert_ne!(task.last_run, run);
    assert!(task.is_new_to(task.last_run, &file));
}

#[test]
fn no_more_is_kept_for_one_run_than_waits_for_a_turn_and_who_says_more_is_told() {
    let mut task = steered();
    for _ in 1..WAITING_WORDS_MAX {
        tell(&mut task, said(ana(), NOW));
    }
    let effects = tell(&mut task, said(ana(), NOW));
    assert!(
        matches!(effects[..], [Effect::Whisper { .. }]),
        "{effects:?}"
    );
    assert_eq!(task.steering.len(), WAITING_WORDS_MAX);
}

#[test]
fn what_waits_and_what_the_run_began_with_count_as_well() {
    let mut task = steered();
    for _ in 2..WAITING_WORDS_MAX {
        tell(&mut task, said(ana(), "and mind the tests"));
    }
    tell(&mut task, said(ana(), NOW));
    let refused = tell(&mut task, said(ana(), NOW));
    assert!(
        matches!(refused[..], [Effect::Whisper { .. }]),
        "{refused:?}"
    );
    // All of it begins the next run, however often that fails.
    let event = ended(
        &task,
        Ending {
            change: commit(),
            ..Ending::default()
        },
    );
    tell(&mut task, event);
    let run = task.last_run;
    tell(&mut task, Event::RunStarted { run });
    let refused = tell(&mut task, said(ana(), NOW));
    assert!(
        matches!(refused[..], [Effect::Whisper { .. }]),
        "{refused:?}"
    );
}

/// Of what an earlier version had said to a run, only the run's end tells.
#[test]
fn what_only_the_end_of_a_run_knows_of_begins_the_next_one_too() {
    let mut task = steered();
    task.steering.clear();
    let ending = Ending {
        unheard: Some("use the other file".into()),
        ..Ending::default()
    };
    let event = ended(&task, ending);
    let effects = tell(&mut task, event);
    assert_eq!(started(&effects), Some(&follow_up(["use the other file"])));
}
