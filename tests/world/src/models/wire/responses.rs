//! `OpenAI` Responses. Wire: <https://platform.openai.com/docs/api-reference/responses>.

use serde_json::{Value, json};

use super::{
    Answer, CallInput, Delivery, Dialogue, Entry, Event, OfferedTool, Payload, ToolCall, ToolForm,
    texts,
};
use crate::models::usage::Usage;

pub(super) fn read(body: &Value) -> Dialogue {
    let mut entries = Vec::new();
    let mut tools = offered(&body["tools"]);
    match &body["input"] {
        Value::String(text) => entries.push(Entry::Person(text.clone())),
        items => {
            for item in items.as_array().into_iter().flatten() {
                if item["type"] == "additional_tools" {
                    tools.extend(offered(&item["tools"]));
                }
                entries.extend(item_entries(item));
            }
        }
    }
    Dialogue {
        entries,
        tools,
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        delivery: if body["stream"] == true {
            Delivery::Streamed
        } else {
            Delivery::Whole
        },
        output_schema: body["text"]["format"].get("schema").cloned(),
    }
}

fn item_entries(item: &Value) -> Vec<Entry> {
    let kind = item["type"].as_str().unwrap_or("message");
    if kind == "message" {
        let said = texts(&item["content"]).into_iter();
        return match item["role"].as_str() {
            Some("user") => said.map(Entry::Person).collect(),
            Some("assistant") => said.map(Entry::Assistant).collect(),
            Some(_) | None => Vec::new(),
        };
    }
    if kind.ends_with("_output") {
        return vec![Entry::Result(texts(&item["output"]).join("\n"))];
    }
    if kind.ends_with("_call") {
        let name = item["name"].as_str().unwrap_or(kind);
        return vec![Entry::Call(name.to_owned())];
    }
    Vec::new()
}

/// Tools come one by one or in groups.
fn offered(tools: &Value) -> Vec<OfferedTool> {
    let mut found = Vec::new();
    for tool in tools.as_array().into_iter().flatten() {
        if tool["type"] == "namespace" {
            let group = tool["name"].as_str().filter(|name| *name != "functions");
            for mut member in offered(&tool["tools"]) {
                member.namespace = group.map(str::to_owned);
                found.push(member);
            }
        } else if let Some(name) = tool["name"].as_str() {
            found.push(OfferedTool {
                name: name.to_owned(),
                namespace: None,
                form: if tool["type"] == "custom" {
                    ToolForm::Freeform
                } else {
                    ToolForm::Function
                },
                schema: tool["parameters"].clone(),
            });
        }
    }
    found
}

pub(super) fn write(answer: &Answer, delivery: Delivery) -> Payload {
    let items = items(answer);
    let done = response(answer, "completed", &items, usage(answer.usage));
    match delivery {
        Delivery::Whole => Payload::Whole(done),
        Delivery::Streamed => Payload::Events(events(answer, &items, &done)),
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total(),
    })
}

fn response(answer: &Answer, status: &str, output: &[Value], usage: Value) -> Value {
    let mut response = json!({
        "id": format!("resp_{}", answer.id),
        "object": "response",
        "created_at": 0,
        "model": answer.model,
        "status": status,
        "output": output,
    });
    if !usage.is_null() {
        response["usage"] = usage;
    }
    response
}

fn message_id(answer: &Answer) -> String {
    format!("msg_{}", answer.id)
}

fn items(answer: &Answer) -> Vec<Value> {
    let mut items = Vec::new();
    if !answer.text.is_empty() {
        items.push(json!({
            "id": message_id(answer),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": answer.text, "annotations": []}],
        }));
    }
    items.extend(answer.call.as_ref().map(call_item));
    items
}

fn call_item(call: &ToolCall) -> Value {
    let mut item = match &call.input {
        CallInput::Json(arguments) => json!({
            "id": format!("fc_{}", call.id),
            "type": "function_call",
            "arguments": arguments.to_string(),
        }),
        CallInput::Freeform(text) => json!({
            "id": format!("ctc_{}", call.id),
            "type": "custom_tool_call",
            "input": text,
        }),
    };
    item["call_id"] = json!(format!("call_{}", call.id));
    item["name"] = json!(call.name);
    item["status"] = json!("completed");
    if let Some(namespace) = &call.namespace {
        item["namespace"] = json!(namespace);
    }
    item
}

fn events(answer: &Answer, items: &[Value], done: &Value) -> Vec<Event> {
    let opening = response(answer, "in_progress", &[], Value::Null);
    let mut events = vec![Event::typed(
        "response.created",
        json!({"response": opening}),
    )];
    for (index, item) in items.iter().enumerate() {
        let is_message = item["type"] == "message";
        let mut started = item.clone();
        started["status"] = json!("in_progress");
        if is_message {
            started["content"] = json!([]);
        }
        events.push(Event::typed(
            "response.output_item.added",
            json!({"output_index": index, "item": started}),
        ));
        if is_message {
            events.extend(answer.pieces().into_iter().map(|piece| {
                Event::typed(
                    "response.output_text.delta",
                    json!({"output_index": index, "content_index": 0, "item_id": item["id"], "delta": piece}),
                )
            }));
        }
        events.push(Event::typed(
            "response.output_item.done",
            json!({"output_index": index, "item": item}),
        ));
    }
    events.push(Event::typed(
        "response.completed",
        json!({"response": done}),
    ));
    events
}
