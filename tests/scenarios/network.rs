//! The network of a task: what is refused becomes a card, and what people decide holds in the sandbox that runs.

use std::time::Instant;

use deckhand::domain::task::Task;
use deckhand_world::{
    models::{Phase, Turn},
    slack::{Message, Standing, Thread},
};
use serde_json::json;

use crate::harness::{
    PATIENCE, Props, REQUEST, Stage,
    asking::whispered,
    gateway::{ANSWER, Gateway, ask_until},
    scripts,
};

/// A stage with the gateway, and with a model that does this first when it works.
async fn stage_with(command: &str, mut settings: Vec<(&'static str, String)>) -> (Stage, Gateway) {
    let gateway = Gateway::open().await;
    settings.push(("DECKHAND_UPSTREAM_PROXY", gateway.url()));
    let stage = Stage::open_with(Props {
        settings,
        ..Props::default()
    })
    .await;
    let script = scripts::without_pages().first(Phase::Work, [Turn::shell(command)]);
    stage.models.otherwise(script);
    (stage, gateway)
}

/// The card that waits for a decision.
async fn card(thread: &Thread) -> Message {
    thread
        .wait_for("the network card", |message| {
            message.from_bot() && message.says("that it may not reach")
        })
        .await
        .unwrap()
}

async fn working(stage: &Stage) -> Thread {
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    thread
}

async fn audit(stage: &Stage, task: &Task) -> Vec<String> {
    let entries = stage.context.store.audit_of(&task.id).await.unwrap();
    entries
        .into_iter()
        .filter(|(_, entry)| entry.act.starts_with("network"))
        .map(|(_, entry)| format!("{} {}: {}", entry.person, entry.act, entry.detail))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_allowed_in_the_thread_and_the_sandbox_that_runs_reaches_it() {
    let (stage, gateway) = stage_with("true", vec![]).await;
    // The agent asks what became of it, before anybody has decided and after.
    let turns = [
        Turn::shell("curl -s -m 5 -o /tmp/t -w '%{http_code}' http://packages.example/; sleep 5"),
        Turn::tool("network_access", json!({})),
        Turn::shell(ask_until("packages.example")),
        Turn::tool("network_access", json!({"host": "packages.example"})),
    ];
    let script = scripts::without_pages().first(Phase::Work, turns);
    stage.models.otherwise(script);
    stage.slack.add_user("gus", Standing::Guest);
    let thread = working(&stage).await;
    let shown = card(&thread).await;
    assert!(
        shown.says("packages.example:80") && shown.says("does not list it"),
        "{}",
        thread.render()
    );
    // Retries are counted, and nothing waits: the agent goes on trying.
    stage
        .wait_until(&thread, "refused more than once", |task| {
            task.network.entries.len() == 1 && task.network.entries[0].refused.count > 1
        })
        .await;
    let control = thread.control("Allow once").unwrap();
    thread.press_control("gus", &control).await.unwrap();
    whispered(&thread, "Nothing about the network was changed").await;
    assert_eq!(gateway.asked_for("packages.example"), 0);

    let run = stage.task(&thread).await.last_run;
    let pressed = Instant::now();
    thread.press_control("ana", &control).await.unwrap();
    stage.settle().await;
    let in_force = pressed.elapsed();
    thread
        .wait_for_words("Allowed for this task by ana")
        .await
        .unwrap();
    let task = stage.wait_for_state(&thread, "in_review").await;
    eprintln!("in force {in_force:?} after the press");
    assert_eq!(task.last_run, run, "it was the same run");
    assert!(gateway.asked_for("packages.example") > 0);
    let log = stage.log(&task.id).await;
    for words in [
        ANSWER,
        "nobody has decided yet",
        "ana decided: allowed for this task",
    ] {
        assert!(log.contains(words), "{words:?} is not in\n{log}");
    }

    // Whoever presses later is told, and nothing changes.
    thread.press_control("ben", &control).await.unwrap();
    whispered(&thread, "and the first decision counts").await;
    thread.say("ben", "never packages.example").await.unwrap();
    thread.say("ben", "allow once other.example").await.unwrap();
    whispered(&thread, "was not refused `other.example`").await;
    stage.settle().await;
    assert_eq!(
        audit(&stage, &task).await,
        [
            "slack:T0ACME:UGUS network, without effect: once for packages.example:80 by Button",
            "slack:T0ACME:UANA network: once for packages.example:80 by Button",
            "slack:T0ACME:UBEN network, without effect: once for packages.example:80 by Button",
            "slack:T0ACME:UBEN network, without effect: never for packages.example:80 by Sentence",
            "slack:T0ACME:UBEN network, without effect: once for other.example by Sentence",
        ]
    );
    assert_eq!(stage.rows("network_grants").await, 1);
    eprintln!("{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_the_repository_holds_for_the_next_task_without_a_card() {
    let tries = format!(
        "curl -s -m 5 http://tracker.example/; {}; curl -s -m 5 -o /tmp/t -w 'tracker answered %{{http_code}}' http://tracker.example/",
        ask_until("packages.example")
    );
    let (stage, gateway) = stage_with(&tries, vec![]).await;
    let thread = working(&stage).await;
    card(&thread).await;
    stage
        .wait_until(&thread, "refused both", |task| {
            task.network.entries.len() == 2
        })
        .await;
    thread
        .say("ana", "allow packages.example for this repository")
        .await
        .unwrap();
    thread.say("ana", "never tracker.example").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(gateway.asked_for("tracker.example"), 0);

    let next = stage.planned(REQUEST).await;
    let task = stage.approve(&next).await;
    assert_eq!(task.network.entries, [], "{}", next.render());
    assert!(stage.log(&task.id).await.contains("tracker answered 403"));
    assert!(gateway.asked_for("packages.example") > 1);
    assert_eq!(gateway.asked_for("tracker.example"), 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_decides_where_the_settings_say_so_also_after_a_restart() {
    let second = vec![("DECKHAND_NETWORK_SECOND_PERSON", "true".to_owned())];
    let (mut stage, gateway) = stage_with(&ask_until("packages.example"), second).await;
    let thread = working(&stage).await;
    card(&thread).await;
    let control = thread.control("Allow once").unwrap();
    thread.press_control("ana", &control).await.unwrap();
    whispered(&thread, "a second person has to decide about the network").await;
    stage.restart().await;
    thread.press_control("ben", &control).await.unwrap();
    thread
        .wait_for_words("Allowed for this task by ben")
        .await
        .unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    assert!(gateway.asked_for("packages.example") > 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decided_about_a_task_that_was_cancelled() {
    let (stage, gateway) = stage_with(&ask_until("packages.example"), vec![]).await;
    let thread = working(&stage).await;
    card(&thread).await;
    let control = thread.control("Allow for acme/web").unwrap();
    stage.stop(&thread).await;
    thread.press_control("ana", &control).await.unwrap();
    whispered(&thread, "it cannot change its network now").await;
    stage.settle().await;
    assert_eq!(stage.rows("network_grants").await, 0);
    assert_eq!(gateway.asked_for("packages.example"), 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_fails_for_a_host_says_so_and_a_retry_works_once_it_is_allowed() {
    let gateway = Gateway::open().await;
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_UPSTREAM_PROXY", gateway.url())],
        ..Props::default()
    })
    .await;
    let setup = format!("curl -s -m 5 http://packages.example/ | grep {ANSWER}");
    stage.models.otherwise(scripts::with_setup(&setup));
    let thread = working(&stage).await;
    stage.wait_for_state(&thread, "failed").await;
    thread
        .wait_for_words("allow it in the message about the network, then retry")
        .await
        .unwrap();
    let shown = card(&thread).await;
    assert!(shown.says("during the setup"), "{}", thread.render());
    thread.press("ana", "Allow for acme/web").await.unwrap();
    stage.settle().await;
    thread.press("ana", "Retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_shows_the_policy_and_a_change_of_it_shows_the_plan_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let write = |policy: &str| std::fs::write(&file, policy).unwrap();
    write(&json!({"version": 1, "default": {"preset": "open"}}).to_string());
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_POLICY_FILE", file.display().to_string())],
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    thread
        .wait_for_words("everything public, set by the administrator")
        .await
        .unwrap();

    // A policy that cannot be read changes nothing but the notes of the operator.
    write("{\"version\": 1,\n\"default\": {\"preset\": \"all\"}}");
    let trouble = stage.context.way_out.book.trouble().unwrap();
    assert!(trouble.contains("line 2"), "{trouble}");
    assert!(
        stage
            .context
            .way_out
            .book
            .policy("acme/web", "goose")
            .await
            .is_open()
    );

    let listed = json!({"version": 1, "repositories": {"acme/web": {"rules": [{"hosts": ["packages.example"]}]}}});
    write(&listed.to_string());
    assert_eq!(stage.context.way_out.book.trouble(), None);
    thread.say("ana", "approve").await.unwrap();
    thread.wait_for_words("packages.example (").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.approval, None);
    stage.approve(&thread).await;
    stage.close().await;
}

/// What a live sandbox holds in the variable, and what leaves with it for a host that is not its rule's.
async fn held(stage: &Stage) -> String {
    stage.models.until_waiting(1, PATIENCE).await.unwrap();
    let sandbox = stage.sandboxes().await.remove(0);
    let ask = "curl -sf -m 20 -H \"x-token: $NPM_TOKEN\" -u \"ana:$NPM_TOKEN\" http://plain.example/ >/dev/null; printenv NPM_TOKEN";
    stage.inside(&sandbox, ask).await.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_holds_a_placeholder_of_its_run_and_no_token() {
    const TOKEN: &str = "tok-canary-of-a-registry-that-wants-a-variable-90";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let policy = json!({"version": 1, "repositories": {"acme/web": {"rules": [
        {"hosts": ["npm.example"], "credential": "npm", "variable": "NPM_TOKEN"},
        {"hosts": ["plain.example"], "ports": [80]},
    ]}}});
    std::fs::write(&file, policy.to_string()).unwrap();
    let settings = vec![
        ("DECKHAND_POLICY_FILE", file.display().to_string()),
        ("DECKHAND_CREDENTIAL_NPM", format!("bearer:{TOKEN}")),
    ];
    let (stage, gateway) = stage_with("true", settings).await;
    // A setup that insists on it, in the work tree and in the clean container.
    let script = scripts::with_setup("test \"${NPM_TOKEN#tok-}\" != \"$NPM_TOKEN\"");
    stage.models.otherwise(script);
    stage.models.pause();
    let thread = stage.mention(REQUEST).await;
    let in_planning = held(&stage).await;
    stage.models.resume();
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread
        .wait_for_words("in whose place the sandbox holds NPM_TOKEN")
        .await
        .unwrap();
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    let in_work = held(&stage).await;
    stage.models.resume();
    stage.wait_for_state(&thread, "in_review").await;
    for held in [&in_planning, &in_work] {
        assert!(held.starts_with("tok-"), "{held}");
        assert_eq!(held.len(), TOKEN.len());
        assert_ne!(held, TOKEN);
    }
    assert_ne!(in_planning, in_work, "each run has its own");
    let heads = gateway.heads();
    assert_eq!(heads.len(), 2, "{heads:?}");
    for head in heads {
        let head = head.to_ascii_lowercase();
        assert!(
            !head.contains("x-token") && !head.contains("authorization"),
            "{head}"
        );
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_told_of_its_repositorys_mcp_server_and_reaches_it_by_a_rule_alone() {
    let stage = Stage::open_with(Props {
        file: "[[repository]]\nname = \"acme/web\"\nmcp = [{ name = \"tracker\", url = \"https://mcp.example/mcp\" }]\n"
            .to_owned(),
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    let shown = card(&thread).await;
    assert!(shown.says("mcp.example:443"), "{}", thread.render());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_the_engine_does_not_have_is_named_in_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    let policy = json!({"version": 1, "repositories": {"acme/web": {"runtime": "kata-of-nobody"}}});
    std::fs::write(&file, policy.to_string()).unwrap();
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_POLICY_FILE", file.display().to_string())],
        ..Props::default()
    })
    .await;
    let thread = stage.mention(REQUEST).await;
    thread.wait_for_words("kata-of-nobody").await.unwrap();
    stage.wait_for_state(&thread, "failed").await;
    assert!(stage.sandboxes().await.is_empty(), "{}", thread.render());
    stage.close().await;
}
