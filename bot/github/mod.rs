//! GitHub: which repositories are in reach, the credential of each, pull requests, and webhooks.
//!
//! Without a sign-in there is no forge: repositories are plain remotes, and branches are all that is pushed.

mod client;
mod doctor;
mod error;
mod pull_requests;
mod pushing;
mod repositories;
mod tokens;
mod webhook;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use deckhand_executors::mirror::Credential;
use futures::future::BoxFuture;
use secrecy::SecretString;
use serde_json::Value;

pub use error::ForgeError;
pub use pull_requests::NewPullRequest;
pub use pushing::PushCredential;
pub use webhook::{PullRequestEnded, accept, read, verify};

use crate::{
    config::{GithubConfig, GithubSignIn},
    domain::{event::PullRequest, specification::RepositoryName},
};
use client::{CallError, Client};
use repositories::Known;
use tokens::{Installations, Purpose};

/// Its name, for people.
pub const NAME: &str = "GitHub";
/// The user name that goes with a token in git's sign-in over HTTPS.
/// Source: GitHub's documentation of authenticating as an App installation.
const GIT_USER: &str = "x-access-token";

/// The forge. Clones share connections, tokens and what is known of repositories.
#[derive(Clone)]
pub struct Github {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    sign_in: SignIn,
    known: Known,
}

enum SignIn {
    App(Installations),
    Token { client: Client, token: SecretString },
    None,
}

