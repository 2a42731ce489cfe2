//! What applies to whoever asks: the answers to `why` and `limits`.

use serde_json::{Value, json};

use super::{super::AT, PERSONAL, Sample, whispered, with};

pub(super) fn samples() -> Vec<Sample> {
    let why = |title: &str, card: &Value| whispered(PERSONAL, title, card.clone());
    let limits = |title: &str, over: &Value| whispered(PERSONAL, title, with(limits(), over));
    vec![
        why("Why, before there is a task", &before()),
        why("Why, of a task", &of_a_task()),
        why("Why, with nothing set", &unset()),
        why("Why, of the settings of people", &of_people()),
        why("Why, of an issue", &of_an_issue()),
        why("Why, asked by a guest", &by_a_guest()),
        limits("Limits, before there is a task", &json!({})),
        limits(
            "Limits, of a task",
            &json!({
                "used": {
                    "task": "k7f3", "spent": super::super::usage(), "worked_ms": 1_320_000,
                    "rework_rounds": 1, "waiting": 2,
                },
                "spend": [10_000_000, { "is": "said" }],
                "refused": "not_listed",
            }),
        ),
    ]
}

/// The four rights, each with who has it and why whoever asks has it not.
fn rights(people: &Value, network: &Value, another: bool, refused: [&Value; 3]) -> Value {
    let [start, approve, widen] = refused;
    json!([
        { "act": "start", "who": people, "needs_another": false, "refused": start },
        { "act": "approve", "who": people, "needs_another": another, "refused": approve },
        { "act": "widen_network", "who": network, "needs_another": another, "refused": widen },
        { "act": "rate", "who": { "are": "members" }, "needs_another": false, "refused": null },
    ])
}

fn members() -> Value {
    json!({ "are": "members" })
}

fn installation() -> Value {
    json!({ "is": "installation" })
}

fn set(by: &str) -> Value {
    json!({ "is": "set", "by": by })
}

fn terms(over: &Value) -> Value {
    let terms = json!({
        "task": null, "repository": ["acme/web", set("channel")], "base": null,
        "agent": ["claude", set("channel")], "model": ["opus-5", installation()],
        "budget": [10_000_000, installation()], "work_ms": [14_400_000, installation()],
        "network": { "fingerprint": "", "summary": ["trusted: package registries (12 hosts, setup and work, GET and HEAD)"], "open": false, "beyond": [] },
        "has_policy": true, "decided": [], "approved": null,
    });
    with(terms, over)
}

fn why(rights: &Value, people: &Value, terms: &Value) -> Value {
    json!({ "message": "why", "rights": rights, "people": people, "terms": terms })
}

fn before() -> Value {
    let own = json!("own_request");
    let rights = rights(&members(), &members(), true, [&Value::Null, &own, &own]);
    why(&rights, &json!([]), &terms(&json!({})))
}

fn of_a_task() -> Value {
    let people = json!({ "are": "people", "number": 12 });
    let network = json!({ "are": "network_people", "number": 2 });
    let refused = [&Value::Null, &Value::Null, &json!("not_listed")];
    let terms = terms(&json!({
        "task": "k7f3", "repository": ["acme/web", { "is": "said" }], "base": ["main", "3f9a1c0de7"],
        "agent": ["claude", installation()], "model": null,
        "budget": [5_000_000, { "is": "said" }], "work_ms": [7_200_000, { "is": "repository" }],
        "decided": [["packages.example:443", "once", "Cleo"], ["pypi.example:443", "repository", "Cleo"], ["tracker.example:443", "never", "Ben"]],
        "approved": [2, "Cleo", AT],
    }));
    let names = json!(["Ana", "Ben", "Cleo"]);
    why(&rights(&people, &network, false, refused), &names, &terms)
}

fn unset() -> Value {
    let rights = rights(&members(), &members(), false, [&Value::Null; 3]);
    let terms = terms(&json!({
        "repository": null, "agent": ["claude", { "is": "unset" }], "model": null, "network": null,
        "has_policy": false, "work_ms": null,
    }));
    why(&rights, &json!([]), &terms)
}

fn of_people() -> Value {
    let elsewhere = json!("elsewhere");
    let refused = [&Value::Null, &elsewhere, &elsewhere];
    let terms = terms(&json!({
        "task": "k7f3", "repository": ["acme/web", set("thread")], "base": ["main", "3f9a1c0de7"],
        "agent": ["codex", set("person")],
        "network": { "fingerprint": "", "summary": [], "open": true, "beyond": [] },
    }));
    why(
        &rights(&members(), &members(), true, refused),
        &json!([]),
        &terms,
    )
}

fn of_an_issue() -> Value {
    let rights = rights(&members(), &members(), false, [&Value::Null; 3]);
    let repository = json!(["acme/web", set("filed")]);
    let terms =
        terms(&json!({ "task": "k7f3", "repository": repository, "base": ["main", "3f9a1c0de7"] }));
    why(&rights, &json!([]), &terms)
}

fn by_a_guest() -> Value {
    let refused = json!("not_a_member");
    let mut rights = rights(&members(), &members(), false, [&refused; 3]);
    rights[3]["refused"] = refused;
    why(&rights, &json!([]), &Value::Null)
}

fn limits() -> Value {
    json!({
        "message": "limits", "used": null, "spend": [10_000_000, installation()],
        "work_ms": [14_400_000, installation()], "run_ms": 14_400_000, "check_ms": 900_000,
        "silence_ms": 600_000, "wait_ms": 1_209_600_000, "remind_ms": 86_400_000,
        "rework_rounds": 2, "at_once": 3, "at_work": 2, "in_line": 1,
        "memory_bytes": 4_294_967_296_u64, "processors": 2.0, "disk_bytes": 10_737_418_240_u64,
        "refused": null,
    })
}
