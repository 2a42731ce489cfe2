//! Refusals and failures in the words that an agent, or the person behind it, can do something with.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, ext::ReasonPhrase, header::HeaderValue};

use super::{
    journal::Entry,
    policy::{Denial, Phase},
    record::{Rule, Verdict},
};

/// The header that says, on each answer of the proxy's own, what it decided.
const DECISION_HEADER: &str = "x-deckhand-egress";

/// What an agent can do about a refusal that people are told of.
const TOLD: &str = "A person was told and may allow it; go another way meanwhile, or call the tool `network_access` of \
                    the MCP server `deckhand` to see what was decided.";
/// What it can do about any other.
const FINAL: &str = "This is a rule and no fault: trying again does not help; go another way.";

/// Why the rest of a body did not come.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer, the proxy's own or another's.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a request is not answered by whom it asked.
#[derive(Debug)]
pub enum Refusal {
    /// A rule forbids it.
    Denied(Rule, String),
    /// It failed after a rule allowed it.
    Failed(String),
}

impl Refusal {
    /// What the policy does not allow.
    pub fn denial(denial: Denial, phase: Phase, host: &str) -> Self {
        let (rule, sentence) = match denial {
            Denial::NotListed => (
                Rule::NotListed,
                format!("{host} is not on the list of hosts for the {phase} phase."),
            ),
            Denial::AddressLiteral => (
                Rule::AddressLiteral,
                format!("{host} is an address in figures; only names on the list can be reached."),
            ),
            Denial::NoName => (
                Rule::Malformed,
                "What is asked for is no name of a host.".to_owned(),
            ),
            Denial::Port => (
                Rule::Port,
                format!("{host} is listed, and not with this port."),
            ),
            Denial::Form => (
                Rule::Scheme,
                format!(
                    "This port of {host} is not spoken to in this way: 443 is for TLS, 80 for plain HTTP."
                ),
            ),
            Denial::Phase => (
                Rule::Phase,
                format!("{host} is listed, and not for the {phase} phase."),
            ),
            Denial::Method => (
                Rule::Method,
                format!("{host} is listed, and not with this method."),
            ),
            Denial::ReadOnly => (
                Rule::ReadOnly,
                format!("{host} is only read here, with GET and HEAD."),
            ),
            Denial::Path => (
                Rule::Path,
                format!("{host} is listed, and not with this path."),
            ),
            Denial::GitReadOnly => (
                Rule::GitReadOnly,
                format!("From {host} git may clone and fetch, and nothing else."),
            ),
            Denial::Forbidden(entry) => (
                Rule::Forbidden(entry),
                format!("The administrator's rules forbid this at {host}."),
            ),
            Denial::Never(name) => (
                Rule::Never(name),
                format!("A person decided that {host} is never reached from here."),
            ),
        };
        Self::Denied(rule, sentence)
    }

    /// So much left by one rule that no more may.
    pub fn spent(host: &str) -> Self {
        let sentence = format!(
            "As much as may leave in one run has been sent to {host} and what shares its rule."
        );
        Self::Denied(Rule::UpLimit, sentence)
    }

    /// The answer to the sandbox, noted in the record.
    pub fn answer(self, entry: &mut Entry) -> Response<Body> {
        let (status, decision, text) = match self {
            Self::Denied(rule, sentence) => {
                let status = match rule {
                    Rule::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    Rule::Malformed => StatusCode::BAD_REQUEST,
                    Rule::Ceiling => StatusCode::PAYMENT_REQUIRED,
                    // Clients try again after a while.
                    Rule::CeilingNear => StatusCode::TOO_MANY_REQUESTS,
                    _ => StatusCode::FORBIDDEN,
                };
                let advice = if entry.for_people(&rule).is_some() {
                    TOLD
                } else if matches!(rule, Rule::CeilingNear | Rule::Ceiling) {
                    // These may pass, and their sentences say how.
                    ""
                } else {
                    FINAL
                };
                let decision = format!("denied; rule={rule}");
                let text = format!("{sentence} The rule that refused it is `{rule}`. {advice}");
                let text = text.trim_end().to_owned();
                entry.decide(Verdict::Denied, rule);
                (status, decision, text)
            }
            Self::Failed(sentence) => {
                entry.fail();
                (StatusCode::BAD_GATEWAY, "failed".to_owned(), sentence)
            }
        };
        entry.status(status.as_u16());
        let mut response = Response::new(whole(format!("Deckhand's egress proxy: {text}\n")));
        *response.status_mut() = status;
        // Of an answer to CONNECT most clients show this and nothing else.
        if let Ok(reason) = ReasonPhrase::try_from(format!("Deckhand {decision}").into_bytes()) {
            response.extensions_mut().insert(reason);
        }
        let headers = response.headers_mut();
        headers.insert(
            "content-type",
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if let Ok(decision) = HeaderValue::try_from(decision) {
            headers.insert(DECISION_HEADER, decision);
        }
        response
    }
}

/// A body of the proxy's own.
pub fn whole(text: String) -> Body {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync()
}
