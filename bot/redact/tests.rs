//! Canaries in every form that a secret can have, and texts that only look dangerous.

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::SecretString;
use serde_json::json;

use super::*;

const CANARY: &str = r#"canary/key+with "quotes", ümlaut & a=b"#;
const TOKEN: &str = "canarytoken0123456789";
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIICanary0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRs\nQanary1zBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRsTu\n-----END RSA PRIVATE KEY-----\n";

fn redactor() -> Redactor {
    Redactor::new([CANARY, TOKEN, KEY, "short"].map(SecretString::from)).expect("made")
}

fn check(text: &str, expected: &str) {
    assert_eq!(redactor().redact(text), expected, "{text}");
}

#[test]
fn a_text_without_secrets_is_left_alone() {
    for text in [
        "",
        "a short word",
        "see https://github.com/acme/web/pull/7",
        "ümlaut & a",
        "http://localhost:3000/users?limit=200&mail=a@b.c",
    ] {
        assert!(
            matches!(redactor().redact(text), Cow::Borrowed(same) if same == text),
            "{text}"
        );
    }
}

#[test]
fn a_held_secret_is_found_in_every_form() {
    let percent = |left: &str| -> String {
        let escape = |byte: u8| {
            if byte.is_ascii_alphanumeric() || left.as_bytes().contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        };
        CANARY.bytes().map(escape).collect()
    };
    let inside = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let escaped = inside(json!(CANARY).to_string());
    let forms = [
        CANARY.to_owned(),
        escaped.clone(),
        inside(json!(escaped).to_string()),
        inside(format!("{CANARY:?}")),
        percent("-._~"),
        percent("-._~").replace("%20", "+"),
        percent("-._~!'()*"),
        percent("-._~").to_lowercase(),
        hex::encode(CANARY),
        hex::encode_upper(CANARY),
        STANDARD.encode(CANARY),
        URL_SAFE_NO_PAD.encode(CANARY),
    ];
    for form in forms {
        check(&format!("before {form} behind"), "before [redacted] behind");
    }
}

#[test]
fn a_secret_inside_of_something_encoded_takes_all_of_it_along() {
    for before in ["", "u", "us", "use", "x-access-token:"] {
        for secret in [CANARY, TOKEN] {
            let encoded = [
                STANDARD.encode(format!("{before}{secret}")),
                URL_SAFE_NO_PAD.encode(format!("{before}{secret} and more")),
            ];
            for encoded in encoded {
                check(&format!("header: {encoded}."), "header: [redacted].");
            }
        }
    }
}

#[test]
fn encoders_that_break_lines_hide_nothing() {
    let key = format!("{TOKEN}{}", "xyz".repeat(40));
    let redactor = Redactor::new([SecretString::from(key.clone())]).expect("made");
    let encoded = STANDARD.encode(format!("a prefix {key}"));
    let lines: Vec<&str> = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).expect("text"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(redactor.redact(&lines.join("\n")), [REDACTED; 3].join("\n"));
}

#[test]
fn each_line_of_a_key_is_found_by_itself() {
    let line = KEY.lines().nth(2).expect("three lines");
    check(&format!("  2 | {line}"), "  2 | [redacted]");
    check(&KEY.replace('\n', "\\n"), "[redacted]\\n");
    check(KEY, "[redacted]\n");
}

#[test]
fn secrets_over_and_beside_each_other_become_one() {
    let redactor =
        Redactor::new(["canary-one-two", "two-three-four"].map(SecretString::from)).expect("made");
    assert_eq!(
        redactor.redact("a canary-one-two-three-four z"),
        "a [redacted] z"
    );
    assert_eq!(
        redactor.redact("canary-one-twocanary-one-two"),
        "[redacted]"
    );
    assert_eq!(
        redactor.redact("canary-one-two canary-one-two"),
        "[redacted] [redacted]"
    );
}

#[test]
fn a_secret_that_was_cut_is_still_one() {
    let (head, tail) = (&TOKEN[..14], &TOKEN[TOKEN.len() - 14..]);
    check(&format!("the last was {head}"), "the last was [redacted]");
    check(&format!("the last was {head}…"), "the last was [redacted]…");
    check(&format!("{tail} was first"), "[redacted] was first");
    check(
        &format!("{head} in the middle of {tail} is no end"),
        &format!("{head} in the middle of {tail} is no end"),
    );
}

