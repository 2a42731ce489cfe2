//! A session that another owner goes on with.

use super::*;

#[tokio::test]
async fn a_new_owner_hears_what_came_after_the_stored_point_and_nothing_twice() {
    let (mut session, mut puppet) = prompted("claude").await;
    puppet.text("one").await;
    assert_eq!(session.next_event().await, AgentEvent::Text("one".into()));
    let ask = |id: i64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": {"sessionId": "s-1",
            "toolCall": {"toolCallId": "t"}, "options": [{"optionId": "y", "name": "Yes", "kind": "allow_once"}]}})
    };
    puppet.says(&ask(7)).await;
    puppet
        .says(&update(&json!({"sessionUpdate": "usage_update", "used": 5, "size": 100, "cost": {"amount": 0.5, "currency": "USD"}})))
        .await;
    assert!(matches!(session.next_event().await, AgentEvent::Usage(_)));
    assert_eq!(puppet.hears().await["id"], 7);
    let point = serde_json::to_string(&session.resume_point()).unwrap();
    drop(session);

    puppet.raw(b"noise\n").await;
    puppet.text("two").await;
    puppet.says(&ask(8)).await;
    let attachment = puppet.attach_again().await;
    let profile = AgentProfile::load("claude").unwrap();
    let point = serde_json::from_str(&point).unwrap();
    let mut session = AgentSession::reopen(attachment, &profile, point, None)
        .await
        .unwrap();
    assert_eq!(session.turn(), Turn::Open);
    assert_eq!(session.prompt("again").await, Err(PromptError::TurnOpen));
    assert_eq!(session.usage().cost, Cost::Reported(MicroDollars(500_000)));
    assert_eq!(session.next_event().await, AgentEvent::Text("two".into()));
    let answer = tokio::select! {
        heard = puppet.hears() => heard,
        event = session.next_event() => panic!("{event:?}"),
    };
    assert_eq!(answer["id"], 8, "the one before the point has its answer");
    puppet.ends_turn(1, &json!({"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})).await;
    assert_eq!(turn_end(&mut session).await.stop, Stop::EndTurn);
    session.prompt("next").await.unwrap();
    assert_eq!(puppet.hears().await["id"], 1002);
}

#[tokio::test]
async fn a_prompt_that_the_point_does_not_know_of_is_noticed_by_its_effects() {
    let (mut session, mut puppet) = opened("codex").await;
    let point = session.resume_point();
    session.prompt("Deckhand phase: work").await.unwrap();
    drop(session);
    puppet.text("I begin.").await;
    let attachment = puppet.attach_again().await;
    let profile = AgentProfile::load("codex").unwrap();
    let mut session = AgentSession::reopen(attachment, &profile, point, None)
        .await
        .unwrap();
    assert_eq!(session.turn(), Turn::Waiting);
    session.settle(Duration::from_millis(50)).await;
    assert_eq!(session.turn(), Turn::Open);
    assert_eq!(
        session.next_event().await,
        AgentEvent::Text("I begin.".into())
    );
    puppet.ends_turn(1, &json!({"stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})).await;
    assert_eq!(turn_end(&mut session).await.failure, None);
}

#[tokio::test]
async fn a_point_does_not_pass_events_that_wait() {
    let (mut session, mut puppet) = prompted("gemini").await;
    puppet
        .says(&update(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "g", "status": "completed", "title": "x", "kind": "read"})))
        .await;
    assert!(matches!(
        session.next_event().await,
        AgentEvent::ToolStarted(_)
    ));
    let between = session.resume_point().position;
    assert!(matches!(
        session.next_event().await,
        AgentEvent::ToolEnded(_)
    ));
    assert!(
        session.resume_point().position > between,
        "one line gave both"
    );
}

#[tokio::test]
async fn an_earlier_output_that_is_gone_is_a_clear_failure() {
    let (session, _puppet) = opened("goose").await;
    let mut point = session.resume_point();
    point.position += 1_000;
    let (attachment, mut puppet) = Puppet::new();
    puppet.text("hello").await;
    drop(puppet);
    let profile = AgentProfile::load("goose").unwrap();
    let failure = AgentSession::reopen(attachment, &profile, point, None)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(failure, AgentFailure::ProtocolBroken(_)),
        "{failure}"
    );
}
