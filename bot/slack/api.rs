//! Calls of Slack's Web API: one road for all of them, with a limit of time and errors that print no answer.
//!
//! Answers are taken as raw JSON: a typed model that refuses an answer after the message was posted would post it again.

use std::{sync::Arc, time::Duration};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use slack_morphism::{
    SlackApiToken, SlackApiTokenValue, SlackClient, errors::SlackClientError,
    hyper_tokio::SlackClientHyperConnector,
};

use super::{
    limits::{CALL_TIMEOUT, CONNECT_TIMEOUT},
    manners::{Asking, Manners},
    methods::{self, Method},
    tiers::Urgency,
};
use crate::{clock::Clock, surface::SurfaceError};

type Connector = SlackClientHyperConnector<HttpsConnector<HttpConnector>>;

/// Codes of Slack that say that the same call may work later. Source: the errors listed with each method.
const TRANSIENT_CODES: [&str; 8] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
    "external_channel_migrating",
];
/// The longest code of an error that is passed on, in characters.
const CODE_MAX_CHARS: usize = 80;

/// Slack's Web API with the bot's token.
#[derive(Clone)]
pub(super) struct Api {
    client: Arc<SlackClient<Connector>>,
    /// For what the client does not do: files, and the headers of an answer.
    pub(super) http: reqwest::Client,
    url: String,
    token: SecretString,
    manners: Arc<Manners>,
}

