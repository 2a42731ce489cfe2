//! Where platforms knock: verify, store, and only then answer.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tracing::warn;

use super::Web;
use crate::{
    github, linear,
    redact::Sought,
    slack,
    store::inbox::{Accepted, NewDelivery, Source},
};

/// Slack's Events API.
pub async fn slack_event(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = verify_slack(&web, &headers, &body) {
        return refusal;
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if let Some(challenge) = slack::challenge(&payload) {
        return challenge.to_owned().into_response();
    }
    store_slack(&web, payload).await
}

/// Slack's interactions and commands, which come as forms.
pub async fn slack_form(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refusal) = verify_slack(&web, &headers, &body) {
        return refusal;
    }
    match slack::form_to_value(&body) {
        Some(payload) => store_slack(&web, payload).await,
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[expect(clippy::result_large_err, reason = "the refusal is what is answered")]
fn verify_slack(web: &Web, headers: &HeaderMap, body: &[u8]) -> Result<(), Response> {
    let Some(config) = &web.config.slack else {
        return Err(StatusCode::NOT_FOUND.into_response());
    };
    let (timestamp, signature) = (
        header(headers, "x-slack-request-timestamp"),
        header(headers, "x-slack-signature"),
    );
    slack::signature::verify(
        &config.signing_secret,
        timestamp,
        signature,
        body,
        web.clock.now(),
    )
    .map_err(|error| {
        refused("slack", &error.to_string());
        StatusCode::UNAUTHORIZED.into_response()
    })
}

async fn store_slack(web: &Web, payload: Value) -> Response {
    let Some(accepted) = slack::accept(&payload) else {
        return StatusCode::OK.into_response();
    };
    // Most of what is said in a channel is none of our business; it is not even stored.
    let is_ours = match accepted.relevance {
        slack::Relevance::Certain => Ok(true),
        slack::Relevance::IfConversationKnown => match &accepted.conversation_hint {
            Some(conversation) => web.store.knows_conversation(conversation).await,
            None => Ok(false),
        },
        slack::Relevance::IfLineKnown => match &accepted.reaction_on {
            Some(line) => web.store.post_at(line).await.map(|post| post.is_some()),
            None => Ok(false),
        },
    };
    match is_ours {
        Ok(true) => {}
        Ok(false) => return StatusCode::OK.into_response(),
        Err(error) => return not_stored("slack", &error),
    }
    let lane = match (&accepted.conversation_hint, &accepted.reaction_on) {
        (Some(conversation), _) => conversation.0.clone(),
        (None, Some(line)) => match web.store.post_at(line).await {
            Ok(post) => post.map_or_else(|| line.0.clone(), |post| post.conversation.0),
            Err(error) => return not_stored("slack", &error),
        },
        (None, None) => accepted.key.clone(),
    };
    store(
        web,
        NewDelivery {
            source: Source::Slack,
            key: accepted.key,
            conversation: lane,
            body: payload,
        },
    )
    .await
}

/// Linear's webhooks.
pub async fn linear_webhook(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(config) = &web.config.linear else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Err(error) = linear::verify(
        &config.webhook_secret,
        header(&headers, "linear-signature"),
        &body,
        web.clock.now(),
    ) {
        refused("linear", &error.to_string());
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(accepted) = linear::accept(&payload, header(&headers, "linear-delivery")) else {
        return StatusCode::OK.into_response();
    };
    store(
        &web,
        NewDelivery {
            source: Source::Linear,
            key: accepted.key,
            conversation: accepted.conversation.0,
            body: payload,
        },
    )
    .await
}

/// GitHub's webhooks.
pub async fn github_webhook(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(secret) = &web.config.github.webhook_secret else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !github::verify(secret, header(&headers, "x-hub-signature-256"), &body) {
        refused("github", "the signature does not fit");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (event, delivery) = (
        header(&headers, "x-github-event"),
        header(&headers, "x-github-delivery"),
    );
    let Some((key, slim)) = github::accept(event, delivery, &payload) else {
        return StatusCode::OK.into_response();
    };
    let lane = match github::read(&slim) {
        Some(ended) => match web.store.task_of_branch(&ended.branch).await {
            Ok(Some(stored)) => stored.task.conversation.0,
            Ok(None) => return StatusCode::OK.into_response(),
            Err(error) => return not_stored("github", &error),
        },
        None => key.clone(),
    };
    store(
        &web,
        NewDelivery {
            source: Source::Github,
            key,
            conversation: lane,
            body: slim,
        },
    )
    .await
}

async fn store(web: &Web, mut delivery: NewDelivery) -> Response {
    // The signature was checked on the body as it came; what is kept has no secret that this process holds, so that one
    // that somebody pastes is in no row, no prompt and no sandbox.
    web.redactor.redact_value(&mut delivery.body, Sought::Held);
    let source = delivery.source.name();
    match web.store.accept(&delivery, web.clock.now()).await {
        Ok(accepted) => {
            let result = match accepted {
                Accepted::Stored => "stored",
                Accepted::Repeated => "repeated",
            };
            metrics::counter!("deckhand_deliveries_total", "source" => source, "result" => result)
                .increment(1);
            web.wake.inbox();
            StatusCode::OK.into_response()
        }
        Err(error) => not_stored(source, &error),
    }
}

/// The platform tries again later; nothing is acknowledged that is not on the disk.
fn not_stored(source: &'static str, error: &crate::store::StoreError) -> Response {
    tracing::error!(
        source,
        error = error as &dyn std::error::Error,
        "a delivery could not be stored"
    );
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn refused(source: &'static str, reason: &str) {
    warn!(source, reason, "a request was refused at the door");
    metrics::counter!("deckhand_deliveries_total", "source" => source, "result" => "refused")
        .increment(1);
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
