//! What a sandbox's volumes hold, counted by a second container that only looks.
//!
//! The bot need not be able to read the engine's folders, and inside the sandbox nothing that counts could be believed. The
//! counting container has no network, sees the volumes read-only, and shares the sandbox's processes so that it finds
//! files that were deleted and are still held open. What it runs is in the image; file names never reach a shell.

use std::collections::HashMap;

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        StartContainerOptions, WaitContainerOptions,
    },
};
use futures::StreamExt as _;

use super::walls;

/// Set on the containers that count; the value is the sandbox for which they do.
pub const MEASURES_LABEL: &str = "deckhand.measures";
/// The memory of a count in bytes: one line for each file that has more than one name.
const MEMORY_BYTES: i64 = 256 << 20;
/// Bytes of the answer that are read: two numbers.
const ANSWER_BYTES: usize = 256;

/// Counts blocks and entries below the arguments, and once each what is deleted there and still open. It ends as soon as it has
/// counted more entries than may be. A file with several names counts once.
const SCRIPT: &str = r#"
most=$1; shift
devices=$(stat -c %d "$@" | tr '\n' ' ')
{
  find -L /proc/[0-9]*/fd -maxdepth 1 -type f -links 0 -printf '%b 0 %D:%i\n' 2>/dev/null
  find "$@" -xdev -printf '%b %n %D:%i\n' 2>/dev/null
} | awk -v most="$most" -v devices="$devices" '
  BEGIN { count = split(devices, list, " "); for (i = 1; i <= count; i++) known[list[i]] = 1 }
  { split($3, place, ":"); if (!(place[1] in known)) next }
  $2 != 1 && seen[$3]++ { next }
  { blocks += $1; entries++ }
  entries > most { exit }
  END { printf "%.0f %d\n", blocks * 512, entries }'
"#;

/// What volumes hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

/// What to count.
#[derive(Debug, Clone)]
pub struct Count {
    /// The sandbox, whose processes may hold deleted files open. It has to run.
    pub sandbox: String,
    /// The image, which has `find` and `awk`.
    pub image: String,
    /// The volumes.
    pub volumes: Vec<String>,
    /// More entries than this are not counted to the end.
    pub most_files: u64,
    /// The labels of the counting container.
    pub labels: HashMap<String, String>,
}

/// The name of the container that counts for a sandbox.
pub fn container_name(sandbox: &str) -> String {
    format!("{sandbox}-measure")
}

/// Counts. None where the answer cannot be read: the image has no `find`, or the container was killed.
pub async fn measure(docker: &Docker, count: &Count) -> Result<Option<Held>, Error> {
    let name = container_name(&count.sandbox);
    // One of this name is from a count that was broken off.
    remove(docker, &name).await;
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker
        .create_container(Some(options), container(count))
        .await?;
    let answer = async {
        docker
            .start_container(&name, None::<StartContainerOptions>)
            .await?;
        let mut ends = std::pin::pin!(docker.wait_container(&name, None::<WaitContainerOptions>));
        // A status other than 0 is an error to this client; the answer tells.
        let _ = ends.next().await;
        read(docker, &name).await
    }
    .await;
    remove(docker, &name).await;
    answer
}

async fn read(docker: &Docker, name: &str) -> Result<Option<Held>, Error> {
    let options = LogsOptionsBuilder::default().stdout(true).build();
    let mut said = Vec::new();
    let mut log = std::pin::pin!(docker.logs(name, Some(options)));
    while let Some(piece) = log.next().await {
        if let LogOutput::StdOut { message } = piece? {
            said.extend_from_slice(&message);
        }
        if said.len() > ANSWER_BYTES {
            return Ok(None);
        }
    }
    let said = String::from_utf8_lossy(&said);
    let mut numbers = said.split_whitespace().map(str::parse);
    Ok(match (numbers.next(), numbers.next()) {
        (Some(Ok(bytes)), Some(Ok(files))) => Some(Held { bytes, files }),
        _ => None,
    })
}

async fn remove(docker: &Docker, name: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    // One that cannot be removed now is found by its label later.
    let _ = docker.remove_container(name, Some(options)).await;
}

fn container(count: &Count) -> ContainerCreateBody {
    let places: Vec<String> = (0..count.volumes.len())
        .map(|index| format!("/measured/{index}"))
        .collect();
    let mounts = count.volumes.iter().zip(&places);
    let mounts = mounts.map(|(volume, place)| EngineMount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.clone()),
        target: Some(place.clone()),
        read_only: Some(true),
        ..EngineMount::default()
    });
    let mut arguments = vec![
        "-c".to_owned(),
        SCRIPT.to_owned(),
        "measure".to_owned(),
        count.most_files.to_string(),
    ];
    arguments.extend(places.clone());
    let mut labels = count.labels.clone();
    labels.insert(MEASURES_LABEL.to_owned(), count.sandbox.clone());
    ContainerCreateBody {
        image: Some(count.image.clone()),
        entrypoint: Some(vec!["sh".to_owned()]),
        cmd: Some(arguments),
        env: Some(vec!["PATH=/usr/bin:/bin".to_owned(), "LC_ALL=C".to_owned()]),
        working_dir: Some("/".to_owned()),
        user: Some("0:0".to_owned()),
        labels: Some(labels),
        host_config: Some(HostConfig {
            mounts: Some(mounts.collect()),
            pid_mode: Some(format!("container:{}", count.sandbox)),
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            // To look into closed folders, and at the files of processes that do not want to be looked at. Neither writes.
            cap_add: Some(vec!["DAC_READ_SEARCH".to_owned(), "SYS_PTRACE".to_owned()]),
            security_opt: Some(walls::security_options()),
            memory: Some(MEMORY_BYTES),
            memory_swap: Some(MEMORY_BYTES),
            pids_limit: Some(32),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from([("max-size".to_owned(), "1m".to_owned())])),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
