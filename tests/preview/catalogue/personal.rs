//! What one person is told, forms, and a person's page.

mod applied;

use serde_json::{Value, json};

use super::{Opened, Sample, Shown, TITLE, person, said, whispered, with};

const PERSONAL: &str = "Answers to one person";
const FORM: &str = "Forms";
const HOME: &str = "A person's page";

pub(super) fn samples() -> Vec<Sample> {
    let mut all = refusals();
    all.extend(answers());
    all.extend(applied::samples());
    let form = |title: &str, opened| Sample {
        chapter: FORM,
        title: title.to_owned(),
        shown: Shown::Form(opened),
    };
    all.extend([
        form("Edit the plan", Opened::Correction),
        form("Change repository", Opened::Repository),
        form("Change repository, and none is known", Opened::AnyRepository),
        form("Create a Linear issue, and its team is not clear", Opened::Team),
        form("New task", Opened::Request),
        form("Settings of a channel", Opened::Settings),
        said(FORM, "What was asked in a form", vec![json!({ "message": "requested", "by": person("Ana"), "text": "The offset parameter of /api/v2/users is ignored when limit is over 100." })]),
        whispered(FORM, "A form that cannot be said there", json!({ "message": "cannot_post", "text": "The offset parameter of /api/v2/users is ignored when limit is over 100." })),
    ]);
    let page = |title: &str, tasks: Value| Sample {
        chapter: HOME,
        title: title.to_owned(),
        shown: Shown::Home(home(&tasks)),
    };
    all.extend([page("With tasks", tasks()), page("Empty", json!([]))]);
    all
}

fn line(id: &str, title: &str, stands: &str, needs: Option<&str>) -> Value {
    json!({ "id": id, "title": title, "stands": stands, "url": format!("https://deckhand.example.com/t/{id}"), "needs": needs })
}

fn tasks() -> Value {
    json!([
        line(
            "k7f3",
            TITLE,
            "waits for your decision on its plan",
            Some("approve it, or say what should be different")
        ),
        line("m2q9", "Update the changelog for 2.4", "is working", None),
        line(
            "a8z1",
            "Make the nightly test quieter",
            "is in review, proved",
            None
        ),
    ])
}

fn home(tasks: &Value) -> Value {
    json!({
        "tasks": tasks,
        "mine": { "repository": "acme/web", "agent": null, "noise": "usual" },
        "settings": {
            "agent": "claude", "model": null, "budget": 5_000_000, "parallel_tasks": 4,
            "repositories": ["acme/web", "acme/api"], "people": 0, "second_person_approves": true,
        },
    })
}

fn settings(over: &Value) -> Value {
    let card = json!({
        "message": "settings", "mine": { "repository": "acme/web", "agent": null, "noise": "usual" },
        "here": { "repository": null, "agent": "codex", "noise": "quiet" }, "agent": "claude",
    });
    with(card, over)
}

fn kept(of: &Value) -> Value {
    json!({ "message": "settings_kept", "of": of, "preferences": { "repository": "acme/web", "agent": "codex", "noise": "quiet" } })
}

fn edit() -> Value {
    json!({ "steps": ["Write a failing test for limit=200"], "files": ["lib/users.js"], "checks": ["npm test"], "risks": [], "network": [] })
}

fn refused_files() -> Value {
    json!([
        { "name": "dump.sql", "why": { "is": "too_large", "size_bytes": 80_000_000 } },
        { "name": "heap.bin", "why": { "is": "larger" } },
        { "name": "demo.mp4", "why": { "is": "unreadable" } },
        { "name": "shot-21.png", "why": { "is": "too_many" } },
        { "name": "shot-51.png", "why": { "is": "task_is_full" } },
        { "name": "trace.txt", "why": { "is": "gone" } },
    ])
}

fn refusals() -> Vec<Sample> {
    let refused = |act: &str, refusal: &str| {
        let title = format!(
            "Refused: {} ({})",
            act.replace('_', " "),
            refusal.replace('_', " ")
        );
        whispered(
            PERSONAL,
            title,
            json!({ "message": "not_allowed", "act": act, "refusal": refusal }),
        )
    };
    vec![
        refused("start", "not_a_member"),
        refused("steer", "not_listed"),
        refused("file_issue", "not_a_member"),
        refused("approve", "own_request"),
        refused("approve", "elsewhere"),
        refused("cancel", "not_a_member"),
        refused("widen_network", "own_request"),
        refused("widen_network", "elsewhere"),
        refused("rate", "not_a_member"),
        refused("configure", "not_listed"),
    ]
}

