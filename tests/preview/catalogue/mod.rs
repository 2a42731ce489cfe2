//! Every message of the product with sample content, in the order in which people meet them.

mod answering;
mod asking;
mod ending;
mod personal;
mod task;

use deckhand_world::slack::TEAM_ID;
use serde_json::{Value, json};

/// Something that is shown.
pub struct Sample {
    /// The part of the story that it belongs to.
    pub chapter: &'static str,
    /// What it is, in a few words.
    pub title: String,
    /// How it is shown.
    pub shown: Shown,
}

/// How something is shown. Messages are as the domain stores them.
pub enum Shown {
    /// To everybody, one after another in one place, each in place of the one before.
    Said(Vec<Value>),
    /// To one person.
    Whispered(Value),
    /// The form about a task that a button opens.
    Form(Opened),
    /// Pictures of a result.
    Pictures,
    /// A person's page.
    Home(Value),
}

/// A form.
#[derive(Clone, Copy)]
pub enum Opened {
    /// What should be different about the plan?
    Correction,
    /// Which repository, of those that are known?
    Repository,
    /// Which repository, where none is known?
    AnyRepository,
    /// In which team is an issue to be made?
    Team,
    /// What should be done? Asked by the shortcut that belongs to no message.
    Request,
    /// How should it be in this channel?
    Settings,
}

/// Everything.
pub fn all() -> Vec<Sample> {
    [
        task::samples(),
        answering::samples(),
        asking::samples(),
        ending::samples(),
        personal::samples(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn said(chapter: &'static str, title: impl Into<String>, messages: Vec<Value>) -> Sample {
    Sample {
        chapter,
        title: title.into(),
        shown: Shown::Said(messages),
    }
}

fn whispered(chapter: &'static str, title: impl Into<String>, message: Value) -> Sample {
    Sample {
        chapter,
        title: title.into(),
        shown: Shown::Whispered(message),
    }
}

/// The object with the fields of the other one on top.
fn with(mut value: Value, over: &Value) -> Value {
    for (name, field) in over.as_object().into_iter().flatten() {
        value[name] = field.clone();
    }
    value
}

/// A person of the stand-in's workspace.
pub fn person(name: &str) -> Value {
    json!({ "id": format!("slack:{TEAM_ID}:U{}", name.to_uppercase()), "name": name, "standing": "member" })
}

fn usage() -> Value {
    json!({ "input_tokens": 48_200, "output_tokens": 6_900, "cost": 312_000 })
}

/// 2026-09-14, 14:05 UTC.
const AT: i64 = 1_789_394_700_000;
const MINUTE_MS: i64 = 60_000;
const TITLE: &str = "Respect offset above a limit of 100";
const BRANCH: &str = "deckhand/respect-offset-k7f3";

fn workplace() -> Value {
    json!({
        "repository": "acme/web", "base_branch": "main",
        "base_commit": "3f9a1c0de7b2aa11223344556677889900aabbcc", "setup": null,
    })
}

fn specification() -> Value {
    json!({
        "title": TITLE,
        "goal": "People who page through /api/v2/users with a large limit get the page that they asked for.",
        "requirements": [
            { "id": "R1", "text": "With limit=200, `offset` is respected", "check": "node --test test/offset.test.js" },
            { "id": "R2", "text": "The table on /users says which rows it shows", "check": null },
        ],
        "checks": ["npm test"],
        "out_of_scope": ["Paging by cursor"],
        "pages": [{ "path": "/users?limit=200&offset=150", "title": "Users" }],
        "start": { "command": "node server.js", "port": 3000 },
        "setup": null,
    })
}

pub fn plan_card() -> Value {
    json!({
        "message": "plan_card",
        "revision": 1,
        "specification": specification(),
        "instructed_by": ["Ana", "Cleo"],
        "background_by": ["Ben"],
        "workplace": workplace(),
        "plan": {
            "steps": ["Write a failing test for limit=200", "Apply offset before limit in lib/users.js", "Show the range of rows above the table"],
            "files": ["lib/users.js", "lib/page.js", "test/offset.test.js"],
            "checks": ["npm test"],
            "risks": ["Clients may rely on the old order"],
            "cost_usd": { "low": 0.2, "high": 0.6 },
            "network": [],
            "reason": null,
        },
        "changes": [],
        "agent": "claude",
        "chosen": { "repository": ["acme/web", "channel"], "agent": null },
        "model": null,
        "budget": 5_000_000,
        "work_ms": 240 * MINUTE_MS,
        "network": [],
        "network_is_open": false,
        "network_beyond": [],
        "decision": { "is": "open" },
        "asks": person("Ana"),
    })
}

fn question(text: &Value, choices: &[&str]) -> Value {
    json!({
        "message": "question", "number": 1, "text": text, "choices": choices, "asks": person("Ana"), "answered": null,
    })
}
