//! Pull requests: found by their branch before they are made, so that there is never a second one.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ForgeError, PullRequestEnded,
    client::{CallError, Client},
    parts, webhook,
};
use crate::domain::{clip, event::PullRequest, specification::RepositoryName};

/// The longest title, in characters. Source: GitHub refuses more with "title is too long (maximum is 256 characters)".
const TITLE_MAX_CHARS: usize = 256;
/// The longest body, in characters. Source: GitHub refuses more with "body is too long (maximum is 65536 characters)".
const BODY_MAX_CHARS: usize = 65_536;

/// A pull request to be opened. Title and body are cut to what GitHub takes: 256 and 65,536 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// Its title.
    pub title: String,
    /// Its body, Markdown.
    pub body: String,
    /// The branch that was pushed, in the repository itself.
    pub branch: String,
    /// The branch it shall be merged into.
    pub base: String,
    /// Whether it is a draft; not held to where the repository's plan has no drafts.
    pub draft: bool,
}

#[derive(Deserialize)]
struct Answer {
    number: u64,
    html_url: String,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
}

/// It owns its texts: the library's generic call cannot be moved between threads with borrowed ones.
#[derive(Serialize)]
struct Create {
    title: String,
    body: String,
    head: String,
    base: String,
    draft: bool,
}

#[derive(Serialize)]
struct Change {
    title: String,
    body: String,
}

impl From<Answer> for PullRequest {
    fn from(answer: Answer) -> Self {
        Self {
            number: answer.number,
            url: answer.html_url,
        }
    }
}

pub(super) async fn find(
    client: &Client,
    repository: &RepositoryName,
    branch: &str,
) -> Result<Option<PullRequest>, CallError> {
    let (owner, name) = parts(repository)?;
    let head = encoded(&format!("{owner}:{branch}"));
    let what = format!("looking for the pull request of {branch} in {repository}");
    let found: Vec<Answer> = client
        .get(
            &what,
            &format!("/repos/{owner}/{name}/pulls?state=open&per_page=100&head={head}"),
        )
        .await?;
    // A head that GitHub does not understand filters nothing.
    Ok(found
        .into_iter()
        .find(|answer| answer.head.branch == branch)
        .map(PullRequest::from))
}

pub(super) async fn open(
    client: &Client,
    repository: &RepositoryName,
    new: &NewPullRequest,
) -> Result<PullRequest, CallError> {
    if let Some(found) = find(client, repository, &new.branch).await? {
        return Ok(found);
    }
    let (title, body) = (
        clip(&new.title, TITLE_MAX_CHARS),
        clip(&new.body, BODY_MAX_CHARS),
    );
    let mut request = Create {
        title,
        body,
        head: new.branch.clone(),
        base: new.base.clone(),
        draft: new.draft,
    };
    let mut outcome = create(client, repository, &request).await;
    if request.draft && says(&outcome, "draft pull requests are not supported") {
        request.draft = false;
        outcome = create(client, repository, &request).await;
    }
    if says(&outcome, "already exists")
        && let Some(found) = find(client, repository, &new.branch).await?
    {
        return Ok(found);
    }
    outcome
}

async fn create(
    client: &Client,
    repository: &RepositoryName,
    request: &Create,
) -> Result<PullRequest, CallError> {
    let (owner, name) = parts(repository)?;
    let what = format!(
        "opening a pull request for {} in {repository}",
        request.head
    );
    let answer: Answer = client
        .post(&what, &format!("/repos/{owner}/{name}/pulls"), request)
        .await?;
    Ok(answer.into())
}

fn says(outcome: &Result<PullRequest, CallError>, words: &str) -> bool {
    matches!(outcome, Err(CallError::Failed(ForgeError::Refused { reason, .. })) if reason.to_ascii_lowercase().contains(words))
}

pub(super) async fn update(
    client: &Client,
    repository: &RepositoryName,
    number: u64,
    title: &str,
    body: &str,
) -> Result<(), CallError> {
    let (owner, name) = parts(repository)?;
    let (title, body) = (clip(title, TITLE_MAX_CHARS), clip(body, BODY_MAX_CHARS));
    let what = format!("changing pull request {number} in {repository}");
    client
        .patch(
            &what,
            &format!("/repos/{owner}/{name}/pulls/{number}"),
            &Change { title, body },
        )
        .await
}

/// Whether a pull request is over. Who closed one that was not merged is not said here.
pub(super) async fn end(
    client: &Client,
    repository: &RepositoryName,
    (number, branch): (u64, &str),
) -> Result<Option<(String, Value)>, CallError> {
    let (owner, name) = parts(repository)?;
    let what = format!("looking up pull request {number} in {repository}");
    let found: webhook::PullRequest = client
        .get(&what, &format!("/repos/{owner}/{name}/pulls/{number}"))
        .await?;
    // The number may be another one's by now, as where a repository was made anew under its name.
    let is_it = found.is_of(repository) && found.branch() == branch;
    let Some(key) = found.end_key(repository).filter(|_| is_it) else {
        return Ok(None);
    };
    let ended = PullRequestEnded {
        repository: repository.clone(),
        number: Some(number),
        branch: branch.to_owned(),
        merged: found.merged,
        by: found.merged_by().unwrap_or_default(),
    };
    Ok(serde_json::to_value(ended).ok().map(|body| (key, body)))
}

/// A text as one value of a query string.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
