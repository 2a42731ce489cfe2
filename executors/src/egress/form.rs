//! The forms in which a proxy may be asked: what can be read in two ways is refused, before anybody looks for its host.

use hyper::{
    HeaderMap, Method, Request, Uri,
    header::{HOST, UPGRADE},
    http::{request::Parts, uri::Authority},
};

use super::{policy::normal, record::Rule, refusal::Refusal};

/// Refuses a CONNECT that names more than a host and a port, or two hosts.
pub fn connect<B>(request: &Request<B>) -> Result<(), Refusal> {
    let plain = |uri: &Uri| uri.scheme().is_none() && uri.path_and_query().is_none();
    if !plain(request.uri()) || holds_login(request.uri()) {
        return Err(denied(Rule::Malformed, "CONNECT needs host:port."));
    }
    agrees(request.headers(), request.uri())
}

/// Refuses a plain request that is none for a proxy, or names two hosts, or wants to become something else.
pub fn plain(head: &Parts) -> Result<(), Refusal> {
    if head.uri.scheme_str() != Some("http") {
        return Err(denied(
            Rule::Scheme,
            "Only http addresses are asked of a proxy this way; for https it is asked with CONNECT.",
        ));
    }
    if holds_login(&head.uri) {
        return Err(denied(
            Rule::Malformed,
            "An address with a name or a password in it is not sent.",
        ));
    }
    if head.headers.contains_key(UPGRADE) {
        return Err(denied(
            Rule::Upgrade,
            "A connection cannot become another protocol here.",
        ));
    }
    agrees(&head.headers, &head.uri)
}

/// Refuses a body on a request that only reads: a host may be listed for reading alone, and a body is something said.
pub fn reading<B: hyper::body::Body>(head: &Parts, body: &B) -> Result<(), Refusal> {
    let reads = matches!(
        head.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    if reads && !body.is_end_stream() {
        let sentence = format!("A {} carries no body here.", head.method);
        return Err(Refusal::Denied(Rule::Malformed, sentence));
    }
    Ok(())
}

/// Whether the header `Host`, where there is one, names the host of the address, and is there once.
fn agrees(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(named) = hosts.next() else {
        return Ok(());
    };
    let named: Option<Authority> = named.to_str().ok().and_then(|text| text.parse().ok());
    let same = |named: &Authority| {
        uri.host().map(normal) == Some(normal(named.host()))
            && !named.as_str().contains('@')
            && (named.port().is_none() || named.port_u16() == port(uri))
    };
    if hosts.next().is_none() && named.as_ref().is_some_and(same) {
        Ok(())
    } else {
        Err(denied(
            Rule::HostMismatch,
            "The header Host names another host than the address, or there are two of it.",
        ))
    }
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(Some(super::policy::HTTP_PORT))
}

fn holds_login(uri: &Uri) -> bool {
    uri.authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
}

fn denied(rule: Rule, sentence: &str) -> Refusal {
    Refusal::Denied(rule, sentence.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    #![expect(clippy::too_many_lines, reason = "a table is as long as its cases")]

    use super::*;

    fn rule(method: &str, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let refused = if method == "CONNECT" {
            connect(&request)
        } else {
            plain(&request.into_parts().0)
        };
        match refused {
            Ok(()) => None,
            Err(Refusal::Denied(rule, _)) => Some(rule.to_string()),
            Err(Refusal::Failed(_)) => Some("failed".to_owned()),
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Row<'_>; 22] = [
            ("GET", "http://a.example/x", &[("host", "a.example")], None),
            (
                "GET",
                "http://a.example/x",
                &[("host", "A.Example.:80")],
                None,
            ),
            ("GET", "http://a.example/x", &[], None),
            (
                "GET",
                "http://a.example:81/x",
                &[("host", "a.example:81")],
                None,
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "b.example")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "a.example:81")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "x@a.example")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "a.example, b.example")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "a.example"), ("host", "b.example")],
                Some("host-mismatch"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("host", "a.example"), ("host", "a.example")],
                Some("host-mismatch"),
            ),
            ("GET", "https://a.example/x", &[], Some("scheme")),
            ("GET", "ftp://a.example/x", &[], Some("scheme")),
            ("GET", "ws://a.example/x", &[], Some("scheme")),
            (
                "GET",
                "http://a.example@b.example/x",
                &[],
                Some("malformed"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("upgrade", "websocket")],
                Some("upgrade"),
            ),
            (
                "GET",
                "http://a.example/x",
                &[("upgrade", "h2c")],
                Some("upgrade"),
            ),
            (
                "CONNECT",
                "a.example:443",
                &[("host", "a.example:443")],
                None,
            ),
            ("CONNECT", "a.example:443", &[("host", "a.example")], None),
            (
                "CONNECT",
                "a.example:443",
                &[("host", "b.example:443")],
                Some("host-mismatch"),
            ),
            (
                "CONNECT",
                "a.example:443",
                &[("host", "a.example:22")],
                Some("host-mismatch"),
            ),
            ("CONNECT", "x@a.example:443", &[], Some("malformed")),
        ];
        for (method, uri, headers, expected) in table {
            let found = rule(method, uri, headers);
            assert_eq!(found.as_deref(), expected, "{method} {uri} {headers:?}");
        }
    }
}
