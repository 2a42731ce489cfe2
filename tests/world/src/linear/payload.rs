//! The webhooks' payloads and the context that a new session begins with.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::state::{Entity, State, World, moment};

/// The application's id at Linear.
const OAUTH_CLIENT: &str = "5f0e3b1c-0000-4000-8000-00000000c11e";
/// The webhook's id at Linear: the subscription, not the delivery.
const WEBHOOK: &str = "5f0e3b1c-0000-4000-8000-0000000003b0";

fn envelope(state: &State, kind: &str, action: &str) -> Value {
    json!({
        "type": kind,
        "action": action,
        "createdAt": moment(Timestamp::now()),
        "organizationId": state.known.organization,
        "oauthClientId": OAUTH_CLIENT,
        "appUserId": state.known.agent,
        "webhookId": WEBHOOK,
    })
}

fn pick(entity: &Entity, keys: &[&str]) -> Map<String, Value> {
    keys.iter()
        .map(|key| ((*key).to_owned(), entity.value(key)))
        .collect()
}

fn user(state: &State, id: Option<&str>) -> Value {
    let user = id.and_then(|id| state.entities.get(id));
    user.map_or(Value::Null, |user| {
        json!(pick(user, &["id", "name", "email", "url", "avatarUrl"]))
    })
}

fn issue(state: &State, id: Option<&str>) -> Value {
    let Some(entity) = id.and_then(|id| state.entities.get(id)) else {
        return Value::Null;
    };
    let mut issue = pick(entity, &["id", "identifier", "title", "description", "url"]);
    if let Some(team) = entity.link("team").and_then(|id| state.entities.get(id)) {
        issue.insert("teamId".to_owned(), json!(team.id()));
        issue.insert("team".to_owned(), json!(pick(team, &["id", "key", "name"])));
    }
    json!(issue)
}

fn comment(state: &State, id: Option<&str>) -> Value {
    let Some(entity) = id.and_then(|id| state.entities.get(id)) else {
        return Value::Null;
    };
    json!({
        "id": entity.id(),
        "body": entity.text("body"),
        "userId": entity.link("user"),
        "issueId": entity.link("issue"),
    })
}

fn session(state: &State, entity: &Entity) -> Value {
    let mut session = pick(
        entity,
        &[
            "id",
            "status",
            "type",
            "createdAt",
            "updatedAt",
            "archivedAt",
            "startedAt",
            "endedAt",
            "summary",
            "url",
        ],
    );
    for (field, value) in [
        ("appUserId", json!(state.known.agent)),
        ("organizationId", json!(state.known.organization)),
        ("creatorId", json!(entity.link("creator"))),
        ("creator", user(state, entity.link("creator"))),
        ("issueId", json!(entity.link("issue"))),
        ("issue", issue(state, entity.link("issue"))),
        ("commentId", json!(entity.link("comment"))),
        ("comment", comment(state, entity.link("comment"))),
        ("sourceCommentId", Value::Null),
        ("sourceMetadata", Value::Null),
    ] {
        session.insert(field.to_owned(), value);
    }
    json!(session)
}

fn guidance(state: &State) -> Value {
    let rules = state.guidance.iter();
    rules.map(|body| json!({ "body": body, "origin": { "__typename": "OrganizationOriginWebhookPayload", "type": "organization" } })).collect()
}

/// `AgentSessionEvent` with the action `created`.
pub(super) fn created(world: &World, id: &str) -> Option<Value> {
    let state = world.lock();
    let entity = state.entities.get(id)?;
    let mut payload = envelope(&state, "AgentSessionEvent", "created");
    payload["agentSession"] = session(&state, entity);
    payload["promptContext"] = json!(prompt_context(&state, entity));
    payload["guidance"] = guidance(&state);
    payload["previousComments"] = previous(&state, entity)
        .iter()
        .map(|one| comment(&state, Some(one.id())))
        .collect();
    Some(payload)
}

/// `AgentSessionEvent` with the action `prompted`, for an activity that a person wrote.
pub(super) fn prompted(world: &World, id: &str) -> Option<Value> {
    let state = world.lock();
    let activity = state.entities.get(id)?;
    let entity = state.entities.get(activity.link("agentSession")?)?;
    let mut payload = envelope(&state, "AgentSessionEvent", "prompted");
    payload["agentSession"] = session(&state, entity);
    payload["guidance"] = guidance(&state);
    let mut content = activity.value("content");
    if let Some(fields) = content.as_object_mut() {
        fields.retain(|key, _| key == "type" || key == "body");
    }
    let mut body = pick(
        activity,
        &[
            "id",
            "createdAt",
            "updatedAt",
            "archivedAt",
            "signal",
            "signalMetadata",
        ],
    );
    for (field, value) in [
        ("agentSessionId", json!(entity.id())),
        ("content", content),
        ("sourceCommentId", json!(activity.link("sourceComment"))),
        ("userId", json!(activity.link("user"))),
        ("user", user(&state, activity.link("user"))),
    ] {
        body.insert(field.to_owned(), value);
    }
    payload["agentActivity"] = json!(body);
    Some(payload)
}

