//! The application's own token, by client credentials: taken out once however many ask, kept over restarts, and renewed
//! before its end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::client::{answer_of, refused, transient, unreachable};
use crate::{
    config::LinearConfig,
    surface::{SurfaceError, Token, TokenStore},
};

/// What the token may do. Always the same text: asking for other scopes revokes the tokens that are out.
/// Source: Linear's documentation of OAuth; `admin` cannot be had by an application.
pub(super) const SCOPES: &str = "read,write,app:assignable,app:mentionable";
/// How long before its end a token is renewed; a short-lived one at half its life.
const RENEWED_BEFORE_END: Duration = Duration::from_hours(1);
/// The surface, as the store of tokens knows it.
const SURFACE: &str = "linear";
const WHAT: &str = "signing in at Linear";

pub(super) struct Tokens {
    address: String,
    client_id: String,
    client_secret: SecretString,
    /// Under which name the token is kept: whoever it was given to, where, and for what. With other settings it is another.
    name: String,
    kept: Arc<dyn TokenStore>,
    /// Whoever holds the lock takes one out; the others wait for that one.
    current: Mutex<Option<Current>>,
    /// What the last token may do that was taken out.
    granted: Mutex<Vec<String>>,
}

struct Current {
    secret: SecretString,
    renew_at: Instant,
}

impl Current {
    fn of(token: Token) -> Self {
        Self {
            secret: token.secret,
            renew_at: Instant::now()
                + token
                    .life
                    .saturating_sub(RENEWED_BEFORE_END.min(token.life / 2)),
        }
    }
}

#[derive(Serialize)]
struct Request<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
    scope: &'static str,
}

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    /// Seconds.
    expires_in: u64,
    /// What the token may do, where Linear says so: a text, or a list of them.
    #[serde(default)]
    scope: serde_json::Value,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Tokens {
    pub(super) fn new(config: &LinearConfig, kept: Arc<dyn TokenStore>) -> Self {
        Self {
            address: format!("{}/oauth/token", config.api_url),
            name: format!("linear:{}:{}:{SCOPES}", config.api_url, config.client_id),
            kept,
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            current: Mutex::default(),
            granted: Mutex::default(),
        }
    }

    pub(super) async fn get(&self, http: &reqwest::Client) -> Result<SecretString, SurfaceError> {
        let mut current = self.current.lock().await;
        if let Some(token) = current
            .as_ref()
            .filter(|token| Instant::now() < token.renew_at)
        {
            return Ok(token.secret.clone());
        }
        if self.kept.is_withdrawn(SURFACE).await {
            *current = None;
            return Err(refused(WHAT, "the application's access was taken away"));
        }
        // One that this process held is used up; one of an earlier process may still be good.
        let earlier = match &*current {
            Some(_) => None,
            None => self.kept.kept(&self.name).await,
        };
        let token = match earlier {
            Some(token) => token,
            None => self.fresh(http).await?,
        };
        let secret = token.secret.clone();
        *current = Some(Current::of(token));
        Ok(secret)
    }

    /// What a token that this process took out may not do, although it is asked for. Empty where Linear has not said.
    pub(super) async fn lacking(&self) -> Vec<&'static str> {
        let granted = self.granted.lock().await;
        let asked = SCOPES.split(',');
        let lacking = asked.filter(|scope| !granted.iter().any(|one| one == scope));
        lacking.filter(|_| !granted.is_empty()).collect()
    }

    pub(super) async fn has_access(&self) -> bool {
        !self.kept.is_withdrawn(SURFACE).await
    }

    async fn fresh(&self, http: &reqwest::Client) -> Result<Token, SurfaceError> {
        let answer = self.take_out(http).await?;
        *self.granted.lock().await = scopes(&answer.scope);
        let token = Token {
            secret: answer.access_token,
            life: Duration::from_secs(answer.expires_in),
        };
        self.kept.keep(&self.name, &token).await;
        Ok(token)
    }

    /// Forgets a token that is not taken any more, unless somebody has replaced it already.
    pub(super) async fn forget(&self, refused: &SecretString) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|token| token.secret.expose_secret() == refused.expose_secret())
        {
            self.kept.forget(&self.name).await;
            *current = None;
        }
    }

    /// Forgets the token that there is, whichever it is.
    pub(super) async fn forget_all(&self) {
        let mut current = self.current.lock().await;
        self.kept.forget(&self.name).await;
        *current = None;
    }

    async fn take_out(&self, http: &reqwest::Client) -> Result<Answer, SurfaceError> {
        let request = Request {
            grant_type: "client_credentials",
            client_id: &self.client_id,
            client_secret: self.client_secret.expose_secret(),
            scope: SCOPES,
        };
        let response = http
            .post(&self.address)
            .form(&request)
            .send()
            .await
            .map_err(|error| unreachable(WHAT, &error))?;
        let answer = answer_of(WHAT, response).await?;
        match answer.status.as_u16() {
            200..300 => serde_json::from_slice(&answer.body)
                .map_err(|_| refused(WHAT, "the answer is not understood")),
            408 | 429 | 500.. => Err(transient(
                format!("{WHAT}: answered {}", answer.status.as_u16()),
                answer.pause,
            )),
            status => match serde_json::from_slice::<Refusal>(&answer.body) {
                Ok(refusal) => Err(refused(WHAT, &refusal.error)),
                Err(_) => Err(refused(WHAT, &format!("answered {status}"))),
            },
        }
    }
}

/// Scopes as an answer gives them.
fn scopes(answer: &serde_json::Value) -> Vec<String> {
    let texts: Vec<&str> = match answer {
        serde_json::Value::Array(list) => list.iter().filter_map(|one| one.as_str()).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let each = texts.iter().flat_map(|text| text.split([',', ' ']));
    each.filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}
