//! Plain HTTP requests to listed hosts, as a proxy is asked for them: read only, without credentials.

use hyper::{Request, Response, body::Incoming, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    dial::{DialError, dial},
    driven::{self, Driven},
    form,
    forward::{IDLE_TIME, clean_request, pass_on, request_body},
    journal::Entry,
    policy::{HTTP_PORT, Phase, Question, Seen, normal},
    query::without_credentials,
    record::{Rule, Verdict},
    refusal::{Body, Refusal},
    serve::Service,
};

/// Sends a request to the host in its address and passes the answer back.
pub async fn fetch(
    service: &Service,
    phase: Phase,
    request: Request<Incoming>,
    mut entry: Entry,
) -> Response<Body> {
    match forward(service, phase, request, &mut entry).await {
        Ok(response) => pass_on(response, entry),
        Err(refusal) => refusal.answer(&mut entry),
    }
}

async fn forward(
    service: &Service,
    phase: Phase,
    request: Request<Incoming>,
    entry: &mut Entry,
) -> Result<Response<Driven>, Refusal> {
    let (mut head, body) = request.into_parts();
    let malformed = || {
        Refusal::Denied(
            Rule::Malformed,
            "The address cannot be asked for.".to_owned(),
        )
    };
    form::plain(&head)?;
    form::reading(&head, &body)?;
    let authority = head.uri.authority().cloned().ok_or_else(malformed)?;
    let (host, port) = (
        normal(authority.host()),
        authority.port_u16().unwrap_or(HTTP_PORT),
    );
    let issued = &service.inspection.issued;
    let permit = service
        .gate
        .policy()
        .request(&Question {
            phase,
            host: &host,
            port,
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query(),
            seen: Seen::Plain,
        })
        .map_err(|denial| Refusal::denial(denial, phase, &host))?;
    issued.refuse_anothers(&head.headers, &head.uri)?;
    entry.decide(Verdict::Allowed, permit.rule);
    entry.count_head(&head);
    if entry.traffic().is_spent() {
        return Err(Refusal::spent(&host));
    }
    let stream = dial(&service.way, &host, port, permit.addresses)
        .await
        .map_err(|error| unreachable(&host, &error))?;
    let broken = |_| Refusal::Failed(format!("{host} broke the connection off."));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;

    head.uri = without_credentials(&head.uri).ok_or_else(malformed)?;
    clean_request(&mut head.headers);
    issued.take_off(&mut head.headers);
    // Not the one that the sandbox wrote, which may be another's.
    head.headers
        .insert(HOST, authority.as_str().parse().map_err(|_| malformed())?);
    let body = request_body(body, entry.traffic())?;
    let answer = timeout(
        IDLE_TIME,
        driven::send(&mut sender, connection, Request::from_parts(head, body)),
    )
    .await;
    answer
        .map_err(|_| Refusal::Failed(format!("{host} was silent for {} s.", IDLE_TIME.as_secs())))?
        .map_err(broken)
}

/// What is said of a host that could not be dialled.
pub fn unreachable(host: &str, error: &DialError) -> Refusal {
    let sentence = format!("{host} cannot be reached: {error}.");
    match error {
        DialError::Forbidden => Refusal::Denied(Rule::PrivateAddress, sentence),
        DialError::Unresolved | DialError::Refused(_) => Refusal::Failed(sentence),
    }
}
