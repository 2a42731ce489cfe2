//! One repository as a test sees it.

use std::time::Duration;

use anyhow::{Context as _, bail};

use super::git::Commit;
use super::state::{Comment, PullRequest, RepositoryName, RepositorySnapshot, SharedState, Upload};

/// Commits that [`Repository::log`] gives at most.
const LOG_LIMIT: usize = 1_000;

/// One repository of the world, for reading.
#[derive(Clone)]
pub struct Repository {
    pub(super) shared: SharedState,
    pub(super) name: RepositoryName,
}

impl Repository {
    /// Every branch with its tip's commit id, by name.
    pub async fn branches(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.shared.git(&self.name)?.branches().await
    }

    /// The tip of a branch, or nothing where there is no such branch.
    pub async fn tip(&self, branch: &str) -> anyhow::Result<Option<String>> {
        self.shared.git(&self.name)?.branch(branch).await
    }

    /// A file as text on a branch, or nothing where it is not there.
    pub async fn file_at(&self, branch: &str, path: &str) -> anyhow::Result<Option<String>> {
        let content = self.bytes_at(branch, path).await?;
        Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// A file's bytes on a branch, or nothing where it is not there.
    pub async fn bytes_at(&self, branch: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.shared
            .git(&self.name)?
            .file(&format!("refs/heads/{branch}"), path)
            .await
    }

    /// The commits of a branch, newest first, at most 1,000.
    pub async fn log(&self, branch: &str) -> anyhow::Result<Vec<Commit>> {
        let git = self.shared.git(&self.name)?;
        let tip = git
            .branch(branch)
            .await?
            .with_context(|| format!("there is no branch {branch}"))?;
        git.log(&tip, LOG_LIMIT).await
    }

    /// Everything but the git side, at this moment.
    #[must_use]
    pub fn snapshot(&self) -> RepositorySnapshot {
        let state = self.shared.lock();
        state
            .repository(&self.name)
            .map(|repository| repository.snapshot.clone())
            .unwrap_or_default()
    }

    /// All pull requests, the first one first.
    #[must_use]
    pub fn pull_requests(&self) -> Vec<PullRequest> {
        self.snapshot().pull_requests
    }

    /// All comments, the first one first.
    #[must_use]
    pub fn comments(&self) -> Vec<Comment> {
        self.snapshot().comments
    }

    /// Files that came in through the contents and git data interfaces.
    #[must_use]
    pub fn uploads(&self) -> Vec<Upload> {
        self.snapshot().uploads
    }

    /// Waits until the reading is something, and gives it; after `limit` everything that is known
    /// of the repository is in the error.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut read: impl FnMut(&RepositorySnapshot) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut changed = self.shared.changed.subscribe();
        let found = tokio::time::timeout(limit, async {
            loop {
                if let Some(found) = read(&self.snapshot()) {
                    return Some(found);
                }
                if changed.changed().await.is_err() {
                    return None;
                }
            }
        });
        match found.await {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(_) => bail!(
                "no {what} in {} after {limit:?}\n{:#?}",
                self.name.full(),
                self.snapshot()
            ),
        }
    }
}
