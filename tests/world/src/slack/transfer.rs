//! Files on their way: uploads to the announced address, downloads with the bot's token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use secrecy::ExposeSecret as _;

use super::api::bearer;
use super::core::Core;
use super::fault::Fault;
use super::ids::FileId;
use super::limits::FILE_BYTES;

/// The routes that files take.
pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route(
            "/upload/{id}",
            any(upload).layer(DefaultBodyLimit::max(FILE_BYTES)),
        )
        .route("/files/{id}/{name}", get(download))
}

/// Takes a file: as the whole body, or as the first part of a form, as Slack's own client sends it.
async fn upload(
    State(core): State<Arc<Core>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let id = FileId::from(id);
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content = match content_type.and_then(|written| written.split_once("boundary=")) {
        Some((_, boundary)) => first_part(&body, boundary.trim_matches('"')),
        None => Some(body),
    };
    let Some(content) = content else {
        return (StatusCode::BAD_REQUEST, "the form has no parts").into_response();
    };
    core.change(|workspace| match workspace.files.get_mut(&id) {
        None => (StatusCode::NOT_FOUND, "no such upload").into_response(),
        Some(file) if file.length != content.len() => {
            let told = format!(
                "{} bytes were announced, {} arrived",
                file.length,
                content.len()
            );
            (StatusCode::BAD_REQUEST, told).into_response()
        }
        Some(file) => {
            file.content = Some(content);
            format!("OK - {}", file.length).into_response()
        }
    })
}

/// The content of a multipart form's first part.
fn first_part(form: &Bytes, boundary: &str) -> Option<Bytes> {
    let from = position(form, b"\r\n\r\n", 0)? + 4;
    let to = position(form, format!("\r\n--{boundary}").as_bytes(), from)?;
    Some(form.slice(from..to))
}

fn position(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let found = bytes
        .get(from..)?
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(from + found)
}

/// What a fault is ordered for so that a file is not there when it is fetched.
const DOWNLOAD: &str = "file download";

/// A file's content, for those who show the token; others are sent to a sign-in page, as Slack does.
async fn download(
    State(core): State<Arc<Core>>,
    Path((id, _)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if bearer(&headers) != Some(core.token.expose_secret()) {
        core.record_violation(format!("file {id} was asked for without the bot's token"));
        return Redirect::to("/").into_response();
    }
    match core.settings().weather.meet(DOWNLOAD) {
        Some(Fault::RateLimited { retry_after }) => {
            let seconds = retry_after.as_secs().to_string();
            let headers = [(header::RETRY_AFTER, seconds)];
            return (StatusCode::TOO_MANY_REQUESTS, headers).into_response();
        }
        Some(Fault::ServerError) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(_) => return (StatusCode::NOT_FOUND, "no such file").into_response(),
        None => {}
    }
    content_of(&core, &FileId::from(id))
}

/// A file's content, or that there is none.
pub(crate) fn content_of(core: &Core, id: &FileId) -> Response {
    let found = core.look(|workspace| {
        let file = workspace.file(id)?;
        Some((file.media_type(), file.content.clone()?))
    });
    match found {
        Some((media_type, content)) => {
            ([(header::CONTENT_TYPE, media_type)], content).into_response()
        }
        None => (StatusCode::NOT_FOUND, "no such file").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_first_part_is_its_content_without_headers_and_boundary() {
        let form =
            "--xyz\r\nContent-Disposition: form-data; name=\"body\"\r\n\r\na\r\n--b\r\n--xyz--\r\n";
        let content = first_part(&Bytes::from(form), "xyz");
        assert_eq!(content.as_deref(), Some(b"a\r\n--b".as_slice()));
        assert_eq!(first_part(&Bytes::from("nothing"), "xyz"), None);
    }
}
