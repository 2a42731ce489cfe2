//! The greeting with which TLS begins: it says which host is wanted, and is read without answering it.

use std::{
    io::{self, Cursor},
    time::Duration,
};

use rustls::server::Acceptor;
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Chain, Join, ReadHalf,
        WriteHalf, join, split,
    },
    time::timeout,
};

use super::policy::normal;

/// How long a client may take to say whom it wants to speak to.
const HELLO_TIME: Duration = Duration::from_secs(10);
/// The longest such greeting, in bytes.
const MAX_HELLO_BYTES: usize = 64 * 1024;
/// Bytes that one read takes.
const CHUNK_BYTES: usize = 16 * 1024;
/// How long a refused client may take to take note of it.
const ALERT_TIME: Duration = Duration::from_secs(1);

/// Why a client is sent away. Source: RFC 8446, 6.2, with their numbers.
#[derive(Debug, Clone, Copy)]
pub enum Alert {
    /// A rule refuses what it wants.
    AccessDenied = 49,
    /// The host could not be reached.
    InternalError = 80,
}

/// A client's greeting.
#[derive(Debug)]
pub struct Hello {
    /// As it came, for whoever answers it.
    pub bytes: Vec<u8>,
    /// The host that it names, in its one spelling. None for one that names none, or an address in figures.
    ///
    /// With encrypted greetings this is the outer name. It has to be allowed like any other; what is inside cannot be
    /// told from the noise that browsers send in its place, and is never answered by the proxy where it inspects.
    pub server_name: Option<String>,
}

/// Reads a greeting; fails where it is none, or is not there in time.
pub async fn hear(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    timeout(HELLO_TIME, async {
        loop {
            let count = client.read(&mut chunk).await?;
            let read = chunk.get(..count).unwrap_or_default();
            if read.is_empty() || bytes.len() + count > MAX_HELLO_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            bytes.extend_from_slice(read);
            let mut unread = Cursor::new(read);
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

/// Tells a client in TLS's own words that it is refused. One that does not listen is left.
pub async fn refuse(client: &mut (impl AsyncWrite + Unpin), alert: Alert) {
    // Source: RFC 8446, 5.1 and 6: a record (21) of two bytes with a fatal alert (2).
    let record = [21, 3, 3, 0, 2, 2, alert as u8];
    let telling = async {
        client.write_all(&record).await?;
        client.shutdown().await
    };
    let _ = timeout(ALERT_TIME, telling).await;
}

/// A stream whose first bytes were read, and are read again.
pub type Replayed<S> = Join<Chain<Cursor<Vec<u8>>, ReadHalf<S>>, WriteHalf<S>>;

/// Puts what was read in front of the rest.
pub fn replay<S: AsyncRead + AsyncWrite>(read: Vec<u8>, stream: S) -> Replayed<S> {
    let (reader, writer) = split(stream);
    join(Cursor::new(read).chain(reader), writer)
}
