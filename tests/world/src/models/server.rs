//! The HTTP side: tells the four wires apart, checks the key, and answers by the script.

use std::{convert::Infallible, io::Read as _, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use futures::stream;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{
    Failure, KeySeen, Outcome, PLACEHOLDER_KEY, Provider, RequestKind, Shared, Usage, everything,
    place::{Place, locate},
    record::Arrival,
    script::{Action, Step},
    toolbox,
    wire::{Answer, Delivery, Dialogue, ErrorReply, Payload, ToolCall, sample},
};

/// Largest request, unpacked.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// What a failure says about when to come again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The models in the lists.
const MODEL_NAMES: [&str; 2] = ["scripted-large", "scripted-small"];

/// What side calls get; agents take it for a title or a summary.
const SIDE_ANSWER: &str = "Scripted answer";

pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    let router = Router::new().fallback(handle).with_state(shared);
    let serving = axum::serve(listener, router).with_graceful_shutdown(closing.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!(%error, "the model providers ended");
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// A turn; Gemini says in its address how the answer travels.
    Turn(Provider, Option<Delivery>),
    Count(Provider),
    ModelList(Provider),
    /// Reachability, asked without a key.
    Probe,
    Unknown(Provider),
}

impl Route {
    fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        let guess = guess_provider(path, headers);
        if *method == Method::POST {
            return match path {
                _ if path.ends_with("/messages") => Self::Turn(Provider::Anthropic, None),
                _ if path.ends_with("/responses") => Self::Turn(Provider::Responses, None),
                _ if path.ends_with("/chat/completions") => Self::Turn(Provider::Chat, None),
                _ if path.ends_with(":generateContent") => {
                    Self::Turn(Provider::Gemini, Some(Delivery::Whole))
                }
                _ if path.ends_with(":streamGenerateContent") => {
                    Self::Turn(Provider::Gemini, Some(Delivery::Streamed))
                }
                _ if path.ends_with("/count_tokens") || path.ends_with(":countTokens") => {
                    Self::Count(guess)
                }
                _ => Self::Unknown(guess),
            };
        }
        let is_read = *method == Method::GET;
        match path {
            _ if *method == Method::HEAD => Self::Probe,
            "/" | "/healthz" | "/api/hello" if is_read => Self::Probe,
            _ if is_read && path.contains("/models") => Self::ModelList(guess),
            _ => Self::Unknown(guess),
        }
    }

    fn provider(self) -> Provider {
        match self {
            Self::Turn(provider, _)
            | Self::Count(provider)
            | Self::ModelList(provider)
            | Self::Unknown(provider) => provider,
            Self::Probe => Provider::Chat,
        }
    }
}

/// Some addresses are the same at several providers; their headers differ.
fn guess_provider(path: &str, headers: &HeaderMap) -> Provider {
    if path.contains("/v1beta/") || headers.contains_key("x-goog-api-key") {
        Provider::Gemini
    } else if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") {
        Provider::Anthropic
    } else {
        Provider::Chat
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let route = Route::of(&parts.method, &parts.uri, &parts.headers);
    if route == Route::Probe {
        return axum::Json(json!({"message": "hello"})).into_response();
    }
    let provider = route.provider();
    let key = key_of(&shared, provider, &parts);
    if key == KeySeen::Placeholder {
        let path = parts.uri.path();
        shared
            .log
            .complain(format!("the placeholder for a key came with {path}"));
    }
    let body = match read_body(&parts.headers, body).await {
        Ok(body) => body,
        Err(status) => return status.into_response(),
    };
    let mut dialogue = provider.read(&body);
    if let Route::Turn(_, Some(delivery)) = route {
        dialogue.delivery = delivery;
    }
    let mut place = match route {
        Route::Turn(..) => locate(&dialogue),
        Route::Count(_) | Route::ModelList(_) | Route::Probe | Route::Unknown(_) => None,
    };
    if let Some(place) = &mut place {
        place.scene.everything = everything::texts(&body);
    }
    let conversation = Conversation {
        script: place.as_ref().map(|place| shared.script_for(place)),
        place,
        dialogue,
        provider,
    };
    let number = shared.log.arrived(Arrival {
        provider,
        path: parts.uri.path().to_owned(),
        model: conversation.dialogue.model.clone(),
        kind: conversation.kind(route),
        tools: conversation.dialogue.tools.len(),
        key,
    });
    let (outcome, response) = if key == KeySeen::Expected {
        reply(&shared, route, &conversation).await
    } else {
        refuse(&provider.fail(Failure::Unauthorized))
    };
    shared.log.ended(number, outcome);
    response
}

