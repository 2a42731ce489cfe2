//! What a task says while it goes its way: the status, and its plan.

use serde_json::{Value, json};

use super::{AT, MINUTE_MS, Sample, TITLE, person, plan_card, said, usage, with, workplace};

const STATUS: &str = "The status";
const PLAN: &str = "The plan";

pub(super) fn samples() -> Vec<Sample> {
    let mut all = statuses();
    all.extend(plans());
    all
}

fn early(phase: &Value) -> Value {
    json!({
        "message": "progress", "phase": phase, "title": null, "workplace": null, "steps": [], "live": null,
        "taken_up": false, "spent": { "input_tokens": 0, "output_tokens": 0, "cost": null },
    })
}

fn later(phase: &Value) -> Value {
    with(
        early(phase),
        &json!({
            "title": TITLE, "workplace": workplace(), "spent": usage(),
            "steps": ["Write a failing test for limit=200", "Apply offset before limit in lib/users.js", "Show the range of rows above the table"],
        }),
    )
}

fn live(over: &Value) -> Value {
    with(
        json!({
            "step": "Applying offset before limit", "last_command": "node --test test/offset.test.js", "elapsed_ms": 192_000,
            "heartbeat_age_ms": 4_000, "steps": [1, 3],
            "list": [
                { "title": "Write a failing test", "standing": "done" },
                { "title": "Apply offset before limit", "standing": "active" },
                { "title": "Run all tests", "standing": "pending" },
            ],
        }),
        over,
    )
}

fn statuses() -> Vec<Sample> {
    let status = |title: &str, message: Value| said(STATUS, title, vec![message]);
    let phase = |name: &str| json!({ "phase": name });
    let working = |over: &Value| with(later(&phase("working")), &json!({ "live": live(over) }));
    let over = |how: &str| later(&json!({ "phase": "over", "how": how }));
    vec![
        status(
            "Next in line",
            early(&json!({ "phase": "queued", "ahead": 0 })),
        ),
        status(
            "Third in line",
            early(&json!({ "phase": "queued", "ahead": 3 })),
        ),
        status("Reading", early(&phase("reading"))),
        status(
            "Planning",
            with(
                early(&phase("planning")),
                &json!({ "workplace": workplace() }),
            ),
        ),
        status("The plan is there", later(&phase("planned"))),
        status("Preparing", later(&phase("preparing"))),
        status("Working", working(&json!({}))),
        status(
            "Working, and the agent is silent",
            working(
                &json!({ "heartbeat_age_ms": 95_000, "trouble": { "is": "agent_silent", "limit_ms": 10 * MINUTE_MS } }),
            ),
        ),
        status(
            "Working, and the engine is silent",
            working(
                &json!({ "heartbeat_age_ms": 95_000, "trouble": { "is": "engine_silent", "limit_ms": 10 * MINUTE_MS } }),
            ),
        ),
        status(
            "Taken up after a restart",
            with(working(&json!({})), &json!({ "taken_up": true })),
        ),
        status(
            "Closing gaps",
            later(&json!({ "phase": "reworking", "round": 1 })),
        ),
        status("Checking", later(&phase("verifying"))),
        status(
            "Checking, and a command runs",
            with(
                later(&phase("verifying")),
                &json!({ "checking": { "is": "check", "command": "npm test", "number": 2, "all": 6, "tree": "result" } }),
            ),
        ),
        status("Publishing", later(&phase("publishing"))),
        status(
            "Publishing, and the forge asks to go slower",
            with(
                later(&phase("publishing")),
                &json!({ "put_off": { "run": 2, "until": AT, "asked_by": "GitHub" } }),
            ),
        ),
        status("Waiting for an answer", later(&phase("waiting"))),
        status("Done", over("done")),
        status("Failed", over("failed")),
        status("Cancelled", over("cancelled")),
        status("Expired", over("expired")),
    ]
}

fn plans() -> Vec<Sample> {
    let decided = |title: &str, decision: Value| {
        said(
            PLAN,
            title,
            vec![
                plan_card(),
                with(plan_card(), &json!({ "decision": decision })),
            ],
        )
    };
    let mut revised = with(
        plan_card(),
        &json!({
            "revision": 2,
            "changes": [{ "list": "steps", "removed": ["Show the range of rows above the table"], "added": ["Show the range of rows below the table", "Mention offset in the README"] }],
        }),
    );
    revised["plan"]["reason"] =
        json!("Ana wants the range below the table, and the README to mention offset.");
    let wide = with(
        plan_card(),
        &json!({
            "network": ["registry.npmjs.org for reading"], "network_beyond": ["docs.example.com"],
            "described_by": ["Ana", "Mallory, outside Linear"], "model": "opus-5",
        }),
    );
    vec![
        said(PLAN, "To be decided on", vec![plan_card()]),
        said(PLAN, "Revision 2", vec![revised]),
        said(PLAN, "With network and words of others", vec![wide]),
        decided(
            "Approved",
            json!({ "is": "approved", "by": person("Cleo"), "at": AT }),
        ),
        decided("Replaced", json!({ "is": "superseded" })),
        decided("Withdrawn", json!({ "is": "withdrawn" })),
    ]
}
