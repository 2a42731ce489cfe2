//! Files that hang on replies: which of them reach the agent, with which run, and what is said of the others.

use super::ground::*;
use crate::domain::{
    RunNumber,
    attachment::{NUMBER_MAX, REPLIES_MAX, Refused, SIZE_MAX_BYTES, Unfit},
    command,
    conversation::{FileRef, Line, LineRef, Person, Standing},
    effect::{Assignment, Effect},
    event::{Change, Ending, Event},
    message::Message,
    task::{State, Task},
};

fn file(handle: &str) -> FileRef {
    FileRef {
        name: format!("{handle}.png"),
        media_type: "image/png".into(),
        size_bytes: 100,
        handle: handle.into(),
    }
}

fn reply(author: Person, text: &str, files: Vec<FileRef>) -> Event {
    let (command, options) = command::parse(text);
    let line = Line {
        files,
        ..Line::said(LineRef(format!("l:{text}")), author, text.to_owned())
    };
    Event::Said {
        line,
        command,
        options,
        mentioned: false,
    }
}

fn tell(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

/// A task whose plan waits for a decision.
fn planned() -> Task {
    let (mut task, _) = opened();
    for event in to_the_first_end(Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    }) {
        tell(&mut task, event);
    }
    assert_eq!(task.state.name(), "awaiting_approval");
    task
}

/// The same with its work begun.
fn running() -> Task {
    let mut task = planned();
    tell(&mut task, said(ana(), "approve"));
    tell(&mut task, Event::SlotGranted);
    let run = task.last_run;
    tell(&mut task, Event::RunStarted { run });
    assert_eq!(task.state, State::Running { run });
    task
}

fn handles(task: &Task) -> Vec<&str> {
    let all = task.attachments().into_iter();
    all.map(|(_, file)| file.handle.as_str()).collect()
}

fn refused(effects: &[Effect]) -> Vec<Refused> {
    let mut all = Vec::new();
    for effect in effects {
        if let Effect::Say { message, .. } = effect
            && let Message::FilesRefused { files } = &**message
        {
            all.extend(files.clone());
        }
    }
    all
}

fn assignments(effects: &[Effect]) -> Vec<&Assignment> {
    let all = effects.iter().filter_map(|effect| match effect {
        Effect::StartRun { assignment, .. } => Some(assignment),
        _ => None,
    });
    all.collect()
}

#[test]
fn a_file_of_a_correction_comes_with_the_next_plan() {
    let mut task = planned();
    let told = tell(
        &mut task,
        reply(ana(), "as in the picture", vec![file("f1")]),
    );
    assert_eq!(refused(&told), []);
    // No run has it yet.
    assert_eq!(handles(&task), [""; 0]);
    tell(&mut task, Event::SlotGranted);
    assert_eq!(handles(&task), ["f1"]);
    assert!(task.is_new_to(RunNumber(2), &file("f1")));
    let plan = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    let ended = Event::RunEnded {
        run: RunNumber(2),
        ending: Box::new(plan),
    };
    tell(&mut task, ended);
    tell(&mut task, said(ana(), "approve"));
    tell(&mut task, Event::SlotGranted);
    // The work has it too, and it is not news any more.
    assert_eq!(handles(&task), ["f1"]);
    assert!(!task.is_new_to(RunNumber(3), &file("f1")));
}

#[test]
fn files_without_a_word_are_a_word_of_their_own() {
    let mut task = planned();
    tell(&mut task, reply(ana(), "", vec![file("f1")]));
    let effects = tell(&mut task, Event::SlotGranted);
    let corrections = vec!["ana: See the attached files.".to_owned()];
    assert_eq!(assignments(&effects), [&Assignment::Revise { corrections }]);
    // Where none of them is taken, nothing is said to the agent, and people hear why.
    let mut task = planned();
    let large = FileRef {
        size_bytes: SIZE_MAX_BYTES + 1,
        ..file("f1")
    };
    let told = tell(&mut task, reply(ana(), "", vec![large]));
    assert_eq!(task.state.name(), "awaiting_approval");
    assert_eq!(refused(&told).len(), 1);
}

#[test]
fn words_that_wait_for_the_next_turn_bring_their_files() {
    let mut task = running();
    tell(&mut task, reply(ana(), "", vec![file("f1")]));
    tell(&mut task, reply(ana(), "and this", vec![file("f2")]));
    let commit = Change::Commit {
        commit: crate::domain::CommitId("c1".into()),
        files: vec![],
        notices: vec![],
    };
    let ended = Event::RunEnded {
        run: task.last_run,
        ending: Box::new(Ending {
            change: commit,
            session: Some("s".into()),
            ..Ending::default()
        }),
    };
    let effects = tell(&mut task, ended);
    let words = ["ana: See the attached files.", "ana: and this"];
    let words = words.map(str::to_owned).to_vec();
    assert_eq!(assignments(&effects), [&Assignment::FollowUp { words }]);
    assert_eq!(handles(&task), ["f1", "f2"]);
}

