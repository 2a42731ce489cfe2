//! A stand-in for GitHub: a subset of its REST interface in front of real bare repositories, which
//! real git clones from and pushes to over smart HTTP.
//!
//! [`Github::start`] opens it; [`Github::seed`] puts a repository into it. People act through
//! [`Github::merge`], [`Github::close`] and [`Github::comment`]; the webhooks that follow are signed
//! and, as at GitHub, sent once. Pages for people are at the same addresses as there.

mod api;
mod auth;
mod events;
mod fault;
mod gate;
mod git;
mod hooks;
mod key;
mod pages;
mod pulls;
mod render;
mod reply;
mod repository;
mod smart_http;
mod state;
#[cfg(test)]
mod tests;
mod webhooks;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use self::fault::Fault;
pub use self::git::Commit;
pub use self::key::AppKey;
pub use self::repository::Repository;
pub use self::state::{
    Access, Comment, PullRequest, PullState, RepositorySnapshot, RequestRecord, Upload,
};
pub use self::webhooks::WebhookDelivery;

use self::git::Git;
use self::state::{App, INSTALLATION, RepositoryName, Shared, SharedState, State};

/// Largest REST body, in bytes: GitHub's blob limit in Base64, and a little.
const LARGEST_BODY: usize = 140 * 1024 * 1024;

/// What the stand-in is started with.
#[derive(Default)]
pub struct GithubOptions {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// A person's token that works everywhere that person has access.
    pub token: Option<SecretString>,
    /// The App, where there is one.
    pub app: Option<AppOptions>,
    /// The secret that webhooks are signed with.
    pub webhook_secret: SecretString,
}

/// A GitHub App.
pub struct AppOptions {
    /// The App's id, which its tokens name as issuer.
    pub id: u64,
    /// The App's key pair.
    pub key: AppKey,
    /// Permission names and `read` or `write`, as in the App's settings.
    pub permissions: BTreeMap<String, String>,
}

/// A running stand-in. Clones share it; it ends with the last one.
#[derive(Clone)]
pub struct Github {
    shared: SharedState,
    _server: Arc<Server>,
}

struct Server(AbortHandle);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl AppOptions {
    /// An App with a new key and the permissions that Deckhand's manifest asks for.
    pub fn generate(id: u64) -> anyhow::Result<Self> {
        let permissions = [
            ("contents", "write"),
            ("issues", "write"),
            ("metadata", "read"),
            ("pull_requests", "write"),
        ];
        Ok(Self {
            id,
            key: AppKey::generate()?,
            permissions: permissions
                .map(|(name, level)| (name.to_owned(), level.to_owned()))
                .into(),
        })
    }
}

