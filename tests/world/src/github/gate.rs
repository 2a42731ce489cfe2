//! What every request passes: planned faults, the request log, GitHub's common headers.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use uuid::Uuid;

use super::auth::{self, Caller};
use super::fault::Fault;
use super::pages;
use super::reply::ApiError;
use super::state::{RequestRecord, Shared, SharedState};

/// Requests an hour that GitHub grants a token.
pub(super) const RATE_LIMIT: u64 = 5_000;

/// The middleware in front of all routes.
pub(super) async fn pass(
    State(shared): State<SharedState>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let api = path.starts_with("/api/v3/");
    let headers = request.headers().clone();
    let fault = planned(&shared, &method, &path);
    let response = match fault {
        Some(fault @ Fault::DoneButAnswered(_)) => {
            drop(next.run(request).await);
            fault.response()
        }
        Some(fault) => fault.response(),
        None if api && !headers.contains_key(header::USER_AGENT) => {
            shared.violation(format!("{method} {path} had no User-Agent"));
            let message = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            ApiError::new(StatusCode::FORBIDDEN, message).into_response()
        }
        None => next.run(request).await,
    };
    let at = Timestamp::now();
    let status = response.status().as_u16();
    let used = {
        let mut state = shared.lock();
        state.record(RequestRecord {
            at,
            method,
            path,
            status,
        });
        state.requests.len() as u64
    };
    shared.touch();
    if api {
        with_headers(&shared, &headers, response, used)
    } else {
        response
    }
}

fn planned(shared: &Shared, method: &str, path: &str) -> Option<Fault> {
    let mut state = shared.lock();
    let index = state
        .faults
        .iter()
        .position(|planned| planned.route.matches(method, path))?;
    Some(state.faults.remove(index).fault)
}

/// Answers a path that the stand-in does not know, and remembers it as a fault of the stand-in's
/// user or a gap of the stand-in.
pub(super) async fn unknown(State(shared): State<SharedState>, request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/v3/") {
        shared.violation(format!(
            "the stand-in does not know {} {path}",
            request.method()
        ));
        return ApiError::not_found().into_response();
    }
    match path.strip_suffix('/') {
        Some(page) if page.starts_with('/') => Redirect::permanent(page).into_response(),
        Some(_) | None => pages::missing(path),
    }
}

fn with_headers(
    shared: &Shared,
    request: &HeaderMap,
    mut response: Response,
    used: u64,
) -> Response {
    let reset = Timestamp::now().as_second() + 3_600;
    let headers = response.headers_mut();
    let remaining = RATE_LIMIT.saturating_sub(used).max(1);
    for (field, value) in [
        ("x-ratelimit-limit", HeaderValue::from(RATE_LIMIT)),
        ("x-ratelimit-remaining", HeaderValue::from(remaining)),
        (
            "x-ratelimit-used",
            HeaderValue::from(RATE_LIMIT - remaining),
        ),
        ("x-ratelimit-reset", HeaderValue::from(reset)),
        ("x-ratelimit-resource", HeaderValue::from_static("core")),
        (
            "x-github-media-type",
            HeaderValue::from_static("github.v3; format=json"),
        ),
        (
            "x-github-api-version-selected",
            HeaderValue::from_static("2022-11-28"),
        ),
    ] {
        headers.insert(field, value);
    }
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().simple().to_string()) {
        headers.insert("x-github-request-id", id);
    }
    if matches!(auth::caller(shared, request), Ok(Caller::Person)) {
        headers.insert(
            "x-oauth-scopes",
            HeaderValue::from_static(auth::TOKEN_SCOPES),
        );
        headers.insert("x-accepted-oauth-scopes", HeaderValue::from_static("repo"));
    }
    response
}
