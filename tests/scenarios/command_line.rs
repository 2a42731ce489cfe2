//! What operators type: the verbs of the real program, their answers, and their exit status.

use std::{path::Path, time::Duration};

use axum::{Json, Router, body::Bytes, http::HeaderMap};
use deckhand::{
    domain::{
        TaskId, Timestamp,
        conversation::{Person, PersonId, Road, Standing},
        network::{NetworkDecision, NetworkGrant, Verdict},
        specification::RepositoryName,
    },
    store::Store,
};
use deckhand_world::slack::Fault;
use serde_json::{Value, json};

use crate::harness::{
    PATIENCE, Props, Stage,
    asking::{until, whispered},
    canaries::Search,
    planted::planting,
    program::Deckhand,
};

const POLICY: &str = r#"{
  "version": 1,
  "default": { "rules": [{ "hosts": ["packages.example"] }] },
  "repositories": {
    "acme/web": { "rules": [{ "hosts": ["api.example"], "methods": ["GET", "POST"], "paths": ["/v2/"] }] }
  }
}"#;

/// A policy in the folder of the program.
fn policy_of(program: &Deckhand, text: &str) -> String {
    let path = program.path("policy.json");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_checked_before_it_is_put_in_place() {
    let program = Deckhand::alone();
    let good = policy_of(&program, POLICY);
    let checked = program.run(&["policy", "check", &good]).await;
    assert!(checked.ok, "{checked:?}");
    assert_eq!(checked.errors, "");
    let lines: Vec<&str> = checked.output.lines().collect();
    assert_eq!(
        lines,
        [
            format!("ok: {good}").as_str(),
            "for every repository: the model, and",
            "  packages.example (setup and work, GET and HEAD)",
        ]
    );

    // What is wrong is named with its line.
    for (right, wrong, line, words) in [
        (
            "\"version\": 1",
            "\"version\": 2",
            2,
            "write `\"version\": 1`",
        ),
        ("packages.example", "10.0.0.1", 3, "an address in figures"),
        ("\"default\"", "\"defaults\"", 3, "unknown field `defaults`"),
        ("\"methods\"", "\"method\"", 5, "unknown field `method`"),
        ("\"/v2/\"", "\"v2/\"", 5, "it has to begin with `/`"),
        ("\"version\": 1,", "\"version\": 1", 3, "expected `,`"),
    ] {
        let broken = POLICY.replace(right, wrong);
        assert_ne!(broken, POLICY, "{right} is not in the policy");
        let file = policy_of(&program, &broken);
        let checked = program.run(&["policy", "check", &file]).await;
        assert!(!checked.ok, "{checked:?}");
        assert_eq!(checked.output, "");
        let place = format!("deckhand: {file}, line {line}, column ");
        assert!(checked.errors.starts_with(&place), "{checked:?}");
        assert!(checked.errors.contains(words), "{checked:?}");
    }
    let gone = program
        .run(&["policy", "check", "/no/such/policy.json"])
        .await;
    assert!(!gone.ok, "{gone:?}");
    let words = "deckhand: /no/such/policy.json cannot be read";
    assert!(gone.errors.starts_with(words), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_policy_is_the_one_in_the_documents() {
    let printed = Deckhand::alone().run(&["policy", "schema"]).await;
    assert!(printed.ok, "{printed:?}");
    let printed: Value = serde_json::from_str(&printed.output).unwrap();
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/network-policy.schema.json");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(written).unwrap()).unwrap();
    assert_eq!(printed, written);
}

/// Ana's decision about a host of acme/web.
async fn decided(program: &Deckhand, host: &str, verdict: Verdict) {
    let path = program.path("data").join("deckhand.sqlite");
    let store = Store::open(&format!("sqlite:{}", path.display()))
        .await
        .unwrap();
    let grant = NetworkGrant {
        repository: RepositoryName("acme/web".into()),
        host: host.into(),
        port: 443,
        decision: NetworkDecision {
            verdict,
            by: Person {
                id: PersonId("slack:T0ACME:UANA".into()),
                name: "ana".into(),
                standing: Standing::Member,
            },
            road: Road::Button,
            at: Timestamp(1),
        },
    };
    let task = TaskId("k3f9qx".into());
    store.remember_grant(&task, &grant).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_shown_as_it_is_in_force_and_decisions_are_forgotten() {
    let mut program = Deckhand::alone();
    let file = policy_of(&program, POLICY);
    program.set("DECKHAND_POLICY_FILE", file);
    let rules = [
        "for acme/web: the model, and",
        "  api.example (setup and work, GET and POST, below /v2/)",
        "  packages.example (setup and work, GET and HEAD)",
    ];
    // Nothing has run here yet, and nobody has decided anything.
    let shown = program.run(&["policy", "show", "acme/web"]).await;
    assert!(shown.ok, "{shown:?}");
    assert_eq!(shown.output.lines().collect::<Vec<_>>(), rules);

    decided(&program, "evil.example", Verdict::Never).await;
    decided(&program, "cdn.example", Verdict::Repository).await;
    let shown = program.run(&["policy", "show", "acme/web"]).await;
    let decisions = [
        "  never: evil.example:443, refused for good in this repository by slack:T0ACME:UANA in task k3f9qx",
        "  allowed: cdn.example:443, allowed for this repository by slack:T0ACME:UANA in task k3f9qx",
    ];
    assert_eq!(
        shown.output.lines().collect::<Vec<_>>(),
        [&rules[..], &decisions].concat()
    );
    let other = program.run(&["policy", "show", "acme/api"]).await;
    assert_eq!(other.output.lines().count(), 2, "{other:?}");

    let forgotten = program
        .run(&["policy", "forget", "acme/web", "EVIL.example"])
        .await;
    assert!(forgotten.ok, "{forgotten:?}");
    assert_eq!(
        forgotten.output,
        "forgotten: 1 decision about EVIL.example in acme/web; the next refusal asks again\n"
    );
    let shown = program.run(&["policy", "show", "acme/web"]).await;
    assert!(!shown.output.contains("evil.example"), "{shown:?}");

    for (arguments, words) in [
        (
            ["policy", "forget", "acme/web", "evil.example"].as_slice(),
            "deckhand: nobody decided about evil.example in acme/web\n",
        ),
        (
            &["policy", "forget", "acme", "evil.example"],
            "deckhand: \"acme\" is no repository; write owner/name\n",
        ),
        (
            &["policy", "show", "acme"],
            "deckhand: \"acme\" is no repository; write owner/name\n",
        ),
    ] {
        let refused = program.run(arguments).await;
        assert!(!refused.ok, "{refused:?}");
        assert_eq!(
            (refused.output.as_str(), refused.errors.as_str()),
            ("", words)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_not_the_newest_is_named_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, POLICY).unwrap();
    let stage = Stage::open_with(Props {
        settings: vec![("DECKHAND_POLICY_FILE", file.display().to_string())],
        ..Props::default()
    })
    .await;
    let is_noted = async || {
        let (status, text) = stage.get("/readyz").await;
        assert_eq!(status, 200, "the bot goes on with the one before: {text}");
        text.contains("network policy: ").then_some(text)
    };
    let once_noted = async |wanted: bool| {
        until(PATIENCE, || async {
            let noted = is_noted().await;
            if noted.is_some() == wanted {
                return Ok(noted.unwrap_or_default());
            }
            Err("it is never noted".to_owned())
        })
        .await
    };
    stage.is_ready().await;
    assert_eq!(is_noted().await, None);
    let before = stage.context.way_out.book.document();

    std::fs::write(&file, POLICY.replace("\"methods\"", "\"method\"")).unwrap();
    let place = format!("{}, line 5, column ", file.display());
    let noted = once_noted(true).await;
    assert!(
        noted.contains(&format!("network policy: {place}"))
            && noted.contains("; the one before is in force"),
        "{noted}"
    );
    let after = stage.context.way_out.book.document();
    let summary = |document: &deckhand_executors::egress::PolicyDocument| {
        document.for_repository("acme/web", &[]).summary()
    };
    assert_eq!(summary(&after), summary(&before));
    let doctor = Deckhand::of(&stage).run(&["doctor"]).await;
    assert!(!doctor.ok, "{doctor:?}");
    let line = doctor.line("network");
    assert!(
        line.starts_with("missing")
            && line.contains(&place)
            && line.ends_with("A server that runs keeps the policy before it."),
        "{line}"
    );

    std::fs::write(&file, POLICY).unwrap();
    once_noted(false).await;
    let doctor = Deckhand::of(&stage).run(&["doctor"]).await;
    assert!(doctor.line("network").starts_with("ok"), "{doctor:?}");
    stage.close().await;
}

/// The seconds between two pieces of a sentence.
fn seconds(told: &str, before: &str, after: &str) -> u64 {
    let found = told.split_once(before);
    let found = found.and_then(|(_, rest)| rest.split_once(after));
    let seconds = found.and_then(|(seconds, _)| seconds.parse().ok());
    seconds.unwrap_or_else(|| panic!("no seconds between `{before}` and `{after}` in {told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_that_waits_too_long_is_told_of_by_the_server_and_by_the_doctor() {
    let stage = Stage::open().await;
    stage.is_ready().await;
    let asked = Duration::from_mins(20);
    let limited = Fault::RateLimited { retry_after: asked };
    stage.slack.fail_next("chat.postEphemeral", limited);
    let thread = stage.mention("list").await;
    let later = stage.context.clock.later(asked / 2);
    stage
        .eventually("the answer waits as Slack asks", async || {
            let due = stage.context.store.next_effect_due().await.unwrap();
            due.is_some_and(|due| due > later)
        })
        .await;
    let (_, told) = stage.get("/readyz").await;
    assert!(seconds(&told, "oldest effect: ", " s\n") < 120, "{told}");

    // Three minutes have passed, by the clock of the doctor's process as well.
    stage
        .damage("UPDATE outbox SET created_ms = created_ms - 180000 WHERE state = 'ready'")
        .await;
    let (status, told) = stage.get("/readyz").await;
    assert_eq!(
        status, 200,
        "a Slack that limits is no reason to end: {told}"
    );
    assert!(
        seconds(&told, "oldest effect: ", " s, late\n") >= 180,
        "{told}"
    );
    let doctor = Deckhand::of(&stage).run(&["doctor"]).await;
    let line = doctor.line("database");
    assert!(line.starts_with("ok"), "{line}");
    assert!(line.contains("0 deliveries and 1 effects wait"), "{line}");
    let age = seconds(&format!("{line}\n"), "the oldest effect for ", " s\n");
    assert!(age >= 180, "{line}");

    // Up to a tenth more is chance.
    stage.clock.advance(asked + asked / 9);
    stage.context.wake.outbox();
    whispered(&thread, "no tasks of yours").await;
    stage.close().await;
}

/// A platform that answers everything with what it was sent, as an error.
async fn parrot() -> String {
    let answer = async |headers: HeaderMap, body: Bytes| {
        let sent = format!("{headers:?} {}", String::from_utf8_lossy(&body));
        // The secret comes first, because long errors are cut.
        let secret = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .unwrap_or(&sent)
            .to_owned();
        Json(json!({
            "ok": false, "error": secret, "message": secret, "error_description": sent,
            "errors": [{ "message": sent, "extensions": { "code": secret } }],
        }))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_repeats_no_secret_that_a_platform_sends_back() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::open_with(planting(folder.path())).await;
    let mut program = Deckhand::of(&stage);
    let parrot = parrot().await;
    program.set("SLACK_API_URL", format!("{parrot}/api/"));
    for platform in ["LINEAR_API_URL", "GITHUB_API_URL", "GITHUB_URL"] {
        program.set(platform, parrot.clone());
    }
    let mut search = Search::new(stage.canaries(), &[]);
    for arguments in [
        &["doctor"][..],
        &["config"],
        &["task", "list"],
        &["policy", "show", "acme/web"],
        &["task", "show", "nobody"],
    ] {
        let ran = program.run(arguments).await;
        search.look(&format!("{arguments:?}"), ran.output.as_bytes());
        search.look(&format!("{arguments:?}: errors"), ran.errors.as_bytes());
        if arguments == ["doctor"] {
            // The platform did send it back, and the answer of the platform is told.
            let line = ran.line("slack");
            assert!(line.contains("[redacted]"), "{line}");
        }
    }
    search.assert_nothing_found();
    stage.close().await;
}
