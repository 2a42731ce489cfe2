//! GraphQL over HTTP, signed in, with limits, and with failures told apart.
//!
//! Nothing is tried again in here but one thing: a call whose token was not taken, with a fresh one.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::{StatusCode, header::HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    operations::{Done, Operation},
    token::Tokens,
};
use crate::{
    config::LinearConfig,
    domain::clip,
    surface::{FILE_TOO_LARGE, SurfaceError, TokenStore},
};

/// How long a connection may take to stand.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one call may take altogether.
const CALL_MAX: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 8 << 20;
/// The longest code that is passed on, in characters.
const CODE_MAX_CHARS: usize = 200;

/// A signed-in connection; clones share it.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    address: String,
    tokens: Arc<Tokens>,
}

/// An answer that was read whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// How long the other side asks to wait.
    pub(super) pause: Option<Duration>,
}

#[derive(Serialize)]
struct Request<'a, V> {
    query: &'static str,
    variables: &'a V,
}

#[derive(Deserialize)]
struct Envelope<A> {
    data: Option<A>,
    #[serde(default)]
    errors: Vec<GraphqlError>,
}

#[derive(Deserialize)]
struct GraphqlError {
    message: String,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
struct Extensions {
    code: Option<String>,
}

/// A call that did not work.
enum CallError {
    SignInRefused,
    Failed(SurfaceError),
}

impl Client {
    pub(super) fn new(
        config: &LinearConfig,
        kept: Arc<dyn TokenStore>,
    ) -> Result<Self, SurfaceError> {
        // Where the process has chosen already, that choice stands.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(CALL_MAX)
            // A redirected call would carry the token to wherever it is sent.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("deckhand")
            .build()
            .map_err(|_| refused("setting Linear up", "no HTTP client"))?;
        Ok(Self {
            http,
            address: format!("{}/graphql", config.api_url),
            tokens: Arc::new(Tokens::new(config, kept)),
        })
    }

    /// The connection without a sign-in.
    pub(super) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The token, for the few addresses that are no GraphQL.
    pub(super) async fn token(&self) -> Result<SecretString, SurfaceError> {
        self.tokens.get(&self.http).await
    }

    /// Forgets a token that was not taken, unless another one is there already.
    pub(super) async fn forget(&self, token: &SecretString) {
        self.tokens.forget(token).await;
    }

    /// Whether the application has not lost its access.
    pub(super) async fn has_access(&self) -> bool {
        self.tokens.has_access().await
    }

    /// What the token may not do.
    pub(super) async fn lacking(&self) -> Vec<&'static str> {
        self.tokens.lacking().await
    }

    /// Forgets the token, which is worth nothing any more.
    pub(super) async fn sign_out(&self) {
        self.tokens.forget_all().await;
    }

    /// Does an operation.
    pub(super) async fn run<A: DeserializeOwned>(
        &self,
        operation: &Operation,
        variables: &(impl Serialize + Sync),
    ) -> Result<A, SurfaceError> {
        let token = self.token().await?;
        match self.try_once(operation, variables, &token).await {
            Ok(answer) => return Ok(answer),
            Err(CallError::Failed(error)) => return Err(error),
            Err(CallError::SignInRefused) => self.tokens.forget(&token).await,
        }
        let token = self.token().await?;
        self.try_once(operation, variables, &token)
            .await
            .map_err(|error| match error {
                CallError::Failed(error) => error,
                // One that is just taken out may have been overtaken by another server's. Where the application itself is
                // not taken any more, the sign-in says so.
                CallError::SignInRefused => transient(
                    format!("{}: Linear does not take the token yet", operation.what),
                    None,
                ),
            })
    }

    /// Does a mutation.
    pub(super) async fn change(
        &self,
        operation: &Operation,
        variables: &(impl Serialize + Sync),
    ) -> Result<(), SurfaceError> {
        let done: Done = self.run(operation, variables).await?;
        if done.is_whole() {
            Ok(())
        } else {
            Err(refused(operation.what, "no success"))
        }
    }

