//! The mutations, with the rules that the schema cannot state.

use std::sync::Arc;

use apollo_compiler::resolvers::FieldError;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::resolve::failed;
use super::rules::{self, Sent};
use super::sessions;
use super::state::{State, UploadSlot, UploadedFile, World, reference};
use super::uploads;

/// Largest file that Linear takes here, in bytes.
const LARGEST_UPLOAD: u64 = 50 * 1024 * 1024;
/// Longest session title, in characters.
const LONGEST_SUMMARY: usize = 255;
/// `lastSyncId`, which nobody here counts.
const SYNC: f64 = 1.0;

type Arguments = Map<String, Value>;
type Done = Result<Value, FieldError>;

/// Does one field of `Mutation`.
pub(super) fn run(world: &Arc<World>, field: &str, arguments: &Arguments) -> Done {
    let empty = Map::new();
    let input = arguments
        .get("input")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let done = match field {
        "agentActivityCreate" => agent_activity_create(world, input),
        "agentSessionUpdate" => agent_session_update(world, text(arguments, "id"), input),
        "agentSessionCreateOnIssue" => agent_session_create(world, input),
        "issueUpdate" => issue_update(world, text(arguments, "id"), input),
        "issueCreate" => issue_create(world, input),
        "commentCreate" => comment_create(world, input),
        "commentUpdate" => comment_update(world, text(arguments, "id"), input),
        "attachmentCreate" => attachment(world, input, None),
        "attachmentLinkGitHubPR" => attachment(world, arguments, Some("github")),
        "attachmentLinkURL" => attachment(world, arguments, None),
        "fileUpload" => file_upload(world, arguments),
        "reactionCreate" => reaction_create(world, input),
        other => {
            world.violation(format!("the stand-in does not do {other}"));
            Err(failed(format!("the stand-in does not do {other}")))
        }
    };
    world.touch();
    done
}

fn text<'a>(arguments: &'a Arguments, key: &str) -> &'a str {
    arguments
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn payload(field: &str, id: &str) -> Value {
    json!({ "success": true, "lastSyncId": SYNC, field: reference(id) })
}

fn found(state: &State, kind: &str, id: &str) -> Result<String, FieldError> {
    let is_hidden = state.shut_out && matches!(kind, "AgentSession" | "Comment" | "Issue");
    let entity = state
        .find(kind, id)
        .filter(|_| !is_hidden)
        .ok_or_else(|| failed(format!("Entity not found: {kind}")))?;
    Ok(entity.id().to_owned())
}

/// A client may choose the id; it must be a version 4 UUID that is not taken.
fn chosen_id(state: &State, input: &Arguments) -> Result<String, FieldError> {
    let Some(id) = input.get("id").and_then(Value::as_str) else {
        return Ok(Uuid::new_v4().to_string());
    };
    let uuid = Uuid::parse_str(id).map_err(|_| failed("id must be a UUID"))?;
    if uuid.get_version_num() != 4 {
        return Err(failed("id must be a version 4 UUID"));
    }
    if state.entities.contains_key(id) {
        return Err(failed(format!("An entity with the id {id} already exists")));
    }
    Ok(id.to_owned())
}

fn agent_activity_create(world: &World, input: &Arguments) -> Done {
    let mut state = world.lock();
    let session = found(&state, "AgentSession", text(input, "agentSessionId"))?;
    let content = input.get("content").cloned().unwrap_or(Value::Null);
    let ephemeral = input.get("ephemeral").and_then(Value::as_bool);
    let sent = Sent {
        content: &content,
        ephemeral,
        signal: input.get("signal").and_then(Value::as_str),
        metadata: input.get("signalMetadata"),
    };
    let said = rules::check(sent).map_err(|reason| {
        state
            .violations
            .push(format!("agentActivityCreate: {reason}"));
        failed(reason)
    })?;
    let id = chosen_id(&state, input)?;
    let agent = state.known.agent.clone();
    let activity = sessions::NewActivity {
        id,
        author: agent,
        content,
        ephemeral: ephemeral.unwrap_or_default(),
        signal: input.get("signal").cloned().unwrap_or(Value::Null),
        metadata: input.get("signalMetadata").cloned().unwrap_or(Value::Null),
    };
    let id = sessions::append(&mut state, &session, activity, &said);
    Ok(payload("agentActivity", &id))
}

