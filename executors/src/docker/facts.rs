//! What the engine's description of a container says to us, and which names it takes.

use bollard::models::{ContainerInspectResponse, ContainerSummary};

use super::{
    disk::Watched,
    measure::{Count, MEASURES_LABEL},
    shape,
};
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
            id: facts.id.clone()?,
            image: config.image.clone()?,
            volumes,
            most_files: ceiling.files,
            labels,
        },
        ceiling,
    })
}

/// Leaves out the containers that count for a sandbox that is there: they go with it. One that is left alone is listed, so
/// that it is found and taken away.
pub fn without_counters(containers: Vec<ContainerSummary>) -> Vec<ContainerSummary> {
    let counts_for_another = |container: &ContainerSummary| {
        let labels = container.labels.as_ref();
        let Some(sandbox) = labels.and_then(|labels| labels.get(MEASURES_LABEL)) else {
            return false;
        };
        containers.iter().any(|other| is_named(other, sandbox))
    };
    let keep: Vec<bool> = containers
        .iter()
        .map(|one| !counts_for_another(one))
        .collect();
    let kept = containers.into_iter().zip(keep);
    kept.filter_map(|(container, keep)| keep.then_some(container))
        .collect()
}

fn is_named(container: &ContainerSummary, name: &str) -> bool {
    let mut names = container.names.iter().flatten();
    names.any(|known| known.trim_start_matches('/') == name)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, measures: Option<&str>) -> ContainerSummary {
        let label = measures.map(|sandbox| (MEASURES_LABEL.to_owned(), sandbox.to_owned()));
        ContainerSummary {
            names: Some(vec![format!("/{name}")]),
            labels: Some(label.into_iter().collect()),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn who_counts_is_listed_only_when_its_sandbox_is_gone() {
        let listed = without_counters(vec![
            container("one", None),
            container("one-measure", Some("one")),
            container("two-measure", Some("two")),
        ]);
        let names: Vec<_> = listed.into_iter().filter_map(|one| one.names).collect();
        assert_eq!(names, [["/one"], ["/two-measure"]]);
    }
}