    async fn try_once<A: DeserializeOwned>(
        &self,
        operation: &Operation,
        variables: &(impl Serialize + Sync),
        token: &SecretString,
    ) -> Result<A, CallError> {
        let what = operation.what;
        let request = self
            .http
            .post(&self.address)
            .bearer_auth(token.expose_secret())
            .json(&Request {
                query: operation.text,
                variables,
            });
        let response = request
            .send()
            .await
            .map_err(|error| CallError::Failed(unreachable(what, &error)))?;
        let answer = answer_of(what, response).await.map_err(CallError::Failed)?;
        let envelope: Option<Envelope<A>> = serde_json::from_slice(&answer.body).ok();
        let errors = envelope
            .as_ref()
            .map_or(&[][..], |envelope| &envelope.errors);
        let is_code = |wanted: &str| {
            errors
                .iter()
                .any(|error| error.extensions.code.as_deref() == Some(wanted))
        };
        // Linear's rate limit comes as a bad request.
        if is_code("RATELIMITED") || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::Failed(transient(
                format!("{what}: Linear asks to go slower"),
                answer.pause,
            )));
        }
        if is_code("AUTHENTICATION_ERROR") || answer.status == StatusCode::UNAUTHORIZED {
            return Err(CallError::SignInRefused);
        }
        if answer.status.is_server_error() || answer.status == StatusCode::REQUEST_TIMEOUT {
            return Err(CallError::Failed(transient(
                format!("{what}: Linear answered {}", answer.status.as_u16()),
                answer.pause,
            )));
        }
        // Errors can come with a good status and half the data.
        if let Some(error) = errors.first() {
            let code = error.extensions.code.as_deref().unwrap_or("error");
            return Err(CallError::Failed(refused(
                what,
                &clip(&format!("{code}: {}", error.message), CODE_MAX_CHARS),
            )));
        }
        match envelope
            .and_then(|envelope| envelope.data)
            .filter(|_| answer.status.is_success())
        {
            Some(data) => Ok(data),
            None => Err(CallError::Failed(refused(
                what,
                &format!(
                    "answered {} with something that is not understood",
                    answer.status.as_u16()
                ),
            ))),
        }
    }
}

/// Reads an answer to its end, as far as [`ANSWER_MAX_BYTES`].
pub(super) async fn answer_of(
    what: &str,
    response: reqwest::Response,
) -> Result<Answer, SurfaceError> {
    let (status, pause) = (response.status(), pause(response.headers()));
    let body = read_to(what, response, ANSWER_MAX_BYTES).await?;
    Ok(Answer {
        status,
        body,
        pause,
    })
}

/// Reads a body to its end; one that is longer than `limit_bytes` is refused.
pub(super) async fn read_to(
    what: &str,
    mut response: reqwest::Response,
    limit_bytes: usize,
) -> Result<Vec<u8>, SurfaceError> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(what, &error))?
    {
        if body.len() + chunk.len() > limit_bytes {
            return Err(refused(what, FILE_TOO_LARGE));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `Retry-After` in seconds, or the moment, in milliseconds since 1970, at which requests are taken again.
pub(super) fn pause(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-requests-remaining") != Some(0) {
        return None;
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Some(
        Duration::from_millis(number("x-ratelimit-requests-reset")?)
            .saturating_sub(now)
            .max(Duration::from_secs(1)),
    )
}

pub(super) fn transient(what: String, retry_after: Option<Duration>) -> SurfaceError {
    SurfaceError::Transient { what, retry_after }
}

pub(super) fn refused(what: &str, code: &str) -> SurfaceError {
    SurfaceError::Permanent {
        what: what.to_owned(),
        code: code.to_owned(),
    }
}

/// What failed is said in a word; the library's own text has the address in it, which may be a signed one.
pub(super) fn unreachable(what: &str, error: &reqwest::Error) -> SurfaceError {
    let why = if error.is_timeout() {
        "no answer in time"
    } else {
        "no connection, or it broke"
    };
    transient(format!("{what}: {why}"), None)
}
