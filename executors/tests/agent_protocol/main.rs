//! The protocol client against a puppet: an agent that says what a test wants, also what no agent should.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod failures;
mod puppet;
mod resuming;

use std::time::Duration;

use deckhand_executors::agent::{
    AgentEvent, AgentFailure, AgentProfile, AgentSession, AgentSessionId, Cost, HandoverTools,
    McpServer, MicroDollars, PermissionAnswer, PriceTable, PromptError, SessionOptions,
    SessionStart, Stop, Turn, TurnEnded,
};
use puppet::{Puppet, update};
use serde_json::{Value, json};

fn options(start: SessionStart) -> SessionOptions {
    SessionOptions {
        working_directory: "/work/repo".into(),
        start,
        tools: HandoverTools::Offered,
        servers: vec![],
        permissions: PermissionAnswer::Allow,
        price: PriceTable::built_in().of("claude-opus"),
    }
}

fn earlier() -> SessionStart {
    SessionStart::Continue {
        session: AgentSessionId("s-1".into()),
        cost_before: MicroDollars(0),
    }
}

/// An open session of an agent, with the puppet behind it.
async fn opened(agent: &str) -> (AgentSession, Puppet) {
    let (attachment, mut puppet) = Puppet::new();
    let profile = AgentProfile::load(agent).unwrap();
    let (session, ()) = tokio::join!(
        AgentSession::open(attachment, &profile, options(SessionStart::New)),
        puppet.open_new(agent),
    );
    (session.unwrap(), puppet)
}

/// An open session that works on its first prompt.
async fn prompted(agent: &str) -> (AgentSession, Puppet) {
    let (mut session, mut puppet) = opened(agent).await;
    session.prompt("Deckhand phase: work").await.unwrap();
    assert_eq!(puppet.hears().await["id"], 1001);
    (session, puppet)
}

/// The events up to the end of the turn or of the process.
async fn until_end(session: &mut AgentSession) -> Vec<AgentEvent> {
    let mut events = Vec::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(10), session.next_event())
            .await
            .expect("no event");
        let is_end = matches!(event, AgentEvent::TurnEnded(_) | AgentEvent::Ended { .. });
        events.push(event);
        if is_end {
            return events;
        }
    }
}

