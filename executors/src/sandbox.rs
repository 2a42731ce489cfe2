//! The whole interface of an executor: what a sandbox is, and what can be done with one.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// The name of a sandbox, unique in an engine; a second start of the same name is the same sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SandboxName(pub String);

/// The name of a volume that outlives the containers that mount it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(pub String);

/// Whether a mount can be written to from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Writes are refused by the kernel.
    ReadOnly,
    /// Writes are allowed.
    ReadWrite,
}

/// Where the bytes of a mount live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A volume of the engine, made when it is missing.
    Volume(VolumeName),
    /// A folder of the host. Only sockets and repository mirrors, only below what the executor was told it may lend, and
    /// only [`Access::ReadOnly`].
    Host(PathBuf),
}

/// One mount of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// The absolute path inside the sandbox.
    pub target: String,
    /// Whether the inside can write.
    pub access: Access,
}

/// Ceilings of one sandbox. The engine enforces them; the executor watches the disk itself, where engines have no quota.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Memory in bytes, without swap.
    pub memory_bytes: u64,
    /// Processors, in units of one core.
    pub processors: f64,
    /// Processes and threads.
    pub processes: u32,
    /// Open files of one process.
    pub open_files: u32,
    /// The size of `/tmp` in bytes.
    pub scratch_bytes: u64,
    /// What the volumes may hold together, in bytes, and what one file may hold. Watched: see [`End::DiskFull`].
    pub disk_bytes: u64,
    /// How many files and folders the volumes may hold together.
    pub files: u64,
}

/// Everything that is needed to start a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// The sandbox's own name.
    pub name: SandboxName,
    /// The image, with its tag.
    pub image: String,
    /// The main process. Its standard input stays open for [`Executor::attach`].
    pub command: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// The folder in which the command starts.
    pub working_directory: String,
    /// Volumes and sockets.
    pub mounts: Vec<Mount>,
    /// Labels beside the ones that the executor sets itself.
    pub labels: BTreeMap<String, String>,
    /// Ceilings.
    pub limits: Limits,
    /// The OCI runtime, where it is not the engine's default: `runsc`, `kata`.
    pub runtime: Option<String>,
}

/// A live connection to a sandbox's main process.
pub struct Attachment {
    /// The standard input of the process.
    pub input: Box<dyn AsyncWrite + Send + Unpin>,
    /// The standard output from the first byte that the process ever wrote.
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// The standard error from its first byte.
    pub errors: Box<dyn AsyncRead + Send + Unpin>,
}

/// A command to run beside the main process.
#[derive(Debug, Clone)]
pub struct Exec {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables beside the sandbox's own.
    pub environment: BTreeMap<String, String>,
    /// The folder in which it starts.
    pub working_directory: String,
    /// Bytes for its standard input.
    pub input: Vec<u8>,
    /// When this has passed the command is given up. The whole sandbox has to be stopped then: engines cannot kill an exec.
    pub timeout: Duration,
    /// How much of the standard output, and of the standard error, is kept. What is over is dropped and counted.
    pub output_limit_bytes: usize,
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// The exit status; `None` where it timed out.
    pub status: Option<i64>,
    /// Standard output, at most `output_limit_bytes`.
    pub output: Vec<u8>,
    /// Standard error, at most `output_limit_bytes`.
    pub errors: Vec<u8>,
    /// Bytes that were dropped for being over the limit.
    pub dropped_bytes: u64,
    /// How long it ran.
    pub elapsed: Duration,
}

/// What ended a sandbox's main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It ended by itself, or was stopped.
    Itself,
    /// The kernel killed it for memory.
    OutOfMemory,
    /// It was killed because its volumes held more than they may.
    DiskFull {
        /// The ceiling in bytes.
        limit_bytes: u64,
    },
    /// It was killed because its volumes held more files than they may.
    TooManyFiles {
        /// The ceiling.
        limit: u64,
    },
    /// It was killed because the engine's own disk was nearly full.
    HostDiskLow,
}

impl End {
    /// A sentence about an end for want of room on the disk; none for the other ends.
    #[must_use]
    pub fn want_of_room(self) -> Option<String> {
        match self {
            Self::Itself | Self::OutOfMemory => None,
            Self::DiskFull { limit_bytes } => Some(format!(
                "the sandbox filled its disk: {} GB is the limit",
                limit_bytes >> 30
            )),
            Self::TooManyFiles { limit } => Some(format!(
                "the sandbox filled its disk with files: {} is the limit",
                grouped(limit)
            )),
            Self::HostDiskLow => Some(
                "the disk of the container engine is nearly full, so every sandbox on it was ended"
                    .to_owned(),
            ),
        }
    }
}

/// A number as people read it, in groups of three digits: `1,000,000`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// How a sandbox's main process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It runs.
    Running,
    /// It ended.
    Ended {
        /// The exit status.
        status: i64,
        /// What ended it.
        by: End,
    },
    /// The engine knows no such sandbox.
    Absent,
}

/// A sandbox that the engine knows, live or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: SandboxName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How it is doing.
    pub condition: Condition,
}

/// What can go wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The engine cannot be reached.
    #[error("the container engine does not answer: {0}")]
    Unreachable(String),
    /// The image is not there.
    #[error("the image {0} is not there")]
    ImageMissing(String),
    /// The container could not be started: its command is missing, a limit is refused.
    #[error("the sandbox did not start: {0}")]
    Start(String),
    /// The sandbox is gone.
    #[error("the sandbox {} is gone", .0.0)]
    Gone(SandboxName),
    /// Everything else that the engine refuses.
    #[error("the container engine refused: {0}")]
    Refused(String),
}

/// What runs sandboxes: Docker, and other engines beside it.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Starts a sandbox, or finds the one of this name as it is. Volumes are made when missing, owned by the sandbox's user.
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError>;
    /// Connects to the main process. Everything that it said so far is said again first, so that a new owner can catch up.
    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError>;
    /// Runs a command inside and waits for it.
    async fn exec(&self, name: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError>;
    /// How the main process is doing.
    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError>;
    /// Waits for the main process to end.
    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError>;
    /// Kills everything in the sandbox and removes the container. A sandbox that is not there is a success.
    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError>;
    /// Removes a volume. One that is not there is a success.
    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError>;
    /// Lists the sandboxes of this instance, live and ended.
    async fn list(&self) -> Result<Vec<Listed>, ExecutorError>;
    /// Lists the volumes of this instance.
    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError>;
    /// The volumes of this instance with their labels.
    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError>;
    /// Whether the image is present.
    async fn has_image(&self, image: &str) -> Result<bool, ExecutorError>;
    /// What a label of an image says; none where the image or the label is not there.
    async fn image_label(&self, image: &str, label: &str) -> Result<Option<String>, ExecutorError>;
    /// One line that says which engine this is and its version; fails where it does not answer.
    async fn describe(&self) -> Result<String, ExecutorError>;
}
