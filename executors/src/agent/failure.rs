//! What went wrong with an agent or its model, told apart as finely as callers act on it.

use agent_client_protocol_schema::v1::Error;
use serde_json::Value;

/// Longest text of a failure, in characters.
const DETAIL_LIMIT: usize = 300;

/// How keys of the model providers and of GitHub and Slack begin. Providers repeat parts of a refused key in their errors.
const KEY_BEGINNINGS: [&str; 8] = [
    "sk-",
    "AIza",
    "ghp_",
    "ghs_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "Bearer",
];

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentFailure {
    /// The provider refused the key (401, 403).
    #[error("the model provider refused the key: {0}")]
    CredentialsRefused(String),
    /// The provider's account has nothing left (402, and what providers say in its place).
    #[error("the model provider's account has no credit left: {0}")]
    OutOfCredit(String),
    /// Too many requests (429), after the agent's own retries.
    #[error("the model provider limits the rate of requests: {0}")]
    RateLimited(String),
    /// The provider is overloaded or has an error of its own (529 and the other 5xx), after the agent's own retries.
    #[error("the model provider is overloaded: {0}")]
    Overloaded(String),
    /// What the agent says cannot be understood.
    #[error("the agent does not keep to the protocol: {0}")]
    ProtocolBroken(String),
    /// The agent's program ended, or said nothing, before a session was there.
    #[error("the agent did not start: {reason}")]
    StartFailed {
        /// What happened.
        reason: String,
        /// The end of its standard error.
        errors_tail: String,
    },
    /// The agent does not know the session that it should go on with. A new session with a summary of the old one helps.
    #[error("the agent does not know its earlier session any more: {0}")]
    SessionLost(String),
    /// Everything else.
    #[error("the agent failed: {0}")]
    Other(String),
}

impl AgentFailure {
    /// Whether the same thing may work later with nobody having changed anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Overloaded(_) => true,
            Self::CredentialsRefused(_)
            | Self::OutOfCredit(_)
            | Self::ProtocolBroken(_)
            | Self::StartFailed { .. }
            | Self::SessionLost(_)
            | Self::Other(_) => false,
        }
    }

    /// Reads what an agent or a provider said about it. Credit comes before rate: providers send "no quota" as 429.
    pub(super) fn from_text(text: &str) -> Self {
        let detail = shown(&message_in(text));
        match Kind::of(text) {
            Kind::Credentials => Self::CredentialsRefused(detail),
            Kind::Credit => Self::OutOfCredit(detail),
            Kind::Rate => Self::RateLimited(detail),
            Kind::Load => Self::Overloaded(detail),
            Kind::Unknown => Self::Other(detail),
        }
    }

    /// Reads an error that an agent answered a request with.
    pub(super) fn from_error(error: &Error) -> Self {
        let data = error
            .data
            .as_ref()
            .map(Value::to_string)
            .unwrap_or_default();
        let detail = shown(&message_in(&error.message));
        let told = Kind::of(&format!("{} {data}", error.message));
        match (told, i32::from(error.code)) {
            // -32000 is the protocol's "authentication required".
            (Kind::Credentials, _) | (Kind::Unknown, 401 | 403 | -32000) => {
                Self::CredentialsRefused(detail)
            }
            (Kind::Credit, _) | (Kind::Unknown, 402) => Self::OutOfCredit(detail),
            (Kind::Rate, _) | (Kind::Unknown, 429) => Self::RateLimited(detail),
            (Kind::Load, _) | (Kind::Unknown, 500..=599) => Self::Overloaded(detail),
            (Kind::Unknown, _) => Self::Other(detail),
        }
    }

    /// Reads the structured failure that two of the adapters add where a client asks for it
    /// (`_meta.jetbrains.air.sessionFailure`): a warning is a retry, an error is the end.
    pub(super) fn from_meta(
        meta: Option<&serde_json::Map<String, Value>>,
    ) -> Option<ReportedFailure> {
        let failure = meta?.get("jetbrains")?.get("air")?.get("sessionFailure")?;
        let title = failure
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if failure.get("severity").and_then(Value::as_str) != Some("error") {
            return Some(ReportedFailure::Warning(shown(title)));
        }
        let category = failure
            .get("category")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let failure = Self::from_text(title).or_if_other(|detail| match category {
            "limit" => Self::RateLimited(detail),
            "auth" | "authentication" => Self::CredentialsRefused(detail),
            _ => Self::Other(detail),
        });
        Some(ReportedFailure::Fatal(failure))
    }

    /// Itself, or what a caller knows better where it is only [`Self::Other`].
    pub(super) fn or_if_other(self, better: impl FnOnce(String) -> Self) -> Self {
        if let Self::Other(detail) = self {
            better(detail)
        } else {
            self
        }
    }
}

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Credentials,
    Credit,
    Rate,
    Load,
    Unknown,
}

/// Statuses and fragments in lower case, as the providers and the agents put them; the first row that fits counts.
const SIGNS: [(Kind, &[&str], &[&str]); 4] = [
    (
        Kind::Credit,
        &["402"],
        &[
            "credit balance",
            "insufficient_quota",
            "exceeded your current quota",
            "quota exceeded",
            "out of credit",
            "payment required",
            "credits exhausted",
            "billing",
        ],
    ),
    (
        Kind::Credentials,
        &["401"],
        &[
            "unauthorized",
            "authentication",
            "authenticate",
            "invalid api key",
            "invalid x-api-key",
            "api key not valid",
            "incorrect api key",
            "permission_error",
        ],
    ),
    (
        Kind::Rate,
        &["429"],
        &[
            "rate limit",
            "rate_limit",
            "ratelimit",
            "too many requests",
            "resource_exhausted",
            "resource has been exhausted",
        ],
    ),
    (
        Kind::Load,
        &["500", "502", "503", "504", "529"],
        &[
            "overloaded",
            "service unavailable",
            "at capacity",
            "high demand",
            "internal server error",
        ],
    ),
];