async fn turn_end(session: &mut AgentSession) -> TurnEnded {
    match until_end(session).await.pop() {
        Some(AgentEvent::TurnEnded(ended)) => ended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_session_opens_with_the_tools_and_the_mode_of_its_agent() {
    let (attachment, mut puppet) = Puppet::new();
    let profile = AgentProfile::load("claude").unwrap();
    let (session, heard) = tokio::join!(
        AgentSession::open(attachment, &profile, options(SessionStart::New)),
        async {
            let initialize = puppet.answers(json!({"protocolVersion": 1})).await;
            let new = puppet.answers(json!({"sessionId": "s-1"})).await;
            let mode = puppet.answers(json!({"configOptions": []})).await;
            [initialize, new, mode]
        },
    );
    let [initialize, new, mode] = heard;
    assert_eq!(
        (&initialize["id"], &initialize["method"]),
        (&json!(1), &json!("initialize"))
    );
    assert_eq!(
        initialize["params"]["clientCapabilities"]["session"],
        json!({"notices": {}})
    );
    assert_eq!(
        (&new["id"], &new["method"]),
        (&json!(2), &json!("session/new"))
    );
    assert_eq!(
        new["params"],
        json!({"cwd": "/work/repo", "mcpServers": [
            {"name": "deckhand", "command": "/opt/deckhand/shim", "args": ["mcp"], "env": []}]})
    );
    assert_eq!(
        mode["params"],
        json!({"sessionId": "s-1", "configId": "mode", "value": "bypassPermissions"})
    );
    let session = session.unwrap();
    assert_eq!(session.session_id().0, "s-1");
    assert_eq!(session.turn(), Turn::Waiting);
}

#[tokio::test]
async fn servers_over_http_are_offered_to_agents_that_take_such_and_named_otherwise() {
    let profile = AgentProfile::load("goose").unwrap();
    for takes in [true, false] {
        let (attachment, mut puppet) = Puppet::new();
        let mut options = options(SessionStart::New);
        options.servers = vec![McpServer {
            name: "tracker".into(),
            url: "https://mcp.example/mcp".into(),
        }];
        let (session, new) = tokio::join!(
            AgentSession::open(attachment, &profile, options),
            async {
                let said = json!({"protocolVersion": 1, "agentCapabilities": {"mcpCapabilities": {"http": takes}}});
                puppet.answers(said).await;
                puppet.answers(json!({"sessionId": "s-1"})).await
            }
        );
        let servers = &new["params"]["mcpServers"];
        let not_offered = session.unwrap().not_offered().len();
        if takes {
            assert_eq!(
                servers[1],
                json!({"type": "http", "name": "tracker", "url": "https://mcp.example/mcp", "headers": []})
            );
            assert_eq!(not_offered, 0);
        } else {
            assert_eq!(servers.as_array().unwrap().len(), 1);
            assert_eq!(not_offered, 1);
        }
    }
}

#[tokio::test]
async fn a_turn_becomes_text_tools_usage_and_an_end() {
    let (mut session, mut puppet) = prompted("claude").await;
    assert_eq!(session.turn(), Turn::Open);
    puppet
        .says(&update(
            &json!({"sessionUpdate": "available_commands_update", "availableCommands": []}),
        ))
        .await;
    puppet.says(&update(&json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "Hm."}}))).await;
    puppet.text("I look.").await;
    puppet
        .says(&update(&json!({"sessionUpdate": "tool_call", "toolCallId": "t", "name": "Bash", "title": "ls", "kind": "execute", "rawInput": {"command": "ls"}})))
        .await;
    puppet
        .says(&update(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed", "rawOutput": "a", "_meta": {"claudeCode": {}}})))
        .await;
    puppet
        .says(&update(&json!({"sessionUpdate": "usage_update", "used": 10, "size": 100, "cost": {"amount": 0.02, "currency": "USD"}})))
        .await;
    puppet.says(&update(&json!({"sessionUpdate": "plan", "entries": [{"content": "Mend", "priority": "high", "status": "in_progress"}]}))).await;
    puppet
        .says(&update(
            &json!({"sessionUpdate": "notice", "severity": "warning", "title": "Retrying"}),
        ))
        .await;
    puppet.ends_turn(1, &json!({"stopReason": "end_turn", "usage": {"totalTokens": 9, "inputTokens": 4, "outputTokens": 5}})).await;
    let names: Vec<String> = until_end(&mut session)
        .await
        .iter()
        .map(|event| match event {
            AgentEvent::Text(text) => format!("text {text}"),
            AgentEvent::Thought(text) => format!("thought {text}"),
            AgentEvent::ToolStarted(tool) => format!("started {:?}", tool.command),
            AgentEvent::ToolEnded(tool) => {
                format!("ended {:?} {}", tool.exit_status, tool.output_tail)
            }
            AgentEvent::PlanUpdated(steps) => format!("plan {}", steps[0].text),
            AgentEvent::Usage(usage) => format!("usage {:?}", usage.cost),
            AgentEvent::Notice(text) => format!("notice {text}"),
            AgentEvent::TurnEnded(end) => format!(
                "{:?} {:?} {}",
                end.stop,
                end.failure,
                end.usage.tokens.total()
            ),
            AgentEvent::Ended { .. } => String::from("gone"),
        })
        .collect();
    assert_eq!(
        names,
        [
            "thought Hm.",
            "text I look.",
            "started Some(\"ls\")",
            "ended Some(0) a",
            "usage Reported(MicroDollars(20000))",
            "plan Mend",
            "notice Retrying",
            "EndTurn None 9",
        ]
    );
    assert_eq!(session.turn(), Turn::Waiting);
    assert_eq!(session.session_cost(), Some(MicroDollars(20_000)));
}

#[tokio::test]
async fn a_second_prompt_waits_for_the_first_ones_answer() {
    let (mut session, mut puppet) = prompted("goose").await;
    assert_eq!(session.prompt("more").await, Err(PromptError::TurnOpen));
    puppet
        .ends_turn(1, &json!({"stopReason": "end_turn"}))
        .await;
    turn_end(&mut session).await;
    session.prompt("more").await.unwrap();
    let second = puppet.hears().await;
    assert_eq!(second["id"], 1002);
    assert_eq!(
        second["params"]["prompt"],
        json!([{"type": "text", "text": "more"}])
    );
}

#[tokio::test]
async fn a_prompt_longer_than_a_mebibyte_is_refused() {
    let (mut session, _puppet) = opened("goose").await;
    let long = "x".repeat((1 << 20) + 1);
    assert_eq!(
        session.prompt(&long).await,
        Err(PromptError::TooLong(long.len()))
    );
}

#[tokio::test]
async fn nonsense_is_dropped_and_counted_and_unknown_requests_are_refused() {
    let (mut session, mut puppet) = prompted("goose").await;
    puppet
        .raw(b"Loading...\n\x1b[31m\xff\xfe\n{\"half\": \n[]\n")
        .await;
    puppet
        .says(&update(
            &json!({"sessionUpdate": "from_the_future", "x": 1}),
        ))
        .await;
    puppet
        .says(&update(
            &json!({"sessionUpdate": "tool_call", "toolCallId": 5}),
        ))
        .await;
    puppet
        .says(&json!({"jsonrpc": "2.0", "method": "_auth/status_update", "params": {}}))
        .await;
    puppet
        .says(&json!({"jsonrpc": "2.0", "id": 77, "result": {}}))
        .await;
    puppet.says(&json!({"jsonrpc": "2.0", "id": "q", "method": "fs/write_text_file", "params": {"path": "/etc/x"}})).await;
    let (refused, event) = tokio::join!(puppet.hears(), async {
        tokio::time::timeout(Duration::from_millis(200), session.next_event()).await
    });
    assert_eq!(
        (&refused["id"], &refused["error"]["code"]),
        (&json!("q"), &json!(-32601))
    );
    assert!(event.is_err(), "{event:?}");
    puppet
        .ends_turn(1, &json!({"stopReason": "because_of_the_future"}))
        .await;
    assert_eq!(
        turn_end(&mut session).await.stop,
        Stop::Unknown("because_of_the_future".into())
    );
    assert_eq!(session.dropped_lines(), 4);
}

#[tokio::test]
async fn permission_is_answered_by_the_kind_of_the_option() {
    let ask = |kinds: &[&str]| {
        let option =
            |kind: &&str| json!({"optionId": format!("id-{kind}"), "name": kind, "kind": kind});
        json!({"jsonrpc": "2.0", "id": 0, "method": "session/request_permission", "params": {
            "sessionId": "s-1", "toolCall": {"toolCallId": "t"}, "options": kinds.iter().map(option).collect::<Vec<_>>()}})
    };
    let table = [
        (
            &["reject_once", "allow_always", "allow_once"][..],
            json!({"outcome": "selected", "optionId": "id-allow_once"}),
        ),
        (
            &["reject_once", "allow_always"][..],
            json!({"outcome": "selected", "optionId": "id-allow_always"}),
        ),
        (&["reject_once"][..], json!({"outcome": "cancelled"})),
    ];
    let (mut session, mut puppet) = prompted("gemini").await;
    for (kinds, outcome) in table {
        puppet.says(&ask(kinds)).await;
        let answer = tokio::select! {
            answer = puppet.hears() => answer,
            event = session.next_event() => panic!("{event:?}"),
        };
        assert_eq!(
            answer,
            json!({"jsonrpc": "2.0", "id": 0, "result": {"outcome": outcome}})
        );
    }
}

#[tokio::test]
async fn a_line_of_seventeen_mebibytes_ends_the_session_with_a_reason() {
    let (mut session, mut puppet) = prompted("goose").await;
    let feeding = tokio::spawn(async move {
        for _ in 0..17 {
            puppet.raw(&vec![b'x'; 1 << 20]).await;
        }
    });
    let events = until_end(&mut session).await;
    let Some(AgentEvent::Ended {
        failure: Some(AgentFailure::ProtocolBroken(reason)),
        ..
    }) = events.last()
    else {
        panic!("{events:?}");
    };
    assert_eq!(reason, "one line of more than 16 MiB");
    assert_eq!(session.prompt("more").await, Err(PromptError::TurnOpen));
    feeding.abort();
}

#[tokio::test]
async fn a_hundred_megabytes_of_nonsense_end_the_session_and_are_not_kept() {
    let (mut session, mut puppet) = prompted("goose").await;
    let feeding = tokio::spawn(async move {
        let nonsense = b"All work and no play makes Jack a dull boy.\n".repeat(24_000);
        for _ in 0..100 {
            puppet.raw(&nonsense).await;
        }
    });
    let events = until_end(&mut session).await;
    assert!(
        matches!(
            &events[..],
            [AgentEvent::Ended {
                failure: Some(AgentFailure::ProtocolBroken(_)),
                ..
            }]
        ),
        "{events:?}"
    );
    feeding.abort();
}

#[tokio::test]
async fn a_process_that_dies_in_its_work_leaves_the_end_of_its_errors() {
    let (mut session, mut puppet) = prompted("opencode").await;
    puppet.text("I be").await;
    puppet.complains("panic: out of cheese").await;
    drop(puppet);
    let events = until_end(&mut session).await;
    assert_eq!(events[0], AgentEvent::Text("I be".into()));
    let gone = AgentEvent::Ended {
        failure: None,
        errors_tail: "panic: out of cheese".into(),
    };
    assert_eq!(events[1], gone);
    assert_eq!(session.next_event().await, gone, "the end does not go away");
}

#[tokio::test]
async fn a_program_that_ends_at_once_did_not_start() {
    let (attachment, mut puppet) = Puppet::new();
    puppet.complains("node: not found").await;
    drop(puppet);
    let profile = AgentProfile::load("claude").unwrap();
    let failure = AgentSession::open(attachment, &profile, options(SessionStart::New))
        .await
        .err()
        .unwrap();
    let AgentFailure::StartFailed {
        reason,
        errors_tail,
    } = failure
    else {
        panic!("{failure:?}");
    };
    assert_eq!(
        (reason.as_str(), errors_tail.as_str()),
        ("its program ended", "node: not found")
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_that_says_nothing_did_not_start() {
    let (attachment, puppet) = Puppet::new();
    let profile = AgentProfile::load("codex").unwrap();
    let failure = AgentSession::open(attachment, &profile, options(SessionStart::New))
        .await
        .err()
        .unwrap();
    assert!(
        failure
            .to_string()
            .contains("no answer to initialize in 60 s"),
        "{failure}"
    );
    drop(puppet);
}

#[tokio::test]
async fn a_session_that_the_agent_has_forgotten_is_told_apart_from_a_failed_start() {
    let (attachment, mut puppet) = Puppet::new();
    let profile = AgentProfile::load("codex").unwrap();
    let (session, ()) = tokio::join!(
        AgentSession::open(attachment, &profile, options(earlier())),
        async {
            puppet.answers(json!({})).await;
            let resume = puppet.hears().await;
            assert_eq!(resume["method"], "session/resume");
            assert_eq!(resume["params"]["sessionId"], "s-1");
            puppet.says(&json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32002, "message": "Resource not found"}})).await;
        }
    );
    assert_eq!(
        session.err(),
        Some(AgentFailure::SessionLost("Resource not found".into()))
    );
}