/// `AppUserNotification` with the action `issueCommentReaction`, about the agent's last comment in a session's thread.
pub(super) fn reacted(world: &World, session: &str, actor: &str, emoji: &str) -> Option<Value> {
    let state = world.lock();
    let session = state.entities.get(session)?;
    let root = session.link("comment")?;
    let ours = |one: &Entity| {
        one.link("parent") == Some(root) && one.link("user") == Some(state.known.agent.as_str())
    };
    let comments = state.all("Comment", ours);
    let comment_id = comments.last()?.id();
    let mut payload = envelope(&state, "AppUserNotification", "issueCommentReaction");
    let now = moment(Timestamp::now());
    payload["notification"] = json!({
        "__typename": "IssueCommentReactionNotificationWebhookPayload",
        "id": uuid::Uuid::new_v4().to_string(),
        "type": "issueCommentReaction",
        "createdAt": now,
        "updatedAt": now,
        "archivedAt": null,
        "userId": state.known.agent,
        "actorId": actor,
        "actor": user(&state, Some(actor)),
        "reactionEmoji": emoji,
        "commentId": comment_id,
        "comment": comment(&state, Some(comment_id)),
        "parentCommentId": root,
        "parentComment": comment(&state, Some(root)),
        "issueId": session.link("issue"),
        "issue": issue(&state, session.link("issue")),
    });
    Some(payload)
}

/// `AppUserNotification` with the action `issueUnassignedFromYou`.
pub(super) fn unassigned(world: &World, issue_id: &str, actor: &str) -> Value {
    let state = world.lock();
    let mut payload = envelope(&state, "AppUserNotification", "issueUnassignedFromYou");
    let now = moment(Timestamp::now());
    payload["notification"] = json!({
        "__typename": "IssueUnassignedFromYouNotificationWebhookPayload",
        "id": uuid::Uuid::new_v4().to_string(),
        "type": "issueUnassignedFromYou",
        "createdAt": now,
        "updatedAt": now,
        "archivedAt": null,
        "userId": state.known.agent,
        "actorId": actor,
        "actor": user(&state, Some(actor)),
        "externalUserActorId": null,
        "issueId": issue_id,
        "issue": issue(&state, Some(issue_id)),
    });
    payload
}

/// `OAuthApp` with the action `revoked`.
pub(super) fn revoked(world: &World) -> Value {
    let mut payload = envelope(&world.lock(), "OAuthApp", "revoked");
    if let Some(fields) = payload.as_object_mut() {
        fields.remove("appUserId");
    }
    payload
}

/// `PermissionChange` with the action `teamAccessChanged`.
pub(super) fn shut_out(world: &World) -> Value {
    let state = world.lock();
    let mut payload = envelope(&state, "PermissionChange", "teamAccessChanged");
    payload["canAccessAllPublicTeams"] = json!(false);
    payload["addedTeamIds"] = json!([]);
    payload["removedTeamIds"] = json!([state.known.team]);
    payload
}

/// `Issue` or `Comment`: what a person changed, created or removed.
pub(super) fn changed(
    world: &World,
    id: &str,
    action: &str,
    actor: &str,
    before: &Value,
) -> Option<Value> {
    let state = world.lock();
    let entity = state.entities.get(id)?;
    let by = state.entities.get(actor)?;
    let mut actor = pick(by, &["id", "name", "email", "url", "avatarUrl"]);
    actor.insert("type".to_owned(), json!("user"));
    let data = match entity.kind {
        "Comment" => whole_comment(&state, entity),
        _ => whole_issue(&state, entity),
    };
    let mut payload = json!({
        "type": entity.kind,
        "action": action,
        "actor": actor,
        "createdAt": moment(Timestamp::now()),
        "data": data,
        "url": entity.text("url"),
        "organizationId": state.known.organization,
        "webhookId": WEBHOOK,
    });
    if !before.is_null() {
        payload["updatedFrom"] = before.clone();
    }
    Some(payload)
}

