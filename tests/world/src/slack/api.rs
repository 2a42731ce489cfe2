//! The stand-in's HTTP side for the app: the Web API, response addresses, permanent links.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::arguments::{Arguments, Unreadable};
use super::catalogue::MethodSpec;
use super::core::Core;
use super::directory::BOT_USER;
use super::fault::{Fault, TokenStanding};
use super::ids::{ChannelId, Ts};
use super::journal::{Call, CallEnding, keep};
use super::limits::{CALL_BYTES, TEXT_IN_POST};
use super::message::Audience;
use super::methods::{self, Blame, Refusal};
use super::socket::APP_TOKEN;
use super::workspace::Draft;

/// The method that gives out tickets for connections.
const OPEN_CONNECTION: &str = "apps.connections.open";

/// The routes that the app uses.
pub(crate) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route(
            "/api/{method}",
            any(call).layer(DefaultBodyLimit::max(CALL_BYTES)),
        )
        .route(
            "/response/{key}",
            post(respond).layer(DefaultBodyLimit::max(CALL_BYTES)),
        )
        .route("/archives/{channel}/{message}", get(permalink))
}

async fn call(
    State(core): State<Arc<Core>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut record = Call {
        method: method.clone(),
        arguments: Value::Null,
        at: Instant::now(),
        ending: CallEnding::Faulted,
    };
    let fault = core.settings().weather.meet(&method);
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let arguments = Arguments::read(&method, &query.unwrap_or_default(), content_type, &body);
    let arguments = arguments.map(|mut arguments| {
        let in_form = arguments.take_token();
        record.arguments = arguments.to_json();
        (arguments, bearer(&headers).map(str::to_owned).or(in_form))
    });
    let fault = fault.or_else(|| core.settings().weather.meet_tier(&method));
    let fault = fault.or_else(|| {
        let channel = record.arguments["channel"]
            .as_str()
            .filter(|_| method == "chat.postMessage")?;
        core.settings()
            .weather
            .meet_limit(&ChannelId::from(channel))
    });
    if let Some(Fault::Slow { by }) = &fault {
        tokio::time::sleep(*by).await;
    }
    let turn = core.turn();
    let response = match fault {
        Some(Fault::RateLimited { retry_after }) => {
            let seconds = retry_after.as_secs().max(1).to_string();
            let answer = Json(json!({ "ok": false, "error": "ratelimited" }));
            (
                StatusCode::TOO_MANY_REQUESTS,
                [(header::RETRY_AFTER, seconds)],
                answer,
            )
                .into_response()
        }
        Some(Fault::ServerError) => {
            (StatusCode::SERVICE_UNAVAILABLE, "upstream unavailable").into_response()
        }
        Some(Fault::DropRequest) => broken_off(),
        Some(Fault::Error(told)) => Json(json!({ "ok": false, "error": told })).into_response(),
        Some(Fault::DropAnswer) => {
            drop(answer(&core, &method, arguments, &mut record.ending));
            broken_off()
        }
        Some(Fault::Slow { .. }) | None => answer(&core, &method, arguments, &mut record.ending),
    };
    keep(&mut core.journal().calls, record);
    drop(turn);
    response
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// Checks and plays a call, and writes its answer as Slack does: refusals are HTTP 200 too.
fn answer(
    core: &Arc<Core>,
    method: &str,
    arguments: Result<(Arguments, Option<String>), Unreadable>,
    ending: &mut CallEnding,
) -> Response {
    let played = arguments
        .map_err(|unreadable| match unreadable {
            Unreadable::Malformed => {
                Refusal::caller("invalid_form_data", "the body is not what it says it is")
            }
            Unreadable::JsonNotTaken => {
                Refusal::caller("invalid_arguments", "the method takes no JSON")
            }
        })
        .and_then(|(arguments, token)| play(core, method, &arguments, token.as_deref()));
    let answer = match played {
        Ok(mut body) => {
            body["ok"] = json!(true);
            *ending = CallEnding::Done;
            body
        }
        Err(refusal) => {
            *ending = CallEnding::Refused(refusal.code.to_owned());
            refused(core, method, &refusal)
        }
    };
    let scopes = core
        .settings()
        .scopes
        .iter()
        .cloned()
        .collect::<Vec<_>>()
        .join(",");
    let mut response = Json(answer).into_response();
    if let Ok(scopes) = scopes.parse() {
        response.headers_mut().insert("x-oauth-scopes", scopes);
    }
    response
}

fn refused(core: &Core, method: &str, refusal: &Refusal) -> Value {
    if refusal.blame == Blame::Caller {
        core.record_violation(format!(
            "{method}: {}: {}",
            refusal.code,
            refusal.detail.join("; ")
        ));
    }
    if !core.catalogue.documents_error(method, refusal.code) {
        tracing::warn!(
            method,
            code = refusal.code,
            "the method's description does not name this error"
        );
    }
    let mut answer = json!({ "ok": false, "error": refusal.code });
    if refusal.code == "missing_scope" {
        answer["needed"] = json!(refusal.detail.join(","));
        answer["provided"] = json!(
            core.settings()
                .scopes
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(",")
        );
    } else if !refusal.detail.is_empty() {
        answer["response_metadata"] = json!({ "messages": refusal.detail });
    }
    answer
}

fn play(
    core: &Arc<Core>,
    method: &str,
    arguments: &Arguments,
    token: Option<&str>,
) -> methods::Result<Value> {
    if method == OPEN_CONNECTION {
        return open_connection(core, token);
    }
    match token {
        None => return Err(Refusal::caller("not_authed", "no token")),
        Some(token) if token != core.token.expose_secret() => {
            return Err(Refusal::state("invalid_auth"));
        }
        Some(_) if core.settings().weather.token == TokenStanding::Revoked => {
            return Err(Refusal::state("token_revoked"));
        }
        Some(_) => {}
    }
    let Some(spec) = core.catalogue.methods.get(method) else {
        return Err(Refusal::caller(
            "unknown_method",
            "Slack has no such method",
        ));
    };
    check_scopes(core, spec)?;
    let faults = arguments.faults(spec);
    if !faults.is_empty() {
        return Err(Refusal {
            code: "invalid_arguments",
            detail: faults,
            blame: Blame::Caller,
        });
    }
    if arguments.text_or_empty("text").chars().count() > TEXT_IN_POST {
        core.record_violation(format!(
            "{method}: text is cut after {TEXT_IN_POST} characters"
        ));
    }
    let done = core.change(|workspace| methods::play(method, workspace, arguments));
    let done = done.unwrap_or_else(|| {
        Err(Refusal::caller(
            "unknown_method",
            "the stand-in does not play it yet",
        ))
    })?;
    core.deliver_soon(done.parcels);
    Ok(done.body)
}

/// The one method that takes the app's token and no bot's.
fn open_connection(core: &Core, token: Option<&str>) -> methods::Result<Value> {
    match token {
        None => Err(Refusal::caller("not_authed", "no token")),
        Some(APP_TOKEN) => Ok(core.sockets.ticket()),
        Some(token) if token == core.token.expose_secret() => Err(Refusal::caller(
            "not_allowed_token_type",
            "connections are opened with the app's token",
        )),
        Some(_) => Err(Refusal::state("invalid_auth")),
    }
}

/// A bot needs one of the scopes that a description names.
fn check_scopes(core: &Core, spec: &MethodSpec) -> methods::Result<()> {
    let settings = core.settings();
    if spec.scopes.is_empty()
        || spec
            .scopes
            .iter()
            .any(|scope| settings.scopes.contains(scope))
    {
        return Ok(());
    }
    Err(Refusal {
        code: "missing_scope",
        detail: spec.scopes.clone(),
        blame: Blame::Circumstance,
    })
}

/// An answer that promises more than it sends: the client sees the connection break.
pub(super) fn broken_off() -> Response {
    let broken =
        futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("broken off")) });
    (
        [(header::CONTENT_LENGTH, "1000")],
        Body::from_stream(broken),
    )
        .into_response()
}

