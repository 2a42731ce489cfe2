//! Where platforms knock: verify, store, and only then answer.

mod outcome;
mod reading;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRef, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::de::IgnoredAny;
use serde_json::Value;

pub(super) use self::{
    outcome::{Outcome, begin_to_count},
    reading::read_up_to,
};
use super::Web;
use crate::{
    clock::Clock,
    config::Config,
    domain::{conversation::ConversationId, task::Task},
    github, linear,
    redact::{Redactor, Sought},
    slack,
    store::{
        Store, StoreError,
        inbox::{Accepted, NewDelivery, Source},
    },
    wake::Wake,
};

/// How long it may take to look where something belongs and to store it, together, until the platform is asked to come again;
/// below the three seconds that Slack waits.
pub(super) const STORED_WITHIN: Duration = Duration::from_millis(2_500);

/// What the doors need.
#[derive(Clone)]
pub struct Doors {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Wakes whoever dispatches, or rings for it.
    pub wake: Wake,
    /// Takes secrets of this process out of what is stored.
    pub redactor: Redactor,
}

impl FromRef<Web> for Doors {
    fn from_ref(web: &Web) -> Self {
        Self {
            config: Arc::clone(&web.config),
            store: web.store.clone(),
            clock: web.clock.clone(),
            wake: web.wake.clone(),
            redactor: web.redactor.clone(),
        }
    }
}

/// The doors at which platforms only leave something. They have limits of their own, because they count what they refuse.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Doors: FromRef<S>,
{
    Router::new()
        .route("/slack/events", post(slack_event))
        .route("/slack/interactions", post(slack_form))
        .route("/slack/commands", post(slack_form))
        .route("/linear/webhooks", post(linear_webhook))
        .route("/github/webhooks", post(github_webhook))
}

