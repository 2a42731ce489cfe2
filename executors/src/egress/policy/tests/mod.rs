//! Policies as they are written, merged and decided.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![expect(clippy::too_many_lines, reason = "a table is as long as its cases")]

mod decided;
mod written;

use hyper::Method;
use serde_json::{Value, json};

use super::{
    Denial, EgressPolicy, Grant, GrantVerdict, PolicyDocument, Question, Reach, Seen, Tls,
    rule::Phase,
};

fn document(value: &Value) -> PolicyDocument {
    PolicyDocument::read(&value.to_string()).unwrap()
}

/// A policy with these rules and no preset.
fn policy(rules: &Value) -> EgressPolicy {
    document(&json!({"version": 1, "default": {"rules": rules}})).for_repository("a/b", &[])
}

fn ask<'a>(host: &'a str, port: u16, method: &'a Method, path: &'a str) -> Question<'a> {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    Question {
        phase: Phase::Work,
        host,
        port,
        method,
        path,
        query,
        seen: Seen::Inspected,
    }
}

fn grant(host: &str, verdict: GrantVerdict) -> Grant {
    Grant {
        host: host.to_owned(),
        port: 443,
        verdict,
    }
}
