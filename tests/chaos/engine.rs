//! The engine behind the scripted executor: a process of its own whose sandboxes are made by bubblewrap and whose volumes
//! are folders. What it knows lies on the disk, so that it can be killed and started again.
//!
//! A sandbox sees the host's programs and nothing else of the host, all of it read-only; it can write to its own volumes
//! and to memory. No command enters it from outside: `inside` takes it through a socket and runs it there. So a command can
//! run in a sandbox or not at all, and never on the host.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufReader,
    },
    net::{UnixListener, UnixStream},
    process::Command,
};

use crate::inside;

/// How often a file is looked at for news.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a sandbox may take to be made.
const START_WITHIN: Duration = Duration::from_secs(20);
/// How long a start may still come that an engine left which was killed.
const LATE_START: Duration = Duration::from_secs(1);
const HOLD: &str = include_str!("hold.sh");
/// In the place of the programs that a sandbox's image has.
const SHIM: &str = "#!/bin/sh\nshift 2\nexec \"$@\"\n";
const AGENT: &str = "#!/bin/sh\nexec /opt/chaos agent\n";

/// The socket of the engine in this folder.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// One byte for each request that changes or asks something of a sandbox.
pub fn requests(folder: &Path) -> u64 {
    fs::metadata(folder.join("requests")).map_or(0, |file| file.len())
}

/// Names of the sandboxes that it has.
pub fn sandboxes(folder: &Path) -> Vec<String> {
    names_in(&folder.join("c"))
}

/// Names of the volumes that it has.
pub fn volumes(folder: &Path) -> Vec<String> {
    names_in(&folder.join("v"))
}

/// Kills every process of a sandbox, and says whether there was one. There is none where it is not made yet, or has ended.
pub fn kill(folder: &Path, name: &str) -> bool {
    let home = folder.join("c").join(name);
    first_process(&home).is_some_and(|pid| {
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid])
            .stderr(Stdio::null())
            .status();
        // It may be gone already.
        killed.is_ok_and(|status| status.success())
    })
}

/// Ends a sandbox, however far it has come, and forgets it.
pub fn remove(folder: &Path, name: &str) -> io::Result<()> {
    let home = folder.join("c").join(name);
    let begun = Instant::now();
    while home.exists() && !home.join("ended").exists() {
        // An engine that was killed in the middle of a start may have left one that is still on its way.
        if !home.join("held").exists() && begun.elapsed() > LATE_START {
            break;
        }
        kill(folder, name);
        std::thread::sleep(LOOK_EVERY);
    }
    match fs::remove_dir_all(&home) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The first process in a sandbox, as the host numbers it. Numbers are given again, so it has to be in the sandbox's own
/// namespace.
fn first_process(home: &Path) -> Option<String> {
    if home.join("ended").exists() {
        return None;
    }
    let info: Value = serde_json::from_str(&fs::read_to_string(home.join("info")).ok()?).ok()?;
    let pid = info["child-pid"].as_u64()?;
    let namespace = format!("mnt:[{}]", info["mnt-namespace"].as_u64()?);
    let link = fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()?;
    (link == Path::new(&namespace)).then(|| pid.to_string())
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Serves until it is killed.
pub async fn serve(folder: PathBuf) -> anyhow::Result<()> {
    let engine = Arc::new(Stub::open(folder)?);
    let socket = socket(&engine.folder);
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(socket).context("the engine cannot listen")?;
    loop {
        let (stream, _) = listener.accept().await?;
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            // Whoever asked is gone.
            let _ = engine.answer(stream).await;
        });
    }
}

/// What serves, and what the tests of its sandboxes ask directly.
pub struct Stub {
    folder: PathBuf,
    /// Held while a sandbox is made or taken away: who gives up waiting for a start does not end it.
    making: tokio::sync::Mutex<()>,
}

/// What is told instead of an answer: the kind and the words.
#[derive(Debug)]
pub struct Refusal(pub &'static str, pub String);

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self("refused", error.to_string())
    }
}

