//! What happens to issues, comments and agent sessions, whoever causes it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::{Content, SessionState};
use super::state::{Entity, State, moment, reference};

/// An issue to make.
pub(super) struct NewIssue<'a> {
    /// The team's id; the team ENG where none is named.
    pub team: Option<&'a str>,
    pub title: &'a str,
    pub description: &'a str,
    /// Nobody where it came from outside.
    pub creator: Option<&'a str>,
}

/// A comment to make.
pub(super) struct NewComment<'a> {
    pub issue: &'a str,
    pub parent: Option<&'a str>,
    pub author: &'a str,
    pub body: &'a str,
}

/// Why a session is opened.
pub(super) struct Opened {
    pub issue: String,
    /// Nobody where an automation or the agent itself opened it.
    pub creator: Option<String>,
    /// The comment that mentions the agent; without one Linear writes a root comment itself.
    pub comment: Option<String>,
}

/// An activity to append.
pub(super) struct NewActivity {
    pub id: String,
    pub author: String,
    pub content: Value,
    pub ephemeral: bool,
    pub signal: Value,
    pub metadata: Value,
}

/// Makes an issue of the team in its first unstarted state.
pub(super) fn create_issue(state: &mut State, new: &NewIssue<'_>) -> String {
    state.next_issue += 1;
    let team = new.team.unwrap_or(&state.known.team).to_owned();
    let number = state.next_issue;
    let Filed {
        identifier,
        url,
        todo,
    } = filed(state, &team, number);
    let issue = json!({
        "identifier": identifier, "number": number, "title": new.title, "description": new.description,
        "url": url, "team": reference(&team), "state": todo,
        "creator": new.creator.map(reference), "assignee": null, "delegate": null, "labels": [], "labelIds": [],
        "priority": 0, "priorityLabel": "No priority", "branchName": format!("eng-{number}"),
        "sortOrder": 0, "prioritySortOrder": 0, "boardOrder": 0, "customerTicketCount": 0,
        "previousIdentifiers": [], "reactionData": {}, "inheritsSharedAccess": true,
    });
    state.add("Issue", issue)
}

/// How an issue is called and filed in a team.
struct Filed {
    identifier: String,
    url: String,
    /// The team's first unstarted state.
    todo: Value,
}

fn filed(state: &State, team: &str, number: u64) -> Filed {
    let key = state.entities.get(team).map_or("", |team| team.text("key"));
    let identifier = format!("{key}-{number}");
    let is_todo = |one: &Entity| one.text("type") == "unstarted" && one.link("team") == Some(team);
    let todo = state.all("WorkflowState", is_todo);
    Filed {
        url: format!("{}/acme/issue/{identifier}", state.known.base),
        identifier,
        todo: todo.first().map_or(Value::Null, |one| reference(one.id())),
    }
}

/// Files an issue in another team, where it has another name; gives what it was before, as webhooks tell it.
pub(super) fn move_issue(state: &mut State, issue: &str, team: &str) -> Value {
    state.next_issue += 1;
    let number = state.next_issue;
    let Filed {
        identifier,
        url,
        todo,
    } = filed(state, team, number);
    let was = &state.entities[issue];
    let before = json!({
        "teamId": was.link("team"), "stateId": was.link("state"), "number": was.value("number"),
        "identifier": was.text("identifier"), "updatedAt": was.text("updatedAt"),
    });
    let mut former = was.value("previousIdentifiers");
    if let Some(former) = former.as_array_mut() {
        former.push(json!(was.text("identifier")));
    }
    let changes = [
        ("identifier", json!(identifier)),
        ("number", json!(number)),
        ("url", json!(url)),
        ("team", reference(team)),
        ("state", todo),
        ("previousIdentifiers", former),
    ];
    state.set(issue, &changes);
    before
}

/// Adds a comment.
pub(super) fn comment(state: &mut State, new: &NewComment<'_>) -> String {
    let (base, number) = (&state.known.base, state.entities.len());
    let comment = json!({
        "issue": reference(new.issue), "parent": new.parent.map(reference), "user": reference(new.author),
        "body": new.body, "bodyData": "{}", "hideInLinear": false, "isArtificialAgentSessionRoot": false,
        "reactionData": {}, "url": format!("{base}/acme/comment/{number}"),
    });
    state.add("Comment", comment)
}

