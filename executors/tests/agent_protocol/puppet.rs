//! An agent's process whose every word a test decides.

use deckhand_executors::{agent::AgentProfile, sandbox::Attachment};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};

/// How much fits into a pipe, in bytes.
const PIPE_BYTES: usize = 64 * 1024;

/// The inner ends of a process's streams.
pub struct Puppet {
    input: Lines<BufReader<DuplexStream>>,
    output: DuplexStream,
    errors: DuplexStream,
    /// Everything that it said, for a new owner.
    history: Vec<u8>,
}

/// An update of the session.
pub fn update(update: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s-1", "update": update}})
}

fn streams() -> (
    Attachment,
    Lines<BufReader<DuplexStream>>,
    DuplexStream,
    DuplexStream,
) {
    let (input, inner_input) = duplex(PIPE_BYTES);
    let (output, inner_output) = duplex(PIPE_BYTES);
    let (errors, inner_errors) = duplex(PIPE_BYTES);
    let attachment = Attachment {
        input: Box::new(input),
        output: Box::new(output),
        errors: Box::new(errors),
    };
    (
        attachment,
        BufReader::new(inner_input).lines(),
        inner_output,
        inner_errors,
    )
}

impl Puppet {
    pub fn new() -> (Attachment, Self) {
        let (attachment, input, output, errors) = streams();
        let puppet = Self {
            input,
            output,
            errors,
            history: Vec::new(),
        };
        (attachment, puppet)
    }

    /// A second connection to the same process: it begins with everything that was said.
    pub async fn attach_again(&mut self) -> Attachment {
        let (attachment, input, output, errors) = streams();
        (self.input, self.output, self.errors) = (input, output, errors);
        let history = std::mem::take(&mut self.history);
        self.raw(&history).await;
        attachment
    }

    /// The next message that it is sent.
    pub async fn hears(&mut self) -> Value {
        let line = self
            .input
            .next_line()
            .await
            .unwrap()
            .expect("the client is gone");
        serde_json::from_str(&line).unwrap()
    }

    pub async fn says(&mut self, message: &Value) {
        self.raw(format!("{message}\n").as_bytes()).await;
    }

    /// A reader that is gone is no matter: the history keeps it.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.history.extend_from_slice(bytes);
        self.output.write_all(bytes).await.ok();
    }

    pub async fn text(&mut self, text: &str) {
        self.says(&update(&json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})))
            .await;
    }

    pub async fn complains(&mut self, text: &str) {
        self.errors.write_all(text.as_bytes()).await.unwrap();
    }

    /// Hears a request and answers it.
    pub async fn answers(&mut self, result: Value) -> Value {
        let request = self.hears().await;
        self.says(&json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
            .await;
        request
    }

    pub async fn ends_turn(&mut self, prompt: i64, result: &Value) {
        self.says(&json!({"jsonrpc": "2.0", "id": 1000 + prompt, "result": result}))
            .await;
    }

    /// Plays the opening of a new session, as this agent has it.
    pub async fn open_new(&mut self, agent: &str) {
        self.answers(json!({"protocolVersion": 1})).await;
        self.answers(json!({"sessionId": "s-1"})).await;
        let sets_a_mode = matches!(
            AgentProfile::load(agent).unwrap().name.as_str(),
            "claude" | "gemini"
        );
        if sets_a_mode {
            self.answers(json!({})).await;
        }
    }
}
