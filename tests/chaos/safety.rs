//! The walls of the scripted engine's sandboxes, tried before any story: nothing in them writes to the host, and no command
//! runs where there is no sandbox.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{engine, inside};

/// An engine with a sandbox that has a volume and a folder of the host.
struct Ground {
    stub: engine::Stub,
    folder: tempfile::TempDir,
}

const NAME: &str = "walls";

impl Ground {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lent = folder.path().join("lent");
        fs::create_dir(&lent).unwrap();
        fs::write(lent.join("known"), "by the host").unwrap();
        let stub = engine::Stub::open(folder.path().join("e")).unwrap();
        let spec = json!({
            "name": NAME, "command": ["sleep", "infinity"], "environment": {"GIVEN": "yes"},
            "working_directory": "/work", "labels": {},
            "mounts": [
                {"kind": "volume", "source": "own", "target": "/work", "writable": true},
                {"kind": "host", "source": lent, "target": "/lent", "writable": true},
            ],
        });
        stub.start(&spec).await.unwrap();
        Self { stub, folder }
    }

    fn engine(&self) -> PathBuf {
        self.folder.path().join("e")
    }

    /// The status and the words of a command in the sandbox.
    async fn run(&self, command: &str) -> (i64, String) {
        let request = json!({
            "command": ["sh", "-c", command], "environment": {}, "working_directory": "/", "input": "",
            "timeout_ms": 10_000,
        });
        let done = self.stub.exec(NAME, &request).await.unwrap();
        let words = |name: &str| {
            let bytes = STANDARD.decode(done[name].as_str().unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let said = format!("{}{}", words("output"), words("errors"));
        (done["status"].as_i64().unwrap(), said)
    }

    async fn close(self) {
        self.stub.stop(NAME).await.unwrap();
    }
}

/// It writes to its volume and to memory; to nothing of the host, whether it sees it or not.
pub async fn a_sandbox_does_not_write_to_the_host() {
    let ground = Ground::open().await;
    let (status, said) = ground.run("echo kept > /work/file && cat /work/file").await;
    assert_eq!((status, &*said), (0, "kept\n"));
    let volume = ground.engine().join("v/own/file");
    assert_eq!(fs::read_to_string(volume).unwrap(), "kept\n");
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let work = env!("CARGO_MANIFEST_DIR");
    let outside = ground.folder.path().join("lent");
    let mark = format!("deckhand-walls-{}", std::process::id());
    for folder in ["/usr", "/usr/bin", "/etc", "/bin", "/var", &home, work] {
        let file = format!("{folder}/{mark}");
        // What it does not see it may make for itself, in memory.
        let script = format!("mkdir -p {folder} 2>&1; echo x 2>&1 > {file}");
        ground.run(&script).await;
        assert!(!Path::new(&file).exists(), "{file} was written");
    }
    for file in [format!("/usr/bin/{mark}"), "/lent/new".to_owned()] {
        let (status, said) = ground.run(&format!("echo x > {file}")).await;
        assert!(
            status != 0 && said.contains("Read-only file system"),
            "{file}: {status} {said}"
        );
    }
    let (status, _) = ground.run("rm -rf /lent/known; test -e /lent/known").await;
    assert_eq!(status, 0, "what is lent stays");
    assert!(outside.join("known").exists());
    let unlocking = "mount -o remount,rw,bind /usr || mount -o remount,rw,bind /lent || mount -t tmpfs none /usr";
    let (status, said) = ground.run(unlocking).await;
    assert_ne!(status, 0, "the walls were taken away: {said}");
    ground.close().await;
}

/// It sees neither the host's files nor its processes, variables and network.
pub async fn a_sandbox_does_not_see_the_host() {
    let ground = Ground::open().await;
    let work = env!("CARGO_MANIFEST_DIR");
    let folder = ground.folder.path().display();
    let sees = format!(
        "ls -d {work} {folder} /etc/passwd /etc/shadow /root /var/run/docker.sock 2>/dev/null"
    );
    let (_, said) = ground.run(&sees).await;
    assert_eq!(said, "");
    let (_, said) = ground.run("env | sort | cut -d= -f1 | xargs").await;
    assert_eq!(said.trim(), "GIVEN PATH PWD");
    let (_, said) = ground.run("tail -n +3 /proc/net/dev | cut -d: -f1").await;
    assert_eq!(said.trim(), "lo");
    let own = std::process::id();
    let (_, said) = ground.run("cat /proc/[0-9]*/comm").await;
    assert!(
        !said.contains("systemd") && !said.contains("dockerd"),
        "{said}"
    );
    assert!(said.lines().count() < 8, "{own}: {said}");
    ground.close().await;
}

/// A command runs in a sandbox that is whole, or nowhere.
pub async fn no_command_runs_where_no_sandbox_is() {
    let ground = Ground::open().await;
    let mark = ground.folder.path().join("mark");
    let request = json!({"command": ["touch", &mark], "environment": {}, "working_directory": "/", "input": ""});
    let refused = async |name: &str| {
        let refusal = ground.stub.exec(name, &request).await.unwrap_err();
        assert_eq!((refusal.0, &*refusal.1), ("gone", name));
    };
    refused("never-made").await;
    // Laid out and not begun, begun and not yet inside, inside and not listening.
    let home = |name: &str| ground.engine().join("c").join(name);
    for (name, files) in [
        ("laid-out", &["spec.json"][..]),
        ("begun", &["spec.json", "held"]),
        (
            "not-listening",
            &["spec.json", "held", "info", "flag/socket"],
        ),
    ] {
        fs::create_dir_all(home(name).join("flag")).unwrap();
        for file in files {
            fs::write(home(name).join(file), "{}").unwrap();
        }
        refused(name).await;
    }
    engine::kill(&ground.engine(), NAME);
    while !home(NAME).join("ended").exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    refused(NAME).await;
    assert!(!mark.exists(), "a command ran on the host");
    ground.close().await;
}

/// What runs commands refuses to be anywhere but in a sandbox.
pub async fn the_first_program_refuses_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let ended = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["inside", &inside::namespace().unwrap(), "/", "touch"])
        .arg(&mark)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        !ended.status.success() && said.contains("this is no sandbox"),
        "{said}"
    );
    assert!(!mark.exists(), "it ran something on the host");
}

/// Numbers of processes are given again: what is not in the sandbox is not killed.
pub fn nobody_else_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("c").join(NAME);
    fs::create_dir_all(&home).unwrap();
    let mut other = Command::new("sleep")
        .arg("100")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let info = json!({"child-pid": other.id(), "mnt-namespace": 1});
    fs::write(home.join("info"), Value::to_string(&info)).unwrap();
    engine::kill(folder.path(), NAME);
    let ended = other.try_wait().unwrap();
    let _ = other.kill();
    let _ = other.wait();
    assert_eq!(ended, None, "a process outside was killed");
}
