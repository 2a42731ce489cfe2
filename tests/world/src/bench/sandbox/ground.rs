//! What the measurements of sandboxes stand on: an executor, a folder that it lends, and sandboxes as runs have them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use deckhand_executors::agent::{AgentProfile, HOME, SHIM, sandbox_environment};
use deckhand_executors::docker::DockerExecutor;
use deckhand_executors::egress::{EgressHandle, EgressProxy, Opening, Phase, RUN_FOLDER};
use deckhand_executors::sandbox::{
    Access, Exec, Executor as _, Limits, Mount, MountSource, SandboxName, SandboxSpec, VolumeName,
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::bench::place::{AGENT, PART_WITHIN};
use crate::demo::leftovers;

/// The folder of the work tree in a sandbox.
pub const TREE: &str = "/work/repo";
/// Records of requests that may wait, as many as in the bot.
const RECORDS_MAX: usize = 1_000;
/// Bytes that are kept of what a command says.
const OUTPUT_MAX_BYTES: usize = 64 << 10;
/// The ceilings of a sandbox where nothing is set, as in the bot.
const LIMITS: Limits = Limits {
    memory_bytes: 4 << 30,
    processors: 2.0,
    processes: 1_024,
    open_files: 16_384,
    scratch_bytes: 1 << 30,
    disk_bytes: 10 << 30,
    files: 1_000_000,
};

/// An engine's sandboxes of this measurement, and the folder with what they borrow.
pub struct Ground {
    /// Makes them.
    pub executor: DockerExecutor,
    /// The agent of the measurement.
    pub profile: AgentProfile,
    instance: String,
    folder: TempDir,
}

impl Ground {
    /// Finds the engine and the agent's image, or the one that is named.
    pub async fn open(image: Option<&str>) -> anyhow::Result<Self> {
        // Not where TMPDIR says: sockets below the folder have paths of at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("deckhand-bench-")
            .tempdir_in("/tmp")?;
        let instance = format!("bench-{}", std::process::id());
        let endpoint = std::env::var("DECKHAND_DOCKER_HOST").ok();
        let executor = DockerExecutor::connect(&instance, endpoint.as_deref())?
            .lending(vec![folder.path().to_owned()]);
        let mut profile = AgentProfile::load(AGENT)?;
        if let Some(image) = image {
            image.clone_into(&mut profile.image);
        }
        ensure!(
            executor.has_image(&profile.image).await?,
            "the image {} is missing: script/setup {AGENT} builds it",
            profile.image
        );
        Ok(Self {
            executor,
            profile,
            instance,
            folder,
        })
    }

    /// Takes everything away that is in the engine.
    pub async fn close(self) {
        leftovers::remove(&self.instance).await;
    }

    /// The label of everything of this measurement.
    pub fn label(&self) -> String {
        format!("deckhand.instance={}", self.instance)
    }

    /// A name in the engine that nobody else has.
    pub fn name(&self, part: &str) -> String {
        format!("deckhand-{}-{part}", self.instance)
    }

    /// A folder on the host that may be lent to sandboxes, made when it is missing.
    pub fn lent(&self, part: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(part);
        std::fs::create_dir_all(&folder)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }

    /// Opens a way out, and takes its records as they come.
    pub fn way_out(
        &self,
        proxy: &EgressProxy,
        part: &str,
        fill: impl FnOnce(Opening) -> Opening,
    ) -> anyhow::Result<EgressHandle> {
        let (log, mut records) = mpsc::channel(RECORDS_MAX);
        tokio::spawn(async move { while records.recv().await.is_some() {} });
        let opening = Opening {
            seed: Some("the seed of a measurement".into()),
            ..Opening::new(Phase::Work, log)
        };
        let folder = self.folder.path().join("s").join(part);
        Ok(proxy.open(&folder, fill(opening))?)
    }

    /// A sandbox as a run has it, with volumes for work and home named after `volumes`.
    pub fn spec(&self, name: &str, volumes: &str, command: &[String]) -> SandboxSpec {
        let volume = |part: &str, target: &str| Mount {
            source: MountSource::Volume(VolumeName(self.name(&format!("{volumes}-{part}")))),
            target: target.to_owned(),
            access: Access::ReadWrite,
        };
        SandboxSpec {
            name: SandboxName(self.name(name)),
            image: self.profile.image.clone(),
            command: command.to_vec(),
            environment: sandbox_environment(),
            working_directory: TREE.to_owned(),
            mounts: vec![volume("work", "/work"), volume("home", HOME)],
            labels: BTreeMap::new(),
            limits: LIMITS,
            runtime: None,
        }
    }

    /// Runs a command in a sandbox and gives what it printed; one that fails is an error with its last words.
    pub async fn run(&self, name: &SandboxName, exec: Exec) -> anyhow::Result<String> {
        let said = self.executor.exec(name, exec).await?;
        let errors = String::from_utf8_lossy(&said.errors);
        ensure!(
            said.status == Some(0),
            "in the sandbox: {:?} {}",
            said.status,
            errors.trim()
        );
        Ok(String::from_utf8_lossy(&said.output).into_owned())
    }
}

/// The command of a sandbox in which others are run.
pub fn idle() -> Vec<String> {
    [SHIM, "run", "--", "sleep", "infinity"]
        .map(str::to_owned)
        .to_vec()
}

/// A folder of the host in a sandbox.
pub fn borrowed(folder: &Path, target: &str) -> Mount {
    Mount {
        source: MountSource::Host(folder.to_owned()),
        target: target.to_owned(),
        access: Access::ReadOnly,
    }
}

/// The sockets of an open way out.
pub fn sockets(egress: &EgressHandle) -> Mount {
    borrowed(egress.folder(), RUN_FOLDER)
}

/// A command to run in a sandbox.
pub fn exec(command: &[&str]) -> Exec {
    Exec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        environment: BTreeMap::new(),
        working_directory: "/".to_owned(),
        input: Vec::new(),
        timeout: PART_WITHIN,
        output_limit_bytes: OUTPUT_MAX_BYTES,
    }
}
