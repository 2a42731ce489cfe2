//! The queries.

use apollo_compiler::resolvers::FieldError;
use serde_json::{Map, Value, json};

use super::resolve::failed;
use super::state::{World, reference};

/// How sure the stand-in is of a repository whose name the issue has in it.
const SURE: f64 = 0.9;
/// And of one whose name it has not.
const UNSURE: f64 = 0.2;

/// Answers one field of `Query`.
pub(super) fn run(
    world: &World,
    field: &str,
    arguments: &Map<String, Value>,
) -> Result<Value, FieldError> {
    let one = |kind: &str| {
        let id = arguments
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let state = world.lock();
        let is_hidden = state.shut_out
            && matches!(kind, "AgentActivity" | "AgentSession" | "Comment" | "Issue");
        let entity = state.find(kind, id).filter(|_| !is_hidden);
        entity
            .map(|entity| reference(entity.id()))
            .ok_or_else(|| failed(format!("Entity not found: {kind}")))
    };
    let all = |kind: &str| -> Value {
        world
            .lock()
            .all(kind, |_| true)
            .into_iter()
            .map(|entity| reference(entity.id()))
            .collect()
    };
    match field {
        "viewer" => Ok(reference(&world.lock().known.agent)),
        "organization" => Ok(reference(&world.lock().known.organization)),
        "agentActivity" => one("AgentActivity"),
        "agentSession" => one("AgentSession"),
        "attachment" => one("Attachment"),
        "comment" => one("Comment"),
        "issue" => one("Issue"),
        "team" => one("Team"),
        "user" => one("User"),
        "workflowState" => one("WorkflowState"),
        "agentSessions" => Ok(all("AgentSession")),
        "comments" => Ok(all("Comment")),
        "issues" => Ok(all("Issue")),
        "teams" => Ok(all("Team")),
        "users" => Ok(all("User")),
        "workflowStates" => Ok(all("WorkflowState")),
        "attachmentsForURL" => {
            let url = arguments
                .get("url")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let state = world.lock();
            let found = state.all("Attachment", |attachment| attachment.text("url") == url);
            Ok(found
                .into_iter()
                .map(|attachment| reference(attachment.id()))
                .collect())
        }
        "issueRepositorySuggestions" => suggestions(world, arguments),
        other => {
            world.violation(format!("the stand-in does not answer the query {other}"));
            Err(failed(format!("the stand-in does not answer {other}")))
        }
    }
}

fn suggestions(world: &World, arguments: &Map<String, Value>) -> Result<Value, FieldError> {
    let id = arguments
        .get("issueId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let state = world.lock();
    let issue = state
        .find("Issue", id)
        .ok_or_else(|| failed("Entity not found: Issue"))?;
    let words = format!("{} {}", issue.text("title"), issue.text("description"));
    let candidates = arguments
        .get("candidateRepositories")
        .and_then(Value::as_array);
    let mut suggestions: Vec<Value> = candidates
        .into_iter()
        .flatten()
        .map(|candidate| {
            let name = candidate["repositoryFullName"].as_str().unwrap_or_default();
            let confidence = if !name.is_empty() && words.contains(name) { SURE } else { UNSURE };
            json!({ "repositoryFullName": name, "hostname": candidate["hostname"], "confidence": confidence })
        })
        .collect();
    // The surest first; the sort is stable, so equals keep the client's order.
    suggestions.sort_by_key(|suggestion| suggestion["confidence"] != SURE);
    Ok(json!({ "suggestions": suggestions }))
}
