//! The REST API, for programs: looks at a task, and cancels it. Where no token is set it is not there.
//!
//! A cancel is an order like the command line's: it is stored before it is answered, and the bot does it.

mod known;
mod problem;
mod token;

#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{FromRef as _, Path, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

pub use self::known::KnownPages;
use self::{known::Page, problem::Problem};
use super::{
    Web,
    doors::{self, Doors, Outcome, STORED_WITHIN},
};
use crate::{
    config::Config,
    domain::{
        TaskId, Timestamp,
        task::{State as TaskState, Task},
    },
    redact::Sought,
    store::{fresh_id, inbox::Source, orders},
};

/// Below which address the API stands.
pub const BELOW: &str = "/api/v1";
/// The largest body that is read, in bytes. No call needs one.
const BODY_MAX_BYTES: usize = 64 << 10;
/// The longest `Idempotency-Key`, in bytes.
const KEY_MAX_BYTES: usize = 200;
/// How long a platform may take to say where a conversation can be read. Without that the task is told all the same.
const PAGE_WITHIN: Duration = Duration::from_secs(1);

/// How a task stands.
#[derive(Serialize)]
struct Standing {
    id: String,
    state: &'static str,
    /// The same as people read it.
    stands: &'static str,
}

/// What is told of a task.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    standing: Standing,
    title: String,
    repository: Option<String>,
    conversation: Option<String>,
    pull_request: Option<String>,
    opened_at: Option<String>,
    changed_at: Option<String>,
}

/// The calls. They have limits of their own, because they count what they refuse. Without a token nothing is there.
pub(super) fn routes(config: &Config) -> Router<Web> {
    if config.api_tokens.is_empty() {
        return Router::new().fallback(|| async { StatusCode::NOT_FOUND });
    }
    Router::new()
        .route("/tasks/{id}", get(show))
        .route("/tasks/{id}/cancel", post(cancel))
        .fallback(no_such_call)
        .method_not_allowed_fallback(wrong_method)
}

/// `GET /tasks/{id}`: how a task stands, and where it can be looked at.
async fn show(State(web): State<Web>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let shown = async {
        caller(&web, &headers)?;
        let task = found(&web, id).await?;
        let page = page_of(&web, &task).await;
        told(&web, StatusCode::OK, shown(&task, page))
    };
    shown.await.unwrap_or_else(Problem::into_response)
}

/// `POST /tasks/{id}/cancel`: ends a task, as everywhere else. 202 where the order is stored, 200 where the task was
/// cancelled before.
async fn cancel(State(web): State<Web>, Path(id): Path<String>, request: Request) -> Response {
    let canceled = async {
        let by = caller(&web, request.headers())?.to_owned();
        let read = doors::read_up_to(request, BODY_MAX_BYTES).await;
        let (headers, _) = read.map_err(|outcome| Problem::of_body(&outcome))?;
        let key = key(&headers)?;
        let task = found(&web, id).await?;
        let status = end(&web, &task, &by, key).await?;
        told(&web, status, standing(&task))
    };
    canceled.await.unwrap_or_else(Problem::into_response)
}

/// Stores the order to end a task, where there is something to end.
async fn end(web: &Web, task: &Task, by: &str, key: String) -> Result<StatusCode, Problem> {
    if task.state.is_canceled() {
        Outcome::Repeated.counted(Source::Api);
        return Ok(StatusCode::OK);
    }
    if task.state.is_over() && !matches!(task.state, TaskState::Failed { .. }) {
        Outcome::Unknown.counted(Source::Api);
        return Err(Problem::Over {
            id: task.id.to_string(),
            stands: task.in_words(),
        });
    }
    // What two callers name alike are two calls.
    let order = orders::cancel(Source::Api, task, by, &format!("{by}:{key}"));
    let outcome = match order {
        Ok(order) => doors::store(&Doors::from_ref(web), order).await,
        Err(error) => Outcome::Unstored(error.into()),
    };
    outcome.counted(Source::Api);
    if let Outcome::Unstored(error) = &outcome {
        return Err(Problem::not_stored(error));
    }
    Ok(StatusCode::ACCEPTED)
}

