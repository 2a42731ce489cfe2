//! How a task's sandboxes are made: names, mounts, limits, and the one that prepares the work tree.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use deckhand_executors::{
    ExecutorError, SandboxName, SandboxSpec,
    agent::{Launch, sandbox_environment},
    egress::{EgressHandle, Metering, Phase},
    mirror::{BranchName, CommitId as GitCommit, prepare_script},
    sandbox::{Access, Condition, Exec, Limits, Mount, MountSource, VolumeName},
};

use super::{
    Context, Fault, leftovers,
    ways::{self, Purpose},
};
use crate::{
    domain::{RunNumber, TaskId, effect::Assignment, specification::Workplace, task::Task},
    engine::gather,
};

/// How long the setup of a checkout may take.
const SETUP_MAX: Duration = Duration::from_mins(20);
/// The longest output of a setup that is kept, in bytes.
const SETUP_OUTPUT_MAX_BYTES: usize = 64 << 10;
/// The most processes of a sandbox; a browser alone has dozens.
const PROCESSES_MAX: u32 = 1_024;
/// The most open files of one process.
const OPEN_FILES_MAX: u32 = 16_384;
/// The most files and folders of a sandbox's volumes; a large repository with its dependencies has some 300,000.
const FILES_MAX: u64 = 1_000_000;
/// The size of `/tmp`, in bytes.
const SCRATCH_BYTES: u64 = 1 << 30;

/// The volume of the work tree.
#[must_use]
pub fn work_volume(task: &TaskId) -> VolumeName {
    VolumeName(format!("deckhand-{task}-work"))
}

/// The volume of the agent's home, which holds its session.
#[must_use]
pub fn home_volume(task: &TaskId) -> VolumeName {
    VolumeName(format!("deckhand-{task}-home"))
}

/// The sandbox of a run.
#[must_use]
pub fn run_name(task: &TaskId, run: RunNumber) -> SandboxName {
    SandboxName(format!("deckhand-{task}-run-{run}"))
}

/// The labels of everything that belongs to a run.
#[must_use]
pub fn labels(task: &Task, run: RunNumber) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("deckhand.task".to_owned(), task.id.0.clone()),
        ("deckhand.run".to_owned(), run.to_string()),
    ])
}

/// The image of an agent.
#[must_use]
pub fn image_of(context: &Context, agent: &str) -> String {
    format!("{}{agent}", context.config.image_prefix)
}

/// The ceilings of every sandbox.
#[must_use]
pub fn limits(context: &Context) -> Limits {
    Limits {
        memory_bytes: context.config.sandbox.memory_bytes,
        processors: context.config.sandbox.processors,
        processes: PROCESSES_MAX,
        open_files: OPEN_FILES_MAX,
        scratch_bytes: SCRATCH_BYTES,
        disk_bytes: context.config.sandbox.disk_bytes,
        files: FILES_MAX,
    }
}

/// The folder of a run's sockets; its path is short, because sockets have paths of at most 107 bytes.
#[must_use]
pub fn socket_folder(context: &Context, task: &TaskId, part: &str) -> PathBuf {
    context
        .config
        .data_dir
        .join("s")
        .join(format!("{task}-{part}"))
}

/// Makes the work tree, and runs the setup. Does nothing that was done before.
pub async fn prepare(
    context: &Context,
    task: &Task,
    workplace: &Workplace,
    run: RunNumber,
) -> Result<(), Fault> {
    let mirror = gather::known_ground(context, &workplace.repository).await?;
    let (Ok(base), Ok(branch)) = (
        GitCommit::parse(&workplace.base_commit.0),
        BranchName::parse(&task.branch()),
    ) else {
        return Err(Fault::permanent(
            "the branch or the base commit has no usable name",
        ));
    };
    let setup = task
        .specification
        .as_ref()
        .and_then(|specification| specification.setup.clone())
        .or_else(|| workplace.setup.clone());
    let egress = match setup {
        Some(_) => {
            let purpose = Purpose {
                part: "setup",
                phase: Phase::Setup,
                metering: Metering::default(),
                left: BTreeMap::new(),
                registries: None,
            };
            Some(ways::open(context, task, run, purpose).await?)
        }
        None => None,
    };
    let name = SandboxName(format!("deckhand-{}-prepare", task.id));
    let mut mounts = mounts(&task.id, mirror.path(), Access::ReadWrite);
    mounts.extend(egress.as_deref().map(sockets));
    let command = ["/opt/deckhand/shim", "run", "--", "sleep", "infinity"]
        .map(str::to_owned)
        .to_vec();
    let mut spec = specification(context, task, run, name.clone(), command, mounts);
    "/work".clone_into(&mut spec.working_directory);
    context.executor.stop(&name).await?;
    context.executor.start(&spec).await?;
    let outcome = async {
        succeed(
            context,
            &name,
            prepare_script(mirror.path(), &base, &branch),
            "making the work tree",
        )
        .await?;
        if let Some(command) = setup {
            if let Some(egress) = &egress {
                egress.note_command(&command);
            }
            let held = egress.as_ref().map(|way| way.variables(Phase::Setup));
            let exec = setup_exec(&command, held.unwrap_or_default());
            succeed(context, &name, exec, "the setup").await?;
        }
        Ok::<(), Fault>(())
    }
    .await;
    context.executor.stop(&name).await?;
    if let Some(egress) = egress {
        egress.close().await;
    }
    outcome
}

