//! Output without secrets: a writer for logs that holds a line back until it is whole.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::Redactor;

/// The longest line that is written, in bytes; the rest of a longer one is left out.
const LINE_MAX_BYTES: usize = 256 << 10;

/// Makes writers whose lines have no secrets.
#[derive(Debug, Clone)]
pub struct Redacting<M> {
    inner: M,
    redactor: Redactor,
}

impl<M> Redacting<M> {
    /// Puts the redactor before the writers of `inner`.
    pub const fn new(inner: M, redactor: Redactor) -> Self {
        Self { inner, redactor }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = LineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter::new(self.inner.make_writer(), self.redactor.clone())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        LineWriter::new(self.inner.make_writer_for(metadata), self.redactor.clone())
    }
}

/// Writes one event of the log, in however many pieces it comes, when it is flushed or dropped.
#[derive(Debug)]
pub struct LineWriter<W: Write> {
    out: W,
    redactor: Redactor,
    line: Vec<u8>,
}

impl<W: Write> LineWriter<W> {
    const fn new(out: W, redactor: Redactor) -> Self {
        Self {
            out,
            redactor,
            line: Vec::new(),
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let mut line = std::mem::take(&mut self.line);
        if line.len() == LINE_MAX_BYTES && !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        self.out.write_all(
            self.redactor
                .redact(&String::from_utf8_lossy(&line))
                .as_bytes(),
        )
    }
}

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let room = LINE_MAX_BYTES - self.line.len();
        self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }
}

impl<W: Write> Drop for LineWriter<W> {
    fn drop(&mut self) {
        // A log that cannot be written has nobody to tell.
        let _ = self.write_out();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use secrecy::SecretString;

    use super::*;

    const CANARY: &str = "canary/that \"nobody\" may+read";

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
        }
    }

    impl Write for Kept {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(piece)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn redactor() -> Redactor {
        Redactor::new([SecretString::from(CANARY)]).expect("made")
    }

    /// Logs as the program does, with the canary in messages, fields and errors.
    fn log() {
        let error = io::Error::other(format!("the provider says {CANARY}"));
        tracing::info!("the key is {CANARY}");
        tracing::warn!(token = CANARY, debug = ?Some(CANARY), encoded = STANDARD.encode(CANARY), "fields");
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an error of {}",
            "ana"
        );
    }

    #[test]
    fn what_is_logged_has_no_secret_in_it() {
        let (plain, json) = (Kept::default(), Kept::default());
        let writer = |kept: &Kept| {
            let kept = kept.clone();
            Redacting::new(move || kept.clone(), redactor())
        };
        tracing::subscriber::with_default(
            tracing_subscriber::fmt()
                .with_writer(writer(&plain))
                .finish(),
            log,
        );
        tracing::subscriber::with_default(
            tracing_subscriber::fmt()
                .json()
                .with_writer(writer(&json))
                .finish(),
            log,
        );
        for text in [plain.text(), json.text()] {
            assert_eq!(text.lines().count(), 3, "{text}");
            assert_eq!(text.matches("[redacted]").count(), 5, "{text}");
            assert!(
                !text.contains("canary")
                    && !text.contains("nobody")
                    && text.contains("an error of ana"),
                "{text}"
            );
        }
        assert!(
            json.text()
                .lines()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
            "{}",
            json.text()
        );
    }

    #[test]
    fn a_secret_is_seen_across_the_pieces_of_a_line() {
        let kept = Kept::default();
        let mut writer = LineWriter::new(kept.clone(), redactor());
        let (first, second) = CANARY.split_at(9);
        writer.write_all(b"a ").expect("written");
        writer.write_all(first.as_bytes()).expect("written");
        writer.write_all(second.as_bytes()).expect("written");
        assert_eq!(kept.text(), "", "nothing leaves before the line is whole");
        writer.write_all(b" z\n").expect("written");
        drop(writer);
        assert_eq!(kept.text(), "a [redacted] z\n");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let kept = Kept::default();
        let mut writer = LineWriter::new(kept.clone(), redactor());
        for _ in 0..LINE_MAX_BYTES {
            writer.write_all(b"xyz").expect("written");
        }
        writer.flush().expect("written");
        assert_eq!(kept.text().len(), LINE_MAX_BYTES + 1);
    }
}
