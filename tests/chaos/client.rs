//! The scripted executor: the same interface as Docker's, spoken over a socket to the engine of this folder.

use std::{collections::BTreeMap, io, path::PathBuf};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use deckhand_executors::{
    Executor, ExecutorError, SandboxName, SandboxSpec,
    sandbox::{
        Access, Attachment, Condition, End, Exec, ExecOutput, Listed, MountSource, VolumeName,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// Sandboxes of the scripted engine behind this socket.
pub struct Scripted {
    socket: PathBuf,
}

impl Scripted {
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    async fn connect(&self, request: &Value) -> io::Result<(Value, BufReader<UnixStream>)> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((serde_json::from_str(&line)?, stream))
    }

    async fn ask(&self, request: Value) -> Result<(Value, BufReader<UnixStream>), ExecutorError> {
        let (answer, stream) = self
            .connect(&request)
            .await
            .map_err(|error| ExecutorError::Unreachable(error.to_string()))?;
        let text = || answer["text"].as_str().unwrap_or_default().to_owned();
        match answer["error"].as_str() {
            None => Ok((answer["ok"].clone(), stream)),
            Some("gone") => Err(ExecutorError::Gone(SandboxName(text()))),
            Some("start") => Err(ExecutorError::Start(text())),
            Some(_) => Err(ExecutorError::Refused(text())),
        }
    }

    async fn stream(
        &self,
        name: &SandboxName,
        which: &str,
    ) -> Result<BufReader<UnixStream>, ExecutorError> {
        let request = json!({"op": "attach", "name": name.0, "stream": which});
        Ok(self.ask(request).await?.1)
    }
}

fn condition(told: &Value) -> Condition {
    match told["state"].as_str() {
        Some("running") => Condition::Running,
        Some("ended") => Condition::Ended {
            status: told["status"].as_i64().unwrap_or(-1),
            by: End::Itself,
        },
        _ => Condition::Absent,
    }
}

fn labels(told: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(told.clone()).unwrap_or_default()
}

fn bytes(told: &Value) -> Vec<u8> {
    STANDARD
        .decode(told.as_str().unwrap_or_default())
        .unwrap_or_default()
}

fn described(spec: &SandboxSpec) -> Value {
    let mounts: Vec<Value> = spec
        .mounts
        .iter()
        .map(|mount| {
            let (kind, source) = match &mount.source {
                MountSource::Volume(name) => ("volume", name.0.clone()),
                MountSource::Host(path) => ("host", path.display().to_string()),
            };
            json!({
                "kind": kind, "source": source, "target": mount.target,
                "writable": mount.access == Access::ReadWrite,
            })
        })
        .collect();
    json!({
        "name": spec.name.0, "command": spec.command, "environment": spec.environment,
        "working_directory": spec.working_directory, "mounts": mounts, "labels": spec.labels,
    })
}

#[async_trait]
impl Executor for Scripted {
    async fn start(&self, spec: &SandboxSpec) -> Result<(), ExecutorError> {
        let request = json!({"op": "start", "spec": described(spec)});
        self.ask(request).await.map(drop)
    }

    async fn attach(&self, name: &SandboxName) -> Result<Attachment, ExecutorError> {
        Ok(Attachment {
            input: Box::new(self.stream(name, "input").await?),
            output: Box::new(self.stream(name, "output").await?),
            errors: Box::new(self.stream(name, "errors").await?),
        })
    }

    async fn exec(&self, name: &SandboxName, exec: Exec) -> Result<ExecOutput, ExecutorError> {
        let begun = std::time::Instant::now();
        let request = json!({
            "op": "exec", "name": name.0, "command": exec.command, "environment": exec.environment,
            "working_directory": exec.working_directory, "input": STANDARD.encode(&exec.input),
            "timeout_ms": u64::try_from(exec.timeout.as_millis()).unwrap_or(u64::MAX),
        });
        let (answer, _) = self.ask(request).await?;
        let (mut output, mut errors) = (bytes(&answer["output"]), bytes(&answer["errors"]));
        let whole = output.len() + errors.len();
        output.truncate(exec.output_limit_bytes);
        errors.truncate(exec.output_limit_bytes);
        let dropped = whole - output.len() - errors.len();
        Ok(ExecOutput {
            status: answer["status"].as_i64(),
            output,
            errors,
            dropped_bytes: u64::try_from(dropped).unwrap_or(u64::MAX),
            elapsed: begun.elapsed(),
        })
    }

    async fn condition(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        let request = json!({"op": "condition", "name": name.0});
        Ok(condition(&self.ask(request).await?.0))
    }

    async fn wait(&self, name: &SandboxName) -> Result<Condition, ExecutorError> {
        let request = json!({"op": "wait", "name": name.0});
        Ok(condition(&self.ask(request).await?.0))
    }

    async fn stop(&self, name: &SandboxName) -> Result<(), ExecutorError> {
        let request = json!({"op": "stop", "name": name.0});
        self.ask(request).await.map(drop)
    }

    async fn remove_volume(&self, name: &VolumeName) -> Result<(), ExecutorError> {
        let request = json!({"op": "remove_volume", "name": name.0});
        self.ask(request).await.map(drop)
    }

    async fn list(&self) -> Result<Vec<Listed>, ExecutorError> {
        let (answer, _) = self.ask(json!({"op": "list"})).await?;
        let listed = answer.as_array().cloned().unwrap_or_default();
        Ok(listed
            .iter()
            .map(|one| Listed {
                name: SandboxName(one["name"].as_str().unwrap_or_default().to_owned()),
                labels: labels(&one["labels"]),
                condition: condition(&one["condition"]),
            })
            .collect())
    }

    async fn volumes(&self) -> Result<Vec<VolumeName>, ExecutorError> {
        let volumes = self.labelled_volumes().await?;
        Ok(volumes.into_iter().map(|(name, _)| name).collect())
    }

    async fn labelled_volumes(
        &self,
    ) -> Result<Vec<(VolumeName, BTreeMap<String, String>)>, ExecutorError> {
        let (answer, _) = self.ask(json!({"op": "volumes"})).await?;
        let volumes = answer.as_array().cloned().unwrap_or_default();
        Ok(volumes
            .iter()
            .map(|one| {
                let name = one["name"].as_str().unwrap_or_default().to_owned();
                (VolumeName(name), labels(&one["labels"]))
            })
            .collect())
    }

    async fn has_image(&self, _: &str) -> Result<bool, ExecutorError> {
        Ok(true)
    }

    async fn image_label(&self, _: &str, _: &str) -> Result<Option<String>, ExecutorError> {
        Ok(None)
    }

    async fn describe(&self) -> Result<String, ExecutorError> {
        self.ask(json!({"op": "describe"})).await?;
        Ok("a scripted engine".to_owned())
    }
}
