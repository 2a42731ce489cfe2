//! The client of the proxy's measurement: it runs in a container, asks for the same thing many times, and prints how long
//! that took as one JSON object.
//!
//! It is this program, so that neither starting processes nor a script is in the time. What it reads it throws away.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Bytes that are read at once below TLS, whose library asks for little at a time.
const READ_BYTES: usize = 64 << 10;
/// The longest answer to a CONNECT, in bytes.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// What is asked, and how.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The address that is asked.
    #[arg(long)]
    pub address: Uri,
    /// Where connections are made to.
    #[arg(long)]
    pub to: SocketAddr,
    /// How the request is made there.
    #[arg(long, value_enum)]
    pub form: Form,
    /// A file with the authorities to trust; needed for TLS.
    #[arg(long)]
    pub trust: Option<PathBuf>,
    /// A body to send, with POST.
    #[arg(long)]
    pub post: Option<String>,
    /// How many requests.
    #[arg(long)]
    pub count: usize,
    /// How many connections share them.
    #[arg(long)]
    pub at_once: usize,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// As a server is asked.
    Server,
    /// As a proxy is asked for plain HTTP.
    Proxy,
    /// Inside of a tunnel that a proxy is asked for.
    Tunnel,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// From the first request to the last byte of the last answer; connections stand by then.
    pub nanoseconds: u64,
    /// Bytes of bodies that came.
    pub bytes: u64,
}

impl Took {
    /// The time.
    pub fn time(self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }
}

/// Asks, and prints.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let took = ask(&options).await?;
    Ok(writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string(&took)?
    )?)
}

/// Asks.
pub async fn ask(options: &Options) -> anyhow::Result<Took> {
    let mut connections = Vec::new();
    for _ in 0..options.at_once {
        connections.push(connect(options).await?);
    }
    let (count, lanes) = (options.count, options.at_once);
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for (lane, connection) in connections.into_iter().enumerate() {
        let share = count / lanes + usize::from(lane < count % lanes);
        asking.spawn(one_by_one(connection, options.clone(), share));
    }
    let mut bytes = 0;
    while let Some(read) = asking.join_next().await {
        bytes += read??;
    }
    let nanoseconds = u64::try_from(begun.elapsed().as_nanos())?;
    Ok(Took { nanoseconds, bytes })
}

type Connection = SendRequest<Full<Bytes>>;

/// Asks so often, on one connection that is kept.
async fn one_by_one(
    mut connection: Connection,
    options: Options,
    count: usize,
) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for _ in 0..count {
        connection.ready().await?;
        let answer = connection.send_request(request(&options)?).await?;
        let (head, mut body) = answer.into_parts();
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        ensure!(
            head.status == StatusCode::OK,
            "the answer is {}",
            head.status
        );
    }
    Ok(bytes)
}

fn request(options: &Options) -> anyhow::Result<Request<Full<Bytes>>> {
    let address = &options.address;
    let path = address.path_and_query().context("an address has a path")?;
    let target = match options.form {
        Form::Proxy => address.clone(),
        Form::Server | Form::Tunnel => path.as_str().parse()?,
    };
    let method = match options.post {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let body = options.post.clone().unwrap_or_default();
    Ok(Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host(address)?)
        .header("content-type", "application/json")
        .body(body.into())?)
}

fn host(address: &Uri) -> anyhow::Result<&str> {
    Ok(address
        .authority()
        .context("an address names a host")?
        .as_str())
}

async fn connect(options: &Options) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(options.to).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(READ_BYTES, stream);
    if options.form == Form::Tunnel {
        tunnel(&mut stream, host(&options.address)?).await?;
    }
    if options.address.scheme_str() != Some("https") {
        return speak(stream.into_inner()).await;
    }
    let trust = options.trust.as_deref().context("TLS needs --trust")?;
    let name = options.address.host().context("an address names a host")?;
    let name = name.to_owned().try_into()?;
    speak(trusting(trust)?.connect(name, stream).await?).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> anyhow::Result<Connection> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn tunnel(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
) -> anyhow::Result<()> {
    let request = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        ensure!(
            head.len() < HEAD_MAX_BYTES,
            "the answer to CONNECT does not end"
        );
    }
    let head = String::from_utf8_lossy(&head);
    ensure!(head.starts_with("HTTP/1.1 200"), "CONNECT: {head}");
    Ok(())
}

fn trusting(file: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