/// A request that has been read, with what answers it.
struct Conversation {
    provider: Provider,
    dialogue: Dialogue,
    place: Option<Place>,
    script: Option<super::Script>,
}

impl Conversation {
    fn kind(&self, route: Route) -> RequestKind {
        match route {
            Route::Turn(..) => match (&self.place, &self.script) {
                (Some(place), Some(script)) => RequestKind::Turn {
                    phase: place.phase,
                    script: script.name().to_owned(),
                    step: place.step,
                },
                _ => RequestKind::Side,
            },
            Route::Count(_) => RequestKind::Count,
            Route::ModelList(_) => RequestKind::ModelList,
            Route::Probe | Route::Unknown(_) => RequestKind::Unknown,
        }
    }
}

async fn reply(shared: &Shared, route: Route, conversation: &Conversation) -> (Outcome, Response) {
    let provider = conversation.provider;
    match route {
        Route::Turn(..) => match (&conversation.place, &conversation.script) {
            (Some(place), Some(script)) => {
                let step = script.step(place.phase, place.step, &place.scene);
                play(shared, conversation, place, step).await
            }
            _ => answer(
                conversation,
                side_text(&conversation.dialogue),
                None,
                Usage::of_step(0, 0),
            ),
        },
        Route::Count(_) => {
            let tokens = Usage::of_step(0, 0).input;
            let body = match provider {
                Provider::Gemini => json!({ "totalTokens": tokens }),
                Provider::Anthropic | Provider::Responses | Provider::Chat => {
                    json!({ "input_tokens": tokens })
                }
            };
            (
                Outcome::Answered { tool: None },
                axum::Json(body).into_response(),
            )
        }
        Route::ModelList(_) => {
            let body = axum::Json(model_list(provider));
            (Outcome::Answered { tool: None }, body.into_response())
        }
        Route::Probe | Route::Unknown(_) => refuse(&provider.not_found()),
    }
}

/// Plays one step of a script.
async fn play(
    shared: &Shared,
    conversation: &Conversation,
    place: &Place,
    step: Step,
) -> (Outcome, Response) {
    let waited = async {
        shared.gate.pass(&place.prompts).await;
        let thinking = shared.thinking + step.pause;
        if thinking > Duration::ZERO {
            tokio::time::sleep(thinking).await;
        }
    };
    if shared.closing.run_until_cancelled(waited).await.is_none() {
        return refuse(&conversation.provider.fail(Failure::ServerError));
    }
    let injected = shared.choice().failures.pop_front();
    let action = injected.map_or(step.action, Action::Fail);
    let dialogue = &conversation.dialogue;
    let (text, call) = match action {
        Action::Fail(failure) => return refuse(&conversation.provider.fail(failure)),
        Action::Hang => {
            shared.closing.cancelled().await;
            return refuse(&conversation.provider.fail(Failure::ServerError));
        }
        Action::Say(text) => (text, None),
        Action::Shell(command) => (
            String::new(),
            offered(
                (shared, dialogue),
                "a shell",
                toolbox::shell(dialogue, &command),
            ),
        ),
        Action::Tool { name, arguments } => {
            let call = toolbox::named(dialogue, &name, &arguments);
            (String::new(), offered((shared, dialogue), &name, call))
        }
    };
    let text = if text.is_empty() && call.is_none() {
        String::from("The agent does not offer the tool that this step needs.")
    } else {
        text
    };
    let written = text.len()
        + call
            .as_ref()
            .map_or(0, |call| call.object().to_string().len());
    let mut usage = Usage::of_step(place.step, written);
    usage.output = step.output_tokens.unwrap_or(usage.output);
    answer(conversation, text, call, usage)
}

