//! What was said around a session, and by whom.

use super::{
    Linear, files, ids,
    inbound::{OWN_ROOT_COMMENT, issue_text},
    operations::{
        CONVERSATION, Comment, Conversation, Id, OfSession, PERSON, PersonAnswer, Request, User,
    },
};
use crate::{
    domain::conversation::{ConversationId, Line, LineRef, Person, PersonId, Standing},
    surface::SurfaceError,
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
        Ok(author(Some(&answer.user)))
    }

    /// What was said, oldest first, up to and with `until`: the parent issue, the issue, comments of people and of other
    /// programs, and what people wrote in the session. Of comments and of activities, at most 100 each.
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
        Ok(lines(session, &read, until))
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
        dated.extend(issue.parent.iter().map(request));
        let opening = issue
            .comments
            .nodes
            .iter()
            .find(|comment| is_opening(comment, root));
        // The session opened either with a comment or with the issue itself; that one is the request.
        if opening.is_some() {
            dated.push(request(&issue.request));
        }
        for comment in &issue.comments.nodes {
            if is_opening(comment, root) {
                let (moment, line) = comment_line(comment);
                dated.push((
                    moment,
                    Line {
                        reference: ids::line(session),
                        ..line
                    },
                ));
            } else if is_context(comment, root, read.created_at) {
                dated.push(comment_line(comment));
            }
        }
        if opening.is_none() {
            let (_, line) = request(&issue.request);
            dated.push((
                read.created_at,
                Line {
                    reference: ids::line(session),
                    author: author(read.creator.as_ref()),
                    ..line
                },
            ));
        }
    }
    for activity in &read.activities.nodes {
        if let Some(body) = &activity.content.body {
            dated.push((
                activity.created_at,
                line(&activity.id, Some(&activity.user), body.clone()),
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

fn request(request: &Request) -> Dated {
    (
        request.created_at,
        line(
            &request.id,
            request.creator.as_ref(),
            issue_text(&request.title, request.description.as_deref()),
        ),
    )
}

fn comment_line(comment: &Comment) -> Dated {
    (
        comment.created_at,
        line(&comment.id, comment.user.as_ref(), comment.body.clone()),
    )
}

fn line(id: &str, user: Option<&User>, text: String) -> Line {
    Line {
        reference: ids::line(id),
        author: author(user),
        files: files::named_in(&text),
        text,
    }
}

/// Without a user it came from outside: an integration, a synced thread, an automation.
fn author(user: Option<&User>) -> Person {
    let Some(user) = user else {
        return Person {
            id: ids::person("outside"),
            name: "somebody outside Linear".to_owned(),
            standing: Standing::Unknown,
        };
    };
    let standing = match user {
        User { app: true, .. } => Standing::Bot,
        User { active: false, .. } => Standing::Unknown,
        User { guest: true, .. } => Standing::Guest,
        User { .. } => Standing::Member,
    };
    Person {
        id: ids::person(&user.id),
        name: user.name.clone(),
        standing,
    }
}
