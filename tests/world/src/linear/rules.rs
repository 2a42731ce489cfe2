//! What Linear's server checks of an activity and the schema cannot say.
//!
//! The rules are from Linear's developer documentation of agent activities and signals.

use serde_json::{Map, Value};

/// What an activity says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What the agent thinks; not kept as a comment.
    Thought {
        /// Markdown.
        body: String,
    },
    /// Something the agent did; not kept as a comment.
    Action {
        /// What, as in "Ran tests".
        action: String,
        /// With what.
        parameter: String,
        /// What came of it, in Markdown.
        result: Option<String>,
    },
    /// A question; the session waits for input.
    Elicitation {
        /// Markdown.
        body: String,
    },
    /// The end of the work; the session is complete.
    Response {
        /// Markdown.
        body: String,
    },
    /// The work failed.
    Error {
        /// Markdown.
        body: String,
    },
    /// What a person wrote.
    Prompt {
        /// Markdown.
        body: String,
    },
}

/// A session's state as Linear names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing was said yet.
    Pending,
    /// The agent works.
    Active,
    /// The agent waits for a person.
    AwaitingInput,
    /// The agent failed.
    Error,
    /// The agent is done.
    Complete,
    /// A person stopped the agent, which has not said where things stand.
    Stopping,
}

/// An activity as an agent sends it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub content: &'a Value,
    pub ephemeral: Option<bool>,
    pub signal: Option<&'a str>,
    pub metadata: Option<&'a Value>,
}

impl Content {
    /// The type as Linear writes it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Thought { .. } => "thought",
            Self::Action { .. } => "action",
            Self::Elicitation { .. } => "elicitation",
            Self::Response { .. } => "response",
            Self::Error { .. } => "error",
            Self::Prompt { .. } => "prompt",
        }
    }

    /// The words; of an action, its three parts in one line.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Thought { body }
            | Self::Elicitation { body }
            | Self::Response { body }
            | Self::Error { body }
            | Self::Prompt { body } => body.clone(),
            Self::Action {
                action,
                parameter,
                result,
            } => match result {
                Some(result) => format!("{action} `{parameter}`: {result}"),
                None => format!("{action} `{parameter}`"),
            },
        }
    }

    /// Reads what the store keeps.
    pub(super) fn read(content: &Value) -> Option<Self> {
        let text = |key: &str| content[key].as_str().map(str::to_owned);
        let body = || text("body");
        Some(match content["type"].as_str()? {
            "thought" => Self::Thought { body: body()? },
            "action" => Self::Action {
                action: text("action")?,
                parameter: text("parameter")?,
                result: text("result"),
            },
            "elicitation" => Self::Elicitation { body: body()? },
            "response" => Self::Response { body: body()? },
            "error" => Self::Error { body: body()? },
            "prompt" => Self::Prompt { body: body()? },
            _ => return None,
        })
    }

    /// The state a session has after this.
    pub(super) fn state(&self) -> SessionState {
        match self {
            Self::Thought { .. } | Self::Action { .. } | Self::Prompt { .. } => {
                SessionState::Active
            }
            Self::Elicitation { .. } => SessionState::AwaitingInput,
            Self::Response { .. } => SessionState::Complete,
            Self::Error { .. } => SessionState::Error,
        }
    }

    /// Whether Linear also keeps it as a comment in the thread.
    pub(super) fn becomes_comment(&self) -> bool {
        match self {
            Self::Elicitation { .. } | Self::Response { .. } | Self::Error { .. } => true,
            Self::Thought { .. } | Self::Action { .. } | Self::Prompt { .. } => false,
        }
    }
}

impl SessionState {
    /// The name in the interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::AwaitingInput => "awaitingInput",
            Self::Error => "error",
            Self::Complete => "complete",
            Self::Stopping => "stopping",
        }
    }

    pub(super) fn read(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "awaitingInput" => Self::AwaitingInput,
            "error" => Self::Error,
            "complete" => Self::Complete,
            "stopping" => Self::Stopping,
            _ => Self::Pending,
        }
    }
}

/// Checks an activity that an agent sends.
pub(super) fn check(sent: Sent<'_>) -> Result<Content, String> {
    let fields = sent
        .content
        .as_object()
        .ok_or("content must be an object")?;
    let kind = fields
        .get("type")
        .and_then(Value::as_str)
        .ok_or("content.type must be given")?;
    let allowed: &[&str] = match kind {
        "thought" | "elicitation" | "response" | "error" => &["type", "body"],
        "action" => &["type", "action", "parameter", "result"],
        "prompt" => return Err("content.type prompt is only for people".to_owned()),
        other => return Err(format!("content.type {other} is unknown")),
    };
    if let Some(extra) = fields.keys().find(|key| !allowed.contains(&key.as_str())) {
        return Err(format!(
            "content.{extra} does not belong to the type {kind}"
        ));
    }
    for required in allowed
        .iter()
        .filter(|key| !matches!(**key, "type" | "result"))
    {
        check_text(fields, required)?;
    }
    if fields.contains_key("result") {
        check_text(fields, "result")?;
    }
    if sent.ephemeral == Some(true) && !matches!(kind, "thought" | "action") {
        return Err(format!(
            "an activity of the type {kind} cannot be ephemeral"
        ));
    }
    check_signal(kind, sent)?;
    Content::read(sent.content).ok_or_else(|| "content cannot be read".to_owned())
}

