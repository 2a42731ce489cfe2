//! Every message that there is, filled with what a model could write to do harm.

use super::{nasty_notes::notes, samples::*};
use crate::domain::{
    CommitId, Timestamp,
    conversation::LineKind,
    edit::{Proposal, ProposalCard, ProposalStanding, RequestChange, Settlement},
    event::{BaseStanding, DiskWall, PublishProblem, RunFailure, WorkplaceProblem},
    held::{HeldChange, Hold, HoldReason},
    inquiry::{Answer, AnswerCard, Purpose, Source},
    message::{Checking, Decision, FailureText, Live, Message, Phase, Progress, QuestionText},
    proof::{CheckOutcome, Weakening},
    specification::{RepositoryName, Requirement, Workplace},
    waiting::{Made, PutOff},
};

/// What a model could write to do harm: it calls everybody, breaks out of its place, links, and goes on for long.
pub(super) const NASTY: &str = "<!channel> @here ```\n# Heading\n[click](https://evil.example) <@U1> `open **bold\n- ❌ item | cell\n";

pub(super) fn long(number: usize) -> String {
    format!("{number} {}", "many words ".repeat(50))
}

pub(super) fn nasty_plan() -> Message {
    let mut card = plan_card();
    card.specification.title = NASTY.into();
    card.specification.goal = NASTY.repeat(20);
    card.specification.requirements = (0..20)
        .map(|n| Requirement {
            id: format!("R{n}"),
            text: NASTY.into(),
            check: Some(NASTY.into()),
        })
        .collect();
    card.specification.out_of_scope = (0..20).map(|_| NASTY.to_owned()).collect();
    card.plan.steps = (0..30).map(|n| format!("{NASTY}{}", long(n))).collect();
    card.plan.files = (0..30).map(long).collect();
    card.plan.checks = (0..30).map(long).collect();
    card.plan.risks = (0..30).map(long).collect();
    card.plan.network = (0..30).map(long).collect();
    card.plan.reason = Some(NASTY.into());
    card.revision = 2;
    Message::PlanCard(Box::new(card))
}

pub(super) fn nasty_result() -> Message {
    let mut proof = proof();
    proof.checks = (0..20)
        .map(|n| {
            check(
                &long(n),
                CheckOutcome::CouldNotRun {
                    reason: NASTY.into(),
                },
                &NASTY.repeat(100),
            )
        })
        .collect();
    proof.weakenings = (0..40)
        .map(|_| Weakening {
            path: NASTY.into(),
            what: NASTY.into(),
            excerpt: NASTY.into(),
            command: None,
        })
        .collect();
    proof.notices = (0..40).map(long).collect();
    let mut card = result_card(&proof);
    card.title = NASTY.into();
    for one in &mut card.requirements {
        one.text = NASTY.repeat(30);
        one.evidence = NASTY.repeat(30);
    }
    card.not_done = (0..40).map(|n| format!("{NASTY}{}", long(n))).collect();
    card.publication.base = BaseStanding::Conflicts {
        files: (0..40).map(long).collect(),
    };
    Message::Result(Box::new(card))
}

/// Answers that are long, rude, and full of what would be something outside of words.
pub(super) fn nasty_answers() -> Vec<Message> {
    let source = |path: &str| Source {
        path: path.into(),
        first_line: Some(1),
        last_line: Some(u32::MAX),
    };
    let texts = [
        NASTY.to_owned(),
        format!("{NASTY}\n").repeat(3_000),
        format!("```\n{NASTY}"),
        "x".repeat(60_000),
    ];
    texts
        .map(|text| {
            Message::Answer(Box::new(AnswerCard {
                answer: Answer {
                    text,
                    sources: (0..40).map(|_| source(NASTY)).collect(),
                    pages: Some("https://git.example.com/acme/web/blob/3f9a1c0de7/".into()),
                },
                workplace: workplace(),
                agent: NASTY.into(),
                model: Some(NASTY.into()),
                usage: usage(),
                elapsed_ms: 1,
                beside: false,
                asks: person(NASTY),
            }))
        })
        .into()
}