fn agent_session_update(world: &World, id: &str, input: &Arguments) -> Done {
    let mut state = world.lock();
    let id = found(&state, "AgentSession", id)?;
    let refuse = |state: &mut State, reason: String| {
        state
            .violations
            .push(format!("agentSessionUpdate: {reason}"));
        failed(reason)
    };
    if let Some(plan) = input.get("plan").filter(|plan| !plan.is_null()) {
        rules::check_plan(plan).map_err(|reason| refuse(&mut state, reason))?;
        state.set(&id, &[("plan", plan.clone())]);
    }
    if let Some(summary) = input.get("summary").and_then(Value::as_str) {
        if summary.is_empty() || summary.chars().count() > LONGEST_SUMMARY || summary.contains('\n')
        {
            let reason = "summary must have 1 to 255 characters in one line".to_owned();
            return Err(refuse(&mut state, reason));
        }
        state.set(&id, &[("summary", json!(summary))]);
    }
    let list = |key: &str| input.get(key).and_then(Value::as_array);
    let mut links = match list("externalUrls") {
        Some(all) => all.clone(),
        None => state.entities[&id]
            .value("externalUrls")
            .as_array()
            .cloned()
            .unwrap_or_default(),
    };
    for added in list("addedExternalUrls").into_iter().flatten() {
        links.retain(|link| link["url"] != added["url"]);
        links.push(added.clone());
    }
    for removed in list("removedExternalUrls").into_iter().flatten() {
        links.retain(|link| link["url"] != *removed);
    }
    state.set(
        &id,
        &[
            ("externalUrls", json!(links)),
            ("externalLinks", json!(links)),
        ],
    );
    Ok(payload("agentSession", &id))
}

fn agent_session_create(world: &World, input: &Arguments) -> Done {
    let mut state = world.lock();
    let issue = found(&state, "Issue", text(input, "issueId"))?;
    let links = input
        .get("externalUrls")
        .cloned()
        .unwrap_or_else(|| json!([]));
    let opened = sessions::Opened {
        issue,
        creator: None,
        comment: None,
    };
    let id = sessions::open(&mut state, &opened);
    state.set(
        &id,
        &[("externalUrls", links.clone()), ("externalLinks", links)],
    );
    Ok(payload("agentSession", &id))
}

/// Input fields that refer to another entity: the field, what it sets, and the type.
const ISSUE_LINKS: &[(&str, &str, &str)] = &[
    ("assigneeId", "assignee", "User"),
    ("delegateId", "delegate", "User"),
    ("stateId", "state", "WorkflowState"),
];

fn issue_update(world: &World, id: &str, input: &Arguments) -> Done {
    let mut state = world.lock();
    let id = found(&state, "Issue", id)?;
    let team = state.entities[&id].link("team").map(str::to_owned);
    for (field, sets, kind) in ISSUE_LINKS {
        match input.get(*field) {
            None => {}
            Some(Value::Null) => state.set(&id, &[(sets, Value::Null)]),
            Some(target) => {
                let target = found(&state, kind, target.as_str().unwrap_or_default())?;
                if *kind == "WorkflowState"
                    && state.entities[&target].link("team") != team.as_deref()
                {
                    return Err(failed("The workflow state belongs to another team"));
                }
                state.set(&id, &[(sets, reference(&target))]);
            }
        }
    }
    for field in ["title", "description", "priority"] {
        if let Some(value) = input.get(field) {
            state.set(&id, &[(field, value.clone())]);
        }
    }
    Ok(payload("issue", &id))
}

fn issue_create(world: &World, input: &Arguments) -> Done {
    let mut state = world.lock();
    let team = found(&state, "Team", text(input, "teamId"))?;
    let title = input
        .get("title")
        .and_then(Value::as_str)
        .filter(|title| !title.is_empty());
    let title = title.ok_or_else(|| failed("title must be given"))?;
    let creator = state.known.agent.clone();
    let new = sessions::NewIssue {
        team: Some(&team),
        title,
        description: text(input, "description"),
        creator: Some(&creator),
    };
    let chosen = chosen_id(&state, input)?;
    let id = sessions::create_issue(&mut state, &new);
    state.rename(&id, &chosen);
    Ok(payload("issue", &chosen))
}

