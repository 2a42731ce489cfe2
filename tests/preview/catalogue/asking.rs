//! What people are asked: questions, hosts, changes of the request.

use serde_json::{Value, json};

use super::{AT, MINUTE_MS, Sample, person, question, said, usage, whispered, with};

const QUESTION: &str = "Questions";
const HELD: &str = "Held changes";
const NETWORK: &str = "The network";
const REQUEST: &str = "The request is changed";
const ISSUE: &str = "An issue beside the thread";

pub(super) fn samples() -> Vec<Sample> {
    let mut all = questions();
    all.extend(held());
    all.extend(network());
    all.extend(requests());
    all.extend(issues());
    all
}

fn issues() -> Vec<Sample> {
    let known = json!(["ENG", "OPS"]);
    let not_filed = |title: &str, problem: Value| {
        let message = json!({ "message": "issue_not_filed", "problem": problem });
        said(ISSUE, title, vec![message])
    };
    vec![
        said(
            ISSUE,
            "An issue for the task",
            vec![
                json!({ "message": "issue_filed", "name": "ENG-42", "url": "https://linear.app/acme/issue/ENG-42" }),
            ],
        ),
        not_filed("One is being made", json!({ "problem": "being_made" })),
        not_filed("There is no Linear", json!({ "problem": "not_set_up" })),
        not_filed(
            "No such team",
            json!({ "problem": "no_such_team", "team": "ENGG", "known": known }),
        ),
        not_filed(
            "Which team?",
            json!({ "problem": "which_team", "known": known }),
        ),
        not_filed(
            "Linear refuses it",
            json!({ "problem": "refused", "reason": "the team is archived" }),
        ),
        said(
            ISSUE,
            "The access to the issue is gone",
            vec![
                json!({ "message": "place_lost", "by": { "id": "linear:linear", "name": "Linear", "standing": "bot" } }),
            ],
        ),
    ]
}

