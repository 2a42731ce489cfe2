//! What forwarding one HTTP request takes, whoever it goes to: headers that must not pass, bodies counted and bounded,
//! answers streamed as they come.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body as _, Frame, Incoming},
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName,
        PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, proxy::Tunnel},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;

use super::{
    EgressError,
    dial::{CONNECT_TIME, Way},
    journal::{Entry, Traffic},
    meter::Call,
    record::Rule,
    refusal::{Body, BodyError, Refusal},
};

/// The largest body of a request, in bytes.
pub const MAX_REQUEST_BYTES: u64 = 64 * 1024 * 1024;
/// The largest body of an answer, in bytes.
pub const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// How long an upstream may be silent, before its answer and in the middle of it. Models may think for minutes.
pub const IDLE_TIME: Duration = Duration::from_mins(10);
/// How long an unused connection to a provider is kept.
const KEEP_TIME: Duration = Duration::from_mins(1);

/// Headers that belong to one connection. Source: RFC 9110, 7.6.1.
const HOP_HEADERS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    // Answered here already.
    EXPECT,
];
/// Headers in which a key of the sandbox's own could leave, to another's account.
pub const CREDENTIAL_HEADERS: [HeaderName; 11] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("private-token"),
    HeaderName::from_static("job-token"),
    HeaderName::from_static("x-auth-token"),
    HeaderName::from_static("x-access-token"),
    HeaderName::from_static("x-amz-security-token"),
];

/// Headers by which some servers take a request for another one: another method, path or host than was decided.
const OVERRIDE_HEADERS: [HeaderName; 13] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("forwarded"),
];

/// Connections to model providers, shared by all runs; a key travels with its request and not with a connection.
#[derive(Debug, Clone)]
pub enum ModelClient {
    /// By the host's own way.
    Direct(Client<HttpsConnector<HttpConnector>, Body>),
    /// Through the house's proxy.
    Proxied(Client<HttpsConnector<Tunnel<HttpConnector>>, Body>),
}

impl ModelClient {
    /// A client that trusts what the host trusts.
    pub fn new(way: &Way) -> Result<Self, EgressError> {
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(EgressError::Certificates)?
            .https_or_http()
            .enable_http1();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME));
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_TIME);
        Ok(match way.tunnel(connector.clone()) {
            None => Self::Direct(builder.build(tls.wrap_connector(connector))),
            Some(tunnel) => Self::Proxied(builder.build(tls.wrap_connector(tunnel))),
        })
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        let answer = async {
            match self {
                Self::Direct(client) => client.request(request).await,
                Self::Proxied(client) => client.request(request).await,
            }
        };
        match timeout(IDLE_TIME, answer).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => Err(SendError::Unreachable),
            Ok(Err(_)) => Err(SendError::Broken),
            Err(_) => Err(SendError::Silent),
        }
    }
}

/// Why a model provider did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// It has not seen the request.
    Unreachable,
    /// It may have.
    Broken,
    /// It has, and said nothing for the idle time.
    Silent,
}

impl SendError {
    /// What the sandbox is told.
    pub fn refusal(self) -> Refusal {
        Refusal::Failed(match self {
            Self::Unreachable => {
                "The model provider cannot be reached. Try again later.".to_owned()
            }
            Self::Broken => "The model provider broke the connection off. Try again.".to_owned(),
            Self::Silent => format!(
                "The model provider was silent for {} s.",
                IDLE_TIME.as_secs()
            ),
        })
    }
}

/// Takes away what must not pass: the connection's own headers, and every credential of the sandbox's own,
/// and what would make another request of it.
pub fn clean_request(headers: &mut HeaderMap) {
    remove_hop_headers(headers);
    for name in CREDENTIAL_HEADERS.into_iter().chain(OVERRIDE_HEADERS) {
        headers.remove(name);
    }
    // The client writes the one of the address that is asked.
    headers.remove(HOST);
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(HOP_HEADERS) {
        // A length that disappeared would turn the body into another one.
        if name != CONTENT_LENGTH {
            headers.remove(name);
        }
    }
}

/// The body of a request, counted, and broken off at the limit. One that says beforehand that it is larger is refused.
pub fn request_body(body: Incoming, traffic: Arc<Traffic>) -> Result<Body, Refusal> {
    let too_large = || {
        format!(
            "The request's body is over {} MiB.",
            MAX_REQUEST_BYTES / (1024 * 1024)
        )
    };
    if body.size_hint().lower() > MAX_REQUEST_BYTES {
        return Err(Refusal::Denied(Rule::TooLarge, too_large()));
    }
    let frames = stream::unfold(Some(body), move |body| {
        let traffic = Arc::clone(&traffic);
        async move {
            let mut body = body?;
            let frame: Result<Frame<Bytes>, BodyError> = match body.frame().await? {
                Ok(frame) => {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    if traffic.add_up(length) > MAX_REQUEST_BYTES || traffic.is_spent() {
                        Err(too_large().into())
                    } else {
                        Ok(frame)
                    }
                }
                Err(error) => Err(error.into()),
            };
            let rest = frame.is_ok().then_some(body);
            Some((frame, rest))
        }
    });
    Ok(StreamBody::new(frames).boxed_unsync())
}

/// The body of an upstream's answer.
pub trait Passable:
    hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static
{
}

impl<B> Passable for B where
    B: hyper::body::Body<Data = Bytes, Error = hyper::Error> + Send + Unpin + 'static
{
}

/// The answer for the sandbox: the upstream's, its body passed on piece by piece. The record is written when the body
/// ends, however it ends.
pub fn pass_on(response: Response<impl Passable>, entry: Entry) -> Response<Body> {
    pass(response, entry, None)
}

/// The same for a call of a model: what the provider reports of its usage is in these pieces.
pub fn pass_on_counted(response: Response<Incoming>, entry: Entry, call: Call) -> Response<Body> {
    pass(response, entry, Some(call))
}

/// An answer under way. What it holds is settled when it is dropped, at its end or where it is cut.
struct Passing<B> {
    body: B,
    entry: Entry,
    call: Option<Call>,
}

impl<B: Passable> Passing<B> {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        let frame = match timeout(IDLE_TIME, self.body.frame()).await {
            Ok(None) => {
                self.complete();
                return None;
            }
            Ok(Some(Ok(frame))) => {
                self.passed(frame.data_ref().map_or(&[], |data| data));
                if self.entry.traffic().down() > MAX_ANSWER_BYTES {
                    Err(io::Error::from(io::ErrorKind::FileTooLarge).into())
                } else {
                    Ok(frame)
                }
            }
            Ok(Some(Err(error))) => Err(BodyError::from(error)),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        };
        if frame.is_err() {
            self.entry.fail();
        }
        Some(frame)
    }

    fn passed(&mut self, data: &[u8]) {
        self.entry.traffic().add_down(data.len());
        if let Some(call) = &mut self.call {
            call.read(data);
        }
        // Nobody asks for more than the length that an answer said beforehand.
        if self.body.is_end_stream() {
            self.complete();
        }
    }

    fn complete(&mut self) {
        if let Some(call) = &mut self.call {
            call.complete();
        }
    }
}

fn pass(response: Response<impl Passable>, mut entry: Entry, call: Option<Call>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    remove_hop_headers(&mut head.headers);
    head.headers.remove(SET_COOKIE);
    entry.status(head.status.as_u16());
    let passing = Passing { body, entry, call };
    let frames = stream::unfold(Some(passing), |passing| async move {
        let mut passing = passing?;
        let frame = passing.next().await?;
        let rest = frame.is_ok().then_some(passing);
        Some((frame, rest))
    });
    Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
}
