//! The storage behind `fileUpload`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use uuid::Uuid;

use super::graphql::{may_enter, planned};
use super::state::{UploadSlot, UploadedFile, World};

/// How the reading of a file is named where a fault is planned for it.
pub(super) const FILE: &str = "file";

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

/// Where a file can be read: below its workspace.
pub(super) fn address(world: &World, id: &str) -> String {
    let organization = world.lock().known.organization.clone();
    format!("{}/{organization}/{id}/{id}", world.uploads)
}

/// A person hangs a file on something; gives it as Markdown shows it: a picture in its place, another file as a link.
pub(super) fn attach(world: &World, name: &str, bytes: &[u8]) -> String {
    let id = Uuid::new_v4().to_string();
    let asset_url = address(world, &id);
    let is_picture = [".png", ".jpg", ".gif"]
        .iter()
        .any(|end| name.ends_with(end));
    let content_type = if is_picture {
        "image/png"
    } else {
        "application/octet-stream"
    };
    let slot = UploadSlot {
        file: UploadedFile {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            asset_url: asset_url.clone(),
            bytes: bytes.to_vec(),
        },
        size: bytes.len(),
        public: false,
        arrived: true,
    };
    world.lock().uploads.insert(id, slot);
    let mark = if is_picture { "!" } else { "" };
    format!("{mark}[{name}]({asset_url})")
}

/// An uploaded file, for the agent's token and, where it is public, for everybody. A fault can be planned for
/// it as for the operation [`FILE`].
pub(super) async fn get(
    State(world): State<Arc<World>>,
    Path((_, id, _)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let found = world.lock().uploads.get(&id).cloned();
    let Some(slot) = found.filter(|slot| slot.arrived) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !slot.public && !may_enter(&world, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(fault) = planned(&world, FILE) {
        return fault.response();
    }
    (
        [(header::CONTENT_TYPE, slot.file.content_type)],
        slot.file.bytes,
    )
        .into_response()
}
