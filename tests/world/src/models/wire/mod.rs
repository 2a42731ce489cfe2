//! The four wire formats: each file reads one provider's requests and writes its answers and errors.

mod anthropic;
mod chat;
mod gemini;
mod responses;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{script::Failure, usage::Usage};

/// Characters in one piece of a streamed text.
const PIECE_CHARACTERS: usize = 24;

/// How deep an invented value may nest.
const SAMPLE_DEPTH: usize = 6;

/// A wire format of a model provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Anthropic Messages.
    Anthropic,
    /// `OpenAI` Responses.
    Responses,
    /// `OpenAI` Chat Completions, which most compatible endpoints speak.
    Chat,
    /// Gemini's `generateContent`.
    Gemini,
}

/// A request in no provider's form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialogue {
    /// What was said and done, oldest first.
    pub entries: Vec<Entry>,
    /// The tools that the agent offers.
    pub tools: Vec<OfferedTool>,
    /// The model asked for; empty where the address has it.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub delivery: Delivery,
    /// The form that the answer's text must have, where one is asked for.
    pub output_schema: Option<Value>,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// As one body.
    #[default]
    Whole,
    /// As server-sent events.
    Streamed,
}

/// One thing in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Text of a person, or of the agent in a person's name.
    Person(String),
    /// Text of the model.
    Assistant(String),
    /// A call of this tool by the model.
    Call(String),
    /// What a tool answered.
    Result(String),
}

impl Entry {
    /// The text, where a person wrote it.
    pub fn person(&self) -> Option<&str> {
        match self {
            Self::Person(text) => Some(text),
            Self::Assistant(_) | Self::Call(_) | Self::Result(_) => None,
        }
    }

    /// The text, where a tool answered it.
    pub fn result(&self) -> Option<&str> {
        match self {
            Self::Result(text) => Some(text),
            Self::Assistant(_) | Self::Call(_) | Self::Person(_) => None,
        }
    }
}

/// A tool that the agent offers to the model.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedTool {
    /// Its name, without the namespace.
    pub name: String,
    /// The group that it came in, where the wire has groups.
    pub namespace: Option<String>,
    /// How it is called.
    pub form: ToolForm,
    /// The schema of its arguments.
    pub schema: Value,
}

impl OfferedTool {
    /// An ordinary tool.
    pub fn function(name: impl Into<String>, schema: Value) -> Self {
        Self {
            name: name.into(),
            namespace: None,
            form: ToolForm::Function,
            schema,
        }
    }

    /// Namespace and name.
    pub fn qualified(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}::{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// How a tool takes its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolForm {
    /// As a JSON object.
    Function,
    /// As text.
    Freeform,
}

/// What the model answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Unique among all answers.
    pub id: String,
    /// The model that the request named.
    pub model: String,
    /// What it says; may be empty where it calls a tool.
    pub text: String,
    /// The tool that it calls.
    pub call: Option<ToolCall>,
    /// The tokens reported.
    pub usage: Usage,
}

impl Answer {
    /// The text in the pieces in which it is streamed.
    pub fn pieces(&self) -> Vec<String> {
        let characters: Vec<char> = self.text.chars().collect();
        characters
            .chunks(PIECE_CHARACTERS)
            .map(|piece| piece.iter().collect())
            .collect()
    }
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// Unique among all calls.
    pub id: String,
    /// The tool's name, without the namespace.
    pub name: String,
    /// The tool's namespace.
    pub namespace: Option<String>,
    /// What the tool gets.
    pub input: CallInput,
}

impl PartialEq for ToolCall {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.namespace, &self.input) == (&other.name, &other.namespace, &other.input)
    }
}

impl ToolCall {
    /// A call of that tool.
    pub fn new(tool: &OfferedTool, input: CallInput) -> Self {
        Self {
            id: Uuid::new_v4().simple().to_string(),
            name: tool.name.clone(),
            namespace: tool.namespace.clone(),
            input,
        }
    }

    /// The input as an object, which every wire but one has.
    pub fn object(&self) -> Value {
        match &self.input {
            CallInput::Json(value) => value.clone(),
            CallInput::Freeform(text) => json!({ "input": text }),
        }
    }
}

/// What a tool gets.
#[derive(Clone, Debug, PartialEq)]
pub enum CallInput {
    /// An object.
    Json(Value),
    /// Text.
    Freeform(String),
}

/// An answer in a provider's own form.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// One body.
    Whole(Value),
    /// Server-sent events.
    Events(Vec<Event>),
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    name: Option<&'static str>,
    data: String,
}

