//! Requests below a base address: to the provider that it stands for, with its key in place of the sandbox's own.
//!
//! Calls of models are read before they leave and counted as their answers pass ([`super::meter`]).

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body as _, Incoming},
    header::{
        ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    },
    http::request::Parts,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    base_address::{self, BaseAddress},
    forward::{ModelClient, SendError, clean_request, pass_on, pass_on_counted, request_body},
    issued::OfRun,
    journal::{Entry, Traffic},
    meter::{
        Call, Meter, Overspent, Success,
        answer::Wire,
        asked::{self, Asked, Unfit},
        endpoint::{Endpoint, Provider, endpoint},
    },
    policy::Phase,
    record::{Rule, Verdict},
    refusal::{Body, Refusal},
};

/// The largest request to a model, in bytes: as much as the providers take.
const MAX_CALL_BYTES: usize = 32 * 1024 * 1024;
/// How long such a request may take to come out of the sandbox, and to wait until there is room for it.
const CALL_TIME: Duration = Duration::from_mins(5);
/// Room for the requests of one run that are held at a time, in KiB: three of the largest.
const ROOM_KIB: u32 = 96 * 1024;
/// A request of this size is not read beside other work, in bytes.
const LARGE_BYTES: usize = 256 * 1024;

/// The model providers of one run, and what it spends on them.
#[derive(Debug)]
pub struct Models {
    client: ModelClient,
    bases: Vec<BaseAddress>,
    meter: Arc<Meter>,
    room: Arc<Semaphore>,
    issued: OfRun,
}

