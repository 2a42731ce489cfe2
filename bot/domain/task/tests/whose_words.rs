//! Tests of whose words a task takes as instructions, and what it says of that.

use crate::domain::{
    CommitId, TaskId, Timestamp,
    budget::{Ceilings, MicroDollars},
    command::Options,
    conversation::{ConversationId, Line, LineKind, LineRef, Person, PersonId, Standing, Taken},
    event::{Event, Happened},
    plan::Terms,
    policy::Policy,
    specification::{RepositoryName, Workplace},
    task::{Opening, State, Surroundings, Task},
};

fn person(name: &str, standing: Standing) -> Person {
    Person {
        id: PersonId(format!("p:{name}")),
        name: name.to_owned(),
        standing,
    }
}

fn member(name: &str) -> Person {
    person(name, Standing::Member)
}

fn line(number: u32, author: Person) -> Line {
    Line::said(
        LineRef(format!("l:{number}")),
        author,
        format!("line {number}"),
    )
}

fn issue(number: u32, author: Person, also_by: Vec<Person>) -> Line {
    Line {
        kind: LineKind::Issue,
        also_by,
        ..line(number, author)
    }
}

fn around(people: &[&str]) -> Surroundings {
    Surroundings {
        policy: Policy {
            people: people
                .iter()
                .map(|name| PersonId(format!("p:{name}")))
                .collect(),
            ..Policy::default()
        },
        ahead: 0,
        network: None,
        work_ms: None,
    }
}

fn gathered(subject: Option<Line>, context: Vec<Line>, around: &Surroundings) -> Task {
    let opening = Opening {
        id: TaskId("abc234".into()),
        conversation: ConversationId("c:1".into()),
        request: line(0, member("ana")),
        subject,
        guidance: Vec::new(),
        about: None,
        inquiry: None,
        options: Options::default(),
        terms: Terms {
            agent: "goose".into(),
            model: None,
            budget: MicroDollars(10_000_000),
            network_policy: String::new(),
        },
        ceilings: Ceilings {
            spend: MicroDollars(10_000_000),
            run_ms: 1,
            work_ms: 1_000_000,
            rework_rounds: 0,
        },
    };
    let workplace = Workplace {
        repository: RepositoryName("acme/web".into()),
        base_branch: "main".into(),
        base_commit: CommitId("a".repeat(40)),
        setup: None,
    };
    let (mut task, _) = Task::open(opening, Timestamp(0), around);
    let workplace = Ok(workplace);
    for event in [
        Event::SlotGranted,
        Event::Gathered {
            context,
            workplace,
            found_by: None,
            unread: Vec::new(),
        },
    ] {
        let at = Timestamp(1);
        task.handle(&Happened { at, event }, around);
    }
    task
}

fn taken(task: &Task) -> Vec<(&str, Taken)> {
    let lines = task.context.iter();
    lines.map(|line| (line.text.as_str(), line.taken)).collect()
}

#[test]
fn the_requester_instructs_and_so_does_an_issue_by_whoever_may_steer() {
    use Taken::{Background, Instruction};
    let gus = || person("gus", Standing::Guest);
    let context = vec![
        issue(1, member("ben"), vec![]),
        line(2, member("ben")),
        line(3, member("ana")),
        line(4, gus()),
        Line {
            also_by: vec![gus()],
            ..line(5, member("ana"))
        },
    ];
    let task = gathered(None, context.clone(), &around(&[]));
    assert_eq!(
        taken(&task),
        [
            ("line 1", Instruction),
            ("line 2", Background),
            ("line 3", Instruction),
            ("line 4", Background),
            ("line 5", Background),
        ]
    );
    // Where ben is not listed, the issue that he wrote is no instruction.
    let task = gathered(None, context, &around(&["ana"]));
    assert_eq!(taken(&task)[0], ("line 1", Background));
    assert_eq!(taken(&task)[2], ("line 3", Instruction));
}

#[test]
fn an_issue_in_which_somebody_wrote_who_may_not_steer_is_no_instruction() {
    for standing in [
        Standing::Guest,
        Standing::Outsider,
        Standing::Bot,
        Standing::Unknown,
    ] {
        let other = person("mallory", standing);
        for (author, also_by) in [
            (other.clone(), vec![]),
            (member("ana"), vec![other.clone()]),
        ] {
            let task = gathered(None, vec![issue(1, author, also_by)], &around(&[]));
            assert_eq!(
                taken(&task),
                [("line 1", Taken::Background)],
                "{standing:?}"
            );
        }
    }
}

#[test]
fn what_a_request_points_at_is_kept_also_when_it_is_read_again() {
    let subject = issue(1, person("mallory", Standing::Outsider), vec![]);
    let task = gathered(
        Some(subject.clone()),
        vec![line(2, member("ana"))],
        &around(&[]),
    );
    assert_eq!(
        taken(&task),
        [
            ("line 2", Taken::Instruction),
            ("line 1", Taken::Background)
        ]
    );
    // Once is enough, where the conversation has it too.
    let task = gathered(Some(subject.clone()), vec![subject], &around(&[]));
    assert_eq!(taken(&task), [("line 1", Taken::Background)]);
}

#[test]
fn guidance_instructs_where_every_member_may_and_is_kept_over_a_second_reading() {
    let guidance = Line {
        kind: LineKind::Guidance,
        ..line(7, member("the workspace's guidance"))
    };
    for (people, expected) in [
        (&[][..], Taken::Instruction),
        // Who wrote it is not known, so it cannot be somebody on the list.
        (&["ana"][..], Taken::Background),
    ] {
        let around = around(people);
        let mut task = gathered(Some(guidance.clone()), Vec::new(), &around);
        assert_eq!(taken(&task), [("line 7", expected)]);
        task.state = State::Specifying;
        let workplace = Ok(task.workplace.clone().unwrap());
        let event = Event::Gathered {
            context: Vec::new(),
            workplace,
            found_by: None,
            unread: Vec::new(),
        };
        let at = Timestamp(2);
        task.handle(&Happened { at, event }, &around);
        assert_eq!(taken(&task), [("line 7", expected)]);
    }
}
