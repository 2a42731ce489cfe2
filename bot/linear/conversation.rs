//! What was said around a session, and by whom.

use super::{
    Linear, authors, files, ids,
    inbound::{OWN_ROOT_COMMENT, issue_text},
    operations::{
        CONVERSATION, Comment, Conversation, Id, OfSession, OnIssue, PERSON, PersonAnswer, Request,
        SUBJECT,
    },
};
use crate::{
    domain::conversation::{ConversationId, Line, LineKind, LineRef, Person, PersonId},
    surface::{Subject, SurfaceError},
};

/// A line with its moment, by which lines are put in order.
type Dated = (jiff::Timestamp, Line);

impl Linear {
    /// Looks a person up. Guests, programs and people who have left are told from members.
    pub async fn person(&self, person: &PersonId) -> Result<Person, SurfaceError> {
        let answer: PersonAnswer = self
            .client
            .run(
                &PERSON,
                &Id {
                    id: ids::user_of(person)?,
                },
            )
            .await?;
        Ok(authors::person(&answer.user))
    }

    /// What was said, oldest first, up to and with `until`: the issue above, the issue, its sub-issues, comments of
    /// people and of other programs, and what people wrote in the session. At most 20 sub-issues, and of comments and of
    /// activities 100 each.
    pub async fn read_conversation(
        &self,
        conversation: &ConversationId,
        until: &LineRef,
    ) -> Result<Vec<Line>, SurfaceError> {
        let session = ids::session_of(conversation)?;
        let read: Conversation = self
            .client
            .run::<OfSession<Conversation>>(&CONVERSATION, &Id { id: session })
            .await?
            .agent_session;
        Ok(self.with_files(lines(session, &read, until)))
    }

    /// The issue behind a session, with everybody who wrote in it; none where the session is about something else.
    pub async fn subject(
        &self,
        conversation: &ConversationId,
    ) -> Result<Option<Subject>, SurfaceError> {
        let session = ids::session_of(conversation)?;
        let read: OnIssue = self
            .client
            .run::<OfSession<OnIssue>>(&SUBJECT, &Id { id: session })
            .await?
            .agent_session;
        Ok(read.issue.map(|issue| Subject {
            line: self.with_file(subject_line(&issue).1),
            name: issue.identifier,
        }))
    }

    fn with_files(&self, lines: Vec<Line>) -> Vec<Line> {
        let lines = lines.into_iter();
        lines.map(|line| self.with_file(line)).collect()
    }

    /// A line with the files that it names.
    fn with_file(&self, line: Line) -> Line {
        let files = files::named_in(&line.text, &self.uploads_url);
        Line { files, ..line }
    }

    /// The session's page, or its issue's.
    pub async fn permalink(&self, conversation: &ConversationId) -> Result<String, SurfaceError> {
        let session = self.session(ids::session_of(conversation)?).await?;
        let page = session.url.or_else(|| session.issue.map(|issue| issue.url));
        page.ok_or_else(|| SurfaceError::Permanent {
            what: "finding a session's page".to_owned(),
            code: "no_page".to_owned(),
        })
    }
}

