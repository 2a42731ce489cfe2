//! What the machine does in one situation each.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    budget::{MicroDollars, Usage},
    command::Command,
    conversation::{Person, Road, Standing},
    effect::{Assignment, Effect},
    event::{
        BaseStanding, Change, Ending, Event, Happened, Publication, PublishProblem, RunFailure,
        RunSpend,
    },
    kept::{Kept, Reached},
    message::{Decision, FailureText, Message},
    network::{self, NetworkTerms},
    plan::{Fingerprint, PlanRevision},
    policy::Policy,
    preferences::Origin,
    proof::CheckOutcome,
    specification::RepositoryName,
    task::{Next, State, Surroundings, Task},
};

#[test]
fn a_token_of_the_api_ends_a_task_whomever_the_policy_names_and_says_nothing_of_one_that_is_over() {
    let listed = Surroundings {
        policy: Policy {
            people: vec![ana().id],
            ..Policy::default()
        },
        ..around()
    };
    let by = person("ci", Standing::Member);
    let (mut task, _) = opened();
    let mut cancel = |road| {
        let by = by.clone();
        let event = Event::CancelAsked { by, road };
        let at = Timestamp(1);
        let effects = task.handle(&Happened { at, event }, &listed);
        (effects, task.state.name())
    };
    let (_, as_a_person) = cancel(Road::Button);
    assert_ne!(as_a_person, "canceled");
    let (effects, by_a_program) = cancel(Road::Api);
    assert_eq!(effects.first(), Some(&Effect::StopAll));
    assert_eq!(by_a_program, "canceled");
    assert_eq!(cancel(Road::Api), (Vec::new(), "canceled"));
}

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

#[test]
fn a_cancel_knows_what_was_handed_over_and_names_a_branch_that_may_have_been_pushed() {
    let (run, commit) = (RunNumber(2), CommitId("c1".into()));
    let failed = |retry| State::Failed {
        failure: FailureText::Proof {
            reason: "out of reach".into(),
        },
        retry,
    };
    let next = |assignment| Next::Run { assignment };
    for (state, reached) in [
        (State::Running { run }, None),
        (State::InReview { whole: true }, None),
        (failed(next(Assignment::Work)), None),
        (
            State::Verifying {
                run,
                commit: commit.clone(),
            },
            Some(Reached::Quarantine),
        ),
        (
            State::Publishing {
                run,
                commit: commit.clone(),
            },
            Some(Reached::Push),
        ),
        (failed(Next::Publish { run, commit }), Some(Reached::Push)),
    ] {
        let (mut task, _) = opened();
        task.state = state;
        let (by, road) = (ana(), Road::Button);
        task.handle(&happened(Event::CancelAsked { by, road }), &around());
        let handed = task.state.handed().map(|handed| handed.reached);
        assert_eq!(handed, reached, "{:?}", task.state);
        let stopped = Event::Stopped {
            confirmed: true,
            spent: Vec::new(),
            kept: Kept::Nothing,
        };
        let effects = task.handle(&happened(stopped), &around());
        let told = effects.iter().find_map(|effect| {
            let Effect::Say { message, .. } = effect else {
                return None;
            };
            match &**message {
                Message::Canceled { unsure_branch, .. } => Some(unsure_branch.clone()),
                _ => None,
            }
        });
        let branch = (reached == Some(Reached::Push)).then(|| task.branch());
        assert_eq!(told, Some(branch));
    }
}
