//! Deckhand itself as a child process, with a data folder of its own and nothing of this process's environment.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::leftovers;

/// How long it may take until it is ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(12);
/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked at whether it still runs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Lines of its log that are shown when something went wrong.
const TAIL_LINES: usize = 60;
/// The programs, which lie beside this one.
const BOT: &str = "deckhand";
const DOORS: &str = "deckhand-doors";
/// What it may know of this process's environment: where programs and the engine are, and no secret.
const INHERITED: [&str; 9] = [
    "PATH",
    "HOME",
    "LANG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DECKHAND_DOCKER_HOST",
    "DECKHAND_RUNTIME",
    "DECKHAND_UPSTREAM_PROXY",
    "DECKHAND_LOG",
];

/// What it is started with.
pub struct Start {
    /// The port of its doors.
    pub port: u16,
    /// The agent of tasks that name none.
    pub agent: &'static str,
    /// Where the platforms are.
    pub environment: Vec<(&'static str, String)>,
    /// Settings beside.
    pub settings: Vec<(&'static str, String)>,
}

/// A running Deckhand. Whatever it left in the engine goes with [`Deckhand::end`].
pub struct Deckhand {
    child: Mutex<Child>,
    program: PathBuf,
    variables: Vec<(String, String)>,
    folder: TempDir,
    instance: String,
    address: String,
}

impl Deckhand {
    /// A port that nobody listens on at this moment.
    pub fn free_port() -> anyhow::Result<u16> {
        Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
    }

    /// Starts the program that lies beside this one, and waits until it is ready.
    pub async fn start(start: Start) -> anyhow::Result<Self> {
        let program = program(BOT)?;
        // Not where TMPDIR says: sockets below the folder have paths of at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("deckhand-")
            .tempdir_in("/tmp")?;
        let instance = format!("world-{}-{}", std::process::id(), start.port);
        let address = format!("127.0.0.1:{}", start.port);
        let variables = variables(start, &address, folder.path(), &instance);
        let child = serve(&program, folder.path(), &variables)?;
        let mut deckhand = Self {
            child: Mutex::new(child),
            program,
            variables,
            folder,
            instance,
            address: format!("http://{address}"),
        };
        if let Err(error) = deckhand.until_ready().await {
            let told = deckhand.log_tail();
            deckhand.keep();
            deckhand.end().await;
            return Err(error.context(told));
        }
        Ok(deckhand)
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::new();
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child().try_wait()? {
                bail!("Deckhand ended before it was ready: {status}");
            }
            let answer = client.get(format!("{}/readyz", self.address)).send().await;
            let said = match answer {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            ensure!(
                Instant::now() < deadline,
                "Deckhand is not ready after {READY_WITHIN:?}: {said}"
            );
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills it as a power cut does, and starts it again over the same data.
    pub async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        child.kill().await?;
        *child = serve(&self.program, folder, &self.variables)?;
        self.until_ready().await
    }

    /// Starts doors of their own beside it, which are killed with what is returned. They open a moment later.
    pub fn doors(&self) -> anyhow::Result<(Child, SocketAddr)> {
        let address = SocketAddr::from(([127, 0, 0, 1], Self::free_port()?));
        let mut variables = self.variables.clone();
        variables.push(("DECKHAND_DOORS_LISTEN".to_owned(), address.to_string()));
        let program = program(DOORS)?;
        let child = started(Command::new(&program), self.folder.path(), &variables)
            .with_context(|| format!("starting {}", program.display()))?;
        Ok((child, address))
    }

    /// The address of its doors.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        let address = self.address.trim_start_matches("http://");
        Ok(address.parse()?)
    }

    /// The number of its process.
    pub fn process(&self) -> anyhow::Result<u32> {
        self.child().id().context("Deckhand has ended")
    }

    /// How many deliveries it has counted whose labels have these values.
    pub async fn counted(&self, labels: &[&str]) -> anyhow::Result<u64> {
        let address = format!("{}/metrics", self.address);
        let told = reqwest::get(address).await?.error_for_status()?;
        let told = told.text().await?;
        let fits = |line: &&str| {
            let is_value = |label: &&str| line.contains(&format!("=\"{label}\""));
            line.starts_with("deckhand_deliveries_total{") && labels.iter().all(is_value)
        };
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        Ok(told.lines().filter(fits).filter_map(value).sum())
    }

    /// The name of the installation, by which its containers are found.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The folder with everything that it keeps.
    #[must_use]
    pub fn data_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("deckhand.log")
    }

    /// The newest lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        format!(
            "the end of its log, {}:\n{}",
            self.log_path().display(),
            lines[from..].join("\n")
        )
    }

    /// The resident memory of the process, in bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        memory_of(self.process()?, "VmRSS:")
    }

    /// The identifiers of its newest tasks, the newest first.
    pub async fn tasks(&self) -> anyhow::Result<Vec<String>> {
        let listed = self.ask(&["task", "list"]).await?;
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        Ok(listed.lines().filter_map(first).collect())
    }

    /// Everything that it knows of a task.
    pub async fn task(&self, id: &str) -> anyhow::Result<Value> {
        let shown = self.ask(&["task", "show", id]).await?;
        serde_json::from_str(&shown).with_context(|| format!("`task show` says {shown}"))
    }

    /// Runs another verb of the same program with the same settings.
    async fn ask(&self, verb: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .args(verb)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.clone())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "`deckhand {}` ended with {}: {}",
            verb.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits for the end that nobody asked for.
    pub async fn until_it_ends(&self) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.child().try_wait()? {
                bail!("Deckhand ended by itself: {status}\n{}", self.log_tail());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Leaves the data folder where it is.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// Ends it as an operator would, and removes what it has in the engine.
    pub async fn end(self) {
        let Self {
            child,
            folder,
            instance,
            ..
        } = self;
        let mut child = child.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = child.id() {
            let asked = Command::new("kill").arg(id.to_string()).status().await;
            let ended = tokio::time::timeout(END_WITHIN, child.wait()).await;
            if !asked.is_ok_and(|status| ExitStatus::success(&status)) || ended.is_err() {
                tracing::warn!("Deckhand did not end when it was asked to");
                // Where it has ended in between there is nothing to kill.
                let _ = child.kill().await;
            }
        }
        leftovers::remove(&instance).await;
        drop(folder);
    }
}

