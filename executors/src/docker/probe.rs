//! Tries the walls from inside: starts a container with the real hardening and small ceilings, and has a program in it
//! attempt what must not work.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::json;

use super::walls;
use crate::sandbox::{
    Access, Exec, Executor, ExecutorError, Limits, Mount, MountSource, SandboxName, SandboxSpec,
    VolumeName,
};

/// The program; it needs Python 3, which Deckhand's own images have.
const PROGRAM: &str = include_str!("probe.py");
/// How long the whole trial may take; it takes some five seconds.
const TIME: Duration = Duration::from_mins(2);
/// Bytes of its report that are read; it writes some 4 KiB.
const REPORT_BYTES: usize = 256 << 10;
/// Seconds after which the container ends by itself, should nobody be left to remove it.
const LIFETIME_SECONDS: &str = "300";

/// What was found of one wall.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Wall {
    /// Its name, for people.
    #[serde(rename = "wall")]
    pub name: String,
    /// Whether what was attempted failed as it must.
    pub held: bool,
    /// What was attempted and what came of it.
    pub evidence: String,
}

/// Tries every wall in a container of this image, under this runtime. The container and its volume are removed again.
///
/// An error says that the trial itself could not be made. A wall that does not hold is no error but a [`Wall`].
pub async fn probe(
    executor: &dyn Executor,
    image: &str,
    runtime: Option<String>,
) -> Result<Vec<Wall>, ExecutorError> {
    let spec = spec(image, runtime);
    executor.start(&spec).await?;
    let outcome = executor.exec(&spec.name, trial(&spec)).await;
    let outcome = outcome.map_err(|error| match error {
        // Old gVisor ends at a mount, and with it what was said so far.
        ExecutorError::Gone(_) => ExecutorError::Refused(format!(
            "the sandbox ended while its walls were tried, under the runtime {}",
            spec.runtime.as_deref().unwrap_or("of the engine")
        )),
        other => other,
    });
    let stopped = executor.stop(&spec.name).await;
    for mount in &spec.mounts {
        if let MountSource::Volume(volume) = &mount.source {
            executor.remove_volume(volume).await?;
        }
    }
    stopped?;
    let output = outcome?;
    let report = String::from_utf8_lossy(&output.output);
    let walls: Vec<Wall> = report
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if output.status == Some(0) && !walls.is_empty() {
        return Ok(walls);
    }
    let errors = String::from_utf8_lossy(&output.errors);
    let last = errors.lines().last().unwrap_or("it said nothing");
    Err(ExecutorError::Refused(format!(
        "the walls could not be tried in {image} (status {:?}): {last}",
        output.status
    )))
}

fn spec(image: &str, runtime: Option<String>) -> SandboxSpec {
    let moment = SystemTime::now().duration_since(UNIX_EPOCH);
    let moment = moment.unwrap_or_default().as_micros();
    let name = format!("deckhand-probe-{}-{moment}", std::process::id());
    SandboxSpec {
        image: image.to_owned(),
        command: vec!["sleep".to_owned(), LIFETIME_SECONDS.to_owned()],
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        mounts: vec![Mount {
            source: MountSource::Volume(VolumeName(name.clone())),
            target: "/work".to_owned(),
            access: Access::ReadWrite,
        }],
        labels: BTreeMap::new(),
        limits: Limits {
            memory_bytes: 256 << 20,
            processors: 0.5,
            processes: 64,
            open_files: 512,
            scratch_bytes: 16 << 20,
            disk_bytes: 1 << 30,
            files: 10_000,
        },
        runtime,
        name: SandboxName(name),
    }
}

fn trial(spec: &SandboxSpec) -> Exec {
    let Limits {
        memory_bytes,
        processors,
        processes,
        open_files,
        scratch_bytes,
        disk_bytes,
        files: _,
    } = spec.limits;
    let mounts: BTreeMap<&str, &str> = spec
        .mounts
        .iter()
        .map(|mount| {
            let access = match mount.access {
                Access::ReadOnly => "ro",
                Access::ReadWrite => "rw",
            };
            (mount.target.as_str(), access)
        })
        .collect();
    let ceilings = json!({
        "memory_bytes": memory_bytes, "processors": processors, "processes": processes, "open_files": open_files,
        "scratch_bytes": scratch_bytes, "disk_bytes": disk_bytes, "mounts": mounts, "masked": walls::masked(),
    });
    Exec {
        command: vec!["python3".to_owned(), "-".to_owned(), ceilings.to_string()],
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        input: PROGRAM.as_bytes().to_vec(),
        timeout: TIME,
        output_limit_bytes: REPORT_BYTES,
    }
}