impl Github {
    /// Puts it together inside a Tokio runtime; asks nothing. Refused where the App's private key cannot be read.
    pub fn new(config: &GithubConfig) -> Result<Self, ForgeError> {
        let sign_in = match &config.sign_in {
            GithubSignIn::App { id, key } => SignIn::App(Installations::new(Client::of_app(
                &config.api_url,
                *id,
                key,
            )?)),
            GithubSignIn::Token(token) => SignIn::Token {
                client: Client::of_token(&config.api_url, token)?,
                token: token.clone(),
            },
            GithubSignIn::None => SignIn::None,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                url: config.url.clone(),
                sign_in,
                known: Known::default(),
            }),
        })
    }

    /// Whether there are pull requests at all.
    #[must_use]
    pub fn is_forge(&self) -> bool {
        match self.inner.sign_in {
            SignIn::App(_) | SignIn::Token { .. } => true,
            SignIn::None => false,
        }
    }

    /// The repositories that can be worked in, as far as `REPOSITORIES_MAX`; believed for a minute.
    pub async fn repositories(&self) -> Result<Vec<RepositoryName>, ForgeError> {
        self.inner.known.get(&self.inner.sign_in).await
    }

    /// The address that git clones from and pushes to.
    #[must_use]
    pub fn clone_url(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}.git", self.inner.url)
    }

    /// What git signs in with to read: for an App a token of this one repository that may do nothing else, good for at
    /// least five minutes more. A person's token cannot be narrowed.
    pub async fn credential(
        &self,
        repository: &RepositoryName,
    ) -> Result<Option<Credential>, ForgeError> {
        let secret = match &self.inner.sign_in {
            SignIn::App(installations) => installations.token(repository, Purpose::Read).await?,
            SignIn::Token { token, .. } => token.clone(),
            SignIn::None => return Ok(None),
        };
        Ok(Some(Credential {
            user: GIT_USER.to_owned(),
            secret,
        }))
    }

    /// Forgets the credential for reading, where the remote did not take it: it may have been taken back before its time.
    pub async fn forget_credential(&self, repository: &RepositoryName) {
        if let SignIn::App(installations) = &self.inner.sign_in {
            installations.forget(repository, Purpose::Read).await;
        }
    }

    /// What git signs in with for one push: for an App a token that was taken out for it and may write this one
    /// repository's contents, nothing else. None without a sign-in.
    pub async fn push_credential(
        &self,
        repository: &RepositoryName,
    ) -> Result<Option<PushCredential>, ForgeError> {
        let credential = |secret| Credential {
            user: GIT_USER.to_owned(),
            secret,
        };
        match &self.inner.sign_in {
            SignIn::App(installations) => {
                let (client, secret) = installations.for_push(repository).await?;
                Ok(Some(PushCredential::taken_out(credential(secret), client)))
            }
            SignIn::Token { token, .. } => {
                Ok(Some(PushCredential::standing(credential(token.clone()))))
            }
            SignIn::None => Ok(None),
        }
    }

    /// The open pull request whose branch this is, where there is one.
    pub async fn pull_request_of(
        &self,
        repository: &RepositoryName,
        branch: &str,
    ) -> Result<Option<PullRequest>, ForgeError> {
        self.ask(repository, |client| {
            Box::pin(async move { pull_requests::find(&client, repository, branch).await })
        })
        .await
    }

    /// Opens a pull request. One that stands for the branch already is given back as it is.
    pub async fn open_pull_request(
        &self,
        repository: &RepositoryName,
        new: &NewPullRequest,
    ) -> Result<PullRequest, ForgeError> {
        self.ask(repository, |client| {
            Box::pin(async move { pull_requests::open(&client, repository, new).await })
        })
        .await
    }

    /// Whether the pull request of a branch was merged or closed, as a delivery to be stored: its key and its body, which are
    /// those of its webhook. None while it is open.
    pub async fn end_of(
        &self,
        repository: &RepositoryName,
        (number, branch): (u64, &str),
    ) -> Result<Option<(String, Value)>, ForgeError> {
        self.ask(repository, |client| {
            Box::pin(async move { pull_requests::end(&client, repository, (number, branch)).await })
        })
        .await
    }

    /// Gives a pull request this title and body.
    pub async fn update_pull_request(
        &self,
        repository: &RepositoryName,
        number: u64,
        title: &str,
        body: &str,
    ) -> Result<(), ForgeError> {
        self.ask(repository, |client| {
            Box::pin(async move {
                pull_requests::update(&client, repository, number, title, body).await
            })
        })
        .await
    }

    /// One line for `deckhand doctor`: who the bot is here. Refused, with what to do, where a permission is missing.
    pub async fn check(&self) -> Result<String, ForgeError> {
        match &self.inner.sign_in {
            SignIn::App(installations) => doctor::of_app(installations.app()).await,
            SignIn::Token { client, .. } => doctor::of_token(client).await,
            SignIn::None => {
                Ok("no sign-in: repositories are plain remotes without pull requests".to_owned())
            }
        }
    }

    /// Asks with the repository's own token. A token that was taken away before its time is replaced once.
    async fn ask<'a, T>(
        &self,
        repository: &RepositoryName,
        act: impl Fn(Client) -> BoxFuture<'a, Result<T, CallError>> + Send + Sync,
    ) -> Result<T, ForgeError> {
        match &self.inner.sign_in {
            SignIn::App(installations) => {
                let outcome = act(installations.client(repository).await?).await;
                match outcome {
                    Err(CallError::SignInRefused { .. }) => {
                        installations.forget(repository, Purpose::Propose).await;
                        Ok(act(installations.client(repository).await?).await?)
                    }
                    Err(refused @ CallError::Failed(ForgeError::Refused { .. })) => {
                        // Its permissions may have changed since; the next one has what is granted then.
                        installations.forget(repository, Purpose::Propose).await;
                        Err(refused.into())
                    }
                    outcome => Ok(outcome?),
                }
            }
            SignIn::Token { client, .. } => Ok(act(client.clone()).await?),
            SignIn::None => Err(ForgeError::Refused {
                what: format!("asking GitHub about {repository}"),
                reason: "no sign-in is set up".to_owned(),
            }),
        }
    }
}

/// Owner and name, fit to stand in an address.
fn parts(repository: &RepositoryName) -> Result<(&str, &str), ForgeError> {
    let fine = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match repository.0.split_once('/') {
        Some((owner, name)) if fine(owner) && fine(name) => Ok((owner, name)),
        Some(_) | None => Err(ForgeError::NotFound {
            what: format!(
                "finding the repository {}",
                crate::domain::clip(&repository.0, 100)
            ),
        }),
    }
}