fn check_text(fields: &Map<String, Value>, key: &str) -> Result<(), String> {
    match fields.get(key).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() || key == "parameter" => Ok(()),
        Some(_) | None => Err(format!("content.{key} must be a text that is not empty")),
    }
}

fn check_signal(kind: &str, sent: Sent<'_>) -> Result<(), String> {
    let metadata = sent.metadata.filter(|value| !value.is_null());
    match (sent.signal, metadata) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err("signalMetadata needs a signal".to_owned()),
        (Some("select"), Some(data)) if kind == "elicitation" => check_options(data),
        (Some("auth"), Some(data)) if kind == "elicitation" => match data["url"].as_str() {
            Some(url) if url.starts_with("https://") || url.starts_with("http://") => Ok(()),
            Some(_) | None => Err("the signal auth needs signalMetadata.url".to_owned()),
        },
        (Some("continue"), None) if kind == "response" => Ok(()),
        (Some("stop"), _) => Err("the signal stop is only for people".to_owned()),
        (Some(signal), _) => Err(format!(
            "the signal {signal} with this metadata does not belong to the type {kind}"
        )),
    }
}

fn check_options(data: &Value) -> Result<(), String> {
    let options = data["options"]
        .as_array()
        .filter(|options| !options.is_empty());
    let options = options.ok_or("the signal select needs signalMetadata.options")?;
    let fine = |option: &Value| {
        option["value"]
            .as_str()
            .is_some_and(|value| !value.is_empty())
    };
    if options.iter().all(fine) {
        Ok(())
    } else {
        Err("every option of a select needs a value".to_owned())
    }
}

/// Checks a plan: an array of steps, each with words and a known status.
pub(super) fn check_plan(plan: &Value) -> Result<(), String> {
    let steps = plan.as_array().ok_or("plan must be an array of steps")?;
    for step in steps {
        let words = step["content"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        let status = matches!(
            step["status"].as_str(),
            Some("pending" | "inProgress" | "completed" | "canceled")
        );
        if !words || !status {
            return Err(format!("a step of the plan is wrong: {step}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Content, Sent, check, check_plan};

    fn sent(value: &Value) -> Sent<'_> {
        Sent {
            content: &value["content"],
            ephemeral: value["ephemeral"].as_bool(),
            signal: value["signal"].as_str(),
            metadata: value.get("signalMetadata"),
        }
    }

    #[test]
    fn good_activities_pass() {
        for good in [
            json!({ "content": { "type": "thought", "body": "Reading" }, "ephemeral": true }),
            json!({ "content": { "type": "action", "action": "Ran", "parameter": "cargo test", "result": "ok" } }),
            json!({ "content": { "type": "elicitation", "body": "Approve?" }, "signal": "select",
                "signalMetadata": { "options": [{ "label": "Yes", "value": "approve" }] } }),
            json!({ "content": { "type": "response", "body": "Done" } }),
        ] {
            check(sent(&good)).unwrap();
        }
    }

    #[test]
    fn bad_activities_are_refused_with_a_reason() {
        for (bad, reason) in [
            (
                json!({ "content": { "type": "prompt", "body": "x" } }),
                "only for people",
            ),
            (json!({ "content": { "type": "thought" } }), "content.body"),
            (
                json!({ "content": { "type": "thought", "body": "x", "title": "y" } }),
                "content.title",
            ),
            (
                json!({ "content": { "type": "response", "body": "x" }, "ephemeral": true }),
                "ephemeral",
            ),
            (
                json!({ "content": { "type": "action", "action": "Ran" } }),
                "content.parameter",
            ),
            (
                json!({ "content": { "type": "thought", "body": "x" }, "signal": "select" }),
                "does not belong",
            ),
            (
                json!({ "content": { "type": "elicitation", "body": "x" }, "signal": "stop" }),
                "only for people",
            ),
            (
                json!({ "content": { "type": "elicitation", "body": "x" }, "signalMetadata": {} }),
                "needs a signal",
            ),
            (
                json!({ "content": { "type": "elicitation", "body": "x" }, "signal": "select",
                "signalMetadata": { "options": [] } }),
                "options",
            ),
        ] {
            let refused = check(sent(&bad)).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn a_plan_has_words_and_a_known_status() {
        check_plan(&json!([{ "content": "Fix", "status": "inProgress" }])).unwrap();
        assert!(check_plan(&json!([{ "content": "Fix", "status": "doing" }])).is_err());
        assert!(check_plan(&json!({ "content": "Fix" })).is_err());
    }

    #[test]
    fn an_action_is_told_in_one_line() {
        let content =
            json!({ "type": "action", "action": "Ran", "parameter": "make", "result": "ok" });
        assert_eq!(Content::read(&content).unwrap().text(), "Ran `make`: ok");
    }
}
