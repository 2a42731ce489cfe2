//! What people are told where time runs out or somebody is waited for.

use super::{Issues, Links, Reactions, TASK_URL, render, samples::*, words};
use crate::{
    domain::{
        CommitId, TaskId,
        inquiry::Purpose,
        kept::Kept,
        message::{Message, QuestionText},
        waiting::{Asked, Made, Reminder, TimeNote},
    },
    surface::WordsKind,
};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

fn plan_asked() -> Asked {
    Asked::Plan {
        revision: 1,
        title: specification().title,
    }
}

fn question_asked(choices: &[&str]) -> Asked {
    let text = QuestionText::Agent {
        question: "Cut above 100, or refuse?".into(),
    };
    Asked::Question(Box::new(question(text, choices)))
}

#[test]
fn the_end_of_the_time_is_told_before_it_comes() {
    let low = |plans| {
        Message::TimeLow(TimeNote {
            left_ms: 48 * MINUTE_MS - 900,
            ceiling_ms: 240 * MINUTE_MS,
            plans,
            purpose: Purpose::Change,
        })
    };
    insta::assert_snapshot!(words(&low(false)).markdown, @"**48 min of working time are left,** of 4 h for this task. When they are used up, the work stops, what is there is kept, and you are asked here whether it goes on. Time in which it waits for you or for its turn does not count.");
    assert!(words(&low(true)).markdown.contains("the planning stops"));
    assert_eq!(words(&low(false)).mentions, None);
    insta::assert_snapshot!(words(&low(false)).fallback, @"48 min of working time are left; then this stops and asks whether to go on.");
}

