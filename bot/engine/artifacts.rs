//! Pictures on the host's disk, by task and run.

use std::path::PathBuf;

use super::{Context, Fault};
use crate::{
    domain::{RunNumber, TaskId},
    surface::PictureFile,
};

/// The longest name of an artifact, in characters.
const NAME_MAX_CHARS: usize = 100;

/// Where an artifact lies; none where the name could leave the folder.
#[must_use]
pub fn path_of(context: &Context, task: &TaskId, name: &str) -> Option<PathBuf> {
    let fine = name.len() <= NAME_MAX_CHARS
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    fine.then(|| {
        context
            .config
            .data_dir
            .join("artifacts")
            .join(&task.0)
            .join(name)
    })
}

/// Stores an artifact. One of the same name is replaced.
pub async fn store(
    context: &Context,
    task: &TaskId,
    name: &str,
    bytes: &[u8],
) -> Result<(), Fault> {
    let path = path_of(context, task, name)
        .ok_or_else(|| Fault::permanent("an artifact's name cannot be used"))?;
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder)
            .await
            .map_err(Fault::transient)?;
    }
    tokio::fs::write(path, bytes)
        .await
        .map_err(Fault::transient)
}

/// The pictures of a run, before and after each.
pub async fn pictures_of(
    context: &Context,
    task: &TaskId,
    _run: RunNumber,
) -> Result<Vec<PictureFile>, Fault> {
    let Some(stored) = context.store.task(task).await? else {
        return Ok(Vec::new());
    };
    let Some(proof) = stored.task.proof else {
        return Ok(Vec::new());
    };
    let mut pictures = Vec::new();
    for picture in proof.pictures {
        let Some(name) = picture.artifact else {
            continue;
        };
        let Some(path) = path_of(context, task, &name) else {
            continue;
        };
        let png = tokio::fs::read(path).await.map_err(Fault::permanent)?;
        pictures.push(PictureFile {
            name,
            title: format!("{} — {}", picture.title, picture.moment),
            png,
        });
    }
    Ok(pictures)
}
