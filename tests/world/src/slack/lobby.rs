//! Slack in front of its workspaces: where an app is installed by OAuth, and whose token opens which of them.
//!
//! Each workspace is a stand-in of its own. Calls come here, are led to the one whose token they carry, and are refused as
//! Slack refuses them where a token has ended, was taken back, or was never given out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::arguments::decode_form;
use super::directory::{APP_ID, BOT_USER};
use super::{Home, Slack, USUAL_SCOPES, api};

/// How long tokens that end are worth something, in seconds, as Slack documents it.
const LIFE_SECONDS: u64 = 43_200;

/// Whether the app's tokens end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// They do not.
    #[default]
    Off,
    /// After twelve hours, and each is renewed for a token that is good once.
    On,
}

/// What the next exchange of a code or token meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeFault {
    /// HTTP 429.
    RateLimited,
    /// HTTP 503. Nothing was done.
    ServerError,
    /// It is done, and its answer breaks off.
    DropAnswer,
    /// It is done, and its answer is not JSON, though it has the tokens in it.
    Garbled,
    /// Nothing is done and nothing is answered, however long somebody waits.
    HeldBefore,
    /// It is done, and nothing is answered, however long somebody waits.
    HeldAfter,
}

/// A workspace behind the lobby.
#[derive(Clone)]
struct Behind {
    home: Home,
    base: String,
    token: SecretString,
}

struct Code {
    behind: usize,
    redirect: String,
}

struct Token {
    behind: usize,
    is_dead: bool,
}

#[derive(Default)]
struct Book {
    behind: Vec<Behind>,
    rotation: Rotation,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    /// Tokens that others are had for, and the workspace; gone once used.
    renewals: HashMap<String, usize>,
    scopes: Vec<String>,
    fault: Option<ExchangeFault>,
    slow: Option<Duration>,
    exchanges: usize,
    refreshes: usize,
    violations: Vec<String>,
}

struct Inside {
    client_id: String,
    client_secret: SecretString,
    http: reqwest::Client,
    book: Mutex<Book>,
    /// How many exchanges are held.
    held: watch::Sender<usize>,
}

impl Inside {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never answers.
    async fn hold(&self) -> Response {
        self.held.send_modify(|held| *held += 1);
        std::future::pending().await
    }
}

/// A running lobby; it ends when the last clone is dropped.
#[derive(Clone)]
pub struct Lobby {
    inside: Arc<Inside>,
    address: String,
    _server: Arc<DropGuard>,
}

