//! Carries each TCP connection to a loopback port over to a socket of the host, bytes unread, with a line in front that
//! says which program asks.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::who;

/// Connections at a time; two threads serve each.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection waits where the socket's owner is away, as in a restart of the host's program.
const RESTART_WAIT: Duration = Duration::from_secs(20);
/// The pause between two attempts in that time.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a refused client may take to send its request and to read the answer.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);
/// Bytes that one read moves, from the host to the client or back. Waking the other side costs more than copying, so a large
/// body goes in large pieces; what a small one does not fill is never touched.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of a refused request that are read.
const REQUEST_BYTES: usize = 16 * 1024;

const ABSENT: &str = "This sandbox has no way out: the host's egress socket is not there.";
const AWAY: &str = "The host's egress proxy does not answer. Try again later.";
const CROWDED: &str = "Too many connections are open in this sandbox. Close some and try again.";

/// The alert of TLS that something inside failed. Source: RFC 8446, 5.1 and 6: a fatal alert (2) named
/// `internal_error` (80), in a record (21) of two bytes.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// What a client understands where it cannot be carried.
#[derive(Debug, Clone, Copy)]
pub enum Speech {
    /// An answer in HTTP.
    Http,
    /// An alert of TLS, which has no sentence.
    Tls,
}

/// Serves connections for as long as the process lives.
pub fn serve(listener: &TcpListener, socket: &Path, speech: Speech) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((client, _)) = listener.accept() else {
            // Out of file descriptors, mostly: the next attempt succeeds when a connection has closed.
            thread::sleep(RETRY_PAUSE);
            continue;
        };
        let place = Place::take(&open, MAX_CONNECTIONS);
        let socket = socket.to_owned();
        let serving = thread::Builder::new().spawn(move || match place {
            Some(_place) => carry(client, &socket, speech),
            None => refuse(client, speech, "503 Service Unavailable", CROWDED),
        });
        // Out of threads: the client sees its connection close.
        drop(serving);
    }
}

/// One of a number of places, given back when it is dropped.
pub struct Place(Arc<AtomicUsize>);

impl Place {
    /// A place, while fewer than `most` are taken.
    pub fn take(open: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn carry(client: TcpStream, socket: &Path, speech: Speech) {
    match connect(socket) {
        Ok(mut host) => {
            // Who cannot be introduced is carried all the same; a host that is gone shows itself in what follows.
            let _ = host.write_all(who::introduction(&client).as_bytes());
            // Without this, small pieces of a stream wait for each other.
            let _ = client.set_nodelay(true);
            join(&client, &host);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            refuse(client, speech, "502 Bad Gateway", ABSENT);
        }
        Err(_) => refuse(client, speech, "502 Bad Gateway", AWAY),
    }
}

/// Connects to the host. A socket that nobody answers is tried for a while; one that is missing is not.
fn connect(socket: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + RESTART_WAIT;
    loop {
        match UnixStream::connect(socket) {
            Err(error)
                if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < deadline =>
            {
                thread::sleep(RETRY_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Moves bytes both ways until both sides are done. One side may end long before the other.
fn join(client: &TcpStream, host: &UnixStream) {
    thread::scope(|scope| {
        scope.spawn(|| {
            if pour(client, host).is_err() {
                let _ = host.shutdown(Shutdown::Both);
            }
            let _ = host.shutdown(Shutdown::Write);
        });
        if pour(host, client).is_err() {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = client.shutdown(Shutdown::Write);
    });
}

fn pour(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&chunk[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Answers a request that cannot be carried, in the client's own language.
fn refuse(mut client: TcpStream, speech: Speech, status: &str, sentence: &str) {
    let _ = client.set_read_timeout(Some(REFUSAL_WAIT));
    let mut request = [0; REQUEST_BYTES];
    // Closing a connection with unread bytes resets it, and the client would never see the answer.
    let _ = client.read(&mut request);
    let length = sentence.len() + 1;
    let http = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nx-deckhand-egress: unavailable\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{sentence}\n"
    );
    let answer = match speech {
        Speech::Http => http.as_bytes(),
        Speech::Tls => &ALERT,
    };
    if client.write_all(answer).is_ok() {
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read(&mut request);
    }
}
