//! A small agent for each wire: it keeps the history in the provider's own form, reads the streamed
//! answer, and runs shell calls in a directory.

use std::{path::Path, process::Command};

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::models::{Models, Provider};

pub const KEY: &str = "sk-expected";

/// More turns than any script of the tests has.
const MAX_TURNS: usize = 60;

/// What the model did in one turn.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub text: String,
    /// Name, call's identifier and arguments.
    pub call: Option<(String, String, Value)>,
    pub output_tokens: u64,
}

pub fn http() -> Client {
    // A second installation in one process is refused, and that is well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

pub struct Agent {
    pub provider: Provider,
    base: String,
    pub key: String,
    pub history: Vec<Value>,
    pub tools: Value,
}

impl Agent {
    pub fn new(models: &Models, provider: Provider) -> Self {
        Self {
            provider,
            base: models.url(),
            key: KEY.into(),
            history: Vec::new(),
            tools: tools(provider),
        }
    }

    pub fn hear(&mut self, text: &str) {
        self.history.push(match self.provider {
            Provider::Anthropic | Provider::Chat => json!({"role": "user", "content": text}),
            Provider::Responses => json!({"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": text}]}),
            Provider::Gemini => json!({"role": "user", "parts": [{"text": text}]}),
        });
    }

    pub fn request(&self) -> RequestBuilder {
        let (path, body) = match self.provider {
            Provider::Anthropic => (
                "/v1/messages",
                json!({"model": "m", "max_tokens": 100, "stream": true, "messages": self.history, "tools": self.tools}),
            ),
            Provider::Responses => (
                "/v1/responses",
                json!({"model": "m", "stream": true, "input": self.history, "tools": self.tools}),
            ),
            Provider::Chat => (
                "/v1/chat/completions",
                json!({"model": "m", "stream": true, "messages": self.history, "tools": self.tools}),
            ),
            Provider::Gemini => (
                "/v1beta/models/m:streamGenerateContent?alt=sse",
                json!({"contents": self.history, "tools": [{"functionDeclarations": self.tools}]}),
            ),
        };
        let request = http().post(format!("{}{path}", self.base)).json(&body);
        match self.provider {
            Provider::Anthropic => request.header("x-api-key", &self.key),
            Provider::Responses | Provider::Chat => request.bearer_auth(&self.key),
            Provider::Gemini => request.header("x-goog-api-key", &self.key),
        }
    }

    /// One answer, which becomes part of the history.
    pub async fn turn(&mut self) -> Seen {
        let response = self.request().send().await.unwrap();
        assert_eq!(response.status(), 200);
        let events = events(response).await;
        let (seen, said) = match self.provider {
            Provider::Anthropic => anthropic(&events),
            Provider::Responses => responses(&events),
            Provider::Chat => chat(&events),
            Provider::Gemini => gemini(&events),
        };
        self.history.extend(said);
        seen
    }

    pub fn answer(&mut self, id: &str, name: &str, output: &str) {
        self.history.push(match self.provider {
            Provider::Anthropic => json!({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": id, "content": output}]}),
            Provider::Responses => {
                json!({"type": "function_call_output", "call_id": id, "output": output})
            }
            Provider::Chat => json!({"role": "tool", "tool_call_id": id, "content": output}),
            Provider::Gemini => json!({"role": "user", "parts": [
                {"functionResponse": {"id": id, "name": name, "response": {"output": output}}}]}),
        });
    }

    /// Runs a whole turn of the agent in `directory`, and gives what was handed over and the last words.
    pub async fn play(&mut self, prompt: &str, directory: &Path) -> (Vec<(String, Value)>, String) {
        self.hear(prompt);
        let mut handed = Vec::new();
        for _ in 0..MAX_TURNS {
            let seen = self.turn().await;
            let Some((name, id, arguments)) = seen.call else {
                return (handed, seen.text);
            };
            let output = if let Some(tool) = name.strip_prefix("deckhand__") {
                handed.push((tool.to_owned(), arguments));
                String::from("Taken.")
            } else {
                let command = arguments["command"].as_str().or(arguments["cmd"].as_str());
                run(directory, command.unwrap())
            };
            self.answer(&id, &name, &output);
        }
        panic!("the script does not end");
    }
}

/// What the command printed on both of its outputs.
pub fn run(directory: &Path, command: &str) -> String {
    let done = Command::new("sh")
        .args(["-c", command])
        .current_dir(directory)
        // A test runner inside a test runner would report to the outer one.
        .env_remove("NODE_TEST_CONTEXT")
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&done.stderr));
    text
}

