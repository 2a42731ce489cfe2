//! What is asked, what went wrong, and what became of it at the end.

use super::{Reactions, labels, samples::*, words, words_where};
use crate::domain::{
    CommitId, TaskId,
    conversation::Road,
    event::{DiskWall, PublishProblem, RunFailure, WorkplaceProblem},
    inquiry::Purpose,
    kept::Kept,
    message::{FailureText, Message, Phase, QuestionCard, QuestionText},
    specification::RepositoryName,
};

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
    let instructs = |card: &QuestionCard| {
        let shown = words(&Message::Question(card.clone())).markdown;
        shown.contains("Choose one") || shown.contains("until then")
    };
    assert!(instructs(&card));
    card.is_closed = true;
    assert!(!instructs(&card), "nobody is asked any more");
    card.is_closed = false;
    card.answered = Some((person("ben"), "from `0`".into()));
    assert!(!instructs(&card), "it is answered");
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
        &["with files: 1,000,000 is the limit", "a fresh work tree"],
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
    // Where there are no buttons, none is to be pressed.
    let in_a_session = words_where(Reactions::Unheard, &nothing).markdown;
    assert!(
        in_a_session.contains("Write `retry` or `stop`") && !in_a_session.contains("Press"),
        "{in_a_session}"
    );
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
        unsure_branch: None,
        kept: Kept::Nothing,
        purpose: Purpose::Change,
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
fn a_cancel_through_the_api_names_the_token_that_it_came_with() {
    let canceled = Message::Canceled {
        by: person("release-train"),
        road: Road::Api,
        confirmed: true,
        pushed_branch: None,
        unsure_branch: None,
        kept: Kept::Nothing,
        purpose: Purpose::Change,
    };
    let told = words(&canceled);
    insta::assert_snapshot!(told.markdown, @"**Cancelled by the API as release-train**. Everything of this task has stopped; nothing more is changed, pushed or spent.");
    insta::assert_snapshot!(told.fallback, @"Cancelled by the API as release-train.");
}

#[test]
fn a_cancel_by_access_that_was_taken_away_names_who_took_it_and_nobody_who_asked() {
    let canceled = |confirmed| Message::Canceled {
        by: person("Linear"),
        road: Road::Withdrawn,
        confirmed,
        pushed_branch: None,
        unsure_branch: None,
        kept: Kept::Nothing,
        purpose: Purpose::Change,
    };
    let told = words(&canceled(true));
    insta::assert_snapshot!(told.markdown, @"**Cancelled, because Linear has taken Deckhand's access away**. Everything of this task has stopped; nothing more is changed, pushed or spent.");
    insta::assert_snapshot!(told.fallback, @"Cancelled, because Linear has taken Deckhand's access away.");
    assert_eq!((told.mentions, labels(&canceled(true)).len()), (None, 0));
    let open = words(&canceled(false)).markdown;
    assert!(
        open.contains("access away**. Nothing more is changed")
            && open.contains("has not confirmed yet"),
        "{open}"
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
            unsure_branch: None,
            kept,
            purpose: Purpose::Change,
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

#[test]
fn a_cancel_while_it_was_being_published_names_the_branch_that_may_be_there() {
    let message = Message::Canceled {
        by: person("ana"),
        road: Road::Button,
        confirmed: true,
        pushed_branch: None,
        unsure_branch: Some("deckhand/x".into()),
        kept: Kept::Nothing,
        purpose: Purpose::Change,
    };
    let markdown = words(&message).markdown;
    let (_, rest) = markdown.split_once("\n\n").unwrap_or_default();
    insta::assert_snapshot!(rest, @"It was being published just then: the branch `deckhand/x` may stand on the remote, and a pull request with it. Look there, and remove what nobody needs.");
}

#[test]
fn a_question_that_failed_beside_a_task_asks_for_no_word_that_is_the_tasks() {
    let text = FailureText::Run {
        phase: Phase::Answering,
        failure: RunFailure::NothingHandedOver,
        closing_words: String::new(),
    };
    let alone = Message::Failed(failure(text));
    let Message::Failed(card) = alone.clone() else {
        panic!("a failure");
    };
    let beside = Message::Failed(crate::domain::message::FailureCard {
        beside: true,
        ..card
    });
    let unheard = |message: &Message| words_where(Reactions::Unheard, message).markdown;
    assert!(unheard(&alone).contains("Write `retry` or `stop`"));
    let said = unheard(&beside);
    assert!(
        !said.contains("`stop`") && !said.contains("Reply"),
        "{said}"
    );
    assert!(
        said.contains("Write `retry` to have the question looked up again. Anything else"),
        "{said}"
    );
    let said = words(&beside).markdown;
    assert!(
        said.contains("Press Retry or Give up. Anything else"),
        "{said}"
    );
}
