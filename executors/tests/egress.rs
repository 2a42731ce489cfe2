//! The egress proxy over real sockets: how models are reached, and that no key of either side crosses.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod way_out;

use std::sync::Arc;

use bytes::Bytes;
use deckhand_executors::egress::{
    ApiKey, BaseAddress, EgressProxy, Opening, Phase, Rule, Verdict, Way,
};
use futures::{channel::mpsc as frames, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{Response, body::Frame};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
    sync::mpsc,
    time::timeout,
};
use way_out::{PATIENCE, Run, client_hello, connect, echo, policy, read_all, read_until, upstream};

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
        refused: _refused,
    } = Run::to_model(address);
    drop(handle);
    let gone = UnixStream::connect(folder.path().join("run/egress.sock")).await;
    // Closing happens in a task of its own; a connection made before it is cut at once, by an end or by a reset.
    if let Ok(mut stream) = gone {
        let mut answer = Vec::new();
        let cut = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(cut.is_ok() && answer.is_empty(), "{cut:?} {answer:?}");
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
            &folder.path().join("run"),
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
    let _handle = proxy.open(&folder.path().join("run"), opening).unwrap();

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
        .write_all(b"CONNECT packages.example:443 HTTP/1.1\r\n\r\n")
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

#[tokio::test]
async fn a_plain_requests_body_goes_on_while_nobody_reads_its_answer() {
    const BYTES: usize = 8 * 1024 * 1024;
    let address = upstream(|request| async {
        // It answers at once, whatever it has read.
        tokio::spawn(request.into_body().collect());
        Response::new(Full::from(vec![b'x'; BYTES]).boxed())
    })
    .await;
    let port = address.port();
    let rule =
        json!({"hosts": ["localhost"], "ports": [port], "addresses": "house", "methods": ["POST"]});
    let run = Run::by(&json!([rule]));
    let mut stream = run.connect().await;
    let head = format!(
        "POST http://localhost:{port}/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let body = vec![b'y'; BYTES];
    let written = timeout(PATIENCE, stream.write_all(&body)).await;
    written.expect("the body is taken").unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(answer.len() > BYTES, "{} bytes came", answer.len());
}
