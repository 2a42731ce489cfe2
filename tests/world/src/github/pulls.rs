//! What happens to pull requests, whoever causes it: an API call, a person, a push.

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::events;
use super::git::{Git, Merge, NO_COMMIT};
use super::render::PullFacts;
use super::state::{Comment, PullRequest, PullState, RepositoryName, Shared};

/// A pull request that someone wants to open.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub title: String,
    pub body: String,
    pub head: String,
    pub base: String,
    pub draft: bool,
    pub author: String,
}

/// Why a pull request cannot be opened; the names are GitHub's own cases.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotOpen {
    #[error("the head branch does not exist")]
    NoHead,
    #[error("the base branch does not exist")]
    NoBase,
    #[error("A pull request already exists for {0}.")]
    Exists(String),
    #[error("No commits between {base} and {head}")]
    NoCommits { base: String, head: String },
    #[error(transparent)]
    Broken(#[from] anyhow::Error),
}

/// Opens a pull request as GitHub would, with its event.
pub(super) async fn open(
    shared: &Shared,
    name: &RepositoryName,
    wanted: Wanted,
) -> Result<PullRequest, CannotOpen> {
    let git = shared.git(name)?;
    let head = git.branch(&wanted.head).await?.ok_or(CannotOpen::NoHead)?;
    let base = git.branch(&wanted.base).await?.ok_or(CannotOpen::NoBase)?;
    let size = git.diff_size(&base, &head).await?;
    if size.commits == 0 {
        return Err(CannotOpen::NoCommits {
            base: wanted.base,
            head: wanted.head,
        });
    }
    let pull = {
        let mut state = shared.lock();
        let repository = state.repository_mut(name)?;
        let same = |pull: &PullRequest| {
            pull.state == PullState::Open && pull.head == wanted.head && pull.base == wanted.base
        };
        if repository.snapshot.pull_requests.iter().any(same) {
            return Err(CannotOpen::Exists(format!(
                "{}:{}",
                name.owner, wanted.head
            )));
        }
        repository.next_number += 1;
        let now = Timestamp::now();
        let pull = PullRequest {
            number: repository.next_number,
            title: wanted.title,
            body: wanted.body,
            head: wanted.head,
            head_commit: head,
            base: wanted.base,
            base_commit: base,
            draft: wanted.draft,
            state: PullState::Open,
            author: wanted.author,
            labels: std::collections::BTreeSet::new(),
            created_at: now,
            updated_at: now,
        };
        repository.snapshot.pull_requests.push(pull.clone());
        pull
    };
    keep_head(&git, &pull).await?;
    shared.touch();
    events::pull_request(shared, name, &pull, ("opened", &pull.author)).await?;
    Ok(pull)
}

/// GitHub keeps a pull request's commits under a ref of their own.
async fn keep_head(git: &Git, pull: &PullRequest) -> anyhow::Result<()> {
    let reference = format!("refs/pull/{}/head", pull.number);
    git.run(&["update-ref", &reference, &pull.head_commit])
        .await?;
    Ok(())
}

/// The numbers for the full form of a pull request.
pub(super) async fn facts(
    shared: &Shared,
    name: &RepositoryName,
    pull: &PullRequest,
) -> anyhow::Result<PullFacts> {
    let git = shared.git(name)?;
    let base_tip = match (&pull.state, git.branch(&pull.base).await?) {
        (PullState::Open, Some(tip)) => tip,
        (PullState::Open, None) | (PullState::Closed | PullState::Merged { .. }, _) => {
            pull.base_commit.clone()
        }
    };
    let comments = {
        let state = shared.lock();
        let all = &state.repository(name)?.snapshot.comments;
        all.iter()
            .filter(|comment| comment.pull_request == pull.number)
            .count()
    };
    Ok(PullFacts {
        size: git.diff_size(&base_tip, &pull.head_commit).await?,
        merge: git.try_merge(&base_tip, &pull.head_commit).await?,
        base_tip,
        comments,
    })
}

/// The pull request as it stands.
pub(super) fn find(
    shared: &Shared,
    name: &RepositoryName,
    number: u64,
) -> anyhow::Result<PullRequest> {
    let state = shared.lock();
    let pull = state
        .repository(name)?
        .snapshot
        .pull_request(number)
        .cloned();
    pull.with_context(|| format!("{} has no pull request {number}", name.full()))
}

/// Changes a pull request and gives its new form.
pub(super) fn change(
    shared: &Shared,
    name: &RepositoryName,
    number: u64,
    change: impl FnOnce(&mut PullRequest),
) -> anyhow::Result<PullRequest> {
    let pull = {
        let mut state = shared.lock();
        let repository = state.repository_mut(name)?;
        let pull = repository
            .pull_mut(number)
            .with_context(|| format!("{} has no pull request {number}", name.full()))?;
        change(pull);
        pull.updated_at = Timestamp::now();
        pull.clone()
    };
    shared.touch();
    Ok(pull)
}

