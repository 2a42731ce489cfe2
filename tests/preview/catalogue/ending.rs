//! How a task ends: results, failures, cancels, and what nobody decided on.

use serde_json::{Value, json};

use super::{BRANCH, MINUTE_MS, Sample, Shown, TITLE, person, question, said, usage, with};

const RESULT: &str = "Results";
const FAILURE: &str = "Failures";
const END: &str = "Ends and reminders";

pub(super) fn samples() -> Vec<Sample> {
    let mut all = results();
    all.extend(failures());
    all.extend(ends());
    all
}

fn judged(status: &str, text: &str, evidence: &str) -> Value {
    json!({ "id": if text.starts_with("With") { "R1" } else { "R2" }, "text": text, "verdict": status, "evidence": evidence })
}

fn check(command: &str, outcome: Value) -> Value {
    json!({ "command": command, "outcome": outcome, "before": { "is": "failed", "status": 1 }, "tail": "", "elapsed_ms": 4_100 })
}

fn result(over: &Value) -> Value {
    let picture = |moment: &str| json!({ "title": "Users", "moment": moment, "artifact": format!("{moment}.png"), "reason": null });
    with(
        json!({
            "message": "result", "title": TITLE, "repository": "acme/web", "base_branch": "main", "whole": true,
            "publication": {
                "commit": "abcdef0123456789abcdef0123456789abcdef01", "branch": BRANCH,
                "pull_request": { "number": 12, "url": "https://git.example.com/acme/web/pull/12" }, "base": { "is": "same" },
            },
            "requirements": [
                judged("met", "With limit=200, `offset` is respected", "`node --test test/offset.test.js` passed; it failed before the change"),
                judged("met", "The table on /users says which rows it shows", "`node --test test/range.test.js` passed; it failed before the change"),
            ],
            "checks": [check("npm test", json!({ "is": "passed" })), check("node --test test/offset.test.js", json!({ "is": "passed" }))],
            "weakenings": [], "pictures": [picture("before"), picture("after")], "notices": [], "not_done": [], "rework_rounds": 0,
            "files": [{ "path": "lib/users.js", "added": 3, "removed": 1 }, { "path": "test/offset.test.js", "added": 17, "removed": 0 }],
            "usage": usage(), "elapsed_ms": 192_000, "asks": person("Ana"),
        }),
        over,
    )
}

fn results() -> Vec<Sample> {
    let failed = with(
        check(
            "node --test test/offset.test.js",
            json!({ "is": "failed", "status": 1 }),
        ),
        &json!({ "tail": "not ok 1 - offset\n  expected 150\n  got 0\n" }),
    );
    let gaps = result(&json!({
        "whole": false, "rework_rounds": 2,
        "requirements": [
            judged("not_met", "With limit=200, `offset` is respected", "`node --test test/offset.test.js` failed with status 1: got 0"),
            judged("not_checked", "The table on /users says which rows it shows", "no command decides this"),
        ],
        "checks": [check("npm test", json!({ "is": "passed" })), failed, check("npm run lint", json!({ "is": "timed_out" })), check("make docs", json!({ "is": "could_not_run", "reason": "make is not installed" }))],
        "weakenings": [{ "path": "test/users.test.js", "what": "a test is skipped now", "excerpt": "test.skip('pages')", "command": null }],
        "pictures": [
            { "title": "Users", "moment": "before", "artifact": "a.png", "reason": null },
            { "title": "Users", "moment": "after", "artifact": null, "reason": "the page did not answer within 60 s" },
        ],
        "notices": ["`package.json` has a new dependency: left-pad 1.3.0"],
        "not_done": ["The HTML page, because its template is generated"],
    }));
    let standing = |base: Value| {
        let mut moved = result(&json!({}));
        moved["publication"]["base"] = base;
        moved
    };
    let mut no_forge = result(&json!({}));
    no_forge["publication"]["pull_request"] = Value::Null;
    let ended =
        |merged: bool| json!({ "message": "pull_request_ended", "merged": merged, "by": "ana" });
    vec![
        said(RESULT, "Proved", vec![result(&json!({}))]),
        said(RESULT, "With gaps", vec![gaps]),
        said(
            RESULT,
            "The base has moved",
            vec![standing(json!({ "is": "moved" }))],
        ),
        said(
            RESULT,
            "The base collides",
            vec![standing(
                json!({ "is": "conflicts", "files": ["lib/users.js"] }),
            )],
        ),
        said(RESULT, "Without a forge", vec![no_forge]),
        Sample {
            chapter: RESULT,
            title: "Pictures".into(),
            shown: Shown::Pictures,
        },
        said(RESULT, "Merged", vec![ended(true)]),
        said(RESULT, "Closed", vec![ended(false)]),
    ]
}