fn comment_create(world: &World, input: &Arguments) -> Done {
    let mut state = world.lock();
    let parent = match input.get("parentId").and_then(Value::as_str) {
        Some(parent) => Some(found(&state, "Comment", parent)?),
        None => None,
    };
    let issue = match (input.get("issueId").and_then(Value::as_str), &parent) {
        (Some(issue), _) => found(&state, "Issue", issue)?,
        (None, Some(parent)) => state.entities[parent]
            .link("issue")
            .unwrap_or_default()
            .to_owned(),
        (None, None) => return Err(failed("issueId or parentId must be given")),
    };
    let body = text(input, "body");
    if body.is_empty() {
        return Err(failed("body must not be empty"));
    }
    let author = state.known.agent.clone();
    let comment = sessions::NewComment {
        issue: &issue,
        parent: parent.as_deref(),
        author: &author,
        body,
    };
    let id = sessions::comment(&mut state, &comment);
    Ok(payload("comment", &id))
}

fn comment_update(world: &World, id: &str, input: &Arguments) -> Done {
    let mut state = world.lock();
    let id = found(&state, "Comment", id)?;
    if state.entities[&id].link("user") != Some(state.known.agent.as_str()) {
        return Err(failed("A comment can be changed only by who wrote it"));
    }
    state.set(&id, &[("body", json!(text(input, "body")))]);
    Ok(payload("comment", &id))
}

/// The same issue and address update the attachment that is there.
fn attachment(world: &World, input: &Arguments, source: Option<&str>) -> Done {
    let mut state = world.lock();
    let issue = found(&state, "Issue", text(input, "issueId"))?;
    let url = text(input, "url");
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(failed("url must be an absolute address"));
    }
    let same = state
        .all("Attachment", |one| {
            one.text("url") == url && one.link("issue") == Some(issue.as_str())
        })
        .first()
        .map(|one| one.id().to_owned());
    let title = input.get("title").and_then(Value::as_str).unwrap_or(url);
    let id = if let Some(id) = same {
        id
    } else {
        let creator = reference(&state.known.agent);
        let attachment = json!({
            "issue": reference(&issue), "url": url, "creator": creator, "metadata": {},
            "groupBySource": false, "sourceType": source,
        });
        state.add("Attachment", attachment)
    };
    let subtitle = input.get("subtitle").cloned().unwrap_or(Value::Null);
    state.set(&id, &[("title", json!(title)), ("subtitle", subtitle)]);
    Ok(payload("attachment", &id))
}

fn file_upload(world: &World, arguments: &Arguments) -> Done {
    let name = text(arguments, "filename");
    let content_type = text(arguments, "contentType");
    let size = arguments
        .get("size")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    if size == 0 || size > LARGEST_UPLOAD || name.is_empty() || !content_type.contains('/') {
        return Err(failed("the file's name, type or size cannot be taken"));
    }
    let id = Uuid::new_v4().to_string();
    let asset_url = uploads::address(world, &id);
    let slot = UploadSlot {
        file: UploadedFile {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            asset_url: asset_url.clone(),
            bytes: Vec::new(),
        },
        size: usize::try_from(size).unwrap_or_default(),
        public: arguments
            .get("makePublic")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        arrived: false,
    };
    world.lock().uploads.insert(id.clone(), slot);
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(json!({
        "success": true,
        "lastSyncId": SYNC,
        "uploadFile": {
            "uploadUrl": format!("{}/uploads/{id}", world.base),
            "assetUrl": asset_url,
            "contentType": content_type,
            "filename": name,
            "size": size,
            "metaData": arguments.get("metaData"),
            "headers": [
                { "key": "x-goog-content-length-range", "value": format!("{size},{size}") },
                { "key": "Content-Disposition", "value": disposition },
            ],
        },
    }))
}

fn reaction_create(world: &World, input: &Arguments) -> Done {
    let mut state = world.lock();
    let issue = match input.get("issueId").and_then(Value::as_str) {
        Some(issue) => reference(&found(&state, "Issue", issue)?),
        None => Value::Null,
    };
    let comment = match input.get("commentId").and_then(Value::as_str) {
        Some(comment) => reference(&found(&state, "Comment", comment)?),
        None => Value::Null,
    };
    let user = reference(&state.known.agent);
    let reaction =
        json!({ "emoji": text(input, "emoji"), "issue": issue, "comment": comment, "user": user });
    let id = state.add("Reaction", reaction);
    Ok(payload("reaction", &id))
}
