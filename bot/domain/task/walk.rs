//! Every sequence of events to depth six, from a mention on; no input or output, no time.
//!
//! The world beside the machine knows only what effects did to it: which run lives, what was approved, what was
//! pushed. After each event it is checked that both agree. Different ways to the same task are walked on once.

use std::collections::HashSet;

use super::*;
use crate::domain::{
    budget::MicroDollars,
    command::{self, Command},
    conversation::{LineRef, PersonId, Road, Standing},
    effect::Lane,
    event::{
        AgentQuestion, BaseStanding, Change, Ending, PublishProblem, ReactionMeaning, RunFailure,
        RunSpend, WorkplaceProblem,
    },
    held::{HeldChange, HeldVerdict, Hold, HoldReason},
    message::Decision,
    network,
    plan::Plan,
    proof::{CheckOutcome, CheckResult},
    specification::Requirement,
};

/// How long the sequences are.
const DEPTH: usize = 6;

fn person(name: &str, standing: Standing) -> Person {
    Person {
        id: PersonId(format!("p:{name}")),
        name: name.to_owned(),
        standing,
    }
}

fn ana() -> Person {
    person("ana", Standing::Member)
}

fn said(author: Person, text: &str) -> Event {
    let (command, options) = command::parse(text);
    let line = Line::said(LineRef(format!("l:{text}")), author, text.to_owned());
    Event::Said {
        line,
        command,
        options,
        mentioned: false,
    }
}

fn opened() -> (Task, Vec<Effect>) {
    let opening = Opening {
        id: TaskId("abc234".into()),
        conversation: ConversationId("c:1".into()),
        request: Line::said(LineRef("l:0".into()), ana(), "Fix the offset".into()),
        subject: None,
        options: Options::default(),
        terms: Terms {
            agent: "goose".into(),
            model: None,
            budget: MicroDollars(10_000_000),
            network_policy: "1".into(),
        },
        ceilings: Ceilings {
            spend: MicroDollars(10_000_000),
            run_ms: 60_000,
            rework_rounds: 1,
        },
    };
    Task::open(opening, Timestamp(0), &around())
}

fn around() -> Surroundings {
    Surroundings {
        policy: Policy::default(),
        ahead: 0,
        network: None,
    }
}

fn specification() -> SpecificationDraft {
    SpecificationDraft {
        title: "Fix".into(),
        goal: "It works".into(),
        requirements: vec![Requirement {
            id: "R1".into(),
            text: "works".into(),
            check: Some("npm test".into()),
        }],
        checks: vec![],
        out_of_scope: vec![],
        pages: vec![],
        start: None,
        setup: None,
    }
}

fn plan() -> Plan {
    Plan {
        steps: vec!["mend".into()],
        files: vec![],
        checks: vec![],
        risks: vec![],
        cost_usd: None,
        network: vec![],
        reason: None,
    }
}

fn proof(commit: &str, outcome: CheckOutcome) -> Proof {
    let check = CheckResult {
        command: "npm test".into(),
        outcome,
        before: None,
        tail: String::new(),
        elapsed_ms: 1,
    };
    Proof {
        commit: CommitId(commit.into()),
        checks: vec![check],
        weakenings: vec![],
        pictures: vec![],
        files: vec![],
        notices: vec![],
    }
}

fn workplace() -> Workplace {
    Workplace {
        repository: RepositoryName("acme/web".into()),
        base_branch: "main".into(),
        base_commit: CommitId("b1".into()),
        setup: None,
    }
}

fn held_change() -> HeldChange {
    HeldChange {
        commit: CommitId("h1".into()),
        rest: Some(CommitId("r1".into())),
        holds: vec![Hold {
            path: "server.js".into(),
            content: "1".into(),
            reasons: vec![HoldReason::OutOfScope],
            diff: String::new(),
            is_cut: false,
        }],
    }
}

/// The commit that is proved or published now, or any.
fn at_work(task: &Task) -> &str {
    match &task.state {
        State::Verifying { commit, .. } | State::Publishing { commit, .. } => &commit.0,
        _ => "c1",
    }
}

