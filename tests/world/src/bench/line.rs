//! The agent's protocol over any two streams, one JSON object in a line.

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use super::place::PART_WITHIN;

/// Longest line of the protocol, in bytes.
const LINE_MAX_BYTES: u64 = 16 << 20;

/// A conversation with an agent.
pub struct Line<I, O> {
    input: I,
    output: BufReader<O>,
}

impl<I: AsyncWrite + Unpin, O: AsyncRead + Unpin> Line<I, O> {
    /// Speaks into the agent's input and listens to its output.
    pub fn new(input: I, output: O) -> Self {
        Self {
            input,
            output: BufReader::new(output),
        }
    }

    /// Waits until the agent is ready: it has answered the first request of the protocol.
    pub async fn introduce(&mut self) -> anyhow::Result<()> {
        let params = json!({ "protocolVersion": 1, "clientCapabilities": {} });
        self.ask(1, "initialize", &params).await.map(drop)
    }

    /// Sends a request, and does not wait for its answer.
    pub async fn tell(&mut self, id: u64, method: &str, params: &Value) -> anyhow::Result<()> {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let line = format!("{request}\n");
        self.input.write_all(line.as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// Sends a request, and waits for its answer.
    pub async fn ask(&mut self, id: u64, method: &str, params: &Value) -> anyhow::Result<Value> {
        self.tell(id, method, params).await?;
        loop {
            let mut line = String::new();
            let mut limited = (&mut self.output).take(LINE_MAX_BYTES);
            let read = tokio::time::timeout(PART_WITHIN, limited.read_line(&mut line));
            ensure!(
                read.await?? > 0,
                "the agent ended before it answered {method}"
            );
            // What is no JSON is a log line.
            let Ok(said) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            if said["id"] == id && said["method"].is_null() {
                ensure!(said["error"].is_null(), "{method}: {}", said["error"]);
                return Ok(said["result"].clone());
            }
        }
    }
}
