//! The program as an operator runs it: its verbs with the settings of a stage, and the server itself.

use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, Stage, asking::until};

/// The program with its settings. Nothing of this process's own environment reaches it but the path of programs.
pub struct Deckhand {
    variables: BTreeMap<String, String>,
    /// Where its file of settings lies.
    folder: tempfile::TempDir,
}

/// What a verb printed.
#[derive(Debug)]
pub struct Ran {
    /// Whether its exit status says that all is well.
    pub ok: bool,
    /// What it answered.
    pub output: String,
    /// What it complained about.
    pub errors: String,
}

impl Ran {
    /// The first line of the answer about this.
    pub fn line(&self, about: &str) -> String {
        let mut lines = self.output.lines();
        let found = lines.find(|line| line.split_whitespace().nth(1) == Some(about));
        found
            .unwrap_or_else(|| panic!("nothing is said about {about}: {self:?}"))
            .to_owned()
    }
}

impl Deckhand {
    /// With these settings and this text of `deckhand.toml`.
    pub fn with(variables: BTreeMap<String, String>, file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("deckhand.toml"), file).unwrap();
        Self { variables, folder }
    }

    /// With the settings of a stage.
    pub fn of(stage: &Stage) -> Self {
        Self::with(stage.variables.clone(), &stage.file)
    }

    /// With nothing set but a data folder of its own.
    pub fn alone() -> Self {
        let mut program = Self::with(BTreeMap::new(), "");
        let data = program.path("data").display().to_string();
        program.set("DECKHAND_DATA_DIR", data);
        program
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.insert(name.to_owned(), value.into());
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(env!("CARGO_BIN_EXE_deckhand"));
        command.args(arguments);
        command
    }

    /// One of the programs with these settings.
    pub fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(self.path("deckhand.toml"))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .envs(&self.variables)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a verb to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let running = self.command(arguments).output();
        let output = tokio::time::timeout(PATIENCE, running)
            .await
            .unwrap_or_else(|_| panic!("{arguments:?} does not end"))
            .unwrap();
        Ran {
            ok: output.status.success(),
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Opens the doors at this address, and writes its log behind what the file at `log` has already.
    pub async fn serve(mut self, address: SocketAddr, log: &Path) -> Served {
        self.set("DECKHAND_LISTEN", address.to_string());
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = self
            .command(&["serve"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        until(PATIENCE, || async {
            let connected = TcpStream::connect(address).await;
            connected.map_err(|error| format!("nobody opens {address}: {error}"))
        })
        .await;
        Served {
            child,
            _settings: self.folder,
        }
    }
}

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As an operator does: it finishes what is in hand.
    Terminate,
    /// As a power cut does: it does nothing more.
    Kill,
}

/// A server that runs.
pub struct Served {
    child: Child,
    _settings: tempfile::TempDir,
}

impl Served {
    /// The number of its process.
    pub fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it as an operator does once `stop` is cancelled, or as a power cut does once `crash` is, and waits for it.
    pub async fn until(mut self, stop: CancellationToken, crash: CancellationToken) {
        let signal = tokio::select! {
            () = crash.cancelled() => Signal::Kill,
            () = stop.cancelled() => Signal::Terminate,
        };
        if signal == Signal::Kill {
            self.child.kill().await.unwrap();
            return;
        }
        let id = self.child.id().expect("it runs still").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("it ends").unwrap().success());
    }
}