impl Models {
    /// The providers behind these base addresses.
    pub fn new(
        client: ModelClient,
        bases: Vec<BaseAddress>,
        meter: Arc<Meter>,
        issued: OfRun,
    ) -> Self {
        let room = usize::try_from(ROOM_KIB).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            client,
            bases,
            meter,
            room: Arc::new(Semaphore::new(room)),
            issued,
        }
    }

    /// The host that a path leads to; empty where it is below no base address.
    pub fn host(&self, path: &str) -> String {
        let base = base_address::find(&self.bases, path);
        base.map_or_else(String::new, |(base, _)| base.host().to_owned())
    }

    /// Sends a request on and passes its answer back.
    pub async fn relay(
        &self,
        phase: Phase,
        request: Request<Incoming>,
        mut entry: Entry,
    ) -> Response<Body> {
        match self.forward(phase, request, &mut entry).await {
            Ok((response, Some(call))) => pass_on_counted(response, entry, call),
            Ok((response, None)) => pass_on(response, entry),
            Err(refusal) => refusal.answer(&mut entry),
        }
    }

    async fn forward(
        &self,
        phase: Phase,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<(Response<Incoming>, Option<Call>), Refusal> {
        let (mut head, body) = request.into_parts();
        let (base, rest) = self.find(phase, &head)?;
        let asked_for = match base.provider() {
            Some(provider) => Some((provider, allowed(provider, &head.method, rest)?)),
            None => None,
        };
        self.issued.refuse_anothers(&head.headers, &head.uri)?;
        let Some(upstream) = base.upstream(rest, head.uri.query()) else {
            return Err(denied(Rule::Malformed, "The path makes no address."));
        };
        entry.decide(
            Verdict::Allowed,
            Rule::BaseAddress(base.prefix().to_owned()),
        );
        head.uri = upstream;
        clean_request(&mut head.headers);
        self.issued.take_off(&mut head.headers);
        base.add_key(&mut head.headers);
        match asked_for {
            Some((provider, Endpoint::Inference(wire, named))) => {
                self.call(provider, wire, named.as_deref(), head, body, entry)
                    .await
            }
            Some((_, Endpoint::Free)) | None => {
                let body = request_body(body, entry.traffic())?;
                let answer = self.client.send(Request::from_parts(head, body)).await;
                Ok((answer.map_err(SendError::refusal)?, None))
            }
        }
    }

    fn find<'a>(&self, phase: Phase, head: &'a Parts) -> Result<(&BaseAddress, &'a str), Refusal> {
        let path = head.uri.path();
        let Some((base, rest)) = base_address::find(&self.bases, path) else {
            let known: Vec<String> = self
                .bases
                .iter()
                .map(|base| format!("/{}/", base.prefix()))
                .collect();
            let sentence = format!(
                "{path} is below no base address. There are: {}",
                known.join(" ")
            );
            return Err(Refusal::Denied(Rule::Path, sentence));
        };
        if phase != Phase::Work {
            let sentence = format!("Models cannot be reached in the {phase} phase.");
            return Err(Refusal::Denied(Rule::Phase, sentence));
        }
        // The key must not reach what lies beside the base address, nor a method that echoes it.
        if climbs(rest) {
            return Err(denied(Rule::Path, "The path leaves its base address."));
        }
        if !matches!(head.method, Method::GET | Method::HEAD | Method::POST) {
            let sentence = format!(
                "{} is not allowed here; GET, HEAD and POST are.",
                head.method
            );
            return Err(Refusal::Denied(Rule::Method, sentence));
        }
        Ok((base, rest))
    }

    /// Makes a call of a model, if what is left allows it.
    async fn call(
        &self,
        provider: Provider,
        wire: Wire,
        named: Option<&str>,
        mut head: Parts,
        body: Incoming,
        entry: &mut Entry,
    ) -> Result<(Response<Incoming>, Option<Call>), Refusal> {
        let _room = self.room_for(&body).await?;
        if head.headers.contains_key(CONTENT_ENCODING) {
            let sentence =
                "A compressed request cannot be looked at; send it without Content-Encoding.";
            return Err(denied(Rule::Malformed, sentence));
        }
        let bytes = timeout(CALL_TIME, collect(body, &entry.traffic()))
            .await
            .map_err(|_| denied(Rule::Malformed, "The request did not come in time."))??;
        let (bytes, asked) = read(wire, named.map(str::to_owned), bytes).await?;
        let bytes = with_addition(bytes, asked.addition);
        ask_plainly(&mut head.headers, bytes.len());
        let mut call = self
            .meter
            .admit(provider, wire, asked)
            .await
            .map_err(overspent)?;
        let body = Full::new(bytes).map_err(|never| match never {});
        call.send();
        let request = Request::from_parts(head, body.boxed_unsync());
        match self.client.send(request).await {
            Ok(response) => {
                let success = if response.status().is_success() {
                    Success::Yes
                } else {
                    Success::No
                };
                let text = |name: HeaderName| {
                    let value = response.headers().get(name);
                    value
                        .and_then(|value| value.to_str().ok())
                        .unwrap_or_default()
                };
                call.answered(success, text(CONTENT_TYPE), text(CONTENT_ENCODING));
                Ok((response, Some(call)))
            }
            Err(error) => {
                if matches!(error, SendError::Unreachable) {
                    call.unsent();
                }
                Err(error.refusal())
            }
        }
    }

    /// Waits for room in memory. One that does not say how long it is may be of any length.
    async fn room_for(&self, body: &Incoming) -> Result<OwnedSemaphorePermit, Refusal> {
        let most = MAX_CALL_BYTES as u64;
        let length = body.size_hint().upper().unwrap_or(most);
        if length > most {
            return Err(too_large());
        }
        let kib = u32::try_from(length / 1024 + 1).unwrap_or(ROOM_KIB);
        let room = Arc::clone(&self.room).acquire_many_owned(kib);
        match timeout(CALL_TIME, room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Refusal::Failed(
                "Too many large requests are under way. Try again.".to_owned(),
            )),
        }
    }
}