#[test]
fn at_the_ceiling_people_read_what_there_is_and_what_they_can_do() {
    let asked = |made, choices: &[&str]| {
        let text = QuestionText::Time {
            ceiling_ms: 240 * MINUTE_MS,
            made,
        };
        Message::Question(question(text, choices))
    };
    let whole = asked(
        Made::Change { files: 3 },
        &["Continue", "Finish as it is", "Stop"],
    );
    insta::assert_snapshot!(words(&whole).markdown, @r#"
    **The working time of 4 h is used up,** so the work was stopped. What it has done so far is kept: 3 changed files, not checked yet.

    - **Continue:** 4 h more, from where it was. Anything else that you write here does the same, and the agent reads it.
    - **Finish as it is:** what is there is checked and published, with the gaps named.
    - **Stop:** the task ends.

    Nothing runs and nothing is spent until then.
    "#);
    assert_eq!(words(&whole).controls.len(), 3);
    assert_eq!(words(&whole).kind, WordsKind::Decision);
    let of = |made| words(&asked(made, &["Continue", "Stop"])).markdown;
    insta::assert_snapshot!(of(Made::Plan), @r#"
    **The working time of 4 h is used up,** so the planning was stopped.

    - **Continue:** 4 h more. Anything else that you write here does the same, and the agent reads it.
    - **Stop:** the task ends.

    Nothing runs and nothing is spent until then.
    "#);
    insta::assert_snapshot!(of(Made::Nothing), @r#"
    **The working time of 4 h is used up,** so the work was stopped. What it has done so far is kept.

    - **Continue:** 4 h more, from where it was. Anything else that you write here does the same, and the agent reads it.
    - **Stop:** the task ends.

    Nothing runs and nothing is spent until then.
    "#);
    insta::assert_snapshot!(of(Made::Held { files: 1 }), @r#"
    **The working time of 4 h is used up,** so the work was stopped. What it has done so far is kept. 1 changed file has to be decided on before it leaves.

    - **Continue:** 4 h more, from where it was. Anything else that you write here does the same, and the agent reads it.
    - **Finish as it is:** what is there is checked and published, with the gaps named.
    - **Stop:** the task ends.

    Nothing runs and nothing is spent until then.
    "#);
    insta::assert_snapshot!(of(Made::Refused { reason: "the change is too large".into() }), @r#"
    **The working time of 4 h is used up,** so the work was stopped. What it has done so far is kept, but it could not leave its sandbox as it is: the change is too large

    - **Continue:** 4 h more, from where it was. Anything else that you write here does the same, and the agent reads it.
    - **Stop:** the task ends.

    Nothing runs and nothing is spent until then.
    "#);
}

#[test]
fn a_reminder_calls_the_person_and_says_what_is_asked() {
    let reminder = |asked| {
        Message::Reminder(Reminder {
            asked,
            left_ms: 13 * DAY_MS - MINUTE_MS,
            asks: person("ana"),
        })
    };
    insta::assert_snapshot!(words(&reminder(plan_asked())).markdown, @r#"
    **This plan still waits for your decision:** Respect offset above a limit of 100.

    Press Approve or write `approve` here, say what should be different, or write `stop`. Nothing runs and nothing is spent meanwhile. Without a decision this task ends in 13 days.
    "#);
    insta::assert_snapshot!(words(&reminder(question_asked(&["Cut", "Refuse"]))).markdown, @r#"
    **This still waits for your answer:**
    > The agent asks: Cut above 100, or refuse?

    Choose one or write here: `Cut`, `Refuse`. Nothing runs and nothing is spent meanwhile. Without an answer this task ends in 13 days.
    "#);
    let free = words(&reminder(question_asked(&[])));
    insta::assert_snapshot!(free.markdown, @r#"
    **This still waits for your answer:**
    > The agent asks: Cut above 100, or refuse?

    Write the answer here, or `stop`. Nothing runs and nothing is spent meanwhile. Without an answer this task ends in 13 days.
    "#);
    insta::assert_snapshot!(free.fallback, @"This still waits for your answer: The agent asks: Cut above 100, or refuse?");
    assert_eq!(free.mentions, Some(person("ana").id));
}

#[test]
fn a_reminder_leads_to_its_card_or_offers_what_the_card_offers() {
    let reminder = |asked| {
        Message::Reminder(Reminder {
            asked,
            left_ms: 13 * DAY_MS,
            asks: person("ana"),
        })
    };
    let linked = |asked| {
        let links = Links {
            task_url: TASK_URL.to_owned(),
            card_url: Some("https://acme.slack.example/archives/C1/p1".to_owned()),
            reactions: Reactions::Heard,
            issues: Issues::NotMade,
        };
        render(&reminder(asked), &links).expect("it has words")
    };
    for (asked, sentence, offered) in [
        (
            plan_asked(),
            "Approve it on [its card](https://acme.slack.example/archives/C1/p1) or write `approve` here",
            2,
        ),
        (
            question_asked(&["Cut", "Refuse"]),
            "Choose on [the question's card](https://acme.slack.example/archives/C1/p1) or write here: `Cut`, `Refuse`.",
            2,
        ),
        (
            question_asked(&[]),
            "Write the answer to [the question](https://acme.slack.example/archives/C1/p1) here, or `stop`.",
            0,
        ),
    ] {
        let with_page = linked(asked.clone());
        assert!(
            with_page.markdown.contains(sentence),
            "{}",
            with_page.markdown
        );
        // Buttons twice would be two truths about one decision.
        assert_eq!(with_page.controls, []);
        assert_eq!(words(&reminder(asked)).controls.len(), offered);
    }
}

#[test]
fn a_task_that_expired_says_what_nobody_decided_on_and_how_to_begin_again() {
    let ended = |asked, pushed_branch: Option<&str>, kept| {
        let message = Message::Expired {
            asked,
            pushed_branch: pushed_branch.map(str::to_owned),
            kept,
        };
        words(&message).markdown
    };
    let expired = |asked, pushed_branch| ended(asked, pushed_branch, Kept::Nothing);
    let kept = Kept::Branch {
        task: TaskId("k7f3".into()),
        commit: CommitId("abc".into()),
        days: Some(30),
    };
    insta::assert_snapshot!(ended(Some(question_asked(&[])), None, kept), @r#"
    **This task has ended,** because nobody answered its question in time: The agent asks: Cut above 100, or refuse?

    Nothing was pushed, and its sandbox is removed.

    What it had done until then is kept on the server for 30 days, on the branch `deckhand/canceled/k7f3`. Whoever runs Deckhand can hand it out: `deckhand task work k7f3 k7f3.bundle`.

    To take it up again, mention Deckhand here with the request.
    "#);
    insta::assert_snapshot!(expired(Some(plan_asked()), None), @r#"
    **This task has ended,** because nobody decided on its plan in time: Respect offset above a limit of 100.

    Nothing was pushed, and its sandbox is removed.

    To take it up again, mention Deckhand here with the request.
    "#);
    insta::assert_snapshot!(expired(Some(question_asked(&[])), Some("deckhand/x")), @r#"
    **This task has ended,** because nobody answered its question in time: The agent asks: Cut above 100, or refuse?

    The branch `deckhand/x` was pushed before and stays on the remote. Everything else is removed.

    To take it up again, mention Deckhand here with the request.
    "#);
    insta::assert_snapshot!(expired(None, None), @r#"
    **This task has ended,** because nobody decided or answered in time.

    Nothing was pushed, and its sandbox is removed.

    To take it up again, mention Deckhand here with the request.
    "#);
    // As an earlier version stored it.
    let stored: Message = serde_json::from_str(r#"{"message":"expired"}"#).expect("it is read");
    assert_eq!(words(&stored).markdown, expired(None, None));
}

#[test]
fn a_question_of_a_task_that_ended_has_no_buttons_any_more() {
    let Asked::Question(mut card) = question_asked(&["Cut", "Refuse"]) else {
        panic!("a question is a question")
    };
    card.is_closed = true;
    let closed = words(&Message::Question(*card));
    assert!(closed.controls.is_empty());
    assert_eq!((closed.mentions, closed.kind), (None, WordsKind::Note));
    assert!(
        closed
            .markdown
            .ends_with("**No longer asked.** The task ended before an answer.")
    );
}

#[test]
fn what_still_waits_is_said_below_other_words_in_one_sentence() {
    let links = Links {
        task_url: TASK_URL.to_owned(),
        card_url: None,
        reactions: Reactions::Unheard,
        issues: Issues::NotMade,
    };
    let said = |asked: Option<&Asked>| crate::words::still_asked(asked, &links).unwrap();
    let plan = said(Some(&plan_asked()));
    let title = specification().title;
    let expected = format!("**The plan still waits for your decision:** {title}.");
    assert_eq!(plan, expected);
    let second = Asked::Plan {
        revision: 2,
        title: title.clone(),
    };
    assert!(said(Some(&second)).ends_with(&format!("{title}, revision 2.")));
    let question = said(Some(&question_asked(&["cut", "refuse"])));
    assert_eq!(
        question,
        "**This still waits for your answer:** The agent asks: Cut above 100, or refuse?"
    );
    assert_eq!(
        said(None),
        "**What was asked above still waits for your decision.**"
    );
}
