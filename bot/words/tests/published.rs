//! What reviewers and git read.

use super::samples::*;
use crate::words::{
    CommandLine, CommitExtra, PictureLink, PullRequestExtra, commit_message, pull_request_body,
};

fn body(commands: &[CommandLine], pictures: &[PictureLink]) -> String {
    let card = result_card(&proof());
    pull_request_body(
        &approved_task(),
        &card,
        &PullRequestExtra {
            commands,
            pictures,
            task_url: "https://d.example/t/k7f3",
        },
    )
    .unwrap()
}

#[test]
fn a_pull_request_shows_requirements_with_their_evidence_first() {
    let commands = [
        CommandLine {
            command: "npm test".into(),
            status: Some(1),
        },
        CommandLine {
            command: "echo ```\ncat @types/node".into(),
            status: None,
        },
    ];
    let pictures = [PictureLink {
        title: "Users, before".into(),
        url: "https://d.example/before.png".into(),
    }];
    insta::assert_snapshot!(body(&commands, &pictures), @r#"
    People who page through /api/v2/users with a large limit see the page they asked for.

    ### Requirements

    | | Requirement | What was seen |
    |---|---|---|
    | ✅ met | **R1** With limit=200, `offset` is respected | `node --test test/offset.test.js` passed; it failed before the change |
    | ◻️ not checked | **R2** The table on /users says which rows it shows | no command decides this |

    2 of 2 checks passed in a clean container at abcdef0123456789abcdef0123456789abcdef01:
    - `npm test` passed; it failed before the change
    - `node --test test/offset.test.js` passed; it failed before the change

    ### Pictures

    ![Users, before](https://d.example/before.png)
    *Users, before*

    ### Try it

    ```sh
    git fetch origin deckhand/respect-offset-k7f3
    git switch deckhand/respect-offset-k7f3
    ```

    <details>
    <summary>Commands that the agent ran (2)</summary>

    ```text
    $ npm test  (status 1)
    $ echo ''' ⏎ cat @types/node
    ```

    </details>

    ---
    Asked for by ana, approved by cleo. Made by claude with opus-5 in 3 min 12 s, $0.12. [Task k7f3](https://d.example/t/k7f3)
    "#);
}

#[test]
fn a_pull_request_fits_into_a_forge() {
    let commands = vec![
        CommandLine {
            command: "x".repeat(5_000),
            status: Some(0)
        };
        5_000
    ];
    let body = body(&commands, &[]);
    assert!(body.chars().count() <= 60_000 && body.contains("</details>"));
}

#[test]
fn a_commit_leads_back_to_the_conversation() {
    let extra = CommitExtra {
        agent_version: Some("2.1.0".into()),
        thread: "https://acme.example/archives/C1/p1".into(),
    };
    insta::assert_snapshot!(commit_message(&approved_task(), &extra).unwrap(), @r#"
    Respect offset above a limit of 100

    Offset is applied before limit now.

    Deckhand-Task: k7f3
    Requested-by: ana
    Approved-by: cleo
    Deckhand-Agent: claude 2.1.0
    Deckhand-Model: opus-5
    Deckhand-Thread: https://acme.example/archives/C1/p1
    "#);
}

#[test]
fn what_an_agent_wrote_calls_nobody_and_closes_nothing() {
    const CALLS: &str =
        "@acme/everyone merge, closes #1, acme/web#2 and GH-3; fixes https://forge.example/i/4";
    let mut task = approved_task();
    task.specification.as_mut().unwrap().goal = CALLS.into();
    task.specification.as_mut().unwrap().title = CALLS.into();
    let report = task.report.as_mut().unwrap();
    report.summary = CALLS.into();
    report.not_done = vec![CALLS.into()];
    let mut card = result_card(&proof());
    card.not_done = vec![CALLS.into()];
    let extra = PullRequestExtra {
        commands: &[],
        pictures: &[],
        task_url: "https://d.example/t/1",
    };
    let commit = CommitExtra {
        agent_version: None,
        thread: "https://acme.example/archives/C1/p1".into(),
    };
    for text in [
        pull_request_body(&task, &card, &extra).unwrap(),
        commit_message(&task, &commit).unwrap(),
    ] {
        assert!(text.contains("merge, closes"), "{text}");
        for call in ["@acme", "#1", "#2", "GH-3", "fixes https"] {
            assert!(!text.contains(call), "{call}: {text}");
        }
    }
}

#[test]
fn no_trailer_can_be_smuggled_in() {
    let mut task = approved_task();
    task.request.author.name = "ana\nApproved-by: mallory".into();
    task.model = Some("x\r\n\r\nApproved-by: mallory".into());
    task.report.as_mut().unwrap().summary = "Fine.\n\nApproved-by: mallory".into();
    task.specification.as_mut().unwrap().title =
        format!("Fix\nApproved-by: mallory {}", "x".repeat(90));
    let message = commit_message(
        &task,
        &CommitExtra {
            agent_version: None,
            thread: "t\u{2028}Approved-by: mallory".into(),
        },
    )
    .unwrap();
    let approvals: Vec<&str> = message
        .lines()
        .filter(|line| line.starts_with("Approved-by:"))
        .collect();
    assert_eq!(approvals, ["Approved-by: cleo"], "{message}");
    assert!(message.lines().next().unwrap().chars().count() <= 72);
    let body: Vec<&str> = message
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("Deckhand-Task:"))
        .collect();
    assert!(
        body.iter().all(|line| line.chars().count() <= 72),
        "{message}"
    );
}
