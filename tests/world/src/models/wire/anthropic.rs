//! Anthropic Messages. Wire: <https://docs.anthropic.com/en/api/messages> and its page on streaming.

use serde_json::{Value, json};

use super::{Answer, Delivery, Dialogue, Entry, ErrorReply, Event, OfferedTool, Payload, texts};
use crate::models::{script::Failure, usage::Usage};

pub(super) fn read(body: &Value) -> Dialogue {
    let mut entries = Vec::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        let role = message["role"].as_str().unwrap_or_default();
        match &message["content"] {
            Value::Array(blocks) => {
                entries.extend(blocks.iter().filter_map(|block| entry(role, block)));
            }
            content => {
                let said = texts(content).into_iter();
                entries.extend(said.filter_map(|text| spoken(role, text)));
            }
        }
    }
    let tools = body["tools"].as_array().into_iter().flatten();
    Dialogue {
        entries,
        tools: tools
            .filter_map(|tool| {
                let name = tool["name"].as_str()?;
                Some(OfferedTool::function(name, tool["input_schema"].clone()))
            })
            .collect(),
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        delivery: if body["stream"] == true {
            Delivery::Streamed
        } else {
            Delivery::Whole
        },
        output_schema: [&body["output_config"]["format"], &body["output_format"]]
            .into_iter()
            .find_map(|format| format.get("schema").cloned()),
    }
}

fn entry(role: &str, block: &Value) -> Option<Entry> {
    match block["type"].as_str()? {
        "text" => spoken(role, block["text"].as_str()?.to_owned()),
        "tool_use" => Some(Entry::Call(block["name"].as_str()?.to_owned())),
        "tool_result" => Some(Entry::Result(texts(&block["content"]).join("\n"))),
        _ => None,
    }
}

fn spoken(role: &str, text: String) -> Option<Entry> {
    match role {
        "user" => Some(Entry::Person(text)),
        "assistant" => Some(Entry::Assistant(text)),
        _ => None,
    }
}

pub(super) fn write(answer: &Answer, delivery: Delivery) -> Payload {
    match delivery {
        Delivery::Whole => Payload::Whole(whole(answer)),
        Delivery::Streamed => Payload::Events(events(answer)),
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    if answer.call.is_some() {
        "tool_use"
    } else {
        "end_turn"
    }
}

/// Input tokens are reported apart from the cached ones.
fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output,
    })
}

fn message(answer: &Answer, content: &Value, stop: &Value, output: u64) -> Value {
    json!({
        "id": format!("msg_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": usage(answer.usage, output),
    })
}

fn whole(answer: &Answer) -> Value {
    let mut content = Vec::new();
    if !answer.text.is_empty() {
        content.push(json!({"type": "text", "text": answer.text}));
    }
    if let Some(call) = &answer.call {
        let id = format!("toolu_{}", call.id);
        content
            .push(json!({"type": "tool_use", "id": id, "name": call.name, "input": call.object()}));
    }
    message(
        answer,
        &json!(content),
        &json!(stop_reason(answer)),
        answer.usage.output,
    )
}

fn events(answer: &Answer) -> Vec<Event> {
    let opening = message(answer, &json!([]), &Value::Null, 1);
    let mut events = vec![Event::typed("message_start", json!({"message": opening}))];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(Event::typed(
            "content_block_start",
            json!({"index": index, "content_block": start}),
        ));
        events.extend(deltas.into_iter().map(|delta| {
            Event::typed(
                "content_block_delta",
                json!({"index": index, "delta": delta}),
            )
        }));
        events.push(Event::typed("content_block_stop", json!({"index": index})));
        index += 1;
    };
    if !answer.text.is_empty() {
        let pieces = answer.pieces().into_iter();
        block(
            json!({"type": "text", "text": ""}),
            pieces
                .map(|text| json!({"type": "text_delta", "text": text}))
                .collect(),
        );
    }
    if let Some(call) = &answer.call {
        let id = format!("toolu_{}", call.id);
        let input = call.object().to_string();
        block(
            json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}),
            vec![json!({"type": "input_json_delta", "partial_json": input})],
        );
    }
    events.push(Event::typed(
        "message_delta",
        json!({
            "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
            "usage": {"output_tokens": answer.usage.output},
        }),
    ));
    events.push(Event::typed("message_stop", json!({})));
    events
}

pub(super) fn error_body(kind: &str, message: &str) -> Value {
    json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_scripted",
    })
}

pub(super) fn fail(failure: Failure) -> ErrorReply {
    let (status, kind, message) = match failure {
        Failure::Unauthorized => (401, "authentication_error", "invalid x-api-key"),
        Failure::OutOfCredit => (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. \
             Please go to Plans & Billing to upgrade or purchase credits.",
        ),
        Failure::RateLimited => (
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        Failure::Overloaded => (529, "overloaded_error", "Overloaded"),
        Failure::ServerError => (500, "api_error", "Internal server error"),
    };
    ErrorReply {
        status,
        body: error_body(kind, message),
    }
}
