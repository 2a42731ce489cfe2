//! Tunnels to listed hosts. What is inside has to be TLS for the host that the tunnel is for; it is passed on unseen, or
//! inspected where the host's rule asks for that.

use std::{io, sync::Arc};

use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use super::{
    dial::dial,
    form,
    forward::{IDLE_TIME, MAX_ANSWER_BYTES},
    greeting::{self, Alert, Hello},
    inspect::{self, Inspected},
    journal::{Entry, Traffic},
    plain::unreachable,
    policy::{Phase, Tls, normal},
    record::{Rule, Verdict},
    refusal::{Body, Refusal, whole},
    serve::{Caller, Service},
};

/// Tunnels of one run at a time, beside its other connections.
pub const MAX_TUNNELS: usize = 256;
/// What may leave through one tunnel, in bytes: requests for packages are small.
const MAX_UP_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that one read moves: a tunnel has two such buffers.
const CHUNK_BYTES: usize = 256 * 1024;

/// Where a tunnel leads.
#[derive(Debug)]
pub struct Target {
    host: String,
    port: u16,
    /// The connection to the host; none where each request inside is decided first.
    server: Option<TcpStream>,
}

/// Answers a CONNECT. The tunnel itself is a task of its own, which ends with the epoch.
pub async fn connect(
    service: Arc<Service>,
    phase: Phase,
    caller: Caller,
    request: Request<Incoming>,
    mut entry: Entry,
) -> Response<Body> {
    let Ok(place) = Arc::clone(&service.tunnels).try_acquire_owned() else {
        let sentence = "Too many tunnels are open. Close some and try again.".to_owned();
        return Refusal::Failed(sentence).answer(&mut entry);
    };
    if let Err(refusal) = form::connect(&request) {
        return refusal.answer(&mut entry);
    }
    let authority = request
        .uri()
        .authority()
        .and_then(|authority| Some((authority.host(), authority.port_u16()?)));
    let Some((host, port)) = authority else {
        let sentence = "CONNECT needs host:port.".to_owned();
        return Refusal::Denied(Rule::Malformed, sentence).answer(&mut entry);
    };
    let target = match reach(&service, phase, host, port, &mut entry).await {
        Ok(target) => target,
        Err(refusal) => return refusal.answer(&mut entry),
    };
    entry.status(StatusCode::OK.as_u16());
    let Caller { epoch, client } = caller;
    tokio::spawn(epoch.over.run_until_cancelled_owned(async move {
        let _place = place;
        let Ok(stream) = hyper::upgrade::on(request).await else {
            entry.fail();
            return;
        };
        let mut stream = TokioIo::new(stream);
        match greeting::hear(&mut stream).await {
            Ok(hello) => carry(service, target, phase, client, stream, hello, entry).await,
            // The client was told that the tunnel stands; all that can be done is to cut it.
            Err(_) => entry.decide(Verdict::Denied, Rule::ServerName),
        }
    }));
    Response::new(whole(String::new()))
}

/// Decides whether a host may be reached, notes the rule, and connects to it unless its requests are inspected.
pub async fn reach(
    service: &Service,
    phase: Phase,
    host: &str,
    port: u16,
    entry: &mut Entry,
) -> Result<Target, Refusal> {
    let host = normal(host);
    let passage = service
        .gate
        .policy()
        .connect(phase, &host, port)
        .map_err(|denial| Refusal::denial(denial, phase, &host))?;
    entry.decide(Verdict::Allowed, passage.rule);
    if entry.traffic().is_spent() {
        return Err(Refusal::spent(&host));
    }
    let server = match passage.tls {
        Tls::Inspect => None,
        Tls::Tunnel => {
            let dialled = dial(&service.way, &host, port, passage.addresses).await;
            Some(dialled.map_err(|error| unreachable(&host, &error))?)
        }
    };
    Ok(Target { host, port, server })
}

/// Carries a conversation whose greeting was heard, until its end.
pub async fn carry(
    service: Arc<Service>,
    target: Target,
    phase: Phase,
    client: Option<String>,
    mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    hello: Hello,
    mut entry: Entry,
) {
    let Target { host, port, server } = target;
    if hello.server_name.as_deref() != Some(host.as_str()) {
        entry.decide(Verdict::Denied, Rule::ServerName);
        return greeting::refuse(&mut stream, Alert::AccessDenied).await;
    }
    let Some(mut server) = server else {
        let inspected = Inspected {
            host,
            port,
            phase,
            client,
        };
        return inspect::converse(service, inspected, stream, hello, entry).await;
    };
    let traffic = entry.traffic();
    traffic.add_up(hello.bytes.len());
    let outcome = async {
        server.write_all(&hello.bytes).await?;
        exchange(stream, server, &traffic).await
    };
    if outcome.await.is_err() {
        entry.fail();
    }
}

/// Moves bytes both ways until both sides are done, or neither says anything, or a limit is reached.
async fn exchange(
    client: impl AsyncRead + AsyncWrite,
    server: TcpStream,
    traffic: &Traffic,
) -> io::Result<()> {
    let (client_reader, client_writer) = tokio::io::split(client);
    let (server_reader, server_writer) = server.into_split();
    let both = async {
        tokio::try_join!(
            pour(client_reader, server_writer, |count| traffic.add_up(count)
                <= MAX_UP_BYTES
                && !traffic.is_spent()),
            pour(server_reader, client_writer, |count| traffic
                .add_down(count)
                <= MAX_ANSWER_BYTES),
        )
    };
    tokio::select! {
        outcome = both => outcome.map(|_| ()),
        () = silence(traffic) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn pour(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    within_limit: impl Fn(usize) -> bool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        if !within_limit(count) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        to.write_all(&chunk[..count]).await?;
        to.flush().await?;
    }
}

/// Ends when nothing has moved for the idle time, or at most twice that.
async fn silence(traffic: &Traffic) {
    let mut before = traffic.total();
    loop {
        sleep(IDLE_TIME).await;
        let now = traffic.total();
        if now == before {
            return;
        }
        before = now;
    }
}
