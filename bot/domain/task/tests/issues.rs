//! What becomes of a task whose issue is edited or thrown away, by whoever it is.

use super::ground::*;
use crate::domain::{
    RunNumber, command,
    conversation::{Line, LineKind, LineRef, Person, Road, Standing},
    edit::{ProposalStanding, RequestChange, Settlement},
    effect::Effect,
    event::{Ending, Event},
    message::Message,
    task::{Next, State, Task},
};

/// How the task's issue is called where the request only names it.
const ISSUE: &str = "i:1";

fn guest() -> Person {
    person("cleo", Standing::Guest)
}

/// The issue, edited by the first of those who wrote in it.
fn edited(writers: &[Person], text: &str) -> Event {
    let (command, options) = command::parse(text);
    let reference = LineRef(format!("{ISSUE}/edited"));
    let line = Line {
        kind: LineKind::Issue,
        also_by: writers[1..].to_vec(),
        ..Line::said(reference, writers[0].clone(), text.to_owned())
    };
    Event::Edited {
        line,
        command,
        options,
        mentioned: false,
    }
}

fn tell(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

/// A task whose request is the issue itself.
fn delegated() -> Task {
    let (mut task, _) = opened();
    task.request.kind = LineKind::Issue;
    task
}

/// A task that is being read, and whose request names the issue.
fn reading() -> Task {
    let (mut task, _) = opened();
    tell(&mut task, Event::SlotGranted);
    task
}

/// What is read, the issue by ana with it.
fn read(task: &mut Task) {
    let issue = Line {
        kind: LineKind::Issue,
        ..Line::said(LineRef(ISSUE.into()), ana(), "The offset".to_owned())
    };
    let (context, workplace) = (vec![issue], Ok(workplace()));
    tell(
        task,
        Event::Gathered {
            context,
            workplace,
            found_by: None,
            unread: Vec::new(),
        },
    );
}

fn planned(task: &mut Task) {
    let ending = Box::new(Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    });
    let run = task.last_run;
    tell(task, Event::RunEnded { run, ending });
}

fn working(task: &mut Task) {
    planned(task);
    for event in [
        said(ana(), "looks good"),
        Event::SlotGranted,
        Event::RunStarted { run: RunNumber(2) },
    ] {
        tell(task, event);
    }
    assert_eq!(task.state.name(), "running");
    assert!(task.approval_holds());
}

fn revised(task: &Task) -> bool {
    matches!(
        task.state,
        State::Queued {
            next: Next::Run { .. }
        }
    )
}

