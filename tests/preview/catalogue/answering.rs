//! Questions that are only answered: how they are looked up, and their answers.

use serde_json::{Value, json};

use super::{Sample, person, said, usage, with, workplace};

const ANSWER: &str = "Questions and answers";

pub(super) fn samples() -> Vec<Sample> {
    let status = |phase: Value| {
        json!({
            "message": "progress", "phase": phase, "purpose": "inquiry", "title": null, "workplace": workplace(), "steps": [],
            "live": null, "taken_up": false, "spent": { "input_tokens": 0, "output_tokens": 0, "cost": null },
        })
    };
    let over = |how: &str| status(json!({ "phase": "over", "how": how }));
    let failed = json!({
        "message": "failed", "agent": "claude", "refused_hosts": [], "can_retry": true, "spent": usage(), "asks": person("Ana"),
        "text": {
            "kind": "run", "phase": { "phase": "answering" }, "failure": { "failure": "nothing_handed_over" },
            "closing_words": "I looked at the code, and I am not sure which of the two checks is meant.",
        },
    });
    vec![
        said(
            ANSWER,
            "A question is read",
            vec![status(json!({ "phase": "reading" }))],
        ),
        said(
            ANSWER,
            "A question is looked up",
            vec![status(json!({ "phase": "answering" }))],
        ),
        said(ANSWER, "A question is answered", vec![over("answered")]),
        said(ANSWER, "The answer", vec![answer(&json!({}))]),
        said(
            ANSWER,
            "The answer beside a task",
            vec![answer(&json!({ "beside": true }))],
        ),
        said(ANSWER, "A long answer", vec![long()]),
        said(ANSWER, "No answer", vec![failed.clone()]),
        said(
            ANSWER,
            "No answer beside a task",
            vec![with(failed, &json!({ "beside": true }))],
        ),
    ]
}

fn answer(over: &Value) -> Value {
    with(
        json!({
            "message": "answer", "workplace": workplace(), "agent": "claude", "model": null, "usage": usage(),
            "elapsed_ms": 74_000, "beside": false, "asks": person("Ana"),
            "answer": {
                "text": "The age of a token is checked in `verify`, before its signature is.\n\n1. `verify` reads `iat` and refuses what is older than `MAX_AGE_MS`.\n2. Only the refresh route asks for a younger one:\n\n```js\nif (now - token.iat > REFRESH_MAX_AGE_MS) throw new TooOld();\n```\n\nI did not find a check in the worker; it trusts what the queue hands it.",
                "sources": [
                    { "path": "lib/token.js", "first_line": 12, "last_line": 31 },
                    { "path": "routes/refresh.js", "first_line": 8, "last_line": null },
                    { "path": "README.md", "first_line": null, "last_line": null },
                ],
                "pages": "https://git.example.com/acme/web/blob/3f9a1c0de7b2aa11223344556677889900aabbcc/",
            },
        }),
        over,
    )
}

fn long() -> Value {
    let mut long = answer(&json!({}));
    long["answer"]["text"] =
        json!("It is checked in many places, and each has its reason. ".repeat(400));
    long
}
