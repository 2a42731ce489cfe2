//! What people think of a result, and of an answer.

use super::ground::*;
use crate::domain::{
    CommitId,
    conversation::{Person, Standing},
    effect::Effect,
    event::{BaseStanding, Event, Publication},
    feedback::Opinion,
    inquiry::{Inquiry, Purpose},
    message::Message,
    task::{State, Task},
};

fn rated(task: &mut Task, by: Person, opinion: Opinion) -> Message {
    let effects = task.handle(&happened(Event::Rated { by, opinion }), &around());
    let [Effect::Whisper { message, .. }] = effects.as_slice() else {
        panic!("one answer to one person, not {effects:?}")
    };
    (**message).clone()
}

/// A task whose result stands.
fn published() -> Task {
    let (mut task, _) = opened();
    task.state = State::InReview { whole: true };
    task.publication = Some(Publication {
        commit: CommitId("c1".into()),
        branch: task.branch(),
        pull_request: None,
        base: BaseStanding::Same,
    });
    task
}

#[test]
fn each_person_has_one_opinion_and_the_newest_counts() {
    let mut task = published();
    let ben = person("ben", Standing::Member);
    let thanks = |opinion, changed| Message::Thanks {
        opinion,
        changed,
        purpose: Purpose::Change,
    };
    assert_eq!(
        rated(&mut task, ana(), Opinion::Good),
        thanks(Opinion::Good, false)
    );
    assert_eq!(
        rated(&mut task, ben, Opinion::Good),
        thanks(Opinion::Good, false)
    );
    assert_eq!(
        rated(&mut task, ana(), Opinion::Good),
        thanks(Opinion::Good, false)
    );
    assert_eq!(
        rated(&mut task, ana(), Opinion::Bad),
        thanks(Opinion::Bad, true)
    );
    let told: Vec<(&str, Opinion)> = task
        .feedback
        .iter()
        .map(|one| (one.by.name.as_str(), one.opinion))
        .collect();
    assert_eq!(told, [("ben", Opinion::Good), ("ana", Opinion::Bad)]);
    // It steers nothing.
    assert_eq!(task.state, State::InReview { whole: true });
}

#[test]
fn strangers_have_no_say_and_there_is_none_before_a_result() {
    let mut task = published();
    for standing in [Standing::Guest, Standing::Outsider, Standing::Bot] {
        let refused = rated(&mut task, person("gus", standing), Opinion::Bad);
        assert!(matches!(refused, Message::NotAllowed { .. }), "{refused:?}");
    }
    let (mut early, _) = opened();
    let refused = rated(&mut early, ana(), Opinion::Good);
    assert!(
        matches!(refused, Message::NothingToDo { .. }),
        "{refused:?}"
    );
    assert!(task.feedback.is_empty() && early.feedback.is_empty());
}

#[test]
fn an_answer_is_judged_once_it_was_given() {
    let (mut task, _) = opened();
    task.inquiry = Some(Inquiry::default());
    let refused = rated(&mut task, ana(), Opinion::Good);
    assert!(
        matches!(refused, Message::NothingToDo { .. }),
        "{refused:?}"
    );
    task.state = State::Answered;
    let thanks = Message::Thanks {
        opinion: Opinion::Bad,
        changed: false,
        purpose: Purpose::Inquiry,
    };
    assert_eq!(rated(&mut task, ana(), Opinion::Bad), thanks);
    assert_eq!(task.feedback.len(), 1);
    assert_eq!(task.state, State::Answered);
}

#[test]
fn what_an_earlier_version_stored_has_no_opinions() {
    let (task, _) = opened();
    let stored = serde_json::to_value(&task).expect("it is stored");
    assert!(stored.get("feedback").is_none());
    let read: Task = serde_json::from_value(stored).expect("it is read");
    assert_eq!(read.feedback, []);
}