fn failed(text: &Value) -> Value {
    json!({
        "message": "failed", "text": text, "agent": "claude", "refused_hosts": [], "can_retry": true, "spent": usage(), "asks": person("Ana"),
    })
}

fn failures() -> Vec<Sample> {
    let run = |title: &str, failure: Value| {
        let text = json!({ "kind": "run", "phase": { "phase": "working" }, "failure": failure, "closing_words": "" });
        said(FAILURE, title, vec![failed(&text)])
    };
    let publish = |title: &str, problem: Value| {
        said(
            FAILURE,
            title,
            vec![failed(&json!({ "kind": "publish", "problem": problem }))],
        )
    };
    let named = |name: &str| json!({ "failure": name });
    let full = |wall: Value| json!({ "failure": "out_of_disk", "wall": wall });
    let with_words = json!({
        "kind": "run", "phase": { "phase": "planning" }, "failure": { "failure": "nothing_handed_over" },
        "closing_words": "I looked at the code, and I am not sure which of the two lists is meant.",
    });
    vec![
        run(
            "It did not start",
            json!({ "failure": "did_not_start", "detail": "exec: claude: not found" }),
        ),
        run("The key is refused", named("key_refused")),
        run("No credit", named("out_of_credit")),
        run("Limited by the provider", named("rate_limited")),
        run("The provider is overloaded", named("overloaded")),
        run(
            "Nonsense",
            json!({ "failure": "nonsense", "detail": "line 1: expected a value" }),
        ),
        run("Too much output", named("too_much_output")),
        run(
            "It died",
            json!({ "failure": "died", "detail": "signal 9", "out_of_memory": false }),
        ),
        run(
            "Out of memory",
            json!({ "failure": "died", "detail": "signal 9", "out_of_memory": true }),
        ),
        run(
            "Its disk is full",
            full(json!({ "bytes": { "limit": 10_737_418_240_u64 } })),
        ),
        run(
            "Its disk is full of files",
            full(json!({ "files": { "limit": 1_000_000 } })),
        ),
        run("The machine's disk is full", full(json!("host"))),
        run("Out of time", named("out_of_time")),
        run("Out of working time", named("out_of_work_time")),
        run("Silent", named("silent")),
        run("Out of budget", named("out_of_budget")),
        said(FAILURE, "Nothing handed over", vec![failed(&with_words)]),
        run("The sandbox is lost", named("sandbox_lost")),
        run("The engine is lost", named("engine_lost")),
        run(
            "Anything else",
            json!({ "failure": "other", "detail": "the work tree could not be read" }),
        ),
        said(
            FAILURE,
            "Nothing was changed",
            vec![failed(
                &json!({ "kind": "nothing_changed", "closing_words": "It works already: offset is respected since commit 3f9a1c0." }),
            )],
        ),
        said(
            FAILURE,
            "The change may not leave",
            vec![failed(
                &json!({ "kind": "change_refused", "reason": "it has more than 5,000 files" }),
            )],
        ),
        said(
            FAILURE,
            "It could not be checked",
            vec![failed(
                &json!({ "kind": "proof", "reason": "the clean container did not start" }),
            )],
        ),
        publish(
            "The push is refused",
            json!({ "problem": "refused", "reason": "main is protected" }),
        ),
        publish(
            "Others pushed to the branch",
            json!({ "problem": "branch_moved" }),
        ),
        publish("No access", json!({ "problem": "no_access" })),
        publish(
            "The pull request is refused",
            json!({ "problem": "pull_request_refused", "reason": "a pull request needs a linked issue" }),
        ),
        publish(
            "The approval does not fit",
            json!({ "problem": "approval_void" }),
        ),
        publish(
            "Nobody decided on a file",
            json!({ "problem": "undecided", "paths": ["config/limits.json"] }),
        ),
        said(
            FAILURE,
            "Something was given up",
            vec![failed(
                &json!({ "kind": "given_up", "effect": "starting run 2", "reason": "the container engine cannot be reached" }),
            )],
        ),
        said(
            FAILURE,
            "With refused hosts",
            vec![with(
                failed(
                    &json!({ "kind": "nothing_changed", "closing_words": "npm install does not work here." }),
                ),
                &json!({ "refused_hosts": ["registry.npmjs.org:443"] }),
            )],
        ),
    ]
}

