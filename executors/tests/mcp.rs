//! MCP servers over HTTP: their credential goes in at the proxy, their streams pass piece by piece, and a real agent in a
//! real sandbox uses one without holding its token.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod house;
mod stage;

use deckhand_executors::{
    agent::{McpServer, ModelProvider, SessionStart},
    egress::{Credential, CredentialForm, Rule},
    sandbox::Access,
};
use deckhand_world::models::{Phase, Script, Turn as Act};
use house::{
    House,
    mcp::{MCP_ANSWER, MCP_TOKEN},
    policy, read_until,
};
use serde_json::{Value, json};
use stage::{Beyond, Stage};
use tokio::io::AsyncWriteExt as _;

const URL: &str = "https://packages.example/mcp";

fn rules() -> Value {
    json!([
        {"hosts": ["packages.example"], "paths": ["/mcp"], "methods": ["GET", "POST", "DELETE"],
         "credential": "tracker", "variable": "TRACKER_TOKEN"},
    ])
}

fn credentials() -> Vec<Credential> {
    vec![Credential::new("tracker", &CredentialForm::Bearer, &MCP_TOKEN.into()).unwrap()]
}

fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: packages.example\r\nauthorization: Bearer mine\r\n\
         accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n\
         mcp-session-id: mine\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The body of an answer that came in chunks.
fn unchunked(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    body.split("\r\n").skip(1).step_by(2).collect()
}

#[tokio::test]
async fn a_call_gets_the_credential_by_its_rule_and_its_answer_comes_as_a_stream() {
    let house = House::open().await;
    let mut run = house.run(&rules(), credentials());
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "look_up_ticket"}});
    let answer = run.ask("packages.example", &post("/mcp", &call)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(unchunked(&answer).contains(MCP_ANSWER), "{answer}");
    assert!(
        answer.contains("mcp-session-id: session-of-the-tracker"),
        "{answer}"
    );
    let seen = house.seen().pop().unwrap();
    assert_eq!(seen.headers["authorization"], format!("Bearer {MCP_TOKEN}"));
    assert_eq!(seen.headers["mcp-session-id"], "mine");
    let end = "DELETE /mcp HTTP/1.1\r\nhost: packages.example\r\nconnection: close\r\n\r\n";
    let answer = run.ask("packages.example", end).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Neither beside its path nor by another method.
    let beside = run.ask("packages.example", &post("/other", &call)).await;
    assert!(beside.starts_with("HTTP/1.1 403"), "{beside}");
    assert_eq!(run.record_of("/other").await.rule, Rule::Path);
    let put = "PUT /mcp HTTP/1.1\r\nhost: packages.example\r\nconnection: close\r\n\r\n";
    let put = run.ask("packages.example", put).await;
    assert!(put.starts_with("HTTP/1.1 403"), "{put}");
}

#[tokio::test]
async fn what_a_server_says_by_itself_arrives_while_its_line_stays_open() {
    let house = House::open().await;
    let run = house.run(&rules(), credentials());
    let mut stream = run.connect("packages.example").await;
    let listen = "GET /mcp HTTP/1.1\r\nhost: packages.example\r\naccept: text/event-stream\r\n\r\n";
    stream.write_all(listen.as_bytes()).await.unwrap();
    let heard = read_until(&mut stream, "\"hello\"").await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
}

/// Asks the tracker, and says what it said.
fn script() -> Script {
    Script::honest().on(
        Phase::FollowUp,
        [
            Act::tool("look_up_ticket", json!({"number": 17})),
            Act::decide(|scene| {
                Act::say(if scene.saw(MCP_ANSWER) {
                    "The tracker told me."
                } else {
                    "I know nothing."
                })
            }),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_a_sandbox_uses_a_server_whose_token_is_not_there() {
    let house = House::open().await;
    let mut stage = Stage::set("goose-mcp", ModelProvider::Anthropic, script()).await;
    stage.servers = vec![McpServer {
        name: "tracker".to_owned(),
        url: URL.to_owned(),
    }];
    stage.beyond = Some(Beyond {
        proxy: house.proxy(),
        policy: policy(&rules()),
        credentials: credentials(),
    });
    let mut run = stage.run("mcp", Access::ReadWrite).await;
    let mut session = run.open(SessionStart::New).await;
    session
        .prompt("Deckhand phase: follow_up\nWhat does ticket 17 say?")
        .await
        .unwrap();
    let heard = run.turn(&mut session).await;
    assert_eq!(session.not_offered(), []);
    let seen = house.seen();
    assert!(
        heard.text.contains("The tracker told me."),
        "{heard:?} {seen:?}"
    );
    let calls: Vec<_> = house
        .seen()
        .into_iter()
        .filter(|seen| seen.target == "/mcp" && seen.method == "POST")
        .collect();
    assert!(calls.len() >= 3, "{calls:?}");
    for call in calls {
        assert_eq!(call.headers["authorization"], format!("Bearer {MCP_TOKEN}"));
    }
    let inside = run
        .shell("env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; grep -rs mcp_ /home/agent /tmp /run | head -c 20000")
        .await;
    assert!(
        inside.contains("TRACKER_TOKEN=mcp_"),
        "the search sees what is there"
    );
    assert!(!inside.contains(MCP_TOKEN));
    // A program that knows the address and the placeholder gets on too.
    let listed = run
        .shell("curl -s -X POST -H \"Authorization: Bearer $TRACKER_TOKEN\" -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\"}' https://packages.example/mcp")
        .await;
    assert!(listed.contains("look_up_ticket"), "{listed}");
    run.end().await;
    stage.strike().await;
}
