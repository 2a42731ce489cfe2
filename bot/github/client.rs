//! One signed-in connection to GitHub's REST interface, with limits, and with failures told apart.
//!
//! Nothing is tried again in here: the outbox does that, with pauses, and looks first whether it is done already.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use octocrab::{GitHubError, Octocrab, models::AppId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};

use super::ForgeError;
use crate::domain::clip;

/// How long a connection may take to stand.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long one call may take altogether.
const CALL_MAX: Duration = Duration::from_secs(30);
/// How long to wait where GitHub says "too fast" and no more.
/// Source: GitHub's documentation of rate limits asks for at least one minute.
const SECONDARY_LIMIT_PAUSE: Duration = Duration::from_mins(1);
/// The longest reason that is passed on, in characters.
const REASON_MAX_CHARS: usize = 300;

/// A signed-in connection. Clones and other sign-ins made from it share its sockets.
#[derive(Clone)]
pub(super) struct Client {
    crab: Octocrab,
}

/// A call that did not work.
#[derive(Debug)]
pub(super) enum CallError {
    /// The token or key was not taken.
    SignInRefused { what: String },
    /// Anything else.
    Failed(ForgeError),
}

impl From<ForgeError> for CallError {
    fn from(error: ForgeError) -> Self {
        Self::Failed(error)
    }
}

impl From<CallError> for ForgeError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::SignInRefused { what } => Self::Refused {
                what,
                reason: "GitHub does not take the token or key (401)".to_owned(),
            },
            CallError::Failed(error) => error,
        }
    }
}

impl Client {
    /// Signs in as an App, with a signature for each call.
    pub(super) fn of_app(api_url: &str, id: u64, key: &SecretString) -> Result<Self, ForgeError> {
        let refused = |reason: &str| ForgeError::Refused {
            what: "signing in as a GitHub App".to_owned(),
            reason: reason.to_owned(),
        };
        let builder = Octocrab::builder()
            .app_from_rsa_pem(AppId(id), key.expose_secret())
            .map_err(|_| refused("GITHUB_APP_PRIVATE_KEY is no RSA key in PEM form"))?;
        Self::build(builder, api_url)
    }

    /// Signs in with a token.
    pub(super) fn of_token(api_url: &str, token: &SecretString) -> Result<Self, ForgeError> {
        Self::build(Octocrab::builder().personal_token(token.clone()), api_url)
    }

    fn build(
        builder: octocrab::OctocrabBuilder<
            octocrab::NoSvc,
            octocrab::DefaultOctocrabBuilderConfig,
            octocrab::NoAuth,
            octocrab::NotLayerReady,
        >,
        api_url: &str,
    ) -> Result<Self, ForgeError> {
        let refused = |reason: &str| ForgeError::Refused {
            what: "setting GitHub up".to_owned(),
            reason: reason.to_owned(),
        };
        let crab = builder
            .base_uri(api_url)
            .map_err(|_| refused("GITHUB_API_URL is no address"))?
            .set_connect_timeout(Some(CONNECT_MAX))
            .set_read_timeout(Some(CALL_MAX))
            .set_write_timeout(Some(CALL_MAX))
            .build()
            .map_err(|_| refused("the connection could not be set up"))?;
        Ok(Self { crab })
    }

    /// The same connection, signed in with another token.
    pub(super) fn with_token(&self, token: &SecretString) -> Result<Self, ForgeError> {
        let crab = self.crab.user_access_token(token.clone());
        let refused = |_| ForgeError::Refused {
            what: "signing in at GitHub".to_owned(),
            reason: "the token cannot stand in a header".to_owned(),
        };
        Ok(Self {
            crab: crab.map_err(refused)?,
        })
    }

    /// Reads.
    pub(super) async fn get<R: DeserializeOwned>(
        &self,
        what: &str,
        route: &str,
    ) -> Result<R, CallError> {
        Ok(self.get_with_header(what, route, "").await?.0)
    }

    /// Reads an answer together with one of its headers.
    pub(super) async fn get_with_header<R: DeserializeOwned>(
        &self,
        what: &str,
        route: &str,
        header: &str,
    ) -> Result<(R, Option<String>), CallError> {
        let call = async {
            let response = octocrab::map_github_error(self.crab._get(route).await?).await?;
            let value = response
                .headers()
                .get(header)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            Ok((response.into_body().collect().await?.to_bytes(), value))
        };
        let (bytes, value) = within(what, call).await?;
        Ok((understood(what, &bytes)?, value))
    }

