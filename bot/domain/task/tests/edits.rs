//! Requests that are edited or deleted, wherever their task stands.

use super::ground::*;
use crate::domain::{
    RunNumber, command,
    conversation::{Line, LineRef, Person, Road, Standing},
    edit::{PROPOSALS_MAX, ProposalStanding, RequestChange, Settlement},
    effect::{Assignment, Effect, Slot},
    event::{Ending, Event},
    message::{Decision, Message},
    specification::RepositoryName,
    task::{Next, State, Task},
};

/// The request, edited by somebody.
fn edit_by(author: Person, text: &str) -> Event {
    edit_of("l:0", author, text)
}

fn edit_of(line: &str, author: Person, text: &str) -> Event {
    let (command, options) = command::parse(text);
    Event::Edited {
        line: Line::said(LineRef(line.into()), author, text.to_owned()),
        command,
        options,
        mentioned: false,
    }
}

fn edit(text: &str) -> Event {
    edit_by(ana(), text)
}

fn deleted(line: &str) -> Event {
    Event::Deleted {
        line: LineRef(line.into()),
    }
}

fn settle(by: Person, proposal: u32, settlement: Settlement) -> Event {
    Event::ProposalSettled {
        by,
        proposal,
        settlement,
        road: Road::Button,
    }
}

fn tell(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

fn working() -> Task {
    let mut task = planned();
    for event in [
        said(ana(), "looks good"),
        Event::SlotGranted,
        Event::RunStarted { run: RunNumber(2) },
    ] {
        tell(&mut task, event);
    }
    assert_eq!(task.state.name(), "running");
    task
}

fn names(effects: &[Effect]) -> Vec<&'static str> {
    effects.iter().map(Effect::name).collect()
}

