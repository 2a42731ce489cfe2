//! What the engine's description of a container says to us, and which names it takes.

use bollard::models::ContainerInspectResponse;

use super::{disk::Watched, measure::Count, shape};
use crate::sandbox::ExecutorError;

/// What is watched of a container: the volumes that it can write. None where it has no ceiling.
pub fn watched(facts: &ContainerInspectResponse) -> Option<Watched> {
    let config = facts.config.as_ref()?;
    let labels = config.labels.clone()?;
    let ceiling = shape::ceiling_of(&labels)?;
    let mounts = facts.mounts.iter().flatten();
    let volumes: Vec<String> = mounts
        .filter(|mount| mount.rw == Some(true))
        .filter_map(|mount| mount.name.clone())
        .collect();
    if volumes.is_empty() {
        return None;
    }
    Some(Watched {
        count: Count {
            sandbox: facts.name.as_ref()?.trim_start_matches('/').to_owned(),
            image: config.image.clone()?,
            volumes,
            most_files: ceiling.files,
            labels,
        },
        ceiling,
    })
}

/// A name that can stand in the address of an engine's object. Source: the engine's own rule for names.
pub fn object_name(name: &str) -> Result<&str, ExecutorError> {
    let fits = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if fits {
        Ok(name)
    } else {
        Err(ExecutorError::Refused(format!(
            "{name:?} is no name for a container or a volume"
        )))
    }
}
