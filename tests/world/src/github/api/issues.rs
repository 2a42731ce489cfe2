//! Comments and labels; a pull request is an issue here, as at GitHub.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Page;
use crate::github::auth::{self, Need};
use crate::github::reply::{ApiError, ApiResult, answer, ok};
use crate::github::state::{Comment, RepositoryName, Shared, SharedState};
use crate::github::{events, pulls, render};

const READ: Need = Need::read(&["issues", "pull_requests"]);
const WRITE: Need = Need::write(&["issues", "pull_requests"]);
/// Longest comment GitHub takes, in characters.
const LONGEST_COMMENT: usize = 65_536;

type Numbered = (String, String, u64);

fn admit(
    shared: &Shared,
    headers: &HeaderMap,
    (owner, repository): (String, String),
    need: Need,
) -> Result<(RepositoryName, &'static str), ApiError> {
    let caller = auth::caller(shared, headers)?;
    Ok((
        caller.repository(shared, &(owner, repository), need)?,
        caller.login(),
    ))
}

#[derive(Deserialize)]
struct Body {
    body: Option<String>,
}

fn text(bytes: &Bytes) -> Result<String, ApiError> {
    let request: Body = super::body(bytes)?;
    let text = request.body.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::field("IssueComment", "body", "missing_field"))?;
    if text.chars().count() > LONGEST_COMMENT {
        let message = "body is too long (maximum is 65536 characters)";
        return Err(ApiError::custom("IssueComment", message));
    }
    Ok(text)
}

pub(super) async fn list(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<Numbered>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> ApiResult {
    let (name, _) = admit(&shared, &headers, (owner, repository), READ)?;
    pulls::find(&shared, &name, number).map_err(|_| ApiError::not_found())?;
    let comments: Vec<Comment> = shared.lock().repository(&name)?.snapshot.comments.clone();
    let ours = comments
        .iter()
        .filter(|comment| comment.pull_request == number);
    ok(Value::Array(page.of(
        ours.map(|comment| render::comment(&shared, &name, comment)),
    )))
}

pub(super) async fn create(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<Numbered>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let (name, login) = admit(&shared, &headers, (owner, repository), WRITE)?;
    pulls::find(&shared, &name, number).map_err(|_| ApiError::not_found())?;
    let comment = pulls::comment(&shared, &name, number, (login, &text(&bytes)?))?;
    answer(
        StatusCode::CREATED,
        render::comment(&shared, &name, &comment),
    )
}

pub(super) async fn show(
    State(shared): State<SharedState>,
    Path((owner, repository, id)): Path<Numbered>,
    headers: HeaderMap,
) -> ApiResult {
    let (name, _) = admit(&shared, &headers, (owner, repository), READ)?;
    let comments: Vec<Comment> = shared.lock().repository(&name)?.snapshot.comments.clone();
    let found = comments
        .iter()
        .find(|comment| comment.id == id)
        .ok_or_else(ApiError::not_found)?;
    ok(render::comment(&shared, &name, found))
}

pub(super) async fn change(
    State(shared): State<SharedState>,
    Path((owner, repository, id)): Path<Numbered>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let (name, _) = admit(&shared, &headers, (owner, repository), WRITE)?;
    let body = text(&bytes)?;
    let comment = {
        let mut state = shared.lock();
        let comments = &mut state.repository_mut(&name)?.snapshot.comments;
        let found = comments.iter_mut().find(|comment| comment.id == id);
        let comment = found.ok_or_else(ApiError::not_found)?;
        comment.body = body;
        comment.updated_at = Timestamp::now();
        comment.clone()
    };
    events::comment(&shared, &name, &comment, "edited")?;
    ok(render::comment(&shared, &name, &comment))
}

pub(super) async fn labels(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<Numbered>,
    headers: HeaderMap,
) -> ApiResult {
    let (name, _) = admit(&shared, &headers, (owner, repository), READ)?;
    let pull = pulls::find(&shared, &name, number).map_err(|_| ApiError::not_found())?;
    ok(render::labels(&shared, &name, &pull))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    Object { labels: Vec<String> },
    List(Vec<String>),
}

pub(super) async fn add_labels(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<Numbered>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let (name, login) = admit(&shared, &headers, (owner, repository), WRITE)?;
    pulls::find(&shared, &name, number).map_err(|_| ApiError::not_found())?;
    let labels = match super::body::<Labels>(&bytes)? {
        Labels::Object { labels } | Labels::List(labels) => labels,
    };
    let pull = pulls::change(&shared, &name, number, |pull| pull.labels.extend(labels))?;
    events::pull_request(&shared, &name, &pull, ("labeled", login)).await?;
    ok(render::labels(&shared, &name, &pull))
}
