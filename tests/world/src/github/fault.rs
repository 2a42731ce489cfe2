//! Faults that a test plans for a coming request.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::reply::ApiError;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is answered with this status and nothing is done.
    Status {
        /// An HTTP status of 400 or more.
        status: u16,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// GitHub's secondary rate limit: 403 with `Retry-After` in seconds.
    SecondaryLimit {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The request is done, and then answered with this status all the same.
    DoneButAnswered(
        /// An HTTP status of 400 or more.
        u16,
    ),
    /// The answer breaks off before its first byte of body.
    CutOff,
}

/// A fault waiting for its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedFault {
    pub route: Route,
    pub fault: Fault,
}

/// A method and a path in which `*` or `{anything}` stands for one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    method: String,
    path: String,
}

impl Route {
    /// Reads `POST /repos/*/*/pulls`; the path is the interface's own, or a git path.
    pub(super) fn parse(text: &str) -> Self {
        let (method, path) = text.split_once(' ').unwrap_or(("*", text));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }

    pub(super) fn matches(&self, method: &str, path: &str) -> bool {
        let path = path.strip_prefix("/api/v3").unwrap_or(path);
        let mut wanted = self.path.split('/');
        let mut given = path.split('/');
        (self.method == "*" || self.method.eq_ignore_ascii_case(method))
            && loop {
                match (wanted.next(), given.next()) {
                    (None, None) => break true,
                    (Some(want), Some(have)) => {
                        let any = want == "*" || want.starts_with('{');
                        if !any && want != have {
                            break false;
                        }
                    }
                    (None, Some(_)) | (Some(_), None) => break false,
                }
            }
    }
}

impl Fault {
    /// The answer that shows the fault.
    pub(super) fn response(&self) -> Response {
        match self {
            Self::Status {
                status,
                retry_after,
            } => with_retry(plain(*status), *retry_after),
            Self::SecondaryLimit { retry_after } => {
                let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
                let answer = ApiError::new(StatusCode::FORBIDDEN, message).into_response();
                with_retry(answer, Some(*retry_after))
            }
            Self::DoneButAnswered(status) => plain(*status),
            Self::CutOff => {
                let broken = futures::stream::once(async {
                    Err::<Bytes, _>(std::io::Error::other("the connection was cut"))
                });
                Response::new(Body::from_stream(broken))
            }
        }
    }
}

fn plain(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = status.canonical_reason().unwrap_or("Unknown");
    ApiError::new(status, message).into_response()
}

fn with_retry(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response
            .headers_mut()
            .insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn a_route_names_a_method_and_a_path_with_open_segments() {
        let route = Route::parse("POST /repos/*/{repo}/pulls");
        assert!(route.matches("POST", "/api/v3/repos/acme/web/pulls"));
        assert!(!route.matches("GET", "/api/v3/repos/acme/web/pulls"));
        assert!(!route.matches("POST", "/api/v3/repos/acme/web/pulls/1"));
        assert!(
            Route::parse("* /*/*/git-receive-pack")
                .matches("POST", "/acme/web.git/git-receive-pack")
        );
    }
}
