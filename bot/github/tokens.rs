//! Installation tokens: one for each repository, no wider than the work needs, taken out once however many ask.

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

/// What tokens may do. The App has to have been granted the same; `manifest/github.json` asks for it.
pub(super) const PERMISSIONS: Permissions = Permissions {
    contents: "write",
    pull_requests: "write",
};

/// Permissions as GitHub names them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Permissions {
    pub(super) contents: &'static str,
    pub(super) pull_requests: &'static str,
}

/// The App's installations, with the token of each repository.
pub(super) struct Installations {
    app: Client,
    tokens: Mutex<HashMap<String, Slot>>,
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

    /// A connection that is signed in for one repository.
    pub(super) async fn client(&self, repository: &RepositoryName) -> Result<Client, ForgeError> {
        self.app.with_token(&self.token(repository).await?)
    }

    /// The token of one repository. Not found where the App is not installed there.
    pub(super) async fn token(
        &self,
        repository: &RepositoryName,
    ) -> Result<SecretString, ForgeError> {
        let slot = self.slot(repository).await;
        let mut token = slot.lock().await;
        if let Some(token) = token
            .as_ref()
            .filter(|token| token.ends > Timestamp::now() + RENEWED_BEFORE_END)
        {
            return Ok(token.secret.clone());
        }
        let fresh = self.take_out(repository).await?;
        let secret = fresh.token.clone();
        *token = Some(Token {
            secret: fresh.token,
            ends: fresh.expires_at,
        });
        Ok(secret)
    }

    /// Forgets a token that is not taken any more.
    pub(super) async fn forget(&self, repository: &RepositoryName) {
        *self.slot(repository).await.lock().await = None;
    }

    async fn slot(&self, repository: &RepositoryName) -> Slot {
        let mut tokens = self.tokens.lock().await;
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(tokens.entry(repository.0.to_ascii_lowercase()).or_default())
    }

    async fn take_out(&self, repository: &RepositoryName) -> Result<TokenAnswer, CallError> {
        let (owner, name) = parts(repository)?;
        let what = format!("finding the App's installation on {repository}");
        let installation: InstallationAnswer = self
            .app
            .get(&what, &format!("/repos/{owner}/{name}/installation"))
            .await?;
        let what = format!("taking out a token for {repository}");
        let request = TokenRequest {
            repositories: [name],
            permissions: PERMISSIONS,
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