impl Lobby {
    /// Starts it on 127.0.0.1, for an app of this identifier and secret.
    pub async fn start(client_id: &str, client_secret: SecretString) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let inside = Arc::new(Inside {
            client_id: client_id.to_owned(),
            client_secret,
            http: reqwest::Client::builder().no_proxy().build()?,
            held: watch::Sender::new(0),
            book: Mutex::new(Book {
                scopes: USUAL_SCOPES
                    .iter()
                    .map(|scope| (*scope).to_owned())
                    .collect(),
                ..Book::default()
            }),
        });
        let router = Router::new()
            .route("/api/oauth.v2.access", post(access))
            .route("/api/{method}", any(call))
            .with_state(Arc::clone(&inside));
        let ending = CancellationToken::new();
        let until = ending.clone().cancelled_owned();
        tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(until);
            if let Err(error) = serving.await {
                tracing::error!(%error, "the lobby of the Slack stand-in stopped");
            }
        });
        Ok(Self {
            inside,
            address,
            _server: Arc::new(ending.drop_guard()),
        })
    }

    /// The base of the Web API, for `SLACK_API_URL`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.address)
    }

    /// Puts a workspace behind it.
    pub fn add(&self, workspace: &Slack) {
        self.inside.book().behind.push(Behind {
            home: workspace.core.look(|inside| inside.home.clone()),
            base: workspace.address.clone(),
            token: workspace.core.token.clone(),
        });
    }

    /// Whether tokens that are given out from now on end.
    pub fn set_rotation(&self, rotation: Rotation) {
        self.inside.book().rotation = rotation;
    }

    /// What whoever installs the app from now on grants.
    pub fn set_scopes(&self, scopes: &[&str]) {
        self.inside.book().scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// Lets the next exchange meet a fault.
    pub fn fail_next(&self, fault: ExchangeFault) {
        self.inside.book().fault = Some(fault);
    }

    /// Waits until this many exchanges were held so far.
    pub async fn until_held(&self, number: usize) {
        let mut held = self.inside.held.subscribe();
        // The sender lives as long as this does.
        let _ = held.wait_for(|held| *held >= number).await;
    }

    /// How long each exchange takes from now on.
    pub fn set_slow(&self, by: Duration) {
        self.inside.book().slow = Some(by);
    }

    /// Somebody agrees, on the page that the app has sent them to, to install it in a workspace; where they are sent then.
    pub fn agree(&self, page: &str, home: &str) -> anyhow::Result<String> {
        let (redirect, state) = self.read_page(page)?;
        let mut book = self.inside.book();
        let is_it = |behind: &Behind| behind.home.name_of() == home;
        let behind = book.behind.iter().position(is_it);
        let behind = behind.with_context(|| format!("no workspace {home}"))?;
        let code = format!("code-canary-{}", uuid::Uuid::new_v4().simple());
        let made = Code {
            behind,
            redirect: redirect.clone(),
        };
        book.codes.insert(code.clone(), made);
        with(&redirect, &[("code", &code), ("state", &state)])
    }

    /// Somebody does not agree.
    pub fn deny(&self, page: &str) -> anyhow::Result<String> {
        let (redirect, state) = self.read_page(page)?;
        with(&redirect, &[("error", "access_denied"), ("state", &state)])
    }

    fn read_page(&self, page: &str) -> anyhow::Result<(String, String)> {
        let page = reqwest::Url::parse(page)?;
        ensure!(
            page.as_str().starts_with(&self.address) && page.path() == "/oauth/v2/authorize",
            "that is no page of Slack: {page}"
        );
        let query: HashMap<String, String> = page.query_pairs().into_owned().collect();
        let of = |name: &str| {
            query
                .get(name)
                .cloned()
                .with_context(|| format!("no {name}"))
        };
        ensure!(of("client_id")? == self.inside.client_id, "another app");
        for scope in of("scope")?.split(',') {
            if !USUAL_SCOPES.contains(&scope) {
                bail!("the app asks for {scope}");
            }
        }
        Ok((of("redirect_uri")?, of("state")?))
    }

    /// Takes every token of a workspace back; Slack tells of it by an event of its own.
    pub fn revoke(&self, home: &str) {
        let mut book = self.inside.book();
        let Some(gone) = book
            .behind
            .iter()
            .position(|one| one.home.name_of() == home)
        else {
            return;
        };
        let tokens = book
            .tokens
            .values_mut()
            .filter(|token| token.behind == gone);
        tokens.for_each(|token| token.is_dead = true);
        book.renewals.retain(|_, behind| *behind != gone);
    }

    /// Slack takes none of the tokens any more that others are had for; the ones in use stay good.
    pub fn forget_renewals(&self) {
        self.inside.book().renewals.clear();
    }

    /// How often a code was exchanged, and how often a token was renewed.
    #[must_use]
    pub fn exchanges(&self) -> (usize, usize) {
        let book = self.inside.book();
        (book.exchanges, book.refreshes)
    }

    /// How many tokens open a workspace.
    #[must_use]
    pub fn living_tokens(&self) -> usize {
        let book = self.inside.book();
        book.tokens.values().filter(|token| !token.is_dead).count()
    }

    /// Every token and code that was ever given out, to be looked for where none may be.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let book = self.inside.book();
        let tokens = book.tokens.keys().chain(book.renewals.keys());
        tokens.chain(book.codes.keys()).cloned().collect()
    }

    /// What the app did that Slack's documents forbid.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.inside.book().violations.clone()
    }
}

fn with(redirect: &str, query: &[(&str, &str)]) -> anyhow::Result<String> {
    Ok(reqwest::Url::parse_with_params(redirect, query)?.into())
}

/// `oauth.v2.access`: a code or a token against tokens.
async fn access(State(inside): State<Arc<Inside>>, headers: HeaderMap, body: Bytes) -> Response {
    let slow = inside.book().slow;
    if let Some(by) = slow {
        tokio::time::sleep(by).await;
    }
    let fault = inside.book().fault.take();
    match fault {
        Some(ExchangeFault::RateLimited) => {
            let told = Json(json!({ "ok": false, "error": "ratelimited" }));
            let status = StatusCode::TOO_MANY_REQUESTS;
            return (status, [(header::RETRY_AFTER, "1")], told).into_response();
        }
        Some(ExchangeFault::ServerError) => {
            return (StatusCode::SERVICE_UNAVAILABLE, "upstream unavailable").into_response();
        }
        Some(ExchangeFault::HeldBefore) => return inside.hold().await,
        Some(ExchangeFault::DropAnswer | ExchangeFault::Garbled | ExchangeFault::HeldAfter)
        | None => {}
    }
    let answer = match exchanged(&inside, &headers, &body) {
        Ok(answer) => answer,
        Err(code) => json!({ "ok": false, "error": code }),
    };
    match fault {
        Some(ExchangeFault::DropAnswer) => api::broken_off(),
        Some(ExchangeFault::Garbled) => format!("<html>{answer}").into_response(),
        Some(ExchangeFault::HeldAfter) => inside.hold().await,
        Some(_) | None => Json(answer).into_response(),
    }
}

