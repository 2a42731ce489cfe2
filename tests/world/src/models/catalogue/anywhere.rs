//! What a model can say about a repository that it has never seen.

use serde_json::{Value, json};

use super::Scene;

/// Commands that people name when they say how to check a change.
const KNOWN_CHECKS: [&str; 9] = [
    "npm test",
    "node --test",
    "make test",
    "make check",
    "cargo test",
    "go test ./...",
    "pytest",
    "python3 -m unittest",
    "sh test.sh",
];

/// Longest title, in characters.
const MAX_TITLE: usize = 80;

/// A specification from the request's own words, with the checks that the repository has.
pub(super) fn specification(scene: &Scene) -> Value {
    let title = title(&scene.prompt);
    json!({
        "title": title,
        "goal": title,
        "requirements": [
            {"id": "R1", "text": "CHANGES.md names the change.", "check": "grep -q 'asked for' CHANGES.md"},
        ],
        "checks": checks_of_repository(scene),
        "out_of_scope": [],
        "pages": [],
        "start": null,
        "setup": null,
    })
}

pub(super) fn plan() -> Value {
    json!({
        "steps": ["Make the change and name it in CHANGES.md.", "Run the checks."],
        "files": ["CHANGES.md", "README.md"],
        "checks": [],
        "risks": [],
        "cost_usd": {"low": 0.01, "high": 0.05},
        "network": [],
        "reason": null,
    })
}

/// The plan after a correction.
pub(super) fn revised_plan() -> Value {
    let mut plan = plan();
    plan["reason"] = "A correction in the thread asked for it.".into();
    if let Some(steps) = plan["steps"].as_array_mut() {
        steps.push("Follow the correction from the thread.".into());
    }
    plan
}

/// The known commands that a text asks to be run.
pub(super) fn checks_asked_for(text: &str) -> Vec<&'static str> {
    let text = text.replace('`', "");
    let asked = |command: &&str| text.contains(&format!("run {command}"));
    KNOWN_CHECKS.into_iter().filter(asked).collect()
}

/// The first known command in a text, however it is put.
pub(super) fn check_named_in(text: &str) -> Option<&'static str> {
    KNOWN_CHECKS
        .into_iter()
        .find(|command| text.contains(command))
}

fn checks_of_repository(scene: &Scene) -> Vec<&'static str> {
    if scene.saw("\"test\":") {
        vec!["npm test"]
    } else if scene.saw("Makefile") {
        vec!["make test"]
    } else {
        Vec::new()
    }
}

/// The line with an option or a mark is the request's; options and marks are no part of a title.
fn title(prompt: &str) -> String {
    let is_request = |line: &&str| line.contains("#script:") || line.contains("repo=");
    let words = prompt.lines().find(is_request).unwrap_or_default();
    let is_word = |word: &&str| !word.contains('=') && !word.starts_with(['#', '@', '<']);
    let title = words
        .split_whitespace()
        .filter(is_word)
        .collect::<Vec<_>>()
        .join(" ");
    let title: String = title.chars().take(MAX_TITLE).collect();
    if title.is_empty() {
        String::from("Make the change that was asked for")
    } else {
        title
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_made_of_the_requests_words() {
        let prompt = "Deckhand phase: plan\nana: @deckhand Add a greeting. repo=acme/tool #script:honest\nEnd.";
        assert_eq!(title(prompt), "ana: Add a greeting.");
        assert_eq!(
            title("Deckhand phase: plan"),
            "Make the change that was asked for"
        );
    }

    #[test]
    fn a_check_counts_when_it_is_asked_for() {
        assert_eq!(
            checks_asked_for("Please run `npm test` at the end"),
            ["npm test"]
        );
        assert!(checks_asked_for("checks such as npm test").is_empty());
        assert_eq!(check_named_in("ben: use make check"), Some("make check"));
    }
}
