//! What agents say when their provider refuses, each in its own way.

use super::*;

/// What an agent answers a prompt with, and what is made of it.
async fn failure_after(agent: &str, said: &[Value]) -> AgentFailure {
    let (mut session, mut puppet) = prompted(agent).await;
    for line in said {
        puppet.says(line).await;
    }
    turn_end(&mut session)
        .await
        .failure
        .unwrap_or_else(|| panic!("{agent}: nothing in {said:?}"))
}

fn says(text: &str) -> Value {
    update(
        &json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}),
    )
}

fn answers(result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1001, "result": result})
}

fn refuses(error: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1001, "error": error})
}

/// What the two adapters put into an answer for a client that asks for failures.
fn session_failure(title: &str) -> Value {
    json!({"jetbrains": {"air": {"sessionFailure": {"category": "limit", "severity": "error", "title": title}}}})
}

#[tokio::test]
async fn claudes_failures_are_an_error_or_beside_an_ordinary_end() {
    let refused = refuses(&json!({"code": -32000, "message": "Authentication required"}));
    let failure = failure_after("claude", &[says("API Error: 401"), refused]).await;
    assert!(
        matches!(failure, AgentFailure::CredentialsRefused(_)),
        "{failure}"
    );
    let ended = answers(
        &json!({"stopReason": "end_turn", "_meta": session_failure("Request rejected (429)"),
        "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}}),
    );
    let failure = failure_after("claude", &[ended]).await;
    assert!(matches!(failure, AgentFailure::RateLimited(_)), "{failure}");
}

#[tokio::test]
async fn codexs_failures_are_beside_an_ordinary_end_or_a_missing_count() {
    let broken = update(&json!({"sessionUpdate": "session_info_update",
        "_meta": {"codex": {"threadStatus": {"type": "systemError"}}}}));
    let uncounted = answers(&json!({"stopReason": "end_turn", "usage": null}));
    let told = answers(
        &json!({"stopReason": "end_turn", "usage": null, "_meta": session_failure("last status: 429")}),
    );
    let failure = failure_after(
        "codex",
        &[broken.clone(), says("exceeded retry limit"), told],
    )
    .await;
    assert!(matches!(failure, AgentFailure::RateLimited(_)), "{failure}");
    let failure = failure_after(
        "codex",
        &[says("insufficient_quota"), broken, uncounted.clone()],
    )
    .await;
    assert!(matches!(failure, AgentFailure::OutOfCredit(_)), "{failure}");
    let failure = failure_after("codex", &[uncounted]).await;
    assert!(matches!(failure, AgentFailure::Other(_)), "{failure}");
}

#[tokio::test]
async fn gooses_failures_are_what_it_says_at_an_ordinary_end() {
    let said = [
        says("Ran into this error: Rate limit exceeded: slow"),
        says(" down.\n\nPlease retry if you like."),
    ];
    let ended = answers(&json!({"stopReason": "end_turn"}));
    let failure = failure_after("goose", &[&said[..], &[ended]].concat()).await;
    assert_eq!(
        failure,
        AgentFailure::RateLimited("Rate limit exceeded: slow down.".into())
    );
}

#[tokio::test]
async fn geminis_and_opencodes_failures_are_errors_of_their_own_codes() {
    let failure = failure_after("gemini", &[refuses(&json!({"code": 401, "message": "{}"}))]).await;
    assert!(
        matches!(failure, AgentFailure::CredentialsRefused(_)),
        "{failure}"
    );
    let refused = refuses(
        &json!({"code": -32603, "message": "Internal error: Overloaded", "data": {"errorName": "APIError"}}),
    );
    let failure = failure_after("opencode", &[refused]).await;
    assert!(matches!(failure, AgentFailure::Overloaded(_)), "{failure}");
}

#[tokio::test]
async fn words_about_an_error_are_no_failure_where_work_follows() {
    let (mut session, mut puppet) = prompted("goose").await;
    puppet.text("Ran into this error: no such file.").await;
    puppet
        .says(&update(
            &json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "write · a"}),
        ))
        .await;
    puppet.text("Mended.").await;
    puppet
        .ends_turn(1, &json!({"stopReason": "end_turn"}))
        .await;
    assert_eq!(turn_end(&mut session).await.failure, None);
}