/// The setup runs once for a work tree: what it made is kept with it.
fn setup_exec(command: &str, held: BTreeMap<String, String>) -> Exec {
    let script = "mark=.git/deckhand-setup; if [ \"$(cat $mark 2>/dev/null)\" = \"$1\" ]; then exit 0; fi; sh -lc \"$1\" && printf '%s' \"$1\" > $mark";
    Exec {
        command: ["sh", "-c", script, "setup", command]
            .map(str::to_owned)
            .to_vec(),
        environment: held,
        working_directory: "/work/repo".to_owned(),
        input: Vec::new(),
        timeout: SETUP_MAX,
        output_limit_bytes: SETUP_OUTPUT_MAX_BYTES,
    }
}

/// Runs a command in a sandbox that has to succeed, and hands out what it wrote. `what` names it where it does not.
pub async fn succeed(
    context: &Context,
    name: &SandboxName,
    exec: Exec,
    what: &str,
) -> Result<String, Fault> {
    let done = match context.executor.exec(name, exec).await {
        Err(ExecutorError::Gone(_)) => return Err(ended_before(context, name, what).await?),
        done => done?,
    };
    // Engines report a command that lost its sandbox as one that failed.
    if done.status != Some(0) && context.executor.condition(name).await? != Condition::Running {
        return Err(ended_before(context, name, what).await?);
    }
    let said = String::from_utf8_lossy(if done.errors.is_empty() {
        &done.output
    } else {
        &done.errors
    })
    .into_owned();
    let said = crate::domain::clip(
        said.trim()
            .lines()
            .rev()
            .take(6)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
            .as_str(),
        1_000,
    );
    match done.status {
        Some(0) => Ok(String::from_utf8_lossy(&done.output).into_owned()),
        Some(status) => Err(Fault::permanent(format!(
            "{what} failed with status {status}: {said}"
        ))),
        None => Err(Fault::permanent(format!(
            "{what} did not end in time: {said}"
        ))),
    }
}

/// What a sandbox that ended in the middle of its preparation died of.
async fn ended_before(context: &Context, name: &SandboxName, what: &str) -> Result<Fault, Fault> {
    if let Condition::Ended { by, .. } = context.executor.condition(name).await?
        && let Some(sentence) = by.want_of_room()
    {
        return Ok(Fault::permanent(format!("{sentence} ({what})")));
    }
    Ok(Fault::permanent(format!(
        "the sandbox ended before {what}: its image may be damaged, or none of Deckhand's; `script/setup` makes it anew"
    )))
}

/// The sandbox in which an agent works.
pub fn for_agent(
    context: &Context,
    task: &Task,
    run: RunNumber,
    assignment: &Assignment,
    launch: &Launch,
    mirror: &Path,
    egress: &EgressHandle,
) -> SandboxSpec {
    let access = if assignment.changes_files() {
        Access::ReadWrite
    } else {
        Access::ReadOnly
    };
    let mut mounts = mounts(&task.id, mirror, access);
    mounts.push(sockets(egress));
    let mut spec = specification(
        context,
        task,
        run,
        run_name(&task.id, run),
        launch.command.clone(),
        mounts,
    );
    spec.environment.extend(egress.variables(Phase::Work));
    spec.environment.extend(launch.environment.clone());
    spec
}

/// The sandbox that work is taken out of after its run was ended: the work tree, and nothing of the agent's own.
#[must_use]
pub fn for_leftovers(context: &Context, task: &Task, run: RunNumber, mirror: &Path) -> SandboxSpec {
    let home = MountSource::Volume(home_volume(&task.id));
    let mut mounts = mounts(&task.id, mirror, Access::ReadWrite);
    mounts.retain(|mount| mount.source != home);
    let name = leftovers::name(&task.id);
    let command = ["/opt/deckhand/shim", "run", "--", "sleep", "infinity"];
    let command = command.map(str::to_owned).to_vec();
    let mut spec = specification(context, task, run, name, command, mounts);
    "/work".clone_into(&mut spec.working_directory);
    spec
}

fn specification(
    context: &Context,
    task: &Task,
    run: RunNumber,
    name: SandboxName,
    command: Vec<String>,
    mounts: Vec<Mount>,
) -> SandboxSpec {
    SandboxSpec {
        name,
        image: image_of(context, &task.terms.agent),
        command,
        environment: sandbox_environment(),
        working_directory: "/work/repo".to_owned(),
        mounts,
        labels: labels(task, run),
        limits: limits(context),
        runtime: runtime(context, task),
    }
}

/// The OCI runtime of a task's sandboxes.
#[must_use]
pub fn runtime(context: &Context, task: &Task) -> Option<String> {
    let repository = task.repository().map_or("", |name| name.0.as_str());
    context.way_out.book.runtime(repository)
}

fn mounts(task: &TaskId, mirror: &Path, access: Access) -> Vec<Mount> {
    vec![
        Mount {
            source: MountSource::Volume(work_volume(task)),
            target: "/work".to_owned(),
            access,
        },
        Mount {
            source: MountSource::Volume(home_volume(task)),
            target: "/home/agent".to_owned(),
            access: Access::ReadWrite,
        },
        Mount {
            source: MountSource::Host(mirror.to_path_buf()),
            target: mirror.display().to_string(),
            access: Access::ReadOnly,
        },
    ]
}

/// Only an open way out has sockets to mount: no sandbox can start before its policy is in force.
fn sockets(egress: &EgressHandle) -> Mount {
    Mount {
        source: MountSource::Host(egress.folder().to_owned()),
        target: "/run/deckhand".to_owned(),
        access: Access::ReadOnly,
    }
}
