//! An executor that answers at once: a sandbox is a name, and its agent a task of this process that speaks the Agent Client
//! Protocol. It plans when it is asked to, and works for as long as it is left alone.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use deckhand_executors::{
    Executor, ExecutorError, SandboxName, SandboxSpec,
    sandbox::{Attachment, Condition, End, Exec, ExecOutput, Listed, MountSource, VolumeName},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};
use tokio_util::sync::CancellationToken;

/// Where the sockets of a run are mounted.
const SOCKETS: &str = "/run/deckhand";
/// The most bytes between bot and agent that nobody has read yet.
const PIPE_BYTES: usize = 64 << 10;

type Labels = BTreeMap<String, String>;

/// The executor of one process.
#[derive(Default)]
pub struct Engine {
    sandboxes: Mutex<HashMap<SandboxName, Sandbox>>,
    volumes: Mutex<BTreeMap<String, Labels>>,
}

struct Sandbox {
    labels: Labels,
    sockets: Option<PathBuf>,
    /// Cancelled at its end.
    end: CancellationToken,
}

impl Engine {
    fn sandboxes(&self) -> MutexGuard<'_, HashMap<SandboxName, Sandbox>> {
        self.sandboxes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn volumes(&self) -> MutexGuard<'_, BTreeMap<String, Labels>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Executor for Engine {
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let mut sockets = None;
        for mount in &spec.mounts {
            match &mount.source {
                MountSource::Volume(name) => {
                    self.volumes().insert(name.0.clone(), spec.labels.clone());
                }
                MountSource::Host(path) if mount.target == SOCKETS => sockets = Some(path.clone()),
                MountSource::Host(_) => {}
            }
        }
        self.sandboxes()
            .entry(spec.name.clone())
            .or_insert_with(|| Sandbox {
                labels: spec.labels.clone(),
                sockets,
                end: CancellationToken::new(),
            });
        Ok(())
    }

    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
        let (sockets, end) = match self.sandboxes().get(name) {
            Some(sandbox) => (sandbox.sockets.clone(), sandbox.end.clone()),
            None => return Err(ExecutorError::Gone(name.clone())),
        };
        let (input, read) = tokio::io::duplex(PIPE_BYTES);
        let (write, output) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(async move {
            let sockets = sockets.unwrap_or_default();
            tokio::select! {
                () = end.cancelled() => {}
                // An agent whose bot went away has nobody to tell.
                _ = agent(read, write, &sockets) => {}
            }
        });
        Ok(Attachment {
            input: Box::new(input),
            output: Box::new(output),
            errors: Box::new(tokio::io::empty()),
        })
    }

    async fn exec(&self, name: &SandboxName, _: Exec) -> Result<ExecOutput, ExecutorError> {
        if !self.sandboxes().contains_key(name) {
            return Err(ExecutorError::Gone(name.clone()));
        }
        Ok(ExecOutput {
            status: Some(0),
            output: Vec::new(),
            errors: Vec::new(),
            dropped_bytes: 0,
            elapsed: Duration::ZERO,
        })
    }

    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        let is_there = self.sandboxes().contains_key(name);
        Ok(if is_there {
            Condition::Running
        } else {
            Condition::Absent
        })
    }

    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        let end = self
            .sandboxes()
            .get(name)
            .map(|sandbox| sandbox.end.clone());
        let Some(end) = end else {
            return Ok(Condition::Absent);
        };
        end.cancelled().await;
        Ok(Condition::Ended {
            status: 0,
            by: End::Itself,
        })
    }

    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError> {
        if let Some(sandbox) = self.sandboxes().remove(name) {
            sandbox.end.cancel();
        }
        Ok(())
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError> {
        self.volumes().remove(&name.0);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        let sandboxes = self.sandboxes();
        let listed = sandboxes.iter().map(|(name, sandbox)| Listed {
            name: name.clone(),
            labels: sandbox.labels.clone(),
            condition: Condition::Running,
        });
        Ok(listed.collect())
    }

    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        let volumes = Self::volumes(self);
        Ok(volumes.keys().cloned().map(VolumeName).collect())
    }

    async fn labelled_volumes(&self) -> Result<Vec<(VolumeName, Labels)>, ExecutorError> {
        let volumes = Self::volumes(self);
        let labelled = volumes.iter();
        Ok(labelled
            .map(|(name, labels)| (VolumeName(name.clone()), labels.clone()))
            .collect())
    }

    async fn has_image(&self, _: &str) -> Result<bool, ExecutorError> {
        Ok(true)
    }

    async fn image_label(&self, _: &str, _: &str) -> Result<Option<String>, ExecutorError> {
        Ok(None)
    }

    async fn describe(&self) -> Result<String, ExecutorError> {
        Ok("an executor that answers at once".to_owned())
    }
}

/// Speaks until its input ends. A turn of work is never over.
async fn agent(
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    sockets: &Path,
) -> anyhow::Result<()> {
    let mut lines = BufReader::new(input).lines();
    while let Some(line) = lines.next_line().await? {
        let message: Value = serde_json::from_str(&line)?;
        if message["id"].is_null() {
            continue;
        }
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}})
            }
            Some("session/new") => json!({"sessionId": "s-1"}),
            Some("session/prompt") => {
                let prompt = message["params"]["prompt"][0]["text"].as_str();
                if !prompt.is_some_and(|prompt| prompt.contains("Deckhand phase: plan")) {
                    continue;
                }
                hand_over(sockets).await?;
                json!({"stopReason": "end_turn"})
            }
            _ => json!({}),
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        output.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

/// Hands specification and plan over by the tools of the session.
async fn hand_over(sockets: &Path) -> anyhow::Result<()> {
    let (read, mut write) = UnixStream::connect(sockets.join("mcp.sock"))
        .await?
        .into_split();
    let mut answers = BufReader::new(read).lines();
    let specification = json!({
        "title": "Say hello", "goal": "The greeting says hello.",
        "requirements": [{"id": "R1", "text": "The greeting says hello.", "check": "grep -q hello greeting.txt"}],
        "checks": ["test -s greeting.txt"], "out_of_scope": [], "pages": [], "start": null, "setup": null,
    });
    let plan = json!({
        "steps": ["Write the greeting."], "files": ["greeting.txt"], "checks": ["test -s greeting.txt"], "risks": [],
        "cost_usd": {"low": 0.01, "high": 0.02}, "network": [], "reason": null,
    });
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "scripted", "version": "1"},
    });
    let call = |tool: &str, arguments: Value| json!({"name": tool, "arguments": arguments});
    let steps = [
        ("initialize", hello),
        ("tools/call", call("submit_specification", specification)),
        ("tools/call", call("submit_plan", plan)),
    ];
    for (number, (method, params)) in steps.into_iter().enumerate() {
        let ask = json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params});
        write.write_all(format!("{ask}\n").as_bytes()).await?;
        let answer = answers.next_line().await?.unwrap_or_default();
        let answer: Value = serde_json::from_str(&answer)?;
        let is_fine = answer["error"].is_null() && answer["result"]["isError"] != true;
        anyhow::ensure!(is_fine, "{answer}");
        if number == 0 {
            let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            write.write_all(format!("{ready}\n").as_bytes()).await?;
        }
    }
    Ok(())
}
