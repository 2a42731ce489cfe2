//! Repositories, branches, people.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use crate::github::auth::{self, Caller, Need, TOKEN_OWNER};
use crate::github::gate::RATE_LIMIT;
use crate::github::render;
use crate::github::reply::{ApiError, ApiResult, ok};
use crate::github::state::SharedState;

pub(super) async fn show(
    State(shared): State<SharedState>,
    Path(repository): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &repository, Need::read(&["metadata"]))?;
    let id = shared.lock().repository(&name)?.id;
    ok(render::repository(&shared, &name, id))
}

pub(super) async fn branch(
    State(shared): State<SharedState>,
    Path((owner, repository, branch)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    let name = caller.repository(&shared, &(owner, repository), Need::read(&["contents"]))?;
    let tip = shared.git(&name)?.branch(&branch).await?;
    let tip = tip.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "Branch not found"))?;
    let api = format!("{}/api/v3/repos/{}", shared.base, name.full());
    ok(json!({
        "name": branch,
        "commit": { "sha": tip, "url": format!("{api}/commits/{tip}") },
        "protected": false,
        "_links": {
            "self": format!("{api}/branches/{branch}"),
            "html": format!("{}/{}/tree/{branch}", shared.base, name.full()),
        },
    }))
}

pub(super) async fn permission(
    State(shared): State<SharedState>,
    Path((owner, repository, login)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> ApiResult {
    let caller = auth::caller(&shared, &headers)?;
    caller.repository(&shared, &(owner, repository), Need::read(&["metadata"]))?;
    let access = shared.lock().people.get(&login).copied();
    let message = format!("{login} is not a user");
    let access = access.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, message))?;
    ok(json!({
        "permission": access.as_str(),
        "role_name": access.as_str(),
        "user": render::user(&shared, &login),
    }))
}

pub(super) async fn user(State(shared): State<SharedState>, headers: HeaderMap) -> ApiResult {
    match auth::caller(&shared, &headers)? {
        Caller::Person => ok(render::user(&shared, TOKEN_OWNER)),
        Caller::App => Err(ApiError::bad_credentials()),
        Caller::Installation(_) => {
            let message = "Resource not accessible by integration";
            Err(ApiError::new(StatusCode::FORBIDDEN, message))
        }
    }
}

pub(super) async fn rate_limit(State(shared): State<SharedState>, headers: HeaderMap) -> ApiResult {
    auth::caller(&shared, &headers)?;
    let used = shared.lock().requests.len() as u64;
    let rate = json!({
        "limit": RATE_LIMIT,
        "used": used,
        "remaining": RATE_LIMIT.saturating_sub(used).max(1),
        "reset": Timestamp::now().as_second() + 3_600,
        "resource": "core",
    });
    ok(json!({ "resources": { "core": rate }, "rate": rate }))
}
