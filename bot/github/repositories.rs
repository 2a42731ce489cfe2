//! Which repositories can be worked in.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    ForgeError, SignIn,
    client::{CallError, Client},
};
use crate::domain::specification::RepositoryName;

/// How long the list is believed: an App that is put on a repository is seen within this time.
const KEPT: Duration = Duration::from_mins(1);
/// Items on one page, the most that GitHub gives.
const PAGE: usize = 100;
/// The most repositories that are listed for an App; the others can still be named in full.
pub(super) const REPOSITORIES_MAX: usize = 1_000;
/// The most installations that are looked through.
const INSTALLATIONS_MAX: usize = 100;

/// The list, while it is believed. Whoever holds the lock asks; the others wait for that one.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<(Instant, Vec<RepositoryName>)>>);

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    #[serde(default)]
    archived: bool,
    permissions: Option<Rights>,
}

#[derive(Deserialize)]
struct Rights {
    #[serde(default)]
    push: bool,
}

#[derive(Deserialize)]
struct RepositoryPage {
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    suspended_at: Option<String>,
}

#[derive(Serialize)]
struct ReadOnly {
    permissions: ReadPermissions,
}

#[derive(Serialize)]
struct ReadPermissions {
    metadata: &'static str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: SecretString,
}

impl Known {
    pub(super) async fn get(&self, sign_in: &SignIn) -> Result<Vec<RepositoryName>, ForgeError> {
        let mut known = self.0.lock().await;
        if let Some((_, names)) = known.as_ref().filter(|(since, _)| since.elapsed() < KEPT) {
            return Ok(names.clone());
        }
        let names = match sign_in {
            SignIn::App(installations) => of_app(installations.app()).await?,
            SignIn::Token { client, .. } => of_token(client).await?,
            SignIn::None => Vec::new(),
        };
        *known = Some((Instant::now(), names.clone()));
        Ok(names)
    }
}

async fn of_app(app: &Client) -> Result<Vec<RepositoryName>, CallError> {
    let what = "listing the App's installations";
    let installations: Vec<Installation> = app
        .get(what, &format!("/app/installations?per_page={PAGE}"))
        .await?;
    let mut names = Vec::new();
    for installation in installations
        .iter()
        .filter(|installation| installation.suspended_at.is_none())
        .take(INSTALLATIONS_MAX)
    {
        let request = ReadOnly {
            permissions: ReadPermissions { metadata: "read" },
        };
        let what = "taking out a token for an installation";
        let token: TokenAnswer = app
            .post(
                what,
                &format!("/app/installations/{}/access_tokens", installation.id),
                &request,
            )
            .await?;
        let client = app.with_token(&token.token)?;
        let mut number = 1;
        while names.len() < REPOSITORIES_MAX {
            let route = format!("/installation/repositories?per_page={PAGE}&page={number}");
            let page: RepositoryPage = client
                .get("listing an installation's repositories", &route)
                .await?;
            let is_last = page.repositories.len() < PAGE;
            names.extend(
                page.repositories
                    .into_iter()
                    .filter(|repository| !repository.archived)
                    .map(|repository| RepositoryName(repository.full_name)),
            );
            if is_last {
                break;
            }
            number += 1;
        }
    }
    names.truncate(REPOSITORIES_MAX);
    Ok(names)
}

/// One page, the ones that were pushed to last: a person may see thousands.
async fn of_token(client: &Client) -> Result<Vec<RepositoryName>, CallError> {
    let route = format!("/user/repos?sort=pushed&per_page={PAGE}");
    let page: Vec<Repository> = client
        .get("listing the repositories of the token's owner", &route)
        .await?;
    let fit = |repository: &Repository| {
        !repository.archived
            && repository
                .permissions
                .as_ref()
                .is_some_and(|rights| rights.push)
    };
    Ok(page
        .into_iter()
        .filter(fit)
        .map(|repository| RepositoryName(repository.full_name))
        .collect())
}
