//! Variables of a sandbox that stand for credentials: worth something by their rule, in their run, and nowhere else.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod house;

use deckhand_executors::egress::{Credential, CredentialForm, Phase, Rule};
use house::{House, Run, read_all, seeded};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::UnixStream};

const TOKEN: &str = "npm_RealTokenOfTheHouse0123456789";

fn rules() -> Value {
    json!([
        {"hosts": ["packages.example"], "paths": ["/simple/"], "credential": "npm", "variable": "NPM_TOKEN"},
        {"hosts": ["packages.example", "evil.example"], "methods": ["GET", "POST"]},
        {"hosts": ["plain.example"], "ports": [80]},
    ])
}

fn credentials() -> Vec<Credential> {
    vec![Credential::new("npm", &CredentialForm::Bearer, &TOKEN.into()).unwrap()]
}

fn held(run: &Run, phase: Phase) -> Option<String> {
    run.handle.variables(phase).remove("NPM_TOKEN")
}

/// A request with the placeholder wherever a client could put it.
fn get(host: &str, path: &str, placeholder: &str) -> String {
    format!(
        "GET {path}?access_token={placeholder} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {placeholder}\r\n\
         x-anything: token={placeholder}\r\ncookie: t={placeholder}\r\nconnection: close\r\n\r\n"
    )
}

/// A request as a proxy is asked for plain HTTP.
async fn ask_plainly(run: &Run, request: &str) -> String {
    let socket = run.path().join("egress.sock");
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

#[tokio::test]
async fn a_placeholder_is_worth_its_credential_by_its_rule_and_comes_off_everywhere_else() {
    let house = House::open().await;
    let run = seeded(&house.proxy(), "one", &rules(), credentials());
    let placeholder = held(&run, Phase::Work).unwrap();
    assert!(placeholder.starts_with("npm_") && placeholder.len() == TOKEN.len());
    assert_ne!(placeholder, TOKEN);
    assert_eq!(held(&run, Phase::Setup).as_ref(), Some(&placeholder));
    assert_eq!(held(&run, Phase::Proof), None);

    let request = get("packages.example", "/simple/a", &placeholder);
    let answer = run.ask("packages.example", &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.contains(TOKEN), "{answer}");
    let seen = house.seen().pop().unwrap();
    assert_eq!(seen.headers["authorization"], format!("Bearer {TOKEN}"));
    assert!(!format!("{seen:?}").contains(&placeholder), "{seen:?}");

    // Beside the rule: another path, another host, plain HTTP.
    for (host, path) in [
        ("packages.example", "/other"),
        ("evil.example", "/simple/a"),
    ] {
        let answer = run.ask(host, &get(host, path, &placeholder)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = house.seen().pop().unwrap();
        assert_eq!(seen.target, path);
        let names: Vec<&str> = seen.headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["host"], "{host}{path}");
    }
    let request = format!(
        "GET http://plain.example/x HTTP/1.1\r\nhost: plain.example\r\nx-anything: {placeholder}\r\nconnection: close\r\n\r\n"
    );
    let answer = ask_plainly(&run, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = house.seen().pop().unwrap();
    assert_eq!(seen.target, "/x");
    assert!(!format!("{seen:?}").contains(&placeholder), "{seen:?}");
}

#[tokio::test]
async fn each_run_has_its_own_which_dies_with_it_and_is_refused_in_another() {
    let house = House::open().await;
    let proxy = house.proxy();
    let one = seeded(&proxy, "one", &rules(), credentials());
    let mut two = seeded(&proxy, "two", &rules(), credentials());
    let (first, second) = (
        held(&one, Phase::Work).unwrap(),
        held(&two, Phase::Work).unwrap(),
    );
    assert_ne!(first, second);
    for (host, path) in [("packages.example", "/simple/a"), ("evil.example", "/")] {
        let answer = two.ask(host, &get(host, path, &first)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert_eq!(two.record_of(path).await.rule, Rule::Placeholder);
    }
    let plainly = format!(
        "GET http://plain.example/x HTTP/1.1\r\nhost: plain.example\r\nx-api-key: {first}\r\nconnection: close\r\n\r\n"
    );
    let answer = ask_plainly(&two, &plainly).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(house.seen().len(), 0, "nothing of it arrived");

    // The same run has the same one again, as after a start of the bot.
    assert_eq!(
        held(&seeded(&proxy, "one", &rules(), credentials()), Phase::Work),
        Some(first.clone())
    );
    // It dies with its run.
    one.handle.revoke();
    let request = "CONNECT packages.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n";
    let answer = ask_plainly(&one, request).await;
    assert!(answer.contains("rule=revoked"), "{answer}");
}

#[tokio::test]
async fn without_a_seed_or_a_setting_there_is_nothing_to_hold() {
    let house = House::open().await;
    assert_eq!(held(&house.run(&rules(), credentials()), Phase::Work), None);
    let lacking = seeded(&house.proxy(), "one", &rules(), vec![]);
    assert_eq!(held(&lacking, Phase::Work), None);
}
