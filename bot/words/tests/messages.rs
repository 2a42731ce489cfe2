//! The messages of a task's story.

use super::{Reactions, labels, samples::*, words, words_where};
use crate::{
    domain::{
        Timestamp,
        budget::Usage,
        conversation::PersonId,
        event::BaseStanding,
        inquiry::Purpose,
        message::{
            CheckedTree, Checking, Decision, Live, LiveStanding, LiveStep, Message, Phase,
            PlanCard, Progress,
        },
        plan,
        proof::{CheckOutcome, Weakening},
        waiting::PutOff,
    },
    surface::{
        StepStanding::{self, Active, Done, Pending},
        WordsKind,
    },
};
fn live() -> Live {
    Live {
        step: "Editing lib/users.js".into(),
        last_command: Some("npm test".into()),
        elapsed_ms: 192_000,
        heartbeat_age_ms: 4_000,
        steps: Some((1, 4)),
        list: Vec::new(),
        trouble: None,
    }
}

fn progress(phase: Phase) -> Progress {
    Progress {
        phase,
        purpose: Purpose::Change,
        title: Some(specification().title),
        workplace: Some(workplace()),
        steps: Vec::new(),
        live: None,
        checking: None,
        put_off: None,
        taken_up: false,
        spent: usage(),
    }
}

#[test]
fn the_first_words_say_what_happens_now_and_next() {
    let first = Message::Progress(Progress {
        title: None,
        workplace: None,
        spent: Usage::default(),
        ..progress(Phase::Reading)
    });
    insta::assert_snapshot!(words(&first).markdown, @"**Reading** the conversation and the repository — a plan follows here, and nothing is changed before it is approved");
    let queued = Message::Progress(Progress {
        title: None,
        workplace: None,
        spent: Usage::default(),
        ..progress(Phase::Queued { ahead: 3 })
    });
    insta::assert_snapshot!(words(&queued).markdown, @"**In line** — number 3; it starts by itself as soon as there is a place");
}

#[test]
fn the_end_of_a_pull_request_names_who_ended_it_where_that_is_known() {
    let ended = |merged, by: &str| {
        let by = by.to_owned();
        words(&Message::PullRequestEnded { merged, by })
    };
    let merged = ended(true, "ben");
    assert_eq!(merged.fallback, "The pull request was merged by ben.");
    assert_eq!(merged.markdown, "**Merged** by ben. This task is complete.");
    let closed = ended(false, "");
    assert_eq!(
        closed.fallback,
        "The pull request was closed without a merge."
    );
    assert_eq!(
        closed.markdown,
        "**Closed without a merge**. This task is over; the branch stays on the remote."
    );
}

#[test]
fn a_task_that_cannot_be_read_calls_whoever_asked_for_it() {
    let words = words(&Message::Unreadable {
        asks: PersonId("slack:T1:U1".into()),
        reference: "4711".into(),
    });
    assert_eq!(words.mentions, Some(PersonId("slack:T1:U1".into())));
    assert!(words.markdown.contains("`4711`"), "{}", words.markdown);
}