fn questions() -> Vec<Sample> {
    let about = |title: &str, problem: Value, choices: &[&str]| {
        let text = json!({ "about": "workplace", "problem": problem });
        said(QUESTION, title, vec![question(&text, choices)])
    };
    let known = json!(["acme/web", "acme/api", "acme/docs"]);
    let agent = json!({ "about": "agent", "question": "Should a limit above 100 be cut to 100, or be refused with status 400?" });
    let time =
        |made: Value| json!({ "about": "time", "ceiling_ms": 240 * MINUTE_MS, "made": made });
    let choices = ["Cut it to 100", "Refuse it"];
    let asked = || question(&agent, &choices);
    let many: Vec<String> = (1..=8)
        .map(|number| format!("Section {number} of the manual"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let whole = ["Continue", "Finish as it is", "Stop"];
    vec![
        about(
            "Which repository?",
            json!({ "problem": "unclear", "known": known }),
            &["acme/web", "acme/api", "acme/docs"],
        ),
        about(
            "Which repository, and none is known",
            json!({ "problem": "unclear", "known": [] }),
            &[],
        ),
        about(
            "No such repository",
            json!({ "problem": "not_found", "repository": "acme/wbe", "known": known }),
            &["acme/web", "acme/api", "acme/docs"],
        ),
        about(
            "An empty repository",
            json!({ "problem": "empty", "repository": "acme/new" }),
            &[],
        ),
        about(
            "No such branch",
            json!({ "problem": "no_such_branch", "repository": "acme/web", "branch": "mian", "near": ["main", "maintenance"] }),
            &["main", "maintenance"],
        ),
        about(
            "Unreachable",
            json!({ "problem": "unreachable", "repository": "acme/web", "reason": "the forge did not answer within 30 s" }),
            &[],
        ),
        about(
            "No such agent",
            json!({ "problem": "no_such_agent", "agent": "cluade", "known": ["claude", "codex"] }),
            &["claude", "codex"],
        ),
        said(
            QUESTION,
            "Nothing decides when it is done",
            vec![question(&json!({ "about": "check" }), &[])],
        ),
        said(QUESTION, "The agent asks", vec![asked()]),
        said(
            QUESTION,
            "The agent asks, in a free form",
            vec![question(&agent, &[])],
        ),
        said(
            QUESTION,
            "The agent asks, with many answers",
            vec![question(
                &json!({ "about": "agent", "question": "Which part of the manual should mention it?" }),
                &many,
            )],
        ),
        said(
            QUESTION,
            "Answered",
            vec![
                asked(),
                with(
                    asked(),
                    &json!({ "answered": [person("Cleo"), "Refuse it"] }),
                ),
            ],
        ),
        said(
            QUESTION,
            "No longer asked",
            vec![asked(), with(asked(), &json!({ "is_closed": true }))],
        ),
        said(
            QUESTION,
            "The time is used up, with a change",
            vec![question(
                &time(json!({ "is": "change", "files": 3 })),
                &whole,
            )],
        ),
        said(
            QUESTION,
            "The time is used up, with a change to decide on",
            vec![question(&time(json!({ "is": "held", "files": 1 })), &whole)],
        ),
        said(
            QUESTION,
            "The time is used up while answering",
            vec![question(
                &time(json!({ "is": "plan" })),
                &["Continue", "Stop"],
            )],
        ),
        said(
            QUESTION,
            "No working time is left to answer",
            vec![question(
                &time(json!({ "is": "answer" })),
                &["Continue", "Stop"],
            )],
        ),
        said(
            QUESTION,
            "The time is used up, with nothing changed",
            vec![question(
                &time(json!({ "is": "nothing" })),
                &["Continue", "Stop"],
            )],
        ),
        said(
            QUESTION,
            "The time is used up, with a change that may not leave",
            vec![question(
                &time(json!({ "is": "refused", "reason": "it has more than 5,000 files" })),
                &["Continue", "Stop"],
            )],
        ),
        said(
            QUESTION,
            "The ceiling of spend is reached",
            vec![question(
                &json!({ "about": "budget", "spent": usage(), "ceiling": 300_000 }),
                &["Continue", "Stop"],
            )],
        ),
        said(
            QUESTION,
            "The ceiling of spend is reached while a question is looked up",
            vec![question(
                &json!({ "about": "budget", "spent": usage(), "ceiling": 300_000, "purpose": "inquiry" }),
                &["Continue", "Stop"],
            )],
        ),
    ]
}

fn held() -> Vec<Sample> {
    let hold = |path: &str, reasons: Value, diff: &str| json!({ "path": path, "content": "9b1d", "reasons": reasons, "diff": diff, "is_cut": false });
    let change = |holds: Value, choices: &[&str]| {
        let rest = choices.contains(&"Leave out").then_some("5e2f7710aa");
        let about = json!({ "commit": "8c0d4e17bb", "rest": rest, "holds": holds });
        question(&json!({ "about": "held", "held": about }), choices)
    };
    let config = hold(
        "config/limits.json",
        json!([{ "reason": "out_of_scope" }]),
        "@@ -1,3 +1,3 @@\n {\n-  \"limit\": 100\n+  \"limit\": 500\n }\n",
    );
    let secret = hold(
        "test/fixtures/key.pem",
        json!([{ "reason": "secret", "rule": "private-key", "line": 1, "masked": "--…--", "mark": "1f" }]),
        "@@ -0,0 +1 @@\n+(a line that looks like a secret)\n",
    );
    let rest = json!([
        hold(
            ".github/workflows/ci.yml",
            json!([{ "reason": "workflow" }]),
            ""
        ),
        hold("CODEOWNERS", json!([{ "reason": "code_owners" }]), ""),
        hold(".gitattributes", json!([{ "reason": "git_settings" }]), ""),
        hold(".husky/pre-commit", json!([{ "reason": "hook" }]), ""),
        hold("AGENTS.md", json!([{ "reason": "agent_rules" }]), ""),
        hold(
            ".devcontainer/devcontainer.json",
            json!([{ "reason": "environment" }]),
            ""
        ),
        hold(".env", json!([{ "reason": "secret_file" }]), ""),
        hold(
            "data/dump.bin",
            json!([{ "reason": "not_searched", "bytes": 80_000_000 }]),
            ""
        ),
    ]);
    let never = json!([
        hold(
            "docs/link",
            json!([{ "reason": "link_out", "target": "/etc/passwd" }]),
            ""
        ),
        hold("vendor/lib", json!([{ "reason": "submodule" }]), ""),
        hold(
            "assets/film.mp4",
            json!([{ "reason": "large_file_pointer" }]),
            ""
        ),
        hold(
            "assets/big.bin",
            json!([{ "reason": "large_file", "bytes": 150_000_000 }]),
            ""
        ),
        hold(
            "lib/us\u{202e}sj.sre",
            json!([{ "reason": "deceiving_name", "why": "has characters that nobody sees" }]),
            ""
        ),
        hold(
            "lib/Users.js",
            json!([{ "reason": "collision", "with": "lib/users.js" }]),
            ""
        ),
        hold(
            "lib/db.js",
            json!([{ "reason": "own_secret", "line": 12 }]),
            ""
        ),
    ]);
    let include = ["Include", "Leave out", "Cancel"];
    let asked = || change(json!([config]), &include);
    vec![
        said(HELD, "A file that the plan does not name", vec![asked()]),
        said(
            HELD,
            "Something that looks like a secret",
            vec![change(json!([secret]), &include)],
        ),
        said(
            HELD,
            "Everything that can be included",
            vec![change(rest, &include)],
        ),
        said(
            HELD,
            "Everything that cannot",
            vec![change(never, &["Leave out", "Cancel"])],
        ),
        said(
            HELD,
            "Decided",
            vec![
                asked(),
                with(
                    asked(),
                    &json!({ "answered": [person("Cleo"), "Leave out"] }),
                ),
            ],
        ),
    ]
}

fn decided(verdict: &str) -> Value {
    json!({ "verdict": verdict, "by": person("Ben"), "road": "button", "at": AT })
}

fn network() -> Vec<Sample> {
    let entry = |number: u32, host: &str, over: &Value| {
        let refused = json!({
            "host": host, "port": 443, "phase": "work", "method": "GET", "path": "/left-pad", "rule": "not-listed",
            "command": "npm install left-pad", "count": 3,
        });
        with(
            json!({ "number": number, "card": 1, "run": 1, "refused": refused, "decision": null }),
            over,
        )
    };
    let card = |rows: Value, more: u32| json!({ "message": "network", "rows": rows, "more": more, "repository": "acme/web", "asks": person("Ana") });
    let (first, second) = ("registry.npmjs.org", "docs.example.com");
    let open = || {
        card(
            json!([entry(1, first, &json!({})), entry(2, second, &json!({}))]),
            2,
        )
    };
    let all_decided = card(
        json!([
            entry(1, first, &json!({ "decision": decided("repository") })),
            entry(2, second, &json!({ "decision": decided("never") })),
        ]),
        0,
    );
    let settled = |verdict: &str| json!({ "message": "network_settled", "host": first, "decision": decided(verdict) });
    vec![
        said(NETWORK, "Two hosts to decide about", vec![open()]),
        said(NETWORK, "Decided", vec![open(), all_decided]),
        said(
            NETWORK,
            "Asked again on a later card",
            vec![open(), card(json!([]), 0)],
        ),
        whispered(
            NETWORK,
            "Somebody was faster, and refused it for good",
            settled("never"),
        ),
        whispered(
            NETWORK,
            "Somebody was faster, and allowed it once",
            settled("once"),
        ),
        whispered(
            NETWORK,
            "Somebody was faster, and allowed it for the repository",
            settled("repository"),
        ),
        whispered(
            NETWORK,
            "A host that was not refused",
            json!({ "message": "network_unknown", "host": "example.org" }),
        ),
    ]
}

fn requests() -> Vec<Sample> {
    let edited = json!({
        "is": "edited", "by": person("Ana"),
        "before": "The offset parameter of /api/v2/users is ignored when limit is over 100.",
        "now": "The offset parameter of /api/v2/users is ignored when limit is over 100. The same goes for /api/v2/teams.",
    });
    let card = |change: &Value, standing: Value| {
        json!({
            "message": "proposal", "proposal": { "number": 1, "change": change, "standing": standing },
            "title": super::TITLE, "asks": person("Ana"),
        })
    };
    let deleted = json!({ "is": "deleted" });
    let open = || json!({ "is": "open" });
    let settled = |settlement: &str| json!({ "is": "settled", "by": person("Cleo"), "settlement": settlement, "at": AT });
    let then = |title: &str, change: &Value, standing: Value| {
        said(
            REQUEST,
            title,
            vec![card(change, open()), card(change, standing)],
        )
    };
    vec![
        said(
            REQUEST,
            "The issue is edited by somebody whose words are none of an instruction",
            vec![
                json!({ "message": "edit_fenced", "by": person("Ana"), "strangers": ["Mallory, outside Linear"] }),
            ],
        ),
        whispered(
            REQUEST,
            "Edited before anything was made of it",
            json!({ "message": "edit_taken" }),
        ),
        whispered(
            REQUEST,
            "A question is edited before it is answered",
            json!({ "message": "edit_taken", "purpose": "inquiry" }),
        ),
        said(
            REQUEST,
            "Edited after the approval",
            vec![card(&edited, open())],
        ),
        then("The edit is work", &edited, settled("take")),
        then("The edit is left out", &edited, settled("leave")),
        then("Edited once more", &edited, json!({ "is": "replaced" })),
        then(
            "The task ended first",
            &edited,
            json!({ "is": "withdrawn" }),
        ),
        said(REQUEST, "Deleted", vec![card(&deleted, open())]),
        then("Deleted, and cancelled", &deleted, settled("cancel")),
        then("Deleted, and it goes on", &deleted, settled("keep")),
    ]
}
