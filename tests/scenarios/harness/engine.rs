//! The container engine as a story looks at it: what runs, what a container knows, and what a failed story leaves behind.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use deckhand_executors::{
    SandboxName,
    sandbox::{Exec, ExecutorError},
};
use deckhand_world::slack::Thread;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::watch,
};

use super::{PATIENCE, Stage, asking::until};

/// Removes what a failed story left in the engine; a story that ends well leaves nothing.
pub struct Sweep {
    instance: String,
}

impl Sweep {
    /// For the sandboxes and volumes of one instance.
    pub fn of(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let label = format!("label=deckhand.instance={}", self.instance);
        for (list, remove) in [
            (["ps", "-aq"], ["rm", "-f"]),
            (["volume", "ls"], ["volume", "rm"]),
        ] {
            let quiet = if list[0] == "volume" {
                &["-q"][..]
            } else {
                &[]
            };
            let found = docker(&[&list[..], quiet, &["--filter", &label]].concat());
            let names: Vec<&str> = found.split_whitespace().collect();
            if !names.is_empty() {
                docker(&[&remove[..], &names].concat());
            }
        }
    }
}

/// Another name for an image, taken away at the end.
pub struct Tag {
    name: String,
}

impl Tag {
    /// Gives `image` the name `name` too.
    pub fn of(image: &str, name: &str) -> Self {
        docker(&["tag", image, name]);
        Self {
            name: name.to_owned(),
        }
    }

    /// Makes `name` of `image` with this script in the place of its agent; the agent itself is `honest` beside it.
    pub fn with_agent(image: &str, name: &str, agent: &str, script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.path().join(file).display().to_string();
        let place = format!("/opt/agents/{agent}");
        let container = docker(&["create", image, "true"]).trim().to_owned();
        let inside = |file: &str| format!("{container}:{place}/{file}");
        docker(&["cp", &inside("run"), &path("honest")]);
        fs::write(path("run"), script).unwrap();
        fs::set_permissions(path("run"), fs::Permissions::from_mode(0o755)).unwrap();
        for file in ["honest", "run"] {
            docker(&["cp", &path(file), &inside(file)]);
        }
        docker(&["commit", &container, name]);
        docker(&["rm", &container]);
        Self {
            name: name.to_owned(),
        }
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        docker(&["rmi", "--no-prune", &self.name]);
    }
}

/// An engine that says of itself that it lacks something; everything else is asked of the real one.
pub struct Lacking {
    folder: tempfile::TempDir,
}

impl Lacking {
    /// Serves an engine that describes itself as the real one does, with this one fact changed.
    pub fn serve(fact: &'static str, value: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let value = value.clone();
                // A client that goes away is no fault of the engine's.
                tokio::spawn(async move { pass_on(client, fact, value).await });
            }
        });
        Self { folder }
    }

    /// Where it listens, as the settings have it.
    pub fn address(&self) -> String {
        self.folder.path().join("engine.sock").display().to_string()
    }
}

/// One request on a connection, so that each of them is looked at.
async fn pass_on(mut client: UnixStream, fact: &str, value: Value) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let mut engine = UnixStream::connect("/var/run/docker.sock").await?;
    let asks_for_facts = first
        .split(' ')
        .nth(1)
        .is_some_and(|path| path.ends_with("/info"));
    // An older client gets its answer in one piece.
    let first = if asks_for_facts {
        first.replace("HTTP/1.1", "HTTP/1.0")
    } else {
        first.to_owned()
    };
    let head = format!("{first}\r\nconnection: close\r\n{rest}");
    engine.write_all(head.as_bytes()).await?;
    if !asks_for_facts {
        tokio::io::copy_bidirectional(&mut client, &mut engine).await?;
        return Ok(());
    }
    let mut answer = Vec::new();
    engine.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer).unwrap();
    let (start, end) = (answer.find('{').unwrap(), answer.rfind('}').unwrap());
    let mut facts: Value = serde_json::from_str(&answer[start..=end]).unwrap();
    assert_ne!(facts[fact], value, "the engine here lacks {fact} itself");
    facts[fact] = value;
    let body = facts.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(answer.as_bytes()).await
}

/// A road to the real engine that a story can close, or make narrow.
pub struct Gate {
    folder: tempfile::TempDir,
    closed: watch::Sender<bool>,
    /// How many bytes a connection takes to the engine, where they are counted.
    narrow: watch::Sender<Option<u64>>,
    /// How many connections stand still because they had more.
    held: watch::Sender<usize>,
}

