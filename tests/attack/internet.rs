//! The internet of the suite: any name leads here, everything that arrives is kept, and everything is answered.
//!
//! The egress proxy is told that the house reaches the internet through a proxy, and this is that proxy. Beside it
//! listens what a direct way out would reach: TCP and UDP on every address of this machine.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket, UnixListener},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::suite::Canary;

/// Bytes of one arrival that are kept.
const KEPT_BYTES: usize = 256 * 1024;
/// Arrivals that are kept; a suite makes some hundreds.
const KEPT: usize = 20_000;
/// How long the rest of a request is waited for.
const REST_TIME: Duration = Duration::from_millis(400);
/// How long anything is waited for.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// The line by which the shim says who asks.
const CLIENT_LINE: &[u8] = b"DECKHAND-CLIENT ";

/// Something that arrived outside.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Where: `evil.example:443`, or the road where there is no name.
    pub at: String,
    /// What.
    pub bytes: Vec<u8>,
}

/// What has arrived so far.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<Arrival>>>);

impl Arrivals {
    fn add(&self, at: &str, bytes: &[u8]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEPT && !bytes.is_empty() {
            all.push(Arrival {
                at: at.to_owned(),
                bytes: bytes[..bytes.len().min(KEPT_BYTES)].to_vec(),
            });
        }
    }

    /// Where a canary arrived, leaving out the places where it may.
    pub fn of(&self, canary: &Canary, may_be_at: &[&str]) -> Option<Arrival> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let needle = canary.as_str().as_bytes();
        all.iter()
            .find(|arrival| {
                !may_be_at.contains(&arrival.at.as_str())
                    && arrival
                        .bytes
                        .windows(needle.len())
                        .any(|window| window == needle)
            })
            .cloned()
    }
}

/// The running internet; it ends when this is dropped.
pub struct Internet {
    /// What has arrived.
    pub arrivals: Arrivals,
    /// The address of the house's proxy, which reaches every name.
    pub proxy: String,
    /// The port that listens on every address of this machine, TCP and UDP.
    pub port: u16,
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl Internet {
    /// Starts listening.
    pub async fn start() -> io::Result<Self> {
        let arrivals = Arrivals::default();
        let house = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = format!("http://{}", house.local_addr()?);
        let direct = TcpListener::bind("0.0.0.0:0").await?;
        let port = direct.local_addr()?.port();
        let datagrams = UdpSocket::bind(("0.0.0.0", port)).await?;
        let tasks = vec![
            spawn(serve_house(house, arrivals.clone())),
            spawn(serve_direct(direct, arrivals.clone())),
            spawn(hear_datagrams(datagrams, arrivals.clone())),
            spawn(serve_abstract(abstract_socket(port)?, arrivals.clone())),
        ];
        Ok(Self {
            arrivals,
            proxy,
            port,
            tasks,
        })
    }

    /// Serves a folder as an egress proxy without rules would: what a control needs, to show that an attempt works.
    pub fn serve_without_rules(&mut self, folder: &Path) -> io::Result<()> {
        for name in ["egress.sock", "transparent.sock"] {
            let path = folder.join(name);
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
            let arrivals = self.arrivals.clone();
            self.tasks.push(spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream, arrivals.clone(), "proxy".to_owned()));
                }
            }));
        }
        Ok(())
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

async fn serve_house(listener: TcpListener, arrivals: Arrivals) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, arrivals.clone(), "house".to_owned()));
    }
}

async fn serve_direct(listener: TcpListener, arrivals: Arrivals) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, arrivals.clone(), "direct".to_owned()));
    }
}

/// A socket with a name and no file, which every process of the same network namespace can reach.
fn abstract_socket(port: u16) -> io::Result<UnixListener> {
    use std::os::{linux::net::SocketAddrExt as _, unix::net};
    let name = format!("deckhand-attack-{port}");
    let address = net::SocketAddr::from_abstract_name(name)?;
    let listener = net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn serve_abstract(listener: UnixListener, arrivals: Arrivals) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, arrivals.clone(), "abstract".to_owned()));
    }
}

async fn hear_datagrams(socket: UdpSocket, arrivals: Arrivals) {
    let mut datagram = vec![0; 64 * 1024];
    while let Ok((count, from)) = socket.recv_from(&mut datagram).await {
        arrivals.add("datagram", &datagram[..count]);
        // An answer, so that a resolver that asked does not ask for long.
        let _ = socket.send_to(&datagram[..count.min(512)], from).await;
    }
}

/// Keeps what arrives at `at`, and answers it: a CONNECT by letting it through, anything else as a web server does.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    arrivals: Arrivals,
    mut at: String,
) {
    loop {
        let Some(mut bytes) = request(&mut stream).await else {
            return;
        };
        if bytes.starts_with(CLIENT_LINE) {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            bytes.drain(..=end);
            if bytes.is_empty() {
                continue;
            }
        }
        arrivals.add(&at, &bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut words = text.split_whitespace();
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let reply = if method == "CONNECT" {
            target.clone_into(&mut at);
            "HTTP/1.1 200 OK\r\n\r\n".to_owned()
        } else {
            page(target)
        };
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// What a web server answers; `/to/<host>/<path>` leads on to another host.
fn page(target: &str) -> String {
    let leads = target.split_once("/to/").map(|(_, rest)| rest);
    match leads {
        Some(rest) => {
            format!("HTTP/1.1 302 Found\r\nlocation: http://{rest}\r\ncontent-length: 0\r\n\r\n")
        }
        None => "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nreached\n".to_owned(),
    }
}

/// Bytes until a head is whole and nothing more comes for a moment; `None` at the end.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let patience = if bytes.is_empty() {
            IDLE_TIME
        } else {
            REST_TIME
        };
        match timeout(patience, stream.read(&mut chunk)).await {
            Ok(Ok(count)) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            Ok(Ok(_) | Err(_)) | Err(_) => return (!bytes.is_empty()).then_some(bytes),
        }
        let is_bare_head = bytes.ends_with(b"\r\n\r\n")
            && !bytes
                .to_ascii_lowercase()
                .windows(15)
                .any(|w| w == b"content-length:");
        if is_bare_head || bytes.len() > KEPT_BYTES {
            return Some(bytes);
        }
    }
}
