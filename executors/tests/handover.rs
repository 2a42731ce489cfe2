//! The session's tools, called over the socket by hand-written messages as an agent's shim sends them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use deckhand_executors::agent::{
    Handover, HandoverCall, HandoverError, SOCKET_NAME, ToolDescription,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

struct Client {
    read: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    requests: i64,
}

impl Client {
    async fn connect(run_dir: &Path) -> Self {
        let stream = UnixStream::connect(run_dir.join(SOCKET_NAME))
            .await
            .unwrap();
        let (read, write) = stream.into_split();
        let mut client = Self {
            read: BufReader::new(read).lines(),
            write,
            requests: 0,
        };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
        let answer = client.ask("initialize", hello).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "deckhand");
        client
            .send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client
    }

    async fn send(&mut self, message: &Value) {
        self.write
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        let answer = tokio::time::timeout(Duration::from_secs(10), self.read.next_line());
        let answer: Value = serde_json::from_str(&answer.await.unwrap().unwrap().unwrap()).unwrap();
        assert_eq!(answer["id"], id);
        answer
    }

    /// Calls a tool: the answer's text, as an error where it is one.
    async fn call(&mut self, tool: &str, arguments: Value) -> Result<String, String> {
        let answer = self
            .ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await;
        let text = answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned();
        match answer["result"]["isError"].as_bool() {
            Some(true) => Err(text),
            _ => Ok(text),
        }
    }
}

fn tool(name: &str) -> ToolDescription {
    ToolDescription {
        name: name.into(),
        description: format!("What {name} is for."),
        schema: json!({"type": "object", "properties": {"text": {"type": "string"}}}),
    }
}

/// Takes a call whose text is "good", and refuses every other.
async fn keeper(mut calls: mpsc::Receiver<HandoverCall>) {
    while let Some(call) = calls.recv().await {
        let answer = match call.arguments["text"].as_str() {
            Some("good") => Ok(format!("{} taken", call.tool)),
            Some("dropped") => continue,
            _ => Err(String::from("Give a text that is good.")),
        };
        call.answer.send(answer).ok();
    }
}

fn open(run_dir: &Path) -> Handover {
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(keeper(receiver));
    Handover::open(
        run_dir,
        vec![tool("submit_plan"), tool("ask_person")],
        sender,
    )
    .unwrap()
}

#[tokio::test]
async fn an_agent_finds_the_tools_and_is_told_what_to_mend() {
    let run_dir = tempfile::tempdir().unwrap();
    let _handover = open(run_dir.path());
    let mut client = Client::connect(run_dir.path()).await;
    let listed = client.ask("tools/list", json!({})).await;
    let names: Vec<_> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, ["submit_plan", "ask_person"]);
    assert_eq!(
        listed["result"]["tools"][0]["inputSchema"]["type"],
        "object"
    );
    assert_eq!(
        client.call("submit_plan", json!({"text": "good"})).await,
        Ok("submit_plan taken".into())
    );
    assert_eq!(
        client.call("submit_plan", json!({})).await,
        Err("Give a text that is good.".into())
    );
    assert_eq!(
        client.call("delete_all", json!({})).await,
        Err("There is no tool \"delete_all\".".into())
    );
}

#[tokio::test]
async fn arguments_of_more_than_a_quarter_mebibyte_are_refused_and_the_connection_stays() {
    let run_dir = tempfile::tempdir().unwrap();
    let _handover = open(run_dir.path());
    let mut client = Client::connect(run_dir.path()).await;
    let refused = client
        .call("submit_plan", json!({"text": "x".repeat(256 * 1024)}))
        .await;
    assert!(refused.unwrap_err().contains("say it shorter"));
    assert!(
        client
            .call("submit_plan", json!({"text": "good"}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_call_that_nobody_answers_may_be_made_again() {
    let run_dir = tempfile::tempdir().unwrap();
    let _handover = open(run_dir.path());
    let mut client = Client::connect(run_dir.path()).await;
    let dropped = client.call("ask_person", json!({"text": "dropped"})).await;
    assert!(dropped.unwrap_err().contains("again"));
    assert!(
        client
            .call("ask_person", json!({"text": "good"}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn several_agents_of_a_run_are_served_at_once() {
    let run_dir = tempfile::tempdir().unwrap();
    let _handover = open(run_dir.path());
    let mut first = Client::connect(run_dir.path()).await;
    let mut second = Client::connect(run_dir.path()).await;
    assert!(
        second
            .call("submit_plan", json!({"text": "good"}))
            .await
            .is_ok()
    );
    assert!(
        first
            .call("submit_plan", json!({"text": "good"}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_new_handover_takes_the_place_of_one_that_was_left_behind() {
    let run_dir = tempfile::tempdir().unwrap();
    let socket = run_dir.path().join(SOCKET_NAME);
    std::fs::write(&socket, "left behind").unwrap();
    let handover = open(run_dir.path());
    assert_eq!(
        std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o666
    );
    let mut client = Client::connect(run_dir.path()).await;
    drop(handover);
    assert!(!socket.exists());
    let closed = tokio::time::timeout(Duration::from_secs(10), client.read.next_line())
        .await
        .unwrap();
    assert!(!matches!(closed, Ok(Some(_))), "{closed:?}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_and_a_schema_that_is_none_are_refused() {
    let (sender, _receiver) = mpsc::channel(1);
    let long = Path::new("/tmp").join("x".repeat(120));
    let refused = Handover::open(&long, Vec::new(), sender.clone());
    assert!(
        matches!(refused, Err(HandoverError::PathTooLong(_))),
        "{refused:?}"
    );
    let run_dir = tempfile::tempdir().unwrap();
    let bad = ToolDescription {
        schema: json!("none"),
        ..tool("x")
    };
    let refused = Handover::open(run_dir.path(), vec![bad], sender);
    assert!(
        matches!(refused, Err(HandoverError::BadSchema(_))),
        "{refused:?}"
    );
}