/// An answer through a `response_url`: a new message, a replaced one, or a deleted one.
async fn respond(State(core): State<Arc<Core>>, Path(key): Path<String>, body: Bytes) -> Response {
    let Ok(arguments) = Arguments::read("response_url", "", "application/json", &body) else {
        return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
    };
    match core.change(|workspace| answer_response_url(workspace, &key, &arguments)) {
        Ok(parcels) => {
            core.deliver_soon(parcels);
            Json(json!({ "ok": true })).into_response()
        }
        Err(refusal) => {
            let refused = refused(&core, "response_url", &refusal);
            (StatusCode::NOT_FOUND, Json(refused)).into_response()
        }
    }
}

fn answer_response_url(
    workspace: &mut super::workspace::Workspace,
    key: &str,
    arguments: &Arguments,
) -> methods::Result<Vec<super::delivery::Parcel>> {
    let target = workspace
        .response_urls
        .get_mut(key)
        .ok_or_else(|| Refusal::state("used_url"))?;
    if target.is_spent() {
        return Err(Refusal::state("expired_url"));
    }
    target.uses += 1;
    let target = target.clone();
    if let Some(ts) = target
        .message
        .as_ref()
        .filter(|_| arguments.is_set("delete_original"))
    {
        workspace.remove(&target.channel, ts);
        return Ok(Vec::new());
    }
    let content = methods::content(workspace, arguments)?;
    if let Some(ts) = target
        .message
        .as_ref()
        .filter(|_| arguments.is_set("replace_original"))
    {
        return Ok(methods::replace_content(
            workspace,
            &target.channel,
            ts,
            content,
        ));
    }
    let audience = match arguments.text("response_type").as_deref() {
        Some("in_channel") => Audience::Everyone,
        Some(_) | None => Audience::Only(target.user),
    };
    let message = workspace.post(Draft {
        thread: target.thread,
        blocks: content.blocks.unwrap_or_default(),
        audience: audience.clone(),
        ..Draft::text(target.channel, BOT_USER.into(), &content.text)
    });
    Ok(match audience {
        Audience::Everyone => super::events::of_new_message(workspace, &message, &[]),
        Audience::Only(_) => Vec::new(),
    })
}

/// A permanent link leads to the page, at its thread.
async fn permalink(
    State(core): State<Arc<Core>>,
    Path((channel, message)): Path<(String, String)>,
) -> Redirect {
    let digits = message.trim_start_matches('p');
    let ts = match digits.split_at_checked(digits.len().saturating_sub(6)) {
        Some((seconds, fraction)) => Ts::from(format!("{seconds}.{fraction}")),
        None => Ts::from(digits),
    };
    let channel = ChannelId::from(channel);
    let root = core.look(|workspace| {
        workspace
            .message(&channel, &ts)
            .map(|message| message.root().clone())
    });
    match root {
        Some(root) => Redirect::to(&format!("/?channel={channel}&thread={root}")),
        None => Redirect::to(&format!("/?channel={channel}")),
    }
}
