//! What GitHub tells: signatures, and the end of pull requests.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::domain::specification::RepositoryName;

/// A pull request was merged or closed. What is stored of such a delivery is this and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestEnded {
    /// Its repository.
    pub repository: RepositoryName,
    /// Its number; none where GitHub does not say it.
    #[serde(default)]
    pub number: Option<u64>,
    /// Its branch.
    pub branch: String,
    /// Whether it was merged.
    pub merged: bool,
    /// Who did it, as GitHub names them; empty where it does not.
    pub by: String,
}

#[derive(Deserialize)]
struct Payload {
    action: String,
    pull_request: PullRequest,
    repository: Repository,
    sender: User,
}

/// A pull request, as webhooks and the interface tell of it.
#[derive(Deserialize)]
pub(super) struct PullRequest {
    number: Option<u64>,
    #[serde(default)]
    pub(super) merged: bool,
    merged_by: Option<User>,
    /// When it was merged or closed, as GitHub writes it; none while it is open.
    closed_at: Option<String>,
    head: Head,
}

impl PullRequest {
    /// What makes its end the same one by whichever road it is heard of. One that is opened again has another end later.
    pub(super) fn end_key(&self, repository: &RepositoryName) -> Option<String> {
        let (number, closed_at) = (self.number?, self.closed_at.as_ref()?);
        let repository = repository.0.to_ascii_lowercase();
        Some(format!("ended:{repository}#{number}:{closed_at}"))
    }

    /// Whether it is of a branch of the repository itself. A fork may have a branch of the same name, and anybody may close a
    /// pull request of it.
    pub(super) fn is_of(&self, repository: &RepositoryName) -> bool {
        let head = self.head.repo.as_ref();
        head.is_some_and(|head| head.full_name.eq_ignore_ascii_case(&repository.0))
    }

    /// Its branch.
    pub(super) fn branch(&self) -> &str {
        &self.head.branch
    }

