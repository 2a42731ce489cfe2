//! What an approval is for, and when it holds no more.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    budget::MicroDollars,
    command::Command,
    conversation::{Person, Standing},
    effect::Effect,
    event::{Ending, Event, Happened, PublishProblem},
    network::{self, NetworkTerms},
    plan::{Fingerprint, PlanRevision},
    policy::Policy,
    task::{State, Surroundings},
};

#[test]
fn including_is_an_approval_of_the_next_revision_by_somebody_who_may() {
    let second = Surroundings {
        policy: Policy {
            second_person_approves: true,
            ..Policy::default()
        },
        ..around()
    };
    let (mut task, _) = opened();
    task.specification = Some(specification());
    task.workplace = Some(workplace());
    task.plans = vec![PlanRevision {
        number: 1,
        plan: plan(),
        fingerprint: Fingerprint(String::new()),
        specification: None,
    }];
    task.ask_about(RunNumber(2), &held_change());
    let mut answer = |by: &Person, text: &str| {
        let event = Event::Answered {
            by: by.clone(),
            question: 1,
            text: text.to_owned(),
        };
        let at = Timestamp(1);
        let effects = task.handle(&Happened { at, event }, &second);
        let names: Vec<_> = effects.iter().map(Effect::name).collect();
        (names, task.clone())
    };
    let cleo = person("cleo", Standing::Member);
    for (by, text) in [
        (ana(), "Include"),
        (person("eve", Standing::Guest), "Include"),
        (person("eve", Standing::Guest), "Leave out"),
        (cleo.clone(), "looks good"),
    ] {
        let (effects, task) = answer(&by, text);
        assert_eq!(effects, ["whisper"], "{text}");
        assert!(task.held_decisions.is_empty());
    }
    let (effects, included) = answer(&cleo, "Include");
    assert_eq!(effects, ["say", "say", "say", "mark"]);
    let last = included.plans.last().expect("a revision");
    assert_eq!(
        (last.number, last.plan.files.as_slice()),
        (2, &["server.js".to_owned()][..])
    );
    assert!(included.approval_holds() && included.may_leave(&CommitId("h1".into())));
    assert!(!included.may_leave(&CommitId("r1".into())));
    assert_eq!(
        included.held_decisions[0].digest,
        held_change().digest().expect("a digest")
    );
    let (effects, after) = answer(&cleo, "Include");
    assert_eq!(
        (effects, after.plans.len()),
        (vec!["whisper"], 2),
        "a second press changes nothing"
    );
}

#[test]
fn an_approval_is_for_the_network_that_was_shown_and_widening_does_not_touch_it() {
    let (mut task, _) = opened();
    let with = |fingerprint: &str| Surroundings {
        network: Some(NetworkTerms {
            fingerprint: fingerprint.into(),
            ..NetworkTerms::default()
        }),
        ..around()
    };
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
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
        said(ana(), "looks good"),
    ] {
        task.handle(&happened(event), &with("one"));
    }
    assert_eq!(task.terms.network_policy, "one");
    // The policy changed between the approval and the start: the plan is shown again, with the new one.
    task.handle(&happened(Event::SlotGranted), &with("two"));
    assert_eq!(task.state, State::AwaitingApproval { revision: 1 });
    task.handle(&happened(said(ana(), "looks good")), &with("two"));
    task.handle(&happened(Event::SlotGranted), &with("two"));
    let run = RunNumber(2);
    assert_eq!(task.state, State::Preparing { run });
    // Neither a change while the work goes on nor a decision about a host voids it.
    let refused = network::RefusedHost {
        host: "a.example".into(),
        port: 443,
        phase: "setup".into(),
        method: "CONNECT".into(),
        path: None,
        rule: "not listed".into(),
        command: None,
        count: 1,
    };
    let hosts = vec![refused];
    task.handle(
        &happened(Event::NetworkRefused { run, hosts }),
        &with("three"),
    );
    let allow = said(ana(), "allow a.example for this repository");
    let effects = task.handle(&happened(allow), &with("three"));
    assert!(matches!(effects.first(), Some(Effect::Widen { .. })));
    assert!(task.approval_holds());
    assert_eq!(task.terms.network_policy, "two");
}

#[test]
fn an_approval_does_not_cover_a_plan_that_changed_behind_it() {
    let (mut task, _) = opened();
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    let approved = said(ana(), "looks good");
    for event in to_the_first_end(planned).into_iter().chain([approved]) {
        task.handle(
            &Happened {
                at: Timestamp(1),
                event,
            },
            &around(),
        );
    }
    assert!(task.approval_holds());
    task.terms.budget = MicroDollars(99_000_000);
    assert!(!task.approval_holds());
    task.handle(
        &Happened {
            at: Timestamp(2),
            event: Event::SlotGranted,
        },
        &around(),
    );
    assert_eq!(task.state, State::AwaitingApproval { revision: 1 });
    assert_eq!(task.approval, None);
    assert!(!matches!(
        said(ana(), "stop"),
        Event::Said {
            command: Command::Words(_),
            ..
        }
    ));
}

#[test]
fn a_retry_after_a_void_approval_shows_the_plan_again() {
    let (mut task, _) = opened();
    let planned = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    task.handle(&happened(Event::SlotGranted), &around());
    let workplace = Ok(workplace());
    let context = vec![];
    task.handle(
        &happened(Event::Gathered {
            context,
            workplace,
            found_by: None,
            unread: Vec::new(),
        }),
        &around(),
    );
    let (run, ending) = (RunNumber(1), Box::new(planned));
    task.handle(&happened(Event::RunEnded { run, ending }), &around());
    task.handle(&happened(said(ana(), "looks good")), &around());
    let (run, commit) = (RunNumber(2), CommitId("c1".into()));
    task.state = State::Publishing { run, commit };
    task.terms.budget = MicroDollars(99_000_000);
    let problem = PublishProblem::ApprovalVoid;
    task.handle(&happened(Event::PublishRefused { run, problem }), &around());
    task.handle(&happened(Event::RetryAsked { by: ana() }), &around());
    task.handle(&happened(Event::SlotGranted), &around());
    assert_eq!(task.state, State::AwaitingApproval { revision: 1 });
}