#[tokio::test]
async fn an_old_conversation_that_is_told_again_is_no_news() {
    let (attachment, mut puppet) = Puppet::new();
    let profile = AgentProfile::load("gemini").unwrap();
    let (session, ()) = tokio::join!(
        AgentSession::open(attachment, &profile, options(earlier())),
        async {
            puppet.answers(json!({})).await;
            assert_eq!(puppet.hears().await["method"], "session/load");
            puppet.text("long ago").await;
            puppet
                .says(&json!({"jsonrpc": "2.0", "id": 2, "result": {}}))
                .await;
            assert_eq!(puppet.hears().await["method"], "session/set_mode");
            puppet.text("[MODE_UPDATE] yolo").await;
            puppet
                .says(&json!({"jsonrpc": "2.0", "id": 3, "result": {}}))
                .await;
            puppet.text("still long ago").await;
        }
    );
    let mut session = session.unwrap();
    assert_eq!(session.turn(), Turn::Waiting);
    session.prompt("go on").await.unwrap();
    puppet.hears().await;
    puppet.text("now").await;
    assert_eq!(session.next_event().await, AgentEvent::Text("now".into()));
}

#[tokio::test]
async fn cancelling_is_a_notification_and_its_end_is_no_failure() {
    let (mut session, mut puppet) = prompted("claude").await;
    session.cancel();
    let cancel = tokio::select! {
        heard = puppet.hears() => heard,
        event = session.next_event() => panic!("{event:?}"),
    };
    assert_eq!(
        cancel,
        json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": "s-1"}})
    );
    puppet
        .ends_turn(1, &json!({"stopReason": "cancelled", "usage": null}))
        .await;
    let end = turn_end(&mut session).await;
    assert_eq!((end.stop, end.failure), (Stop::Cancelled, None));
}
