//! A stand-in for an MCP server over HTTP: it answers nobody without its token, and its answers are streams of events.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    Method, Response, StatusCode,
    body::Frame,
    http::{request::Parts, response::Builder},
};
use serde_json::{Value, json};

use super::{Body, whole};

/// The only token that it takes.
pub const MCP_TOKEN: &str = "mcp_RealTokenOfTheTracker0123456789";
/// What its only tool answers.
pub const MCP_ANSWER: &str = "ticket 17 says: the lighthouse is green";
const SESSION: &str = "session-of-the-tracker";

/// Answers one request.
pub fn answer(head: &Parts, body: &[u8]) -> Response<Body> {
    let given = head.headers.get("authorization");
    if given.is_none_or(|given| given != &format!("Bearer {MCP_TOKEN}")) {
        return of(StatusCode::UNAUTHORIZED)
            .header("www-authenticate", "Bearer")
            .body(whole(Bytes::from("who are you?")))
            .unwrap();
    }
    match head.method {
        Method::POST => posted(&serde_json::from_slice(body).unwrap()),
        Method::GET => own_messages(),
        Method::DELETE => of(StatusCode::OK).body(whole(Bytes::new())).unwrap(),
        _ => of(StatusCode::METHOD_NOT_ALLOWED)
            .body(whole(Bytes::new()))
            .unwrap(),
    }
}

fn posted(message: &Value) -> Response<Body> {
    let id = &message["id"];
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "tracker", "version": "1"},
        }),
        "tools/list" => json!({"tools": [{
            "name": "look_up_ticket",
            "description": "Reads a ticket.",
            "inputSchema": {"type": "object", "properties": {"number": {"type": "integer"}}},
        }]}),
        "tools/call" => json!({"content": [{"type": "text", "text": MCP_ANSWER}]}),
        _ if id.is_null() => {
            return of(StatusCode::ACCEPTED).body(whole(Bytes::new())).unwrap();
        }
        // A server of an earlier version of the protocol, as most are.
        _ => {
            let error = json!({"code": -32601, "message": "Method not found"});
            return stream_of(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
    stream_of(&answer)
}

fn of(status: StatusCode) -> Builder {
    Response::builder()
        .status(status)
        .header("mcp-session-id", SESSION)
}

fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

/// One answer as a stream of events, in small pieces.
fn stream_of(message: &Value) -> Response<Body> {
    let pieces: Vec<_> = event(message)
        .chunks(11)
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    of(StatusCode::OK)
        .header("content-type", "text/event-stream")
        .body(StreamBody::new(stream::iter(pieces)).boxed_unsync())
        .unwrap()
}

/// The server's own messages: one, and then the line stays open.
fn own_messages() -> Response<Body> {
    let hello = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "hello"}});
    let first = stream::iter([Ok::<_, Infallible>(Frame::data(event(&hello)))]);
    of(StatusCode::OK)
        .header("content-type", "text/event-stream")
        .body(StreamBody::new(first.chain(stream::pending())).boxed_unsync())
        .unwrap()
}