/// Closes a pull request without merging it.
pub(super) async fn close(
    shared: &Shared,
    name: &RepositoryName,
    (number, by): (u64, &str),
) -> anyhow::Result<PullRequest> {
    if find(shared, name, number)?.state != PullState::Open {
        bail!("pull request {number} is not open");
    }
    let pull = change(shared, name, number, |pull| pull.state = PullState::Closed)?;
    events::pull_request(shared, name, &pull, ("closed", by)).await?;
    Ok(pull)
}

/// Merges a pull request with a merge commit on its base branch.
pub(super) async fn merge(
    shared: &Shared,
    name: &RepositoryName,
    (number, by): (u64, &str),
) -> anyhow::Result<PullRequest> {
    let pull = find(shared, name, number)?;
    if pull.state != PullState::Open {
        bail!("pull request {number} is not open");
    }
    let git = shared.git(name)?;
    let _writing = shared.writing(name).await?;
    let before = git.branches().await?;
    let base = git
        .branch(&pull.base)
        .await?
        .context("the base branch is gone")?;
    let tree = match git.try_merge(&base, &pull.head_commit).await? {
        Merge::Clean(tree) => tree,
        Merge::Conflicts => bail!("pull request {number} does not merge: there are conflicts"),
    };
    let message = format!(
        "Merge pull request #{number} from {}/{}\n\n{}",
        name.owner, pull.head, pull.title
    );
    let tick = shared.lock().fresh_id() - 1_000_000;
    let parents = [base.clone(), pull.head_commit.clone()];
    let commit = git.commit_tree(&tree, &parents, &message, tick).await?;
    git.run(&[
        "update-ref",
        &format!("refs/heads/{}", pull.base),
        &commit,
        &base,
    ])
    .await?;
    let merged = PullState::Merged {
        commit,
        by: by.to_owned(),
    };
    let pull = change(shared, name, number, |pull| pull.state = merged)?;
    events::pull_request(shared, name, &pull, ("closed", by)).await?;
    after_push(shared, name, &before, by).await?;
    Ok(pull)
}

/// Adds a comment under a pull request.
pub(super) fn comment(
    shared: &Shared,
    name: &RepositoryName,
    number: u64,
    (author, body): (&str, &str),
) -> anyhow::Result<Comment> {
    find(shared, name, number)?;
    let comment = {
        let mut state = shared.lock();
        let id = state.fresh_id();
        let now = Timestamp::now();
        let comment = Comment {
            id,
            pull_request: number,
            author: author.to_owned(),
            body: body.to_owned(),
            created_at: now,
            updated_at: now,
        };
        state
            .repository_mut(name)?
            .snapshot
            .comments
            .push(comment.clone());
        comment
    };
    shared.touch();
    events::comment(shared, name, &comment, "created")?;
    Ok(comment)
}

/// Compares the branches with what they were, and lets pull requests and webhooks know.
pub(super) async fn after_push(
    shared: &Shared,
    name: &RepositoryName,
    before: &[(String, String)],
    by: &str,
) -> anyhow::Result<()> {
    let git = shared.git(name)?;
    let after = git.branches().await?;
    let tip = |list: &[(String, String)], branch: &str| {
        list.iter()
            .find(|(one, _)| one == branch)
            .map(|(_, id)| id.clone())
    };
    let mut branches: Vec<&String> = before
        .iter()
        .chain(&after)
        .map(|(branch, _)| branch)
        .collect();
    branches.sort();
    branches.dedup();
    for branch in branches {
        let (old, new) = (tip(before, branch), tip(&after, branch));
        if old == new {
            continue;
        }
        let moved = events::Push {
            branch,
            before: old.as_deref().unwrap_or(NO_COMMIT),
            after: new.as_deref().unwrap_or(NO_COMMIT),
            by,
        };
        events::push(shared, name, moved).await?;
        let open: Vec<u64> = {
            let state = shared.lock();
            let pulls = state.repository(name)?.snapshot.pull_requests.iter();
            pulls
                .filter(|pull| pull.state == PullState::Open && &pull.head == branch)
                .map(|pull| pull.number)
                .collect()
        };
        for number in open {
            match &new {
                Some(commit) => {
                    let pull = change(shared, name, number, |pull| {
                        pull.head_commit.clone_from(commit);
                    })?;
                    keep_head(&git, &pull).await?;
                    events::pull_request(shared, name, &pull, ("synchronize", by)).await?;
                }
                None => {
                    close(shared, name, (number, by)).await?;
                }
            }
        }
    }
    shared.touch();
    Ok(())
}
