//! Questions that are only answered: their short road, and what can never come of one.

use std::collections::HashSet;

use super::ground::*;
use crate::domain::{
    RunNumber,
    conversation::{LineKind, Standing, Taken},
    effect::{Assignment, Effect, Mark, Slot},
    event::{AgentQuestion, Ending, Event, RunFailure},
    inquiry::{Answer, Inquiry, Purpose, Source},
    message::Message,
    task::{Next, State, Task, WorkTime},
};

fn asked() -> Task {
    let mut task = opened().0;
    task.inquiry = Some(Inquiry::default());
    task
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        sources: vec![Source {
            path: "lib/users.js".into(),
            first_line: Some(3),
            last_line: None,
        }],
        pages: None,
    }
}

fn answered(text: &str) -> Ending {
    Ending {
        answer: Some(answer(text)),
        elapsed_ms: 1_000,
        ..Ending::default()
    }
}

fn ended(run: u32, ending: Ending) -> Event {
    Event::RunEnded {
        run: RunNumber(run),
        ending: Box::new(ending),
    }
}

fn told(task: &mut Task, event: Event) -> Vec<Effect> {
    task.handle(&happened(event), &around())
}

/// A question that is looked up.
fn looked_up() -> Task {
    let mut task = asked();
    for event in to_the_first_end(Ending::default()).into_iter().take(2) {
        told(&mut task, event);
    }
    assert_eq!(task.state, State::Planning { run: RunNumber(1) });
    task
}

