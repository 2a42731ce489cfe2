//! Faults that a test plans for a coming GraphQL request.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Linear's rate limit: HTTP 400 with the code `RATELIMITED`.
    RateLimited {
        /// Seconds until requests are taken again.
        reset: u64,
    },
    /// The token is not taken, as after it was revoked.
    Unauthorized,
    /// HTTP 200 with an error in it, as for an operation that this workspace does not allow.
    Refused {
        /// The code, such as `FORBIDDEN`.
        code: &'static str,
    },
    /// The operation is done, and the answer comes so much later.
    Slow(
        /// How much.
        Duration,
    ),
    /// The operation is done, and its answer does not come before [`Linear::let_go`](super::Linear::let_go).
    Held,
    /// This HTTP status with an HTML page.
    Status(
        /// A status of 500 or more.
        u16,
    ),
    /// The operation is done, and then answered with this status all the same.
    DoneButAnswered(
        /// A status of 500 or more.
        u16,
    ),
}

/// A fault waiting for its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedFault {
    /// The operation's first field, or `*`.
    pub field: String,
    pub fault: Fault,
}

/// An error answer in Linear's form.
pub(super) fn refusal(status: StatusCode, (kind, code): (&str, &str), message: &str) -> Response {
    let error = json!({ "message": message, "extensions": extensions((kind, code), message) });
    (status, Json(json!({ "errors": [error] }))).into_response()
}

/// What Linear adds to an error.
pub(super) fn extensions((kind, code): (&str, &str), message: &str) -> Value {
    json!({ "type": kind, "code": code, "userError": true, "userPresentableMessage": message })
}

/// What a request without a good token gets.
pub(super) fn unauthorized() -> Response {
    let kind = ("authentication error", "AUTHENTICATION_ERROR");
    refusal(
        StatusCode::UNAUTHORIZED,
        kind,
        "Authentication required, not authenticated",
    )
}

impl Fault {
    /// The answer that shows the fault.
    pub(super) fn response(&self) -> Response {
        match self {
            Self::RateLimited { reset } => {
                let kind = ("ratelimited", "RATELIMITED");
                let mut response = refusal(StatusCode::BAD_REQUEST, kind, "Rate limit exceeded");
                let until = Timestamp::now()
                    .as_millisecond()
                    .saturating_add_unsigned(reset * 1_000);
                let headers = response.headers_mut();
                headers.insert("x-ratelimit-requests-remaining", HeaderValue::from(0));
                headers.insert("x-ratelimit-requests-reset", HeaderValue::from(until));
                response
            }
            Self::Unauthorized => unauthorized(),
            Self::Refused { code } => refusal(
                StatusCode::OK,
                ("forbidden", code),
                "Not allowed in this workspace",
            ),
            // Whoever serves it waits, and answers what was done.
            Self::Slow(_) | Self::Held => StatusCode::OK.into_response(),
            Self::Status(status) | Self::DoneButAnswered(status) => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                (status, "<html><body>Something went wrong</body></html>").into_response()
            }
        }
    }
}
