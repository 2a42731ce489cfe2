//! The page for people: the workspace in the browser, live, with everything that can be done in it.

mod acts;
mod blocks;
mod markdown;
mod mrkdwn;
mod snapshot;
mod still;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use still::still_document;

use super::core::Core;
use super::ids::FileId;
use super::limits::FILE_BYTES;
use super::transfer::content_of;

const DOCUMENT: &str = include_str!("../../../pages/slack.html");
const STYLE: &str = include_str!("../../../pages/slack.css");
const SCRIPT: &str = include_str!("../../../pages/slack.js");

/// The page fetches nothing from elsewhere; pictures may stand on other ports of this machine.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                              img-src 'self' data: http://127.0.0.1:* http://localhost:*; base-uri 'none'; \
                              form-action 'none'; frame-ancestors 'none'";

/// The routes of the page; streams end when `ending` does.
pub(crate) fn routes(ending: CancellationToken) -> Router<Arc<Core>> {
    Router::new()
        .route(
            "/",
            get(async || {
                (
                    [(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY)],
                    typed("text/html", DOCUMENT),
                )
            }),
        )
        .route("/page/style.css", get(async || typed("text/css", STYLE)))
        .route(
            "/page/script.js",
            get(async || typed("text/javascript", SCRIPT)),
        )
        .route("/page/snapshot", get(snapshot))
        .route(
            "/page/changes",
            get(async move |core| changes(core, ending.clone())),
        )
        .route("/page/act", post(acts::act))
        .route(
            "/page/upload",
            post(acts::upload).layer(DefaultBodyLimit::max(FILE_BYTES)),
        )
        .route("/page/files/{id}", get(file))
}

fn typed(media_type: &'static str, content: &'static str) -> Response {
    let media_type = format!("{media_type}; charset=utf-8");
    (
        [
            (header::CONTENT_TYPE, media_type),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ],
        content,
    )
        .into_response()
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default, rename = "as")]
    user: String,
    #[serde(default)]
    channel: String,
    thread: Option<String>,
}

async fn snapshot(State(core): State<Arc<Core>>, Query(asked): Query<Asked>) -> Json<Value> {
    let gaze = snapshot::Gaze {
        user: asked.user,
        channel: asked.channel,
        thread: asked.thread,
    };
    Json(snapshot::snapshot(&core, &gaze))
}

/// One event for each change of the workspace; the page fetches what it shows itself.
fn changes(
    State(core): State<Arc<Core>>,
    ending: CancellationToken,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut watch = core.watch();
    watch.mark_changed();
    let versions = stream::unfold(watch, |mut watch| async move {
        watch.changed().await.ok()?;
        let version = *watch.borrow_and_update();
        Some((Ok(Event::default().data(version.to_string())), watch))
    });
    Sse::new(versions.take_until(ending.cancelled_owned())).keep_alive(KeepAlive::default())
}

async fn file(State(core): State<Arc<Core>>, Path(id): Path<String>) -> Response {
    content_of(&core, &FileId::from(id))
}