impl Stub {
    /// The engine of this folder, with what it had before.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        for part in ["c", "v", "l", "programs"] {
            fs::create_dir_all(folder.join(part))?;
        }
        for (name, text) in [("shim", SHIM), ("agent", AGENT)] {
            let path = folder.join("programs").join(name);
            if !path.exists() {
                let new = path.with_extension("new");
                fs::write(&new, text)?;
                fs::set_permissions(&new, fs::Permissions::from_mode(0o755))?;
                fs::rename(new, path)?;
            }
        }
        Ok(Self {
            folder,
            making: tokio::sync::Mutex::default(),
        })
    }

    async fn answer(&self, stream: UnixStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let request: Value = serde_json::from_str(&line)?;
        let op = request["op"].as_str().unwrap_or_default();
        let name = request["name"].as_str().unwrap_or_default();
        // These are asked by the clock, so they are no measure of how far a story is.
        if !matches!(op, "describe" | "list" | "volumes" | "condition" | "wait") {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder.join("requests"))?;
            io::Write::write_all(&mut file, b".")?;
        }
        let answer = match op {
            "describe" => Ok(Value::Null),
            "start" => self.start(&request["spec"]).await,
            "attach" => return self.attach(stream, &request).await,
            "exec" => self.exec(name, &request).await,
            "condition" => Ok(self.condition(name)),
            "wait" => {
                while self.condition(name)["state"] == "running" {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok(self.condition(name))
            }
            "stop" => self.stop(name).await,
            "remove_volume" => self.remove_volume(name),
            "list" => Ok(self.list()),
            "volumes" => Ok(self.volumes()),
            _ => Err(Refusal("refused", format!("there is no {op}"))),
        };
        let answer = match answer {
            Ok(value) => json!({"ok": value}),
            Err(Refusal(kind, text)) => json!({"error": kind, "text": text}),
        };
        stream.write_all(format!("{answer}\n").as_bytes()).await
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.join("c").join(name)
    }

    /// Starts a sandbox and waits until it takes commands. One that is there already is the same.
    pub async fn start(&self, spec: &Value) -> Result<Value, Refusal> {
        let name = spec["name"].as_str().unwrap_or_default();
        let home = self.home(name);
        let _making = self.making.lock().await;
        if !home.exists() {
            self.lay_out(name, spec).await?;
        }
        Command::new("sh")
            .args(["-c", HOLD, "hold"])
            .arg(&home)
            .args(self.walls(&home, spec)?)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let ready = async {
            while UnixStream::connect(self.door(name)).await.is_err() {
                if home.join("ended").exists() {
                    return false;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            true
        };
        if tokio::time::timeout(START_WITHIN, ready).await == Ok(true) {
            return Ok(Value::Null);
        }
        let said = fs::read_to_string(home.join("errors")).unwrap_or_default();
        Err(Refusal("start", said))
    }

    /// Makes what is known of a sandbox, whole or not at all.
    async fn lay_out(&self, name: &str, spec: &Value) -> Result<(), Refusal> {
        let new = tempfile::tempdir_in(&self.folder)?;
        fs::write(new.path().join("spec.json"), spec.to_string())?;
        fs::create_dir(new.path().join("flag"))?;
        for mount in spec["mounts"].as_array().into_iter().flatten() {
            if mount["kind"] == "volume" {
                let volume = mount["source"].as_str().unwrap_or_default();
                fs::create_dir_all(self.folder.join("v").join(volume))?;
                let labels = spec["labels"].to_string();
                fs::write(self.folder.join("l").join(volume), labels)?;
            }
        }
        let input = new.path().join("input");
        if !Command::new("mkfifo").arg(input).status().await?.success() {
            return Err(Refusal("refused", "its input cannot be made".to_owned()));
        }
        fs::rename(new.keep(), self.home(name))?;
        Ok(())
    }

    /// The arguments of bubblewrap: everything that a sandbox sees, and what runs in it. It outlives the engine, so nothing
    /// here makes it die with its parent.
    fn walls(&self, home: &Path, spec: &Value) -> io::Result<Vec<String>> {
        let path = |path: &Path| path.display().to_string();
        let mut walls: Vec<String> = [
            "--unshare-user --unshare-all --uid 1000 --gid 1000 --cap-drop ALL --clearenv --hostname sandbox",
            "--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib",
            "--symlink usr/lib64 /lib64 --ro-bind-try /etc/alternatives /etc/alternatives --proc /proc --dev /dev --tmpfs /tmp",
        ]
        .iter()
        .flat_map(|line| line.split(' '))
        .map(str::to_owned)
        .collect();
        let mut bind = |how: &str, source: String, target: &str| {
            walls.extend([how.to_owned(), source, target.to_owned()]);
        };
        let program = |name: &str| path(&self.folder.join("programs").join(name));
        bind("--ro-bind", program("shim"), "/opt/deckhand/shim");
        bind("--ro-bind", program("agent"), "/opt/agents/goose/run");
        bind("--ro-bind", path(&std::env::current_exe()?), "/opt/chaos");
        bind("--bind", path(&home.join("flag")), "/flag");
        for mount in spec["mounts"].as_array().into_iter().flatten() {
            let source = mount["source"].as_str().unwrap_or_default();
            let target = mount["target"].as_str().unwrap_or_default();
            let is_volume = mount["kind"] == "volume";
            let source = if is_volume {
                path(&self.folder.join("v").join(source))
            } else {
                source.to_owned()
            };
            // A folder of the host is never lent for writing.
            let how = if is_volume && mount["writable"] == true {
                "--bind"
            } else {
                "--ro-bind"
            };
            bind(how, source, target);
        }
        let path_of_programs = ("PATH".to_owned(), json!("/usr/local/bin:/usr/bin:/bin"));
        let own = spec["environment"].as_object().cloned().unwrap_or_default();
        for (name, value) in std::iter::once(path_of_programs).chain(own) {
            let value = value.as_str().unwrap_or_default().to_owned();
            walls.extend(["--setenv".to_owned(), name, value]);
        }
        let folder = spec["working_directory"].as_str().unwrap_or("/");
        walls.extend(["--", "/opt/chaos", "inside"].map(str::to_owned));
        walls.extend([inside::namespace()?, folder.to_owned()]);
        let command = spec["command"].as_array().into_iter().flatten();
        walls.extend(command.map(|word| word.as_str().unwrap_or_default().to_owned()));
        Ok(walls)
    }

    /// Where a sandbox takes commands.
    fn door(&self, name: &str) -> PathBuf {
        self.home(name).join("flag/socket")
    }

    fn condition(&self, name: &str) -> Value {
        let home = self.home(name);
        if !home.join("spec.json").exists() {
            return json!({"state": "absent"});
        }
        if let Ok(status) = fs::read_to_string(home.join("ended")) {
            return json!({"state": "ended", "status": status.trim().parse::<i64>().unwrap_or(-1)});
        }
        json!({"state": "running"})
    }

    async fn attach(&self, mut stream: BufReader<UnixStream>, request: &Value) -> io::Result<()> {
        let name = request["name"].as_str().unwrap_or_default();
        let home = self.home(name);
        if self.condition(name)["state"] == "absent" {
            let answer = json!({"error": "gone", "text": name});
            return stream.write_all(format!("{answer}\n").as_bytes()).await;
        }
        stream.write_all(b"{\"ok\":null}\n").await?;
        let which = request["stream"].as_str().unwrap_or_default();
        if which == "input" {
            // Open for reading too, so that it opens without anybody at the other end.
            let pipe = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(home.join("input"))?;
            let mut pipe = tokio::fs::File::from_std(pipe);
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = stream.read(&mut buffer).await?;
                if count == 0 {
                    return Ok(());
                }
                pipe.write_all(&buffer[..count]).await?;
                pipe.flush().await?;
            }
        }
        let path = home.join(which);
        let mut position = 0;
        loop {
            let is_over = home.join("ended").exists() || !home.exists();
            if let Ok(mut file) = tokio::fs::File::open(&path).await {
                file.seek(io::SeekFrom::Start(position)).await?;
                let mut news = Vec::new();
                file.read_to_end(&mut news).await?;
                position += u64::try_from(news.len()).unwrap_or(0);
                stream.write_all(&news).await?;
            }
            if is_over {
                return stream.shutdown().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs a command in a sandbox. One that does not take commands, because it is not whole yet or has ended, is gone.
    pub async fn exec(&self, name: &str, request: &Value) -> Result<Value, Refusal> {
        let gone = |_| Refusal("gone", name.to_owned());
        if self.condition(name)["state"] != "running" {
            return Err(Refusal("gone", name.to_owned()));
        }
        let asked = async {
            let mut stream = BufReader::new(UnixStream::connect(self.door(name)).await?);
            stream.write_all(format!("{request}\n").as_bytes()).await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            Ok::<Value, io::Error>(serde_json::from_str(&line)?)
        };
        asked.await.map_err(gone)
    }

    /// Ends a sandbox and forgets it.
    pub async fn stop(&self, name: &str) -> Result<Value, Refusal> {
        let _making = self.making.lock().await;
        let (folder, name) = (self.folder.clone(), name.to_owned());
        let removed = tokio::task::spawn_blocking(move || remove(&folder, &name)).await;
        removed.map_err(io::Error::other)??;
        Ok(Value::Null)
    }

    fn remove_volume(&self, name: &str) -> Result<Value, Refusal> {
        let _ = fs::remove_file(self.folder.join("l").join(name));
        match fs::remove_dir_all(self.folder.join("v").join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Value::Null),
        }
    }

    fn list(&self) -> Value {
        sandboxes(&self.folder)
            .iter()
            .filter_map(|name| {
                let spec = fs::read_to_string(self.home(name).join("spec.json")).ok()?;
                let spec: Value = serde_json::from_str(&spec).ok()?;
                Some(json!({"name": name, "labels": spec["labels"], "condition": self.condition(name)}))
            })
            .collect()
    }

    fn volumes(&self) -> Value {
        volumes(&self.folder)
            .iter()
            .map(|name| {
                let labels =
                    fs::read_to_string(self.folder.join("l").join(name)).unwrap_or_default();
                let labels: Value = serde_json::from_str(&labels).unwrap_or_default();
                json!({"name": name, "labels": labels})
            })
            .collect()
    }
}