#[test]
fn a_working_task_says_where_it_is() {
    let working = Message::Progress(Progress {
        live: Some(live()),
        ..progress(Phase::Working)
    });
    insta::assert_snapshot!(words(&working).markdown, @r#"
    **Working** — step 2 of 4 · for 3 min 12 s · last command `npm test` · heard 4 s ago · $0.12 so far

    Editing lib/users.js

    Respect offset above a limit of 100 · `acme/web` · `main` @ `3f9a1c0de7`
    "#);
    assert_eq!(labels(&working), ["Cancel", "Task page"]);
    assert_eq!(words(&working).mentions, None);
    let WordsKind::Status {
        headline, steps, ..
    } = words(&working).kind
    else {
        panic!("a status is a status")
    };
    let standings: Vec<StepStanding> = steps.iter().map(|step| step.standing).collect();
    assert_eq!(standings, [Done, Done, Done, Active, Pending, Pending]);
    assert_eq!(headline, "3 of 6 done · Do the work");
}

/// The steps of the work itself, between "Do the work" and the check.
fn work_of(progress: Progress) -> Vec<(String, StepStanding)> {
    let WordsKind::Status { mut steps, .. } = words(&Message::Progress(progress)).kind else {
        panic!("a status is a status")
    };
    let work = steps.drain(4..steps.len() - 2);
    work.map(|step| (step.title, step.standing)).collect()
}

#[test]
fn the_checklist_has_the_plans_steps_and_while_the_agent_keeps_a_list_its_own() {
    let steps = vec!["Mend the offset".to_owned(), "Add a test".to_owned()];
    let with = |phase, live| Progress {
        steps: steps.clone(),
        live,
        ..progress(phase)
    };
    let planned = |standing| {
        let all = ["Mend the offset", "Add a test"];
        all.map(|title| (title.to_owned(), standing)).to_vec()
    };
    // Nobody says which of the plan's steps is done before all are.
    assert_eq!(work_of(with(Phase::Planned, None)), planned(Pending));
    assert_eq!(work_of(with(Phase::Working, None)), planned(Pending));
    assert_eq!(
        work_of(with(Phase::Working, Some(live()))),
        planned(Pending)
    );
    assert_eq!(work_of(with(Phase::Verifying, None)), planned(Done));
    let own = |title: &str, standing| LiveStep {
        title: title.to_owned(),
        standing,
    };
    let listed = Live {
        list: vec![
            own("Read lib/users.js", LiveStanding::Done),
            own("Edit @channel it", LiveStanding::Active),
            own("Run the tests", LiveStanding::Pending),
        ],
        ..live()
    };
    let working = work_of(with(Phase::Working, Some(listed)));
    let standings: Vec<StepStanding> = working.iter().map(|(_, standing)| *standing).collect();
    assert_eq!(standings, [Done, Active, Pending]);
    assert_eq!(working[0].0, "Read lib/users.js");
}

#[test]
fn work_that_waits_says_who_asked_for_that_and_until_when() {
    let waiting = |asked_by: Option<&str>| {
        Message::Progress(Progress {
            put_off: Some(PutOff {
                run: None,
                until: Timestamp(((14 * 60 + 5) * 60 + 30) * 1_000),
                asked_by: asked_by.map(str::to_owned),
            }),
            ..progress(Phase::Publishing)
        })
    };
    insta::assert_snapshot!(words(&waiting(Some("GitHub"))).markdown, @r#"
    **Publishing** the result — $0.12 so far

    GitHub asks Deckhand to go slower; it goes on at 14:05 UTC.

    Respect offset above a limit of 100 · `acme/web` · `main` @ `3f9a1c0de7`
    "#);
    let unknown = words(&waiting(None)).markdown;
    assert!(
        unknown.contains("\nA platform asks Deckhand to go slower;"),
        "{unknown}"
    );
}

#[test]
fn a_check_names_the_command_that_runs_and_how_many_there_are() {
    let checking = |checking| {
        let message = Message::Progress(Progress {
            checking: Some(checking),
            ..progress(Phase::Verifying)
        });
        let markdown = words(&message).markdown;
        markdown.lines().next().unwrap_or_default().to_owned()
    };
    let check = |tree| Checking::Check {
        command: "npm test".into(),
        number: 2,
        all: 6,
        tree,
    };
    insta::assert_snapshot!(checking(check(CheckedTree::Result)), @"**Checking** the result in a clean container — `npm test` (2 of 6) · $0.12 so far");
    insta::assert_snapshot!(checking(check(CheckedTree::Base)), @"**Checking** the result in a clean container — `npm test` on the base (2 of 6) · $0.12 so far");
    let setup = Checking::Setup {
        command: "npm ci".into(),
    };
    insta::assert_snapshot!(checking(setup), @"**Checking** the result in a clean container — setup `npm ci` · $0.12 so far");
}

#[test]
fn a_cost_that_is_unknown_is_left_out_of_a_status() {
    let mut unpriced = progress(Phase::Working);
    unpriced.spent.cost = None;
    assert!(
        words(&Message::Progress(unpriced))
            .markdown
            .starts_with("**Working**\n")
    );
}

#[test]
fn a_plan_says_everything_that_an_approval_approves() {
    let card = Message::PlanCard(Box::new(plan_card()));
    insta::assert_snapshot!(words(&card).markdown, @r#"
    **Plan: Respect offset above a limit of 100**

    People who page through /api/v2/users with a large limit see the page they asked for.

    **Requirements**
    - **R1** With limit=200, `offset` is respected — checked by `node --test test/offset.test.js`
    - **R2** The table on /users says which rows it shows — no command decides this

    **Steps**
    1. Write a failing test for limit=200
    2. Apply offset before limit in lib/users.js

    - **Files:** `lib/users.js`, `test/offset.test.js`
    - **Checks at the end:** `npm test`
    - **Pictures before and after:** `/users?limit=200&offset=150`, with `node server.js` on port 3000
    - **Network:** the model only
    - **Cost:** $0.05 to $0.20 expected, never more than $5.00 or 4 h of work without asking

    **Risks**
    - Clients may rely on the old order

    **Not part of it**
    - Cursor-based paging

    `acme/web` · `main` @ `3f9a1c0de7` · claude · its default model · [Task page](https://d.example/t/k7f3)

    Taken as instructions: ana. Taken as background only: ben.

    **Your decision:** press Approve, react with ✅, or write here what should be different.
    "#);
    insta::assert_snapshot!(words(&card).fallback, @r#"
    Plan for "Respect offset above a limit of 100" in acme/web. It waits for your decision.
    "#);
    assert_eq!(
        labels(&card),
        [
            "Approve",
            "Edit",
            "Change repository",
            "Create Linear issue",
            "Cancel"
        ]
    );
    assert_eq!(words(&card).mentions, Some(person("ana").id));
    let about_one = PlanCard {
        has_issue: true,
        ..plan_card()
    };
    let offered = labels(&Message::PlanCard(Box::new(about_one)));
    assert_eq!(offered, ["Approve", "Edit", "Change repository", "Cancel"]);
}

#[test]
fn a_plan_whose_goal_is_made_of_others_words_says_so_in_one_sentence() {
    let mut card = plan_card();
    card.described_by = vec!["Mallory, outside Linear".into()];
    let said = words(&Message::PlanCard(Box::new(card))).markdown;
    assert!(
        said.contains(
            "Taken as background only: ben. The issue is in words of Mallory, outside Linear, and"
        ),
        "{said}"
    );
}

#[test]
fn a_second_revision_begins_with_what_is_different_and_why() {
    let mut card = plan_card();
    card.revision = 2;
    card.plan.steps.push("Mention it in the README".into());
    card.plan.reason = Some("ana wants it documented".into());
    card.changes = plan::difference(&plan(), &card.plan);
    let shown = words(&Message::PlanCard(Box::new(card.clone()))).markdown;
    let beginning: Vec<&str> = shown.lines().take(4).collect();
    insta::assert_snapshot!(beginning.join("\n"), @r#"
    **Plan, revision 2: Respect offset above a limit of 100**

    **What is different:** ana wants it documented
    - steps, added: Mention it in the README
    "#);
    card.decision = Decision::Approved {
        by: person("cleo"),
        at: None,
    };
    let approved = Message::PlanCard(Box::new(card));
    assert!(words(&approved).markdown.ends_with("**Approved by cleo.**"));
    assert_eq!(
        (labels(&approved).len(), words(&approved).mentions),
        (0, None)
    );
}

#[test]
fn a_proved_result_is_short() {
    let mut specification = specification();
    specification.requirements.truncate(1);
    let mut card = result_card(&proof());
    card.requirements.truncate(1);
    card.whole = true;
    let result = Message::Result(Box::new(card));
    insta::assert_snapshot!(words(&result).markdown, @r#"
    ✅ **Respect offset above a limit of 100** — done, every requirement is met

    [Pull request #12](https://git.example.com/acme/web/pull/12) in `acme/web`, from `deckhand/respect-offset-k7f3` into `main`

    - ✅ **R1** With limit=200, `offset` is respected — `node --test test/offset.test.js` passed; it failed before the change

    2 of 2 checks passed in a clean container at `abcdef0123`.

    2 files changed, 20 lines added, 1 removed · agent time 3 min 12 s · $0.12

    Reply here to have something changed; it continues on the same branch.
    "#);
    insta::assert_snapshot!(words(&result).fallback, @"Done: Respect offset above a limit of 100. Every requirement is met.");
    assert_eq!(
        labels(&result),
        ["Open pull request", "Task page", "What I needed"]
    );
    assert_eq!(words(&result).mentions, Some(person("ana").id));
}

#[test]
fn a_result_with_gaps_hides_none_of_them() {
    let mut proof = proof();
    proof.checks[1] = check(
        "node --test test/offset.test.js",
        CheckOutcome::Failed { status: 1 },
        "not ok 1 - offset\n  expected 150\n  got 0\n",
    );
    proof.weakenings.push(Weakening {
        path: "test/users.test.js".into(),
        what: "a test is skipped now".into(),
        excerpt: "test.skip('pages')".into(),
        command: None,
    });
    proof.pictures[1].artifact = None;
    proof.pictures[1].reason = Some("the page did not answer in time".into());
    proof
        .notices
        .push("`.github/workflows/ci.yml` is changed".into());
    let mut card = result_card(&proof);
    card.publication.pull_request = None;
    card.publication.base = BaseStanding::Conflicts {
        files: vec!["lib/users.js".into()],
    };
    card.not_done = vec!["The HTML page".into()];
    card.rework_rounds = 2;
    card.usage.cost = None;
    let result = Message::Result(Box::new(card));
    insta::assert_snapshot!(words(&result).markdown, @r#"
    ⚠️ **Respect offset above a limit of 100** — done with gaps: 0 of 2 requirements are met

    Branch `deckhand/respect-offset-k7f3` is pushed to `acme/web`. There is no forge to open a pull request at, so the [task page](https://d.example/t/k7f3) stands for it.

    - ⚠️ **R1** With limit=200, `offset` is respected — not met: `node --test test/offset.test.js` failed with status 1: got 0
    - ◻️ **R2** The table on /users says which rows it shows — not checked: no command decides this

    1 of 2 checks passed in a clean container at `abcdef0123`.
    - `node --test test/offset.test.js` failed with status 1

    ```
    not ok 1 - offset
      expected 150
      got 0
    ```

    **This change weakens tests. Look at it before you merge:**
    - `test/users.test.js`: a test is skipped now — `test.skip('pages')`

    **Not done,** says the agent
    - The HTML page

    **Worth a look**
    - `.github/workflows/ci.yml` is changed

    **No picture**
    - Users, after: the page did not answer in time

    **`main` has moved since the plan was made, and the two collide** in `lib/users.js`. It cannot be merged before that is resolved.

    2 files changed, 20 lines added, 1 removed · agent time 3 min 12 s · cost unknown · sent back to the agent twice

    Reply here to have something changed; it continues on the same branch.
    "#);
    assert_eq!(labels(&result), ["Task page", "What I needed"]);
    assert_eq!(words(&result).kind, WordsKind::Ending { well: false });
}

#[test]
fn emojis_are_spoken_of_only_where_they_are_heard() {
    let plan = Message::PlanCard(Box::new(plan_card()));
    for message in [plan, Message::Help] {
        let with = |reactions| words_where(reactions, &message).markdown;
        let heard = with(Reactions::Heard);
        assert!(heard.contains("press Approve, react with ✅"), "{heard}");
        let unheard = with(Reactions::Unheard);
        assert!(unheard.contains("press Approve or write"), "{unheard}");
        assert!(!unheard.contains("react"), "{unheard}");
    }
}

#[test]
fn help_in_a_session_speaks_of_issues_and_comments() {
    let said = words_where(Reactions::Unheard, &Message::Help).markdown;
    assert!(said.contains("Delegate an issue"), "{said}");
    for word in ["thread", "channel", "issue=TEAM", "\n\n- **Words"] {
        assert!(!said.contains(word), "{word} in {said}");
    }
    let heard = words_where(Reactions::Heard, &Message::Help).markdown;
    assert!(heard.contains("in any thread") && heard.contains("issue=TEAM"));
    assert_eq!(heard.matches("\n\n- ").count(), 1, "one list: {heard}");
}
