//! The same things without Deckhand: a container of the same image and hardening, a clone, the agent by itself.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use deckhand_world::models::{Phase, Script, Turn};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::line::Line;
use super::place::{PART_WITHIN, Place, has_run_first_command};
use crate::demo::leftovers::docker;
use crate::serve::MODEL_KEY;

/// What the shim offers inside a sandbox; bare, the agent speaks to the provider itself.
const EGRESS: &str = "http://127.0.0.1:3128";
/// The provider's part of the shim's address.
const PREFIXES: [&str; 3] = ["/anthropic", "/openai", "/gemini"];
/// What stands in a sandbox for a key.
const PLACEHOLDER: &str = "deckhand-placeholder";
/// What stands between the shim and the command that it runs.
const SHIM_END: &str = "--";
/// The prompt of the agent that works bare.
const PROMPT: &str = "Deckhand phase: work\nThis is the bare measurement.";

/// What the bare things cost once.
pub struct Bare {
    /// `docker run` of the image with the same hardening, until a program in it says its first word.
    pub container: Duration,
    /// `git clone --local` of the mirror.
    pub clone: Duration,
    /// `docker run` of the agent by itself, until it has run its first command; the container's start is in it.
    pub agent: Duration,
}

/// What a sandbox of Deckhand is like, as the engine tells it.
pub struct Likeness {
    image: String,
    command: Vec<String>,
    environment: Vec<String>,
    hardening: Vec<String>,
}

impl Likeness {
    /// Looks at the one sandbox that runs.
    pub async fn of_the_running_one(place: &Place) -> anyhow::Result<Self> {
        let filter = format!("label=deckhand.instance={}", place.deckhand.instance());
        let found = docker(&["ps", "--quiet", "--filter", &filter]).await?;
        let id = found.split_whitespace().next();
        let id = id.context("no sandbox runs")?;
        let inspected = docker(&["inspect", id]).await?;
        let inspected: Value = serde_json::from_str(&inspected)?;
        Self::of(&inspected[0])
    }

    fn of(container: &Value) -> anyhow::Result<Self> {
        let (config, host) = (&container["Config"], &container["HostConfig"]);
        let whole = [words(&config["Entrypoint"]), words(&config["Cmd"])].concat();
        let behind_shim = whole.iter().position(|word| word == SHIM_END);
        let command = behind_shim.and_then(|at| whole.get(at + 1..));
        let mut hardening: Vec<String> = [
            "--init",
            "--read-only",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges:true",
            "--ipc=private",
        ]
        .map(str::to_owned)
        .into();
        let user = config["User"].as_str().unwrap_or_default();
        hardening.push(format!("--user={user}"));
        for (flag, value) in [
            ("--memory", &host["Memory"]),
            ("--memory-swap", &host["MemorySwap"]),
            ("--pids-limit", &host["PidsLimit"]),
        ] {
            hardening.push(format!("{flag}={value}"));
        }
        let billionths = host["NanoCpus"].as_f64().unwrap_or_default();
        hardening.push(format!("--cpus={}", billionths / 1e9));
        for (folder, options) in host["Tmpfs"].as_object().into_iter().flatten() {
            hardening.push(format!(
                "--tmpfs={folder}:{}",
                options.as_str().unwrap_or_default()
            ));
        }
        Ok(Self {
            image: config["Image"]
                .as_str()
                .context("the sandbox has no image")?
                .to_owned(),
            command: command
                .context("the sandbox does not run the shim")?
                .to_vec(),
            environment: words(&config["Env"]),
            hardening,
        })
    }

    /// Variables for the agent that speaks to the provider itself.
    fn bare_environment(&self, models: &str) -> Vec<String> {
        let is_proxy = |variable: &&String| {
            variable
                .to_lowercase()
                .split('=')
                .next()
                .is_some_and(|name| name.ends_with("_proxy"))
        };
        let direct = |variable: &String| {
            let replaced = PREFIXES.iter().fold(variable.clone(), |text, prefix| {
                text.replace(&[EGRESS, prefix].concat(), models)
            });
            replaced.replace(PLACEHOLDER, MODEL_KEY)
        };
        self.environment
            .iter()
            .filter(|variable| !is_proxy(variable))
            .map(direct)
            .collect()
    }
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

/// Everything that the bare things need.
pub struct Bench<'a> {
    place: &'a Place,
    likeness: Likeness,
    mounts: Vec<String>,
}

impl<'a> Bench<'a> {
    /// Makes ready what sandboxes have before they start, too, and does each thing once to warm up.
    pub async fn prepare(place: &'a Place, likeness: Likeness) -> anyhow::Result<Self> {
        let turns = [
            Turn::shell("git log --oneline -n 1 || true"),
            Turn::say("Done."),
        ];
        let script = Script::new("bare").on(Phase::Work, turns);
        place.world.models.when(PROMPT, script);
        let mounts = volumes(place).await?;
        let bench = Self {
            place,
            likeness,
            mounts,
        };
        bench.round().await?;
        Ok(bench)
    }

