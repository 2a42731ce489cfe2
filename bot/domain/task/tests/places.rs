//! A task that is talked about in several conversations.

use super::ground::*;
use crate::domain::{
    RunNumber, Timestamp,
    command::TeamKey,
    conversation::{ConversationId, LineKind, LineRef, Person, Place, Road, Standing, SubjectId},
    edit::{Proposal, ProposalStanding, RequestChange},
    effect::{Effect, FormRequest, Lane, Mark, Slot},
    event::{Event, FilingProblem, Happened},
    message::{Decision, Message},
    task::{PLACES_MAX, State, Task},
};

fn place(name: &str) -> Place {
    Place {
        conversation: ConversationId(format!("c:{name}")),
        opening: LineRef(format!("l:{name}")),
    }
}

fn join(task: &mut Task, by: Option<Person>, name: &str) -> Vec<Effect> {
    let event = Event::Joined {
        by,
        place: place(name),
        about: Some(SubjectId("s:ENG-1".into())),
    };
    let at = Timestamp(1);
    task.handle(&Happened { at, event }, &around())
}

fn where_is(task: &Task, effect: &Effect, from: &str) -> Vec<String> {
    let from = ConversationId(format!("c:{from}"));
    let places = task.places_of(effect, &from).into_iter();
    places.map(|place| place.0).collect()
}

#[test]
fn what_all_may_hear_is_said_everywhere_and_an_answer_where_it_was_asked() {
    let (mut task, said) = opened();
    assert_eq!(where_is(&task, &said[0], "1"), ["c:1"]);
    assert_eq!(join(&mut task, Some(ana()), "2"), [Effect::Introduce]);
    assert_eq!(join(&mut task, Some(ana()), "2"), [], "it is there already");
    assert_eq!(join(&mut task, Some(ana()), "1"), [], "it began there");
    assert_eq!(task.about, Some(SubjectId("s:ENG-1".into())));
    for effect in &said {
        assert_eq!(where_is(&task, effect, "2"), ["c:1", "c:2"], "{effect:?}");
    }
    let here = [
        Effect::Introduce,
        Task::whisper(&ana(), Message::Help),
        Effect::Hear {
            line: LineRef("l:9".into()),
        },
    ];
    for effect in &here {
        assert_eq!(where_is(&task, effect, "2"), ["c:2"], "{effect:?}");
    }
    let run = RunNumber(1);
    for effect in [
        Effect::Gather,
        Effect::StopAll,
        Effect::ShowPictures { run },
    ] {
        let is_talk = effect.lane() == Lane::Talk;
        let expected: &[&str] = if is_talk { &["c:1", "c:2"] } else { &["c:1"] };
        assert_eq!(where_is(&task, &effect, "2"), expected, "{effect:?}");
    }
}

#[test]
fn nobody_brings_a_task_elsewhere_who_may_not_steer_it_and_nobody_brings_it_everywhere() {
    let (mut task, _) = opened();
    let guest = person("gus", Standing::Guest);
    let refused = join(&mut task, Some(guest), "2");
    assert!(
        matches!(&refused[..], [Effect::Whisper { message, .. }] if matches!(**message, Message::NotAllowed { .. })),
        "{refused:?}"
    );
    assert_eq!(task.also, []);
    for number in 2..=PLACES_MAX {
        join(&mut task, None, &number.to_string());
    }
    assert_eq!(task.conversations().count(), PLACES_MAX);
    let one_more = join(&mut task, Some(ana()), "9");
    assert!(matches!(&one_more[..], [Effect::Whisper { .. }]));
    assert_eq!(task.conversations().count(), PLACES_MAX);

    let (mut over, _) = opened();
    over.state = State::Expired;
    assert_eq!(join(&mut over, Some(ana()), "2"), []);
    assert_eq!(over.also, []);
}

fn lose(task: &mut Task, name: &str) -> Vec<Effect> {
    let event = Event::PlacesLost {
        by: person("tracker", Standing::Bot),
        places: vec![place(name).conversation],
    };
    task.handle(&happened(event), &around())
}

#[test]
fn a_task_whose_home_is_out_of_reach_ends_and_is_told_of_in_its_other_place() {
    let (mut task, said) = opened();
    join(&mut task, Some(ana()), "2");
    let effects = lose(&mut task, "1");
    assert_eq!(effects, [Effect::StopAll]);
    assert!(
        matches!(&task.state, State::Canceled { road: Road::Withdrawn, by, .. } if by.name == "tracker")
    );
    assert_eq!(where_is(&task, &said[0], "1"), ["c:2"]);
    assert_eq!(where_is(&task, &Effect::StopAll, "1"), ["c:1"]);
    let whisper = Task::whisper(&ana(), Message::Help);
    assert_eq!(where_is(&task, &whisper, "1"), Vec::<String>::new());
    assert_eq!(lose(&mut task, "1"), [], "it was told twice");
}

#[test]
fn a_task_goes_on_without_a_place_that_it_was_only_brought_to() {
    let (mut task, said) = opened();
    join(&mut task, Some(ana()), "2");
    let before = task.state.clone();
    let effects = lose(&mut task, "2");
    assert!(
        matches!(&effects[..], [Effect::Say { message, .. }] if matches!(**message, Message::PlaceLost { .. })),
        "{effects:?}"
    );
    assert_eq!(task.state, before);
    for effect in said.iter().chain(&effects) {
        assert_eq!(where_is(&task, effect, "1"), ["c:1"]);
    }
    assert_eq!(lose(&mut task, "2"), []);
    assert_eq!(lose(&mut task, "9"), [], "it is no place of this task");
}