/// A figure of a process's memory, as the system names it, in bytes.
pub fn memory_of(process: u32, figure: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(figure))
        .context("the system does not say how much memory the process uses")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Starts the server.
fn serve(program: &Path, folder: &Path, variables: &[(String, String)]) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.arg("serve");
    started(command, folder, variables).with_context(|| format!("starting {}", program.display()))
}

/// Starts a program in the folder; what it says goes behind what the log there has.
fn started(
    mut command: Command,
    folder: &Path,
    variables: &[(String, String)],
) -> anyhow::Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("deckhand.log"))?;
    let child = command
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A Ctrl-C in the terminal is for this process alone, which then ends the other one.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name(name);
    ensure!(
        program.is_file(),
        "there is no {}; `cargo build --bins -p deckhand -p deckhand-world` makes it",
        program.display()
    );
    Ok(program)
}

fn variables(start: Start, address: &str, folder: &Path, instance: &str) -> Vec<(String, String)> {
    let inherited = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let own = [
        ("DECKHAND_LISTEN", address.to_owned()),
        ("DECKHAND_DATA_DIR", folder.display().to_string()),
        ("DECKHAND_INSTANCE", instance.to_owned()),
        ("DECKHAND_AGENT", start.agent.to_owned()),
    ];
    let given = own
        .into_iter()
        .chain(start.environment)
        .chain(start.settings);
    inherited
        .chain(given.map(|(name, value)| (name.to_owned(), value)))
        .collect()
}