impl Api {
    /// Prepares calls to the API at `url`, which has no slash at its end. The process needs a default provider of rustls.
    pub(super) fn new(url: &str, token: SecretString) -> Result<Self, SurfaceError> {
        let url = url.trim_end_matches('/').to_owned();
        let unusable = |code: &str| SurfaceError::Permanent {
            what: "preparing calls to Slack".to_owned(),
            code: code.to_owned(),
        };
        reqwest::Url::parse(&url).map_err(|_| unusable("the address of the API is none"))?;
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| unusable("the system has no root certificates"))?
            .https_or_http()
            .enable_http1()
            .build();
        let http = reqwest::Client::builder()
            // A redirect could carry the token elsewhere; Slack's answer to a missing right is one, too.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|_| unusable("the HTTP client cannot be built"))?;
        let client =
            SlackClient::new(Connector::with_connector(connector).with_slack_api_url(&url));
        Ok(Self {
            client: Arc::new(client),
            http,
            url,
            token,
            manners: Arc::new(Manners::new(Clock::default())),
        })
    }

    /// The same by another clock.
    pub(super) fn timed_by(mut self, clock: &Clock) -> Self {
        self.manners = Arc::new(Manners::new(clock.clone()));
        self
    }

    /// The same before anything was called, where Slack allows so many times the calls a minute that it publishes.
    pub(super) fn allowed(mut self, times: u16) -> Self {
        self.manners = Arc::new(self.manners.allowed(times));
        self
    }

    /// The same with another token of the same workspace: what was called with the one before is not forgotten.
    pub(super) fn with_token(&self, token: SecretString) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// Calls a method that writes.
    pub(super) async fn post(
        &self,
        method: Method,
        arguments: &Value,
    ) -> Result<Value, SurfaceError> {
        self.post_as(method.urgency(), method, arguments).await
    }

    /// The same where somebody waits more or less for it than usual.
    pub(super) async fn post_as(
        &self,
        urgency: Urgency,
        method: Method,
        arguments: &Value,
    ) -> Result<Value, SurfaceError> {
        let channel = arguments["channel"].as_str();
        let line = format!(
            "{}/{}",
            channel.unwrap_or_default(),
            arguments["ts"].as_str().unwrap_or_default()
        );
        let asking = Asking {
            method,
            urgency,
            channel,
            subject: &line,
        };
        self.manners.turn(asking).await?;
        let token = self.token();
        let session = self.client.open_session(&token);
        let answer = tokio::time::timeout(
            CALL_TIMEOUT,
            session
                .http_session_api
                .http_post::<Value, Value>(method.name(), arguments, None),
        )
        .await;
        self.settle(method, answer)
    }

    /// Calls a method that reads; most of these take no JSON.
    pub(super) async fn get(
        &self,
        method: Method,
        arguments: &[(&str, &str)],
    ) -> Result<Value, SurfaceError> {
        let asking = Asking {
            method,
            urgency: method.urgency(),
            channel: None,
            subject: "",
        };
        self.manners.turn(asking).await?;
        let token = self.token();
        let session = self.client.open_session(&token);
        let arguments: Vec<(&str, Option<&str>)> = arguments
            .iter()
            .map(|(name, value)| (*name, Some(*value)))
            .collect();
        let answer = tokio::time::timeout(
            CALL_TIMEOUT,
            session
                .http_session_api
                .http_get(method.name(), &arguments, None),
        )
        .await;
        self.settle(method, answer)
    }

    fn settle(
        &self,
        method: Method,
        answer: Result<Result<Value, SlackClientError>, tokio::time::error::Elapsed>,
    ) -> Result<Value, SurfaceError> {
        let name = method.name();
        match answer {
            Ok(Ok(value)) if value["ok"] == true => Ok(value),
            Ok(Ok(_)) => Err(transient(name, "gave an answer that is none", None)),
            Ok(Err(error)) => {
                if let SlackClientError::RateLimitError(limit) = &error {
                    self.manners.refused(method, limit.retry_after);
                }
                Err(fault(name, &error))
            }
            Err(_) => Err(transient(name, "did not answer in time", None)),
        }
    }

    /// The rights of the token, which stand only in a header of the answer.
    pub(super) async fn granted_scopes(&self) -> Result<Vec<String>, SurfaceError> {
        const METHOD: &str = methods::WHO_AM_I.name();
        let request = self
            .http
            .post(format!("{}/{METHOD}", self.url))
            .bearer_auth(self.token.expose_secret())
            .timeout(CALL_TIMEOUT);
        let answer = request
            .send()
            .await
            .map_err(|_| transient(METHOD, "cannot be reached", None))?;
        let scopes = answer
            .headers()
            .get("x-oauth-scopes")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body: Value = answer
            .json()
            .await
            .map_err(|_| transient(METHOD, "gave an answer that is none", None))?;
        if body["ok"] != true {
            return Err(refused(METHOD, body["error"].as_str().unwrap_or("unknown")));
        }
        Ok(scopes
            .split(',')
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// A download with the bot's rights.
    pub(super) fn download(&self, url: reqwest::Url) -> reqwest::RequestBuilder {
        self.http.get(url).bearer_auth(self.token.expose_secret())
    }

    /// Whether an address is one to which the token may be shown: the API's own, or that of Slack's files.
    pub(super) fn may_see_token(&self, url: &reqwest::Url) -> bool {
        let own = reqwest::Url::parse(&self.url).is_ok_and(|own| own.origin() == url.origin());
        own || (url.scheme() == "https"
            && url.host_str() == Some("files.slack.com")
            && url.port_or_known_default() == Some(443))
    }

    fn token(&self) -> SlackApiToken {
        SlackApiToken::new(SlackApiTokenValue::new(
            self.token.expose_secret().to_owned(),
        ))
    }
}

/// The crate's errors print whole answers, which may hold secrets; only method, code and status are passed on.
fn fault(method: &str, error: &SlackClientError) -> SurfaceError {
    match error {
        SlackClientError::ApiError(api) => {
            if let Some(details) = &api.errors {
                tracing::debug!(method, code = %api.code, ?details, "Slack refused a call");
            }
            refused(method, &api.code)
        }
        SlackClientError::RateLimitError(limit) => {
            transient(method, "limits us", limit.retry_after)
        }
        SlackClientError::HttpError(http)
            if http.status_code.is_server_error() || http.status_code.as_u16() == 408 =>
        {
            transient(
                method,
                &format!("answered with status {}", http.status_code.as_u16()),
                None,
            )
        }
        SlackClientError::HttpError(http) => {
            permanent(method, &format!("http_{}", http.status_code.as_u16()))
        }
        SlackClientError::ProtocolError(_) => {
            transient(method, "gave an answer that is none", None)
        }
        SlackClientError::HttpProtocolError(_)
        | SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_) => {
            transient(method, "cannot be reached", None)
        }
    }
}

pub(super) fn refused(method: &str, code: &str) -> SurfaceError {
    if TRANSIENT_CODES.contains(&code) {
        transient(method, code, None)
    } else {
        permanent(method, code)
    }
}

pub(super) fn permanent(method: &str, code: &str) -> SurfaceError {
    let code = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        .take(CODE_MAX_CHARS)
        .collect();
    SurfaceError::Permanent {
        what: format!("Slack refused {method}"),
        code,
    }
}

pub(super) fn transient(method: &str, how: &str, retry_after: Option<Duration>) -> SurfaceError {
    SurfaceError::Transient {
        what: format!("Slack {how} ({method})"),
        retry_after,
    }
}
