//! The containers of a ground: sandboxes as runs have them, and bare ones of the same image with everything open.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use anyhow::bail;
use deckhand_executors::{
    SandboxName, SandboxSpec,
    agent::sandbox_environment,
    sandbox::{Access, Exec, Limits, Mount, MountSource, VolumeName},
};

use super::row::{Control, Ran};

/// The image of all sandboxes here: it has what every agent's has.
pub const IMAGE: &str = "deckhand-sandbox:base";
/// The program that every sandbox runs first.
const SHIM: &str = "/opt/deckhand/shim";
/// How long one attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_secs(40);
/// Bytes of an attempt's output that are read.
const OUTPUT_BYTES: usize = 256 * 1024;
const MIB: u64 = 1024 * 1024;

/// A sandbox that waits for commands behind the shim, as a run's does.
pub fn sandbox(name: SandboxName, mounts: Vec<Mount>) -> SandboxSpec {
    SandboxSpec {
        name,
        image: IMAGE.to_owned(),
        command: [SHIM, "run", "--", "sleep", "infinity"]
            .map(str::to_owned)
            .to_vec(),
        environment: sandbox_environment(),
        working_directory: "/work".to_owned(),
        mounts,
        labels: BTreeMap::new(),
        limits: Limits {
            memory_bytes: 512 * MIB,
            processors: 1.0,
            processes: 256,
            open_files: 1024,
            scratch_bytes: 64 * MIB,
            disk_bytes: 2048 * MIB,
            files: 100_000,
        },
        runtime: None,
    }
}

/// A volume of an instance, where the inside may write.
pub fn volume(instance: &str, kind: &str, target: &str) -> Mount {
    Mount {
        source: MountSource::Volume(VolumeName(format!("{instance}-{kind}"))),
        target: target.to_owned(),
        access: Access::ReadWrite,
    }
}

/// A folder that the host lends.
pub fn lent(folder: &Path, target: &str) -> Mount {
    Mount {
        source: MountSource::Host(folder.to_owned()),
        target: target.to_owned(),
        access: Access::ReadOnly,
    }
}

/// A script in a sandbox, as a coding agent would run it: errors go where the output goes.
pub fn script(folder: &str, script: &str, environment: &BTreeMap<String, String>) -> Exec {
    Exec {
        command: ["bash", "-c", &merged(script)].map(str::to_owned).to_vec(),
        environment: environment.clone(),
        working_directory: folder.to_owned(),
        input: Vec::new(),
        timeout: ATTEMPT_TIME,
        output_limit_bytes: OUTPUT_BYTES,
    }
}

fn merged(script: &str) -> String {
    format!("exec 2>&1\n{script}")
}

/// Takes away what an instance left in the engine: a suite that broke off leaves nothing behind, and a drop cannot wait
/// for the executor.
pub fn sweep(instance: &str) {
    let removal = "for kind in container volume; do
         all=-q; [ $kind = container ] && all=-aq
         docker $kind ls $all --filter label=deckhand.instance=$0 | xargs -r docker $kind rm -f
       done";
    let _ = Command::new("sh").args(["-c", removal, instance]).output();
}

/// Starts a container of the same image with a network, led by the same shim to the sockets in a folder.
pub fn start_bare(
    name: &str,
    instance: &str,
    sockets: &Path,
    control: Control,
) -> anyhow::Result<()> {
    let label = format!("deckhand.instance={instance}");
    let mount = format!("{}:/run/deckhand:ro", sockets.display());
    let (opening, behind_shim) = match control {
        Control::Privileged => ("--privileged", true),
        // On the host's network the shim would take the host's own port.
        Control::HostNetwork => ("--network=host", false),
        Control::Bare | Control::BareRoot | Control::None => ("--network=bridge", true),
    };
    let mut arguments = vec![
        "run", "-d", "--init", "--name", name, "--label", &label, "-v", &mount, opening,
    ];
    let variables: Vec<String> = sandbox_environment()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    for variable in &variables {
        arguments.extend(["-e", variable.as_str()]);
    }
    arguments.extend(if behind_shim {
        [
            "--entrypoint",
            SHIM,
            IMAGE,
            "run",
            "--",
            "sleep",
            "infinity",
        ]
        .as_slice()
    } else {
        ["--entrypoint", "sleep", IMAGE, "infinity"].as_slice()
    });
    docker(&arguments).map(drop)
}

/// Runs a script in a bare container.
pub async fn run_bare(
    name: &str,
    user: &str,
    script: &str,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Ran> {
    let mut command = tokio::process::Command::new("docker");
    command
        .args(["exec", "-u", user, "-w", "/tmp"])
        .kill_on_drop(true);
    for (name, value) in environment {
        command.args(["-e", &format!("{name}={value}")]);
    }
    command.args([name, "bash", "-c", &merged(script)]);
    let Ok(output) = tokio::time::timeout(ATTEMPT_TIME, command.output()).await else {
        return Ok(Ran::default());
    };
    let output = output?;
    Ok(Ran {
        status: output.status.code().map(i64::from),
        said: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

/// Packets that were sent by interfaces other than loopback, as the kernel counts them.
pub fn packets(table: &str) -> i64 {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(interface, _)| interface.trim() != "lo")
        .filter_map(|(_, counts)| counts.split_whitespace().nth(9)?.parse::<i64>().ok())
        .sum()
}

/// What the engine's own program says.
pub fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "docker {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A fact about the network of a container.
pub fn network_fact(name: &str, fact: &str) -> anyhow::Result<String> {
    let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{fact}}}}}{{{{end}}}}");
    let said = docker(&["inspect", "-f", &format, name])?;
    if said.is_empty() {
        bail!("the engine does not say the {fact} of {name}");
    }
    Ok(said)
}
