//! Installation tokens: each for one repository and one purpose. What reads or proposes is taken out once however many
//! ask; what pushes is taken out for one push and given back after it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    ForgeError,
    client::{CallError, Client},
    parts,
};
use crate::domain::specification::RepositoryName;

/// How long before its end a token is replaced, so that a clone or push that begins with it also ends with it.
const RENEWED_BEFORE_END: Duration = Duration::from_mins(5);
/// The most repositories whose tokens are kept; above it, those that are not in use are dropped.
const TOKENS_MAX: usize = 1_000;

/// What the App has to have been granted; no token has all of it. `manifest/github.json` asks for it.
pub(super) const GRANTED: [(&str, &str); 2] = [("contents", "write"), ("pull_requests", "write")];

/// What a kept token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Copying the repository.
    Read,
    /// Finding, opening and changing pull requests.
    Propose,
}

impl Purpose {
    const fn permissions(self) -> Permissions {
        match self {
            Self::Read => Permissions {
                contents: "read",
                pull_requests: None,
            },
            Self::Propose => Permissions {
                contents: "read",
                pull_requests: Some("write"),
            },
        }
    }
}

/// What a token for one push may do.
const PUSH: Permissions = Permissions {
    contents: "write",
    pull_requests: None,
};

/// Permissions as GitHub names them.
#[derive(Debug, Clone, Copy, Serialize)]
struct Permissions {
    contents: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_requests: Option<&'static str>,
}

/// The App's installations, with the token of each repository.
pub(super) struct Installations {
    app: Client,
    tokens: Mutex<HashMap<(Purpose, String), Slot>>,
}

/// The token of one repository. Whoever holds the lock takes it out; the others wait for that one.
type Slot = Arc<Mutex<Option<Token>>>;

struct Token {
    secret: SecretString,
    ends: Timestamp,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    repositories: [&'a str; 1],
    permissions: Permissions,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: SecretString,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
}

impl Installations {
    pub(super) fn new(app: Client) -> Self {
        Self {
            app,
            tokens: Mutex::default(),
        }
    }

    /// The connection that is signed in as the App itself.
    pub(super) const fn app(&self) -> &Client {
        &self.app
    }

    /// A connection that is signed in for the pull requests of one repository.
    pub(super) async fn client(&self, repository: &RepositoryName) -> Result<Client, ForgeError> {
        let token = self.token(repository, Purpose::Propose).await?;
        self.app.with_token(&token)
    }

    /// A connection that is signed in for one push to one repository, with its token.
    pub(super) async fn for_push(
        &self,
        repository: &RepositoryName,
    ) -> Result<(Client, SecretString), ForgeError> {
        let token = self.take_out(repository, PUSH).await?.token;
        Ok((self.app.with_token(&token)?, token))
    }

    /// The token of one repository. Not found where the App is not installed there.
    pub(super) async fn token(
        &self,
        repository: &RepositoryName,
        purpose: Purpose,
    ) -> Result<SecretString, ForgeError> {
        let slot = self.slot(repository, purpose).await;
        let mut token = slot.lock().await;
        if let Some(token) = token
            .as_ref()
            .filter(|token| token.ends > Timestamp::now() + RENEWED_BEFORE_END)
        {
            return Ok(token.secret.clone());
        }
        let fresh = self.take_out(repository, purpose.permissions()).await?;
        let secret = fresh.token.clone();
        *token = Some(Token {
            secret: fresh.token,
            ends: fresh.expires_at,
        });
        Ok(secret)
    }

    /// Forgets a token that is not taken any more.
    pub(super) async fn forget(&self, repository: &RepositoryName, purpose: Purpose) {
        *self.slot(repository, purpose).await.lock().await = None;
    }

    async fn slot(&self, repository: &RepositoryName, purpose: Purpose) -> Slot {
        let mut tokens = self.tokens.lock().await;
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let key = (purpose, repository.0.to_ascii_lowercase());
        Arc::clone(tokens.entry(key).or_default())
    }

    async fn take_out(
        &self,
        repository: &RepositoryName,
        permissions: Permissions,
    ) -> Result<TokenAnswer, CallError> {
        let (owner, name) = parts(repository)?;
        let what = format!("finding the App's installation on {repository}");
        let installation: InstallationAnswer = self
            .app
            .get(&what, &format!("/repos/{owner}/{name}/installation"))
            .await?;
        let what = format!("taking out a token for {repository}");
        let request = TokenRequest {
            repositories: [name],
            permissions,
        };
        self.app
            .post(
                &what,
                &format!("/app/installations/{}/access_tokens", installation.id),
                &request,
            )
            .await
    }
}