fn whole_issue(state: &State, entity: &Entity) -> Value {
    let mut whole = pick(
        entity,
        &[
            "id",
            "createdAt",
            "updatedAt",
            "archivedAt",
            "identifier",
            "title",
            "description",
            "url",
            "number",
            "priority",
            "priorityLabel",
            "sortOrder",
            "prioritySortOrder",
            "previousIdentifiers",
            "labelIds",
            "reactionData",
            "trashed",
        ],
    );
    let named = issue(state, Some(entity.id()));
    for (field, value) in [
        ("team", named["team"].clone()),
        ("teamId", named["teamId"].clone()),
        (
            "state",
            linked(state, entity, "state", &["id", "name", "type", "color"]),
        ),
        ("stateId", json!(entity.link("state"))),
        ("labels", json!([])),
        ("subscriberIds", json!([])),
        ("creatorId", json!(entity.link("creator"))),
        ("delegateId", json!(entity.link("delegate"))),
        ("delegate", user(state, entity.link("delegate"))),
    ] {
        whole.insert(field.to_owned(), value);
    }
    json!(whole)
}

fn whole_comment(state: &State, entity: &Entity) -> Value {
    let mut whole = pick(
        entity,
        &[
            "id",
            "createdAt",
            "updatedAt",
            "archivedAt",
            "body",
            "reactionData",
        ],
    );
    let mut about = issue(state, entity.link("issue"));
    if let Some(fields) = about.as_object_mut() {
        fields.remove("description");
    }
    for (field, value) in [
        ("userId", json!(entity.link("user"))),
        ("user", user(state, entity.link("user"))),
        ("issueId", json!(entity.link("issue"))),
        ("issue", about),
        ("parentId", json!(entity.link("parent"))),
    ] {
        whole.insert(field.to_owned(), value);
    }
    json!(whole)
}

/// Some fields of what a field refers to.
fn linked(state: &State, entity: &Entity, field: &str, keys: &[&str]) -> Value {
    let other = entity.link(field).and_then(|id| state.entities.get(id));
    other.map_or(Value::Null, |other| json!(pick(other, keys)))
}

/// Comments of the issue that are older than the session's thread.
fn previous<'a>(state: &'a State, session: &Entity) -> Vec<&'a Entity> {
    let root = session.link("comment");
    let before = root
        .and_then(|id| state.entities.get(id))
        .map_or(u64::MAX, |root| root.sequence);
    state.all("Comment", |comment| {
        comment.link("issue") == session.link("issue") && comment.sequence < before
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn said(state: &State, comment: &Entity) -> String {
    let author = comment
        .link("user")
        .and_then(|id| state.entities.get(id))
        .map_or("", |user| user.text("name"));
    format!(
        "<comment author=\"{}\" created-at=\"{}\">{}</comment>\n",
        escape(author),
        comment.text("createdAt"),
        escape(comment.text("body")),
    )
}

/// The text that Linear puts together of the issue, its threads and the guidance.
fn prompt_context(state: &State, session: &Entity) -> String {
    let mut text = String::new();
    if let Some(issue) = session.link("issue").and_then(|id| state.entities.get(id)) {
        let team = issue
            .link("team")
            .and_then(|id| state.entities.get(id))
            .map_or("", |team| team.text("name"));
        let _ = write!(
            text,
            "<issue identifier=\"{}\">\n<title>{}</title>\n<description>\n{}\n</description>\n<team name=\"{}\"/>\n</issue>\n\n",
            issue.text("identifier"),
            escape(issue.text("title")),
            escape(issue.text("description")),
            escape(team),
        );
    }
    if let Some(root) = session
        .link("comment")
        .and_then(|id| state.entities.get(id))
    {
        let id = root.id();
        let _ = write!(
            text,
            "<primary-directive-thread comment-id=\"{id}\">\n{}",
            said(state, root)
        );
        for reply in state.all("Comment", |comment| comment.link("parent") == Some(id)) {
            text.push_str(&said(state, reply));
        }
        text.push_str("</primary-directive-thread>\n\n");
    }
    for other in previous(state, session)
        .into_iter()
        .filter(|comment| comment.link("parent").is_none())
    {
        let _ = write!(
            text,
            "<other-thread comment-id=\"{}\">\n{}",
            other.id(),
            said(state, other)
        );
        for reply in state.all("Comment", |comment| {
            comment.link("parent") == Some(other.id())
        }) {
            text.push_str(&said(state, reply));
        }
        text.push_str("</other-thread>\n\n");
    }
    if !state.guidance.is_empty() {
        text.push_str("<guidance>\n");
        for rule in &state.guidance {
            let _ = writeln!(
                text,
                "<guidance-rule origin=\"workspace\">\n{}\n</guidance-rule>",
                escape(rule)
            );
        }
        text.push_str("</guidance>\n");
    }
    text
}