impl Github {
    /// Starts the server on 127.0.0.1.
    pub async fn start(options: GithubOptions) -> anyhow::Result<Self> {
        // A provider that is already installed does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .await
            .with_context(|| format!("port {} is taken", options.port))?;
        let base = format!("http://{}", listener.local_addr()?);
        let app = options.app.map(|app| App {
            id: app.id,
            key: app.key,
            permissions: app.permissions,
        });
        let shared = Arc::new(Shared {
            base,
            root: tempfile::Builder::new()
                .prefix("deckhand-world-github-")
                .tempdir()?,
            token: options.token,
            app,
            webhooks: webhooks::Webhooks::start(options.webhook_secret)?,
            changed: watch::Sender::new(0),
            state: Mutex::new(State {
                people: State::people_with_defaults(),
                ..State::default()
            }),
        });
        let router = Self::router(&shared);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the GitHub stand-in ended");
            }
        });
        Ok(Self {
            shared,
            _server: Arc::new(Server(server.abort_handle())),
        })
    }

    fn router(shared: &SharedState) -> Router {
        Router::new()
            .nest("/api/v3", api::routes())
            .merge(pages::routes())
            .route("/{owner}/{repository}/info/refs", get(smart_http::serve))
            .route(
                "/{owner}/{repository}/git-upload-pack",
                post(smart_http::serve),
            )
            .route(
                "/{owner}/{repository}/git-receive-pack",
                post(smart_http::serve),
            )
            .fallback(gate::unknown)
            .layer(axum::middleware::from_fn_with_state(
                Arc::clone(shared),
                gate::pass,
            ))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(Arc::clone(shared))
    }

    /// The base of the REST interface, without a slash at its end.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api/v3", self.shared.base)
    }

    /// The base of pages and of git, without a slash at its end.
    #[must_use]
    pub fn web_url(&self) -> String {
        self.shared.base.clone()
    }

    /// The address that git clones `owner/name` from.
    #[must_use]
    pub fn git_url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.shared.base)
    }

    /// Makes a repository whose first commit, on `main`, is everything in a folder. The commit's
    /// author and date are fixed, so the same folder always gives the same commit.
    pub async fn seed(&self, name: &str, folder: &Path) -> anyhow::Result<Repository> {
        self.create(name).await?.seed(folder).await?;
        self.repository(name)
    }

    /// Makes a repository without a commit.
    pub async fn seed_empty(&self, name: &str) -> anyhow::Result<Repository> {
        self.create(name).await?;
        self.repository(name)
    }

    async fn create(&self, name: &str) -> anyhow::Result<Git> {
        let name = RepositoryName::parse(name)?;
        if self.shared.lock().repositories.contains_key(&name) {
            bail!("{} is already there", name.full());
        }
        let git = Git::create(self.shared.repository_path(&name)).await?;
        hooks::install(git.directory()).await?;
        let mut state = self.shared.lock();
        let repository = state::Repository {
            id: state.fresh_id(),
            git: git.clone(),
            writing: Arc::default(),
            installed: true,
            next_number: 0,
            snapshot: RepositorySnapshot::default(),
        };
        state.repositories.insert(name, repository);
        Ok(git)
    }

    /// Puts a commit on a branch as if a person had pushed it; a new branch starts at `main`.
    pub async fn commit(
        &self,
        name: &str,
        branch: &str,
        files: &[(&str, &str)],
        message: &str,
    ) -> anyhow::Result<()> {
        let name = RepositoryName::parse(name)?;
        let git = self.shared.git(&name)?;
        let _writing = self.shared.writing(&name).await?;
        let before = git.branches().await?;
        let tick = self.shared.lock().fresh_id() - 1_000_000;
        let files: Vec<(&str, Vec<u8>)> = files
            .iter()
            .map(|(path, content)| (*path, content.as_bytes().to_vec()))
            .collect();
        git.commit(branch, &files, message, tick).await?;
        pulls::after_push(&self.shared, &name, &before, "ana").await
    }

    /// Deletes a branch as a person would; open pull requests from it are closed.
    pub async fn delete_branch(&self, name: &str, branch: &str) -> anyhow::Result<()> {
        let name = RepositoryName::parse(name)?;
        let git = self.shared.git(&name)?;
        let _writing = self.shared.writing(&name).await?;
        let before = git.branches().await?;
        git.run(&["update-ref", "-d", &format!("refs/heads/{branch}")])
            .await?;
        pulls::after_push(&self.shared, &name, &before, "ana").await
    }

    /// A repository for reading.
    pub fn repository(&self, name: &str) -> anyhow::Result<Repository> {
        let name = RepositoryName::parse(name)?;
        self.shared.lock().repository(&name)?;
        Ok(Repository {
            shared: Arc::clone(&self.shared),
            name,
        })
    }

    /// Merges a pull request, really, as a person.
    pub async fn merge(&self, name: &str, number: u64) -> anyhow::Result<PullRequest> {
        pulls::merge(&self.shared, &RepositoryName::parse(name)?, (number, "ana")).await
    }

    /// Closes a pull request without merging it, as a person.
    pub async fn close(&self, name: &str, number: u64) -> anyhow::Result<PullRequest> {
        pulls::close(&self.shared, &RepositoryName::parse(name)?, (number, "ana")).await
    }

    /// Writes a comment under a pull request as a person.
    pub fn comment(
        &self,
        name: &str,
        number: u64,
        (login, body): (&str, &str),
    ) -> anyhow::Result<Comment> {
        pulls::comment(
            &self.shared,
            &RepositoryName::parse(name)?,
            number,
            (login, body),
        )
    }

    /// Refuses direct pushes to a branch, through a real hook.
    pub fn protect(&self, name: &str, branch: &str) -> anyhow::Result<()> {
        let git = self.shared.git(&RepositoryName::parse(name)?)?;
        hooks::protect(git.directory(), branch)
    }

    /// Refuses every push with this reason, through a real hook.
    pub fn refuse_pushes(&self, name: &str, reason: &str) -> anyhow::Result<()> {
        let git = self.shared.git(&RepositoryName::parse(name)?)?;
        hooks::refuse(git.directory(), Some(reason))
    }

    /// Takes back [`Github::refuse_pushes`].
    pub fn allow_pushes(&self, name: &str) -> anyhow::Result<()> {
        let git = self.shared.git(&RepositoryName::parse(name)?)?;
        hooks::refuse(git.directory(), None)
    }

    /// What a person may do; `ana` is an administrator, `ben` writes, `cleo` reads until this is called.
    /// The plain token is `ana`'s.
    pub fn set_access(&self, login: &str, access: Access) {
        self.shared.lock().people.insert(login.to_owned(), access);
    }

    /// Takes the App off a repository: to its tokens the repository is not there any more.
    pub fn uninstall(&self, name: &str) -> anyhow::Result<()> {
        self.set_installed(name, false, "removed")
    }

    /// Puts the App on a repository; a new repository already has it.
    pub fn install(&self, name: &str) -> anyhow::Result<()> {
        self.set_installed(name, true, "added")
    }

    fn set_installed(&self, name: &str, installed: bool, action: &str) -> anyhow::Result<()> {
        let name = RepositoryName::parse(name)?;
        self.shared.lock().repository_mut(&name)?.installed = installed;
        events::installation_repository(&self.shared, &name, action)
    }

    /// Sends the `installation` event of an App that was just installed.
    pub fn announce_installation(&self) {
        events::installation(&self.shared, "created");
    }

    /// The installation's number.
    #[must_use]
    pub fn installation_id(&self) -> u64 {
        INSTALLATION
    }

    /// Every installation token that was given out, for whoever looks for it where it must not be.
    #[must_use]
    pub fn tokens(&self) -> Vec<SecretString> {
        let state = self.shared.lock();
        state
            .tokens
            .keys()
            .cloned()
            .map(SecretString::from)
            .collect()
    }

    /// Ends the life of every installation token, as an hour would.
    pub fn expire_tokens(&self) {
        for token in self.shared.lock().tokens.values_mut() {
            token.expires_at = Timestamp::UNIX_EPOCH;
        }
    }

    /// Plans a fault for the next request that matches, for example `POST /repos/*/*/pulls`,
    /// `POST /app/installations/*/access_tokens` or `POST /acme/web.git/git-receive-pack`. `*` is one
    /// segment of the path, or any method. Several faults for one route happen one after another.
    pub fn fail_next(&self, route: &str, fault: Fault) {
        let route = fault::Route::parse(route);
        self.shared
            .lock()
            .faults
            .push(fault::PlannedFault { route, fault });
    }

    /// How many of those faults still wait for their request.
    #[must_use]
    pub fn faults_waiting(&self) -> usize {
        self.shared.lock().faults.len()
    }

    /// Where webhooks go. Events before the first call are not sent.
    pub fn set_webhook_url(&self, url: &str) {
        self.shared.webhooks.set_url(Some(url.to_owned()));
    }

    /// The webhooks that were sent, the first one first, at most 1,000.
    #[must_use]
    pub fn deliveries(&self) -> Vec<WebhookDelivery> {
        self.shared.webhooks.log()
    }

    /// Sends the newest delivery of an event once more, after what is queued: same id, same body.
    pub async fn redeliver(&self, event: &str) -> anyhow::Result<()> {
        self.settle().await;
        self.shared.webhooks.redeliver(event)
    }

    /// Waits until every queued webhook was answered or failed.
    pub async fn settle(&self) {
        self.shared.webhooks.settle().await;
    }

    /// The requests that came in, the first one first, at most 20,000.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().requests.iter().cloned().collect()
    }

    /// What was asked of the interface that GitHub would not know or not take; empty at the end of a
    /// good scenario.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }
}
