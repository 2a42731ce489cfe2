//! The App, its installation, and the tokens that it takes out.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Page;
use crate::github::auth::{self, Caller};
use crate::github::events::installation_body;
use crate::github::render;
use crate::github::reply::{ApiError, ApiResult, answer, ok};
use crate::github::state::{
    App, INSTALLATION, InstallationToken, RepositoryName, Shared, SharedState,
};

/// How long an installation token lives.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// These routes are for the App itself; any other credential is told so.
fn app_only<'a>(shared: &'a Shared, headers: &HeaderMap) -> Result<&'a App, ApiError> {
    match auth::caller(shared, headers)? {
        Caller::App => shared.app.as_ref().ok_or_else(ApiError::bad_credentials),
        Caller::Person | Caller::Installation(_) => {
            let message = "A JSON web token could not be decoded";
            Err(ApiError::new(StatusCode::UNAUTHORIZED, message))
        }
    }
}

pub(super) async fn app(State(shared): State<SharedState>, headers: HeaderMap) -> ApiResult {
    let app = app_only(&shared, &headers)?;
    ok(json!({
        "id": app.id,
        "node_id": "A_world",
        "slug": "deckhand",
        "client_id": format!("Iv1.world{}", app.id),
        "owner": render::user(&shared, "acme"),
        "name": "Deckhand",
        "description": null,
        "external_url": "https://deckhand.invalid",
        "html_url": format!("{}/apps/deckhand", shared.base),
        "created_at": "2026-01-05T08:00:00Z",
        "updated_at": "2026-01-05T08:00:00Z",
        "permissions": app.permissions,
        "events": ["pull_request", "push", "issue_comment"],
        "installations_count": 1,
    }))
}

pub(super) async fn installations(
    State(shared): State<SharedState>,
    headers: HeaderMap,
) -> ApiResult {
    let app = app_only(&shared, &headers)?;
    ok(json!([installation_body(&shared, app.id)]))
}

pub(super) async fn installation(
    State(shared): State<SharedState>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> ApiResult {
    let app = app_only(&shared, &headers)?;
    if id != INSTALLATION {
        return Err(ApiError::not_found());
    }
    ok(installation_body(&shared, app.id))
}

pub(super) async fn installation_of(
    State(shared): State<SharedState>,
    Path((owner, repository)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult {
    let app = app_only(&shared, &headers)?;
    let name = RepositoryName::new(&owner, &repository).map_err(|_| ApiError::not_found())?;
    let installed = shared
        .lock()
        .repositories
        .get(&name)
        .is_some_and(|one| one.installed);
    if !installed {
        return Err(ApiError::not_found());
    }
    ok(installation_body(&shared, app.id))
}

#[derive(Deserialize)]
struct TokenRequest {
    repositories: Option<Vec<String>>,
    repository_ids: Option<Vec<u64>>,
    permissions: Option<BTreeMap<String, String>>,
}

pub(super) async fn create_token(
    State(shared): State<SharedState>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    bytes: Bytes,
) -> ApiResult {
    let app = app_only(&shared, &headers)?;
    if id != INSTALLATION {
        return Err(ApiError::not_found());
    }
    let request: TokenRequest = super::body(&bytes)?;
    let repositories = narrowed(&shared, &request)?;
    let permissions = granted(app, request.permissions)?;
    let token = format!("ghs_{}", Uuid::new_v4().simple());
    let expires_at = Timestamp::now() + TOKEN_LIFE;
    let mut body = json!({
        "token": token,
        "expires_at": render::at(expires_at),
        "permissions": permissions,
        "repository_selection": if repositories.is_some() { "selected" } else { "all" },
    });
    if let Some(names) = &repositories {
        body["repositories"] = listed(&shared, |name| names.contains(name));
    }
    let token_state = InstallationToken {
        expires_at,
        repositories,
        permissions,
    };
    shared.lock().tokens.insert(token, token_state);
    answer(StatusCode::CREATED, body)
}

fn narrowed(shared: &Shared, request: &TokenRequest) -> Result<Option<BTreeSet<String>>, ApiError> {
    if request.repositories.is_none() && request.repository_ids.is_none() {
        return Ok(None);
    }
    let refused = || {
        ApiError::unprocessable(
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    };
    let state = shared.lock();
    let installed = || {
        state
            .repositories
            .iter()
            .filter(|(_, repository)| repository.installed)
    };
    let mut names = BTreeSet::new();
    for wanted in request.repositories.iter().flatten() {
        let found = installed().find(|(name, _)| name.name.eq_ignore_ascii_case(wanted));
        names.insert(found.ok_or_else(refused)?.0.full());
    }
    for wanted in request.repository_ids.iter().flatten() {
        let found = installed().find(|(_, repository)| repository.id == *wanted);
        names.insert(found.ok_or_else(refused)?.0.full());
    }
    Ok(Some(names))
}

fn granted(
    app: &App,
    wanted: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(wanted) = wanted else {
        return Ok(app.permissions.clone());
    };
    for (name, level) in &wanted {
        let enough = match app.permissions.get(name).map(String::as_str) {
            Some("write") => level == "read" || level == "write",
            Some("read") => level == "read",
            Some(_) | None => false,
        };
        if !enough {
            let message = "The permissions requested are not granted to this installation.";
            return Err(ApiError::unprocessable(message));
        }
    }
    Ok(wanted)
}

fn listed(shared: &Shared, wanted: impl Fn(&String) -> bool) -> Value {
    let repositories: Vec<(RepositoryName, u64)> = {
        let state = shared.lock();
        let installed = state
            .repositories
            .iter()
            .filter(|(_, repository)| repository.installed);
        installed
            .filter(|(name, _)| wanted(&name.full()))
            .map(|(name, repository)| (name.clone(), repository.id))
            .collect()
    };
    repositories
        .iter()
        .map(|(name, id)| render::repository(shared, name, *id))
        .collect()
}

/// Ends the token that the request is signed in with.
pub(super) async fn revoke_token(
    State(shared): State<SharedState>,
    headers: HeaderMap,
) -> ApiResult {
    let Caller::Installation(_) = auth::caller(&shared, &headers)? else {
        let message = "Resource not accessible by integration";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    };
    let value = headers.get(header::AUTHORIZATION);
    let value = value.and_then(|value| value.to_str().ok());
    if let Some((_, token)) = value.and_then(|value| value.split_once(' ')) {
        // It is kept, so that whoever looks for tokens where they must not be looks for this one too.
        if let Some(token) = shared.lock().tokens.get_mut(token) {
            token.expires_at = Timestamp::now();
        }
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The repositories that the token's person can see.
pub(super) async fn own_repositories(
    State(shared): State<SharedState>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> ApiResult {
    match auth::caller(&shared, &headers)? {
        Caller::Person => {
            let all = listed(&shared, |_| true);
            let all = all.as_array().cloned().unwrap_or_default();
            ok(page.of(all.into_iter()).into())
        }
        Caller::App | Caller::Installation(_) => {
            let message = "Resource not accessible by integration";
            Err(ApiError::new(StatusCode::FORBIDDEN, message))
        }
    }
}

pub(super) async fn repositories(
    State(shared): State<SharedState>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    if !matches!(caller, Caller::Installation(_)) {
        let message = "You must authenticate with an installation access token in order to list repositories for an installation.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    let all = listed(&shared, |name| {
        caller
            .narrowed_to()
            .is_none_or(|names| names.contains(name))
    });
    let all = all.as_array().cloned().unwrap_or_default();
    let total = all.len();
    ok(json!({
        "total_count": total,
        "repository_selection": "selected",
        "repositories": page.of(all.into_iter()),
    }))
}
