//! Plans that people write themselves.

use super::ground::*;
use crate::domain::{
    RunNumber,
    conversation::{Person, Road, Standing},
    effect::{Effect, Slot},
    event::{Ending, Event},
    message::{Decision, Message},
    plan::Plan,
    plan_edit::{EditRefusal, PlanEdit},
    policy::Policy,
    task::{QuestionKind, State, Surroundings, Task},
};

fn planned() -> Task {
    let (mut task, _) = opened();
    let ending = Ending {
        specification: Some(specification()),
        plan: Some(Plan {
            files: vec!["lib/".into()],
            ..plan()
        }),
        ..Ending::default()
    };
    for event in to_the_first_end(ending) {
        tell(&mut task, event);
    }
    assert_eq!(task.state, State::AwaitingApproval { revision: 1 });
    task
}

fn tell(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

fn edit(steps: &[&str], checks: &[&str]) -> PlanEdit {
    let list = |entries: &[&str]| entries.iter().map(|one| (*one).to_owned()).collect();
    PlanEdit {
        steps: list(steps),
        files: vec!["lib/".into()],
        checks: list(checks),
        ..PlanEdit::default()
    }
}

fn edited(by: Person, revision: u32, edit: PlanEdit) -> Event {
    Event::PlanEdited {
        by,
        revision,
        edit: Box::new(edit),
    }
}

fn refusal(effects: &[Effect]) -> &Message {
    let [Effect::Whisper { message, .. }] = effects else {
        panic!("one answer to one person, not {effects:?}")
    };
    message
}

#[test]
fn what_somebody_writes_is_the_next_revision_and_waits_for_its_own_approval() {
    let mut task = planned();
    let before = task.plans[0].fingerprint.clone();
    let effects = tell(
        &mut task,
        edited(ana(), 1, edit(&["mend", "say so"], &["npm run lint"])),
    );
    assert_eq!(task.state, State::AwaitingApproval { revision: 2 });
    let cards: Vec<(u32, &Decision)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Say {
                slot: Slot::Plan(number),
                message,
            } => match &**message {
                Message::PlanCard(card) => Some((*number, &card.decision)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(cards, [(1, &Decision::Superseded), (2, &Decision::Open)]);
    let card = task.plan_card(Decision::Open).expect("a card");
    assert_eq!(card.plan.reason.as_deref(), Some("edited by ana"));
    let changes: Vec<(&str, &[String])> = card
        .changes
        .iter()
        .map(|list| (list.list.as_str(), list.added.as_slice()))
        .collect();
    assert_eq!(
        changes,
        [
            ("required checks", ["npm run lint".to_owned()].as_slice()),
            ("steps", &["say so".to_owned()]),
        ]
    );
    // No run was needed, and nothing that was approved before holds for it.
    assert_eq!(task.last_run, RunNumber(1));
    assert_ne!(task.plans[1].fingerprint, before);
    let late = Event::Approved {
        by: ana(),
        revision: 1,
        road: Road::Button,
    };
    assert!(matches!(
        refusal(&tell(&mut task, late)),
        Message::StaleApproval { .. }
    ));
    let now = Event::Approved {
        by: ana(),
        revision: 2,
        road: Road::Button,
    };
    tell(&mut task, now);
    assert!(task.approval_holds());
}

#[test]
fn a_check_that_is_taken_away_need_not_pass_and_without_any_it_asks() {
    let mut task = planned();
    tell(
        &mut task,
        edited(ana(), 1, edit(&["mend"], &["npm run lint"])),
    );
    tell(&mut task, edited(ana(), 2, edit(&["mend"], &[])));
    let checks = task.specification.as_ref().map(|one| one.checks.clone());
    assert_eq!(checks, Some(Vec::new()));
    // A requirement has a check of its own, so something still decides.
    assert_eq!(task.state, State::AwaitingApproval { revision: 3 });

    let mut bare = planned();
    if let Some(specification) = bare.specification.as_mut() {
        specification.requirements[0].check = None;
        specification.checks = vec!["npm test".into()];
    }
    tell(&mut bare, edited(ana(), 1, edit(&["mend"], &[])));
    let State::AwaitingInput { question } = &bare.state else {
        panic!("nothing decides, and nobody was asked: {:?}", bare.state)
    };
    assert_eq!(question.kind, QuestionKind::Check);
}

#[test]
fn an_edit_of_an_older_revision_is_refused_and_handed_back() {
    let mut task = planned();
    tell(&mut task, edited(ana(), 1, edit(&["first"], &[])));
    let late = edit(&["second"], &[]);
    let effects = tell(&mut task, edited(ana(), 1, late.clone()));
    let expected = EditRefusal::Stale {
        seen: 1,
        current: Some(2),
        edit: late.clone(),
    };
    assert_eq!(
        refusal(&effects),
        &Message::EditRefused {
            why: Box::new(expected)
        }
    );
    assert_eq!(task.plans.len(), 2);
    tell(&mut task, said(ana(), "looks good"));
    let effects = tell(&mut task, edited(ana(), 2, late));
    assert!(
        matches!(refusal(&effects), Message::EditRefused { why } if matches!(**why, EditRefusal::Stale { current: None, .. })),
        "{effects:?}"
    );
}

#[test]
fn the_same_text_changes_nothing_and_strangers_change_nothing() {
    let mut task = planned();
    let effects = tell(&mut task, edited(ana(), 1, edit(&["mend"], &[])));
    let why = Box::new(EditRefusal::Unchanged);
    assert_eq!(refusal(&effects), &Message::EditRefused { why });
    let gus = person("gus", Standing::Guest);
    let effects = tell(&mut task, edited(gus, 1, edit(&["break"], &[])));
    assert!(matches!(refusal(&effects), Message::NotAllowed { .. }));
    let listed = Surroundings {
        policy: Policy {
            people: vec![ana().id],
            ..Policy::default()
        },
        ..around()
    };
    let ben = person("ben", Standing::Member);
    let effects = task.handle(&happened(edited(ben, 1, edit(&["break"], &[]))), &listed);
    assert!(matches!(refusal(&effects), Message::NotAllowed { .. }));
    assert_eq!(task.plans.len(), 1);
}