/// Who is said to have written in the issue without a right to.
fn told(effects: &[Effect]) -> Vec<String> {
    let one = |effect: &Effect| match effect {
        Effect::Say { message, .. } => match &**message {
            Message::EditFenced { strangers, .. } => Some(strangers.clone()),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(one).flatten().collect()
}

#[test]
fn an_issue_that_is_the_request_is_planned_again_with_everybody_who_wrote_in_it() {
    let mut task = delegated();
    tell(&mut task, Event::SlotGranted);
    let (context, workplace) = (vec![], Ok(workplace()));
    tell(
        &mut task,
        Event::Gathered {
            context,
            workplace,
            found_by: None,
            unread: Vec::new(),
        },
    );
    planned(&mut task);
    let ben = person("ben", Standing::Member);
    tell(&mut task, edited(&[ben.clone(), ana()], "Fix the limit"));
    assert!(revised(&task), "{:?}", task.state);
    assert_eq!(task.request.text, "Fix the limit");
    assert_eq!(task.request.also_by, std::slice::from_ref(&ben));
    let again = edited(&[ben, ana()], "Fix the limit");
    assert_eq!(tell(&mut task, again), [], "the webhook came twice");
}

#[test]
fn what_a_guest_made_of_the_issue_is_background_and_is_told_of_once() {
    let mut task = delegated();
    let effects = tell(&mut task, edited(&[guest(), ana()], "Drop the table"));
    assert_eq!(told(&effects), ["cleo"]);
    assert_eq!(effects.len(), 1);
    assert_eq!(task.request.text, "Fix the offset");
    let stands = |task: &Task| task.bystanders[0].text.clone();
    assert!(stands(&task).ends_with("Drop the table"));
    let effects = tell(&mut task, edited(&[guest(), ana()], "Drop every table"));
    assert_eq!(effects, [], "who types goes on typing");
    assert!(stands(&task).ends_with("Drop every table"));
    // A member who edits what a guest wrote does not make it theirs.
    let effects = tell(&mut task, edited(&[ana(), guest()], "Drop every table!"));
    assert_eq!(told(&effects), ["cleo"]);
    assert_eq!(task.request.text, "Fix the offset");
    // Put back as it was, there is nothing left of it.
    assert_eq!(
        tell(&mut task, edited(&[ana(), guest()], "Fix the offset")),
        []
    );
    assert!(task.bystanders.is_empty());
}

#[test]
fn an_issue_that_is_named_corrects_the_plan_and_sets_nothing() {
    let mut task = reading();
    read(&mut task);
    planned(&mut task);
    let edit = edited(&[ana()], "The limit repo=acme/api");
    let effects = tell(&mut task, edit);
    assert!(revised(&task), "{:?} {effects:?}", task.state);
    assert_eq!(task.request.text, "Fix the offset");
    assert_eq!(task.context[0].text, "The limit repo=acme/api");
    assert_eq!(task.context[0].reference, LineRef(ISSUE.into()));
    assert!(task.options.repository.is_none());
}

#[test]
fn an_edit_while_the_issue_is_read_is_not_lost() {
    let mut task = reading();
    tell(&mut task, edited(&[ana()], "The limit"));
    read(&mut task);
    let heard = |line: &Line| line.text.contains("The limit");
    assert!(task.context.iter().any(heard), "{:?}", task.context);
}

#[test]
fn an_edit_of_a_named_issue_after_the_approval_is_decided_once_and_breaks_no_approval() {
    let mut task = reading();
    read(&mut task);
    working(&mut task);
    tell(&mut task, edited(&[ana()], "The limit"));
    assert!(task.approval_holds());
    let RequestChange::Edited {
        before, now, of, ..
    } = &task.proposals[0].change
    else {
        panic!("{:?}", task.proposals)
    };
    assert_eq!(
        (before.as_str(), now.as_str(), *of),
        ("The offset", "The limit", LineKind::Issue)
    );
    assert_eq!(tell(&mut task, edited(&[ana()], "The limit")), []);
    assert!(task.waiting.is_empty());
    tell(
        &mut task,
        Event::ProposalSettled {
            by: ana(),
            proposal: 1,
            settlement: Settlement::Take,
            road: Road::Button,
        },
    );
    assert!(task.waiting[0].text.contains("The issue was edited"));
    assert!(task.approval_holds());
}

#[test]
fn an_issue_that_is_thrown_away_asks_about_the_end_once() {
    let mut named = reading();
    read(&mut named);
    let mut of_delegation = delegated();
    for task in [&mut named, &mut of_delegation] {
        let line = task.issue().cloned().expect("it has one");
        let gone = || Event::Deleted { line: line.clone() };
        assert_eq!(tell(task, gone()).len(), 1);
        assert_eq!(
            task.proposals[0].change,
            RequestChange::Deleted {
                of: LineKind::Issue
            }
        );
        assert_eq!(tell(task, gone()), [], "trashed, and then removed for good");
        let keep = Event::ProposalSettled {
            by: ana(),
            proposal: 1,
            settlement: Settlement::Keep,
            road: Road::Button,
        };
        tell(task, keep);
        assert_eq!(tell(task, gone()), []);
        assert_eq!(task.proposals.len(), 1);
        assert!(matches!(
            task.proposals[0].standing,
            ProposalStanding::Settled { .. }
        ));
    }
}