/// Slack's Events API.
pub async fn slack_event(State(doors): State<Doors>, request: Request) -> Response {
    let body = match slack_body(&doors, request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let Some(payload) = read(body) else {
        return Outcome::Malformed.answer(Source::Slack);
    };
    if let Some(challenge) = slack::challenge(&payload) {
        return challenge.to_owned().into_response();
    }
    store_slack(&doors, payload).await
}

/// Slack's interactions and commands, which come as forms.
pub async fn slack_form(State(doors): State<Doors>, request: Request) -> Response {
    let body = match slack_body(&doors, request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let payload = slack::form_to_value(&body);
    drop(body);
    match payload {
        Some(payload) => match slack::wrong(&payload) {
            // Nothing has happened yet: the form stays open with everything in it.
            Some(told) => Json(told).into_response(),
            None => store_slack(&doors, payload).await,
        },
        None => Outcome::Malformed.answer(Source::Slack),
    }
}

/// The body of a request that Slack has signed.
pub(super) async fn slack_body(doors: &Doors, request: Request) -> Result<Bytes, Response> {
    let slack = doors.config.slack.as_ref();
    let Some(secret) = slack.and_then(|slack| slack.signing_secret.as_ref()) else {
        return Err(StatusCode::NOT_FOUND.into_response());
    };
    let refused = |outcome: Outcome| outcome.answer(Source::Slack);
    let (headers, body) = reading::read(request).await.map_err(refused)?;
    let verified = slack::signature::verify(
        secret,
        header(&headers, "x-slack-request-timestamp"),
        header(&headers, "x-slack-signature"),
        &body,
        doors.clock.now(),
    );
    match verified {
        Ok(()) => Ok(body),
        Err(error @ slack::signature::SignatureError::OutOfTime { .. }) => {
            Err(refused(Outcome::Stale(error.to_string())))
        }
        Err(error) => Err(refused(Outcome::Unsigned(error.to_string()))),
    }
}

/// Stores a payload of Slack, whichever way it came, where it is something for us. The answer is a success where Slack is
/// done with it.
pub(super) async fn store_slack(doors: &Doors, payload: Value) -> Response {
    let Some(accepted) = slack::accept(&payload) else {
        return Outcome::Unknown.answer(Source::Slack);
    };
    let keeping = async {
        // Most of what is said in a channel is none of our business; it is not even stored.
        let Some(conversation) = slack_lane(doors, &accepted).await? else {
            return Ok(Outcome::Unknown);
        };
        let delivery = NewDelivery {
            source: Source::Slack,
            key: accepted.key,
            conversation,
            body: payload,
        };
        keep(doors, delivery).await
    };
    in_time(keeping).await.answer(Source::Slack)
}

/// The conversation in whose order a payload of Slack stands; none where it is nothing for us.
async fn slack_lane(
    doors: &Doors,
    accepted: &slack::Accepted,
) -> Result<Option<String>, StoreError> {
    let named = accepted.conversation_hint.as_ref();
    Ok(match (accepted.relevance, named, &accepted.reaction_on) {
        (slack::Relevance::Certain, Some(conversation), _) => Some(conversation.0.clone()),
        (slack::Relevance::Certain, None, _) => Some(accepted.key.clone()),
        (slack::Relevance::IfConversationKnown, Some(conversation), _) => {
            let is_followed = doors.store.is_followed(conversation).await?;
            is_followed.then(|| conversation.0.clone())
        }
        (slack::Relevance::IfLineKnown, _, Some(line)) => {
            let key = slack::said_key(line);
            let found = doors.store.conversation_of(line, (Source::Slack, &key));
            found.await?.map(|conversation| conversation.0)
        }
        (slack::Relevance::IfConversationKnown, None, _)
        | (slack::Relevance::IfLineKnown, _, None) => None,
    })
}

/// Linear's webhooks.
pub async fn linear_webhook(State(doors): State<Doors>, request: Request) -> Response {
    let Some(config) = &doors.config.linear else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (headers, body) = match reading::read(request).await {
        Ok(read) => read,
        Err(outcome) => return outcome.answer(Source::Linear),
    };
    let signature = header(&headers, "linear-signature");
    let verified = linear::verify(&config.webhook_secret, signature, &body, doors.clock.now());
    match verified {
        Ok(()) => {}
        // The signed time stands in the body, so what is no JSON has none.
        Err(linear::SignatureError::Stale)
            if serde_json::from_slice::<IgnoredAny>(&body).is_err() =>
        {
            return Outcome::Malformed.answer(Source::Linear);
        }
        Err(error @ linear::SignatureError::Stale) => {
            return Outcome::Stale(error.to_string()).answer(Source::Linear);
        }
        Err(error @ linear::SignatureError::Wrong) => {
            return Outcome::Unsigned(error.to_string()).answer(Source::Linear);
        }
    }
    let Some(payload) = read(body) else {
        return Outcome::Malformed.answer(Source::Linear);
    };
    let Some(accepted) = linear::accept(&payload, header(&headers, "linear-delivery")) else {
        return Outcome::Unknown.answer(Source::Linear);
    };
    let keeping = async {
        let Some(conversation) = linear_lane(&doors, &accepted).await? else {
            return Ok(Outcome::Unknown);
        };
        let delivery = NewDelivery {
            source: Source::Linear,
            key: accepted.key,
            conversation: conversation.0,
            body: payload,
        };
        keep(&doors, delivery).await
    };
    in_time(keeping).await.answer(Source::Linear)
}

/// The conversation in whose order a payload of Linear stands; none where it is nothing for us. A change of an issue stands
/// in the order of its session: whoever edits and then approves has approved what they edited.
async fn linear_lane(
    doors: &Doors,
    accepted: &linear::Accepted,
) -> Result<Option<ConversationId>, StoreError> {
    let (about, formerly, line) = match &accepted.relevance {
        linear::Relevance::Certain => return Ok(Some(accepted.conversation.clone())),
        linear::Relevance::IfWorkedOn(about, formerly) => (about, formerly.as_slice(), None),
        linear::Relevance::IfHeard(line, about) => {
            if let Some(post) = doors.store.post_at(line).await? {
                return Ok(Some(post.conversation));
            }
            (about, &[][..], Some(line))
        }
    };
    let stored = match doors.store.last_about_any(about, formerly).await {
        Ok(stored) => stored,
        // It is kept until somebody has put the task right.
        Err(StoreError::Task(..)) => return Ok(Some(accepted.conversation.clone())),
        Err(error) => return Err(error),
    };
    let knows = |task: &Task| line.is_none_or(|line| task.has_waiting(line));
    let task = stored.map(|stored| stored.task).filter(knows);
    Ok(task.and_then(|task| task.place_on(about.surface()).cloned()))
}

/// GitHub's webhooks.
pub async fn github_webhook(State(doors): State<Doors>, request: Request) -> Response {
    let answer = heard_of_github(&doors, request).await;
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        // GitHub does not send again by itself, so what it told is looked up: at once by a bot whose doors these are, and by
        // one beside doors of their own where it met the same trouble, or within the hour.
        doors.wake.missed();
    }
    answer
}

async fn heard_of_github(doors: &Doors, request: Request) -> Response {
    let Some(secret) = &doors.config.github.webhook_secret else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (headers, body) = match reading::read(request).await {
        Ok(read) => read,
        Err(outcome) => return outcome.answer(Source::Github),
    };
    if !github::verify(secret, header(&headers, "x-hub-signature-256"), &body) {
        let reason = "the signature does not fit".to_owned();
        return Outcome::Unsigned(reason).answer(Source::Github);
    }
    let Some(payload) = read(body) else {
        return Outcome::Malformed.answer(Source::Github);
    };
    let (event, delivery) = (
        header(&headers, "x-github-event"),
        header(&headers, "x-github-delivery"),
    );
    let Some((key, slim)) = github::accept(event, delivery, &payload) else {
        return Outcome::Unknown.answer(Source::Github);
    };
    drop(payload);
    let keeping = async {
        let Some(conversation) = github_lane(doors, &key, &slim).await? else {
            return Ok(Outcome::Unknown);
        };
        let delivery = NewDelivery {
            source: Source::Github,
            key,
            conversation,
            body: slim,
        };
        keep(doors, delivery).await
    };
    in_time(keeping).await.answer(Source::Github)
}

/// The conversation in whose order something of GitHub stands; none where it is nothing for us.
async fn github_lane(doors: &Doors, key: &str, slim: &Value) -> Result<Option<String>, StoreError> {
    let Some(ended) = github::read(slim) else {
        return Ok(Some(key.to_owned()));
    };
    match doors.store.task_of_branch(&ended.branch).await {
        Ok(stored) => Ok(stored.map(|stored| stored.task.conversation.0)),
        // GitHub does not send again by itself, so it is kept until somebody has put the task right.
        Err(StoreError::Task(..)) => Ok(Some(key.to_owned())),
        Err(error) => Err(error),
    }
}

/// Stores a delivery whose conversation is known. It is a success where it is on the disk.
pub(super) async fn store(doors: &Doors, delivery: NewDelivery) -> Outcome {
    in_time(keep(doors, delivery)).await
}

/// What comes of looking and storing, or that the database does not do it in time.
async fn in_time(keeping: impl Future<Output = Result<Outcome, StoreError>>) -> Outcome {
    match tokio::time::timeout(STORED_WITHIN, keeping).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Unstored(error.into()),
        // It may be stored all the same; then the platform's next try is a repeat.
        Err(elapsed) => Outcome::Unstored(elapsed.into()),
    }
}

/// Stores a delivery, and wakes whoever works.
async fn keep(doors: &Doors, mut delivery: NewDelivery) -> Result<Outcome, StoreError> {
    // The signature was checked on the body as it came; what is kept has no secret that this process holds, so that one
    // that somebody pastes is in no row, no prompt and no sandbox.
    doors
        .redactor
        .redact_value(&mut delivery.body, Sought::Held);
    let accepted = doors.store.accept(delivery, doors.clock.now()).await?;
    doors.wake.inbox();
    Ok(match accepted {
        Accepted::Stored => Outcome::Stored,
        Accepted::Repeated => Outcome::Repeated,
    })
}

/// The payload of a body. What it was read from goes: many may wait at once until they are stored.
fn read(body: Bytes) -> Option<Value> {
    let payload = serde_json::from_slice(&body).ok();
    drop(body);
    payload
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
