//! What holds for every message, whatever stands in it.

use super::nasty::*;
use super::{TASK_URL, samples::*, words};
use crate::{
    domain::{kept::Kept, message::Message},
    words::{FALLBACK_MAX_CHARS, MESSAGE_MAX_CHARS, PLAN_TEXT_MAX_CHARS, plan_text},
};

#[test]
fn every_message_fits_and_calls_nobody() {
    for message in everything() {
        let words = words(&message);
        assert!(
            words.markdown.chars().count() <= MESSAGE_MAX_CHARS,
            "{message:?}"
        );
        assert!(
            words.fallback.chars().count() <= FALLBACK_MAX_CHARS && !words.fallback.contains('\n'),
            "{}",
            words.fallback
        );
        assert!(
            !words.markdown.is_empty() && !words.fallback.is_empty(),
            "{message:?}"
        );
        for text in [&words.markdown, &words.fallback] {
            for forbidden in ["<!", "@here", "@channel"] {
                assert!(!text.contains(forbidden), "{forbidden} in {text}");
            }
        }
        assert!(
            !without_code(&words.markdown).contains("](https://evil"),
            "{}",
            words.markdown
        );
    }
}

/// The text outside of code spans and fences, where markup means something.
fn without_code(markdown: &str) -> String {
    let mut outside = String::new();
    let mut in_fence = false;
    for line in markdown.lines() {
        in_fence ^= line.starts_with("```");
        if !in_fence {
            let wide_spans_gone: Vec<&str> = line.split("``").step_by(2).collect();
            outside.extend(
                wide_spans_gone
                    .iter()
                    .flat_map(|part| part.split('`').step_by(2)),
            );
            outside.push('\n');
        }
    }
    outside
}

#[test]
fn nothing_breaks_out_of_its_place() {
    for message in everything() {
        let markdown = words(&message).markdown;
        let mut in_fence = false;
        for line in markdown.lines() {
            in_fence ^= line.starts_with("```");
            let stands_alone = ["# ", "## ", "- ❌", "[click]"]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(in_fence || !stands_alone, "{line}\nin\n{markdown}");
        }
        assert!(!in_fence, "a fence stays open in\n{markdown}");
    }
}

#[test]
fn the_bot_itself_is_calm() {
    for message in [
        Message::Help,
        Message::NothingAsked,
        Message::Expired {
            asked: None,
            pushed_branch: None,
            kept: Kept::Nothing,
        },
        Message::PlanCard(Box::new(plan_card())),
        Message::Result(Box::new(result_card(&proof()))),
    ] {
        let markdown = words(&message).markdown;
        assert!(
            !markdown.contains('!') || matches!(message, Message::Help),
            "{markdown}"
        );
    }
}

#[test]
fn long_lists_say_how_much_is_missing() {
    for message in [nasty_plan(), nasty_result()] {
        let markdown = words(&message).markdown;
        assert!(
            markdown.contains(&format!("more, see the [task page]({TASK_URL})")),
            "{markdown}"
        );
    }
}

#[test]
fn the_plan_in_a_form_fits_and_is_plain() {
    let Message::PlanCard(card) = nasty_plan() else {
        panic!("a plan is a plan")
    };
    let text = plan_text(&card).unwrap();
    assert!(
        text.chars().count() <= PLAN_TEXT_MAX_CHARS && !text.contains("<!"),
        "{text}"
    );
    insta::assert_snapshot!(plan_text(&plan_card()).unwrap(), @r#"
    Respect offset above a limit of 100

    Requirements
    R1. With limit=200, `offset` is respected
    R2. The table on /users says which rows it shows

    Steps
    1. Write a failing test for limit=200
    2. Apply offset before limit in lib/users.js

    Files
    lib/users.js
    test/offset.test.js
    "#);
}
