//! Reads all that is there at once: TLS gives its records out one by one, and each would be handed on by itself.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose reads go on until nothing more is there, or there is no room.
#[derive(Debug)]
pub struct Batched<S> {
    inner: S,
    /// What a read failed with after it had brought something.
    failure: Option<io::Error>,
}

impl<S> Batched<S> {
    /// Reads from this one.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            failure: None,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Batched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        let first = buffer.filled().len();
        loop {
            let before = buffer.filled().len();
            let read = Pin::new(&mut self.inner).poll_read(context, buffer);
            let brought = before > first;
            match read {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                    if buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                // Its end; it is found again by the next read.
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) if brought => {
                    self.failure = Some(failure);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending if brought => return Poll::Ready(Ok(())),
                Poll::Ready(Err(_)) | Poll::Pending => return read,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Batched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::VecDeque;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Gives what it is told, one after another: bytes, an error, or nothing yet.
    struct Told(VecDeque<Result<&'static [u8], Option<io::ErrorKind>>>);

    impl AsyncRead for Told {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.0.pop_front() {
                Some(Ok(bytes)) => {
                    let (now, rest) = bytes.split_at(bytes.len().min(buffer.remaining()));
                    buffer.put_slice(now);
                    if !rest.is_empty() {
                        self.0.push_front(Ok(rest));
                    }
                    Poll::Ready(Ok(()))
                }
                Some(Err(Some(kind))) => Poll::Ready(Err(kind.into())),
                Some(Err(None)) => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                None => Poll::Ready(Ok(())),
            }
        }
    }

    /// What each read brings, to the end or the first error.
    async fn reads(told: Vec<Result<&'static [u8], Option<io::ErrorKind>>>) -> Vec<String> {
        let mut stream = Batched::new(Told(told.into()));
        let mut all = Vec::new();
        loop {
            let mut room = [0; 6];
            match stream.read(&mut room).await {
                Ok(0) => return all,
                Ok(count) => all.push(String::from_utf8(room[..count].to_vec()).unwrap()),
                Err(error) => {
                    all.push(error.kind().to_string());
                    return all;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_read_brings_all_that_is_there_and_waits_for_nothing_more() {
        let told = vec![
            Ok(&b"ab"[..]),
            Ok(b"cd"),
            Err(None),
            Ok(b"ef"),
            Ok(b"ghijkl"),
        ];
        assert_eq!(reads(told).await, ["abcd", "efghij", "kl"]);
        assert_eq!(reads(vec![Err(None), Ok(b"a")]).await, ["a"]);
    }

    #[tokio::test]
    async fn an_error_is_told_after_what_came_before_it() {
        let broken = Err(Some(io::ErrorKind::ConnectionReset));
        let told = vec![Ok(&b"ab"[..]), broken, Ok(b"never")];
        assert_eq!(reads(told).await, ["ab", "connection reset"]);
        assert_eq!(reads(vec![broken]).await, ["connection reset"]);
    }
}