impl Kind {
    fn of(text: &str) -> Self {
        let low = text.to_lowercase();
        let words: Vec<&str> = low.split(|c: char| !c.is_alphanumeric()).collect();
        let fits = |(_, statuses, fragments): &&(Self, &[&str], &[&str])| {
            statuses.iter().any(|status| words.contains(status))
                || fragments.iter().any(|fragment| low.contains(fragment))
        };
        SIGNS
            .iter()
            .find(fits)
            .map_or(Self::Unknown, |(kind, ..)| *kind)
    }
}

/// The message in a provider's error, where an agent repeats that whole as JSON.
fn message_in(text: &str) -> String {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let message = json
        .as_ref()
        .and_then(|json| json.pointer("/error/message")?.as_str());
    message.unwrap_or(text).to_owned()
}

/// A failure that an agent reports beside the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReportedFailure {
    /// It goes on trying.
    Warning(String),
    /// It gave up.
    Fatal(AgentFailure),
}

/// A text that may be shown: in one line, of limited length, with what looks like a key taken out.
pub(super) fn shown(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let is_key = KEY_BEGINNINGS
            .iter()
            .any(|beginning| bare.starts_with(beginning));
        words.push(if is_key { "[key]" } else { word });
    }
    let joined = words.join(" ");
    match joined.char_indices().nth(DETAIL_LIMIT) {
        Some((index, _)) => format!("{}…", &joined[..index]),
        None => joined,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use serde_json::json;

    fn name(failure: &AgentFailure) -> &'static str {
        match failure {
            AgentFailure::CredentialsRefused(_) => "key",
            AgentFailure::OutOfCredit(_) => "credit",
            AgentFailure::RateLimited(_) => "rate",
            AgentFailure::Overloaded(_) => "load",
            AgentFailure::ProtocolBroken(_) => "protocol",
            AgentFailure::StartFailed { .. } => "start",
            AgentFailure::SessionLost(_) => "session",
            AgentFailure::Other(_) => "other",
        }
    }

    #[test]
    fn what_providers_say_is_told_apart() {
        let table = [
            (
                "exceeded retry limit, last status: 429 Too Many Requests",
                "rate",
            ),
            (
                "Ran into this error: Rate limit exceeded: slow down.",
                "rate",
            ),
            ("API Error: Request rejected (429) · slow down", "rate"),
            (
                "You exceeded your current quota, please check your plan and billing details (429)",
                "credit",
            ),
            (
                "Your credit balance is too low to access the Anthropic API.",
                "credit",
            ),
            (
                "unexpected status 401 Unauthorized: invalid x-api-key",
                "key",
            ),
            ("API key not valid. Please pass a valid API key.", "key"),
            ("Authentication required", "key"),
            ("Overloaded", "load"),
            ("stream error: 529", "load"),
            (
                "Selected model is at capacity. Please try a different model.",
                "load",
            ),
            (
                "Server error (500 Internal Server Error) at /v1/messages",
                "load",
            ),
            (
                "Quota exceeded. Check your plan and billing details.",
                "credit",
            ),
            ("request req_4294011 has gone wrong", "other"),
            ("the disk is full", "other"),
        ];
        for (text, expected) in table {
            assert_eq!(name(&AgentFailure::from_text(text)), expected, "{text}");
        }
    }

    #[test]
    fn an_errors_code_and_its_data_count_where_its_text_says_nothing() {
        let error = |code: i32, data: Option<Value>| {
            let mut error = Error::new(code, "Internal error");
            error.data = data;
            AgentFailure::from_error(&error)
        };
        assert_eq!(
            name(&error(-32603, Some(json!({"errorKind": "rate_limit"})))),
            "rate"
        );
        assert_eq!(name(&error(-32000, None)), "key");
        assert_eq!(name(&error(401, None)), "key");
        assert_eq!(name(&error(-32603, None)), "other");
    }

    #[test]
    fn of_a_providers_error_in_json_only_the_message_is_shown() {
        let error = Error::new(
            400,
            r#"{"error":{"code":400,"message":"API key not valid.","details":[{"x":"y"}]}}"#,
        );
        let expected = AgentFailure::CredentialsRefused("API key not valid.".into());
        assert_eq!(AgentFailure::from_error(&error), expected);
    }

    #[test]
    fn a_structured_failure_of_severity_error_is_the_end_and_a_warning_is_a_retry() {
        let meta = |severity: &str| {
            let failure = json!({"jetbrains": {"air": {"sessionFailure": {
                "severity": severity, "category": "limit", "title": "Try later"}}}});
            AgentFailure::from_meta(failure.as_object())
        };
        assert_eq!(
            meta("error"),
            Some(ReportedFailure::Fatal(AgentFailure::RateLimited(
                "Try later".into()
            )))
        );
        assert_eq!(
            meta("warning"),
            Some(ReportedFailure::Warning("Try later".into()))
        );
        assert_eq!(AgentFailure::from_meta(None), None);
    }

    #[test]
    fn a_key_in_an_error_is_not_repeated() {
        let text = "401: Incorrect API key provided: sk-abc***xyz.\nSee (AIzaSyD) or Bearer";
        let failure = AgentFailure::from_text(text).to_string();
        assert!(
            !failure.contains("sk-abc") && !failure.contains("AIza"),
            "{failure}"
        );
        assert!(!failure.contains('\n'));
        assert!(shown(&"long ".repeat(200)).chars().count() <= DETAIL_LIMIT + 1);
    }
}
