//! Answers in GitHub's form, errors above all.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error answer of the REST interface.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    errors: Option<Value>,
}

pub(super) type ApiResult = Result<Response, ApiError>;

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    /// 422 with one entry about one field, as in `missing_field` or `invalid`.
    pub(super) fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!([{ "resource": resource, "field": field, "code": code }]))
    }

    /// 422 with one entry in words.
    pub(super) fn custom(resource: &str, message: &str) -> Self {
        Self::validation(json!([{ "resource": resource, "code": "custom", "message": message }]))
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    fn validation(errors: Value) -> Self {
        let mut error = Self::unprocessable("Validation Failed");
        error.errors = Some(errors);
        error
    }
}

impl From<anyhow::Error> for ApiError {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "the GitHub stand-in failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": self.status.as_u16().to_string(),
        });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        (self.status, Json(body)).into_response()
    }
}

/// A JSON answer with its status.
#[expect(
    clippy::unnecessary_wraps,
    reason = "handlers end with it, and they can fail"
)]
pub(super) fn answer(status: StatusCode, body: Value) -> ApiResult {
    Ok((status, Json(body)).into_response())
}

/// A 200 with a JSON body.
pub(super) fn ok(body: Value) -> ApiResult {
    answer(StatusCode::OK, body)
}
