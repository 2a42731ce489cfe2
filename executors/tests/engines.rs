//! Engines that lack something: what is named before a run needs it. The engine here is a stand-in that answers as told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod ground;

use std::convert::Infallible;

use deckhand_executors::{Executor as _, ExecutorError, docker::DockerExecutor};
use ground::Ground;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UnixListener;

/// An engine that has everything, as it describes itself.
fn whole() -> Value {
    json!({
        "NCPU": 2, "OSType": "linux", "MemoryLimit": true, "SwapLimit": true, "PidsLimit": true, "CpuCfsQuota": true,
        "SecurityOptions": ["name=seccomp,profile=default"], "Runtimes": {"runc": {"path": "runc"}},
        "DockerRootDir": "/no/such/folder"
    })
}

/// Serves this description on a socket, and nothing else.
fn engine(facts: Value) -> (DockerExecutor, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let (status, body) = if path.ends_with("/version") {
            (200, json!({"ApiVersion": "1.41", "Version": "20.10"}))
        } else if path.ends_with("/info") {
            (200, facts.clone())
        } else {
            (
                500,
                json!({"message": format!("nobody may ask for {path}")}),
            )
        };
        async move {
            let answer = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(body.to_string())
                .unwrap();
            Ok::<_, Infallible>(answer)
        }
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(answer.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let executor = DockerExecutor::connect("liar", socket.to_str()).unwrap();
    (executor, folder)
}

fn with(key: &str, value: Value) -> Value {
    let mut facts = whole();
    facts[key] = value;
    facts
}

/// Why a sandbox does not start on this engine.
async fn refusal(facts: Value, runtime: Option<&str>) -> String {
    let (executor, _folder) = engine(facts);
    let ground = Ground::new().await;
    let mut spec = ground.spec("true");
    spec.runtime = runtime.map(str::to_owned);
    match executor.start(&spec).await {
        Err(ExecutorError::Start(why) | ExecutorError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_run_does_not_start_on_an_engine_that_lacks_a_wall() {
    for (key, value, named) in [
        ("MemoryLimit", json!(false), "limits of memory"),
        ("PidsLimit", Value::Null, "limits of processes"),
        ("CpuCfsQuota", json!(false), "limits of processors"),
        ("SecurityOptions", json!([]), "filters no system calls"),
        ("OSType", json!("windows"), "no Linux containers"),
    ] {
        let facts = with(key, value);
        let (executor, _folder) = engine(facts.clone());
        let lacking = &executor.features().await.unwrap().lacking;
        assert_eq!(lacking.len(), 1, "{lacking:?}");
        assert!(lacking[0].contains(named), "{lacking:?}");
        let why = refusal(facts, None).await;
        assert!(
            why.contains(named) && why.contains("deckhand doctor"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_runtime_that_is_not_there_is_named_with_those_that_are() {
    let why = refusal(whole(), Some("runsc")).await;
    assert!(why.contains("no runtime runsc; it has runc"), "{why}");
    // One that is there is asked for; this engine then refuses the rest.
    let why = refusal(whole(), Some("runc")).await;
    assert!(why.contains("nobody may ask for"), "{why}");
}

#[tokio::test]
async fn the_engine_here_lacks_nothing() {
    let ground = Ground::new().await;
    let features = ground.executor.features().await.unwrap();
    assert_eq!(features.lacking, Vec::<String>::new());
    assert!(features.runtimes.iter().any(|name| name == "runc"));
}

/// The clock of this test goes on by itself where everybody waits.
#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_called_so_before_the_round_of_whoever_asks_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    let _hangs = UnixListener::bind(&socket).unwrap();
    let executor = DockerExecutor::connect("liar", socket.to_str()).unwrap();
    let begun = tokio::time::Instant::now();
    for error in [
        executor.list().await.err().unwrap(),
        executor.volumes().await.err().unwrap(),
    ] {
        assert!(matches!(error, ExecutorError::Unreachable(_)), "{error:?}");
    }
    assert!(begun.elapsed().as_secs() <= 30, "{:?}", begun.elapsed());
}