fn progresses() -> Vec<Message> {
    let live = Live {
        step: NASTY.into(),
        last_command: Some(NASTY.into()),
        elapsed_ms: 1,
        heartbeat_age_ms: 1,
        steps: None,
        list: Vec::new(),
        trouble: None,
    };
    let phases = [
        Phase::Queued { ahead: 0 },
        Phase::Queued { ahead: 1 },
        Phase::Reading,
        Phase::Planning,
        Phase::Answering,
        Phase::Planned,
        Phase::Preparing,
        Phase::Working,
        Phase::Reworking { round: 1 },
        Phase::Verifying,
        Phase::Publishing,
        Phase::Waiting,
        Phase::Over { how: "done".into() },
        Phase::Over {
            how: "failed".into(),
        },
        Phase::Over {
            how: "cancelled".into(),
        },
        Phase::Over {
            how: "expired".into(),
        },
        Phase::Over {
            how: "answered".into(),
        },
    ];
    let workplace = Workplace {
        base_branch: "main".into(),
        ..workplace()
    };
    phases
        .map(|phase| {
            Message::Progress(Progress {
                phase,
                purpose: Purpose::Inquiry,
                title: Some(NASTY.into()),
                workplace: Some(workplace.clone()),
                steps: vec![NASTY.into()],
                live: Some(live.clone()),
                checking: Some(Checking::Setup {
                    command: NASTY.into(),
                }),
                put_off: Some(PutOff {
                    run: None,
                    until: Timestamp(0),
                    asked_by: Some(NASTY.into()),
                }),
                taken_up: true,
                spent: usage(),
            })
        })
        .into()
}

fn questions() -> Vec<Message> {
    let repository = || RepositoryName("acme/web".into());
    let known = || {
        (0..200)
            .map(|n| RepositoryName(format!("acme/{}-{n}", "x".repeat(90))))
            .collect::<Vec<_>>()
    };
    let problems = [
        WorkplaceProblem::Unclear { known: known() },
        WorkplaceProblem::NotFound {
            repository: repository(),
            known: known(),
        },
        WorkplaceProblem::Empty {
            repository: repository(),
        },
        WorkplaceProblem::NoSuchBranch {
            repository: repository(),
            branch: NASTY.into(),
            near: vec![NASTY.into(); 50],
        },
        WorkplaceProblem::Unreachable {
            repository: repository(),
            reason: NASTY.into(),
        },
        WorkplaceProblem::NoSuchAgent {
            agent: NASTY.into(),
            known: vec![],
        },
    ];
    let texts = problems
        .map(|problem| QuestionText::Workplace { problem })
        .into_iter()
        .chain([
            QuestionText::Check,
            QuestionText::Agent {
                question: NASTY.repeat(500),
            },
            QuestionText::Budget {
                spent: usage(),
                ceiling: usage().cost.unwrap_or_default(),
                purpose: Purpose::Inquiry,
            },
            QuestionText::Held {
                held: Box::new(everything_held()),
            },
        ])
        .chain(
            [
                Made::Plan,
                Made::Nothing,
                Made::Change { files: 1 },
                Made::Held { files: 2 },
                Made::Refused {
                    reason: NASTY.repeat(50),
                },
            ]
            .map(|made| QuestionText::Time {
                ceiling_ms: 1,
                made,
            }),
        );
    texts
        .flat_map(|text| {
            let open = question(text, &[NASTY]);
            let mut answered = open.clone();
            answered.answered = Some((person(NASTY), NASTY.repeat(50)));
            let mut closed = open.clone();
            closed.is_closed = true;
            [open, answered, closed].map(Message::Question)
        })
        .collect()
}

fn everything_held() -> HeldChange {
    let nasty = || NASTY.repeat(200);
    let reasons = vec![
        HoldReason::OutOfScope,
        HoldReason::LinkOut { target: nasty() },
        HoldReason::Submodule,
        HoldReason::Workflow,
        HoldReason::CodeOwners,
        HoldReason::GitSettings,
        HoldReason::Hook,
        HoldReason::AgentRules,
        HoldReason::Environment,
        HoldReason::LargeFilePointer,
        HoldReason::LargeFile { bytes: 21_000_000 },
        HoldReason::DeceivingName { why: nasty() },
        HoldReason::Collision { with: nasty() },
        HoldReason::SecretFile,
        HoldReason::Secret {
            rule: nasty(),
            line: 3,
            masked: nasty(),
            mark: nasty(),
        },
        HoldReason::OwnSecret { line: 0 },
        HoldReason::NotSearched { bytes: 1 },
    ];
    let hold = Hold {
        path: nasty(),
        content: "0".into(),
        reasons,
        diff: nasty(),
        is_cut: true,
    };
    HeldChange {
        commit: CommitId("h1".into()),
        rest: None,
        holds: vec![hold; 100],
    }
}