/// What an address of a provider is for, if it may be asked.
fn allowed(provider: Provider, method: &Method, rest: &str) -> Result<Endpoint, Refusal> {
    endpoint(provider, method, rest).ok_or_else(|| {
        let rest: String = rest.chars().take(100).collect();
        Refusal::Denied(
            Rule::Path,
            format!(
                "{method} {rest} is not allowed: of a model's provider a sandbox asks for answers, counts of tokens and \
                 lists of models, and for nothing else."
            ),
        )
    })
}

/// Reads the whole of a request, within its limit.
async fn collect(mut body: Incoming, traffic: &Traffic) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| denied(Rule::Malformed, "The request broke off."))?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        traffic.add_up(piece.len());
        if bytes.len() + piece.len() > MAX_CALL_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(piece);
    }
    Ok(bytes.freeze())
}

async fn read(wire: Wire, named: Option<String>, bytes: Bytes) -> Result<(Bytes, Asked), Refusal> {
    let is_large = bytes.len() > LARGE_BYTES;
    let look = move || {
        let asked = asked::read(wire, named.as_deref(), &bytes);
        (bytes, asked)
    };
    let (bytes, asked) = if is_large {
        let look = spawn_blocking(look).await;
        look.map_err(|_| Refusal::Failed("The request could not be read.".to_owned()))?
    } else {
        look()
    };
    let asked = asked.map_err(|unfit| match unfit {
        Unfit::Unreadable(sentence) => Refusal::Denied(Rule::Malformed, sentence),
        Unfit::Reaches(sentence) => Refusal::Denied(Rule::ServerTool, sentence),
    })?;
    Ok((bytes, asked))
}

/// Puts members behind the opening brace; what was written stays as it was written.
fn with_addition(bytes: Bytes, addition: &str) -> Bytes {
    let brace = bytes.iter().position(|byte| *byte == b'{');
    let Some(begin) = brace.filter(|_| !addition.is_empty()) else {
        return bytes;
    };
    let (begin, rest) = bytes.split_at(begin + 1);
    [begin, addition.as_bytes(), rest].concat().into()
}

/// A compressed answer could not be read as it passes.
fn ask_plainly(headers: &mut HeaderMap, length: usize) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

fn overspent(why: Overspent) -> Refusal {
    match why {
        Overspent::Reached(ceiling) => Refusal::Denied(
            Rule::Ceiling,
            format!(
                "This task has spent what it may ({ceiling} were left when this run began), so no model is asked any \
                 more. A person is asked whether to go on. Stop here; trying again does not help."
            ),
        ),
        Overspent::SetAside => Refusal::Denied(
            Rule::CeilingNear,
            "What this task may still spend is set aside for calls that are under way. Try again when they have ended."
                .to_owned(),
        ),
    }
}

fn too_large() -> Refusal {
    Refusal::Denied(
        Rule::TooLarge,
        format!(
            "The request's body is over {} MiB.",
            MAX_CALL_BYTES / (1024 * 1024)
        ),
    )
}

fn denied(rule: Rule, sentence: &str) -> Refusal {
    Refusal::Denied(rule, sentence.to_owned())
}

/// Whether a path has a segment that some server would take for "one up", written plainly or escaped.
fn climbs(path: &str) -> bool {
    let path = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    path.split('/')
        .any(|segment| segment == ".." || segment.starts_with("..;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_climbs_is_seen_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/%2e%2E/x",
            "/.%2e/x",
            "/a%2f..%2fb",
            "/..%5cx",
            "/..;a/x",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in [
            "",
            "/v1/messages",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "/a..b/...",
            "/./x",
        ] {
            assert!(!climbs(path), "{path}");
        }
    }

    #[test]
    fn an_addition_stands_behind_the_brace_and_changes_nothing_else() {
        let body = Bytes::from_static(b" \n{ \"stream\":true}");
        let with = with_addition(body.clone(), "\"a\":{},");
        assert_eq!(with, &b" \n{\"a\":{}, \"stream\":true}"[..]);
        assert_eq!(with_addition(body.clone(), ""), body);
    }
}
