//! Gemini's `generateContent`. Wire: <https://ai.google.dev/api/generate-content>.

use serde_json::{Value, json};

use super::{Answer, Delivery, Dialogue, Entry, ErrorReply, Event, OfferedTool, Payload};
use crate::models::{script::Failure, usage::Usage};

/// Model and delivery stand in the address, so the server fills them in.
pub(super) fn read(body: &Value) -> Dialogue {
    let mut entries = Vec::new();
    for content in body["contents"].as_array().into_iter().flatten() {
        let role = content["role"].as_str().unwrap_or("user");
        let parts = content["parts"].as_array().into_iter().flatten();
        entries.extend(parts.filter_map(|part| entry(role, part)));
    }
    // A list of groups as documented, or one group alone, which some clients send.
    let tools = &body["tools"];
    let groups = tools.as_array().into_iter().flatten();
    let groups = groups.chain(tools.is_object().then_some(tools));
    let declarations = groups.filter_map(|group| group["functionDeclarations"].as_array());
    let settings = &body["generationConfig"];
    let schema = ["responseJsonSchema", "responseSchema"]
        .into_iter()
        .find_map(|name| settings.get(name).cloned());
    let wants_json = settings["responseMimeType"] == "application/json";
    Dialogue {
        entries,
        tools: declarations.flatten().filter_map(tool).collect(),
        output_schema: schema.or_else(|| wants_json.then(|| json!({"type": "object"}))),
        ..Dialogue::default()
    }
}

fn tool(declaration: &Value) -> Option<OfferedTool> {
    let schema = declaration.get("parametersJsonSchema");
    let schema = schema.unwrap_or(&declaration["parameters"]);
    Some(OfferedTool::function(
        declaration["name"].as_str()?,
        schema.clone(),
    ))
}

fn entry(role: &str, part: &Value) -> Option<Entry> {
    if let Some(name) = part["functionCall"]["name"].as_str() {
        return Some(Entry::Call(name.to_owned()));
    }
    if let Some(answer) = part.get("functionResponse") {
        let response = &answer["response"];
        let output = response["output"].as_str().map(str::to_owned);
        return Some(Entry::Result(
            output.unwrap_or_else(|| response.to_string()),
        ));
    }
    if part["thought"] == true {
        return None;
    }
    let text = part["text"].as_str()?.to_owned();
    Some(match role {
        "model" => Entry::Assistant(text),
        _ => Entry::Person(text),
    })
}

pub(super) fn write(answer: &Answer, delivery: Delivery) -> Payload {
    let call = answer.call.as_ref().map(|call| {
        let id = format!("call_{}", call.id);
        json!({"functionCall": {"id": id, "name": call.name, "args": call.object()}})
    });
    match delivery {
        Delivery::Whole => {
            let text = (!answer.text.is_empty()).then(|| json!({"text": answer.text}));
            let parts: Vec<Value> = text.into_iter().chain(call).collect();
            Payload::Whole(frame(answer, &parts, Finish::Stop))
        }
        Delivery::Streamed => {
            let pieces = answer.pieces().into_iter();
            let parts = pieces.map(|piece| json!({"text": piece})).chain(call);
            let mut events: Vec<Event> = parts
                .map(|part| Event::plain(&frame(answer, &[part], Finish::Open)))
                .collect();
            let last = frame(answer, &[json!({"text": ""})], Finish::Stop);
            events.push(Event::plain(&last));
            Payload::Events(events)
        }
    }
}

/// Whether a frame ends the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    Open,
    Stop,
}

fn usage(usage: Usage) -> Value {
    json!({
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.total(),
    })
}

fn frame(answer: &Answer, parts: &[Value], finish: Finish) -> Value {
    let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
    if finish == Finish::Stop {
        candidate["finishReason"] = json!("STOP");
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage(answer.usage),
        "modelVersion": answer.model,
        "responseId": answer.id,
    })
}

pub(super) fn error_body(status: u16, name: &str, message: &str) -> Value {
    json!({"error": {"code": status, "message": message, "status": name}})
}

pub(super) fn fail(failure: Failure) -> ErrorReply {
    let (status, name, message) = match failure {
        // A wrong key is a bad request here, told from others by its reason.
        Failure::Unauthorized => (
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.",
        ),
        Failure::OutOfCredit => (
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Failure::RateLimited => (
            429,
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
        ),
        Failure::Overloaded => (
            503,
            "UNAVAILABLE",
            "The model is overloaded. Please try again later.",
        ),
        Failure::ServerError => (500, "INTERNAL", "An internal error has occurred."),
    };
    let mut body = error_body(status, name, message);
    if failure == Failure::Unauthorized {
        body["error"]["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }]);
    }
    ErrorReply { status, body }
}