/// Opens a session in the state pending.
pub(super) fn open(state: &mut State, opened: &Opened) -> String {
    let root = if let Some(comment) = &opened.comment {
        comment.clone()
    } else {
        let author = opened
            .creator
            .clone()
            .unwrap_or_else(|| state.known.agent.clone());
        let body = "This thread is for an agent session with Deckhand.";
        let root = comment(
            state,
            &NewComment {
                issue: &opened.issue,
                parent: None,
                author: &author,
                body,
            },
        );
        state.set(&root, &[("isArtificialAgentSessionRoot", json!(true))]);
        root
    };
    let (agent, base) = (reference(&state.known.agent), &state.known.base);
    let session = json!({
        "status": SessionState::Pending.as_str(), "type": "commentThread", "appUser": agent,
        "creator": opened.creator.as_deref().map(reference), "issue": reference(&opened.issue),
        "comment": reference(&root), "sourceComment": null, "context": {}, "externalUrls": [],
        "externalLinks": [], "plan": null, "summary": null, "startedAt": null, "endedAt": null,
        "dismissedAt": null, "slugId": format!("session-{}", state.entities.len()),
        "url": format!("{base}/acme/session/{}", state.entities.len()),
    });
    let session = state.add("AgentSession", session);
    state.set(&root, &[("agentSession", reference(&session))]);
    session
}

/// Appends an activity, replaces an ephemeral one before it, and derives the session's state.
pub(super) fn append(state: &mut State, session: &str, new: NewActivity, said: &Content) -> String {
    let ephemeral: Vec<String> = state
        .all("AgentActivity", |one| {
            one.link("agentSession") == Some(session)
                && one.value("ephemeral") == true
                && one.value("replaced").is_null()
        })
        .into_iter()
        .map(|one| one.id().to_owned())
        .collect();
    for id in ephemeral {
        state.set(&id, &[("replaced", json!(true))]);
    }
    let mut content = new.content;
    content["__typename"] = json!(format!("AgentActivity{}Content", capital(said.kind())));
    content["bodyData"] = json!({});
    let stopped = new.signal == "stop";
    let author = new.author;
    let activity = json!({
        "id": new.id, "agentSession": reference(session), "content": content, "ephemeral": new.ephemeral,
        "signal": new.signal, "signalMetadata": new.metadata, "user": reference(&author), "queued": false,
    });
    let id = state.add("AgentActivity", activity);
    let after = if stopped {
        SessionState::Stopping
    } else {
        said.state()
    };
    enter(state, session, after);
    if said.becomes_comment() {
        keep_as_comment(state, session, (&author, &said.text()));
    }
    id
}

/// Puts a session into a state, with the times that go with it.
fn enter(state: &mut State, session: &str, after: SessionState) {
    let now = json!(moment(Timestamp::now()));
    let ended = match after {
        SessionState::Complete => now.clone(),
        SessionState::Pending
        | SessionState::Active
        | SessionState::AwaitingInput
        | SessionState::Error
        | SessionState::Stopping => Value::Null,
    };
    let started = state
        .entities
        .get(session)
        .map(|one| one.value("startedAt"));
    let started = started.filter(|earlier| !earlier.is_null()).unwrap_or(now);
    let status = json!(after.as_str());
    state.set(
        session,
        &[
            ("status", status),
            ("endedAt", ended),
            ("startedAt", started),
        ],
    );
}

/// Adds what an activity says to the session's thread on the issue, and gives a reference to it.
pub(super) fn keep_as_comment(
    state: &mut State,
    session: &str,
    (author, body): (&str, &str),
) -> Value {
    let linked = |key: &str| {
        let session = state.entities.get(session)?;
        session.link(key).map(str::to_owned)
    };
    let (Some(issue), root) = (linked("issue"), linked("comment")) else {
        return Value::Null;
    };
    let new = NewComment {
        issue: &issue,
        parent: root.as_deref(),
        author,
        body,
    };
    reference(&comment(state, &new))
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}
