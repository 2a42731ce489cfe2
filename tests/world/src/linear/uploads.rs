//! The storage behind `fileUpload`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::graphql::may_enter;
use super::state::World;

/// What the caching header of an upload has to be.
const CACHE: &str = "public, max-age=31536000";

/// `PUT` of the bytes to the address that `fileUpload` gave, with the headers it gave.
pub(super) async fn put(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut state = world.lock();
    let Some(slot) = state.uploads.get(&id).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let disposition = format!("attachment; filename=\"{}\"", slot.file.name);
    let range = format!("{0},{0}", slot.size);
    for (name, wanted) in [
        ("content-type", slot.file.content_type.as_str()),
        ("cache-control", CACHE),
        ("content-disposition", &disposition),
        ("x-goog-content-length-range", &range),
    ] {
        if header(name) != wanted {
            let fault = format!(
                "an upload had {name}: {:?} and not {wanted:?}",
                header(name)
            );
            state.violations.push(fault.clone());
            return (StatusCode::FORBIDDEN, fault).into_response();
        }
    }
    if bytes.len() != slot.size {
        return (StatusCode::BAD_REQUEST, "EntityTooLarge or too small").into_response();
    }
    if let Some(slot) = state.uploads.get_mut(&id) {
        slot.file.bytes = bytes.to_vec();
        slot.arrived = true;
    }
    drop(state);
    world.touch();
    StatusCode::OK.into_response()
}

/// An uploaded file, for the agent's token and, where it is public, for everybody.
pub(super) async fn get(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(slot) = world
        .lock()
        .uploads
        .get(&id)
        .filter(|slot| slot.arrived)
        .cloned()
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !slot.public && !may_enter(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    (
        [(header::CONTENT_TYPE, slot.file.content_type)],
        slot.file.bytes,
    )
        .into_response()
}