fn failures() -> Vec<Message> {
    let nasty = || NASTY.repeat(200);
    let runs = [
        RunFailure::DidNotStart { detail: nasty() },
        RunFailure::KeyRefused,
        RunFailure::OutOfCredit,
        RunFailure::RateLimited,
        RunFailure::Overloaded,
        RunFailure::Nonsense { detail: nasty() },
        RunFailure::TooMuchOutput,
        RunFailure::Died {
            detail: nasty(),
            out_of_memory: false,
        },
        RunFailure::OutOfDisk {
            wall: DiskWall::Bytes { limit: 10 << 30 },
        },
        RunFailure::OutOfDisk {
            wall: DiskWall::Files { limit: 1_000_000 },
        },
        RunFailure::OutOfDisk {
            wall: DiskWall::Host,
        },
        RunFailure::OutOfTime,
        RunFailure::Silent,
        RunFailure::OutOfBudget,
        RunFailure::NothingHandedOver,
        RunFailure::SandboxLost,
        RunFailure::EngineLost,
        RunFailure::Other { detail: nasty() },
    ];
    let publish = [
        PublishProblem::Refused { reason: nasty() },
        PublishProblem::BranchMoved,
        PublishProblem::NoAccess,
        PublishProblem::PullRequestRefused { reason: nasty() },
        PublishProblem::ApprovalVoid,
        PublishProblem::Undecided {
            paths: vec![nasty(); 20],
        },
    ];
    let texts = runs
        .map(|failure| FailureText::Run {
            phase: Phase::Planning,
            failure,
            closing_words: nasty(),
        })
        .into_iter();
    let texts = texts
        .chain(publish.map(|problem| FailureText::Publish { problem }))
        .chain([
            FailureText::NothingChanged {
                closing_words: nasty(),
            },
            FailureText::ChangeRefused { reason: nasty() },
            FailureText::Proof { reason: nasty() },
            FailureText::GivenUp {
                effect: nasty(),
                reason: nasty(),
            },
        ]);
    texts.map(|text| Message::Failed(failure(text))).collect()
}

fn proposals() -> Vec<Message> {
    let edited = RequestChange::Edited {
        by: person(NASTY),
        before: NASTY.repeat(200),
        now: NASTY.repeat(200),
        of: LineKind::Issue,
    };
    let settled = |settlement| ProposalStanding::Settled {
        by: person(NASTY),
        settlement,
        at: Timestamp(1),
    };
    let mut all = Vec::new();
    for change in [
        edited,
        RequestChange::Deleted {
            of: LineKind::Issue,
        },
        RequestChange::Deleted { of: LineKind::Talk },
    ] {
        for standing in [
            ProposalStanding::Open,
            settled(Settlement::Take),
            settled(Settlement::Leave),
            settled(Settlement::Cancel),
            settled(Settlement::Keep),
            ProposalStanding::Replaced,
            ProposalStanding::Withdrawn,
        ] {
            let proposal = Proposal {
                number: 1,
                change: change.clone(),
                standing,
            };
            all.push(Message::Proposal(Box::new(ProposalCard {
                proposal,
                title: NASTY.into(),
                asks: person(NASTY),
            })));
        }
    }
    all
}

pub(super) fn everything() -> Vec<Message> {
    let mut decided = Vec::new();
    for decision in [
        Decision::Approved {
            by: person(NASTY),
            at: Some(Timestamp(1)),
        },
        Decision::Superseded,
        Decision::Withdrawn,
    ] {
        let mut card = plan_card();
        card.decision = decision;
        card.described_by = vec!["Mallory <!channel>".into()];
        decided.push(Message::PlanCard(Box::new(card)));
    }
    [
        vec![nasty_plan(), nasty_result()],
        nasty_answers(),
        decided,
        progresses(),
        questions(),
        failures(),
        notes(),
        proposals(),
    ]
    .concat()
}
