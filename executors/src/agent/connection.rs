//! The three streams of an agent's process as one thing that takes lines and gives messages.

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Duration, timeout},
};

use super::{
    message::Incoming,
    output::{LINE_LIMIT_BYTES, Output, OutputLines},
};
use crate::sandbox::Attachment;

/// How much an agent may say that is no protocol, in bytes, before it is given up.
const NOISE_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// How much an agent may say in all, in bytes. The engine keeps a little more than twice as much, in its own framing; beyond
/// that a later owner would not hear the beginning any more.
const OUTPUT_LIMIT_BYTES: u64 = 160 * 1024 * 1024;

/// How much of the end of the standard error is kept, in bytes.
const ERRORS_TAIL_BYTES: usize = 4 * 1024;

/// How long the standard error may go on after the standard output has ended.
const ERRORS_WAIT: Duration = Duration::from_secs(2);

/// What a step of a connection led to.
#[derive(Debug)]
pub(super) enum Step {
    /// The agent said this.
    Said(Incoming),
    /// Something moved, and there is nothing to hear.
    Moved,
    /// The output has ended.
    Ended,
    /// The output cannot be understood any more.
    Broken(String),
}

/// A connection to an agent's process. All of it is cancel-safe: what is dropped in the middle goes on at the next call.
pub(super) struct Connection {
    input: Box<dyn AsyncWrite + Send + Unpin>,
    output: OutputLines<Box<dyn AsyncRead + Send + Unpin>>,
    errors: Box<dyn AsyncRead + Send + Unpin>,
    errors_open: bool,
    errors_tail: BytesMut,
    unsent: BytesMut,
    noise_bytes: u64,
    noise_lines: u64,
}

impl Connection {
    pub(super) fn new(attachment: Attachment) -> Self {
        Self {
            input: attachment.input,
            output: OutputLines::new(attachment.output),
            errors: attachment.errors,
            errors_open: true,
            errors_tail: BytesMut::new(),
            unsent: BytesMut::new(),
            noise_bytes: 0,
            noise_lines: 0,
        }
    }

    /// Puts a line in the queue; [`Connection::step`] sends it.
    pub(super) fn send(&mut self, line: &[u8]) {
        self.unsent.extend_from_slice(line);
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Bytes of the output that have been given out as messages or dropped as noise.
    pub(super) fn position(&self) -> u64 {
        self.output.position()
    }

    /// Lines that were no messages.
    pub(super) fn noise_lines(&self) -> u64 {
        self.noise_lines
    }

    /// Sends what is to be sent and hears what is said, whichever comes first.
    pub(super) async fn step(&mut self) -> Step {
        let mut chunk = [0; 1024];
        tokio::select! {
            // Answers go out before more is heard.
            biased;
            written = self.input.write(&self.unsent), if !self.unsent.is_empty() => match written {
                Ok(0) | Err(_) => {
                    // Its output tells the rest, and ends soon.
                    self.unsent.clear();
                    Step::Moved
                }
                Ok(count) => {
                    self.unsent.advance(count);
                    if self.unsent.is_empty() && self.input.flush().await.is_err() {
                        tracing::debug!("the agent does not listen any more");
                    }
                    Step::Moved
                }
            },
            line = self.output.next() => match line {
                Output::Line(line) => self.understand(&line),
                Output::TooLong => Step::Broken(format!("one line of more than {} MiB", LINE_LIMIT_BYTES >> 20)),
                Output::End => Step::Ended,
            },
            read = self.errors.read(&mut chunk), if self.errors_open => {
                self.heard_errors(read.unwrap_or(0), &chunk);
                Step::Moved
            }
        }
    }

    fn understand(&mut self, line: &[u8]) -> Step {
        if self.position() > OUTPUT_LIMIT_BYTES {
            return Step::Broken(format!(
                "more than {} MiB in one session",
                OUTPUT_LIMIT_BYTES >> 20
            ));
        }
        if let Some(message) = Incoming::parse(line) {
            return Step::Said(message);
        }
        self.noise_lines += 1;
        self.noise_bytes += line.len() as u64 + 1;
        if self.noise_bytes > NOISE_LIMIT_BYTES {
            return Step::Broken(format!(
                "more than {} MiB that is no message",
                NOISE_LIMIT_BYTES >> 20
            ));
        }
        Step::Moved
    }

    fn heard_errors(&mut self, count: usize, chunk: &[u8]) {
        self.errors_open = count > 0;
        self.errors_tail.extend_from_slice(&chunk[..count]);
        let over = self.errors_tail.len().saturating_sub(ERRORS_TAIL_BYTES);
        self.errors_tail.advance(over);
    }

    /// The end of the standard error, read to its end where that comes soon.
    pub(super) async fn errors_tail(&mut self) -> String {
        let rest = async {
            let mut chunk = [0; 1024];
            while self.errors_open {
                let count = self.errors.read(&mut chunk).await.unwrap_or(0);
                self.heard_errors(count, &chunk);
            }
        };
        if timeout(ERRORS_WAIT, rest).await.is_err() {
            tracing::debug!("the agent's standard error stays open after its output has ended");
        }
        self.errors_so_far()
    }

    /// The end of what the standard error has said so far.
    pub(super) fn errors_so_far(&self) -> String {
        String::from_utf8_lossy(&self.errors_tail).trim().to_owned()
    }
}
