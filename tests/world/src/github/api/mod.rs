//! The REST routes under `/api/v3`.

mod apps;
mod contents;
mod issues;
mod pulls;
mod repositories;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;

use super::reply::ApiError;
use super::state::SharedState;

/// Items on one page where the client does not say.
const PAGE: usize = 30;
/// Most items on one page.
const LONGEST_PAGE: usize = 100;

/// The part of a list that a client asks for.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Page {
    per_page: Option<usize>,
    page: Option<usize>,
}

impl Page {
    fn of<T>(self, items: impl Iterator<Item = T>) -> Vec<T> {
        let size = self.per_page.unwrap_or(PAGE).clamp(1, LONGEST_PAGE);
        let skipped = self
            .page
            .unwrap_or(1)
            .saturating_sub(1)
            .saturating_mul(size);
        items.skip(skipped).take(size).collect()
    }
}

/// Reads a JSON body; GitHub does not ask for a content type.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ApiError::unprocessable(&format!("Invalid request.\n\n{error}"))
        } else {
            ApiError::new(StatusCode::BAD_REQUEST, "Problems parsing JSON")
        }
    })
}

pub(super) fn routes() -> Router<SharedState> {
    let repository = Router::new()
        .route("/", get(repositories::show))
        .route("/installation", get(apps::installation_of))
        .route("/branches/{*branch}", get(repositories::branch))
        .route(
            "/collaborators/{user}/permission",
            get(repositories::permission),
        )
        .route("/pulls", get(pulls::list).post(pulls::create))
        .route("/pulls/{number}", get(pulls::show).patch(pulls::change))
        .route(
            "/issues/{number}/comments",
            get(issues::list).post(issues::create),
        )
        .route(
            "/issues/comments/{id}",
            get(issues::show).patch(issues::change),
        )
        .route(
            "/issues/{number}/labels",
            get(issues::labels).post(issues::add_labels),
        )
        .route(
            "/contents/{*path}",
            get(contents::read).put(contents::write),
        )
        .route("/git/blobs", post(contents::blob))
        .route("/git/trees", post(contents::tree))
        .route("/git/commits", post(contents::commit))
        .route("/git/refs", post(contents::create_ref))
        .route(
            "/git/refs/{*reference}",
            axum::routing::patch(contents::update_ref),
        )
        .route("/git/ref/{*reference}", get(contents::show_ref));
    Router::new()
        .nest("/repos/{owner}/{repository}", repository)
        .route("/user", get(repositories::user))
        .route("/user/repos", get(apps::own_repositories))
        .route("/rate_limit", get(repositories::rate_limit))
        .route("/app", get(apps::app))
        .route("/app/installations", get(apps::installations))
        .route("/app/installations/{id}", get(apps::installation))
        .route(
            "/app/installations/{id}/access_tokens",
            post(apps::create_token),
        )
        .route("/installation/repositories", get(apps::repositories))
        .route("/installation/token", delete(apps::revoke_token))
}
