//! Programs that look at tasks and cancel them, by the REST API.

use std::time::Instant;

use deckhand::domain::TaskId;
use serde_json::{Value, json};

use crate::{
    doors::{answer_to, counted},
    harness::{Props, REQUEST, Stage, asking::says, scripts},
};

const TOKEN: &str = "9f2c41d07be35a86f01d4c7e82b96a3d";
/// One byte more than a call may have.
const TOO_LARGE: usize = (64 << 10) + 1;

/// A stage on which the release train has a token.
async fn with_api() -> Stage {
    Stage::open_with(Props {
        settings: vec![("DECKHAND_API_TOKENS", format!("release-train:{TOKEN}"))],
        ..Props::default()
    })
    .await
}

async fn look(stage: &Stage, task: &str, token: &str) -> (u16, Value) {
    let address = format!("{}/api/v1/tasks/{task}", stage.context.config.public_url);
    let request = reqwest::Client::new().get(address).bearer_auth(token);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn cancel(stage: &Stage, task: &TaskId, key: &str) -> (u16, Value) {
    let public = &stage.context.config.public_url;
    let request = reqwest::Client::new()
        .post(format!("{public}/api/v1/tasks/{task}/cancel"))
        .bearer_auth(TOKEN)
        .header("idempotency-key", key);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_at_work_is_cancelled_by_a_program_once_and_nothing_comes_after_it() {
    let stage = with_api().await;
    let thread = stage.planned(&format!("{REQUEST} #script:stuck")).await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "running").await;
    stage.wait_for_sandbox("run-2").await;
    let (status, told) = look(&stage, &task.id.0, TOKEN).await;
    assert_eq!((status, &told["state"]), (200, &json!("running")), "{told}");
    assert_eq!(told["repository"], "acme/web");
    assert_eq!(told["title"], task.title());
    assert_eq!(told["pull_request"], Value::Null);
    let page = told["conversation"].as_str().unwrap();
    assert!(page.starts_with("http"), "{page}");

    let before = counted(&stage, "api", "stored").await;
    let asked = Instant::now();
    let (status, told) = cancel(&stage, &task.id, "deploy-7").await;
    assert_eq!((status, &told["state"]), (202, &json!("running")), "{told}");
    stage.ends_without_a_trace(&thread, asked).await;
    says(&thread, "Cancelled by the API as release-train").await;
    assert!(counted(&stage, "api", "stored").await > before);

    let (status, told) = cancel(&stage, &task.id, "deploy-7").await;
    assert_eq!(
        (status, &told["state"]),
        (200, &json!("canceled")),
        "{told}"
    );
    stage.settle().await;
    assert_eq!(stage.rows("inbox WHERE source = 'api'").await, 1);
    let decided = "audit WHERE person = 'api:release-train' AND act = 'cancel'";
    assert_eq!(stage.rows(decided).await, 1);
    assert!(stage.pull_requests().is_empty());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_done_is_told_with_its_pull_request_and_cannot_be_cancelled() {
    let stage = with_api().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    stage.github.merge("acme/web", 1).await.unwrap();
    stage.wait_for_state(&thread, "completed").await;
    let (status, told) = look(&stage, &task.id.0, TOKEN).await;
    assert_eq!(
        (status, &told["state"]),
        (200, &json!("completed")),
        "{told}"
    );
    let publication = task.publication.unwrap();
    assert_eq!(
        told["pull_request"],
        publication.pull_request.unwrap().url,
        "{told}"
    );
    let said = thread.bot_messages().len();
    let (status, told) = cancel(&stage, &task.id, "too-late").await;
    assert_eq!(status, 409, "{told}");
    let words = format!(
        "The task {} was merged, so there is nothing to cancel.",
        task.id
    );
    assert_eq!(
        told,
        json!({ "error": { "code": "task_is_over", "message": words } })
    );
    stage.settle().await;
    assert_eq!(thread.bot_messages().len(), said, "{}", thread.render());
    assert_eq!(stage.rows("inbox WHERE source = 'api'").await, 0);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_token_no_task_or_too_much_is_refused_and_counted() {
    let stage = with_api().await;
    let before = counted(&stage, "api", "unsigned").await;
    let (status, told) = look(&stage, "k3f9qx", "nobodys-token").await;
    assert_eq!(
        (status, &told["error"]["code"]),
        (401, &json!("unauthorized"))
    );
    assert!(counted(&stage, "api", "unsigned").await > before);

    let before = counted(&stage, "api", "unknown").await;
    let nobodys = TaskId("k3f9qx".to_owned());
    let (status, told) = cancel(&stage, &nobodys, "deploy-7").await;
    assert_eq!(
        (status, &told["error"]["code"]),
        (404, &json!("no_such_task"))
    );
    assert!(counted(&stage, "api", "unknown").await > before);

    let before = counted(&stage, "api", "oversized").await;
    // Not one byte of the body follows.
    let beginning = format!(
        "POST /api/v1/tasks/k3f9qx/cancel HTTP/1.1\r\nhost: d\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {TOO_LARGE}\r\n\r\n"
    );
    assert_eq!(answer_to(&stage, &beginning).await, 413);
    assert!(counted(&stage, "api", "oversized").await > before);
    assert_eq!(stage.rows("inbox").await, 0);
    stage.close().await;
}