fn offered(
    (shared, dialogue): (&Shared, &Dialogue),
    what: &str,
    call: Option<ToolCall>,
) -> Option<ToolCall> {
    if call.is_none() {
        let tools: Vec<&str> = dialogue
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        let tools = tools.join(", ");
        let complaint = format!("the agent does not offer {what}, but: {tools}");
        shared.log.complain(complaint);
    }
    call
}

fn answer(
    conversation: &Conversation,
    text: String,
    call: Option<ToolCall>,
    usage: Usage,
) -> (Outcome, Response) {
    let tool = call.as_ref().map(|call| call.name.clone());
    let dialogue = &conversation.dialogue;
    let answer = Answer {
        id: Uuid::new_v4().simple().to_string(),
        model: dialogue.model.clone(),
        text,
        call,
        usage,
    };
    let response = match conversation.provider.write(&answer, dialogue.delivery) {
        Payload::Whole(body) => axum::Json(body).into_response(),
        Payload::Events(events) => {
            let frames = events
                .into_iter()
                .map(|event| Ok::<_, Infallible>(Bytes::from(event.encode())));
            let headers = [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-cache"),
            ];
            (headers, Body::from_stream(stream::iter(frames))).into_response()
        }
    };
    (Outcome::Answered { tool }, response)
}

fn refuse(error: &ErrorReply) -> (Outcome, Response) {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(&error.body)).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    (Outcome::Refused(error.status), response)
}

fn side_text(dialogue: &Dialogue) -> String {
    match &dialogue.output_schema {
        Some(schema) => sample(schema).to_string(),
        None => String::from(SIDE_ANSWER),
    }
}

fn model_list(provider: Provider) -> Value {
    let entry = |name: &str| match provider {
        Provider::Gemini => json!({
            "name": format!("models/{name}"),
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }),
        Provider::Anthropic | Provider::Responses | Provider::Chat => json!({
            "id": name, "display_name": name, "type": "model", "object": "model",
            "created": 0, "created_at": "2026-01-01T00:00:00Z", "owned_by": "scripted",
        }),
    };
    let entries: Vec<Value> = MODEL_NAMES.into_iter().map(entry).collect();
    match provider {
        Provider::Gemini => json!({ "models": entries }),
        Provider::Anthropic | Provider::Responses | Provider::Chat => {
            json!({"object": "list", "data": entries, "has_more": false})
        }
    }
}

/// Looks at everything that could carry a key, and then at what this provider takes for one.
fn key_of(shared: &Shared, provider: Provider, parts: &Parts) -> KeySeen {
    let query = parts.uri.query().unwrap_or_default();
    let mut values = parts
        .headers
        .values()
        .filter_map(|value| value.to_str().ok());
    if query.contains(PLACEHOLDER_KEY) || values.any(|value| value.contains(PLACEHOLDER_KEY)) {
        return KeySeen::Placeholder;
    }
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let bearer = || header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let in_query = || query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let key = match provider {
        Provider::Anthropic => header("x-api-key").or_else(bearer),
        Provider::Responses | Provider::Chat => bearer(),
        Provider::Gemini => header("x-goog-api-key").or_else(in_query),
    };
    match key {
        None => KeySeen::Missing,
        Some(key) if key == shared.key.expose_secret() => KeySeen::Expected,
        Some(_) => KeySeen::Wrong,
    }
}

/// The body as JSON; what is none is read as an empty request.
async fn read_body(headers: &HeaderMap, body: Body) -> Result<Value, StatusCode> {
    let bytes = to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let is_packed = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip");
    if !is_packed {
        return Ok(serde_json::from_slice(&bytes).unwrap_or_default());
    }
    let mut unpacked = Vec::new();
    let longest = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    GzDecoder::new(&bytes[..])
        .take(longest)
        .read_to_end(&mut unpacked)
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(serde_json::from_slice(&unpacked).unwrap_or_default())
}