#[test]
fn words_that_steer_at_once_bring_theirs_to_the_run_that_hears_them() {
    let mut task = running();
    let run = task.last_run;
    let effects = tell(&mut task, reply(ana(), "now: look", vec![file("f1")]));
    let steer = Effect::Steer {
        run,
        number: Some(1),
        text: "look".into(),
        files: vec!["f1".into()],
    };
    assert!(effects.contains(&steer), "{effects:?}");
    assert_eq!(handles(&task), ["f1"]);
}

#[test]
fn what_nobody_may_say_or_what_is_no_word_to_the_agent_brings_nothing() {
    let guest = person("gus", Standing::Guest);
    for event in [
        reply(guest, "look", vec![file("f1")]),
        reply(ana(), "!aside look", vec![file("f1")]),
        reply(ana(), "status", vec![file("f1")]),
    ] {
        let mut task = running();
        tell(&mut task, event);
        assert!(task.reply_files.is_empty());
    }
    let mut muted = running();
    tell(&mut muted, said(ana(), "mute"));
    tell(&mut muted, reply(ana(), "look", vec![file("f1")]));
    assert!(muted.reply_files.is_empty());
    let mut over = running();
    tell(&mut over, said(ana(), "stop"));
    tell(&mut over, reply(ana(), "look", vec![file("f1")]));
    assert!(over.reply_files.is_empty());
}

#[test]
fn limits_hold_for_each_reply_and_for_the_task_and_each_refusal_is_named() {
    let mut task = running();
    let film = FileRef {
        media_type: "video/mp4".into(),
        ..file("film")
    };
    let many = (0..=NUMBER_MAX).map(|n| file(&format!("a{n}")));
    let files = std::iter::once(film).chain(many).collect();
    let told = refused(&tell(&mut task, reply(ana(), "look", files)));
    let told: Vec<(&str, Unfit)> = told.iter().map(|one| (&*one.name, one.why)).collect();
    let expected = [("film.png", Unfit::Unreadable), ("a10.png", Unfit::TooMany)];
    assert_eq!(told, expected);
    // The same file again is the same file.
    let again = tell(&mut task, reply(ana(), "again", vec![file("a1")]));
    assert_eq!(
        (refused(&again).len(), task.reply_files.len()),
        (0, NUMBER_MAX)
    );
    for round in 1..=REPLIES_MAX / NUMBER_MAX {
        let files = (0..NUMBER_MAX).map(|n| file(&format!("b{round}-{n}")));
        let text = format!("round {round}");
        let told = refused(&tell(&mut task, reply(ana(), &text, files.collect())));
        let is_full = round == REPLIES_MAX / NUMBER_MAX;
        assert_eq!(told.len(), if is_full { NUMBER_MAX } else { 0 });
        assert!(told.iter().all(|one| one.why == Unfit::TaskIsFull));
    }
    assert_eq!(task.reply_files.len(), REPLIES_MAX);
}

#[test]
fn a_file_that_no_run_could_read_is_named_once() {
    let mut task = running();
    let run = task.last_run;
    let gone = || Event::FilesGone {
        run,
        files: vec![file("f1")],
        too_large: vec![file("f2")],
    };
    let told = refused(&tell(&mut task, gone()));
    let told: Vec<(&str, Unfit)> = told.iter().map(|one| (&*one.name, one.why)).collect();
    let expected = [("f1.png", Unfit::Gone), ("f2.png", Unfit::Larger)];
    assert_eq!(told, expected);
    assert_eq!(tell(&mut task, gone()), []);
}

#[test]
fn a_reply_that_is_deleted_before_its_turn_takes_its_files_along() {
    let mut task = running();
    tell(&mut task, reply(ana(), "look", vec![file("f1")]));
    let line = LineRef("l:look".into());
    tell(&mut task, Event::Deleted { line });
    assert!(task.reply_files.is_empty() && task.waiting.is_empty());
    // What a run has heard stays heard.
    tell(&mut task, reply(ana(), "now: here", vec![file("f2")]));
    let line = LineRef("l:now: here".into());
    tell(&mut task, Event::Deleted { line });
    assert_eq!(handles(&task), ["f2"]);
}
