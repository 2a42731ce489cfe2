//! Requests below a base address: to the provider that it stands for, with its key in place of the sandbox's own.

use hyper::{Method, Request, Response, body::Incoming};

use super::{
    base_address::{self, BaseAddress},
    forward::{ModelClient, clean_request, pass_on, request_body},
    policy::Phase,
    record::{Entry, Rule, Verdict},
    refusal::{Body, Refusal},
};

/// Sends a request on and passes its answer back.
pub async fn relay(
    client: &ModelClient,
    bases: &[BaseAddress],
    phase: Phase,
    request: Request<Incoming>,
    mut entry: Entry,
) -> Response<Body> {
    match forward(client, bases, phase, request, &mut entry).await {
        Ok(response) => pass_on(response, entry),
        Err(refusal) => refusal.answer(&mut entry),
    }
}

async fn forward(
    client: &ModelClient,
    bases: &[BaseAddress],
    phase: Phase,
    request: Request<Incoming>,
    entry: &mut Entry,
) -> Result<Response<Incoming>, Refusal> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path();
    let Some((base, rest)) = base_address::find(bases, path) else {
        let known: Vec<String> = bases
            .iter()
            .map(|base| format!("/{}/", base.prefix()))
            .collect();
        let sentence = format!(
            "{path} is below no base address. There are: {}",
            known.join(" ")
        );
        return Err(Refusal::Denied(Rule::Path, sentence));
    };
    if phase != Phase::Work {
        let sentence = format!("Models cannot be reached in the {phase} phase.");
        return Err(Refusal::Denied(Rule::Phase, sentence));
    }
    // The key must not reach what lies beside the base address, nor a method that echoes it.
    if climbs(rest) {
        return Err(Refusal::Denied(
            Rule::Path,
            "The path leaves its base address.".to_owned(),
        ));
    }
    if !matches!(head.method, Method::GET | Method::HEAD | Method::POST) {
        let sentence = format!(
            "{} is not allowed here; GET, HEAD and POST are.",
            head.method
        );
        return Err(Refusal::Denied(Rule::Method, sentence));
    }
    let Some(upstream) = base.upstream(rest, head.uri.query()) else {
        return Err(Refusal::Denied(
            Rule::Malformed,
            "The path makes no address.".to_owned(),
        ));
    };
    entry.decide(
        Verdict::Allowed,
        Rule::BaseAddress(base.prefix().to_owned()),
    );
    head.uri = upstream;
    clean_request(&mut head.headers);
    base.add_key(&mut head.headers);
    let body = request_body(body, entry.traffic())?;
    client.send(Request::from_parts(head, body)).await
}

/// Whether a path has a segment that some server would take for "one up", written plainly or escaped.
fn climbs(path: &str) -> bool {
    let path = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/")
        .replace('\\', "/");
    path.split('/')
        .any(|segment| segment == ".." || segment.starts_with("..;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_climbs_is_seen_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/%2e%2E/x",
            "/.%2e/x",
            "/a%2f..%2fb",
            "/..%5cx",
            "/..;a/x",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in [
            "",
            "/v1/messages",
            "/v1beta/models/gemini-2.5-pro:generateContent",
            "/a..b/...",
            "/./x",
        ] {
            assert!(!climbs(path), "{path}");
        }
    }
}
