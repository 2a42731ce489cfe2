//! The server of the proxy's measurement: small and large answers, plain and by TLS, and a model that writes a lot.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Collected, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, lookup_host};
use tokio_rustls::TlsAcceptor;

/// The name under which it is asked.
pub const HOST: &str = "localhost";
/// Bytes of the large body.
pub const LARGE_BYTES: u64 = 100_000_000;
/// Bytes of a small one.
const SMALL_BYTES: usize = 1_024;
/// Bytes that are given out at once.
const PIECE_BYTES: usize = 64 << 10;
/// The model's address below a provider's.
pub const MODEL_PATH: &str = "/v1/messages";
/// Names of models by what they answer.
pub const SMALL_MODEL: &str = "claude-haiku-4-5";
pub const LARGE_MODEL: &str = "claude-sonnet-5-5";

/// What a stream of a model's answer begins with, what it repeats, and how it ends. A piece holds some words, as they do.
const BEGIN: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],"usage":{"input_tokens":25,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

"#;
const DELTA: &str = r#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" is ignored when the limit is over 100"}}

"#;
const END: &str = r#"event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":900}}

event: message_stop
data: {"type":"message_stop"}

"#;
/// A small answer of a model.
const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{"type":"text","text":"Done."}],"stop_reason":"end_turn","usage":{"input_tokens":25,"output_tokens":5}}"#;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Where it listens.
pub struct Server {
    /// For plain HTTP.
    pub plain: SocketAddr,
    /// For TLS.
    pub tls: SocketAddr,
    /// Who vouches for it.
    pub authority: CertificateDer<'static>,
    /// The same as a text.
    pub authority_pem: String,
}

impl Server {
    /// Starts it; it lives as long as the program. `beside` is one more address of this machine on which the same ports
    /// answer.
    pub async fn start(beside: Option<IpAddr>) -> anyhow::Result<Self> {
        let (plain, tls) = (listener().await?, listener().await?);
        let (authority, authority_pem, config) = certificates()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = Self {
            plain: plain.local_addr()?,
            tls: tls.local_addr()?,
            authority,
            authority_pem,
        };
        if let Some(beside) = beside {
            let [plain, tls] = [server.plain, server.tls].map(|known| (beside, known.port()));
            tokio::spawn(serve_all(TcpListener::bind(plain).await?, None));
            tokio::spawn(serve_all(
                TcpListener::bind(tls).await?,
                Some(acceptor.clone()),
            ));
        }
        tokio::spawn(serve_all(plain, None));
        tokio::spawn(serve_all(tls, Some(acceptor)));
        Ok(server)
    }
}

/// Serves whoever comes, by TLS where there is an acceptor.
async fn serve_all(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match acceptor {
                None => serve(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream).await;
                    }
                }
            }
        });
    }
}

/// Bytes of the large answer of the model.
pub fn large_answer_bytes() -> u64 {
    (BEGIN.len() + END.len()) as u64 + deltas() * DELTA.len() as u64
}

/// Bytes of a small answer: a page, or a model's.
pub fn small_bytes(is_model: bool) -> u64 {
    (if is_model { ANSWER.len() } else { SMALL_BYTES }) as u64
}

fn deltas() -> u64 {
    LARGE_BYTES / DELTA.len() as u64
}

/// On the address to which the name leads first, so that nobody tries another one before.
async fn listener() -> anyhow::Result<TcpListener> {
    let mut found = lookup_host((HOST, 0)).await?;
    let address = found.next().context("localhost leads nowhere")?;
    Ok(TcpListener::bind(address).await?)
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    // A client that goes is no error.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    match (&head.method, path) {
        (&Method::GET, "/small") => whole(Bytes::from_static(&[b'x'; SMALL_BYTES]), "text/plain"),
        (&Method::GET, "/large") => {
            let mut response = pieces(vec![b'x'; PIECE_BYTES].into(), LARGE_BYTES);
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, LARGE_BYTES.into());
            response
        }
        (&Method::POST, MODEL_PATH) => {
            let body = body.collect().await.map(Collected::to_bytes);
            let text = String::from_utf8(body.unwrap_or_default().into()).unwrap_or_default();
            if text.contains(LARGE_MODEL) {
                model_stream()
            } else {
                whole(Bytes::from_static(ANSWER.as_bytes()), "application/json")
            }
        }
        _ => {
            let mut response = whole(Bytes::new(), "text/plain");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn whole(bytes: Bytes, kind: &'static str) -> Response<Body> {
    typed(Full::new(bytes).boxed_unsync(), kind)
}

fn typed(body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A body of so many bytes, piece by piece.
fn pieces(piece: Bytes, length: u64) -> Response<Body> {
    let frames = stream::unfold(length, move |left| {
        let piece = piece.clone();
        async move {
            let next = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let data = piece.slice(..next);
            (next > 0).then(|| (Ok(Frame::data(data)), left - next as u64))
        }
    });
    typed(
        StreamBody::new(frames).boxed_unsync(),
        "application/octet-stream",
    )
}

fn model_stream() -> Response<Body> {
    let many = PIECE_BYTES / DELTA.len();
    let (piece, rounds) = (Bytes::from(DELTA.repeat(many)), deltas() / many as u64);
    let rest = Bytes::from(DELTA.repeat(usize::try_from(deltas() % many as u64).unwrap_or(0)));
    let middle = (0..rounds).map(move |_| piece.clone());
    let all = [Bytes::from_static(BEGIN.as_bytes())]
        .into_iter()
        .chain(middle)
        .chain([rest, Bytes::from_static(END.as_bytes())]);
    let frames = stream::iter(all.map(|piece| Ok(Frame::data(piece))));
    typed(StreamBody::new(frames).boxed_unsync(), "text/event-stream")
}

fn certificates() -> anyhow::Result<(CertificateDer<'static>, String, rustls::ServerConfig)> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let authority = parameters.self_signed(&key)?;
    let der = authority.der().clone();
    let pem = pem(&der);
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate()?;
    let own = CertificateParams::new([HOST.to_owned()])?.signed_by(&key, &issuer)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((der, pem, config))
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sandbox::client::{Form, Options, ask};

    #[tokio::test]
    async fn every_answer_has_the_length_that_is_counted_on() {
        let server = Server::start(None).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let trust = folder.path().join("authority.pem");
        std::fs::write(&trust, &server.authority_pem).unwrap();
        let asked = async |address: String, to: SocketAddr, model: Option<&str>, count| {
            let options = Options {
                address: address.parse().unwrap(),
                to,
                form: Form::Server,
                trust: Some(trust.clone()),
                post: model.map(|model| format!(r#"{{"model":"{model}"}}"#)),
                count,
                at_once: 2,
            };
            ask(&options).await.unwrap().bytes
        };
        let (plain, tls) = (server.plain, server.tls);
        let at = |scheme: &str, port: u16, path: &str| format!("{scheme}://{HOST}:{port}{path}");
        let small = asked(at("http", plain.port(), "/small"), plain, None, 3).await;
        assert_eq!(small, 3 * small_bytes(false));
        let large = asked(at("https", tls.port(), "/large"), tls, None, 1).await;
        assert_eq!(large, LARGE_BYTES);
        let model = at("http", plain.port(), MODEL_PATH);
        let small = asked(model.clone(), plain, Some(SMALL_MODEL), 3).await;
        assert_eq!(small, 3 * small_bytes(true));
        let large = asked(model, plain, Some(LARGE_MODEL), 1).await;
        assert_eq!(large, large_answer_bytes());
    }
}
