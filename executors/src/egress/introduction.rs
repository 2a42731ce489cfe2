//! The line with which the shim introduces a connection: `DECKHAND-CLIENT <command line>`. It says who asked, in the
//! sandbox's own words, so it is shown to people and decides nothing.

use std::time::Duration;

use tokio::{io::AsyncReadExt as _, time::timeout};

use super::greeting::{Replayed, replay};
use crate::door::Guest;

/// How the line begins.
const GREETING: &[u8] = b"DECKHAND-CLIENT ";
/// The longest line, with its end, in bytes.
const MAX_LINE_BYTES: usize = 512;
/// How long the rest of a begun line may take.
const LINE_TIME: Duration = Duration::from_secs(1);
/// Characters of the command line that are kept.
const MAX_CLIENT_CHARACTERS: usize = 300;
/// What the shim says where it did not find out.
const UNKNOWN: &str = "-";

/// A connection after its introduction; what was read beyond the line is read again.
pub type Introduced = Replayed<Guest>;

/// Reads the line where there is one. A client that came to the socket without the shim needs none.
///
/// Waits for the connection's first bytes for as long as it stays open: the caller bounds that. Answers with nothing
/// where it closed, or where a line was begun and not ended within its limits.
pub async fn introduce(mut stream: Guest) -> Option<(Option<String>, Introduced)> {
    let mut read = Vec::with_capacity(MAX_LINE_BYTES);
    if stream.read_buf(&mut read).await.ok()? == 0 {
        return None;
    }
    let end = if may_be_line(&read) {
        timeout(LINE_TIME, line_end(&mut stream, &mut read))
            .await
            .ok()??
    } else {
        0
    };
    let client = (end > 0).then(|| read.get(GREETING.len()..end)).flatten();
    let client = client.and_then(tamed);
    read.drain(..end);
    Some((client, replay(read, stream)))
}

/// Whether these bytes are the line, or could become it.
fn may_be_line(read: &[u8]) -> bool {
    let known = read.len().min(GREETING.len());
    read.get(..known) == GREETING.get(..known)
}

/// Reads until the line has ended; 0 where it turns out to be none.
async fn line_end(stream: &mut Guest, read: &mut Vec<u8>) -> Option<usize> {
    loop {
        if !may_be_line(read) {
            return Some(0);
        }
        if let Some(end) = read.windows(2).position(|pair| pair == b"\r\n") {
            return Some(end + 2);
        }
        if read.len() >= MAX_LINE_BYTES || stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

/// The command line without what could move a cursor or break a line.
fn tamed(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_CLIENT_CHARACTERS)
        .collect();
    let text = text.trim();
    (!text.is_empty() && text != UNKNOWN).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::Arc;

    use tokio::{io::AsyncWriteExt as _, net::UnixStream, sync::Semaphore};

    use super::*;
    use crate::door::Closer;

    /// Sends the pieces one by one, ends, and says who was introduced and what is left to read.
    async fn hear(pieces: &[&[u8]]) -> Option<(Option<String>, Vec<u8>)> {
        let (mut shim, proxy) = UnixStream::pair().unwrap();
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let proxy = Guest::new(proxy, place, &Closer::start().unwrap());
        let hearing = tokio::spawn(introduce(proxy));
        for piece in pieces {
            shim.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        shim.shutdown().await.unwrap();
        let (client, mut stream) = hearing.await.unwrap()?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        Some((client, rest))
    }

    #[tokio::test]
    async fn the_line_is_taken_off_and_the_rest_is_left_as_it_came() {
        type Row<'a> = (&'a [&'a [u8]], Option<&'a str>, &'a [u8]);
        let table: [Row<'_>; 8] = [
            (
                &[b"DECKHAND-CLIENT curl -s https://a.example\r\nGET / HTTP/1.1\r\n"],
                Some("curl -s https://a.example"),
                b"GET / HTTP/1.1\r\n",
            ),
            (
                &[b"DECK", b"HAND-CLIENT no", b"de x.js\r", b"\n\x16\x03"],
                Some("node x.js"),
                b"\x16\x03",
            ),
            (&[b"DECKHAND-CLIENT -\r\nGET"], None, b"GET"),
            (&[b"DECKHAND-CLIENT \r\nGET"], None, b"GET"),
            (
                &[b"DECKHAND-CLIENT a\x1b[2Jb\nc\xff\r\n"],
                Some("a [2Jb c\u{fffd}"),
                b"",
            ),
            (&[b"GET / HTTP/1.1\r\n"], None, b"GET / HTTP/1.1\r\n"),
            // A method that begins like the line.
            (
                &[b"DE", b"LETE / HTTP/1.1\r\n"],
                None,
                b"DELETE / HTTP/1.1\r\n",
            ),
            (&[b"\x16\x03\x01"], None, b"\x16\x03\x01"),
        ];
        for (pieces, client, rest) in table {
            let heard = hear(pieces).await;
            assert_eq!(
                heard,
                Some((client.map(str::to_owned), rest.to_vec())),
                "{pieces:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_line_that_never_ends_ends_the_connection() {
        let endless = [GREETING, &[b'x'; MAX_LINE_BYTES]].concat();
        assert_eq!(hear(&[&endless]).await, None);
        assert_eq!(hear(&[b"DECKHAND-CLIENT cut"]).await, None);
        assert_eq!(hear(&[]).await, None);
    }

    #[tokio::test]
    async fn a_long_command_line_is_clipped() {
        let long = [GREETING, &[b'x'; 400], b"\r\n"].concat();
        let (client, _) = hear(&[&long]).await.unwrap();
        assert_eq!(client.unwrap().len(), MAX_CLIENT_CHARACTERS);
    }
}
