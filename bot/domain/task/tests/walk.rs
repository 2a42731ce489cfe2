//! Every sequence of events to depth six, from a mention on; no input or output, no time.
//!
//! The world beside the machine knows only what effects did to it: which run lives, what was approved, what was
//! pushed. After each event it is checked that both agree. Different ways to the same task are walked on once.

use std::collections::HashSet;

use super::{ground::*, world::World};
use crate::domain::{
    CommitId, RunNumber,
    conversation::{Person, Road, Standing},
    effect::{Effect, Slot},
    event::{Change, Ending, Event},
    network,
    task::{State, Task, WorkTime},
};

/// How long the sequences are.
const DEPTH: usize = 6;

/// Lets everything happen in every order, so many times, and checks the world after each. Gives the different tasks
/// that were met, as they are stored.
fn walk(begin: (Task, World), depth_max: usize) -> HashSet<(String, World)> {
    let mut seen = HashSet::new();
    let mut edge = vec![begin];
    for depth in 0..=depth_max {
        let mut next = Vec::new();
        for (task, world) in edge {
            for event in possible(&task) {
                let (after, beside) = step(&task, &world, &event);
                let key = (
                    serde_json::to_string(&plain(&after)).expect("a task can be stored"),
                    beside.clone(),
                );
                if seen.insert(key) && depth < depth_max {
                    next.push((after, beside));
                }
            }
        }
        edge = next;
    }
    seen
}

/// The task without what makes it no other one: at which moment its time was used up, how many notes were said, and what its
/// status says beside.
fn plain(task: &Task) -> Task {
    let mut plain = task.clone();
    plain.time = WorkTime {
        worked_ms: i64::from(task.is_out_of_time()),
        is_told: task.time.is_told,
        ..WorkTime::default()
    };
    plain.notes = 0;
    plain.put_off = None;
    plain
}

fn step(task: &Task, world: &World, event: &Event) -> (Task, World) {
    let (mut after, mut beside) = (task.clone(), world.clone());
    let effects = after.handle(&happened_late(event.clone(), task), &around());
    beside.see(task, event, &after, &effects);
    (after, beside)
}

#[test]
fn no_sequence_of_events_breaks_the_machine() {
    let seen = walk((opened().0, World::default()), DEPTH);
    assert!(seen.len() > 1_000, "the walk went nowhere: {}", seen.len());
    for (task, _) in seen {
        refusals_change_nothing_but_the_network(&task);
    }
}

/// Wherever a task stands: refusals and decisions about them neither start, stop nor end anything, only members open a way,
/// one decision a host, and none where the task is over.
fn refusals_change_nothing_but_the_network(stored: &str) {
    let before: Task = serde_json::from_str(stored).expect("it was stored");
    let mut task = before.clone();
    let run = task.last_run;
    let refused = network::RefusedHost {
        host: "packages.example".into(),
        port: 443,
        phase: "work".into(),
        method: "GET".into(),
        path: None,
        rule: "not listed".into(),
        command: None,
        count: 1,
    };
    let older = RunNumber(run.0.wrapping_sub(1));
    let refusal = |run| Event::NetworkRefused {
        run,
        hosts: vec![refused.clone()],
    };
    let decision = |by: Person| Event::NetworkDecided {
        by,
        entry: 1,
        verdict: network::Verdict::Once,
        road: Road::Button,
    };
    let mut widened = Vec::new();
    for event in [
        decision(ana()),
        refusal(older),
        refusal(run),
        decision(person("eve", Standing::Guest)),
        said(
            person("eve", Standing::Outsider),
            "allow once packages.example",
        ),
        said(ana(), "allow once other.example"),
        decision(ana()),
        decision(person("ben", Standing::Member)),
        said(ana(), "never packages.example"),
    ] {
        let is_person = !matches!(event, Event::NetworkRefused { .. });
        let effects = task.handle(&happened(event.clone()), &around());
        assert!(effects.len() <= 3 && !(is_person && effects.is_empty()));
        for effect in effects {
            match effect {
                Effect::Widen { grant } => widened.push(grant),
                Effect::Say { slot, .. } => assert_eq!(slot, Slot::Network(1)),
                other => assert!(matches!(
                    other,
                    Effect::Whisper { .. } | Effect::Hear { .. }
                )),
            }
        }
    }
    let over = task.state.is_over() && !matches!(task.state, State::Failed { .. });
    let decidable = !over && task.repository().is_some();
    assert_eq!(widened.len(), usize::from(decidable), "{:?}", task.state);
    for grant in widened {
        assert_eq!(grant.decision.by, ana());
        assert_eq!(grant.decision.verdict, network::Verdict::Once);
    }
    task.network = before.network.clone();
    task.time = before.time.clone();
    assert_eq!(task, before);
}

/// The way to an agent at work is long, so this walk begins there.
#[test]
fn nothing_that_is_said_to_an_agent_at_work_is_lost() {
    let (mut task, mut world) = (opened().0, World::default());
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    let run = RunNumber(2);
    for event in to_the_first_end(planned).into_iter().chain([
        said(ana(), "looks good"),
        Event::SlotGranted,
        Event::RunStarted { run },
        said(ana(), "now: use the other file"),
    ]) {
        (task, world) = step(&task, &world, &event);
    }
    assert_eq!(task.state, State::Running { run });
    let seen = walk((task, world), 3);
    assert!(seen.len() > 100, "the walk went nowhere: {}", seen.len());
}

/// The way to a held change is long, so this walk begins there.
#[test]
fn nothing_that_was_held_back_leaves_without_a_stored_decision() {
    let (mut task, mut world) = (opened().0, World::default());
    let ended = |run: u32, ending: Ending| Event::RunEnded {
        run: RunNumber(run),
        ending: Box::new(ending),
    };
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    let held = Ending {
        change: Change::Held {
            held: held_change(),
        },
        ..Ending::default()
    };
    for event in [
        Event::SlotGranted,
        Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
            found_by: None,
            unread: Vec::new(),
        },
        ended(1, planned),
        said(ana(), "looks good"),
        Event::SlotGranted,
        ended(2, held),
    ] {
        (task, world) = step(&task, &world, &event);
    }
    assert_eq!(task.state.name(), "awaiting_input");
    assert!(!task.may_leave(&CommitId("h1".into())));
    let seen = walk((task, world), 5);
    assert!(seen.len() > 1_000, "the walk went nowhere: {}", seen.len());
}
