//! What a sandbox is to a Docker engine: the hardened container.
//!
//! No network, no capabilities, no new privileges, an unprivileged user, a read-only root, a filter of system calls and
//! ceilings on memory, processors, processes and files. Whatever has to be written is on a volume or on the small `/tmp`.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount as EngineMount, MountType, ResourcesUlimits,
};

use super::{
    INSTANCE_LABEL, MANAGED_LABEL,
    measure::Held,
    walls::{self, Lent},
};
use crate::sandbox::{Access, ExecutorError, Limits, Mount, MountSource, SandboxSpec};

/// The user of every sandbox image.
pub const USER: &str = "1000:1000";
/// The size of the current log file, and how many are kept. An agent's protocol has to be readable from its first line
/// for as long as it runs, so this is far more than an honest one says, and bounds what a mad one costs the disk.
const LOG_FILE_SIZE: &str = "200m";
const LOG_FILES: &str = "2";
/// The kernel prefers sandboxes over the host's own programs when memory is short.
const SACRIFICE_SCORE: i64 = 500;
/// The size of `/dev/shm`, in bytes. What is in it counts as memory; browsers and databases share pictures there.
const SHARED_MEMORY_BYTES: i64 = 256 << 20;
/// The engine counts processors in billionths.
const NANO: f64 = 1e9;
/// The least share of a processor that an engine accepts.
const LEAST_PROCESSORS: f64 = 0.01;

/// The labels with a sandbox's ceilings, from which another process knows them.
const DISK_LABEL: &str = "deckhand.limit.disk-bytes";
const FILES_LABEL: &str = "deckhand.limit.files";

/// The ceilings of a container's disk, from its labels; none where it was made without.
pub fn ceiling_of(labels: &HashMap<String, String>) -> Option<Held> {
    let number = |name| labels.get(name).and_then(|value| value.parse().ok());
    Some(Held {
        bytes: number(DISK_LABEL)?,
        files: number(FILES_LABEL)?,
    })
}

/// The labels of an object of this installation.
pub fn labels(instance: &str, others: &BTreeMap<String, String>) -> HashMap<String, String> {
    let own = [(MANAGED_LABEL, "1"), (INSTANCE_LABEL, instance)];
    let own = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    others
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain(own)
        .collect()
}

/// The container of a sandbox, on an engine with so many processors.
pub fn container(
    spec: &SandboxSpec,
    instance: &str,
    lent: &Lent,
    processors: f64,
) -> Result<ContainerCreateBody, ExecutorError> {
    let Some((program, arguments)) = spec.command.split_first() else {
        return Err(ExecutorError::Start("it has no command".to_owned()));
    };
    let environment = spec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    Ok(ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: Some("sandbox".to_owned()),
        user: Some(USER.to_owned()),
        // The image's own entry point, if it has one, must not come in between.
        entrypoint: Some(vec![program.clone()]),
        cmd: Some(arguments.to_vec()),
        env: Some(environment.collect()),
        working_dir: Some(spec.working_directory.clone()),
        labels: Some(labels(instance, &with_ceilings(spec))),
        // Standard input outlives each of its writers, so that a new owner can go on.
        open_stdin: Some(true),
        stdin_once: Some(false),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        host_config: Some(host_config(spec, lent, processors)?),
        ..ContainerCreateBody::default()
    })
}

fn with_ceilings(spec: &SandboxSpec) -> BTreeMap<String, String> {
    let mut labels = spec.labels.clone();
    labels.insert(DISK_LABEL.to_owned(), spec.limits.disk_bytes.to_string());
    labels.insert(FILES_LABEL.to_owned(), spec.limits.files.to_string());
    labels
}

