//! What the API answers, with an inbox and nobody who works behind it.
#![expect(
    clippy::unwrap_used,
    reason = "an answer that is none is a failed test"
)]

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{Method, header},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use sqlx::Connection as _;

use super::*;
use crate::{
    config::{ApiToken, Config},
    domain::{
        conversation::{ConversationId, Road},
        effect::Assignment,
        message::FailureText,
        task::Next,
    },
    store::{
        inbox::{NewDelivery, Next as NextDelivery},
        tasks::{Stored, Transition},
    },
    web::{
        router,
        socket::tests::{doors, stored},
    },
    words::tests::samples,
};

const CI: &str = "token-of-ci-0123456789abcdef0123456789";
const OPS: &str = "token-of-ops-0123456789abcdef0123456789";
const TASK: &str = "/api/v1/tasks/k7f3";
const CANCEL: &str = "/api/v1/tasks/k7f3/cancel";

/// An answer.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Told {
    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap()
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }
}

/// A server with two callers, to which this task is known.
async fn server(folder: &tempfile::TempDir, task: Task) -> Web {
    let mut web = doors(folder).await;
    let token = |name: &str, secret: &str| ApiToken {
        name: name.to_owned(),
        secret: secret.into(),
    };
    let api_tokens = vec![token("ci", CI), token("ops", OPS)];
    web.config = Arc::new(Config {
        api_tokens,
        ..Config::clone(&web.config)
    });
    let conversation = task.conversation.0.clone();
    let request = NewDelivery {
        source: Source::Slack,
        key: "the request".to_owned(),
        conversation,
        body: Value::Null,
    };
    web.store.accept(&request, web.clock.now()).await.unwrap();
    let delivery = next(&web).await;
    let opened = Transition {
        delivery: delivery.id,
        conversation: ConversationId(delivery.conversation),
        task: Some(Stored { task, version: 0 }),
        alone: None,
        effects: Vec::new(),
        audit: Vec::new(),
        settings: None,
    };
    let now = web.clock.now();
    web.store.commit(&opened, &Value::Null, now).await.unwrap();
    web
}

async fn next(web: &Web) -> crate::store::inbox::Delivery {
    let next = web.store.next_delivery(web.clock.now()).await.unwrap();
    let Some(NextDelivery::Delivery(delivery)) = next else {
        panic!("{next:?} is no delivery")
    };
    delivery
}

/// Makes a call, with the token of ci and these headers.
async fn call(web: &Web, method: Method, path: &str, headers: &[(&str, &str)]) -> Told {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {CI}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sent(web, request.body(Body::empty()).unwrap()).await
}

