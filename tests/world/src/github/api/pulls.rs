//! Pull requests.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::Page;
use crate::github::auth::{self, Need};
use crate::github::pulls::{self, CannotOpen, Wanted};
use crate::github::reply::{ApiError, ApiResult, answer, ok};
use crate::github::state::{PullRequest, PullState, RepositoryName, Shared, SharedState};
use crate::github::{events, render};

const READ: Need = Need::read(&["pull_requests"]);
const WRITE: Need = Need::write(&["pull_requests"]);
/// Longest description GitHub takes, in characters.
const LONGEST_BODY: usize = 65_536;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    state: Option<String>,
    head: Option<String>,
    base: Option<String>,
    #[serde(default, deserialize_with = "number")]
    per_page: Option<usize>,
    #[serde(default, deserialize_with = "number")]
    page: Option<usize>,
}

/// A number inside a query string.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

async fn full(
    shared: &Shared,
    name: &RepositoryName,
    pull: &PullRequest,
) -> Result<Value, ApiError> {
    let facts = pulls::facts(shared, name, pull).await?;
    let id = shared.lock().repository(name)?.id;
    Ok(render::pull(shared, (name, id), pull, Some(&facts)))
}

fn find(shared: &Shared, name: &RepositoryName, number: u64) -> Result<PullRequest, ApiError> {
    pulls::find(shared, name, number).map_err(|_| ApiError::not_found())
}

pub(super) async fn list(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &repository, READ)?;
    let wanted = query.state.as_deref().unwrap_or("open");
    let (id, pulls) = {
        let state = shared.lock();
        let repository = state.repository(&name)?;
        (repository.id, repository.snapshot.pull_requests.clone())
    };
    // A head without its owner filters nothing at GitHub, so a client must not rely on it.
    let head = query.head.as_deref().and_then(|head| head.split_once(':'));
    let matching = pulls.iter().rev().filter(|pull| {
        (wanted == "all" || pull.state.as_str() == wanted)
            && head.is_none_or(|(owner, branch)| {
                owner.eq_ignore_ascii_case(&name.owner) && branch == pull.head
            })
            && query.base.as_ref().is_none_or(|base| *base == pull.base)
    });
    let page = Page {
        per_page: query.per_page,
        page: query.page,
    };
    let page = page.of(matching.map(|pull| render::pull(&shared, (&name, id), pull, None)));
    ok(Value::Array(page))
}

#[derive(Deserialize)]
struct Create {
    title: Option<String>,
    body: Option<String>,
    head: Option<String>,
    base: Option<String>,
    draft: Option<bool>,
}

pub(super) async fn create(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &repository, WRITE)?;
    let request: Create = super::body(&bytes)?;
    let missing = |field| ApiError::field("PullRequest", field, "missing_field");
    let head = request.head.ok_or_else(|| missing("head"))?;
    let base = request.base.ok_or_else(|| missing("base"))?;
    let title = request
        .title
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| missing("title"))?;
    let body = request.body.unwrap_or_default();
    check_body(&body)?;
    let head = match head.split_once(':') {
        Some((owner, branch)) if owner.eq_ignore_ascii_case(&name.owner) => branch.to_owned(),
        Some(_) => return Err(ApiError::field("PullRequest", "head", "invalid")),
        None => head,
    };
    let wanted = Wanted {
        title,
        body,
        head,
        base,
        draft: request.draft.unwrap_or_default(),
        author: caller.login().to_owned(),
    };
    let pull = pulls::open(&shared, &name, wanted)
        .await
        .map_err(|cannot| match cannot {
            CannotOpen::NoHead => ApiError::field("PullRequest", "head", "invalid"),
            CannotOpen::NoBase => ApiError::field("PullRequest", "base", "invalid"),
            CannotOpen::Exists(_) | CannotOpen::NoCommits { .. } => {
                ApiError::custom("PullRequest", &cannot.to_string())
            }
            CannotOpen::Broken(error) => ApiError::from(error),
        })?;
    answer(StatusCode::CREATED, full(&shared, &name, &pull).await?)
}

fn check_body(body: &str) -> Result<(), ApiError> {
    if body.chars().count() > LONGEST_BODY {
        return Err(ApiError::custom(
            "Issue",
            "body is too long (maximum is 65536 characters)",
        ));
    }
    Ok(())
}

pub(super) async fn show(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &(owner, repository), READ)?;
    let pull = find(&shared, &name, number)?;
    ok(full(&shared, &name, &pull).await?)
}

#[derive(Deserialize)]
struct Change {
    title: Option<String>,
    body: Option<String>,
    state: Option<String>,
    base: Option<String>,
}

pub(super) async fn change(
    State(shared): State<SharedState>,
    Path((owner, repository, number)): Path<(String, String, u64)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &(owner, repository), WRITE)?;
    let request: Change = super::body(&bytes)?;
    check_body(request.body.as_deref().unwrap_or_default())?;
    let before = find(&shared, &name, number)?;
    let (action, state) = match (request.state.as_deref(), &before.state) {
        (None | Some("open"), PullState::Open) | (None | Some("closed"), PullState::Closed) => {
            ("edited", before.state.clone())
        }
        (Some("closed"), PullState::Open) => ("closed", PullState::Closed),
        (Some("open"), PullState::Closed) => ("reopened", PullState::Open),
        (None | Some("closed"), PullState::Merged { .. }) => ("edited", before.state.clone()),
        (Some(_), PullState::Merged { .. } | PullState::Open | PullState::Closed) => {
            return Err(ApiError::field("PullRequest", "state", "invalid"));
        }
    };
    if let Some(base) = &request.base
        && shared.git(&name)?.branch(base).await?.is_none()
    {
        return Err(ApiError::field("PullRequest", "base", "invalid"));
    }
    let pull = pulls::change(&shared, &name, number, |pull| {
        pull.state = state;
        pull.title = request.title.unwrap_or_else(|| pull.title.clone());
        pull.body = request.body.unwrap_or_else(|| pull.body.clone());
        pull.base = request.base.unwrap_or_else(|| pull.base.clone());
    })?;
    events::pull_request(&shared, &name, &pull, (action, caller.login())).await?;
    ok(full(&shared, &name, &pull).await?)
}
