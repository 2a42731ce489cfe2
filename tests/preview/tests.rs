//! What has to hold for the page: nothing is missing, and both platforms take everything.

use std::{collections::BTreeSet, process::ExitCode};

use deckhand::domain::{
    attachment::Unfit,
    conversation::Road,
    edit::{ProposalStanding, RequestChange},
    event::{BaseStanding, FilingProblem, PublishProblem, RunFailure, WorkplaceProblem},
    feedback::Opinion,
    held::HoldReason,
    kept::Kept,
    message::{Decision, FailureText, Message, Phase, QuestionText, Trouble},
    network::Verdict,
    plan_edit::EditRefusal,
    policy::{Act, Refusal, Who},
    waiting::{Asked, Made},
};
use deckhand_world::runner::{self, Test};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    catalogue::{self, Shown},
    stage::Stage,
};

const ALL: [Test; 2] = [
    ("no_kind_of_message_is_missing", || {
        Box::pin(async { nothing_is_missing() })
    }),
    ("every_message_is_taken_by_both_platforms", || {
        Box::pin(everything_is_taken())
    }),
];

/// Runs or lists the tests that are named.
pub async fn run(arguments: &[&str]) -> ExitCode {
    runner::run(arguments, &[&ALL]).await
}

/// The names of all kinds of an enum, as its own reader tells them.
fn kinds<T: DeserializeOwned>(tag: Option<&str>) -> Vec<String> {
    let nonsense = "?";
    let value = match tag {
        Some(tag) => json!({ tag: nonsense }),
        None => json!(nonsense),
    };
    let told = match serde_json::from_value::<T>(value) {
        Ok(_) => panic!("nonsense was read"),
        Err(error) => error.to_string(),
    };
    let names: Vec<String> = told
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| *name != nonsense)
        .map(str::to_owned)
        .collect();
    assert!(!names.is_empty(), "{told}");
    names
}

/// Every text of a value, with the names of the two fields around it.
fn texts(value: &Value, parent: &str, field: &str, into: &mut BTreeSet<(String, String, String)>) {
    match value {
        Value::String(text) => {
            into.insert((parent.to_owned(), field.to_owned(), text.clone()));
        }
        Value::Array(entries) => {
            for entry in entries {
                texts(entry, parent, field, into);
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                texts(inner, field, name, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn nothing_is_missing() {
    let mut there = BTreeSet::new();
    for sample in catalogue::all() {
        match &sample.shown {
            Shown::Said(messages) => {
                for message in messages {
                    texts(message, "", "", &mut there);
                }
            }
            Shown::Whispered(message) => texts(message, "", "", &mut there),
            Shown::Form(_) | Shown::Pictures | Shown::Home(_) => {}
        }
    }
    let mut missing = Vec::new();
    let mut look = |parent: &str, field: &str, kinds: Vec<String>| {
        for kind in kinds {
            if !there.contains(&(parent.to_owned(), field.to_owned(), kind.clone())) {
                missing.push(format!("{parent}.{field}: {kind}"));
            }
        }
    };
    look("", "message", kinds::<Message>(Some("message")));
    look("phase", "phase", kinds::<Phase>(Some("phase")));
    look("trouble", "is", kinds::<Trouble>(Some("is")));
    look("decision", "is", kinds::<Decision>(Some("is")));
    look("text", "about", kinds::<QuestionText>(Some("about")));
    look("problem", "problem", {
        let mut both = kinds::<WorkplaceProblem>(Some("problem"));
        both.extend(kinds::<PublishProblem>(Some("problem")));
        both.extend(kinds::<FilingProblem>(Some("problem")));
        both
    });
    look("reasons", "reason", kinds::<HoldReason>(Some("reason")));
    look("decision", "verdict", kinds::<Verdict>(None));
    look("change", "is", kinds::<RequestChange>(Some("is")));
    look("standing", "is", kinds::<ProposalStanding>(Some("is")));
    look("base", "is", kinds::<BaseStanding>(Some("is")));
    look("text", "kind", kinds::<FailureText>(Some("kind")));
    look("failure", "failure", kinds::<RunFailure>(Some("failure")));
    look("kept", "is", kinds::<Kept>(Some("is")));
    look("made", "is", kinds::<Made>(Some("is")));
    look("asked", "about", kinds::<Asked>(Some("about")));
    look("why", "is", {
        let mut both = kinds::<EditRefusal>(Some("is"));
        both.extend(kinds::<Unfit>(Some("is")));
        both
    });
    look("", "opinion", kinds::<Opinion>(None));
    look("preferences", "noise", vec!["quiet".to_owned()]);
    look("of", "of", ["person", "place"].map(str::to_owned).to_vec());
    look("", "road", kinds::<Road>(None));
    look("", "act", kinds::<Act>(None));
    look("", "refusal", kinds::<Refusal>(None));
    look("rights", "refused", kinds::<Refusal>(None));
    look("who", "are", kinds::<Who>(Some("are")));
    assert_eq!(
        missing,
        Vec::<String>::new(),
        "samples in tests/preview/catalogue"
    );
}

async fn everything_is_taken() {
    let stage = Stage::open().await.unwrap();
    for sample in catalogue::all() {
        let look = stage.show(&sample).await.unwrap();
        let nothing = look.slack.iter().chain(&look.linear).any(String::is_empty);
        assert!(
            !nothing,
            "{}: {} shows nothing",
            sample.chapter, sample.title
        );
    }
    assert_eq!(stage.violations(), Vec::<String>::new());
}