/// Everything that could happen now: what people may always do, and what the world could send of the last run and of an older one.
fn possible(task: &Task) -> Vec<Event> {
    let revision = task.plans.last().map_or(1, |last| last.number);
    let mut events = vec![
        said(ana(), "also add a test"),
        said(ana(), "looks good"),
        said(ana(), "now: use the other file"),
        said(person("eve", Standing::Outsider), "approve"),
        Event::Approved {
            by: ana(),
            revision,
            road: Road::Button,
        },
        Event::Approved {
            by: person("eve", Standing::Guest),
            revision,
            road: Road::Button,
        },
        Event::Approved {
            by: ana(),
            revision: revision + 1,
            road: Road::Button,
        },
        Event::Corrected {
            by: ana(),
            revision,
            text: "smaller".into(),
        },
        Event::Reacted {
            by: ana(),
            meaning: ReactionMeaning::Approve,
            revision: Some(revision),
        },
        Event::CancelAsked {
            by: ana(),
            road: Road::Reaction,
        },
        Event::RetryAsked { by: ana() },
        Event::Answered {
            by: ana(),
            question: task.questions,
            text: "acme/web".into(),
        },
        Event::Answered {
            by: ana(),
            question: task.questions,
            text: "Include".into(),
        },
        Event::Answered {
            by: ana(),
            question: task.questions,
            text: "Leave out".into(),
        },
        Event::Answered {
            by: person("eve", Standing::Guest),
            question: task.questions,
            text: "Include".into(),
        },
        Event::RepositoryChosen {
            by: ana(),
            repository: RepositoryName("acme/api".into()),
        },
        Event::SlotGranted,
        Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
        },
        Event::Gathered {
            context: vec![],
            workplace: Err(WorkplaceProblem::Unclear { known: vec![] }),
        },
        Event::PullRequestEnded {
            merged: true,
            by: "ana".into(),
        },
        Event::Stopped {
            confirmed: true,
            spent: Vec::new(),
        },
        Event::EffectGivenUp {
            effect: "publishing".into(),
            reason: "down".into(),
        },
        Event::TakenUp,
        Event::WaitedTooLong,
    ];
    for run in [task.last_run, RunNumber(task.last_run.0.saturating_sub(1))] {
        let ended = |ending: Ending| Event::RunEnded {
            run,
            ending: Box::new(ending),
        };
        let commit = Change::Commit {
            commit: CommitId("c1".into()),
            files: vec![],
            notices: vec![],
        };
        let held = held_change();
        events.push(ended(Ending {
            change: Change::Held { held },
            ..Ending::default()
        }));
        events.extend([
            Event::RunStarted { run },
            ended(Ending {
                specification: Some(specification()),
                plan: Some(plan()),
                ..Ending::default()
            }),
            ended(Ending {
                question: Some(AgentQuestion {
                    question: "which?".into(),
                    choices: vec![],
                }),
                session: Some("s".into()),
                ..Ending::default()
            }),
            ended(Ending {
                change: commit,
                ..Ending::default()
            }),
            ended(Ending {
                failure: Some(RunFailure::OutOfBudget),
                ..Ending::default()
            }),
            ended(Ending {
                failure: Some(RunFailure::KeyRefused),
                ..Ending::default()
            }),
            Event::Proved {
                run,
                proof: Box::new(proof(at_work(task), CheckOutcome::Passed)),
            },
            Event::Proved {
                run,
                proof: Box::new(proof(at_work(task), CheckOutcome::Failed { status: 1 })),
            },
            Event::ProofFailed {
                run,
                reason: "the engine is gone".into(),
            },
            Event::Published {
                run,
                publication: Publication {
                    commit: CommitId(at_work(task).into()),
                    branch: task.branch(),
                    pull_request: None,
                    base: BaseStanding::Same,
                },
            },
            Event::PublishRefused {
                run,
                problem: PublishProblem::BranchMoved,
            },
        ]);
    }
    events
}

/// What the world has seen so far, by effects alone.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct World {
    live: Option<RunNumber>,
    started: Vec<RunNumber>,
    is_canceled: bool,
    heard_but_not_told: usize,
}