fn lines(session: &str, read: &Conversation, until: &LineRef) -> Vec<Line> {
    let mut dated: Vec<Dated> = Vec::new();
    let root = read.comment.as_ref().map(|comment| comment.id.as_str());
    if let Some(issue) = &read.issue {
        let around = issue.parent.iter().chain(&issue.children.nodes);
        dated.extend(around.map(neighbour));
        let opening = issue
            .comments
            .nodes
            .iter()
            .find(|comment| is_opening(comment, root));
        // The session opened either with a comment or with the issue itself; that one is the request.
        let (moment, subject) = subject_line(&issue.request);
        if opening.is_some() {
            dated.push((moment, subject.clone()));
        }
        for comment in &issue.comments.nodes {
            if is_opening(comment, root) || is_context(comment, root, read.created_at) {
                dated.push(comment_line(comment));
            }
        }
        // Behind the comments: what was written in the same millisecond was there when it was delegated.
        if opening.is_none() {
            let reference = ids::line(session);
            dated.push((
                read.created_at,
                Line {
                    reference,
                    ..subject
                },
            ));
        }
    }
    for activity in &read.activities.nodes {
        if let Some(body) = &activity.content.body {
            let writer = vec![authors::person(&activity.user)];
            dated.push((
                activity.created_at,
                line(&activity.id, writer, body.clone()),
            ));
        }
    }
    dated.sort_by_key(|(moment, _)| *moment);
    let end = dated
        .iter()
        .position(|(_, line)| line.reference == *until)
        .map_or(dated.len(), |at| at + 1);
    dated.into_iter().take(end).map(|(_, line)| line).collect()
}

/// The comment that mentions the bot. Where an issue is delegated, Linear writes one itself, and nobody has said it.
fn is_opening(comment: &Comment, root: Option<&str>) -> bool {
    root == Some(comment.id.as_str()) && !is_own_root(comment)
}

/// What is written into the session's own thread once it is open comes as an activity too.
fn is_context(comment: &Comment, root: Option<&str>, opened: jiff::Timestamp) -> bool {
    let id_of_parent = comment.parent.as_ref().map(|parent| parent.id.as_str());
    let is_in_session = root.is_some() && id_of_parent == root && comment.created_at >= opened;
    !is_in_session && !is_own_root(comment)
}

fn is_own_root(comment: &Comment) -> bool {
    comment.body.starts_with(OWN_ROOT_COMMENT)
}

/// The issue that the session is about.
fn subject_line(issue: &Request) -> Dated {
    let (moment, line) = request(issue);
    let kind = LineKind::Issue;
    (moment, Line { kind, ..line })
}

/// The issue above, or a part of this one. Its name says which of several is meant.
fn neighbour(issue: &Request) -> Dated {
    let (moment, line) = request(issue);
    let text = format!("{}: {}", issue.identifier, line.text);
    (moment, Line { text, ..line })
}

fn request(issue: &Request) -> Dated {
    let text = issue_text(&issue.title, issue.description.as_deref());
    (
        issue.created_at,
        line(&issue.id, authors::of_issue(issue), text),
    )
}

fn comment_line(comment: &Comment) -> Dated {
    (
        comment.created_at,
        line(
            &comment.id,
            authors::of_comment(comment),
            comment.body.clone(),
        ),
    )
}

/// A line by its writers, of whom there is at least one.
fn line(id: &str, mut writers: Vec<Person>, text: String) -> Line {
    let author = writers.remove(0);
    Line {
        also_by: writers,
        ..Line::said(ids::line(id), author, text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MOMENT: &str = "2026-01-01T00:00:00.000Z";

    fn user(id: &str) -> Value {
        json!({ "id": id, "name": id, "app": false, "guest": false, "active": true })
    }

    #[test]
    fn a_comment_in_the_millisecond_of_the_delegation_was_there_before_it() {
        let read: Conversation = serde_json::from_value(json!({
            "createdAt": MOMENT, "comment": null, "activities": { "nodes": [] },
            "issue": {
                "id": "i1", "identifier": "ENG-1", "title": "t", "description": "d", "createdAt": MOMENT, "parent": null,
                "children": { "nodes": [] },
                "creator": user("ana"), "externalUserCreator": null, "botActor": null,
                "history": { "nodes": [], "pageInfo": { "hasNextPage": false } },
                "comments": { "nodes": [{
                    "id": "c1", "body": "It is the cache.", "createdAt": MOMENT, "parent": null,
                    "user": user("ben"), "externalUser": null, "botActor": null,
                }] },
            },
        }))
        .expect("a conversation");
        let lines = lines("s1", &read, &ids::line("s1"));
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["It is the cache.", "t\n\nd"]);
    }
}
