//! What the tests of the way out share: a run with its records and notices, and servers to be asked.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and not every file uses everything"
)]

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use deckhand_executors::egress::{
    ApiKey, BaseAddress, EgressHandle, EgressPolicy, EgressProxy, EgressRecord, Opening, Phase,
    PolicyDocument, Refused, Way,
};
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
    sync::mpsc,
    time::timeout,
};

pub const PATIENCE: Duration = Duration::from_secs(10);

/// A run's way out, with the records that it wrote.
pub struct Run {
    pub folder: TempDir,
    pub handle: EgressHandle,
    pub records: mpsc::Receiver<EgressRecord>,
    pub refused: mpsc::Receiver<Refused>,
}

impl Run {
    pub fn open(policy: EgressPolicy, bases: Vec<BaseAddress>, phase: Phase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, records) = mpsc::channel(16);
        let proxy = EgressProxy::new(Way::Direct).unwrap();
        let (sender, refused) = mpsc::channel(16);
        let opening = Opening {
            policy,
            bases,
            refused: sender,
            ..Opening::new(phase, log)
        };
        let handle = proxy.open(&folder.path().join("run"), opening).unwrap();
        Self {
            folder,
            handle,
            records,
            refused,
        }
    }

    /// A way out to one model provider.
    pub fn to_model(upstream: SocketAddr) -> Self {
        let base = BaseAddress::new(
            "anthropic",
            &format!("http://{upstream}/base"),
            &ApiKey::anthropic("real-key".into()),
        );
        Self::open(EgressPolicy::default(), vec![base.unwrap()], Phase::Work)
    }

    /// A way out that lists a host, tunnelled, on one port, in the setup phase.
    pub fn listing(host: &str, port: u16, addresses: &str) -> Self {
        let rule = json!({"hosts": [host], "ports": [port, 80], "tls": "tunnel", "addresses": addresses, "phases": ["setup"]});
        Self::open(policy(&rule), Vec::new(), Phase::Setup)
    }

    pub async fn connect(&self) -> UnixStream {
        connect(self.folder.path()).await
    }

    /// Sends a whole request and reads until the proxy closes.
    pub async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    /// A way out in the work phase with these rules.
    pub fn by(rules: &Value) -> Self {
        Self::open(by_rules(rules), Vec::new(), Phase::Work)
    }

    pub async fn record(&mut self) -> EgressRecord {
        timeout(PATIENCE, self.records.recv())
            .await
            .expect("a record")
            .unwrap()
    }
}

/// A policy with one rule.
pub fn policy(rule: &Value) -> EgressPolicy {
    by_rules(&json!([rule]))
}

/// A policy with these rules.
pub fn by_rules(rules: &Value) -> EgressPolicy {
    let text = json!({"version": 1, "default": {"rules": rules}}).to_string();
    PolicyDocument::read(&text)
        .unwrap()
        .for_repository("acme/web", &[])
}

pub async fn connect(folder: &Path) -> UnixStream {
    UnixStream::connect(folder.join("run/egress.sock"))
        .await
        .unwrap()
}

pub async fn read_all(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the end of the answer")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

pub async fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(end) {
            assert_ne!(
                stream.read_buf(&mut answer).await.unwrap(),
                0,
                "the answer ended before {end:?}"
            );
        }
    };
    timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| panic!("no {end:?} came"));
    String::from_utf8(answer).unwrap()
}

pub type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A server that answers each request with `answer`.
pub async fn upstream<F, R>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Answer> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A server that answers with the request as it saw it.
pub async fn echo() -> SocketAddr {
    upstream(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_or_else(
            |error| error.to_string().into(),
            http_body_util::Collected::to_bytes,
        );
        let mut seen = format!("{} {}\n", head.method, head.uri);
        for (name, value) in &head.headers {
            seen.push_str(&[name.as_str(), ": ", value.to_str().unwrap(), "\n"].concat());
        }
        seen.push_str(&["body: ", &String::from_utf8_lossy(&body), "\n"].concat());
        Response::new(http_body_util::Full::from(seen).boxed())
    })
    .await
}

/// The first message of a TLS client for this host.
pub fn client_hello(host: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client =
        rustls::ClientConnection::new(Arc::new(config), host.to_owned().try_into().unwrap())
            .unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