fn answers() -> Vec<Sample> {
    let answer = |title: &str, message: Value| whispered(PERSONAL, title, message);
    vec![
        answer(
            "A stale approval",
            json!({ "message": "stale_approval", "seen": 1, "current": 2 }),
        ),
        answer(
            "An approval of nothing",
            json!({ "message": "stale_approval", "seen": 1, "current": null }),
        ),
        answer(
            "Nothing to cancel",
            json!({ "message": "nothing_to_do", "stands": "was merged", "wanted": "cancel" }),
        ),
        answer(
            "Nothing to retry",
            json!({ "message": "nothing_to_do", "stands": "is working", "wanted": "retry" }),
        ),
        answer(
            "Nothing to go on with",
            json!({ "message": "nothing_to_do", "stands": "was cancelled", "wanted": "go on" }),
        ),
        answer(
            "Options that are none",
            json!({ "message": "option_hints", "unknown": [{ "written": "repos=acme/web", "hint": "did you mean `repo=`?" }, { "written": "budget=lots", "hint": "a budget is written in dollars: `budget=5`" }] }),
        ),
        answer(
            "An answered question has nothing to cancel",
            json!({ "message": "nothing_to_do", "stands": "was answered", "wanted": "cancel", "purpose": "inquiry" }),
        ),
        answer("Nothing was asked", json!({ "message": "nothing_asked" })),
        answer(
            "No question was asked",
            json!({ "message": "nothing_to_answer" }),
        ),
        answer("Help", json!({ "message": "help" })),
        answer(
            "Experts",
            json!({ "message": "experts", "agents": ["claude", "goose"] }),
        ),
        answer(
            "Already a task",
            json!({ "message": "already_asked", "task": line("k7f3", TITLE, "is working", None) }),
        ),
        answer("Tasks", json!({ "message": "task_list", "tasks": tasks() })),
        answer("No tasks", json!({ "message": "task_list", "tasks": [] })),
        answer(
            "Settings, with those of the channel",
            settings(&json!({ "place": "slack:T0ACME:CENG", "may_change": true })),
        ),
        answer(
            "Settings of a person who may not change them",
            settings(&json!({ "place": null, "may_change": false })),
        ),
        answer(
            "Settings of a person are kept",
            kept(&json!({ "of": "person", "key": "slack:T0ACME:UANA" })),
        ),
        answer(
            "Settings of a channel are kept",
            kept(&json!({ "of": "place", "key": "slack:T0ACME:CENG" })),
        ),
        answer(
            "An edit that changed nothing",
            json!({ "message": "edit_refused", "why": { "is": "unchanged" } }),
        ),
        answer(
            "An edit of a revision that was replaced",
            json!({ "message": "edit_refused", "why": { "is": "stale", "seen": 1, "current": 2, "edit": edit() } }),
        ),
        answer(
            "An edit of a plan that waits no more",
            json!({ "message": "edit_refused", "why": { "is": "stale", "seen": 1, "current": null, "edit": edit() } }),
        ),
        answer(
            "Files that were not taken",
            json!({ "message": "files_refused", "files": refused_files() }),
        ),
        answer(
            "Links that could not be followed",
            json!({ "message": "links_unread", "links": [
                { "link": "https://acme.slack.com/archives/CSECRET/p1789394700000100", "why": "not_for_all" },
                { "link": "https://other.slack.com/archives/COTHER/p1789394700000200", "why": "elsewhere" },
                { "link": "https://acme.slack.com/archives/CGONE/p1789394700000300", "why": "gone" },
                { "link": "https://acme.slack.com/archives/CENG/p1789394700000400", "why": "too_many" },
            ] }),
        ),
        answer(
            "A link that could not be followed among others",
            json!({ "message": "links_unread", "links": [
                { "link": "https://acme.slack.com/archives/CENG/p1789394700000100", "why": "shared_here" },
            ] }),
        ),
        answer(
            "Thanks for a good word",
            json!({ "message": "thanks", "opinion": "good", "changed": false }),
        ),
        answer(
            "Thanks for a word on an answer",
            json!({ "message": "thanks", "opinion": "bad", "changed": false, "purpose": "inquiry" }),
        ),
        answer(
            "Thanks for another mind",
            json!({ "message": "thanks", "opinion": "bad", "changed": true }),
        ),
        answer(
            "Something was given up",
            json!({ "message": "not_handled", "reference": "4711" }),
        ),
    ]
}
