//! Who may end a task, and what is known of its work then.

use super::ground::*;
use crate::domain::{
    CommitId, RunNumber, Timestamp,
    conversation::{Road, Standing},
    effect::{Assignment, Effect},
    event::{Event, Happened},
    kept::{Kept, Reached},
    message::{FailureText, Message},
    policy::Policy,
    task::{Next, State, Surroundings},
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
