//! Bodies, read within limits of size and time before anything else is done with them.

use std::time::Duration;

use axum::{
    body::{Bytes, HttpBody as _},
    extract::Request,
    http::HeaderMap,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::Outcome;

/// The largest body that a door reads, in bytes. Linear's own verifier takes 5 MiB; Slack's and GitHub's events are far smaller.
const BODY_MAX_BYTES: usize = 5 << 20;
/// How long a body may take to come. Platforms give up after 3 to 10 seconds.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// The headers and the body of what a platform sends.
pub(super) async fn read(request: Request) -> Result<(HeaderMap, Bytes), Outcome> {
    read_up_to(request, BODY_MAX_BYTES).await
}

/// The headers and the body, of at most so many bytes. What says beforehand that it is too large is not read at all; what
/// says nothing is read up to the limit.
pub(in crate::web) async fn read_up_to(
    request: Request,
    max_bytes: usize,
) -> Result<(HeaderMap, Bytes), Outcome> {
    let (head, body) = request.into_parts();
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(Outcome::Oversized);
    }
    let body = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(BODY_WITHIN, body).await {
        Ok(Ok(body)) => Ok((head.headers, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Outcome::Oversized),
        Ok(Err(_)) => Err(Outcome::Malformed),
        Err(_) => Err(Outcome::Slow),
    }
}