async fn sent(web: &Web, request: Request) -> Told {
    let server = TowerToHyperService::new(router(web.clone()));
    let answer = server.call(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 16).await.unwrap();
    Told {
        status: head.status.as_u16(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

#[tokio::test]
async fn without_a_token_in_the_settings_there_is_no_api() {
    let folder = tempfile::tempdir().unwrap();
    let web = doors(&folder).await;
    for (method, path) in [
        (Method::GET, TASK),
        (Method::POST, CANCEL),
        (Method::DELETE, TASK),
        (Method::GET, "/api/v1/elsewhere"),
    ] {
        let told = call(&web, method, path, &[]).await;
        assert_eq!((told.status, &told.body), (404, &Value::Null), "{path}");
    }
    assert_eq!(stored(&web).await, 0);
}

#[tokio::test]
async fn whoever_has_no_token_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let web = server(&folder, samples::task()).await;
    for authorization in ["", "Bearer ", "Bearer nobodys", &format!("Basic {CI}")] {
        for (method, path) in [
            (Method::GET, TASK),
            (Method::POST, CANCEL),
            (Method::GET, "/api/v1/tasks/nobodys"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", authorization)
                .body(Body::from(vec![b' '; BODY_MAX_BYTES + 1]))
                .unwrap();
            let told = sent(&web, request).await;
            assert_eq!(
                (told.status, told.code()),
                (401, "unauthorized"),
                "{authorization}"
            );
            assert_eq!(told.headers[header::WWW_AUTHENTICATE], "Bearer");
        }
    }
    assert_eq!(stored(&web).await, 0);
}

#[tokio::test]
async fn a_task_is_told_as_far_as_it_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = samples::approved_task();
    let page = format!("https://chat.example/{}", task.request.reference.0);
    let known = |task: &Task| {
        json!({
            "id": "k7f3",
            "state": task.state_in_a_word(),
            "stands": task.in_words(),
            "title": task.title(),
            "repository": "acme/web",
            "conversation": page,
            "pull_request": null,
            "opened_at": "1970-01-01T00:00:00Z",
            "changed_at": "1970-01-01T00:00:01.5Z",
        })
    };
    task.changed_at = Timestamp(1_500);
    let web = server(&folder, task.clone()).await;
    let told = call(&web, Method::GET, TASK, &[]).await;
    assert_eq!((told.status, told.body), (200, known(&task)));

    let folder = tempfile::tempdir().unwrap();
    task.publication = Some(samples::result_card(&samples::proof()).publication);
    task.state = TaskState::InReview { whole: true };
    let web = server(&folder, task.clone()).await;
    let mut expected = known(&task);
    expected["pull_request"] = json!("https://git.example.com/acme/web/pull/12");
    let told = call(&web, Method::GET, TASK, &[]).await;
    assert_eq!((told.status, told.body), (200, expected));
}

#[tokio::test]
async fn a_cancel_is_stored_before_it_is_answered_and_once_for_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let web = server(&folder, samples::task()).await;
    let key = [("idempotency-key", "deploy-7")];
    for _ in 0..2 {
        let told = call(&web, Method::POST, CANCEL, &key).await;
        let stands = json!({ "id": "k7f3", "state": "queued", "stands": "waits for its turn" });
        assert_eq!((told.status, told.body), (202, stands));
        assert_eq!(stored(&web).await, 1);
    }
    // What somebody else names alike is theirs, and what has no name is new each time.
    let request = Request::builder()
        .method(Method::POST)
        .uri(CANCEL)
        .header("authorization", format!("Bearer {OPS}"))
        .header("idempotency-key", "deploy-7")
        .body(Body::empty())
        .unwrap();
    assert_eq!(sent(&web, request).await.status, 202);
    assert_eq!(stored(&web).await, 2);
    for number in 3..5 {
        assert_eq!(call(&web, Method::POST, CANCEL, &[]).await.status, 202);
        assert_eq!(stored(&web).await, number);
    }
    let first = next(&web).await;
    assert_eq!(first.source, Source::Api);
    assert_eq!(first.conversation, samples::task().conversation.0);
    assert_eq!(
        first.body,
        json!({ "command": "cancel", "task": "k7f3", "by": "ci" })
    );
}

#[tokio::test]
async fn what_is_over_is_told_to_be_and_what_failed_can_be_cancelled() {
    let states = [
        (
            TaskState::Completed {
                merged: true,
                whole: true,
            },
            409,
            "The task k7f3 was merged, so there is nothing to cancel.",
        ),
        (
            TaskState::Expired,
            409,
            "The task k7f3 expired, so there is nothing to cancel.",
        ),
        (
            TaskState::Canceled {
                by: samples::person("ana"),
                road: Road::Button,
                confirmed: true,
                handed: None,
            },
            200,
            "",
        ),
        (
            TaskState::Failed {
                failure: FailureText::GivenUp {
                    effect: "publish".to_owned(),
                    reason: "why".to_owned(),
                },
                retry: Next::Run {
                    assignment: Assignment::Work,
                },
            },
            202,
            "",
        ),
    ];
    for (state, status, words) in states {
        let folder = tempfile::tempdir().unwrap();
        let mut task = samples::task();
        task.state = state;
        let web = server(&folder, task).await;
        let told = call(&web, Method::POST, CANCEL, &[]).await;
        assert_eq!(told.status, status, "{told:?}");
        if status == 409 {
            assert_eq!((told.code(), told.message()), ("task_is_over", words));
        }
        assert_eq!(stored(&web).await, i64::from(status == 202));
    }
}

#[tokio::test]
async fn what_is_not_there_or_cannot_be_taken_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let web = server(&folder, samples::task()).await;
    let long = "k".repeat(KEY_MAX_BYTES + 1);
    for (method, path, key, status, code) in [
        (Method::GET, "/api/v1/tasks/no", None, 404, "no_such_task"),
        (
            Method::POST,
            "/api/v1/tasks/no/cancel",
            None,
            404,
            "no_such_task",
        ),
        (Method::GET, "/api/v1/tasks", None, 404, "no_such_call"),
        (Method::DELETE, TASK, None, 405, "wrong_method"),
        (Method::GET, CANCEL, None, 405, "wrong_method"),
        (Method::POST, CANCEL, Some(""), 400, "bad_idempotency_key"),
        (
            Method::POST,
            CANCEL,
            Some("a b"),
            400,
            "bad_idempotency_key",
        ),
        (
            Method::POST,
            CANCEL,
            Some(long.as_str()),
            400,
            "bad_idempotency_key",
        ),
    ] {
        let key = key.map(|key| ("idempotency-key", key));
        let told = call(&web, method, path, &Vec::from_iter(key)).await;
        assert_eq!((told.status, told.code()), (status, code), "{path}");
        assert!(told.message().ends_with('.'), "{told:?}");
    }
    let large = Request::builder()
        .method(Method::POST)
        .uri(CANCEL)
        .header("authorization", format!("Bearer {CI}"))
        .body(Body::from(vec![b' '; BODY_MAX_BYTES + 1]))
        .unwrap();
    let told = sent(&web, large).await;
    assert_eq!((told.status, told.code()), (413, "too_large"));
    assert_eq!(stored(&web).await, 0);
}

#[tokio::test]
async fn where_nothing_can_be_stored_the_call_says_so_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let web = server(&folder, samples::task()).await;
    let key = [("idempotency-key", "k")];
    let address = format!("sqlite:{}", folder.path().join("inbox").display());
    let mut other = sqlx::SqliteConnection::connect(&address).await.unwrap();
    let held = sqlx::query("BEGIN IMMEDIATE").execute(&mut other);
    held.await.unwrap();
    let told = call(&web, Method::POST, CANCEL, &key).await;
    assert_eq!((told.status, told.code()), (503, "not_stored"));
    let words = "Nothing can be stored now: ";
    assert!(told.message().starts_with(words), "{told:?}");
    other.close().await.unwrap();
    assert_eq!(call(&web, Method::POST, CANCEL, &key).await.status, 202);
    assert_eq!(stored(&web).await, 1);

    web.store.close().await;
    let told = call(&web, Method::GET, TASK, &[]).await;
    assert_eq!((told.status, told.code()), (503, "not_read"));
    assert_eq!(
        told.message(),
        "Nothing can be read now: the database does not answer. Make the call again later."
    );
}