    /// Does each thing once.
    pub async fn round(&self) -> anyhow::Result<Bare> {
        Ok(Bare {
            container: container(&self.likeness, &self.mounts).await?,
            clone: clone(self.place).await?,
            agent: agent(self.place, &self.likeness, &self.mounts).await?,
        })
    }
}

/// Volumes such as a sandbox has, labelled so that they go with the rest.
async fn volumes(place: &Place) -> anyhow::Result<Vec<String>> {
    let instance = place.deckhand.instance();
    let label = format!("deckhand.instance={instance}");
    let mut mounts = Vec::new();
    for (part, target) in [("work", "/work"), ("home", "/home/agent")] {
        let name = format!("{instance}-{part}");
        docker(&["volume", "create", "--label", &label, &name]).await?;
        mounts.push(format!("--volume={name}:{target}"));
    }
    Ok(mounts)
}

/// From `docker run` to the first byte of the program in the container; its removal is not waited for in the time.
async fn container(likeness: &Likeness, mounts: &[String]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut child = Command::new("docker")
        .args(["run", "--rm", "--network=none"])
        .args(likeness.hardening.iter().chain(mounts))
        .args(["--entrypoint=echo", &likeness.image, "started"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    output.read_line(&mut line).await?;
    let took = begun.elapsed();
    ensure!(
        child.wait().await?.success() && line == "started\n",
        "`docker run` does not run {}",
        likeness.image
    );
    Ok(took)
}

async fn clone(place: &Place) -> anyhow::Result<Duration> {
    let mirror = mirror(&place.deckhand.data_folder().join("mirrors"))?;
    let target = tempfile::tempdir()?;
    let begun = Instant::now();
    let output = Command::new("git")
        .args(["clone", "--quiet", "--local"])
        .arg(mirror)
        .arg(target.path().join("repo"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "git clone: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

/// The one bare repository below the folder.
fn mirror(folder: &std::path::Path) -> anyhow::Result<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("HEAD").is_file() {
            return Ok(path);
        }
        if path.is_dir()
            && let Ok(found) = mirror(&path)
        {
            return Ok(found);
        }
    }
    bail!("there is no mirror in {}", folder.display())
}

/// From `docker run` until the agent has run its first command.
async fn agent(place: &Place, likeness: &Likeness, mounts: &[String]) -> anyhow::Result<Duration> {
    let models = &place.world.models;
    let before = models.request_count();
    let label = format!("--label=deckhand.instance={}", place.deckhand.instance());
    let begun = Instant::now();
    let mut child = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--interactive",
            "--network=host",
            "--workdir=/work",
            &label,
        ])
        .args(likeness.hardening.iter().chain(mounts))
        .args(
            likeness
                .bare_environment(&models.url())
                .iter()
                .flat_map(|variable| ["--env", variable]),
        )
        .arg(format!("--entrypoint={}", likeness.command[0]))
        .arg(&likeness.image)
        .args(&likeness.command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let mut line = Line::new(input.context("no input")?, output.context("no output")?);
    line.introduce().await?;
    let session = line
        .ask(
            2,
            "session/new",
            &json!({ "cwd": "/work", "mcpServers": [] }),
        )
        .await?;
    let prompt = [json!({ "type": "text", "text": PROMPT })];
    line.tell(
        3,
        "session/prompt",
        &json!({ "sessionId": session["sessionId"], "prompt": prompt }),
    )
    .await?;
    let fits = |record: &_| is_newer(record, before) && has_run_first_command(record);
    models.wait_for(fits, PART_WITHIN).await?;
    let took = begun.elapsed();
    // The container ends with its input; it is waited for so that it does not disturb the next one.
    drop(line);
    tokio::time::timeout(PART_WITHIN, child.wait()).await??;
    Ok(took)
}

fn is_newer(record: &deckhand_world::models::RequestRecord, before: u64) -> bool {
    record.number > before
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Likeness;

    #[test]
    fn a_bare_agent_has_the_sandboxs_command_and_speaks_to_the_provider_itself() {
        let likeness = Likeness::of(&json!({
            "Config": {
                "Image": "i", "User": "1000:1000",
                "Entrypoint": ["/opt/deckhand/shim"], "Cmd": ["run", "--", "/opt/agent", "acp"],
                "Env": ["HTTP_PROXY=http://127.0.0.1:3128", "HOST=http://127.0.0.1:3128/openai", "KEY=deckhand-placeholder"],
            },
            "HostConfig": { "Memory": 1, "NanoCpus": 1_500_000_000, "Tmpfs": { "/tmp": "size=1" } },
        }))
        .unwrap();
        assert_eq!(likeness.command, ["/opt/agent", "acp"]);
        assert_eq!(
            likeness.bare_environment("http://m"),
            ["HOST=http://m", "KEY=world-model-key"]
        );
        assert!(likeness.hardening.contains(&"--cpus=1.5".to_owned()));
    }
}
