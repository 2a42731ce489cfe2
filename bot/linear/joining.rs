//! A task that was asked for elsewhere and is about an issue gets a session on it.

use super::{
    Linear, ids,
    operations::{
        Attached, ISSUE, Id, Input, IssueAnswer, KnownIssue, KnownSession, Link, NewSession, OPEN,
        OfSession, OpenAnswer, THREAD, THREADS, ThreadAnswer,
    },
};
use crate::{
    domain::conversation::{ConversationId, LineRef, Place, SubjectId},
    surface::SurfaceError,
    words::OPEN_TASK,
};

/// The most names that are taken from one text.
const NAMES_MAX: usize = 3;
/// The longest key of a team, in characters. Source: Linear's settings of a team.
const KEY_MAX_CHARS: usize = 7;
/// The most digits of an issue's number.
const NUMBER_MAX_DIGITS: usize = 7;
/// What stands in front of an issue's name in its address.
const IN_ADDRESS: &str = "/issue/";

/// The issues that a text may name, addresses before bare names: `https://linear.app/acme/issue/ENG-12/title`, `ENG-12`.
/// That there is one of the name is for Linear to say: `UTF-8` looks like an issue, too.
#[must_use]
pub fn named_in(text: &str) -> Vec<SubjectId> {
    let mut found: Vec<SubjectId> = Vec::new();
    let addressed = text
        .match_indices(IN_ADDRESS)
        .map(|(at, _)| &text[at + IN_ADDRESS.len()..]);
    let bare = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '.' | ':' | '_')))
        .filter(|word| !word.contains(['/', ':', '_']))
        .map(|word| word.trim_end_matches('.'));
    let names = addressed
        .map(|rest| {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            &rest[..end.unwrap_or(rest.len())]
        })
        .chain(bare.filter(|word| !word.chars().any(|c| c.is_ascii_lowercase())));
    for name in names.filter(|name| is_name(name)) {
        let name = ids::issue(name);
        if found.len() < NAMES_MAX && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Whether a text gives the address of an issue, so that it is meant without doubt.
#[must_use]
pub fn is_addressed(text: &str) -> bool {
    text.contains("linear.app/") && text.contains(IN_ADDRESS)
}

/// Whether a text names issues and says nothing else.
#[must_use]
pub fn only_names(text: &str) -> bool {
    let is_plain = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        word.is_empty() || is_name(word) || is_addressed(word)
    };
    text.split_whitespace().all(is_plain)
}