impl Event {
    /// An event whose name also stands in its data, as Anthropic and Responses have it.
    fn typed(name: &'static str, mut data: Value) -> Self {
        data["type"] = json!(name);
        Self {
            name: Some(name),
            data: data.to_string(),
        }
    }

    /// An event without a name.
    fn plain(data: &Value) -> Self {
        Self {
            name: None,
            data: data.to_string(),
        }
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> String {
        match self.name {
            Some(name) => format!("event: {name}\ndata: {}\n\n", self.data),
            None => format!("data: {}\n\n", self.data),
        }
    }
}

/// An error in a provider's own form.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Provider {
    /// Reads a request.
    pub(super) fn read(self, body: &Value) -> Dialogue {
        match self {
            Self::Anthropic => anthropic::read(body),
            Self::Responses => responses::read(body),
            Self::Chat => chat::read(body),
            Self::Gemini => gemini::read(body),
        }
    }

    /// Writes an answer.
    pub(super) fn write(self, answer: &Answer, delivery: Delivery) -> Payload {
        match self {
            Self::Anthropic => anthropic::write(answer, delivery),
            Self::Responses => responses::write(answer, delivery),
            Self::Chat => chat::write(answer, delivery),
            Self::Gemini => gemini::write(answer, delivery),
        }
    }

    /// The status and the body of a failure.
    pub(super) fn fail(self, failure: Failure) -> ErrorReply {
        match self {
            Self::Anthropic => anthropic::fail(failure),
            Self::Responses | Self::Chat => open_ai_failure(failure),
            Self::Gemini => gemini::fail(failure),
        }
    }

    /// The body of an answer to an address that the provider does not have.
    pub(super) fn not_found(self) -> ErrorReply {
        let message = "The stand-in does not have this address.";
        let body = match self {
            Self::Anthropic => anthropic::error_body("not_found_error", message),
            Self::Responses | Self::Chat => {
                json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}})
            }
            Self::Gemini => gemini::error_body(404, "NOT_FOUND", message),
        };
        ErrorReply { status: 404, body }
    }
}

/// Both of `OpenAI`'s interfaces fail alike.
fn open_ai_failure(failure: Failure) -> ErrorReply {
    let (status, kind, code, message) = match failure {
        Failure::Unauthorized => (
            401,
            "invalid_request_error",
            json!("invalid_api_key"),
            "Incorrect API key provided. You can find your API key at the provider's platform page.",
        ),
        Failure::OutOfCredit => (
            429,
            "insufficient_quota",
            json!("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Failure::RateLimited => (
            429,
            "requests",
            json!("rate_limit_exceeded"),
            "Rate limit reached for requests. Please try again in 1s.",
        ),
        Failure::Overloaded => (
            503,
            "server_error",
            json!("server_is_overloaded"),
            "The server is overloaded with other requests.",
        ),
        Failure::ServerError => (
            500,
            "server_error",
            Value::Null,
            "The server had an error while processing your request.",
        ),
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    ErrorReply { status, body }
}

/// The text of a content that is either text or a list of parts with texts.
fn texts(content: &Value) -> Vec<String> {
    match content {
        Value::String(text) => vec![text.clone()],
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
            .map(str::to_owned)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// Some value that fits the schema, for side calls that want an object.
pub fn sample(schema: &Value) -> Value {
    sample_at(schema, SAMPLE_DEPTH)
}

fn sample_at(schema: &Value, depth: usize) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(first) = schema["enum"]
        .as_array()
        .and_then(|options| options.first())
    {
        return first.clone();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(first) = schema[choice]
            .as_array()
            .and_then(|options| options.first())
        {
            return sample_at(first, depth - 1);
        }
    }
    match schema["type"].as_str().map(str::to_lowercase).as_deref() {
        Some("object") => {
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten();
            let filled = fields.map(|(name, field)| (name.clone(), sample_at(field, depth - 1)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("string") => json!("Scripted answer"),
        Some("integer" | "number") => json!(0),
        Some("boolean") => json!(false),
        Some(_) | None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_fits_its_schema() {
        let schema = json!({"type": "OBJECT", "properties": {
            "title": {"type": "STRING"},
            "next": {"type": "string", "enum": ["user", "model"]},
            "score": {"type": "number"},
            "more": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        }});
        let expected =
            json!({"title": "Scripted answer", "next": "user", "score": 0, "more": false});
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn the_pieces_of_a_text_are_the_text() {
        let answer = Answer {
            id: String::new(),
            model: String::new(),
            text: "Grüße an alle, die dies in Stücken lesen müssen. ".repeat(3),
            call: None,
            usage: Usage::of_step(0, 0),
        };
        assert!(answer.pieces().len() > 3);
        assert_eq!(answer.pieces().concat(), answer.text);
    }
}