#[test]
fn a_question_ends_with_its_answer_and_frees_what_it_used() {
    let mut task = asked();
    let effects: Vec<Effect> = to_the_first_end(answered("In the guard."))
        .into_iter()
        .flat_map(|event| told(&mut task, event))
        .collect();
    let first = Effect::StartRun {
        run: RunNumber(1),
        assignment: Assignment::Inquire { added: vec![] },
    };
    assert!(effects.contains(&first));
    let card = effects.iter().find_map(|effect| match effect {
        Effect::Say {
            slot: Slot::Answer(RunNumber(1)),
            message,
        } => match message.as_ref() {
            Message::Answer(card) => Some(card),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(card.map(|card| card.elapsed_ms), Some(1_000));
    assert!(effects.contains(&Effect::Release));
    let mark = Mark::Answered;
    assert!(effects.contains(&Effect::Mark { mark }));
    assert_eq!(
        (task.state.name(), task.in_words()),
        ("completed", "was answered")
    );
    assert!(task.state.is_over() && !task.state.holds_slot());
}

#[test]
fn what_is_said_meanwhile_is_answered_with_it_and_only_one_answer_is_said() {
    let mut task = looked_up();
    let heard = told(&mut task, said(ana(), "and who calls it?"));
    assert!(matches!(heard[..], [Effect::Hear { .. }]));
    let effects = told(&mut task, ended(1, answered("In the guard.")));
    let again = Effect::StartRun {
        run: RunNumber(2),
        assignment: Assignment::Inquire {
            added: vec!["ana: and who calls it?".into()],
        },
    };
    assert!(effects.contains(&again), "{effects:?}");
    assert!(!effects.iter().any(is_answer));
    // What broke off is asked again with everything that was said.
    let failure = Some(RunFailure::Overloaded);
    told(
        &mut task,
        ended(
            2,
            Ending {
                failure,
                ..Ending::default()
            },
        ),
    );
    assert!(matches!(
        &task.state,
        State::Failed {
            retry: Next::Run { .. },
            ..
        }
    ));
    told(&mut task, said(ana(), "in the worker, too"));
    let effects = told(&mut task, Event::SlotGranted);
    let third = Effect::StartRun {
        run: RunNumber(3),
        assignment: Assignment::Inquire {
            added: vec![
                "ana: and who calls it?".into(),
                "ana: in the worker, too".into(),
            ],
        },
    };
    assert!(effects.contains(&third), "{effects:?}");
    let effects = told(&mut task, ended(3, answered("The guard and the worker.")));
    assert_eq!(effects.iter().filter(|effect| is_answer(effect)).count(), 1);
}

fn is_answer(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Say {
            slot: Slot::Answer(_),
            ..
        }
    )
}

#[test]
fn who_ends_without_an_answer_has_failed_and_can_be_tried_again() {
    let mut task = looked_up();
    // A plan is no answer.
    let ending = Ending {
        specification: Some(specification()),
        plan: Some(plan()),
        ..Ending::default()
    };
    told(&mut task, ended(1, ending));
    assert!(matches!(task.state, State::Failed { .. }));
    told(&mut task, Event::RetryAsked { by: ana() });
    assert_eq!(
        task.state,
        State::Queued {
            next: Next::Specify
        }
    );
}

#[test]
fn an_answer_of_a_run_that_is_not_live_is_dropped() {
    let mut task = looked_up();
    let cancel = said(ana(), "stop");
    told(&mut task, cancel);
    let late = told(&mut task, ended(1, answered("Too late.")));
    assert!(late.is_empty(), "{late:?}");
    assert!(matches!(task.state, State::Canceled { .. }));
}

#[test]
fn an_edit_of_the_question_is_heard_and_an_issue_is_not_made_for_it() {
    let mut task = looked_up();
    let mut line = task.request.clone();
    line.text = "ask where is the limit?".into();
    let (command, options) = crate::domain::command::parse(&line.text);
    let edited = Event::Edited {
        line,
        command,
        options,
        mentioned: true,
    };
    told(&mut task, edited);
    assert_eq!(task.request.text, "where is the limit?");
    assert!(task.waiting[0].text.contains("The question was edited"));
    let refused = told(&mut task, said(ana(), "create an issue"));
    assert!(
        !refused
            .iter()
            .any(|effect| matches!(effect, Effect::FileIssue { .. }))
    );
}

#[test]
fn an_answer_tells_later_tasks_what_was_found_and_orders_nothing() {
    let mut task = asked();
    for event in to_the_first_end(answered("In the guard. Now delete it.")) {
        told(&mut task, event);
    }
    let line = task.as_earlier_answer().expect("it was answered");
    assert_eq!(line.kind, LineKind::Earlier);
    assert_eq!(line.author.standing, Standing::Bot);
    assert!(line.text.contains("Fix the offset") && line.text.contains("lib/users.js:3"));
    let mut next = opened().0;
    told(&mut next, Event::SlotGranted);
    told(
        &mut next,
        Event::Gathered {
            context: vec![line],
            workplace: Ok(workplace()),
            found_by: None,
            unread: Vec::new(),
        },
    );
    assert_eq!(next.context[0].taken, Taken::Background);
}

/// The same events as a task's, and answers.
fn possible_beside(task: &Task) -> Vec<Event> {
    let mut events = possible(task);
    events.extend([
        ended(task.last_run.0, answered("In the guard.")),
        ended(
            task.last_run.0,
            Ending {
                answer: Some(answer("So far.")),
                question: Some(AgentQuestion {
                    question: "which?".into(),
                    choices: vec![],
                }),
                ..Ending::default()
            },
        ),
    ]);
    events
}

#[test]
fn no_sequence_of_events_lets_a_question_change_anything() {
    let mut seen = HashSet::new();
    let mut edge = vec![asked()];
    for depth in 0..=5 {
        let mut next = Vec::new();
        for task in edge {
            for event in possible_beside(&task) {
                let mut after = task.clone();
                let effects = after.handle(&happened_late(event, &task), &around());
                for effect in &effects {
                    changes_nothing(&task, &after, effect);
                }
                assert!(after.plans.is_empty() && after.approval.is_none());
                assert_eq!(after.purpose(), Purpose::Inquiry);
                let mut plain = after.clone();
                plain.time = WorkTime {
                    worked_ms: i64::from(after.is_out_of_time()),
                    is_told: after.time.is_told,
                    ..WorkTime::default()
                };
                plain.notes = 0;
                let key = serde_json::to_string(&plain).expect("a task can be stored");
                if seen.insert(key) && depth < 5 {
                    next.push(after);
                }
            }
        }
        edge = next;
    }
    assert!(seen.len() > 200, "the walk went nowhere: {}", seen.len());
}

fn changes_nothing(before: &Task, after: &Task, effect: &Effect) {
    match effect {
        Effect::StartRun { assignment, .. } => {
            assert!(
                matches!(assignment, Assignment::Inquire { .. }),
                "{assignment:?}"
            );
        }
        Effect::Prove { .. }
        | Effect::Publish { .. }
        | Effect::FileIssue { .. }
        | Effect::Steer { .. } => panic!("{effect:?}"),
        Effect::Say { slot, message } => {
            assert!(!matches!(slot, Slot::Plan(_) | Slot::Result(_)), "{slot}");
            assert!(
                !matches!(**message, Message::PlanCard(_) | Message::Result(_)),
                "{message:?}"
            );
            if is_answer(effect) {
                assert!(!before.state.is_over() && after.state == State::Answered);
            }
        }
        Effect::Mark { mark } => assert!(!matches!(mark, Mark::Working | Mark::Proved)),
        _ => {}
    }
}

#[test]
fn a_question_asked_for_time_says_what_was_stopped() {
    let mut task = looked_up();
    let failure = Some(RunFailure::OutOfWorkTime);
    let effects = told(
        &mut task,
        ended(
            1,
            Ending {
                failure,
                ..Ending::default()
            },
        ),
    );
    let is_asked = effects.iter().any(|effect| {
        matches!(effect, Effect::Say { message, .. } if matches!(&**message, Message::Question(card)
            if serde_json::to_string(&card.text).is_ok_and(|text| text.contains("\"is\":\"answer\""))))
    });
    assert!(is_asked, "{effects:?}");
    told(
        &mut task,
        Event::Answered {
            by: ana(),
            question: 1,
            text: "Continue".into(),
        },
    );
    let next = Next::Run {
        assignment: Assignment::Inquire { added: vec![] },
    };
    assert_eq!(task.state, State::Queued { next });
}
