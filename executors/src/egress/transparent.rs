//! Connections of programs that know no proxy: every name leads to the sandbox's loopback, where the shim takes the
//! connection and carries it here as it is. Who is wanted stands in its first bytes.

use std::{convert::Infallible, sync::Arc};

use hyper::{
    Method, Request, Response, Uri,
    body::Incoming,
    header::HOST,
    http::uri::{Authority, Scheme},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    time::timeout,
};

use super::{
    gate::Standing,
    greeting::{self, Alert, replay},
    introduction::Introduced,
    journal::{Asked, Entry},
    policy::{Phase, TLS_PORT},
    record::{Rule, Verdict},
    refusal::{Body, Refusal},
    serve::{Caller, HEAD_TIME, Service, allowable},
    tunnel::{self, Target},
};

/// The first byte of a greeting in TLS. Source: RFC 8446, 5.1: a record of the type `handshake`.
const HANDSHAKE: u8 = 22;

/// Serves one connection, whatever it speaks.
pub async fn converse(service: Arc<Service>, caller: Caller, mut stream: Introduced) {
    let mut first = [0];
    let Ok(Ok(1)) = timeout(HEAD_TIME, stream.read(&mut first)).await else {
        return;
    };
    let stream = replay(first.to_vec(), stream);
    if first == [HANDSHAKE] {
        greet(service, caller, stream).await;
    } else {
        answer(service, caller, stream).await;
    }
}

/// TLS: the host is the one in the greeting.
async fn greet(
    service: Arc<Service>,
    caller: Caller,
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) {
    let hello = greeting::hear(&mut stream).await.ok();
    let named = hello.as_ref().and_then(|hello| hello.server_name.clone());
    let phase = match caller.epoch.standing {
        Standing::Open(phase) => Some(phase),
        Standing::Revoked => None,
    };
    let mut entry = service.journal.entry(Asked {
        phase,
        method: Method::CONNECT.to_string(),
        host: named.clone().unwrap_or_default(),
        path: None,
        target: named.as_deref().and_then(|host| allowable(host, TLS_PORT)),
        client: caller.client.clone(),
    });
    let decided = match (phase, hello, named) {
        (None, ..) => Err(Rule::Revoked),
        (Some(phase), Some(hello), Some(host)) => Ok((phase, hello, host)),
        (Some(_), ..) => Err(Rule::ServerName),
    };
    let (phase, hello, host) = match decided {
        Ok(wanted) => wanted,
        Err(rule) => {
            entry.decide(Verdict::Denied, rule);
            return greeting::refuse(&mut stream, Alert::AccessDenied).await;
        }
    };
    match reach(&service, phase, &host, &mut entry).await {
        Ok(target) => {
            tunnel::carry(service, target, phase, caller.client, stream, hello, entry).await;
        }
        Err(alert) => greeting::refuse(&mut stream, alert).await,
    }
}

async fn reach(
    service: &Service,
    phase: Phase,
    host: &str,
    entry: &mut Entry,
) -> Result<Target, Alert> {
    match tunnel::reach(service, phase, host, TLS_PORT, entry).await {
        Ok(target) => Ok(target),
        Err(Refusal::Denied(rule, _)) => {
            entry.decide(Verdict::Denied, rule);
            Err(Alert::AccessDenied)
        }
        Err(Refusal::Failed(_)) => {
            entry.fail();
            Err(Alert::InternalError)
        }
    }
}

/// Plain HTTP: the host is the one in each request's Host header.
async fn answer(
    service: Arc<Service>,
    caller: Caller,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) {
    let answer = service_fn(|request| {
        let (service, caller) = (Arc::clone(&service), caller.clone());
        async move { Ok::<_, Infallible>(fetch(service, caller, request).await) }
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "a direct connection of a sandbox broke");
    }
}

async fn fetch(
    service: Arc<Service>,
    caller: Caller,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut request = request;
    if let Some(uri) = address(&request) {
        *request.uri_mut() = uri;
        return service.answer(request, caller).await;
    }
    let mut entry = service.journal.entry(Asked {
        phase: None,
        method: request.method().to_string(),
        host: String::new(),
        path: Some(request.uri().path().to_owned()),
        target: None,
        client: caller.client,
    });
    let sentence = "A request to a host needs one Host header, and names its path.";
    Refusal::Denied(Rule::Malformed, sentence.to_owned()).answer(&mut entry)
}

/// The address under which a proxy is asked for the same. None where the request names no host, or two, or is one that
/// only a proxy is asked.
fn address<B>(request: &Request<B>) -> Option<Uri> {
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(name), None) = (named.next(), named.next()) else {
        return None;
    };
    let authority: Authority = name.to_str().ok()?.parse().ok()?;
    let uri = request.uri();
    if uri.authority().is_some() || authority.as_str().contains('@') {
        return None;
    }
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(uri.path_and_query()?.clone())
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_request_to_a_host_is_one_for_the_host_that_it_names_and_no_other() {
        let table: [(&str, &str, &[&str], Option<&str>); 8] = [
            (
                "GET",
                "/p?x=1",
                &["a.example"],
                Some("http://a.example/p?x=1"),
            ),
            (
                "GET",
                "/p",
                &["a.example:80"],
                Some("http://a.example:80/p"),
            ),
            ("GET", "/anthropic/v1", &[], None),
            ("GET", "/p", &["a.example", "b.example"], None),
            ("GET", "/p", &["ana@a.example"], None),
            ("GET", "/p", &["a b"], None),
            (
                "GET",
                "http://127.0.0.1:3128/anthropic",
                &["a.example"],
                None,
            ),
            ("CONNECT", "a.example:443", &["a.example"], None),
        ];
        for (method, uri, hosts, expected) in table {
            let mut request = Request::builder().method(method).uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let found = address(&request.body(()).unwrap());
            assert_eq!(
                found.map(|uri| uri.to_string()).as_deref(),
                expected,
                "{method} {uri} {hosts:?}"
            );
        }
    }
}