impl World {
    fn see(&mut self, before: &Task, event: &Event, after: &Task, effects: &[Effect]) {
        if let Event::RunEnded { run, .. } = event
            && self.live == Some(*run)
        {
            self.live = None;
        }
        for effect in effects {
            match effect {
                Effect::StartRun { run, assignment } => {
                    assert_eq!(self.live, None, "two live runs");
                    assert!(!self.started.contains(run), "a run number was used twice");
                    assert!(!self.is_canceled, "a run after a cancel");
                    if assignment.changes_files() {
                        assert!(
                            after.approval.is_some(),
                            "the workspace would change before an approval is stored"
                        );
                    }
                    self.live = Some(*run);
                    self.started.push(*run);
                }
                Effect::StopAll => self.live = None,
                Effect::Prove { commit, .. } | Effect::Publish { commit, .. } => {
                    assert!(!self.is_canceled, "work after a cancel");
                    assert!(after.may_leave(commit), "{commit:?} was not decided on");
                    if commit.0 != "c1" {
                        let decided = after
                            .held_decisions
                            .iter()
                            .find(|decision| decision.commit == *commit);
                        let decided =
                            decided.expect("a held change leaves without a stored decision");
                        assert_eq!(decided.by.standing, Standing::Member);
                        let is_whole = matches!(decided.verdict, HeldVerdict::Included { .. });
                        assert_eq!(is_whole, commit.0 == "h1", "what was left out leaves");
                    }
                    assert!(
                        after.approval.is_some(),
                        "something leaves before an approval is stored"
                    );
                }
                Effect::Steer { run, .. } => {
                    assert_eq!(self.live, Some(*run), "a run that is not live is steered");
                }
                Effect::Say { .. }
                | Effect::Whisper { .. }
                | Effect::Mark { .. }
                | Effect::Hear { .. }
                | Effect::Gather
                | Effect::ShowPictures { .. }
                | Effect::Widen { .. }
                | Effect::OpenForm { .. }
                | Effect::Release => {}
            }
        }
        if self.is_canceled {
            let only_words = effects
                .iter()
                .all(|effect| effect.lane() != Lane::Work || *effect == Effect::Release);
            assert!(only_words, "work after a cancel: {effects:?}");
        }
        self.is_canceled |= matches!(after.state, State::Canceled { .. });
        self.agree(before, event, after, effects);
    }

    fn agree(&self, before: &Task, event: &Event, after: &Task, effects: &[Effect]) {
        if matches!(
            after.state,
            State::Planning { .. } | State::Preparing { .. } | State::Running { .. }
        ) {
            assert_eq!(
                self.live,
                after.state.live_run(),
                "world and task disagree on the live run"
            );
        } else {
            assert_eq!(
                self.live, None,
                "a run lives that the task does not know of: {:?}",
                after.state
            );
        }
        if let Event::Said { line, command, .. } = event
            && line.author.standing == Standing::Member
        {
            assert!(
                !effects.is_empty(),
                "somebody was ignored: {command:?} in {}",
                before.state.name()
            );
        }
        let waits = |task: &Task, line: &LineRef| {
            task.waiting
                .iter()
                .any(|waiting| &waiting.reference == line)
        };
        for line in &before.waiting {
            let is_taken = effects
                .iter()
                .any(|effect| matches!(effect, Effect::StartRun { .. } | Effect::StopAll))
                || after
                    .context
                    .iter()
                    .any(|known| known.reference == line.reference)
                || matches!(
                    &after.state,
                    State::Queued {
                        next: Next::Run { .. }
                    }
                );
            assert!(
                waits(after, &line.reference) || is_taken,
                "a queued message was lost at {event:?} in {}",
                before.state.name()
            );
        }
        if before.approval.is_none()
            && let Some(approval) = &after.approval
        {
            assert_eq!(
                approval.by.standing,
                Standing::Member,
                "somebody approved who may not"
            );
            assert!(after.approval_holds(), "an approval that binds to nothing");
        }
    }
}

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
                    serde_json::to_string(&after).expect("a task can be stored"),
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

fn step(task: &Task, world: &World, event: &Event) -> (Task, World) {
    let (mut after, mut beside) = (task.clone(), world.clone());
    let effects = after.handle(&happened(event.clone()), &around());
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
    assert_eq!(task, before);
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
        Event::Gathered { context, workplace },
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
        Event::Gathered { context, workplace },
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
            workplace: Ok(workplace())
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
    for event in [
        Event::SlotGranted,
        Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
        },
        Event::RunEnded {
            run: RunNumber(1),
            ending: Box::new(planned),
        },
        said(ana(), "looks good"),
    ] {
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
    task.handle(&happened(Event::Gathered { context, workplace }), &around());
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

fn happened(event: Event) -> Happened {
    Happened {
        at: Timestamp(1),
        event,
    }
}
