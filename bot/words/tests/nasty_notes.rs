//! What is said in passing and what answers one person, filled with what a model could write to do harm.

use super::{TASK_URL, nasty::NASTY, samples::*};
use crate::domain::{
    Timestamp,
    attachment::{Refused, Unfit, UnreadLink, WhyUnread},
    budget::MicroDollars,
    command::UnknownOption,
    conversation::Road,
    event::FilingProblem,
    feedback::Opinion,
    inquiry::Purpose,
    kept::Kept,
    message::{
        AppliedTerms, Because, LimitsCard, Message, QuestionText, SettingsCard, TaskLine, Used,
        WhyCard,
    },
    network::{NetworkTerms, Verdict},
    plan_edit::{EditRefusal, PlanEdit},
    policy::{Act, Refusal, Right, Who},
    preferences::{Noise, Preferences, PreferencesOf},
    specification::RepositoryName,
    waiting::{Asked, Reminder, TimeNote},
};

pub(super) fn notes() -> Vec<Message> {
    let task = TaskLine {
        id: "k7f3".into(),
        title: NASTY.into(),
        stands: NASTY.into(),
        url: TASK_URL.into(),
        needs: Some(NASTY.into()),
    };
    let mut notes = vec![
        Message::Canceled {
            by: person(NASTY),
            road: Road::Signal,
            confirmed: false,
            pushed_branch: Some(NASTY.into()),
            unsure_branch: Some(NASTY.into()),
            kept: Kept::Lost,
            purpose: Purpose::Inquiry,
        },
        Message::PullRequestEnded {
            merged: false,
            by: NASTY.into(),
        },
        Message::Expired {
            asked: None,
            pushed_branch: None,
            kept: Kept::Lost,
        },
        Message::StaleApproval {
            seen: 1,
            current: Some(2),
        },
        Message::StaleApproval {
            seen: 1,
            current: None,
        },
        Message::NothingToDo {
            stands: NASTY.into(),
            wanted: "go on".into(),
            purpose: Purpose::Inquiry,
        },
        Message::OptionHints {
            unknown: vec![
                UnknownOption {
                    written: NASTY.into(),
                    hint: NASTY.into()
                };
                50
            ],
        },
        Message::EditTaken {
            purpose: Purpose::Inquiry,
        },
        Message::Settings(Box::new(SettingsCard {
            mine: nasty_preferences(),
            place: Some("slack:T1:C1".into()),
            here: nasty_preferences(),
            agent: NASTY.into(),
            may_change: true,
        })),
        Message::SettingsKept {
            of: PreferencesOf::Place("slack:T1:C1".into()),
            preferences: nasty_preferences(),
        },
        Message::FilesRefused {
            files: vec![
                Refused {
                    name: NASTY.into(),
                    why: Unfit::TooMany,
                };
                50
            ],
        },
        Message::LinksUnread {
            links: vec![
                UnreadLink {
                    link: NASTY.into(),
                    why: WhyUnread::NotForAll
                };
                50
            ],
        },
        Message::EditRefused {
            why: Box::new(EditRefusal::Stale {
                seen: 1,
                current: Some(2),
                edit: PlanEdit {
                    steps: vec![NASTY.into()],
                    ..PlanEdit::default()
                },
            }),
        },
        Message::Thanks {
            opinion: Opinion::Bad,
            changed: true,
            purpose: Purpose::Inquiry,
        },
        Message::PlaceLost { by: person(NASTY) },
        Message::IssueFiled {
            name: NASTY.into(),
            url: TASK_URL.into(),
        },
        Message::EditFenced {
            by: person(NASTY),
            strangers: vec![NASTY.into(); 50],
        },
        Message::NothingAsked,
        Message::NothingToAnswer,
        Message::Help,
        nasty_why(),
        nasty_limits(),
        Message::Experts {
            agents: vec![NASTY.into(); 50],
        },
        Message::Requested {
            by: person(NASTY),
            text: NASTY.repeat(100),
        },
        Message::CannotPost {
            text: NASTY.repeat(100),
        },
        Message::AlreadyAsked { task: task.clone() },
        Message::TaskList { tasks: vec![] },
        Message::TaskList {
            tasks: vec![task; 500],
        },
        Message::NotHandled {
            reference: NASTY.into(),
        },
        Message::Unreadable {
            asks: person(NASTY).id,
            reference: NASTY.into(),
        },
        Message::GivenUp {
            effect: NASTY.into(),
            reason: NASTY.into(),
        },
    ];
    let asked = [
        Asked::Plan {
            revision: 2,
            title: NASTY.repeat(50),
        },
        Asked::Question(Box::new(question(
            QuestionText::Agent {
                question: NASTY.repeat(500),
            },
            &[NASTY, NASTY],
        ))),
    ];
    notes.extend(asked.into_iter().flat_map(|asked| {
        let reminder = Reminder {
            asked: asked.clone(),
            left_ms: 1,
            asks: person(NASTY),
        };
        let expired = Message::Expired {
            asked: Some(asked),
            pushed_branch: Some(NASTY.into()),
            kept: Kept::Nothing,
        };
        [Message::Reminder(reminder), expired]
    }));
    notes.extend([true, false].map(|plans| {
        Message::TimeLow(TimeNote {
            left_ms: 1,
            ceiling_ms: 1,
            plans,
            purpose: Purpose::Inquiry,
        })
    }));
    for problem in [
        FilingProblem::NotSetUp,
        FilingProblem::NoSuchTeam {
            team: NASTY.into(),
            known: vec![NASTY.into(); 10],
        },
        FilingProblem::NoSuchTeam {
            team: NASTY.into(),
            known: vec![],
        },
        FilingProblem::WhichTeam {
            known: vec![NASTY.into(); 10],
        },
        FilingProblem::WhichTeam { known: vec![] },
        FilingProblem::BeingMade,
        FilingProblem::Refused {
            reason: NASTY.repeat(100),
        },
    ] {
        notes.push(Message::IssueNotFiled { problem });
    }
    for act in [
        Act::Start,
        Act::Steer,
        Act::FileIssue,
        Act::Approve,
        Act::Cancel,
        Act::WidenNetwork,
    ] {
        notes.extend(
            [
                Refusal::NotAMember,
                Refusal::NotListed,
                Refusal::OwnRequest,
                Refusal::Elsewhere,
            ]
            .map(|refusal| Message::NotAllowed { act, refusal }),
        );
    }
    notes
}

