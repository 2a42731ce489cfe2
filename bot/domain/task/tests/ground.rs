//! What the tests of the machine begin with: people, plans, proofs, and everything that could happen to a task.

use crate::domain::{
    CommitId, RunNumber, TaskId, Timestamp,
    budget::{Ceilings, MicroDollars},
    command::{self, Options},
    conversation::{ConversationId, Line, LineRef, Person, PersonId, Road, Standing},
    effect::Effect,
    event::{
        AgentQuestion, BaseStanding, Change, Ending, Event, Happened, Publication, PublishProblem,
        ReactionMeaning, RunFailure, WorkplaceProblem,
    },
    held::{HeldChange, Hold, HoldReason},
    kept::Kept,
    plan::{Plan, Terms},
    policy::Policy,
    proof::{CheckOutcome, CheckResult, Proof},
    specification::{RepositoryName, Requirement, SpecificationDraft, Workplace},
    task::{FINISH, Opening, State, Surroundings, Task},
    waiting::PutOff,
};

pub(super) fn person(name: &str, standing: Standing) -> Person {
    Person {
        id: PersonId(format!("p:{name}")),
        name: name.to_owned(),
        standing,
    }
}

pub(super) fn ana() -> Person {
    person("ana", Standing::Member)
}

pub(super) fn said(author: Person, text: &str) -> Event {
    let (command, options) = command::parse(text);
    let line = Line::said(LineRef(format!("l:{text}")), author, text.to_owned());
    Event::Said {
        line,
        command,
        options,
        mentioned: false,
    }
}

pub(super) fn opened() -> (Task, Vec<Effect>) {
    let opening = Opening {
        id: TaskId("abc234".into()),
        conversation: ConversationId("c:1".into()),
        request: Line::said(LineRef("l:0".into()), ana(), "Fix the offset".into()),
        subject: None,
        guidance: Vec::new(),
        about: None,
        inquiry: None,
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
            work_ms: 60_000,
            rework_rounds: 1,
        },
    };
    Task::open(opening, Timestamp(0), &around())
}

pub(super) fn around() -> Surroundings {
    Surroundings {
        policy: Policy::default(),
        ahead: 0,
        network: None,
        work_ms: None,
    }
}

pub(super) fn specification() -> SpecificationDraft {
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

pub(super) fn plan() -> Plan {
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

pub(super) fn proof(commit: &str, outcome: CheckOutcome) -> Proof {
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

pub(super) fn workplace() -> Workplace {
    Workplace {
        repository: RepositoryName("acme/web".into()),
        base_branch: "main".into(),
        base_commit: CommitId("b1".into()),
        setup: None,
    }
}

pub(super) fn held_change() -> HeldChange {
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

/// A platform lets the work of a run wait, or the reading.
pub(super) fn put_off(run: Option<RunNumber>, until: i64) -> Event {
    Event::PutOff(PutOff {
        run,
        until: Timestamp(until),
        asked_by: Some("a forge".into()),
    })
}

/// The commit that is proved or published now, or any.
pub(super) fn at_work(task: &Task) -> &str {
    match &task.state {
        State::Verifying { commit, .. } | State::Publishing { commit, .. } => &commit.0,
        _ => "c1",
    }
}

/// Everything that could happen now: what people may always do, and what the world could send of the last run and of an older one.
pub(super) fn possible(task: &Task) -> Vec<Event> {
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
            by: ana(),
            question: task.questions,
            text: FINISH.into(),
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
            found_by: None,
            unread: Vec::new(),
        },
        Event::Gathered {
            context: vec![],
            workplace: Err(WorkplaceProblem::Unclear { known: vec![] }),
            found_by: None,
            unread: Vec::new(),
        },
        Event::PullRequestEnded {
            merged: true,
            by: "ana".into(),
        },
        Event::Stopped {
            confirmed: true,
            spent: Vec::new(),
            kept: Kept::Nothing,
        },
        Event::TakenUp,
        put_off(Some(task.last_run), 7),
        Event::EffectGivenUp {
            effect: "publishing".into(),
            reason: "down".into(),
        },
        Event::Unsaid {
            what: "The plan".into(),
            reason: "is_archived".into(),
        },
        Event::TimeLow,
        Event::TimeUp,
        Event::Unanswered {
            since: task.changed_at,
            left_ms: 1,
        },
        Event::WaitedTooLong {
            since: Some(task.changed_at),
            kept: Kept::Nothing,
        },
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
        let commit_of_run = commit.clone();
        let held = held_change();
        events.push(ended(Ending {
            change: Change::Held { held },
            ..Ending::default()
        }));
        if run == task.last_run {
            events.extend([
                ended(Ending {
                    change: commit_of_run.clone(),
                    failure: Some(RunFailure::OutOfWorkTime),
                    ..Ending::default()
                }),
                ended(Ending {
                    change: Change::Held {
                        held: held_change(),
                    },
                    failure: Some(RunFailure::OutOfWorkTime),
                    ..Ending::default()
                }),
                ended(Ending {
                    change: commit_of_run.clone(),
                    heard: vec![1],
                    ..Ending::default()
                }),
            ]);
        }
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

pub(super) fn happened(event: Event) -> Happened {
    Happened {
        at: Timestamp(1),
        event,
    }
}

/// The same so late that every ceiling of time is near or passed. What comes then comes early again: clocks are set back.
pub(super) fn happened_late(event: Event, task: &Task) -> Happened {
    let left = task.work_left_ms(Timestamp(1));
    let works = matches!(
        task.state,
        State::Planning { .. } | State::Preparing { .. } | State::Running { .. }
    );
    let late = match event {
        _ if !works => 0,
        Event::TimeLow => left - 1,
        Event::TimeUp => left.saturating_add(1_000_000),
        _ => 0,
    };
    Happened {
        at: Timestamp(1_i64.saturating_add(late.max(0))),
        event,
    }
}

/// What happens to a task that has just been opened, until its first run ends so.
pub(super) fn to_the_first_end(ending: Ending) -> [Event; 3] {
    [
        Event::SlotGranted,
        Event::Gathered {
            context: vec![],
            workplace: Ok(workplace()),
            found_by: None,
            unread: Vec::new(),
        },
        Event::RunEnded {
            run: RunNumber(1),
            ending: Box::new(ending),
        },
    ]
}

/// A task whose first plan waits for its approval.
pub(super) fn planned() -> Task {
    let (mut task, _) = opened();
    let ending = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    for event in to_the_first_end(ending) {
        task.handle(&happened(event), &around());
    }
    assert_eq!(task.state, State::AwaitingApproval { revision: 1 });
    task
}
