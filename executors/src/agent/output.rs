//! The agent's standard output cut into lines, with the position that a later owner goes on from.

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest line of an agent, in bytes. Tool outputs with a picture in them are the longest lines seen; what is over
/// this is no protocol.
pub(super) const LINE_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// How much is asked of the stream at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// A whole line, without its end.
    Line(Vec<u8>),
    /// A line that is longer than [`LINE_LIMIT_BYTES`]; nothing after it can be read.
    TooLong,
    /// The stream ended; an unfinished last line is dropped.
    End,
}

/// A stream of lines that counts its bytes. Reading is cancel-safe: a dropped read loses nothing.
pub(super) struct OutputLines<R> {
    stream: R,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    position: u64,
}

impl<R: AsyncRead + Unpin> OutputLines<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            searched: 0,
            position: 0,
        }
    }

    /// Bytes up to the end of the last line that was given out.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Waits for the next line. A stream that fails is one that ended.
    pub(super) async fn next(&mut self) -> Output {
        loop {
            if let Some(line) = self.take_line() {
                return Output::Line(line);
            }
            if self.buffer.len() > LINE_LIMIT_BYTES {
                return Output::TooLong;
            }
            self.buffer.reserve(READ_BYTES);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Output::End,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the agent's output broke off");
                    return Output::End;
                }
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(offset) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let length = self.searched + offset;
        self.searched = 0;
        self.position += length as u64 + 1;
        let mut line = self.buffer.split_to(length).to_vec();
        self.buffer.advance(1);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[tokio::test]
    async fn lines_are_counted_to_their_ends_and_an_unfinished_one_is_dropped() {
        let mut lines = OutputLines::new(&b"one\n\r\ntwo\r\nthr"[..]);
        assert_eq!(lines.next().await, Output::Line(b"one".to_vec()));
        assert_eq!(lines.position(), 4);
        assert_eq!(lines.next().await, Output::Line(Vec::new()));
        assert_eq!(lines.next().await, Output::Line(b"two".to_vec()));
        assert_eq!(lines.position(), 11);
        assert_eq!(lines.next().await, Output::End);
        assert_eq!(lines.position(), 11);
    }

    #[tokio::test]
    async fn a_line_of_seventeen_mebibytes_is_refused_without_being_kept_whole() {
        let endless = tokio::io::repeat(b'x');
        let mut lines = OutputLines::new(endless);
        assert_eq!(lines.next().await, Output::TooLong);
        assert!(lines.buffer.capacity() <= 3 * LINE_LIMIT_BYTES);
    }

    #[tokio::test]
    async fn a_dropped_read_loses_nothing() {
        use tokio::io::AsyncWriteExt;
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut lines = OutputLines::new(reader);
        writer.write_all(b"half").await.unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), lines.next());
        assert!(waited.await.is_err());
        writer.write_all(b" done\n").await.unwrap();
        assert_eq!(lines.next().await, Output::Line(b"half done".to_vec()));
    }
}