fn exchanged(inside: &Inside, headers: &HeaderMap, body: &[u8]) -> Result<Value, &'static str> {
    let form: HashMap<String, String> = decode_form(body)
        .ok_or("invalid_form_data")?
        .into_iter()
        .collect();
    let mut book = inside.book();
    if form.contains_key("client_secret") {
        book.violations
            .push("the client's secret stands in the form".to_owned());
    }
    let wanted = format!(
        "{}:{}",
        inside.client_id,
        inside.client_secret.expose_secret()
    );
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if given != Some(format!("Basic {}", STANDARD.encode(wanted)).as_str()) {
        return Err("bad_client_secret");
    }
    if form
        .get("grant_type")
        .is_some_and(|kind| kind == "refresh_token")
    {
        let old = form.get("refresh_token").ok_or("invalid_refresh_token")?;
        let behind = book.renewals.remove(old).ok_or("invalid_refresh_token")?;
        book.refreshes += 1;
        return Ok(granted(&mut book, behind));
    }
    let code = form.get("code").ok_or("invalid_code")?;
    let made = book.codes.remove(code).ok_or("invalid_code")?;
    if form.get("redirect_uri") != Some(&made.redirect) {
        return Err("bad_redirect_uri");
    }
    book.exchanges += 1;
    Ok(granted(&mut book, made.behind))
}

/// Fresh tokens for a workspace, in the form of Slack's answer.
fn granted(book: &mut Book, behind: usize) -> Value {
    let fresh = || uuid::Uuid::new_v4().simple().to_string();
    let home = book.behind[behind].home.clone();
    let mut answer = json!({
        "ok": true, "token_type": "bot", "scope": book.scopes.join(","), "bot_user_id": BOT_USER,
        "app_id": APP_ID, "authed_user": { "id": "UANA" },
    });
    match &home.organisation {
        None => {
            answer["team"] = json!({ "id": home.team, "name": home.name });
            answer["enterprise"] = Value::Null;
            answer["is_enterprise_install"] = json!(false);
        }
        Some(organisation) => {
            answer["team"] = Value::Null;
            answer["enterprise"] = json!({ "id": organisation, "name": home.name });
            answer["is_enterprise_install"] = json!(true);
        }
    }
    let access = match book.rotation {
        Rotation::Off => format!("xoxb-canary-{}", fresh()),
        Rotation::On => {
            let refresh = format!("xoxe-1-canary-{}", fresh());
            answer["refresh_token"] = json!(refresh);
            answer["expires_in"] = json!(LIFE_SECONDS);
            book.renewals.insert(refresh, behind);
            format!("xoxe.xoxb-1-canary-{}", fresh())
        }
    };
    answer["access_token"] = json!(access);
    let is_dead = false;
    book.tokens.insert(access, Token { behind, is_dead });
    answer
}

/// A call, led to the workspace that its token opens.
async fn call(
    State(inside): State<Arc<Inside>>,
    Path(method): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |code: &str| Json(json!({ "ok": false, "error": code })).into_response();
    let Some(token) = api::bearer(&headers).map(str::to_owned) else {
        return refuse("not_authed");
    };
    let behind = {
        let mut book = inside.book();
        let Some(known) = book.tokens.get_mut(&token) else {
            return refuse("invalid_auth");
        };
        if known.is_dead {
            return refuse("token_revoked");
        }
        if method == "auth.revoke" {
            known.is_dead = true;
            return Json(json!({ "ok": true, "revoked": true })).into_response();
        }
        let behind = known.behind;
        book.behind[behind].clone()
    };
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    let mut request = inside
        .http
        .post(format!("{}/api/{method}{query}", behind.base))
        .bearer_auth(behind.token.expose_secret())
        .body(body);
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let Ok(response) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, scopes) = (
        response.status(),
        response.headers().get("x-oauth-scopes").cloned(),
    );
    let body = response.bytes().await.unwrap_or_default();
    let mut answer = (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        Body::from(body),
    )
        .into_response();
    if let Some(scopes) = scopes {
        answer.headers_mut().insert("x-oauth-scopes", scopes);
    }
    answer
}
