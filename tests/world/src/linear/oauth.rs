//! The token endpoint, with the one grant that Deckhand runs on.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Form, Json};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::state::World;

/// How long a token of the application lives, in seconds: 30 days.
const TOKEN_LIFE: u64 = 2_592_000;

#[derive(Deserialize)]
pub(super) struct Request {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
}

fn refused(status: StatusCode, error: &str, description: &str) -> Response {
    (
        status,
        Json(json!({ "error": error, "error_description": description })),
    )
        .into_response()
}

/// `POST /oauth/token`.
pub(super) async fn token(
    State(world): State<Arc<World>>,
    Form(request): Form<Request>,
) -> Response {
    if request.grant_type.as_deref() != Some("client_credentials") {
        let description = "only client_credentials is known here";
        return refused(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            description,
        );
    }
    let revoked = world.lock().revoked;
    let known = !revoked
        && request.client_id.as_deref() == Some(world.client_id.as_str())
        && request.client_secret.as_deref() == Some(world.client_secret.expose_secret());
    if !known {
        return refused(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Client authentication failed",
        );
    }
    let scope = request.scope.unwrap_or_default();
    let scopes: Vec<&str> = scope
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .collect();
    if scopes.is_empty() || scopes.contains(&"admin") {
        let description = "scope must be given, and an application cannot have admin";
        return refused(StatusCode::BAD_REQUEST, "invalid_scope", description);
    }
    let withheld = world.lock().withheld.clone();
    let is_given = |scope: &&&str| !withheld.iter().any(|one| one == **scope);
    let given: Vec<&str> = scopes.iter().filter(is_given).copied().collect();
    let (scope, given) = (scopes.join(","), given.join(","));
    let token = format!("lin_oauth_{}", Uuid::new_v4().simple());
    {
        let mut state = world.lock();
        // Other scopes end the tokens that are out; the same scopes leave them alive.
        state.tokens.retain(|_, earlier| *earlier == scope);
        state.tokens.insert(token.clone(), scope);
    }
    let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE, "scope": given });
    Json(body).into_response()
}
