//! What GitHub remembers: repositories, people, pull requests, tokens, faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::{Mutex as WriteLock, OwnedMutexGuard, watch};

use super::fault::PlannedFault;
use super::git::Git;
use super::key::AppKey;
use super::webhooks::Webhooks;

/// How many requests the log keeps; the oldest go first.
const REQUEST_LOG: usize = 20_000;
/// The installation's number; there is one for the whole world.
pub(super) const INSTALLATION: u64 = 7001;

/// `owner/name`, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RepositoryName {
    pub owner: String,
    pub name: String,
}

/// What one person may do in the repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: the repository is not even there.
    None,
    /// Clone and read.
    Read,
    /// Push as well.
    Write,
    /// Everything.
    Admin,
}

/// Where a pull request stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullState {
    /// Waiting for people.
    Open,
    /// Closed without being merged.
    Closed,
    /// Merged by this commit.
    Merged {
        /// The merge commit on the base branch.
        commit: String,
        /// The login of who merged it.
        by: String,
    },
}

/// One pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number, counted with the repository's issues.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description in Markdown.
    pub body: String,
    /// The branch that has the change.
    pub head: String,
    /// The tip of that branch when GitHub last looked.
    pub head_commit: String,
    /// The branch it goes to.
    pub base: String,
    /// The tip of the base when the pull request was made.
    pub base_commit: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// Where it stands.
    pub state: PullState,
    /// The login of who opened it.
    pub author: String,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One comment under a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its number, unique in the world.
    pub id: u64,
    /// The pull request's number.
    pub pull_request: u64,
    /// The login of who wrote it.
    pub author: String,
    /// Markdown.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A file that came in through the contents or git data interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The path in the repository; empty for a bare blob.
    pub path: String,
    /// Bytes.
    pub size: usize,
}

/// What a test or a page reads of one repository at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositorySnapshot {
    /// All pull requests, the first one first.
    pub pull_requests: Vec<PullRequest>,
    /// All comments, the first one first.
    pub comments: Vec<Comment>,
    /// All files that came in by REST.
    pub uploads: Vec<Upload>,
}

/// One request that came in, for assertions and measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it came.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
}

#[derive(Debug)]
pub(super) struct Repository {
    pub id: u64,
    pub git: Git,
    /// Held while branches move, so that every move is told exactly once.
    pub writing: Arc<WriteLock<()>>,
    pub installed: bool,
    pub next_number: u64,
    pub snapshot: RepositorySnapshot,
}

#[derive(Debug, Clone)]
pub(super) struct InstallationToken {
    pub expires_at: Timestamp,
    /// Repository names, or every installed one.
    pub repositories: Option<BTreeSet<String>>,
    pub permissions: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub repositories: BTreeMap<RepositoryName, Repository>,
    pub people: BTreeMap<String, Access>,
    pub tokens: BTreeMap<String, InstallationToken>,
    pub faults: Vec<PlannedFault>,
    pub requests: VecDeque<RequestRecord>,
    pub violations: Vec<String>,
    pub next_id: u64,
}

pub(super) struct App {
    pub id: u64,
    pub key: AppKey,
    pub permissions: BTreeMap<String, String>,
}

/// Everything that the server's handlers share.
pub(super) struct Shared {
    pub base: String,
    pub root: TempDir,
    pub token: Option<SecretString>,
    pub app: Option<App>,
    pub webhooks: Webhooks,
    pub changed: watch::Sender<u64>,
    pub state: Mutex<State>,
}

pub(super) type SharedState = Arc<Shared>;

impl RepositoryName {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let (owner, name) = text
            .split_once('/')
            .context("a repository is written owner/name")?;
        Self::new(owner, name)
    }

    pub(super) fn new(owner: &str, name: &str) -> anyhow::Result<Self> {
        let fine = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        if !fine(owner) || !fine(name) {
            bail!("{owner}/{name} is no repository's name");
        }
        Ok(Self {
            owner: owner.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    }

    pub(super) fn full(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl Access {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl PullState {
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed | Self::Merged { .. } => "closed",
        }
    }
}

impl RepositorySnapshot {
    /// The pull request with this number.
    #[must_use]
    pub fn pull_request(&self, number: u64) -> Option<&PullRequest> {
        self.pull_requests.iter().find(|pull| pull.number == number)
    }
}

impl State {
    pub(super) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        1_000_000 + self.next_id
    }

    pub(super) fn repository(&self, name: &RepositoryName) -> anyhow::Result<&Repository> {
        self.repositories
            .get(name)
            .with_context(|| format!("there is no {}", name.full()))
    }

    pub(super) fn repository_mut(
        &mut self,
        name: &RepositoryName,
    ) -> anyhow::Result<&mut Repository> {
        self.repositories
            .get_mut(name)
            .with_context(|| format!("there is no {}", name.full()))
    }

    pub(super) fn record(&mut self, request: RequestRecord) {
        if self.requests.len() == REQUEST_LOG {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn people_with_defaults() -> BTreeMap<String, Access> {
        [
            ("ana", Access::Admin),
            ("ben", Access::Write),
            ("cleo", Access::Read),
        ]
        .into_iter()
        .map(|(login, access)| (login.to_owned(), access))
        .collect()
    }
}

impl Repository {
    pub(super) fn pull_mut(&mut self, number: u64) -> Option<&mut PullRequest> {
        self.snapshot
            .pull_requests
            .iter_mut()
            .find(|pull| pull.number == number)
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everyone who waits that something is different now.
    pub(super) fn touch(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    pub(super) fn git(&self, name: &RepositoryName) -> anyhow::Result<Git> {
        Ok(self.lock().repository(name)?.git.clone())
    }

    /// Waits for the right to move branches of a repository.
    pub(super) async fn writing(
        &self,
        name: &RepositoryName,
    ) -> anyhow::Result<OwnedMutexGuard<()>> {
        let lock = Arc::clone(&self.lock().repository(name)?.writing);
        Ok(lock.lock_owned().await)
    }

    pub(super) fn repository_path(&self, name: &RepositoryName) -> PathBuf {
        self.root
            .path()
            .join(&name.owner)
            .join(format!("{}.git", name.name))
    }

    pub(super) fn violation(&self, text: String) {
        tracing::warn!(violation = %text, "the GitHub stand-in was used wrongly");
        self.lock().violations.push(text);
    }
}