    /// Who merged it.
    pub(super) fn merged_by(self) -> Option<String> {
        let by = self.merged_by.filter(|_| self.merged)?;
        Some(by.login)
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    /// Absent where a fork was deleted.
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

/// Whether a body comes from GitHub: `X-Hub-Signature-256` is `sha256=` and the HMAC of the raw body. Compared in
/// constant time; the older SHA-1 header is not taken.
#[must_use]
pub fn verify(secret: &SecretString, signature_header: &str, body: &[u8]) -> bool {
    let Some(Ok(signature)) = signature_header.strip_prefix("sha256=").map(hex::decode) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// The key and the body to store of a delivery that matters: the end of a pull request whose branch is in the
/// repository itself. `event` is `X-GitHub-Event`; `delivery_id` is `X-GitHub-Delivery`, the same when it is sent again. It is
/// the key where the payload does not say which end it is.
#[must_use]
pub fn accept(event: &str, delivery_id: &str, payload: &Value) -> Option<(String, Value)> {
    if event != "pull_request"
        || delivery_id.is_empty()
        || payload.get("action").and_then(Value::as_str) != Some("closed")
    {
        return None;
    }
    let payload = Payload::deserialize(payload).ok()?;
    let repository = RepositoryName(payload.repository.full_name);
    let pull_request = payload.pull_request;
    if payload.action != "closed" || !pull_request.is_of(&repository) {
        return None;
    }
    let key = pull_request
        .end_key(&repository)
        .unwrap_or_else(|| delivery_id.to_owned());
    let ended = PullRequestEnded {
        repository,
        number: pull_request.number,
        branch: pull_request.head.branch.clone(),
        merged: pull_request.merged,
        by: pull_request.merged_by().unwrap_or(payload.sender.login),
    };
    Some((key, serde_json::to_value(ended).ok()?))
}

/// What a stored body means.
#[must_use]
pub fn read(body: &Value) -> Option<PullRequestEnded> {
    PullRequestEnded::deserialize(body).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use super::*;

    /// The vector of GitHub's page on validating webhook deliveries.
    const PUBLISHED: &str =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret() -> SecretString {
        SecretString::from("It's a Secret to Everybody")
    }

    fn closed(head: &Value) -> Value {
        json!({
            "action": "closed",
            "pull_request": { "merged": true, "merged_by": { "login": "ben" }, "head": head },
            "repository": { "full_name": "acme/web" },
            "sender": { "login": "ana" },
        })
    }

    #[test]
    fn the_published_signature_is_taken_and_every_other_is_not() {
        assert!(verify(&secret(), PUBLISHED, b"Hello, World!"));
        assert!(!verify(&secret(), PUBLISHED, b"Hello, World"));
        assert!(!verify(
            &SecretString::from("another"),
            PUBLISHED,
            b"Hello, World!"
        ));
        for header in [
            "",
            "sha256=",
            "sha256=zz",
            &PUBLISHED[7..],
            "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59",
            &PUBLISHED[..60],
        ] {
            assert!(!verify(&secret(), header, b"Hello, World!"), "{header}");
        }
    }

    #[test]
    fn a_merged_pull_request_is_stored_as_little_as_is_needed() {
        let payload =
            closed(&json!({ "ref": "deckhand/fix-abc123", "repo": { "full_name": "Acme/web" } }));
        let (key, body) = accept("pull_request", "guid-1", &payload).expect("it matters");
        assert_eq!(key, "guid-1");
        let ended = read(&body).expect("it was stored");
        assert_eq!(
            (ended.branch.as_str(), ended.merged, ended.by.as_str()),
            ("deckhand/fix-abc123", true, "ben")
        );
    }

    #[test]
    fn an_end_has_one_key_however_often_it_is_told_and_the_next_end_another() {
        let mut payload =
            closed(&json!({ "ref": "deckhand/fix-abc123", "repo": { "full_name": "Acme/Web" } }));
        payload["pull_request"]["number"] = json!(7);
        payload["pull_request"]["closed_at"] = json!("2026-07-01T10:00:00Z");
        payload["repository"]["full_name"] = json!("Acme/Web");
        let key = |payload: &Value, id: &str| {
            let accepted = accept("pull_request", id, payload);
            accepted.expect("it matters").0
        };
        let first = key(&payload, "guid-1");
        assert_eq!(first, "ended:acme/web#7:2026-07-01T10:00:00Z");
        let (_, body) = accept("pull_request", "guid-1", &payload).expect("it matters");
        assert_eq!(read(&body).expect("it was stored").number, Some(7));
        assert_eq!(key(&payload, "guid-2"), first);
        payload["pull_request"]["closed_at"] = json!("2026-07-02T10:00:00Z");
        assert_ne!(key(&payload, "guid-3"), first);
    }

    #[test]
    fn a_pull_request_of_a_fork_is_nobodys_here() {
        let fork = closed(
            &json!({ "ref": "deckhand/fix-abc123", "repo": { "full_name": "mallory/web" } }),
        );
        let gone = closed(&json!({ "ref": "deckhand/fix-abc123", "repo": null }));
        assert_eq!(accept("pull_request", "guid-1", &fork), None);
        assert_eq!(accept("pull_request", "guid-1", &gone), None);
    }

    #[test]
    fn everything_else_is_left_aside() {
        let mut opened = closed(&json!({ "ref": "x", "repo": { "full_name": "acme/web" } }));
        assert_eq!(accept("push", "guid-1", &opened), None);
        assert_eq!(accept("pull_request", "", &opened), None);
        opened["action"] = json!("opened");
        assert_eq!(accept("pull_request", "guid-1", &opened), None);
        assert_eq!(accept("pull_request", "guid-1", &json!([])), None);
        assert_eq!(read(&json!({ "zen": "Keep it logically awesome." })), None);
    }
}
