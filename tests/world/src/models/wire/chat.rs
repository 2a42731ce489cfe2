//! `OpenAI` Chat Completions. Wire: <https://platform.openai.com/docs/api-reference/chat>.

use serde_json::{Value, json};

use super::{Answer, Delivery, Dialogue, Entry, Event, OfferedTool, Payload, texts};
use crate::models::usage::Usage;

pub(super) fn read(body: &Value) -> Dialogue {
    let messages = body["messages"].as_array().into_iter().flatten();
    let tools = body["tools"].as_array().into_iter().flatten();
    Dialogue {
        entries: messages.flat_map(message_entries).collect(),
        tools: tools
            .filter_map(|tool| {
                let function = &tool["function"];
                let name = function["name"].as_str()?;
                Some(OfferedTool::function(name, function["parameters"].clone()))
            })
            .collect(),
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        delivery: if body["stream"] == true {
            Delivery::Streamed
        } else {
            Delivery::Whole
        },
        output_schema: body["response_format"]["json_schema"]
            .get("schema")
            .cloned(),
    }
}

fn message_entries(message: &Value) -> Vec<Entry> {
    let said = texts(&message["content"]);
    match message["role"].as_str() {
        Some("user") => said.into_iter().map(Entry::Person).collect(),
        Some("tool") => vec![Entry::Result(said.join("\n"))],
        Some("assistant") => {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            let names = calls.filter_map(|call| call["function"]["name"].as_str());
            let called: Vec<_> = names.map(|name| Entry::Call(name.to_owned())).collect();
            said.into_iter()
                .map(Entry::Assistant)
                .chain(called)
                .collect()
        }
        Some(_) | None => Vec::new(),
    }
}

pub(super) fn write(answer: &Answer, delivery: Delivery) -> Payload {
    match delivery {
        Delivery::Whole => Payload::Whole(whole(answer)),
        Delivery::Streamed => Payload::Events(events(answer)),
    }
}

fn finish_reason(answer: &Answer) -> &'static str {
    if answer.call.is_some() {
        "tool_calls"
    } else {
        "stop"
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}

fn calls(answer: &Answer) -> Vec<Value> {
    let call = answer.call.as_ref().map(|call| {
        json!({
            "id": format!("call_{}", call.id),
            "type": "function",
            "function": {"name": call.name, "arguments": call.object().to_string()},
        })
    });
    call.into_iter().collect()
}

fn frame(answer: &Answer, object: &str, choices: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": object,
        "created": 0,
        "model": answer.model,
        "choices": choices,
    })
}

fn whole(answer: &Answer) -> Value {
    let content = (!answer.text.is_empty()).then_some(&answer.text);
    let mut message = json!({"role": "assistant", "content": content});
    if answer.call.is_some() {
        message["tool_calls"] = json!(calls(answer));
    }
    let choice = json!([{"index": 0, "message": message, "finish_reason": finish_reason(answer)}]);
    let mut body = frame(answer, "chat.completion", &choice);
    body["usage"] = usage(answer.usage);
    body
}

fn events(answer: &Answer) -> Vec<Event> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        Event::plain(&frame(answer, "chat.completion.chunk", &choice))
    };
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": ""}),
        Value::Null,
    )];
    let pieces = answer.pieces().into_iter();
    events.extend(pieces.map(|piece| chunk(json!({"content": piece}), Value::Null)));
    for mut call in calls(answer) {
        call["index"] = json!(0);
        events.push(chunk(json!({"tool_calls": [call]}), Value::Null));
    }
    events.push(chunk(json!({}), json!(finish_reason(answer))));
    let mut last = frame(answer, "chat.completion.chunk", &json!([]));
    last["usage"] = usage(answer.usage);
    events.push(Event::plain(&last));
    events.push(Event {
        name: None,
        data: String::from("[DONE]"),
    });
    events
}