fn nasty_preferences() -> Preferences {
    Preferences {
        repository: Some(RepositoryName(NASTY.into())),
        agent: Some(NASTY.into()),
        noise: Noise::Quiet,
    }
}

fn nasty_why() -> Message {
    let right = |act| Right {
        act,
        who: Who::People(500),
        needs_another: true,
        refused: Some(Refusal::Elsewhere),
    };
    Message::Why(Box::new(WhyCard {
        rights: [Act::Start, Act::Approve, Act::WidenNetwork, Act::Rate]
            .map(right)
            .into(),
        people: vec![NASTY.into(); 8],
        terms: Some(Box::new(AppliedTerms {
            task: Some(NASTY.into()),
            repository: Some((RepositoryName(NASTY.into()), Because::Said)),
            base: Some((NASTY.into(), "3f9a1c0de7".into())),
            agent: (NASTY.into(), Because::Unset),
            model: Some((NASTY.into(), Because::Installation)),
            budget: (MicroDollars(5_000_000), Because::Said),
            work_ms: Some((14_400_000, Because::Repository)),
            network: Some(NetworkTerms {
                summary: vec![NASTY.into(); 200],
                ..NetworkTerms::default()
            }),
            has_policy: true,
            decided: vec![(NASTY.into(), Verdict::Never, NASTY.into()); 60],
            approved: Some((2, NASTY.into(), Timestamp(0))),
        })),
    }))
}

fn nasty_limits() -> Message {
    Message::Limits(Box::new(LimitsCard {
        used: Some(Used {
            task: NASTY.into(),
            spent: usage(),
            worked_ms: i64::MAX,
            rework_rounds: 2,
            waiting: 50,
        }),
        spend: (MicroDollars(i64::MAX), Because::Said),
        work_ms: None,
        run_ms: i64::MAX,
        check_ms: i64::MAX,
        silence_ms: i64::MAX,
        wait_ms: i64::MAX,
        remind_ms: Some(i64::MAX),
        rework_rounds: 2,
        at_once: u32::MAX,
        at_work: u32::MAX,
        in_line: u32::MAX,
        memory_bytes: u64::MAX,
        processors: 0.5,
        disk_bytes: u64::MAX,
        refused: Some(Refusal::NotListed),
    }))
}