/// A letter and up to six letters or digits, a hyphen, a number without a leading zero.
fn is_name(name: &str) -> bool {
    let Some((key, number)) = name.split_once('-') else {
        return false;
    };
    let mut letters = key.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && key.len() <= KEY_MAX_CHARS
        && letters.all(|c| c.is_ascii_alphanumeric())
        && (1..=NUMBER_MAX_DIGITS).contains(&number.len())
        && !number.starts_with('0')
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Linear {
    /// The issue of a name, by the name that it has now: one that was moved answers to its old name as well. None where
    /// there is no such issue.
    pub async fn issue_of_name(
        &self,
        about: &SubjectId,
    ) -> Result<Option<SubjectId>, SurfaceError> {
        let issue = self.find_issue(ids::issue_of(about)?).await?;
        Ok(issue.map(|issue| ids::issue(&issue.identifier)))
    }

    /// The issue of a name or an identifier.
    pub(super) async fn find_issue(&self, id: &str) -> Result<Option<KnownIssue>, SurfaceError> {
        let found = self.client.run::<IssueAnswer>(&ISSUE, &Id { id }).await;
        match found {
            Ok(answer) => Ok(Some(answer.issue)),
            Err(SurfaceError::Permanent { .. }) => Ok(None),
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                Err(error)
            }
        }
    }

    /// Opens a session on an issue for a task that was asked for elsewhere, or finds the one that was opened for it
    /// before; none where there is no such issue. `task_url` is what the task's session is known by.
    pub async fn open_beside(
        &self,
        about: &SubjectId,
        task_url: &str,
    ) -> Result<Option<(Place, SubjectId)>, SurfaceError> {
        let Some(issue) = self.find_issue(ids::issue_of(about)?).await? else {
            return Ok(None);
        };
        let is_ours = |session: &&KnownSession| {
            let mut links = session.external_links.iter();
            links.any(|link| link.url == task_url)
        };
        let known = issue.agent_sessions.nodes.iter().find(is_ours);
        let session = match known {
            Some(known) => known.id.clone(),
            None => self.open(&issue.id, task_url).await?,
        };
        let place = Place {
            conversation: ids::conversation(&session),
            opening: ids::own_opening(&session),
        };
        // An issue that was moved answers to its old name as well.
        Ok(Some((place, ids::issue(&issue.identifier))))
    }

    /// The session that was opened on a comment; none where there is none.
    pub async fn session_on(
        &self,
        comment: &LineRef,
    ) -> Result<Option<ConversationId>, SurfaceError> {
        let id = ids::comment_of(comment)?;
        let found = self.client.run::<ThreadAnswer>(&THREAD, &Id { id }).await;
        match found {
            Ok(answer) => {
                let session = answer.comment.agent_session;
                Ok(session.map(|session| ids::conversation(&session.id)))
            }
            Err(SurfaceError::Permanent { .. }) => Ok(None),
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                Err(error)
            }
        }
    }

    /// The pages that hang on the issue of a session, at most 50.
    pub async fn attached(
        &self,
        conversation: &ConversationId,
    ) -> Result<Vec<String>, SurfaceError> {
        let id = ids::session_of(conversation)?;
        let read: OfSession<Attached> = self.client.run(&THREADS, &Id { id }).await?;
        let issue = read.agent_session.issue;
        let pages = issue.map(|issue| issue.attachments.nodes);
        Ok(pages.into_iter().flatten().map(|page| page.url).collect())
    }

    async fn open(&self, issue: &str, task_url: &str) -> Result<String, SurfaceError> {
        let input = NewSession {
            issue_id: issue,
            external_urls: [Link {
                label: OPEN_TASK.to_owned(),
                url: task_url.to_owned(),
            }],
        };
        let answer: OpenAnswer = self.client.run(&OPEN, &Input { input }).await?;
        Ok(answer.agent_session_create_on_issue.agent_session.id)
    }

    /// Whether the bot itself has opened a session: it has a link to one of its pages.
    pub async fn is_own(
        &self,
        conversation: &ConversationId,
        public_url: &str,
    ) -> Result<bool, SurfaceError> {
        let session = self.session(ids::session_of(conversation)?).await?;
        let mut links = session.external_links.iter();
        Ok(links.any(|link| link.url.starts_with(public_url)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_says_nothing_else() {
        for alone in [
            "",
            "ENG-12",
            "ENG-12, OPS-7!",
            "<https://linear.app/acme/issue/ENG-12/offset>",
        ] {
            assert!(only_names(alone), "{alone}");
        }
        for more in ["ENG-12 please", "stop", "https://example.com/issue/ENG-12"] {
            assert!(!only_names(more), "{more}");
        }
    }

    #[test]
    fn issues_are_named_by_address_or_by_name_and_most_words_are_neither() {
        for (text, expected) in [
            ("fix ENG-12", &["ENG-12"][..]),
            ("(ENG-12), please. And OPS2-7.", &["ENG-12", "OPS2-7"]),
            (
                "see https://linear.app/acme/issue/eng-12/offset-is-ignored?x=1",
                &["ENG-12"],
            ),
            (
                "<https://linear.app/acme/issue/ENG-12|the issue> or ENG-12",
                &["ENG-12"],
            ),
            (
                "ENG-1 https://linear.app/acme/issue/ENG-2",
                &["ENG-2", "ENG-1"],
            ),
            ("A-1 B-2 C-3 D-4", &["A-1", "B-2", "C-3"]),
            ("read it as UTF-8", &["UTF-8"]),
            ("eng-12 and well-2 and x-1", &[]),
            (
                "ENG-0012 ENG-x ENG- -12 2FA-1 ENGINEERS-1 ENG-12345678",
                &[],
            ),
            ("https://example.com/ENG-12 lib/ENG-12 FOO_ENG-1", &[]),
            ("", &[]),
        ] {
            let found: Vec<String> = named_in(text).into_iter().map(|one| one.0).collect();
            let expected: Vec<String> = expected
                .iter()
                .map(|name| format!("linear:{name}"))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