#[test]
fn shapes_are_found_though_nobody_named_them() {
    let long = "aB3".repeat(14);
    for token in [
        "xoxb-1234567890-abcdef".to_owned(),
        "xapp-1-A0123-4567-abcdef".to_owned(),
        format!("ghp_{long}"),
        format!("ghs_{long}"),
        format!("github_pat_{long}"),
        format!("sk-{long}"),
        format!("sk-ant-api03-{long}-{long}"),
        format!("AIza{long}"),
        format!("lin_api_{long}"),
        format!("lin_oauth_{long}"),
    ] {
        check(&format!("KEY={token}; echo"), "KEY=[redacted]; echo");
    }
    check(
        &format!("task-{long} disk-{long}"),
        &format!("task-{long} disk-{long}"),
    );
}

#[test]
fn passwords_in_addresses_and_headers_are_found() {
    check(
        "postgres://app:hunter2@db/x and https://ana:p@ss@host",
        "postgres://app:[redacted]@db/x and https://ana:[redacted]@host",
    );
    check("redis://:hunter2@cache", "redis://:[redacted]@cache");
    check(
        "curl -H 'Authorization: Bearer abcdef123456'",
        "curl -H 'Authorization: Bearer [redacted]'",
    );
    check(
        "AUTHORIZATION: basic dXNlcjpwYXNz",
        "AUTHORIZATION: basic [redacted]",
    );
    check(
        r#"{"Authorization":"Bearer abcdef123456"}"#,
        r#"{"Authorization":"Bearer [redacted]"}"#,
    );
    check(
        "Authorization: Bearer $TOKEN is missing",
        "Authorization: Bearer $TOKEN is missing",
    );
}

#[test]
fn a_private_key_is_found_whole_or_cut() {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
    let whole = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{line}\nc2hvcnQ=\n-----END OPENSSH PRIVATE KEY-----"
    );
    check(&format!("a {whole} z"), "a [redacted] z");
    check(
        &format!("a {} z", whole.replace('\n', "\\n")),
        "a [redacted] z",
    );
    check(
        &format!("-----BEGIN EC PRIVATE KEY-----\n{line}\n{line}"),
        "[redacted]",
    );
    check(
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
    );
}

#[test]
fn what_a_program_runs_loses_only_held_secrets() {
    let mut value = json!({"check": "DB=postgres://test:test@localhost/x npm test", "tails": [TOKEN, {"deep": TOKEN}], "status": 1});
    redactor().redact_value(&mut value, Sought::Held);
    assert_eq!(
        value,
        json!({"check": "DB=postgres://test:test@localhost/x npm test", "tails": [REDACTED, {"deep": REDACTED}], "status": 1})
    );
    redactor().redact_value(&mut value, Sought::Everything);
    assert_eq!(
        value["check"],
        "DB=postgres://test:[redacted]@localhost/x npm test"
    );
}

#[test]
fn a_secret_that_comes_later_is_found_by_every_clone() {
    let redactor = Redactor::new([SecretString::from(TOKEN)]).expect("made");
    let clone = redactor.clone();
    assert_eq!(clone.redact("a fresh-token-1"), "a fresh-token-1");
    for number in 1..=ADDED_MAX + 1 {
        redactor.add(&SecretString::from(format!("fresh-token-{number}-of-many")));
    }
    assert_eq!(clone.redact("a fresh-token-201-of-many"), "a [redacted]");
    assert_eq!(
        clone.redact("a fresh-token-1-of-many"),
        "a fresh-token-1-of-many",
        "the oldest gives way"
    );
    assert_eq!(clone.redact(TOKEN), REDACTED, "those from the start stay");
}

#[test]
fn nothing_twice_is_the_same_as_once() {
    let once = redactor()
        .redact("postgres://a:b@c xoxb-1234567890-abcdef")
        .into_owned();
    assert_eq!(redactor().redact(&once), once);
}

#[test]
fn a_redactor_prints_no_secret() {
    assert_eq!(format!("{:?}", redactor()), "Redactor { .. }");
}

#[test]
fn a_secret_that_is_a_word_spoils_no_sentence() {
    for weak in ["short", "password", "development", " changeme "] {
        let weak = SecretString::from(weak);
        assert!(!is_looked_for(&weak));
        let redactor = Redactor::new([weak]).expect("made");
        let sentence = "a short note: the password of the development server, please changeme";
        assert_eq!(redactor.redact(sentence), sentence);
    }
    for strong in [
        "password1",
        "hunter-two-canary",
        "Zoological",
        "onlysmalllettersbutmany",
    ] {
        assert!(is_looked_for(&strong.into()), "{strong}");
    }
}
