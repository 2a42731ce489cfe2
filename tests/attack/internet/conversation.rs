//! One connection to the suite's internet, answered as a proxy or as a web server would.

use std::{io::Cursor, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

use super::{Arrivals, tls::Hosts};
use crate::suite::CANARY_MAX_BYTES;

/// Bytes of one request that are held; what is over is looked through and let go.
const HELD_BYTES: usize = 256 * 1024;
/// How long the rest of something is waited for that is no whole request.
const REST_TIME: Duration = Duration::from_millis(100);
/// How long anything is waited for.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// The line by which the shim says who asks.
const CLIENT_LINE: &[u8] = b"DECKHAND-CLIENT ";
/// The first byte of a greeting in TLS. Source: RFC 8446, 5.1.
const HANDSHAKE: u8 = 0x16;

/// What came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A request, or a piece of a large one.
    Request,
    /// Something that is none.
    Other,
}

/// What bytes go over.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<W: AsyncRead + AsyncWrite + Send + Unpin> Wire for W {}

/// A connection, where it leads, and what came by it and was not answered yet.
pub struct Conversation {
    wire: Box<dyn Wire>,
    arrivals: Arrivals,
    at: String,
    bytes: Vec<u8>,
}

impl Conversation {
    /// Somebody came by this road.
    pub fn new(
        wire: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        arrivals: Arrivals,
        at: String,
    ) -> Self {
        Self {
            wire: Box::new(wire),
            arrivals,
            at,
            bytes: Vec::new(),
        }
    }

    /// Answers until the other side has gone: a CONNECT by letting it through, anything else as a web server does.
    pub async fn hold(mut self, hosts: Hosts) {
        while let Some((request, form)) = self.request().await {
            let text = String::from_utf8_lossy(&request).into_owned();
            let mut words = text.split_whitespace();
            let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let is_tunnel = method == "CONNECT";
            let reply = if is_tunnel {
                target.clone_into(&mut self.at);
                "HTTP/1.1 200 OK\r\n\r\n".to_owned()
            } else {
                page(target)
            };
            if self.wire.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
            if is_tunnel && !self.is_greeted(&hosts).await {
                return;
            }
            let is_last = text.to_ascii_lowercase().contains("\nconnection: close");
            if !is_tunnel && (is_last || form == Form::Other) {
                return;
            }
        }
    }

    /// Agrees on TLS where that is how a tunnel begins. False where nothing comes of it.
    async fn is_greeted(&mut self, hosts: &Hosts) -> bool {
        if self.bytes.is_empty() && !self.read(IDLE_TIME).await {
            return false;
        }
        if self.bytes.first() != Some(&HANDSHAKE) {
            return true;
        }
        let bare: Box<dyn Wire> = Box::new(tokio::io::empty());
        let (reader, writer) = tokio::io::split(std::mem::replace(&mut self.wire, bare));
        let whole = Cursor::new(std::mem::take(&mut self.bytes)).chain(reader);
        let accepted = hosts.0.accept(tokio::io::join(whole, writer));
        let Ok(Ok(stream)) = timeout(IDLE_TIME, accepted).await else {
            return false;
        };
        self.wire = Box::new(stream);
        true
    }

    /// The next whole request, or whatever came where nothing more comes for a moment; `None` at the end.
    async fn request(&mut self) -> Option<(Vec<u8>, Form)> {
        loop {
            if self.bytes.starts_with(CLIENT_LINE)
                && let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n')
            {
                self.bytes.drain(..=end);
            }
            if let Some(length) = whole(&self.bytes) {
                return Some((self.bytes.drain(..length).collect(), Form::Request));
            }
            if self.bytes.len() > HELD_BYTES {
                return Some((std::mem::take(&mut self.bytes), Form::Request));
            }
            let patience = if self.bytes.is_empty() {
                IDLE_TIME
            } else {
                REST_TIME
            };
            if !self.read(patience).await {
                let rest = std::mem::take(&mut self.bytes);
                return (!rest.is_empty()).then_some((rest, Form::Other));
            }
        }
    }

    /// Takes what comes. False where nothing comes in time, or at the end.
    async fn read(&mut self, patience: Duration) -> bool {
        let before = self.bytes.len();
        let read = timeout(patience, self.wire.read_buf(&mut self.bytes)).await;
        let Ok(Ok(1..)) = read else {
            return false;
        };
        let from = before.saturating_sub(CANARY_MAX_BYTES);
        self.arrivals.arrived(&self.at, &self.bytes[from..]);
        true
    }
}

/// The length of the first request of these bytes, once it is whole.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    if text.contains("transfer-encoding") {
        let end = memchr::memmem::find(&bytes[head..], b"0\r\n\r\n")?;
        return Some(head + end + 5);
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
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
