//! The scripted agent: the main process of a sandbox. It speaks the Agent Client Protocol, hands over by the session's
//! tools, and does its work with a shell.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};

const TOOLS: &str = "/run/deckhand/mcp.sock";
/// How long the work takes in a story that somebody wants to stop or to interrupt in the middle of it.
const SLOW: Duration = Duration::from_millis(1_500);
/// In a request, makes the agent slow.
pub const SLOWLY: &str = "Take your time.";
/// In a follow-up, asks for a second line.
pub const MORE: &str = "hello again in a second line";
/// Where the work shows that it has that line, and by which words.
pub const SECOND_LINE: (&str, &str) = ("greeting.txt", "hello again");
/// How often it tries to reach the tools of a bot that may be down.
const TRIES_MAX: usize = 2_000;

/// Speaks until its input ends.
pub fn run() -> anyhow::Result<()> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if message["id"].is_null() {
            continue;
        }
        let result = match message["method"].as_str() {
            Some("initialize") => {
                json!({"protocolVersion": 1, "agentCapabilities": {"loadSession": true}})
            }
            Some("session/new") => {
                forget();
                json!({"sessionId": "s-1"})
            }
            Some("session/prompt") => {
                let prompt = message["params"]["prompt"][0]["text"].as_str();
                turn(prompt.unwrap_or_default())?;
                json!({"stopReason": "end_turn"})
            }
            _ => json!({}),
        };
        say(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}))?;
    }
}

fn say(message: &Value) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{message}\n").as_bytes())?;
    output.flush()
}

fn words(text: &str) -> std::io::Result<()> {
    say(
        &json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update": {
        "sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}}}),
    )
}

fn turn(prompt: &str) -> anyhow::Result<()> {
    let phase = prompt
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Deckhand phase:"))
        .next_back()
        .map(str::trim)
        .unwrap_or_default();
    if prompt.contains(SLOWLY) {
        sleep(SLOW);
    }
    words("I look at the greeting.")?;
    match phase {
        "plan" => {
            call("submit_specification", &specification())?;
            call("submit_plan", &plan())?;
        }
        "ask" => call(
            "submit_answer",
            &json!({ "answer": "It says hello.", "sources": [{ "path": "greeting.txt" }] }),
        )?,
        "revise" => {
            let mut plan = plan();
            plan["reason"] = json!("A correction asked for it.");
            call("submit_plan", &plan)?;
        }
        "follow_up" if is_asked_for_more(prompt) => {
            shell("grep -q again greeting.txt || echo 'hello again' >> greeting.txt");
            call("report_requirements", &report())?;
        }
        _ => {
            shell("grep -q hello greeting.txt || echo hello > greeting.txt");
            call("report_requirements", &report())?;
        }
    }
    words(" It is done.")?;
    Ok(())
}

/// What a session remembers that goes on in another process: that more was asked for in it.
fn memory() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
    home.join("asked-for-more")
}

fn forget() {
    // There is none where nobody has asked for more.
    let _ = std::fs::remove_file(memory());
}

/// Whether more was asked for in this session, now or before it was broken off.
fn is_asked_for_more(prompt: &str) -> bool {
    if prompt.contains(MORE) {
        // An agent without a home forgets, which the work shows.
        let _ = std::fs::write(memory(), MORE);
        return true;
    }
    memory().exists()
}

fn shell(command: &str) {
    // What was not done is seen by the checks.
    let _ = Command::new("sh")
        .args(["-c", command])
        .current_dir("/work/repo")
        .status();
}

/// Calls a tool of the session, again and again where the bot behind it goes away.
fn call(tool: &str, arguments: &Value) -> anyhow::Result<()> {
    for _ in 0..TRIES_MAX {
        if attempt(tool, arguments).is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
    anyhow::bail!("nobody takes {tool}")
}

fn attempt(tool: &str, arguments: &Value) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(TOOLS)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let mut answers = BufReader::new(stream.try_clone()?.take(1 << 20));
    let mut ask = |message: &Value| stream.write_all(format!("{message}\n").as_bytes());
    ask(
        &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "scripted", "version": "1"}}}),
    )?;
    let mut line = String::new();
    anyhow::ensure!(answers.read_line(&mut line)? > 0, "no answer");
    ask(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
    ask(
        &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}),
    )?;
    line.clear();
    anyhow::ensure!(answers.read_line(&mut line)? > 0, "no answer");
    let answer: Value = serde_json::from_str(&line)?;
    anyhow::ensure!(
        answer["error"].is_null() && answer["result"]["isError"] != true,
        "{answer}"
    );
    Ok(())
}

fn specification() -> Value {
    json!({
        "title": "Say hello", "goal": "The greeting says hello.",
        "requirements": [{"id": "R1", "text": "The greeting says hello.", "check": "grep -q hello greeting.txt"}],
        "checks": ["test -s greeting.txt"], "out_of_scope": [], "pages": [], "start": null, "setup": null,
    })
}

fn plan() -> Value {
    json!({
        "steps": ["Write the greeting."], "files": ["greeting.txt"], "checks": ["test -s greeting.txt"], "risks": [],
        "cost_usd": {"low": 0.01, "high": 0.02}, "network": [], "reason": null,
    })
}

fn report() -> Value {
    json!({
        "summary": "The greeting says hello.",
        "requirements": [{"id": "R1", "status": "met", "evidence": "greeting.txt says it.", "check": "grep -q hello greeting.txt"}],
        "not_done": [],
    })
}