/// Everything else below the API.
async fn no_such_call() -> Response {
    Problem::NoSuchCall.into_response()
}

/// A call that is made in another way.
async fn wrong_method() -> Response {
    Problem::WrongMethod.into_response()
}

/// The name of whoever calls.
fn caller<'a>(web: &'a Web, headers: &HeaderMap) -> Result<&'a str, Problem> {
    let given = doors::header(headers, "authorization");
    token::name_of(&web.config.api_tokens, given).ok_or_else(|| {
        let reason = if given.is_empty() {
            "there is no token"
        } else {
            "the token is none of the settings'"
        };
        Outcome::Unsigned(reason.to_owned()).counted(Source::Api);
        Problem::Unauthorized
    })
}

/// What makes a call the same one when it comes again: what the caller says, or something that no other call has. It is stored
/// by its hash: nobody knows what a caller takes for it.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(given) = headers.get("idempotency-key") else {
        return Ok(fresh_id());
    };
    let is_key = |key: &&str| {
        let fits = key.bytes().all(|byte| byte.is_ascii_graphic());
        (1..=KEY_MAX_BYTES).contains(&key.len()) && fits
    };
    let key = given.to_str().ok().filter(is_key);
    let hashed = |key: &str| hex::encode(Sha256::digest(key.as_bytes()));
    key.map(hashed).ok_or_else(|| {
        Outcome::Malformed.counted(Source::Api);
        Problem::BadKey
    })
}

/// Where a task is talked about. A platform is asked once for each task, and a minute later again where it did not say: whoever
/// looks often must not use up what the bot itself may ask there.
async fn page_of(web: &Web, task: &Task) -> Option<String> {
    match web.known_pages.of(&task.id) {
        Page::At(page) => return Some(page),
        Page::Unknown => return None,
        Page::Unasked => {}
    }
    let asked = timeout(PAGE_WITHIN, web.people.page_of(task)).await;
    let page = asked.ok().flatten();
    web.known_pages.learn(&task.id, page.clone());
    page
}

/// The task of this name.
async fn found(web: &Web, id: String) -> Result<Task, Problem> {
    let error = match timeout(STORED_WITHIN, web.store.task(&TaskId(id))).await {
        Ok(Ok(Some(stored))) => return Ok(stored.task),
        Ok(Ok(None)) => {
            Outcome::Unknown.counted(Source::Api);
            return Err(Problem::NoSuchTask);
        }
        Ok(Err(error)) => anyhow::Error::from(error),
        Err(elapsed) => elapsed.into(),
    };
    let problem = Problem::not_read(&error);
    Outcome::Unstored(error).counted(Source::Api);
    Err(problem)
}

fn standing(task: &Task) -> Standing {
    Standing {
        id: task.id.to_string(),
        state: task.state_in_a_word(),
        stands: task.in_words(),
    }
}

fn shown(task: &Task, page: Option<String>) -> Shown {
    let publication = task.publication.as_ref();
    let pull_request = publication.and_then(|publication| publication.pull_request.as_ref());
    Shown {
        standing: standing(task),
        title: task.title(),
        repository: task.repository().map(|name| name.0.clone()),
        conversation: page,
        pull_request: pull_request.map(|pull_request| pull_request.url.clone()),
        opened_at: moment(task.opened_at),
        changed_at: moment(task.changed_at),
    }
}

/// A moment as RFC 3339 writes it.
fn moment(at: Timestamp) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(at.0).ok()?;
    Some(moment.to_string())
}

/// An answer without secrets.
fn told(web: &Web, status: StatusCode, answer: impl Serialize) -> Result<Response, Problem> {
    let mut answer: Value = serde_json::to_value(answer).map_err(|_| Problem::Unreadable)?;
    web.redactor.redact_value(&mut answer, Sought::Everything);
    Ok((status, Json(answer)).into_response())
}
