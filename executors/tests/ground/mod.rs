//! Real containers for the tests: an instance of its own for each test, and everything of it removed at the end.

#![allow(dead_code, reason = "each of the tests' programs uses a part of it")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use deckhand_executors::{
    Executor, SandboxName, SandboxSpec,
    docker::DockerExecutor,
    sandbox::{Access, Attachment, Exec, ExecOutput, Limits, Mount, MountSource, VolumeName},
};

pub const IMAGE: &str = "deckhand-sandbox:base";
pub const SHIM: &str = "/opt/deckhand/shim";
pub const PATIENCE: Duration = Duration::from_mins(1);
pub const MIB: u64 = 1024 * 1024;

/// An instance of its own for each test, and everything of it removed at the end.
pub struct Ground {
    pub instance: String,
    pub executor: DockerExecutor,
}

impl Ground {
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let instance = format!(
            "test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let executor = DockerExecutor::connect(&instance, None)
            .unwrap()
            .lending(vec![std::env::temp_dir()]);
        let present = executor
            .has_image(IMAGE)
            .await
            .expect("a Docker engine has to run: script/setup starts one");
        assert!(
            present,
            "the image {IMAGE} is missing: script/setup builds it"
        );
        Self { instance, executor }
    }

    pub fn name(&self) -> SandboxName {
        SandboxName(format!("{}-sandbox", self.instance))
    }

    pub fn volume(&self) -> VolumeName {
        VolumeName(format!("{}-work", self.instance))
    }

    /// A sandbox that runs a line of shell, with a volume as its work tree.
    pub fn spec(&self, line: &str) -> SandboxSpec {
        SandboxSpec {
            name: self.name(),
            image: IMAGE.to_owned(),
            command: ["sh", "-c", line].map(str::to_owned).to_vec(),
            environment: BTreeMap::new(),
            working_directory: "/work".to_owned(),
            mounts: vec![Mount {
                source: MountSource::Volume(self.volume()),
                target: "/work".to_owned(),
                access: Access::ReadWrite,
            }],
            labels: BTreeMap::from([("deckhand.task".to_owned(), "t1".to_owned())]),
            limits: Limits {
                memory_bytes: 256 * MIB,
                processors: 1.0,
                processes: 128,
                open_files: 1024,
                scratch_bytes: 16 * MIB,
                disk_bytes: 4 << 30,
                files: 200_000,
            },
            runtime: None,
        }
    }

    pub async fn start(&self, line: &str) {
        self.executor.start(&self.spec(line)).await.unwrap();
    }

    pub async fn attach(&self) -> Attachment {
        self.executor.attach(&self.name()).await.unwrap()
    }

    pub async fn exec(&self, line: &str) -> ExecOutput {
        self.executor.exec(&self.name(), exec(line)).await.unwrap()
    }

    /// The standard output of a line of shell that has to succeed.
    pub async fn shell(&self, line: &str) -> String {
        let done = self.exec(line).await;
        assert_eq!(
            done.status,
            Some(0),
            "{line}: {}",
            String::from_utf8_lossy(&done.errors)
        );
        String::from_utf8(done.output).unwrap()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // A failed test leaves nothing behind either, and a drop cannot wait for the executor.
        let removal = "for kind in container volume; do
             all=-q; [ $kind = container ] && all=-aq
             docker $kind ls $all --filter label=deckhand.instance=$0 | xargs -r docker $kind rm -f
           done";
        let _ = Command::new("sh")
            .args(["-c", removal, &self.instance])
            .output();
    }
}

pub fn exec(line: &str) -> Exec {
    Exec {
        command: ["sh", "-c", line].map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: "/work".to_owned(),
        input: Vec::new(),
        timeout: PATIENCE,
        output_limit_bytes: 64 * 1024,
    }
}
