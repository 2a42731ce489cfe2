//! Webhooks in which one thing is missing, or is something else than it is said to be.

use super::bench::Bench;
use crate::{
    domain::incoming::Incoming,
    linear::{about, accept, read},
    slack::tests::broken::broken,
};

/// What was said, where it is heard.
fn said(incoming: Option<Incoming>) -> Option<String> {
    match incoming? {
        Incoming::Said { text, .. } => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_said_in_a_session_is_heard_whatever_else_is_wrong_in_its_webhook() {
    /// Without these it is nobody's, nowhere, or says nothing.
    const NEEDED: [&str; 12] = [
        "/type",
        "/action",
        "/agentSession",
        "/agentSession/id",
        "/agentSession/comment",
        "/agentSession/comment/id",
        "/agentSession/comment/body",
        "/agentActivity",
        "/agentActivity/id",
        "/agentActivity/content",
        "/agentActivity/content/body",
        "/agentActivity/user",
    ];
    let mut bench = Bench::start().await;
    let issue = bench
        .world
        .create_issue("ana", "Offset is ignored", "When limit is over 100.");
    let issue = issue.expect("created");
    let session = bench
        .world
        .mention("ben", &issue, "@deckhand fix the offset")
        .expect("mentioned");
    session
        .say("ana", "and fix the offset of lists")
        .expect("said");
    let mut heard = 0;
    while heard < 2 {
        let payload = bench.next_payload().await;
        if said(accept(&payload, "").map(|_| read(&payload, ""))).is_none() {
            continue;
        }
        heard += 1;
        for (place, payload) in broken(&payload) {
            let incoming = accept(&payload, "").map(|_| read(&payload, ""));
            let _ = about(&payload);
            if NEEDED.contains(&&*place) || place == "/agentActivity/user/id" {
                continue;
            }
            let text =
                said(incoming).unwrap_or_else(|| panic!("{place} costs the request: {payload}"));
            assert!(text.contains("fix the offset"), "{place}: {text}");
        }
    }
}

#[tokio::test]
async fn no_webhook_breaks_anything_when_one_thing_in_it_is_wrong() {
    let mut bench = Bench::start().await;
    let (session, _) = bench.delegated();
    session.stop("ana").expect("stopped");
    bench.world.revoke();
    let mut kinds = 0;
    while kinds < 3 {
        let payload = bench.next_payload().await;
        kinds += 1;
        for (_, payload) in broken(&payload) {
            if let Some(accepted) = accept(&payload, "") {
                assert!(!accepted.key.is_empty(), "{payload}");
            }
            let _ = (read(&payload, ""), about(&payload));
        }
    }
}
