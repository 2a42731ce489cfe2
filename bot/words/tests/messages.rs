//! The messages of a task's story.

use super::{samples::*, words};
use crate::{
    domain::{
        CommitId, TaskId,
        budget::Usage,
        conversation::Road,
        event::{BaseStanding, DiskWall, PublishProblem, RunFailure, WorkplaceProblem},
        kept::Kept,
        message::{Decision, FailureText, Live, Message, Phase, Progress, QuestionText},
        plan,
        proof::{CheckOutcome, Weakening},
        specification::RepositoryName,
    },
    surface::{
        StepStanding::{self, Active, Done, Pending},
        WordsKind,
    },
    words::label,
};

fn labels(message: &Message) -> Vec<String> {
    let words = words(message);
    words
        .controls
        .iter()
        .map(|control| label(control, &words.kind))
        .collect()
}

fn live() -> Live {
    Live {
        step: "Editing lib/users.js".into(),
        last_command: Some("npm test".into()),
        elapsed_ms: 192_000,
        heartbeat_age_ms: 4_000,
        steps: Some((1, 4)),
        trouble: None,
    }
}

fn progress(phase: Phase) -> Progress {
    Progress {
        phase,
        title: Some(specification().title),
        workplace: Some(workplace()),
        live: None,
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
    insta::assert_snapshot!(words(&first).markdown, @r#"
    **Reading** the conversation and the repository — a plan follows here, and nothing is changed before it is approved

    [Task page](https://d.example/t/k7f3)
    "#);
    let queued = Message::Progress(Progress {
        title: None,
        workplace: None,
        spent: Usage::default(),
        ..progress(Phase::Queued { ahead: 3 })
    });
    insta::assert_snapshot!(words(&queued).markdown, @r#"
    **In line** — number 3; it starts by itself as soon as there is a place

    [Task page](https://d.example/t/k7f3)
    "#);
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

    Respect offset above a limit of 100 · `acme/web` · `main` @ `3f9a1c0de7` · [Task page](https://d.example/t/k7f3)
    "#);
    assert_eq!(labels(&working), ["Cancel", "Task page"]);
    assert_eq!(words(&working).mentions, None);
    let WordsKind::Status { steps } = words(&working).kind else {
        panic!("a status is a status")
    };
    let standings: Vec<StepStanding> = steps.iter().map(|step| step.standing).collect();
    assert_eq!(standings, [Done, Done, Done, Active, Pending, Pending]);
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
        ["Approve", "Edit", "Change repository", "Cancel"]
    );
    assert_eq!(words(&card).mentions, Some(person("ana").id));
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
    card.decision = Decision::Approved { by: person("cleo") };
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
    assert_eq!(labels(&result), ["Open pull request", "Task page"]);
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
    assert_eq!(labels(&result), ["Task page"]);
    assert_eq!(words(&result).kind, WordsKind::Ending { well: false });
}

#[test]
fn each_problem_with_a_repository_says_how_to_answer() {
    let repository = || RepositoryName("acme/wbe".into());
    let known = || vec![RepositoryName("acme/web".into())];
    let check = |problem: WorkplaceProblem, fragments: &[&str]| {
        let shown = words(&Message::Question(question(
            QuestionText::Workplace { problem },
            &[],
        )))
        .markdown;
        for fragment in fragments {
            assert!(shown.contains(fragment), "{fragment} is not in: {shown}");
        }
    };
    check(
        WorkplaceProblem::Unclear { known: known() },
        &[
            "Which repository",
            "Choose one, or answer with `owner/name`",
            "`acme/web`",
        ],
    );
    check(
        WorkplaceProblem::Unclear { known: vec![] },
        &["Answer with its name"],
    );
    check(
        WorkplaceProblem::NotFound {
            repository: repository(),
            known: known(),
        },
        &[
            "`acme/wbe` cannot be found",
            "no access",
            "ask an owner",
            "`acme/web`",
        ],
    );
    check(
        WorkplaceProblem::Empty {
            repository: repository(),
        },
        &["no commit yet", "Push a first commit"],
    );
    check(
        WorkplaceProblem::NoSuchBranch {
            repository: repository(),
            branch: "mian".into(),
            near: vec!["main".into()],
        },
        &["no branch `mian`", "nearest names: `main`"],
    );
    check(
        WorkplaceProblem::Unreachable {
            repository: repository(),
            reason: "it timed out".into(),
        },
        &[
            "cannot be reached",
            "it timed out",
            "same name to try again",
        ],
    );
    check(
        WorkplaceProblem::NoSuchAgent {
            agent: "cluade".into(),
            known: vec!["claude".into()],
        },
        &["no agent `cluade`", "answer with its name: `claude`"],
    );
}

#[test]
fn a_question_of_the_agent_is_quoted_and_later_shows_its_answer() {
    let mut card = question(
        QuestionText::Agent {
            question: "Should offset count from 0?\n# The docs say both. @here".into(),
        },
        &["0", "1"],
    );
    insta::assert_snapshot!(words(&Message::Question(card.clone())).markdown, @r#"
    **The agent needs an answer to go on:**
    > Should offset count from 0?
    > The docs say both. here

    Choose one, or reply here in your own words. Nothing runs and nothing is spent until then.
    "#);
    assert_eq!(labels(&Message::Question(card.clone())), ["0", "1"]);
    let notification = words(&Message::Question(card.clone())).fallback;
    assert!(
        notification.starts_with("The agent asks: Should offset"),
        "{notification}"
    );
    card.answered = Some((person("ben"), "from `0`".into()));
    let answered = words(&Message::Question(card));
    assert!(
        answered.markdown.ends_with("**Answered by ben:** from `0`"),
        "{}",
        answered.markdown
    );
    assert_eq!((answered.controls.len(), answered.mentions), (0, None));
}

#[test]
fn each_failure_says_what_to_do() {
    let check = |failure_kind: RunFailure, fragments: &[&str]| {
        let text = FailureText::Run {
            phase: Phase::Working,
            failure: failure_kind,
            closing_words: String::new(),
        };
        let shown = words(&Message::Failed(failure(text))).markdown;
        for fragment in fragments.iter().chain(&[
            "It stopped while working",
            "Press Retry or Give up",
            "Spent so far: $0.12",
        ]) {
            assert!(shown.contains(fragment), "{fragment} is not in: {shown}");
        }
    };
    check(
        RunFailure::DidNotStart {
            detail: "exec: not found".into(),
        },
        &["did not start", "exec: not found", "`deckhand doctor`"],
    );
    check(
        RunFailure::KeyRefused,
        &["refuses the key", "check the key for claude"],
    );
    check(RunFailure::OutOfCredit, &["out of credit", "add credit"]);
    check(
        RunFailure::RateLimited,
        &["limits this account", "higher limit"],
    );
    check(
        RunFailure::Overloaded,
        &["overloaded", "Nothing is wrong with the task"],
    );
    check(
        RunFailure::Nonsense {
            detail: "{{{".into(),
        },
        &["could not be understood", "{{{", "`agent=…`"],
    );
    check(
        RunFailure::TooMuchOutput,
        &["far more than can be read", "prints too much"],
    );
    check(
        RunFailure::Died {
            detail: "signal 9".into(),
            out_of_memory: true,
        },
        &["out of memory", "memory limit"],
    );
    check(
        RunFailure::Died {
            detail: "signal 9".into(),
            out_of_memory: false,
        },
        &["before its turn was over", "signal 9"],
    );
    let full = |wall| RunFailure::OutOfDisk { wall };
    check(
        full(DiskWall::Bytes { limit: 10 << 30 }),
        &[
            "The sandbox filled its disk: 10 GB is the limit",
            "a fresh work tree",
        ],
    );
    check(
        full(DiskWall::Files { limit: 1_000_000 }),
        &["with files: 1000000 is the limit", "a fresh work tree"],
    );
    check(
        full(DiskWall::Host),
        &["nearly full", "make room", "The work so far is kept"],
    );
    check(RunFailure::OutOfTime, &["time limit", "smaller step"]);
    check(RunFailure::Silent, &["said nothing for too long"]);
    check(
        RunFailure::OutOfBudget,
        &["spending ceiling", "`budget=10`"],
    );
    check(
        RunFailure::NothingHandedOver,
        &["without handing over", "more about what is wanted"],
    );
    check(
        RunFailure::SandboxLost,
        &["sandbox of this run is gone", "new sandbox"],
    );
    check(
        RunFailure::EngineLost,
        &["did not answer for too long", "The work so far is kept"],
    );
    check(
        RunFailure::Other {
            detail: "odd".into(),
        },
        &["odd", "log on the task page"],
    );
}

#[test]
fn a_failure_shows_last_words_and_gives_up_by_name() {
    let nothing = Message::Failed(failure(FailureText::NothingChanged {
        closing_words: "It works already.\n```".into(),
    }));
    insta::assert_snapshot!(words(&nothing).markdown, @r#"
    ⚠️ **The agent ended without changing anything,** so there is nothing to check or publish.

    The agent's last words:
    ```
    It works already.
    '''
    ```

    If these words answer the request, give up. Otherwise reply with what is missing, or retry.

    Press Retry or Give up, or reply here. Spent so far: $0.12.
    "#);
    assert_eq!(labels(&nothing), ["Retry", "Give up", "Task page"]);
    let refused = Message::Failed(failure(FailureText::Publish {
        problem: PublishProblem::Refused {
            reason: "protected branch".into(),
        },
    }));
    assert!(
        words(&refused)
            .markdown
            .contains("refused the push: protected branch")
    );
}

#[test]
fn a_cancel_says_what_is_certain_and_what_is_not_yet() {
    let canceled = |confirmed| Message::Canceled {
        by: person("ana"),
        road: Road::Reaction,
        confirmed,
        pushed_branch: Some("deckhand/x".into()),
        kept: Kept::Nothing,
    };
    assert_eq!(
        words(&canceled(true)).markdown,
        "**Cancelled by ana**, by reaction. Everything of this task has stopped; nothing more is changed, pushed or spent.\n\nThe branch `deckhand/x` was pushed before and stays on the remote."
    );
    assert!(
        words(&canceled(false))
            .markdown
            .contains("has not confirmed yet")
    );
}

#[test]
fn a_cancel_says_what_becomes_of_the_work() {
    let canceled = |kept| {
        let message = Message::Canceled {
            by: person("ana"),
            road: Road::Button,
            confirmed: true,
            pushed_branch: None,
            kept,
        };
        let markdown = words(&message).markdown;
        let (_, rest) = markdown.split_once("\n\n").unwrap_or_default();
        rest.to_owned()
    };
    let branch = |days| Kept::Branch {
        task: TaskId("k7f3".into()),
        commit: CommitId("c1".into()),
        days,
    };
    insta::assert_snapshot!(canceled(branch(Some(30))), @"What it had done until then is kept on the server for 30 days, on the branch `deckhand/canceled/k7f3`. Whoever runs Deckhand can hand it out: `deckhand task work k7f3 k7f3.bundle`.");
    assert!(
        canceled(branch(None)).starts_with("What it had done until then is kept on the server, on")
    );
    insta::assert_snapshot!(canceled(Kept::Dropped), @"What it had done until then goes with its sandbox; this installation keeps no unfinished work.");
    insta::assert_snapshot!(canceled(Kept::Lost), @"What it had done until then could not be taken out of its sandbox, and goes with it.");
    assert_eq!(canceled(Kept::Nothing), "");
}
