//! Connections of a sandbox to a socket of the host.
//!
//! Whoever is inside can send open files along with its bytes, and the last close of one takes as long as its sender likes: of
//! a connection that lingers over what nobody reads, of a file on a disk that does not answer. The kernel closes what a reader
//! does not take, in the reader's own thread, and a worker that waits there serves nobody. So what comes is taken, and a thread
//! of the run's own closes it; the connection too, in which more may wait unread.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, ready},
    thread,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg,
    sockopt::set_socket_send_buffer_size,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{UnixListener, UnixStream},
    sync::OwnedSemaphorePermit,
};

/// Open files that one message can hold. Source: `unix(7)`, `SCM_MAX_FD`.
const MAX_FILES: usize = 253;

/// What is to be closed.
#[derive(Debug)]
enum Ended {
    /// A file that was sent.
    Stray(OwnedFd),
    /// A connection, and the place among the run's that is free then.
    Guest(OwnedFd, Option<OwnedSemaphorePermit>),
    /// A socket, in front of which connections may wait.
    Entrance(OwnedFd),
}

/// Closes what came out of one sandbox, in a thread that ends with it. Where one close does not end, the sandbox's other
/// connections wait for it, and nobody else does.
#[derive(Debug)]
pub struct Closer {
    ended: mpsc::Sender<Ended>,
    /// Files that were sent and are not closed yet.
    strays: Arc<AtomicUsize>,
}

impl Closer {
    /// Begins the thread.
    ///
    /// # Errors
    /// Where the machine has no thread left.
    pub fn start() -> io::Result<Arc<Self>> {
        let (ended, waiting) = mpsc::channel::<Ended>();
        let strays = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&strays);
        thread::Builder::new()
            .name("closer".to_owned())
            .spawn(move || {
                for ended in waiting {
                    match ended {
                        Ended::Stray(file) => {
                            drop(file);
                            left.fetch_sub(1, Ordering::Release);
                        }
                        Ended::Guest(connection, place) => {
                            drop(connection);
                            drop(place);
                        }
                        Ended::Entrance(socket) => drop(socket),
                    }
                }
            })?;
        Ok(Arc::new(Self { ended, strays }))
    }

    /// Closes a file that was sent.
    fn close_stray(&self, file: OwnedFd) {
        self.strays.fetch_add(1, Ordering::Release);
        // The thread lives as long as this does.
        let _ = self.ended.send(Ended::Stray(file));
    }

    /// Whether a file that was sent is not closed yet. Nothing is read meanwhile, so that they cannot gather.
    fn is_busy(&self) -> bool {
        self.strays.load(Ordering::Acquire) > 0
    }
}

/// A socket at which a sandbox's connections arrive.
#[derive(Debug)]
pub struct Entrance {
    /// There until it is dropped.
    listener: Option<UnixListener>,
    closer: Arc<Closer>,
}

impl Entrance {
    /// One whose connections are closed by `closer`.
    pub fn new(listener: UnixListener, closer: &Arc<Closer>) -> Self {
        Self {
            listener: Some(listener),
            closer: Arc::clone(closer),
        }
    }

    /// Waits for the next connection, whose place is free when it is closed.
    pub async fn accept(&self, place: OwnedSemaphorePermit) -> io::Result<Guest> {
        let listener = self.listener.as_ref();
        let listener = listener.ok_or(io::ErrorKind::NotConnected)?;
        let (stream, _) = listener.accept().await?;
        Ok(Guest::new(stream, place, &self.closer))
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        if let Some(Ok(listener)) = self.listener.take().map(UnixListener::into_std) {
            let _ = self.closer.ended.send(Ended::Entrance(listener.into()));
        }
    }
}

/// A connection of a sandbox.
#[derive(Debug)]
pub struct Guest {
    /// There until it is dropped.
    stream: Option<UnixStream>,
    place: Option<OwnedSemaphorePermit>,
    closer: Arc<Closer>,
}

impl Guest {
    /// A connection that was accepted; its place is free when it is closed.
    pub fn new(stream: UnixStream, place: OwnedSemaphorePermit, closer: &Arc<Closer>) -> Self {
        Self {
            stream: Some(stream),
            place: Some(place),
            closer: Arc::clone(closer),
        }
    }

