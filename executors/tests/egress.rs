//! The egress proxy over real sockets: what passes, what is refused and why, and that no key of either side crosses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{convert::Infallible, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use deckhand_executors::egress::{
    ApiKey, BaseAddress, EgressHandle, EgressPolicy, EgressProxy, EgressRecord, Opening, Phase,
    PolicyDocument, Rule, Verdict, Way,
};
use futures::{channel::mpsc as frames, stream};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response, body::Frame, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::mpsc,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A run's way out, with the records that it wrote.
struct Run {
    folder: TempDir,
    handle: EgressHandle,
    records: mpsc::Receiver<EgressRecord>,
}

impl Run {
    fn open(policy: EgressPolicy, bases: Vec<BaseAddress>, phase: Phase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, records) = mpsc::channel(16);
        let proxy = EgressProxy::new(Way::Direct).unwrap();
        let opening = Opening {
            policy,
            bases,
            ..Opening::new(phase, log)
        };
        let handle = proxy.open(folder.path(), opening).unwrap();
        Self {
            folder,
            handle,
            records,
        }
    }

    /// A way out to one model provider.
    fn to_model(upstream: SocketAddr) -> Self {
        let base = BaseAddress::new(
            "anthropic",
            &format!("http://{upstream}/base"),
            &ApiKey::anthropic("real-key".into()),
        );
        Self::open(EgressPolicy::default(), vec![base.unwrap()], Phase::Work)
    }

    /// A way out that lists a host, tunnelled, on one port, in the setup phase.
    fn listing(host: &str, port: u16, addresses: &str) -> Self {
        let rule = json!({"hosts": [host], "ports": [port, 80], "tls": "tunnel", "addresses": addresses, "phases": ["setup"]});
        Self::open(policy(&rule), Vec::new(), Phase::Setup)
    }

    async fn connect(&self) -> UnixStream {
        connect(self.folder.path()).await
    }

    /// Sends a whole request and reads until the proxy closes.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    async fn record(&mut self) -> EgressRecord {
        timeout(PATIENCE, self.records.recv())
            .await
            .expect("a record")
            .unwrap()
    }
}

/// A policy with one rule.
fn policy(rule: &Value) -> EgressPolicy {
    let text = json!({"version": 1, "default": {"rules": [rule]}}).to_string();
    PolicyDocument::read(&text)
        .unwrap()
        .for_repository("acme/web", &[])
}

async fn connect(folder: &Path) -> UnixStream {
    UnixStream::connect(folder.join("egress.sock"))
        .await
        .unwrap()
}

