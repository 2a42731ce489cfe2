//! TLS that is opened at the proxy: what is decided inside, whose credentials travel, and what cannot be reached by a
//! trick with names.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod house;

use deckhand_executors::egress::{
    Credential, CredentialForm, Grant, GrantVerdict, Phase, Rule, Verdict,
};
use house::{House, PATIENCE, Run, agree, read_all, read_until};
use hyper::header::HeaderName;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

const TOKEN: &str = "npm_RealTokenOfTheHouse0123456789";

fn credential(form: &CredentialForm) -> Vec<Credential> {
    vec![Credential::new("npm", form, &TOKEN.into()).unwrap()]
}

/// Packages are read below `/simple/` with a credential, and elsewhere without.
fn packages(house: &House) -> Run {
    let rules = json!([
        {"hosts": ["packages.example"], "paths": ["/simple/"], "credential": "npm"},
        {"hosts": ["packages.example"], "paths": ["/"], "methods": ["GET", "PUT", "POST"]},
        {"hosts": ["impostor.example"]},
    ]);
    house.run(&rules, credential(&CredentialForm::Bearer))
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn the_credential_of_the_rule_takes_the_place_of_the_clients_own() {
    let house = House::open().await;
    let mut run = packages(&house);
    let request = "GET /simple/left-pad?x=1&api_key=mine&access%5Ftoken=mine HTTP/1.1\r\nhost: packages.example\r\n\
        authorization: Bearer mine\r\ncookie: mine\r\nx-api-key: mine\r\nproxy-authorization: mine\r\n\
        private-token: mine\r\nx-auth-token: mine\r\naccept: application/json\r\naccept-encoding: gzip\r\n\
        range: bytes=0-5\r\nconnection: close, x-hop\r\nx-hop: mine\r\n\r\n";
    let answer = run.ask("packages.example", request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let [seen] = house.seen().try_into().unwrap();
    assert_eq!(seen.target, "/simple/left-pad?x=1");
    let expected = [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("authorization", &format!("Bearer {TOKEN}")),
        ("host", "packages.example"),
    ];
    let headers: Vec<(&str, &str)> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(headers, expected);

    // The host repeated all of that, in a header and in small pieces.
    assert!(
        !answer.contains(TOKEN) && !answer.contains("mine"),
        "{answer}"
    );
    // With the credential it began a session, which would go on when the run is over.
    assert!(!answer.contains("cookie"), "{answer}");
    let masked = "*".repeat(TOKEN.len());
    assert!(
        answer.contains(&format!("x-seen-authorization: Bearer {masked}")),
        "{answer}"
    );
    assert!(answer.contains("accept: application/json\n"), "{answer}");
    let record = run.record_of("/simple/left-pad").await;
    assert_eq!(
        (record.verdict, record.rule, record.status),
        (
            Verdict::Allowed,
            Rule::Listed("packages.example".into()),
            Some(200)
        )
    );
    assert_eq!(
        (record.host.as_str(), record.method.as_str()),
        ("packages.example", "GET")
    );
}

#[tokio::test]
async fn a_credential_goes_to_its_rules_methods_and_paths_alone() {
    let house = House::open().await;
    let run = packages(&house);
    for (request, has_credential) in [
        (get("packages.example", "/simple/a"), true),
        (get("packages.example", "/other"), false),
        (get("packages.example", "/simplex"), false),
        (
            "PUT /simple/a HTTP/1.1\r\nhost: packages.example\r\nconnection: close\r\n\r\n".into(),
            false,
        ),
    ] {
        let answer = run.ask("packages.example", &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{request}: {answer}");
        let seen = house.seen().pop().unwrap();
        assert_eq!(
            seen.headers.contains_key("authorization"),
            has_credential,
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_basic_login_and_a_header_of_its_own_are_kept_from_the_sandbox_too() {
    let house = House::open().await;
    let basic = CredentialForm::Basic { user: "x".into() };
    let own = CredentialForm::Header(HeaderName::from_static("private-token"));
    for form in [basic, own] {
        let rules = json!([{"hosts": ["packages.example"], "credential": "npm"}]);
        let run = house.run(&rules, credential(&form));
        let answer = run
            .ask("packages.example", &get("packages.example", "/"))
            .await;
        let seen = house.seen().pop().unwrap();
        let sent = seen
            .headers
            .get("authorization")
            .or(seen.headers.get("private-token"));
        let sent = sent.unwrap().rsplit(' ').next().unwrap();
        assert!(
            !answer.contains(sent) && !answer.contains(TOKEN),
            "{answer}"
        );
        assert!(answer.contains("****"), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_in_which_a_credential_could_hide_is_not_passed_on() {
    let house = House::open().await;
    let rules = json!([{"hosts": ["packages.example"], "credential": "npm"}]);
    let run = house.run(&rules, credential(&CredentialForm::Bearer));
    let answer = run
        .ask("packages.example", &get("packages.example", "/compressed"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("compressed"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_rule_whose_credential_is_not_there_sends_nothing() {
    let house = House::open().await;
    let rules = json!([{"hosts": ["packages.example"], "credential": "npm"}]);
    let run = house.run(&rules, Vec::new());
    let answer = run
        .ask("packages.example", &get("packages.example", "/"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("npm"),
        "{answer}"
    );
    assert_eq!(house.seen(), []);
}

#[tokio::test]
async fn each_request_is_decided_and_people_are_told_what_was_refused() {
    let house = House::open().await;
    let rules = json!([{"hosts": ["packages.example"], "paths": ["/simple/"]}]);
    let mut run = house.run(&rules, Vec::new());
    for (request, rule) in [
        ("GET /other", Rule::Path),
        ("GET /simple/../other", Rule::Path),
        ("GET /simple/%2e%2e/other", Rule::Path),
        ("PUT /simple/a", Rule::Method),
        ("DELETE /simple/a", Rule::Method),
    ] {
        let whole =
            format!("{request} HTTP/1.1\r\nhost: packages.example\r\nconnection: close\r\n\r\n");
        let answer = run.ask("packages.example", &whole).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
        assert!(
            answer.contains(&format!("rule={rule}")),
            "{request}: {answer}"
        );
        let refused = timeout(PATIENCE, run.refused.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (refused.host.as_str(), refused.port, refused.rule),
            ("packages.example", 443, rule)
        );
    }
    assert_eq!(house.seen(), []);
    // What a person allows holds from the next request on, on a connection that is there.
    let mut stream = run.connect("packages.example").await;
    let request = "GET /other HTTP/1.1\r\nhost: packages.example\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "packages.example").await;
    run.handle.grant(&Grant {
        host: "packages.example".into(),
        port: 443,
        verdict: GrantVerdict::Allow,
    });
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "HTTP/1.1 200").await;
}

#[tokio::test]
async fn a_request_for_another_host_inside_is_refused_and_so_is_every_second_reading() {
    let house = House::open().await;
    let rules =
        json!([{"hosts": ["packages.example", "evil.example"], "methods": ["GET", "POST"]}]);
    let mut run = house.run(&rules, Vec::new());
    for (head, rule) in [
        ("GET / HTTP/1.1\r\nhost: evil.example", Rule::HostMismatch),
        (
            "GET / HTTP/1.1\r\nhost: packages.example:8443",
            Rule::HostMismatch,
        ),
        (
            "GET / HTTP/1.1\r\nhost: ana@packages.example",
            Rule::HostMismatch,
        ),
        (
            "GET / HTTP/1.1\r\nhost: packages.example\r\nhost: evil.example",
            Rule::Malformed,
        ),
        ("GET / HTTP/1.1\r\nx-no: host", Rule::Malformed),
        (
            "GET https://evil.example/ HTTP/1.1\r\nhost: packages.example",
            Rule::Malformed,
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\nhost: packages.example",
            Rule::Malformed,
        ),
        (
            "GET / HTTP/1.1\r\nhost: packages.example\r\nconnection: upgrade\r\nupgrade: websocket",
            Rule::Upgrade,
        ),
    ] {
        let answer = run
            .ask(
                "packages.example",
                &format!("{head}\r\nconnection: close\r\n\r\n"),
            )
            .await;
        assert!(answer.contains(&format!("rule={rule}")), "{head}: {answer}");
        let record = loop {
            let record = run.record().await;
            if record.verdict == Verdict::Denied {
                break record;
            }
        };
        assert_eq!(
            (record.rule, record.host.as_str()),
            (rule, "packages.example"),
            "{head}"
        );
    }
    assert_eq!(house.seen(), []);
}

#[tokio::test]
async fn what_hides_behind_a_body_with_two_lengths_is_a_request_like_any_other() {
    let house = House::open().await;
    let rules = json!([{"hosts": ["packages.example"], "methods": ["GET", "POST"]}]);
    let run = house.run(&rules, Vec::new());
    let smuggled = "POST /up HTTP/1.1\r\nhost: packages.example\r\ncontent-length: 70\r\ntransfer-encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    let answer = run.ask("packages.example", smuggled).await;
    assert!(!answer.contains("evil.example\n"), "{answer}");
    // Whatever becomes of the first, the host never sees a second one, nor a length that could make one.
    let seen = house.seen();
    assert!(seen.len() <= 1, "{seen:?}");
    for seen in seen {
        assert_eq!((seen.target.as_str(), seen.body), ("/up", 0));
        assert!(!seen.headers.contains_key("content-length"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_connection_whose_greeting_names_another_host_is_cut() {
    let house = House::open().await;
    let mut run = packages(&house);
    let stream = run.tunnel("packages.example").await;
    let trusted = run.path().join("authority.pem");
    let error = agree(&trusted, "evil.example", stream).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    let record = run.record().await;
    assert_eq!(
        (record.verdict, record.rule),
        (Verdict::Denied, Rule::ServerName)
    );

    let mut stream = run.tunnel("packages.example").await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest, b"");
    assert_eq!(house.seen(), []);
}

#[tokio::test]
async fn a_host_that_cannot_prove_itself_gets_nothing() {
    let house = House::open().await;
    let mut run = packages(&house);
    let answer = run
        .ask("impostor.example", &get("impostor.example", "/"))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 502") && answer.contains("does not prove"),
        "{answer}"
    );
    assert_eq!(run.record_of("/").await.verdict, Verdict::Failed);
    assert_eq!(house.seen(), []);
}

#[tokio::test]
async fn requests_one_behind_the_other_are_each_decided() {
    let house = House::open().await;
    let run = packages(&house);
    let mut stream = run.connect("packages.example").await;
    // All at once: two that are right around one that is not.
    let pipelined = "GET /simple/one HTTP/1.1\r\nhost: packages.example\r\n\r\n\
        GET /simple/two HTTP/1.1\r\nhost: evil.example\r\n\r\n\
        GET /three HTTP/1.1\r\nhost: packages.example\r\nconnection: close\r\n\r\n";
    stream.write_all(pipelined.as_bytes()).await.unwrap();
    let answers = read_all(&mut stream).await;
    let statuses: Vec<&str> = answers
        .lines()
        .filter(|line| line.starts_with("HTTP/1.1 "))
        .collect();
    assert_eq!(statuses.len(), 3, "{answers}");
    assert!(
        statuses[0].contains("200") && statuses[1].contains("403") && statuses[2].contains("200")
    );
    let seen: Vec<(String, bool)> = house
        .seen()
        .into_iter()
        .map(|seen| (seen.target, seen.headers.contains_key("authorization")))
        .collect();
    assert_eq!(
        seen,
        [
            ("/simple/one".to_owned(), true),
            ("/three".to_owned(), false)
        ]
    );
}

#[tokio::test]
async fn long_bodies_pass_both_ways() {
    const BYTES: usize = 8 * 1024 * 1024;
    let house = House::open().await;
    let mut run = packages(&house);
    let mut stream = run.connect("packages.example").await;
    let head =
        format!("PUT /up HTTP/1.1\r\nhost: packages.example\r\ncontent-length: {BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'y'; 64 * 1024];
    for _ in 0..BYTES / piece.len() {
        stream.write_all(&piece).await.unwrap();
    }
    read_until(&mut stream, &format!("{BYTES} bytes came")).await;
    assert_eq!(run.record_of("/up").await.bytes_up, BYTES as u64);
    drop(stream);
    let answer = run
        .ask(
            "packages.example",
            &get("packages.example", &format!("/down?{BYTES}")),
        )
        .await;
    assert!(answer.len() > BYTES, "{} bytes", answer.len());
    assert_eq!(run.record_of("/down").await.bytes_down, BYTES as u64);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let house = House::open().await;
    let run = packages(&house);
    let mut stream = run.connect("packages.example").await;
    let head = "PUT /up HTTP/1.1\r\nhost: packages.example\r\ncontent-length: 99999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut stream, "MiB").await;
    assert!(answer.contains("rule=too-large"), "{answer}");
}

#[tokio::test]
async fn a_cancel_in_the_middle_cuts_both_sides() {
    let house = House::open().await;
    let run = packages(&house);
    for cut in ["phase", "revoked"] {
        let mut stream = run.connect("packages.example").await;
        let request = "GET /hang HTTP/1.1\r\nhost: packages.example\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, "begun").await;
        assert_eq!(house.hanging(), 1);
        if cut == "phase" {
            run.handle.set_phase(Phase::Setup);
        } else {
            run.handle.revoke();
        }
        let rest = read_rest(&mut stream).await;
        assert!(
            !rest.contains("0\r\n\r\n"),
            "a cut is no proper end: {rest:?}"
        );
        let gone = async {
            while house.hanging() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone)
            .await
            .expect("the host sees the cut");
    }
}

async fn read_rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    // Ended without TLS's farewell: an error here.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the cut");
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_read_for() {
    let house = House::open().await;
    let run = packages(&house);
    let mut stream = run.connect("packages.example").await;
    let request = "GET /hang HTTP/1.1\r\nhost: packages.example\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    read_until(&mut stream, "begun").await;
    drop(stream);
    let gone = async {
        while house.hanging() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone)
        .await
        .expect("the host sees the end");
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow_and_is_decided_anew() {
    let house = House::open().await;
    let run = packages(&house);
    let answer = run
        .ask("packages.example", &get("packages.example", "/redirect"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    assert!(
        answer.contains("location: https://evil.example/taken"),
        "{answer}"
    );
    assert_eq!(house.seen().len(), 1, "the proxy follows nothing");
}

#[tokio::test]
async fn a_proxy_that_was_away_is_trusted_by_what_trusted_it_before() {
    let house = House::open().await;
    let run = packages(&house);
    let before = std::fs::read(run.path().join("authority.pem")).unwrap();
    let Run { folder, handle, .. } = run;
    drop(handle);
    let rules = json!([{"hosts": ["packages.example"]}]);
    let run = house.run_in(folder, &rules, Vec::new());
    assert_eq!(
        std::fs::read(run.path().join("authority.pem")).unwrap(),
        before
    );
    let answer = run
        .ask("packages.example", &get("packages.example", "/simple/a"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for entry in std::fs::read_dir(run.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
        }
    }
}
