//! What the machine does in one situation each.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    budget::{MicroDollars, Usage},
    effect::Effect,
    event::{BaseStanding, Change, Ending, Event, Happened, Publication, RunFailure, RunSpend},
    kept::Kept,
    message::Decision,
    preferences::Origin,
    proof::CheckOutcome,
    specification::RepositoryName,
    task::Task,
};

#[test]
fn what_people_have_to_know_of_a_planning_run_is_among_the_plans_risks() {
    let (mut task, _) = opened();
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        remarks: vec!["goose works without the tracker.".into()],
        ..Ending::default()
    };
    let (context, workplace) = (vec![], Ok(workplace()));
    let (run, ending) = (RunNumber(1), Box::new(planned));
    for event in [
        Event::SlotGranted,
        Event::Gathered {
            context,
            workplace,
            found_by: None,
            unread: Vec::new(),
        },
        Event::RunEnded { run, ending },
    ] {
        task.handle(&happened(event), &around());
    }
    let card = task.plan_card(Decision::Open).unwrap();
    assert_eq!(
        card.plan.risks.last().map(String::as_str),
        Some("goose works without the tracker.")
    );
}

#[test]
fn the_straight_way_ends_in_review_with_an_approval_that_holds() {
    let (mut task, _) = opened();
    let mut step = |event: Event| {
        let effects = task.handle(
            &Happened {
                at: Timestamp(1),
                event,
            },
            &around(),
        );
        (
            task.state.name(),
            effects.iter().map(Effect::name).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        step(Event::SlotGranted),
        ("specifying", vec!["gather", "say"])
    );
    assert_eq!(
        step(Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
            found_by: None,
            unread: Vec::new(),
        }),
        ("planning", vec!["start_run", "say"])
    );
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    assert_eq!(
        step(Event::RunEnded {
            run: RunNumber(1),
            ending: Box::new(planned)
        }),
        ("awaiting_approval", vec!["say", "say", "mark"])
    );
    assert_eq!(
        step(said(ana(), "looks good")),
        ("queued", vec!["say", "say", "mark"])
    );
    assert_eq!(
        step(Event::SlotGranted),
        ("preparing", vec!["start_run", "say"])
    );
    assert_eq!(
        step(Event::RunStarted { run: RunNumber(2) }),
        ("running", vec!["say", "mark"])
    );
    let change = Change::Commit {
        commit: CommitId("c1".into()),
        files: vec![],
        notices: vec![],
    };
    assert_eq!(
        step(Event::RunEnded {
            run: RunNumber(2),
            ending: Box::new(Ending {
                change,
                ..Ending::default()
            })
        }),
        ("verifying", vec!["prove", "say"])
    );
    assert_eq!(
        step(Event::Proved {
            run: RunNumber(2),
            proof: Box::new(proof("c1", CheckOutcome::Passed))
        }),
        ("publishing", vec!["publish", "say"])
    );
    let publication = Publication {
        commit: CommitId("c1".into()),
        branch: "b".into(),
        pull_request: None,
        base: BaseStanding::Same,
    };
    assert_eq!(
        step(Event::Published {
            run: RunNumber(2),
            publication
        }),
        ("in_review", vec!["say", "say", "mark"])
    );
}

/// Four roads by which the end of a run is told; each of them may come after another one.
#[test]
fn what_a_run_spent_is_counted_once_however_its_end_is_told() {
    let usage = |cost| Usage {
        input_tokens: 10,
        output_tokens: 1,
        cost: Some(MicroDollars(cost)),
    };
    let ended = |cost| Event::RunEnded {
        run: RunNumber(1),
        ending: Box::new(Ending {
            usage: usage(cost),
            failure: Some(RunFailure::Silent),
            ..Ending::default()
        }),
    };
    let stopped = |run, cost| Event::Stopped {
        confirmed: true,
        spent: vec![RunSpend {
            run: RunNumber(run),
            usage: usage(cost),
        }],
        kept: Kept::Nothing,
    };
    let given_up = || Event::EffectGivenUp {
        effect: "starting".into(),
        reason: "down".into(),
    };
    for (events, sum) in [
        (vec![ended(5)], Some(5)),
        (vec![said(ana(), "stop"), stopped(1, 5)], Some(5)),
        (vec![said(ana(), "stop"), ended(5), stopped(1, 5)], Some(5)),
        (vec![said(ana(), "stop"), stopped(1, 5), ended(5)], Some(5)),
        (vec![ended(5), said(ana(), "stop"), stopped(1, 5)], Some(5)),
        (
            vec![given_up(), said(ana(), "retry"), stopped(1, 5)],
            Some(5),
        ),
        (vec![said(ana(), "stop"), stopped(7, 5)], None),
    ] {
        let (mut task, _) = opened();
        let planning = Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
            found_by: None,
            unread: Vec::new(),
        };
        for event in [vec![Event::SlotGranted, planning], events.clone()].concat() {
            let at = Timestamp(1);
            task.handle(&Happened { at, event }, &around());
        }
        assert_eq!(task.usage.cost, sum.map(MicroDollars), "{events:?}");
    }
}

#[test]
fn what_found_the_repository_is_kept_until_people_name_another_one() {
    let (mut task, _) = opened();
    let around = around();
    let mut step = |event| task.handle(&happened(event), &around);
    step(Event::SlotGranted);
    step(Event::Gathered {
        context: vec![],
        workplace: Ok(workplace()),
        found_by: Some(Origin::Filed),
        unread: Vec::new(),
    });
    let chosen = |task: &Task| {
        let name = task.repository()?;
        task.chosen.repository_from(name)
    };
    assert_eq!(chosen(&task), Some(Origin::Filed));
    let plan = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    let mut step = |event| task.handle(&happened(event), &around);
    step(Event::RunEnded {
        run: RunNumber(1),
        ending: Box::new(plan),
    });
    step(Event::RepositoryChosen {
        by: ana(),
        repository: RepositoryName("acme/api".into()),
    });
    assert_eq!(chosen(&task), None);
}
