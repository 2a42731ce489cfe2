//! The first program in a sandbox: it starts the main process, and does what is asked for beside it.
//!
//! Commands come to it through a socket, so nothing outside ever enters a sandbox: a command runs inside or nowhere.

use std::{fs, io, path::Path, process::ExitStatus, process::Stdio, time::Duration};

use anyhow::ensure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    process::Command,
};

/// Where the socket for commands lies in the sandbox.
const SOCKET: &str = "/flag/socket";

/// The mount namespace of this process, as the kernel names it.
pub fn namespace() -> io::Result<String> {
    let link = fs::read_link("/proc/self/ns/mnt")?;
    Ok(link.display().to_string())
}

/// Runs the main process to its end, and gives its status. `host` is the namespace in which nothing may run.
pub async fn hold(host: &str, folder: &str, command: &[&str]) -> anyhow::Result<i32> {
    ensure!(
        namespace()? != host,
        "this is no sandbox but the host itself: nothing is run here"
    );
    let listener = UnixListener::bind(SOCKET)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // Whoever asked is gone.
                let _ = answer(stream).await;
            });
        }
    });
    let status = Command::new(command[0])
        .args(&command[1..])
        .current_dir(existing(folder))
        .status()
        .await?;
    Ok(status_of(status))
}

/// The work tree is made by a command in its own sandbox, so its folder need not be there yet.
fn existing(folder: &str) -> &str {
    if Path::new(folder).is_dir() {
        folder
    } else {
        "/"
    }
}

async fn answer(stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer = run(&serde_json::from_str(&line)?).await?;
    stream.write_all(format!("{answer}\n").as_bytes()).await
}

async fn run(request: &Value) -> io::Result<Value> {
    let words = request["command"].as_array().into_iter().flatten();
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let [program, arguments @ ..] = words.as_slice() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let variables = request["environment"].as_object().into_iter().flatten();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(request["working_directory"].as_str().unwrap_or("/"))
        .envs(variables.map(|(name, value)| (name, value.as_str().unwrap_or_default())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    // As an engine tells it: the folder or the program is not there.
    let child = match &mut child {
        Ok(_) => child?,
        Err(error) => {
            let text = STANDARD.encode(error.to_string());
            return Ok(json!({"status": 126, "output": "", "errors": text}));
        }
    };
    finish(child, request).await
}

async fn finish(mut child: tokio::process::Child, request: &Value) -> io::Result<Value> {
    let input = STANDARD
        .decode(request["input"].as_str().unwrap_or_default())
        .unwrap_or_default();
    let mut pipe = child.stdin.take();
    let feeding = async move {
        if let Some(pipe) = &mut pipe {
            // A command need not read what it is given.
            let _ = pipe.write_all(&input).await;
        }
        drop(pipe);
    };
    let longest = Duration::from_millis(request["timeout_ms"].as_u64().unwrap_or(60_000));
    let both = async { tokio::join!(child.wait_with_output(), feeding).0 };
    match tokio::time::timeout(longest, both).await {
        Ok(done) => {
            let done = done?;
            Ok(json!({
                "status": status_of(done.status),
                "output": STANDARD.encode(done.stdout), "errors": STANDARD.encode(done.stderr),
            }))
        }
        Err(_) => Ok(json!({"status": null, "output": "", "errors": ""})),
    }
}

/// The status as engines tell it: 128 and the signal's number for what was killed.
fn status_of(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