    /// Makes something.
    pub(super) async fn post<R: DeserializeOwned>(
        &self,
        what: &str,
        route: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<R, CallError> {
        let call = async {
            let response =
                octocrab::map_github_error(self.crab._post(route, Some(body)).await?).await?;
            Ok(response.into_body().collect().await?.to_bytes())
        };
        understood(what, &within(what, call).await?)
    }

    /// Removes something.
    pub(super) async fn delete(&self, what: &str, route: &str) -> Result<(), CallError> {
        let call = async {
            let answer = self.crab._delete(route, None::<&()>).await?;
            octocrab::map_github_error(answer).await.map(drop)
        };
        within(what, call).await
    }

    /// Changes something.
    pub(super) async fn patch(
        &self,
        what: &str,
        route: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<(), CallError> {
        let call = async {
            let response =
                octocrab::map_github_error(self.crab._patch(route, Some(body)).await?).await?;
            Ok(response.into_body().collect().await?.to_bytes())
        };
        within(what, call).await.map(drop)
    }
}

async fn within<T>(
    what: &str,
    call: impl Future<Output = Result<T, octocrab::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_MAX, call).await {
        Ok(outcome) => outcome.map_err(|error| failure(what, &error)),
        Err(_) => Err(transient(
            &format!(
                "{what}: GitHub did not answer within {} seconds",
                CALL_MAX.as_secs()
            ),
            None,
        )),
    }
}

/// The answer to a write that was redirected is the answer to a read, and is not understood either.
fn understood<R: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<R, CallError> {
    serde_json::from_slice(bytes).map_err(|_| {
        refused(
            what,
            "GitHub's answer is not understood; was the repository renamed?".to_owned(),
        )
    })
}

fn transient(what: &str, retry_after: Option<Duration>) -> CallError {
    CallError::Failed(ForgeError::Transient {
        what: what.to_owned(),
        retry_after,
    })
}

fn refused(what: &str, reason: String) -> CallError {
    CallError::Failed(ForgeError::Refused {
        what: what.to_owned(),
        reason,
    })
}

fn failure(what: &str, error: &octocrab::Error) -> CallError {
    match error {
        octocrab::Error::GitHub { source, .. } => answered(what, source),
        octocrab::Error::JWT { .. } => {
            refused(what, "the App's private key cannot sign".to_owned())
        }
        octocrab::Error::Uri { .. } | octocrab::Error::UriParse { .. } => {
            refused(what, "the address cannot be used".to_owned())
        }
        // The library's enum is open; what is left are sockets and half answers.
        _ => transient(&format!("{what}: GitHub cannot be reached"), None),
    }
}

fn answered(what: &str, error: &GitHubError) -> CallError {
    let status = error.status_code.as_u16();
    match status {
        401 => CallError::SignInRefused {
            what: what.to_owned(),
        },
        404 | 410 => CallError::Failed(ForgeError::NotFound {
            what: what.to_owned(),
        }),
        403 | 429 => match pause(error) {
            Some(pause) => transient(
                &format!("{what}: GitHub asks to go slower ({status})"),
                Some(pause),
            ),
            None => refused(what, reason(error)),
        },
        408 | 500.. => transient(&format!("{what}: GitHub answered {status}"), None),
        _ => refused(what, reason(error)),
    }
}

/// How long a refusal asks to wait; nothing where it is a refusal and no limit.
fn pause(error: &GitHubError) -> Option<Duration> {
    let header = |name: &str| {
        error
            .headers
            .as_ref()?
            .get(name)?
            .to_str()
            .ok()?
            .parse::<u64>()
            .ok()
    };
    if let Some(seconds) = header("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if header("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let until = Duration::from_secs(error.rate_limit_reset.unwrap_or_default());
        return Some(until.saturating_sub(now).max(Duration::from_secs(1)));
    }
    let is_limit = error.status_code.as_u16() == 429
        || error.message.to_ascii_lowercase().contains("rate limit");
    is_limit.then_some(SECONDARY_LIMIT_PAUSE)
}

/// GitHub's own words, where the answer is GitHub's: what stands between may answer with a whole page.
fn reason(error: &GitHubError) -> String {
    let is_json = error
        .headers
        .as_ref()
        .and_then(|headers| headers.get("content-type"))
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return format!("answered {}", error.status_code.as_u16());
    }
    let details = error.errors.iter().flatten().filter_map(|detail| {
        let text = |key: &str| detail.get(key).and_then(serde_json::Value::as_str);
        text("message")
            .map(str::to_owned)
            .or_else(|| Some(format!("{} is {}", text("field")?, text("code")?)))
    });
    let all: Vec<String> = std::iter::once(error.message.clone())
        .chain(details)
        .collect();
    clip(&all.join("; "), REASON_MAX_CHARS)
}