async fn read_all(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the end of the answer")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

async fn read_until(stream: &mut UnixStream, end: &str) -> String {
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

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A server that answers each request with `answer`.
async fn upstream<F, R>(answer: F) -> SocketAddr
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
async fn echo() -> SocketAddr {
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

#[tokio::test]
async fn the_key_of_the_sandbox_is_replaced_by_the_real_one() {
    let mut run = Run::to_model(echo().await);
    let answer = run
        .ask(
            "POST /anthropic/v1/messages?beta=true&key=mine HTTP/1.1\r\nhost: 127.0.0.1:3128\r\nx-api-key: mine\r\n\
             authorization: Bearer mine\r\ncookie: mine\r\nx-goog-api-key: mine\r\nproxy-authorization: Basic mine\r\n\
             connection: close, x-hop\r\nx-hop: mine\r\nanthropic-version: 2023-06-01\r\ncontent-length: 5\r\n\r\nhello",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("POST /base/v1/messages?beta=true\n"),
        "{answer}"
    );
    assert!(
        answer.contains("x-api-key: real-key\n")
            && answer.contains("anthropic-version: 2023-06-01\n"),
        "{answer}"
    );
    assert!(
        answer.contains("body: hello\n") && !answer.contains("mine"),
        "{answer}"
    );

    let record = run.record().await;
    assert_eq!(
        (record.verdict, record.rule.clone()),
        (Verdict::Allowed, Rule::BaseAddress("anthropic".into()))
    );
    assert_eq!(
        (record.method.as_str(), record.path.as_deref()),
        ("POST", Some("/anthropic/v1/messages"))
    );
    assert_eq!(
        (record.bytes_up, record.status, record.phase),
        (5, Some(200), Some(Phase::Work))
    );
    assert!(
        record.bytes_down > 0 && record.host.starts_with("127.0.0.1:"),
        "{record:?}"
    );
}

#[tokio::test]
async fn a_client_that_asks_the_proxy_for_the_proxy_is_understood() {
    let run = Run::to_model(echo().await);
    let answer = run
        .ask("GET http://127.0.0.1:3128/anthropic/v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.contains("GET /base/v1/models\n"), "{answer}");
}

#[tokio::test]
async fn a_stream_arrives_piece_by_piece() {
    let (pieces, received) = frames::unbounded::<&'static str>();
    let received = Arc::new(std::sync::Mutex::new(Some(received)));
    let address = upstream(move |_| {
        let received = received.lock().unwrap().take().unwrap();
        async move {
            let body =
                futures::StreamExt::map(received, |piece| Ok(Frame::data(Bytes::from(piece))));
            Response::new(BodyExt::boxed(StreamBody::new(body)))
        }
    })
    .await;
    let run = Run::to_model(address);
    let mut stream = run.connect().await;
    stream
        .write_all(b"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    // Each piece is only sent when the one before has arrived.
    for piece in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        pieces.unbounded_send(piece).unwrap();
        read_until(&mut stream, piece).await;
    }
    drop(pieces);
    read_until(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn what_leaves_a_base_address_never_sees_the_key() {
    let mut run = Run::to_model(echo().await);
    let table = [
        ("GET /anthropic/../other", Rule::Path),
        ("GET /anthropic/%2e%2e/other", Rule::Path),
        ("GET /other/v1", Rule::Path),
        ("GET /", Rule::Path),
        ("TRACE /anthropic/v1", Rule::Method),
        ("DELETE /anthropic/v1/files/1", Rule::Method),
    ];
    for (start, rule) in table {
        let answer = run
            .ask(&format!(
                "{start} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && !answer.contains("real-key"),
            "{start}: {answer}"
        );
        assert!(
            answer.contains(&format!("x-deckhand-egress: denied; rule={rule}")),
            "{start}: {answer}"
        );
        let record = run.record().await;
        assert_eq!(
            (record.verdict, record.rule, record.status),
            (Verdict::Denied, rule, Some(403)),
            "{start}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let run = Run::to_model(echo().await);
    let mut stream = run.connect().await;
    stream
        .write_all(b"POST /anthropic/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
        .await
        .unwrap();
    let answer = read_until(&mut stream, "MiB").await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("rule=too-large"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_provider_that_is_down_is_a_failure_and_no_refusal() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let mut run = Run::to_model(unused);
    let answer = run
        .ask("GET /anthropic/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("cannot be reached"),
        "{answer}"
    );
    assert_eq!(run.record().await.verdict, Verdict::Failed);
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_refused_with_the_rule() {
    let mut run = Run::listing("packages.example", 443, "public");
    let table = [
        (
            "CONNECT evil.example:443",
            "evil.example:443",
            Rule::NotListed,
        ),
        (
            "CONNECT packages.example:22",
            "packages.example:22",
            Rule::Port,
        ),
        ("CONNECT 1.1.1.1:443", "1.1.1.1:443", Rule::AddressLiteral),
        (
            "CONNECT 169.254.169.254:80",
            "169.254.169.254:80",
            Rule::AddressLiteral,
        ),
        ("CONNECT [::1]:443", "[::1]:443", Rule::AddressLiteral),
        (
            "GET http://evil.example/x?secret=1",
            "evil.example",
            Rule::NotListed,
        ),
        (
            "GET http://169.254.169.254/latest/meta-data",
            "169.254.169.254",
            Rule::AddressLiteral,
        ),
        (
            "PUT http://packages.example/x",
            "packages.example",
            Rule::Method,
        ),
        (
            "POST http://packages.example/x",
            "packages.example",
            Rule::Method,
        ),
    ];
    for (start, host, rule) in table {
        let answer = run
            .ask(&format!(
                "{start} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{start}: {answer}");
        assert!(
            answer.contains(&format!("x-deckhand-egress: denied; rule={rule}")),
            "{start}: {answer}"
        );
        let record = run.record().await;
        assert_eq!((record.host.as_str(), record.rule), (host, rule), "{start}");
        assert!(!record.path.unwrap_or_default().contains("secret"));
    }
}

#[tokio::test]
async fn a_listed_name_that_leads_into_the_house_is_refused() {
    let run = Run::listing("localhost", 8443, "public");
    let answer = run
        .ask("CONNECT localhost:8443 HTTP/1.1\r\nhost: localhost:8443\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("rule=private-address"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_plain_request_to_a_listed_host_carries_no_credentials_and_the_right_host() {
    let address = echo().await;
    let run = Run::listing("localhost", address.port(), "house");
    let answer = run
        .ask(&format!(
            "GET http://localhost:{}/p?x=1 HTTP/1.1\r\nhost: evil.example\r\nauthorization: Bearer mine\r\n\
             cookie: mine\r\nconnection: close\r\n\r\n",
            address.port()
        ))
        .await;
    assert!(
        answer.contains("GET /p?x=1\n")
            && answer.contains(&format!("host: localhost:{}\n", address.port())),
        "{answer}"
    );
    assert!(
        !answer.contains("mine") && !answer.contains("evil"),
        "{answer}"
    );
}

/// The first message of a TLS client for this host.
fn client_hello(host: &str) -> Vec<u8> {
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

/// Opens a tunnel to a listener in the house; answers with the sandbox's end.
async fn tunnel(run: &Run, port: u16) -> UnixStream {
    let mut stream = run.connect().await;
    stream
        .write_all(
            format!("CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")
                .as_bytes(),
        )
        .await
        .unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[tokio::test]
async fn a_tunnel_carries_tls_for_its_own_host_both_ways() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    let mut inside = tunnel(&run, port).await;
    let hello = client_hello("localhost");
    // In two parts, as a slow client would.
    inside.write_all(&hello[..20]).await.unwrap();
    let mut outside = accept(&listener).await;
    inside.write_all(&hello[20..]).await.unwrap();
    let mut seen = vec![0; hello.len()];
    timeout(PATIENCE, outside.read_exact(&mut seen))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen, hello);
    outside.write_all(b"certificate").await.unwrap();
    drop(outside);
    assert_eq!(read_all(&mut inside).await, "certificate");
    drop(inside);
    let record = run.record().await;
    assert_eq!(
        (record.verdict, record.bytes_up, record.bytes_down),
        (Verdict::Allowed, hello.len() as u64, 11)
    );
    assert_eq!(record.rule, Rule::Listed(format!("localhost:{port}")));
}

async fn accept(listener: &TcpListener) -> TcpStream {
    timeout(PATIENCE, listener.accept())
        .await
        .expect("a connection")
        .unwrap()
        .0
}

#[tokio::test]
async fn a_tunnel_for_one_host_that_speaks_to_another_is_cut() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    for greeting in [
        client_hello("evil.example"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut inside = tunnel(&run, port).await;
        let mut outside = accept(&listener).await;
        inside.write_all(&greeting).await.unwrap();
        let mut seen = Vec::new();
        timeout(PATIENCE, outside.read_to_end(&mut seen))
            .await
            .expect("the cut")
            .unwrap();
        assert_eq!(seen, b"", "nothing reaches the host");
        let record = run.record().await;
        assert_eq!(
            (record.verdict, record.rule),
            (Verdict::Denied, Rule::ServerName)
        );
    }
}

#[tokio::test]
async fn a_tunnel_ends_with_its_phase() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut run = Run::listing("localhost", port, "house");
    let mut inside = tunnel(&run, port).await;
    inside.write_all(&client_hello("localhost")).await.unwrap();
    let mut outside = accept(&listener).await;
    outside.read_u8().await.unwrap();
    run.handle.set_phase(Phase::Work);
    let mut rest = Vec::new();
    timeout(PATIENCE, outside.read_to_end(&mut rest))
        .await
        .expect("the cut")
        .unwrap();
    assert_eq!(run.record().await.phase, Some(Phase::Setup));

    let answer = run
        .ask(&format!(
            "CONNECT localhost:{port} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        answer.contains("rule=phase") && answer.contains("work phase"),
        "{answer}"
    );
}

#[tokio::test]
async fn models_are_reached_in_the_work_phase_alone() {
    let run = Run::to_model(echo().await);
    for phase in [Phase::Setup, Phase::Proof] {
        run.handle.set_phase(phase);
        let answer = run
            .ask("GET /anthropic/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("rule=phase"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_revoked_run_says_nothing_more_and_is_cut_in_the_middle() {
    let address = upstream(|_| async {
        let first = stream::iter([Ok(Frame::data(Bytes::from("data: begun\n\n")))]);
        let body = futures::StreamExt::chain(first, stream::pending());
        Response::new(BodyExt::boxed(StreamBody::new(body)))
    })
    .await;
    let mut run = Run::to_model(address);
    let mut stream = run.connect().await;
    stream
        .write_all(b"GET /anthropic/v1 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "begun").await;
    run.handle.revoke();
    let rest = read_all(&mut stream).await;
    assert!(
        !rest.contains("0\r\n\r\n"),
        "a cut is no proper end: {rest:?}"
    );
    assert_eq!(run.record().await.bytes_down, 13);

    run.handle.set_phase(Phase::Work);
    let answer = run
        .ask("GET /anthropic/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("rule=revoked"),
        "{answer}"
    );
    assert_eq!(run.record().await.phase, None);
}

#[tokio::test]
async fn the_next_proxy_takes_the_place_of_one_that_is_gone() {
    let address = echo().await;
    let Run {
        folder,
        handle,
        records: _records,
    } = Run::to_model(address);
    drop(handle);
    let gone = UnixStream::connect(folder.path().join("egress.sock")).await;
    // Closing happens in a task of its own; a connection made before it is cut at once.
    if let Ok(mut stream) = gone {
        assert_eq!(read_all(&mut stream).await, "");
    }
    let base = BaseAddress::new(
        "openai",
        &format!("http://{address}"),
        &ApiKey::Bearer("real".into()),
    )
    .unwrap();
    let (log, _records) = mpsc::channel(1);
    let proxy = EgressProxy::new(Way::Direct).unwrap();
    let _handle = proxy
        .open(
            folder.path(),
            Opening {
                bases: vec![base],
                ..Opening::new(Phase::Work, log)
            },
        )
        .unwrap();
    let mut stream = connect(folder.path()).await;
    stream
        .write_all(b"GET /openai/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(
        read_all(&mut stream)
            .await
            .contains("authorization: Bearer real\n")
    );
}

#[tokio::test]
async fn records_that_nobody_takes_are_dropped_and_counted() {
    let run = Run::listing("packages.example", 443, "public");
    for _ in 0..20 {
        run.ask("CONNECT evil.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
    }
    assert_eq!(run.handle.dropped_records(), 4);
}

#[tokio::test]
async fn the_houses_own_proxy_carries_tunnels_and_models_alike() {
    // A proxy that answers each CONNECT and plays the host behind it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = listener.local_addr().unwrap();
    let (asked, mut questions) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            asked.send(String::from_utf8(head).unwrap()).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut some = vec![0; 4096];
            let _ = stream.read(&mut some).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")
                .await
                .unwrap();
        }
    });
    let way = Way::proxy(&format!("http://ana:secret@{house}")).unwrap();
    assert!(!format!("{way:?}").contains("secret"));
    let folder = tempfile::tempdir().unwrap();
    let base =
        BaseAddress::new("m", "http://models.example", &ApiKey::Bearer("real".into())).unwrap();
    let (log, _records) = mpsc::channel(4);
    let proxy = EgressProxy::new(way).unwrap();
    let opening = Opening {
        policy: policy(&json!({"hosts": ["packages.example"], "tls": "tunnel"})),
        bases: vec![base],
        ..Opening::new(Phase::Work, log)
    };
    let _handle = proxy.open(folder.path(), opening).unwrap();

    let mut stream = connect(folder.path()).await;
    stream
        .write_all(b"GET /m/v1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_all(&mut stream).await.ends_with("fine"));
    let question = questions.recv().await.unwrap();
    assert!(
        question.starts_with("CONNECT models.example:80"),
        "{question}"
    );
    assert!(
        question
            .to_ascii_lowercase()
            .contains("proxy-authorization: basic "),
        "{question}"
    );

    let mut stream = connect(folder.path()).await;
    stream
        .write_all(b"CONNECT packages.example:443 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    stream
        .write_all(&client_hello("packages.example"))
        .await
        .unwrap();
    read_until(&mut stream, "fine").await;
    assert!(
        questions
            .recv()
            .await
            .unwrap()
            .starts_with("CONNECT packages.example:443")
    );
}