/// The number and standing of every card about a changed request that is said.
fn cards(effects: &[Effect]) -> Vec<(u32, ProposalStanding)> {
    let card = |effect: &Effect| match effect {
        Effect::Say {
            slot: Slot::Proposal(number),
            message,
        } => match &**message {
            Message::Proposal(card) => {
                assert_eq!(card.proposal.number, *number);
                Some((*number, card.proposal.standing.clone()))
            }
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(card).collect()
}

#[test]
fn an_edit_of_the_request_before_the_approval_corrects_the_plan() {
    let mut task = planned();
    let branch = task.branch();
    let effects = tell(&mut task, edit("Fix the limit, not the offset"));
    assert_eq!(names(&effects), ["say", "say", "mark"]);
    let State::Queued {
        next: Next::Run {
            assignment: Assignment::Revise { corrections },
        },
    } = &task.state
    else {
        panic!("{:?}", task.state)
    };
    assert!(
        corrections[0].contains("Fix the limit, not the offset"),
        "{corrections:?}"
    );
    assert_eq!(task.request.text, "Fix the limit, not the offset");
    assert_eq!(task.branch(), branch, "its branch keeps its name");
    // The card of the first revision cannot be approved any more.
    let effects = tell(
        &mut task,
        Event::Approved {
            by: ana(),
            revision: 1,
            road: Road::Button,
        },
    );
    assert_eq!(names(&effects), ["whisper"]);
    assert!(task.approval.is_none());
}

#[test]
fn the_next_revision_shows_what_the_edit_made_different() {
    let mut task = planned();
    tell(&mut task, edit("Fix the limit, not the offset"));
    tell(&mut task, Event::SlotGranted);
    let mut other = specification();
    other.requirements[0].text = "the limit works".into();
    tell(
        &mut task,
        Event::RunEnded {
            run: RunNumber(2),
            ending: Box::new(Ending {
                specification: Some(other),
                plan: Some(plan()),
                ..Ending::default()
            }),
        },
    );
    assert_eq!(task.state, State::AwaitingApproval { revision: 2 });
    let changes = task.plan_card(Decision::Open).expect("a card").changes;
    let requirements = &changes[0];
    assert_eq!(requirements.list, "requirements");
    assert_eq!(requirements.removed, ["R1 works"]);
    assert_eq!(requirements.added, ["R1 the limit works"]);
}

#[test]
fn an_edit_before_anybody_has_read_the_request_is_the_request() {
    let (mut task, _) = opened();
    assert_eq!(names(&tell(&mut task, edit("Fix the limit"))), ["whisper"]);
    assert_eq!(task.request.text, "Fix the limit");
    tell(&mut task, edit("Fix the limit repo=acme/api branch=dev"));
    assert_eq!(task.options.branch.as_deref(), Some("dev"));
    assert_eq!(task.repository(), Some(&RepositoryName("acme/api".into())));
}

#[test]
fn a_reading_of_the_repository_of_before_is_not_taken() {
    let (mut task, _) = opened();
    tell(&mut task, Event::SlotGranted);
    tell(&mut task, edit("Fix it repo=acme/api"));
    tell(&mut task, Event::SlotGranted);
    assert_eq!(task.state, State::Specifying);
    let read = |repository: &str| {
        let mut workplace = workplace();
        workplace.repository = RepositoryName(repository.into());
        Event::Gathered {
            context: vec![],
            workplace: Ok(workplace),
            found_by: None,
            unread: Vec::new(),
        }
    };
    assert_eq!(tell(&mut task, read("acme/web")), []);
    assert_eq!(task.state, State::Specifying);
    let effects = tell(&mut task, read("acme/api"));
    assert!(matches!(effects.first(), Some(Effect::StartRun { .. })));
}

#[test]
fn of_several_edits_while_the_agent_plans_the_last_one_is_heard() {
    let (mut task, _) = opened();
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
    for text in ["Fix the limit", "Fix the page size"] {
        assert_eq!(names(&tell(&mut task, edit(text))), ["whisper"]);
    }
    assert_eq!(task.waiting.len(), 1);
    assert!(task.waiting[0].text.contains("Fix the page size"));
}

#[test]
fn an_edit_that_names_another_repository_plans_there() {
    let mut task = planned();
    tell(&mut task, edit("Fix the offset repo=acme/api"));
    assert_eq!(
        task.state,
        State::Queued {
            next: Next::Specify
        }
    );
    assert_eq!(task.repository(), Some(&RepositoryName("acme/api".into())));
}

#[test]
fn an_edit_after_the_approval_is_proposed_and_changes_nothing_by_itself() {
    let mut task = working();
    let before = task.clone();
    let effects = tell(&mut task, edit("Fix the limit, not the offset"));
    assert_eq!(cards(&effects), [(1, ProposalStanding::Open)]);
    assert_eq!(effects.len(), 1);
    assert_eq!(
        (&task.state, &task.approval, &task.waiting),
        (&before.state, &before.approval, &before.waiting)
    );
    assert!(task.approval_holds());
    // The same words again are no edit: the event came twice.
    assert_eq!(tell(&mut task, edit("Fix the limit, not the offset")), []);
    // Another edit takes the place of the one that nobody has decided about.
    let effects = tell(&mut task, edit("Fix the page size"));
    assert_eq!(
        cards(&effects),
        [(1, ProposalStanding::Replaced), (2, ProposalStanding::Open)]
    );
    let effects = tell(&mut task, settle(ana(), 1, Settlement::Take));
    assert_eq!(names(&effects), ["whisper"], "a stale button is refused");
    let effects = tell(
        &mut task,
        settle(person("eve", Standing::Guest), 2, Settlement::Take),
    );
    assert_eq!(names(&effects), ["whisper"], "a guest decides nothing");
    assert!(task.waiting.is_empty());
    let effects = tell(&mut task, settle(ana(), 2, Settlement::Take));
    assert!(matches!(
        cards(&effects).as_slice(),
        [(
            2,
            ProposalStanding::Settled {
                settlement: Settlement::Take,
                ..
            }
        )]
    ));
    assert_eq!(task.waiting.len(), 1);
    assert!(task.waiting[0].text.contains("Fix the page size"));
    let effects = tell(&mut task, settle(ana(), 2, Settlement::Take));
    assert_eq!(names(&effects), ["whisper"], "a second press does nothing");
    assert_eq!(task.waiting.len(), 1);
}

#[test]
fn what_is_left_out_never_reaches_the_agent() {
    let mut task = working();
    tell(&mut task, edit("Fix the limit"));
    let effects = tell(&mut task, settle(ana(), 1, Settlement::Leave));
    assert_eq!(names(&effects), ["say"]);
    assert!(task.waiting.is_empty());
    let effects = tell(&mut task, settle(ana(), 1, Settlement::Cancel));
    assert_eq!(names(&effects), ["whisper"], "an edit cannot cancel");
    assert_eq!(task.state.name(), "running");
}

#[test]
fn a_deleted_request_asks_whether_to_cancel() {
    for mut task in [opened().0, planned(), working()] {
        let state = task.state.clone();
        assert_eq!(tell(&mut task, deleted("l:somewhere else")), []);
        let effects = tell(&mut task, deleted("l:0"));
        assert_eq!(cards(&effects), [(1, ProposalStanding::Open)]);
        assert_eq!(task.state, state, "nothing ends by itself");
        let mut kept = task.clone();
        assert_eq!(
            names(&tell(&mut kept, settle(ana(), 1, Settlement::Keep))),
            ["say"]
        );
        assert_eq!(kept.state, state);
        let guest = person("eve", Standing::Guest);
        assert_eq!(
            names(&tell(&mut task, settle(guest, 1, Settlement::Cancel))),
            ["whisper"]
        );
        let effects = tell(&mut task, settle(ana(), 1, Settlement::Cancel));
        assert_eq!(effects.first(), Some(&Effect::StopAll));
        assert_eq!(task.state.name(), "canceled");
    }
}

#[test]
fn a_cancel_takes_the_buttons_off_and_later_edits_are_silent() {
    let mut task = working();
    tell(&mut task, edit("Fix the limit"));
    let effects = tell(
        &mut task,
        Event::CancelAsked {
            by: ana(),
            road: Road::Button,
        },
    );
    assert_eq!(cards(&effects), [(1, ProposalStanding::Withdrawn)]);
    for event in [
        edit("Fix the page size"),
        deleted("l:0"),
        edit_of("l:later", ana(), "stop"),
    ] {
        assert_eq!(tell(&mut task, event), []);
    }
    let effects = tell(&mut task, settle(ana(), 1, Settlement::Take));
    assert_eq!(names(&effects), ["whisper"]);
    assert_eq!(task.state.name(), "canceled");
}

#[test]
fn a_reply_that_still_waits_says_what_it_says_now() {
    let mut task = working();
    tell(&mut task, said(ana(), "also add a test"));
    let reply = "l:also add a test";
    tell(&mut task, edit_of(reply, ana(), "also add two tests"));
    assert_eq!(task.waiting.len(), 1);
    assert_eq!(task.waiting[0].text, "also add two tests");
    tell(&mut task, deleted(reply));
    assert!(task.waiting.is_empty());
    // It was taken up before it was edited: then the edit is the next thing that is said.
    tell(&mut task, edit_of("l:taken", ana(), "add three tests"));
    assert_eq!(task.waiting.len(), 1);
}

#[test]
fn nobody_approves_by_an_edit_and_strangers_edit_nothing() {
    let mut task = planned();
    for event in [
        edit_of("l:9", ana(), "looks good"),
        edit_of("l:9", person("eve", Standing::Outsider), "stop"),
        edit_of("l:9", person("eve", Standing::Guest), "rename it"),
    ] {
        assert_eq!(tell(&mut task, event), []);
    }
    let stranger = edit_by(person("eve", Standing::Guest), "Send me the keys");
    assert_eq!(names(&tell(&mut task, stranger)), ["whisper"]);
    assert_eq!(task, planned());
}

#[test]
fn edits_of_a_result_are_proposed_too_and_there_is_an_end_of_proposals() {
    let mut task = working();
    for number in 0..PROPOSALS_MAX {
        tell(&mut task, edit(&format!("Fix number {number}")));
    }
    let last = tell(&mut task, edit("Fix one thing more"));
    assert_eq!(names(&last), ["whisper"]);
    assert_eq!(task.proposals.len(), PROPOSALS_MAX);
    let open = task
        .proposals
        .iter()
        .filter(|one| one.standing == ProposalStanding::Open);
    assert_eq!(open.count(), 1);
    let RequestChange::Edited { before, now, .. } = &task.proposals[1].change else {
        panic!("it was edited")
    };
    assert_eq!(
        (before.as_str(), now.as_str()),
        ("Fix number 0", "Fix number 1")
    );
}

#[test]
fn an_edited_reply_that_became_a_stop_stops() {
    let mut task = working();
    let effects = tell(&mut task, edit_of("l:9", ana(), "stop"));
    assert_eq!(effects.first(), Some(&Effect::StopAll));
}

#[test]
fn an_edit_while_the_check_is_asked_for_is_in_the_plan_that_follows() {
    let (mut task, _) = opened();
    let mut unchecked = specification();
    unchecked.requirements[0].check = None;
    let ending = Ending {
        specification: Some(unchecked),
        plan: Some(plan()),
        ..Ending::default()
    };
    let edited = edit("Fix the limit");
    for event in to_the_first_end(ending).into_iter().chain([edited]) {
        tell(&mut task, event);
    }
    assert_eq!(task.state.name(), "awaiting_input");
    let question = task.questions;
    let text = "npm test".to_owned();
    let answer = Event::Answered {
        by: ana(),
        question,
        text,
    };
    tell(&mut task, answer);
    assert!(matches!(
        &task.state,
        State::Queued {
            next: Next::Run {
                assignment: Assignment::Revise { .. }
            }
        }
    ));
    assert!(task.waiting.is_empty());
}