impl Gate {
    /// An open one.
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let (closed, is_closed) = watch::channel(false);
        let (narrow, most) = watch::channel(None);
        let held = watch::Sender::new(0);
        let holds = held.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut is_closed, most) = (is_closed.clone(), most.clone());
                let holds = holds.clone();
                tokio::spawn(async move {
                    // Who comes to a closed gate waits, as at an engine that hangs.
                    if is_closed.wait_for(|closed| !closed).await.is_err() {
                        return;
                    }
                    let mut engine = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                    tokio::select! {
                        // A client that goes away is no fault of the engine's.
                        _ = pass(&mut client, &mut engine, &most, &holds) => {}
                        _ = is_closed.wait_for(|closed| *closed) => {}
                    }
                });
            }
        });
        Self {
            folder,
            closed,
            narrow,
            held,
        }
    }

    /// Lets so many bytes more of each connection through to the engine; then it stands still, until the gate is closed.
    pub fn narrow(&self, most: u64) {
        self.narrow.send_replace(Some(most));
    }

    /// Waits until a connection stands still.
    pub async fn until_held(&self) {
        let mut held = self.held.subscribe();
        let held = held.wait_for(|held| *held > 0);
        let held = tokio::time::timeout(PATIENCE, held).await;
        held.expect("nothing as long as that came").unwrap();
    }

    /// Cuts what is connected, and lets all of whatever comes then through.
    pub async fn widen(&self) {
        self.close();
        let mut held = self.held.subscribe();
        held.wait_for(|held| *held == 0).await.unwrap();
        self.narrow.send_replace(None);
        self.reopen();
    }

    /// Where it listens, as the settings have it.
    pub fn address(&self) -> String {
        self.folder.path().join("engine.sock").display().to_string()
    }

    /// Cuts what is connected, and lets nobody through.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Lets everybody through again.
    pub fn reopen(&self) {
        self.closed.send_replace(false);
    }
}

/// A connection that stands still.
struct Still<'a>(&'a watch::Sender<usize>);

impl<'a> Still<'a> {
    fn stand(held: &'a watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self(held)
    }
}

impl Drop for Still<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|held| *held -= 1);
    }
}

/// Leads both ways; to the engine no more than so many bytes, counted from the moment that they are.
async fn pass(
    client: &mut UnixStream,
    engine: &mut UnixStream,
    most: &watch::Receiver<Option<u64>>,
    held: &watch::Sender<usize>,
) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_engine, mut to_engine) = engine.split();
    let there = async {
        let mut buffer = vec![0; 64 << 10];
        let mut passed = 0;
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_engine.shutdown().await;
            }
            let most = *most.borrow();
            passed = most.map_or(0, |_| passed + read as u64);
            if most.is_some_and(|most| passed > most) {
                let _still = Still::stand(held);
                std::future::pending::<()>().await;
            }
            to_engine.write_all(&buffer[..read]).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut from_engine, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(there, back).map(drop)
}

/// What the engine's own program says; empty where it says nothing.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("the engine's program is there");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Stage {
    /// What a command prints in a live sandbox.
    pub async fn inside(&self, sandbox: &str, command: &str) -> String {
        self.inside_if_there(sandbox, command).await.unwrap()
    }

    /// The same in one that may be gone meanwhile.
    pub async fn inside_if_there(
        &self,
        sandbox: &str,
        command: &str,
    ) -> Result<String, ExecutorError> {
        let exec = Exec {
            command: ["sh", "-c", command].map(str::to_owned).to_vec(),
            environment: std::collections::BTreeMap::new(),
            working_directory: "/".to_owned(),
            input: Vec::new(),
            timeout: PATIENCE,
            output_limit_bytes: 1 << 20,
        };
        let sandbox = SandboxName(sandbox.to_owned());
        let done = self.context.executor.exec(&sandbox, exec).await?;
        Ok(String::from_utf8_lossy(&done.output).into_owned())
    }

    /// Waits for a sandbox with this in its name, and says its whole name.
    pub async fn wait_for_sandbox(&self, part: &str) -> String {
        until(PATIENCE, || async {
            let names = self.sandboxes().await;
            let found = names.iter().find(|name| name.contains(part)).cloned();
            found.ok_or_else(|| format!("there is no sandbox of {part}: {names:?}"))
        })
        .await
    }

    /// Waits until the agent of a thread's task has made a file in its sandbox.
    pub async fn wait_for_file(&self, thread: &Thread, path: &str) {
        self.wait_for_state(thread, "running").await;
        let sandbox = self.sandboxes().await.remove(0);
        let look = format!("ls {path} 2>&1");
        until(PATIENCE, || async {
            let said = self.inside(&sandbox, &look).await;
            if said.trim() == path {
                return Ok(());
            }
            Err(format!("{said}\n{}", thread.render()))
        })
        .await;
    }
}
