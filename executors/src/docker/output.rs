//! Splits one stream of a container's output into its two, each read at its own pace.

use std::io;

use bollard::{container::LogOutput, errors::Error};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::{io::AsyncRead, sync::mpsc};
use tokio_util::io::StreamReader;

/// Pieces of output that wait for their reader; the engine cuts pieces at 16 KiB.
const QUEUE_PIECES: usize = 64;

type Piece = io::Result<Bytes>;

/// The standard output and the standard error. A slow reader of the output holds the engine back; what a slow reader of
/// the errors has no room for is dropped, because it must not hold the output back. The end of either reader is the
/// end of both.
pub fn split(
    output: impl Stream<Item = Result<LogOutput, Error>> + Send + 'static,
) -> (
    impl AsyncRead + Send + Unpin + 'static,
    impl AsyncRead + Send + Unpin + 'static,
) {
    let (output_sender, output_pieces) = mpsc::channel(QUEUE_PIECES);
    let (errors_sender, errors_pieces) = mpsc::channel(QUEUE_PIECES);
    tokio::spawn(pump(output, output_sender, errors_sender));
    (reader(output_pieces), reader(errors_pieces))
}

async fn pump(
    output: impl Stream<Item = Result<LogOutput, Error>>,
    output_sender: mpsc::Sender<Piece>,
    errors_sender: mpsc::Sender<Piece>,
) {
    let mut output = std::pin::pin!(output);
    let mut dropped_bytes = 0;
    loop {
        let next = tokio::select! {
            next = output.next() => next,
            // The engine may be silent for hours; a reader that left must not wait for that.
            () = output_sender.closed() => break,
        };
        match next {
            Some(Ok(LogOutput::StdErr { message })) => {
                let length = message.len();
                if errors_sender.try_send(Ok(message)).is_err() {
                    dropped_bytes += length;
                }
            }
            Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                if output_sender.send(Ok(message)).await.is_err() {
                    break;
                }
            }
            Some(Ok(LogOutput::StdIn { .. })) => {}
            Some(Err(error)) => {
                // Whoever reads has to know an end from a break.
                let _ = output_sender
                    .send(Err(io::Error::other(error.to_string())))
                    .await;
                break;
            }
            None => break,
        }
    }
    if dropped_bytes > 0 {
        tracing::warn!(
            dropped_bytes,
            "standard error of a sandbox was not read in time"
        );
    }
}

fn reader(pieces: mpsc::Receiver<Piece>) -> impl AsyncRead + Send + Unpin {
    let pieces = stream::unfold(pieces, |mut pieces| async move {
        pieces.recv().await.map(|piece| (piece, pieces))
    });
    StreamReader::new(Box::pin(pieces))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn errors_that_nobody_reads_hold_nothing_back() {
        let flood = (0..1000).map(|_| {
            Ok(LogOutput::StdErr {
                message: Bytes::from_static(&[b'e'; 1024]),
            })
        });
        let last = Ok(LogOutput::StdOut {
            message: Bytes::from_static(b"done\n"),
        });
        let (mut output, mut errors) = split(stream::iter(flood.chain([last])));
        let mut said = String::new();
        output.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "done\n");
        let mut kept = Vec::new();
        errors.read_to_end(&mut kept).await.unwrap();
        assert_eq!(kept.len(), QUEUE_PIECES * 1024);
    }

    #[tokio::test]
    async fn a_break_is_no_end() {
        let pieces = [
            Ok(LogOutput::StdOut {
                message: Bytes::from_static(b"half"),
            }),
            Err(Error::RequestTimeoutError),
        ];
        let (mut output, _errors) = split(stream::iter(pieces));
        let mut said = Vec::new();
        output.read_to_end(&mut said).await.unwrap_err();
        assert_eq!(said, b"half");
    }
}