fn tools(provider: Provider) -> Value {
    let shell = match provider {
        Provider::Anthropic => "Bash",
        Provider::Responses => "exec_command",
        Provider::Chat => "shell",
        Provider::Gemini => "run_shell_command",
    };
    let field = if provider == Provider::Responses {
        "cmd"
    } else {
        "command"
    };
    let names = [
        shell,
        "deckhand__submit_specification",
        "deckhand__submit_plan",
        "deckhand__ask_person",
        "deckhand__report_requirements",
    ];
    let schema =
        json!({"type": "object", "properties": {field: {"type": "string"}}, "required": [field]});
    let tool = |name: &str| match provider {
        Provider::Anthropic => json!({"name": name, "input_schema": schema}),
        Provider::Responses => json!({"type": "function", "name": name, "parameters": schema}),
        Provider::Chat => {
            json!({"type": "function", "function": {"name": name, "parameters": schema}})
        }
        Provider::Gemini => json!({"name": name, "parametersJsonSchema": schema}),
    };
    names.into_iter().map(tool).collect()
}

async fn events(response: Response) -> Vec<Value> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    text.split("\n\n")
        .filter_map(|frame| frame.lines().find_map(|line| line.strip_prefix("data: ")))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn of_type<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == kind)
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn anthropic(events: &[Value]) -> (Seen, Vec<Value>) {
    let deltas = || of_type(events, "content_block_delta").map(|event| &event["delta"]);
    let text: String = deltas()
        .filter_map(|delta| delta["text"].as_str())
        .collect();
    let input: String = deltas()
        .filter_map(|delta| delta["partial_json"].as_str())
        .collect();
    let started = of_type(events, "content_block_start").map(|event| &event["content_block"]);
    let call = started
        .filter(|block| block["type"] == "tool_use")
        .last()
        .map(|block| {
            let input = serde_json::from_str(&input).unwrap();
            (string(&block["name"]), string(&block["id"]), input)
        });
    let ending = of_type(events, "message_delta").last().unwrap();
    let stop = if call.is_some() {
        "tool_use"
    } else {
        "end_turn"
    };
    assert_eq!(ending["delta"]["stop_reason"], stop);
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    let content = match &call {
        Some((name, id, input)) => {
            json!([{"type": "tool_use", "id": id, "name": name, "input": input}])
        }
        None => json!([{"type": "text", "text": text}]),
    };
    let said = vec![json!({"role": "assistant", "content": content})];
    let output_tokens = ending["usage"]["output_tokens"].as_u64().unwrap();
    (
        Seen {
            text,
            call,
            output_tokens,
        },
        said,
    )
}

fn responses(events: &[Value]) -> (Seen, Vec<Value>) {
    let deltas = of_type(events, "response.output_text.delta");
    let text: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    let items: Vec<Value> = of_type(events, "response.output_item.done")
        .map(|event| event["item"].clone())
        .collect();
    let call = items
        .iter()
        .find(|item| item["type"] == "function_call")
        .map(|item| {
            let arguments = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
            (string(&item["name"]), string(&item["call_id"]), arguments)
        });
    let done = &of_type(events, "response.completed").last().unwrap()["response"];
    assert_eq!(done["output"], json!(items));
    let output_tokens = done["usage"]["output_tokens"].as_u64().unwrap();
    (
        Seen {
            text,
            call,
            output_tokens,
        },
        items,
    )
}

fn chat(events: &[Value]) -> (Seen, Vec<Value>) {
    let deltas = || events.iter().map(|event| &event["choices"][0]["delta"]);
    let text: String = deltas()
        .filter_map(|delta| delta["content"].as_str())
        .collect();
    let mut calls = deltas()
        .filter_map(|delta| delta["tool_calls"].as_array())
        .flatten();
    let raw = calls.next().cloned();
    let call = raw.as_ref().map(|call| {
        let function = &call["function"];
        let arguments = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
        (string(&function["name"]), string(&call["id"]), arguments)
    });
    let finish = if call.is_some() { "tool_calls" } else { "stop" };
    assert_eq!(
        events[events.len() - 2]["choices"][0]["finish_reason"],
        finish
    );
    let said = match raw {
        Some(call) => json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        None => json!({"role": "assistant", "content": text}),
    };
    let output_tokens = events.last().unwrap()["usage"]["completion_tokens"]
        .as_u64()
        .unwrap();
    (
        Seen {
            text,
            call,
            output_tokens,
        },
        vec![said],
    )
}

fn gemini(events: &[Value]) -> (Seen, Vec<Value>) {
    let content = |event: &Value| event["candidates"][0]["content"]["parts"][0].clone();
    let parts: Vec<Value> = events.iter().map(content).collect();
    let text: String = parts
        .iter()
        .filter_map(|part| part["text"].as_str())
        .collect();
    let call = parts
        .iter()
        .find_map(|part| part.get("functionCall"))
        .map(|call| {
            (
                string(&call["name"]),
                string(&call["id"]),
                call["args"].clone(),
            )
        });
    let last = events.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let output_tokens = last["usageMetadata"]["candidatesTokenCount"]
        .as_u64()
        .unwrap();
    (
        Seen {
            text,
            call,
            output_tokens,
        },
        vec![json!({"role": "model", "parts": parts})],
    )
}
