//! All of one task goes: its rows, its folders on the host, its containers and volumes.

use std::path::Path;

use deckhand_executors::Executor;

use super::{Fault, reaper::TASK_LABEL};
use crate::{
    domain::{TaskId, Timestamp},
    store::{Store, deletion::Deleted},
};

/// Deletes a task that is over. The rows go first: without them nothing begins again, and what is broken off here is
/// finished by another call.
pub async fn delete(
    store: &Store,
    executor: &dyn Executor,
    data_dir: &Path,
    (task, by): (&TaskId, &str),
    now: Timestamp,
) -> Result<Deleted, Fault> {
    let deleted = store.delete_task(task, by, now).await?;
    if !matches!(deleted, Deleted::Now | Deleted::Before { .. }) {
        return Ok(deleted);
    }
    // Each is done, whatever becomes of the others.
    let folders = remove_folders(data_dir, task).await;
    let engine = remove_from_engine(executor, task).await;
    if !store.empty_log().await? {
        return Err(Fault::transient(
            "somebody reads the database, so that its write-ahead log still has what was deleted",
        ));
    }
    folders.and(engine).map(|()| deleted)
}

/// Sockets, quarantined commits and pictures.
async fn remove_folders(data_dir: &Path, task: &TaskId) -> Result<(), Fault> {
    let sockets = data_dir.join("s");
    let mut paths = vec![
        data_dir.join("artifacts").join(&task.0),
        data_dir.join("quarantine").join(format!("{task}.git")),
    ];
    if let Ok(mut entries) = tokio::fs::read_dir(&sockets).await {
        let of_task = format!("{task}-");
        while let Some(entry) = entries.next_entry().await.map_err(Fault::transient)? {
            if entry.file_name().to_string_lossy().starts_with(&of_task) {
                paths.push(entry.path());
            }
        }
    }
    for path in paths {
        let removed = match tokio::fs::symlink_metadata(&path).await {
            Ok(facts) if facts.is_dir() => tokio::fs::remove_dir_all(&path).await,
            Ok(_) => tokio::fs::remove_file(&path).await,
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::transient(format!("{}: {error}", path.display())));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

async fn remove_from_engine(executor: &dyn Executor, task: &TaskId) -> Result<(), Fault> {
    for sandbox in executor.list().await? {
        if sandbox.labels.get(TASK_LABEL) == Some(&task.0) {
            executor.stop(&sandbox.name).await?;
        }
    }
    for (volume, labels) in executor.labelled_volumes().await? {
        if labels.get(TASK_LABEL) == Some(&task.0) {
            executor.remove_volume(&volume).await?;
        }
    }
    Ok(())
}
