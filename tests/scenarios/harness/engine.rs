//! The container engine as a story looks at it: what runs, what a container knows, and what a failed story leaves behind.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command, time::Instant};

use deckhand_executors::{SandboxName, sandbox::Exec};
use deckhand_world::slack::Thread;

use super::{LOOK_EVERY, PATIENCE, Stage};

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
        let exec = Exec {
            command: ["sh", "-c", command].map(str::to_owned).to_vec(),
            environment: std::collections::BTreeMap::new(),
            working_directory: "/".to_owned(),
            input: Vec::new(),
            timeout: PATIENCE,
            output_limit_bytes: 1 << 20,
        };
        let done = self
            .context
            .executor
            .exec(&SandboxName(sandbox.to_owned()), exec)
            .await
            .unwrap();
        String::from_utf8_lossy(&done.output).into_owned()
    }

    /// Waits until the agent of a thread's task has made a file in its sandbox.
    pub async fn wait_for_file(&self, thread: &Thread, path: &str) {
        self.wait_for_state(thread, "running").await;
        let sandbox = self.sandboxes().await.remove(0);
        let begun = Instant::now();
        while self
            .inside(&sandbox, &format!("ls {path} 2>&1"))
            .await
            .trim()
            != path
        {
            assert!(begun.elapsed() < PATIENCE, "{}", thread.render());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
