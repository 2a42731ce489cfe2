//! Tunnels to listed hosts. What is inside is not seen, so it has to be TLS for the host that the tunnel is for.

use std::{
    io::{self, Cursor},
    time::Duration,
};

use hyper::{Request, Response, StatusCode, body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use rustls::server::Acceptor;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    dial::{Way, dial},
    form,
    forward::IDLE_TIME,
    journal::{Entry, Traffic},
    plain::unreachable,
    policy::{EgressPolicy, Phase, Tls, normal},
    record::{Rule, Verdict},
    refusal::{Body, Refusal, whole},
};

/// How long a client may take to say whom it wants to speak to.
const HELLO_TIME: Duration = Duration::from_secs(10);
/// The longest such greeting, in bytes.
const MAX_HELLO_BYTES: usize = 64 * 1024;
/// What may leave through one tunnel, in bytes: requests for packages are small.
const MAX_UP_BYTES: u64 = 64 * 1024 * 1024;
/// What may come through one tunnel, in bytes.
const MAX_DOWN_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// Bytes that one read moves.
const CHUNK_BYTES: usize = 16 * 1024;

/// Answers a CONNECT. The tunnel itself is a task of its own, which ends with the epoch.
pub async fn connect(
    way: &Way,
    policy: &EgressPolicy,
    phase: Phase,
    over: CancellationToken,
    request: Request<Incoming>,
    mut entry: Entry,
) -> Response<Body> {
    let (host, stream) = match reach(way, policy, phase, &request, &mut entry).await {
        Ok(reached) => reached,
        Err(refusal) => return refusal.answer(&mut entry),
    };
    entry.status(StatusCode::OK.as_u16());
    tokio::spawn(over.run_until_cancelled_owned(async move {
        let Ok(client) = hyper::upgrade::on(request).await else {
            entry.fail();
            return;
        };
        carry(TokioIo::new(client), stream, &host, entry).await;
    }));
    Response::new(whole(String::new()))
}

async fn reach(
    way: &Way,
    policy: &EgressPolicy,
    phase: Phase,
    request: &Request<Incoming>,
    entry: &mut Entry,
) -> Result<(String, TcpStream), Refusal> {
    form::connect(request)?;
    let authority = request
        .uri()
        .authority()
        .and_then(|authority| Some((authority.host(), authority.port_u16()?)));
    let Some((host, port)) = authority else {
        return Err(Refusal::Denied(
            Rule::Malformed,
            "CONNECT needs host:port.".to_owned(),
        ));
    };
    let host = normal(host);
    let passage = policy
        .connect(phase, &host, port)
        .map_err(|denial| Refusal::denial(denial, phase, &host))?;
    entry.decide(Verdict::Allowed, passage.rule);
    if entry.traffic().is_spent() {
        return Err(Refusal::spent(&host));
    }
    if passage.tls == Tls::Inspect {
        let sentence = format!("What goes to {host} has to be inspected, which is not possible.");
        return Err(Refusal::Failed(sentence));
    }
    let stream = dial(way, &host, port, passage.addresses)
        .await
        .map_err(|error| unreachable(&host, &error))?;
    Ok((host, stream))
}

async fn carry(mut client: TokioIo<Upgraded>, mut server: TcpStream, host: &str, mut entry: Entry) {
    let traffic = entry.traffic();
    match client_hello(&mut client).await {
        Ok(hello) if hello.server_name.as_deref() == Some(host) => {
            traffic.add_up(hello.bytes.len());
            let outcome = async {
                server.write_all(&hello.bytes).await?;
                exchange(client, server, &traffic).await
            };
            if outcome.await.is_err() {
                entry.fail();
            }
        }
        // The client was told that the tunnel stands; all that can be done is to cut it.
        Ok(_) | Err(_) => entry.decide(Verdict::Denied, Rule::ServerName),
    }
}

/// The beginning of a TLS conversation.
struct Hello {
    bytes: Vec<u8>,
    server_name: Option<String>,
}

async fn client_hello(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    timeout(HELLO_TIME, async {
        loop {
            let count = client.read(&mut chunk).await?;
            if count == 0 || bytes.len() + count > MAX_HELLO_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            bytes.extend_from_slice(&chunk[..count]);
            let mut unread = Cursor::new(&chunk[..count]);
            while unread.position() < count as u64 {
                acceptor.read_tls(&mut unread)?;
                match acceptor.accept() {
                    Ok(Some(accepted)) => {
                        let server_name = accepted.client_hello().server_name().map(normal);
                        return Ok(Hello { bytes, server_name });
                    }
                    Ok(None) => {}
                    Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
        }
    })
    .await?
}

/// Moves bytes both ways until both sides are done, or neither says anything, or a limit is reached.
async fn exchange(
    client: TokioIo<Upgraded>,
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
                <= MAX_DOWN_BYTES),
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
