//! JSON-RPC 2.0 messages, one a line: what came from an agent, and what is sent to it.

use agent_client_protocol_schema::v1::{Error, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

/// A message of an agent, not yet read any further than its envelope.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It wants an answer.
    Request {
        id: RequestId,
        method: String,
        params: Box<RawValue>,
    },
    /// It tells something.
    Notification {
        method: String,
        params: Box<RawValue>,
    },
    /// It answers a request of ours.
    Response {
        id: RequestId,
        result: Result<Box<RawValue>, Error>,
    },
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "present")]
    id: Option<RequestId>,
    method: Option<String>,
    params: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<Error>,
}

/// Keeps an id of `null` apart from none at all.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<RequestId>, D::Error> {
    RequestId::deserialize(deserializer).map(Some)
}

impl Incoming {
    /// Reads a line; nothing where it is no message.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let envelope: Envelope = serde_json::from_slice(line).ok()?;
        let params = envelope.params.unwrap_or_else(|| RawValue::NULL.to_owned());
        match (envelope.method, envelope.id, envelope.error) {
            (Some(method), Some(id), _) => Some(Self::Request { id, method, params }),
            (Some(method), None, _) => Some(Self::Notification { method, params }),
            (None, Some(id), Some(error)) => Some(Self::Response {
                id,
                result: Err(error),
            }),
            (None, Some(id), None) => Some(Self::Response {
                id,
                // A result of `null` is an answer; serde reads it as none.
                result: Ok(envelope.result.unwrap_or_else(|| RawValue::NULL.to_owned())),
            }),
            (None, None, _) => None,
        }
    }
}

/// A request of ours as a line.
pub(super) fn request(id: i64, method: &str, params: &impl Serialize) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

/// A notification of ours as a line.
pub(super) fn notification(method: &str, params: &impl Serialize) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

/// An answer of ours as a line.
pub(super) fn answer(id: &RequestId, result: &impl Serialize) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// A refusal of ours as a line.
pub(super) fn refusal(id: &RequestId, error: &Error) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

fn line(message: &Value) -> Vec<u8> {
    let mut line = message.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_line_is_a_request_a_notification_a_response_or_nothing() {
        let kind = |line: &str| match Incoming::parse(line.as_bytes()) {
            Some(Incoming::Request { id, method, .. }) => format!("request {id} {method}"),
            Some(Incoming::Notification { method, .. }) => format!("notification {method}"),
            Some(Incoming::Response { id, result }) => format!("response {id} {}", result.is_ok()),
            None => String::from("nothing"),
        };
        let table = [
            (r#"{"jsonrpc":"2.0","id":"a","method":"m"}"#, "request a m"),
            (
                r#"{"jsonrpc":"2.0","id":0,"method":"m","params":{}}"#,
                "request 0 m",
            ),
            (
                r#"{"jsonrpc":"2.0","method":"m","params":{}}"#,
                "notification m",
            ),
            (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, "response 3 true"),
            (
                r#"{"jsonrpc":"2.0","id":3,"result":null}"#,
                "response 3 true",
            ),
            (
                r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"x"}}"#,
                "response 3 false",
            ),
            (r#"{"level":"info","text":"starting"}"#, "nothing"),
            ("Loaded cached credentials.", "nothing"),
            ("[1,2]", "nothing"),
            ("", "nothing"),
        ];
        for (line, expected) in table {
            assert_eq!(kind(line), expected, "{line}");
        }
    }
}
