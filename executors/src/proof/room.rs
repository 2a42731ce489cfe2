//! The clean container: how it is made, and how commands run in it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{ProofSpec, volume_name};
use crate::egress::{RUN_FOLDER, way_out_environment};
use crate::sandbox::{
    Access, Condition, Exec, ExecOutput, Executor, ExecutorError, Mount, MountSource, SandboxSpec,
};

/// Where the work trees and the home folder lie.
pub(super) const WORK: &str = "/work";
/// Seconds after which the container ends by itself, should nobody be left to remove it.
const LIFETIME_SECONDS: u32 = 3 * 60 * 60;
/// The exit status of a script that was killed and did not end by itself.
const KILLED_STATUS: i64 = 137;
/// The program in every sandbox image that leads to the egress proxy.
const SHIM: &str = "/opt/deckhand/shim";

/// The way out of a proof's sandbox during the setup.
pub struct Network {
    /// The folder on the host with `egress.sock` in it.
    pub socket_directory: PathBuf,
    /// Called once, after the setup and before the first check: from then on only what is listed for checks may be
    /// reached, which mostly is nothing.
    pub close: Box<dyn Fn() + Send + Sync>,
    /// What the setup's commands find in their environment: placeholders of credentials.
    pub of_setup: BTreeMap<String, String>,
    /// The same for what runs afterwards.
    pub of_checks: BTreeMap<String, String>,
}

impl fmt::Debug for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Network")
            .field("socket_directory", &self.socket_directory)
            .finish_non_exhaustive()
    }
}

/// A running container for one proof.
pub(super) struct Room<'a> {
    executor: &'a dyn Executor,
    spec: SandboxSpec,
    network: Option<&'a Network>,
    is_closed: AtomicBool,
}

/// A script for the container's shell.
pub(super) struct Script<'a> {
    /// The text; its arguments are `$1`, `$2`, …, so nothing is ever quoted into it.
    pub(super) text: &'a str,
    /// The arguments.
    pub(super) arguments: Vec<String>,
    /// The folder in which it starts.
    pub(super) folder: &'a str,
    /// The wall-clock limit. When it passes, the container is started anew.
    pub(super) timeout: Duration,
    /// Bytes that are kept of the output, and of the errors.
    pub(super) output_limit_bytes: usize,
}

impl<'a> Room<'a> {
    pub(super) async fn open(
        executor: &'a dyn Executor,
        spec: &'a ProofSpec,
    ) -> Result<Self, ExecutorError> {
        let room = Self {
            executor,
            spec: sandbox_spec(spec),
            network: spec.network.as_ref(),
            is_closed: AtomicBool::new(false),
        };
        executor.start(&room.spec).await?;
        Ok(room)
    }

    /// Ends everything that runs in the container, also what hid from its parent, and starts it again. The work
    /// trees stay.
    pub(super) async fn restart(&self) -> Result<(), ExecutorError> {
        self.executor.stop(&self.spec.name).await?;
        self.executor.start(&self.spec).await
    }

    /// The same, unless it died for want of room: then it would die again of the same files.
    async fn restart_after_death(&self) -> Result<(), ExecutorError> {
        if let Condition::Ended { by, .. } = self.executor.condition(&self.spec.name).await?
            && let Some(sentence) = by.want_of_room()
        {
            return Err(ExecutorError::Start(sentence));
        }
        self.restart().await
    }

    /// Nothing can be reached from now on.
    pub(super) fn close_network(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        if let Some(network) = self.network {
            (network.close)();
        }
    }

    /// What commands find in their environment now.
    fn environment(&self) -> BTreeMap<String, String> {
        let Some(network) = self.network else {
            return BTreeMap::new();
        };
        if self.is_closed.load(Ordering::Relaxed) {
            network.of_checks.clone()
        } else {
            network.of_setup.clone()
        }
    }

    /// Runs a script. A container that died of it, or that has to be given up for it, is started anew, so that one
    /// command's end is not the next one's.
    pub(super) async fn run(&self, script: Script<'_>) -> Result<Ran, ExecutorError> {
        let mut command = ["sh", "-c", script.text, "proof"]
            .map(str::to_owned)
            .to_vec();
        command.extend(script.arguments);
        let exec = Exec {
            command,
            environment: self.environment(),
            working_directory: script.folder.to_owned(),
            input: Vec::new(),
            timeout: script.timeout,
            output_limit_bytes: script.output_limit_bytes,
        };
        let name = &self.spec.name;
        let ran = match self.executor.exec(name, exec.clone()).await {
            Err(ExecutorError::Gone(_)) => {
                // Something that an earlier command left behind may have ended the container since.
                self.restart().await?;
                self.executor.exec(name, exec).await
            }
            ran => ran,
        };
        match ran {
            Ok(output) => match output.status {
                // It may have been killed with its container, which the engine need not have noticed yet.
                Some(KILLED_STATUS) => {
                    self.restart_after_death().await?;
                    Ok(Ran::Died)
                }
                Some(_) => Ok(Ran::Ended(output)),
                None => {
                    self.restart().await?;
                    Ok(Ran::TooSlow(output))
                }
            },
            Err(ExecutorError::Gone(_)) => {
                self.restart_after_death().await?;
                Ok(Ran::Died)
            }
            Err(
                error @ (ExecutorError::Unreachable(_)
                | ExecutorError::ImageMissing(_)
                | ExecutorError::Start(_)
                | ExecutorError::Refused(_)),
            ) => Err(error),
        }
    }
}

/// How a script ended.
pub(super) enum Ran {
    /// By itself, with a status.
    Ended(ExecOutput),
    /// Not in time; what it said until then.
    TooSlow(ExecOutput),
    /// It was killed, by itself or together with its container.
    Died,
}

fn sandbox_spec(spec: &ProofSpec) -> SandboxSpec {
    let sandbox = &spec.sandbox;
    let mut environment = sandbox.environment.clone();
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    // The image's own home is read-only here.
    set("HOME", "/work/home");
    // Test runners watch for changes and ask questions unless they are told that nobody is there.
    set("CI", "true");
    set("LANG", "C.UTF-8");
    set("TERM", "dumb");
    let sleep = ["sleep".to_owned(), LIFETIME_SECONDS.to_string()];
    let command = if spec.network.is_some() {
        for (name, value) in way_out_environment() {
            set(&name, &value);
        }
        let shim = [SHIM, "run", "--"].map(str::to_owned);
        shim.into_iter().chain(sleep).collect()
    } else {
        sleep.to_vec()
    };
    let host = |path: &Path, target: String| Mount {
        source: MountSource::Host(path.to_owned()),
        target,
        access: Access::ReadOnly,
    };
    let same_place = |path: &Path| host(path, path.to_string_lossy().into_owned());
    let mut mounts = vec![
        Mount {
            source: MountSource::Volume(volume_name(&sandbox.name)),
            target: WORK.to_owned(),
            access: Access::ReadWrite,
        },
        same_place(&spec.mirror),
        same_place(spec.quarantine.path()),
    ];
    if let Some(network) = &spec.network {
        mounts.push(host(&network.socket_directory, RUN_FOLDER.to_owned()));
    }
    SandboxSpec {
        name: sandbox.name.clone(),
        image: sandbox.image.clone(),
        command,
        environment,
        working_directory: WORK.to_owned(),
        mounts,
        labels: sandbox.labels.clone(),
        limits: sandbox.limits.clone(),
        runtime: sandbox.runtime.clone(),
    }
}