#[test]
fn an_issue_is_made_for_a_task_that_has_none_and_holds_nothing_up() {
    let (mut task, _) = opened();
    let (wanted, by) = (said(ana(), "create an issue in ENG"), ana());
    let before = task.state.clone();
    let effects = task.handle(&happened(wanted.clone()), &around());
    let team = Some(TeamKey("ENG".into()));
    assert_eq!(
        effects.last(),
        Some(&Effect::FileIssue {
            by,
            team,
            trigger: None
        })
    );
    assert_eq!(effects[1].lane(), Lane::Errands);
    assert_eq!(task.state, before);
    let filed = Event::IssueFiled {
        place: place("2"),
        about: SubjectId("s:ENG-1".into()),
        name: "ENG-1".into(),
        url: "https://issues.example/ENG-1".into(),
    };
    let effects = task.handle(&happened(filed.clone()), &around());
    assert!(
        matches!(&effects[..], [Effect::Say { message, .. }, Effect::Introduce] if matches!(**message, Message::IssueFiled { .. })),
        "{effects:?}"
    );
    assert_eq!(task.handle(&happened(filed.clone()), &around()), []);
    let again = task.handle(&happened(wanted.clone()), &around());
    assert!(matches!(
        &again[..],
        [Effect::Hear { .. }, Effect::Whisper { .. }]
    ));
    // A guest gets none, and what has ended gets none either.
    let guest = person("gus", Standing::Guest);
    let (mut other, _) = opened();
    let asked = said(guest, "create an issue");
    assert_eq!(other.handle(&happened(asked), &around()), []);
    other.state = State::Expired;
    let late = other.handle(&happened(wanted), &around());
    assert!(
        !late
            .iter()
            .any(|effect| matches!(effect, Effect::FileIssue { .. }))
    );
    assert_eq!(other.handle(&happened(filed), &around()), []);
}

fn pressed(by: Person, revision: u32, team: Option<&str>) -> Event {
    Event::IssueWanted {
        by,
        revision,
        team: team.map(|team| TeamKey(team.into())),
        trigger: team.is_none().then(|| "t1".to_owned()),
    }
}

#[test]
fn the_button_of_a_plan_asks_for_a_team_where_none_is_clear_and_goes_once_there_is_an_issue() {
    let mut task = planned();
    let wanted = Effect::FileIssue {
        by: ana(),
        team: None,
        trigger: Some("t1".to_owned()),
    };
    let press = |task: &mut Task, event: Event| task.handle(&happened(event), &around());
    assert_eq!(press(&mut task, pressed(ana(), 1, None)), [wanted]);
    // Another press has nothing made beside it.
    let meanwhile = press(&mut task, pressed(person("ben", Standing::Member), 1, None));
    let is_told = |message: &Message| {
        let problem = FilingProblem::BeingMade;
        *message == Message::IssueNotFiled { problem }
    };
    assert!(
        matches!(&meanwhile[..], [Effect::Whisper { message, .. }] if is_told(message)),
        "{meanwhile:?}"
    );
    let known = vec!["ENG".to_owned(), "OPS".to_owned()];
    let unclear = |trigger| Event::IssueNotFiled {
        by: ana(),
        problem: FilingProblem::WhichTeam {
            known: known.clone(),
        },
        trigger,
    };
    let form = FormRequest::Team {
        by: ana(),
        revision: 1,
        known: known.clone(),
    };
    let trigger = "t1".to_owned();
    let asked = press(&mut task, unclear(Some(trigger.clone())));
    assert_eq!(asked, [Effect::OpenForm { trigger, form }]);
    let told = press(&mut task, unclear(None));
    assert!(matches!(&told[..], [Effect::Whisper { .. }]), "{told:?}");
    // Who may not steer gets none, and neither does who saw another plan.
    for refused in [
        pressed(person("gus", Standing::Guest), 1, None),
        pressed(ana(), 2, Some("ENG")),
    ] {
        let told = press(&mut task, refused);
        assert!(matches!(&told[..], [Effect::Whisper { .. }]), "{told:?}");
    }
    assert!(!task.plan_card(Decision::Open).unwrap().has_issue);
    let filed = Event::IssueFiled {
        place: place("2"),
        about: SubjectId("s:ENG-1".into()),
        name: "ENG-1".into(),
        url: "https://issues.example/ENG-1".into(),
    };
    let effects = press(&mut task, filed);
    assert_eq!(effects[1..], [Effect::Introduce, Effect::Redraw]);
    assert!(task.plan_card(Decision::Open).unwrap().has_issue);
    let again = press(&mut task, pressed(ana(), 1, Some("ENG")));
    assert!(matches!(&again[..], [Effect::Whisper { .. }]), "{again:?}");
}

#[test]
fn whoever_comes_in_sees_the_status_and_what_waits() {
    let (mut task, _) = opened();
    let shown = |task: &Task| -> Vec<Slot> {
        let standing = task.standing().into_iter();
        standing.map(|(slot, _)| slot).collect()
    };
    let progress = Slot::Progress(RunNumber(0));
    let alone = [progress.clone()];
    assert_eq!(shown(&task), alone);
    assert_eq!(task.mark_now(), Mark::Accepted);
    task.workplace = Some(workplace());
    task.ask_about(RunNumber(2), &held_change());
    for (number, standing) in [(1, ProposalStanding::Replaced), (2, ProposalStanding::Open)] {
        let change = RequestChange::Deleted { of: LineKind::Talk };
        task.proposals.push(Proposal {
            number,
            change,
            standing,
        });
    }
    let waiting = [progress, Slot::Question(1), Slot::Proposal(2)];
    assert_eq!(shown(&task), waiting);
    assert_eq!(task.mark_now(), Mark::NeedsYou);
}