fn ends() -> Vec<Sample> {
    let branch = json!({ "is": "branch", "task": "k7f3", "commit": "8c0d4e17bb", "days": 30 });
    let canceled = |title: &str, over: &Value| {
        let message = json!({
            "message": "canceled", "by": person("Ana"), "road": "button", "confirmed": true, "pushed_branch": null, "kept": { "is": "nothing" },
        });
        said(END, title, vec![with(message, over)])
    };
    let plan = json!({ "about": "plan", "revision": 1, "title": TITLE });
    let agent = json!({ "about": "agent", "question": "Should a limit above 100 be cut to 100, or be refused with status 400?" });
    let mut asked = question(&agent, &["Cut it to 100", "Refuse it"]);
    asked["about"] = json!("question");
    let reminder = |title: &str, asked: &Value| {
        said(
            END,
            title,
            vec![
                json!({ "message": "reminder", "asked": asked, "left_ms": 13 * 24 * 60 * MINUTE_MS, "asks": person("Ana") }),
            ],
        )
    };
    let expired = |title: &str, asked: &Value, kept: &Value| {
        said(
            END,
            title,
            vec![
                json!({ "message": "expired", "asked": asked, "pushed_branch": null, "kept": kept }),
            ],
        )
    };
    let low = |title: &str, plans: bool| {
        said(
            END,
            title,
            vec![
                json!({ "message": "time_low", "left_ms": 48 * MINUTE_MS, "ceiling_ms": 240 * MINUTE_MS, "plans": plans }),
            ],
        )
    };
    vec![
        canceled("Cancelled", &json!({})),
        canceled(
            "Cancelled by a word, not confirmed yet",
            &json!({ "confirmed": false, "road": "sentence" }),
        ),
        canceled(
            "Cancelled by a reaction, with a branch pushed before",
            &json!({ "pushed_branch": BRANCH, "road": "reaction" }),
        ),
        canceled(
            "Cancelled while it was being published",
            &json!({ "unsure_branch": BRANCH, "kept": branch }),
        ),
        canceled(
            "Cancelled by Linear's stop, with the work kept",
            &json!({ "kept": branch, "road": "signal" }),
        ),
        canceled(
            "Cancelled on the command line, with the work dropped",
            &json!({ "kept": { "is": "dropped" }, "road": "command_line" }),
        ),
        canceled(
            "Cancelled through the API",
            &json!({ "road": "api", "by": { "id": "api:release-train", "name": "release-train", "standing": "member" } }),
        ),
        canceled(
            "Cancelled, with the work lost",
            &json!({ "kept": { "is": "lost" } }),
        ),
        canceled(
            "Cancelled because its home is out of reach",
            &json!({ "road": "withdrawn", "by": { "id": "linear:linear", "name": "Linear", "standing": "bot" } }),
        ),
        canceled("A question is cancelled", &json!({ "purpose": "inquiry" })),
        low("Little time is left to work", false),
        low("Little time is left to plan", true),
        said(
            END,
            "Little time is left to answer",
            vec![
                json!({ "message": "time_low", "left_ms": 48 * MINUTE_MS, "ceiling_ms": 240 * MINUTE_MS, "plans": true, "purpose": "inquiry" }),
            ],
        ),
        reminder("A plan still waits", &plan),
        reminder("A question still waits", &asked),
        expired(
            "Nobody decided on the plan",
            &plan,
            &json!({ "is": "nothing" }),
        ),
        expired("Nobody answered", &asked, &branch),
        expired(
            "Nobody decided, as an earlier version stored it",
            &Value::Null,
            &json!({ "is": "nothing" }),
        ),
        said(
            END,
            "It cannot be read any more",
            vec![
                json!({ "message": "unreadable", "asks": person("Ana")["id"], "reference": "4711" }),
            ],
        ),
        said(
            END,
            "Something could not be posted",
            vec![
                json!({ "message": "given_up", "effect": "The result", "reason": "the channel is archived" }),
            ],
        ),
    ]
}
