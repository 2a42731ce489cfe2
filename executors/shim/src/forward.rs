//! Carries each TCP connection to the loopback port over to the host's egress socket, bytes unread.

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

/// Connections at a time; two threads serve each.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection waits where the socket's owner is away, as in a restart of the host's program.
const RESTART_WAIT: Duration = Duration::from_secs(20);
/// The pause between two attempts in that time.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long a refused client may take to send its request and to read the answer.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);
/// Bytes that one read moves.
const CHUNK_BYTES: usize = 16 * 1024;

const ABSENT: &str = "This sandbox has no way out: the host's egress socket is not there.";
const AWAY: &str = "The host's egress proxy does not answer. Try again later.";
const CROWDED: &str = "Too many connections are open in this sandbox. Close some and try again.";

/// Serves connections for as long as the process lives.
pub fn serve(listener: &TcpListener, socket: &Path) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((client, _)) = listener.accept() else {
            // Out of file descriptors, mostly: the next attempt succeeds when a connection has closed.
            thread::sleep(RETRY_PAUSE);
            continue;
        };
        let place = Place::take(&open);
        let socket = socket.to_owned();
        let serving = thread::Builder::new().spawn(move || match place {
            Some(_place) => carry(client, &socket),
            None => refuse(client, "503 Service Unavailable", CROWDED),
        });
        // Out of threads: the client sees its connection close.
        drop(serving);
    }
}

/// One of the [`MAX_CONNECTIONS`], given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < MAX_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn carry(client: TcpStream, socket: &Path) {
    match connect(socket) {
        Ok(host) => {
            // Without this, small pieces of a stream wait for each other.
            let _ = client.set_nodelay(true);
            join(&client, &host);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            refuse(client, "502 Bad Gateway", ABSENT);
        }
        Err(_) => refuse(client, "502 Bad Gateway", AWAY),
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
    let mut chunk = [0; CHUNK_BYTES];
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
fn refuse(mut client: TcpStream, status: &str, sentence: &str) {
    let _ = client.set_read_timeout(Some(REFUSAL_WAIT));
    let mut request = [0; CHUNK_BYTES];
    // Closing a connection with unread bytes resets it, and the client would never see the answer.
    let _ = client.read(&mut request);
    let length = sentence.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\nx-deckhand-egress: unavailable\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{sentence}\n"
    );
    if client.write_all(answer.as_bytes()).is_ok() {
        let _ = client.shutdown(Shutdown::Write);
        let _ = client.read(&mut request);
    }
}
