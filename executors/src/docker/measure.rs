//! What a sandbox's volumes hold, counted by a second container that only looks.
//!
//! The bot need not be able to read the engine's folders, and inside the sandbox nothing that counts could be believed. The
//! counting container has no network, sees the volumes read-only, and shares the sandbox's processes so that it finds
//! files that were deleted and are still held open. It looks at those of the sandbox's control group: where the runtime is a
//! kernel of its own, its processes stand among the host's. What it runs is in the image; file names never reach a shell.
//!
//! Starting it takes longer than counting, and a fast writer writes meanwhile. So it stays while its sandbox writes much,
//! and each question is a line on its standard input. It ends with the sandbox, whose processes it shares, and with whoever
//! asks: its input ends then.

use std::{collections::HashMap, fmt, pin::Pin};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    },
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder,
        RemoveContainerOptionsBuilder, StartContainerOptions,
    },
};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::walls;

/// Set on the containers that count; the value is the sandbox for which they do.
pub const MEASURES_LABEL: &str = "deckhand.measures";
/// The memory of a count in bytes: one line for each file that has more than one name.
const MEMORY_BYTES: i64 = 256 << 20;
/// Bytes of an answer that are read: two numbers.
const ANSWER_BYTES: usize = 256;

/// For each line on its input, which is a number of entries: counts blocks and entries below the arguments after the first,
/// which is the sandbox's container, and once each what is deleted there and still open. A count ends as soon as it has counted more entries than that. A file with several
/// names counts once.
const SCRIPT: &str = r#"
sandbox=$1; shift
while read -r most; do
  open=$(grep -ls "$sandbox" /proc/[0-9]*/cgroup | sed 's/cgroup$/fd/')
  devices=$(stat -c %d "$@" | tr '\n' ' ')
  {
    [ -z "$open" ] || find -L $open -maxdepth 1 -type f -links 0 -printf '%b 0 %D:%i\n' 2>/dev/null
    find "$@" -xdev -printf '%b %n %D:%i\n' 2>/dev/null
  } | awk -v most="$most" -v devices="$devices" '
    BEGIN { count = split(devices, list, " "); for (i = 1; i <= count; i++) known[list[i]] = 1 }
    { split($3, place, ":"); if (!(place[1] in known)) next }
    $2 != 1 && seen[$3]++ { next }
    { blocks += $1; entries++ }
    entries > most { exit }
    END { printf "%.0f %d\n", blocks * 512, entries }' || echo "no answer"
done
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
    /// What the engine calls its container, which stands in the names of its control groups.
    pub id: String,
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

type Input = Pin<Box<dyn AsyncWrite + Send>>;
type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// A counting container that runs, and the line to it.
pub struct Counter {
    input: Input,
    output: Output,
    question: String,
}

impl fmt::Debug for Counter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Counter").finish_non_exhaustive()
    }
}

impl Counter {
    /// Starts the container. One of its name is from a count that was broken off, or from a process that is no more.
    pub async fn start(docker: &Docker, count: &Count) -> Result<Self, Error> {
        let name = container_name(&count.sandbox);
        remove(docker, &name).await;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        docker
            .create_container(Some(options), container(count))
            .await?;
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .build();
        let AttachContainerResults { output, input } =
            docker.attach_container(&name, Some(options)).await?;
        docker
            .start_container(&name, None::<StartContainerOptions>)
            .await?;
        Ok(Self {
            input,
            output,
            question: format!("{}\n", count.most_files),
        })
    }

    /// Counts. None where the answer cannot be read: the image has no `find`, or the container was killed. It cannot be
    /// asked again then, nor where this was not waited for to its end.
    pub async fn count(&mut self) -> Result<Option<Held>, Error> {
        let asked = async {
            self.input.write_all(self.question.as_bytes()).await?;
            self.input.flush().await
        };
        if asked.await.is_err() {
            return Ok(None);
        }
        let mut said = Vec::new();
        while said.len() <= ANSWER_BYTES && !said.ends_with(b"\n") {
            match self.output.next().await.transpose()? {
                Some(LogOutput::StdOut { message }) => said.extend_from_slice(&message),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        Ok(read(&said))
    }
}

/// Whether the counting container of a sandbox runs.
pub async fn is_counting(docker: &Docker, sandbox: &str) -> Result<bool, Error> {
    let options = None::<bollard::query_parameters::InspectContainerOptions>;
    let facts = docker
        .inspect_container(&container_name(sandbox), options)
        .await?;
    Ok(facts.state.is_some_and(|state| state.running == Some(true)))
}

/// Takes the counting container of a sandbox away. One that cannot be removed now is removed with the sandbox.
pub async fn end(docker: &Docker, sandbox: &str) {
    remove(docker, &container_name(sandbox)).await;
}

fn read(said: &[u8]) -> Option<Held> {
    let said = String::from_utf8_lossy(said);
    let mut numbers = said.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(bytes)), Some(Ok(files))) => Some(Held { bytes, files }),
        _ => None,
    }
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
        count.id.clone(),
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
        open_stdin: Some(true),
        // With the last writer the input ends, and with it the script.
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
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
                // Its answers are read as they are said.
                typ: Some("none".to_owned()),
                config: None,
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