    /// Lets so many bytes wait to be taken, or as many as the kernel gives to anybody.
    pub fn let_wait(&self, bytes: usize) {
        if let Some(stream) = &self.stream {
            // A failure only makes the pieces smaller in which a large body is handed on.
            let _ = set_socket_send_buffer_size(stream, bytes);
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut UnixStream>> {
        let stream = self.stream.as_mut();
        stream
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(Ok(stream)) = self.stream.take().map(UnixStream::into_std) {
            let ended = Ended::Guest(stream.into(), self.place.take());
            let _ = self.closer.ended.send(ended);
        }
    }
}

/// Reads what is there. Open files have no business here, and end the connection.
fn receive(stream: &UnixStream, room: &mut [u8], closer: &Closer) -> io::Result<usize> {
    if closer.is_busy() {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut files = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let came = recvmsg(stream, &mut [IoSliceMut::new(room)], &mut files, flags)?;
    let mut is_clean = true;
    for message in files.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            is_clean = false;
            sent.for_each(|file| closer.close_stray(file));
        }
    }
    if is_clean {
        Ok(came.bytes)
    } else {
        tracing::debug!("a sandbox sent open files; they are closed, and its connection");
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let closer = Arc::clone(&self.closer);
        let stream = self.stream()?;
        loop {
            ready!(stream.poll_read_ready(context))?;
            let room = buffer.initialize_unfilled();
            match stream.try_io(Interest::READABLE, || receive(&stream, room, &closer)) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{
        io::{IoSlice, Write as _},
        net::{TcpListener, TcpStream},
        os::fd::AsFd as _,
        time::Duration,
    };

    use rustix::net::{
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt::set_socket_linger,
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::Semaphore,
    };

    use super::*;

    /// A connection whose close waits until its other end has read what there is, or is gone.
    fn lingering() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        set_socket_linger(&one, Some(Duration::from_secs(20))).unwrap();
        one.set_nonblocking(true).unwrap();
        while one.write(&[0; 16 * 1024]).is_ok() {}
        (one, other)
    }

    /// Sends a file with some bytes, and keeps none of it.
    fn send(sandbox: &UnixStream, file: impl Into<OwnedFd>) {
        let file = file.into();
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut along = SendAncillaryBuffer::new(&mut space);
        assert!(along.push(SendAncillaryMessage::ScmRights(&files)));
        let bytes = [IoSlice::new(b"GET / ")];
        sendmsg(sandbox, &bytes, &mut along, SendFlags::empty()).unwrap();
    }

    async fn guest(places: &Arc<Semaphore>, closer: &Arc<Closer>) -> (UnixStream, Guest) {
        let (sandbox, host) = UnixStream::pair().unwrap();
        let place = Arc::clone(places).acquire_owned().await.unwrap();
        (sandbox, Guest::new(host, place, closer))
    }

    #[tokio::test]
    async fn files_that_do_not_close_hold_nobody_up_but_their_sandbox() {
        let (places, closer) = (Arc::new(Semaphore::new(2)), Closer::start().unwrap());
        let (one, mut first) = guest(&places, &closer).await;
        let (mut two, mut second) = guest(&places, &closer).await;
        let (file, peer) = lingering();
        send(&one, file);
        let (more, more_peer) = lingering();
        send(&one, more);
        let mut room = [0; 64];
        // Would take as long as the file lingers, if it were closed here.
        let read = first.read(&mut room).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        two.write_all(b"x").await.unwrap();
        let read = second.read(&mut room).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        // Nor does it matter that another waits unread.
        drop(first);
        assert_eq!(places.available_permits(), 0, "not closed yet");
        drop((peer, more_peer));
        let _place = places.acquire().await.unwrap();
        assert_eq!(second.read(&mut room).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_so_do_ends() {
        let (places, closer) = (Arc::new(Semaphore::new(1)), Closer::start().unwrap());
        let (mut sandbox, mut host) = guest(&places, &closer).await;
        sandbox.write_all(b"question").await.unwrap();
        sandbox.shutdown().await.unwrap();
        let mut question = String::new();
        host.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        host.write_all(b"answer").await.unwrap();
        drop(host);
        let mut answer = String::new();
        sandbox.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        let _place = places.acquire().await.unwrap();
    }
}