fn host_config(
    spec: &SandboxSpec,
    lent: &Lent,
    processors: f64,
) -> Result<HostConfig, ExecutorError> {
    let Limits {
        memory_bytes,
        processes,
        open_files,
        scratch_bytes,
        disk_bytes,
        ..
    } = spec.limits;
    let mounts = spec.mounts.iter().map(|one| mount(one, lent));
    let mounts = mounts.collect::<Result<_, _>>()?;
    let scratch = format!("rw,nosuid,nodev,exec,size={scratch_bytes},mode=1777");
    Ok(HostConfig {
        memory: Some(signed(memory_bytes)),
        // Together with swap; the same figure means no swap.
        memory_swap: Some(signed(memory_bytes)),
        nano_cpus: Some(nano_processors(spec.limits.processors, processors)),
        pids_limit: Some(i64::from(processes)),
        // No limit of processes for each user: the kernel counts that over all sandboxes together.
        ulimits: Some(vec![
            ulimit("nofile", i64::from(open_files)),
            ulimit("core", 0),
            // One file alone cannot be larger than all together may be.
            ulimit("fsize", signed(disk_bytes)),
        ]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(walls::security_options()),
        masked_paths: Some(walls::masked()),
        readonly_paths: Some(walls::read_only()),
        privileged: Some(false),
        devices: Some(Vec::new()),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), scratch)])),
        network_mode: Some("none".to_owned()),
        // Names are the egress proxy's business. The host's own resolvers would only be told to the sandbox.
        dns: Some(vec!["127.0.0.1".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        // Neither the container's own name in the engine nor the host's groups are shown.
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        shm_size: Some(SHARED_MEMORY_BYTES),
        // Without it nobody collects the children of a dead process, and they fill the limit of processes.
        init: Some(true),
        oom_score_adj: Some(SACRIFICE_SCORE),
        runtime: spec.runtime.clone(),
        mounts: Some(mounts),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), LOG_FILE_SIZE.to_owned()),
                ("max-file".to_owned(), LOG_FILES.to_owned()),
            ])),
        }),
        ..HostConfig::default()
    })
}

fn mount(mount: &Mount, lent: &Lent) -> Result<EngineMount, ExecutorError> {
    let (typ, source) = match (&mount.source, mount.access) {
        (MountSource::Volume(name), _) => (MountType::VOLUME, name.0.clone()),
        (MountSource::Host(path), Access::ReadOnly) => {
            let path = lent.check(path)?.into_os_string().into_string();
            let path = path.map_err(|_| {
                ExecutorError::Start("a host's folder needs a path in UTF-8".into())
            })?;
            (MountType::BIND, path)
        }
        (MountSource::Host(path), Access::ReadWrite) => {
            let sentence = format!(
                "a folder of the host is never writable in a sandbox: {}",
                path.display()
            );
            return Err(ExecutorError::Start(sentence));
        }
    };
    Ok(EngineMount {
        typ: Some(typ),
        source: Some(source),
        target: Some(mount.target.clone()),
        read_only: Some(mount.access == Access::ReadOnly),
        ..EngineMount::default()
    })
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(value),
        hard: Some(value),
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most the engine's processors, and a fraction of a billionth"
)]
fn nano_processors(wanted: f64, present: f64) -> i64 {
    // A limit above what is there is no limit, and the engine refuses it.
    (wanted.min(present).max(LEAST_PROCESSORS) * NANO) as i64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn spec() -> SandboxSpec {
        SandboxSpec {
            name: crate::SandboxName("s".into()),
            image: "i".into(),
            command: vec!["sleep".into(), "1".into()],
            environment: BTreeMap::new(),
            working_directory: "/work".into(),
            mounts: Vec::new(),
            labels: BTreeMap::from([(INSTANCE_LABEL.to_owned(), "another's".to_owned())]),
            limits: Limits {
                memory_bytes: 1,
                processors: 64.0,
                processes: 1,
                open_files: 1,
                scratch_bytes: 1,
                disk_bytes: 1,
                files: 1,
            },
            runtime: None,
        }
    }

    #[test]
    fn processors_that_are_not_there_are_not_asked_for() {
        let body = container(&spec(), "ours", &Lent::default(), 2.0).unwrap();
        assert_eq!(body.host_config.unwrap().nano_cpus, Some(2_000_000_000));
    }

    #[test]
    fn nobody_takes_another_installations_label() {
        let body = container(&spec(), "ours", &Lent::default(), 2.0).unwrap();
        assert_eq!(body.labels.unwrap()[INSTANCE_LABEL], "ours");
    }

    #[test]
    fn a_folder_of_the_host_is_never_writable() {
        let mut spec = spec();
        let source = MountSource::Host("/srv".into());
        spec.mounts = vec![Mount {
            source,
            target: "/srv".into(),
            access: Access::ReadWrite,
        }];
        container(&spec, "ours", &Lent::below(vec!["/".into()]), 2.0).unwrap_err();
    }
}
