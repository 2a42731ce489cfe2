//! Refusals and failures in the words that an agent, or the person behind it, can do something with.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{Response, StatusCode, header::HeaderValue};

use super::{
    policy::{HostRefusal, Phase},
    record::{Entry, Rule, Verdict},
};

/// The header that says, on each answer of the proxy's own, what it decided.
const DECISION_HEADER: &str = "x-deckhand-egress";

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
    /// A host that the policy does not allow.
    pub fn host(refusal: HostRefusal, phase: Phase, host: &str) -> Self {
        match refusal {
            HostRefusal::NotListed => Self::Denied(
                Rule::NotListed,
                format!(
                    "{host} is not on the list of hosts for the {phase} phase. This is a rule and no fault: trying \
                         again does not help. Go on without it, or ask the person to allow it."
                ),
            ),
            HostRefusal::AddressLiteral => Self::Denied(
                Rule::AddressLiteral,
                format!("{host} is an address in figures; only names on the list can be reached."),
            ),
            HostRefusal::Port => Self::Denied(
                Rule::Port,
                format!("{host} is listed, and not with this port."),
            ),
        }
    }

    /// The answer to the sandbox, noted in the record.
    pub fn answer(self, entry: &mut Entry) -> Response<Body> {
        let (status, decision, sentence) = match self {
            Self::Denied(rule, sentence) => {
                let status = match rule {
                    Rule::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    Rule::Malformed => StatusCode::BAD_REQUEST,
                    _ => StatusCode::FORBIDDEN,
                };
                let decision = format!("denied; rule={rule}");
                entry.decide(Verdict::Denied, rule);
                (status, decision, sentence)
            }
            Self::Failed(sentence) => {
                entry.fail();
                (StatusCode::BAD_GATEWAY, "failed".to_owned(), sentence)
            }
        };
        entry.status(status.as_u16());
        let mut response = Response::new(whole(format!("Deckhand's egress proxy: {sentence}\n")));
        *response.status_mut() = status;
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
