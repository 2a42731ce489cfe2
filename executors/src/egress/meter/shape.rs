//! The form of the last event of a stream, so that the next one is read at a glance where it differs in one text alone.
//!
//! Most of a model's answer is that: hundreds of events that are equal but for some words. What an event says of usage and
//! model was noted when it came first; of one like it, only the length of its words is new.

use memchr::{memchr2, memchr3};

/// The longest event that is kept in mind, in bytes without its words.
const MAX_BYTES: usize = 4 * 1024;

/// An event but for its words.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Up to the words, with their opening quote; empty where nothing is known.
    before: Vec<u8>,
    /// From their closing quote to the end of the event.
    after: Vec<u8>,
    /// Bytes of its other texts that the model wrote.
    written: u64,
    /// How many lines of data it has.
    lines: u64,
}

/// What an event like the last one adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alike {
    /// Its length, in bytes.
    pub length: usize,
    /// Bytes of text that the model wrote.
    pub written: u64,
    /// How many lines of data it has.
    pub lines: u64,
}

impl Shape {
    /// Knows nothing any more.
    pub fn forget(&mut self) {
        self.before.clear();
    }

    /// Keeps an event in mind: all its bytes, where its words begin and end in them, what it wrote with these words, and its
    /// lines of data.
    pub fn learn(&mut self, event: &[u8], words: (usize, usize), written: u64, lines: u64) {
        self.forget();
        let (begin, end) = words;
        let (Some(before), Some(after)) = (event.get(..begin), event.get(end..)) else {
            return;
        };
        // A text that goes on over two lines is not in one place, and what ends in another way may belong to the next event.
        let is_one = before.ends_with(b"\"")
            && event.get(begin..).and_then(length_of_text) == end.checked_sub(begin);
        if !is_one || before.len() + after.len() > MAX_BYTES || !after.ends_with(b"\n") {
            return;
        }
        self.before.extend_from_slice(before);
        self.after.clear();
        self.after.extend_from_slice(after);
        self.written = written.saturating_sub((end - begin) as u64);
        self.lines = lines;
    }

    /// Whether the next event is whole in these bytes and like the one in mind.
    pub fn recognise(&self, bytes: &[u8]) -> Option<Alike> {
        if self.before.is_empty() {
            return None;
        }
        let words = bytes.strip_prefix(self.before.as_slice())?;
        let length = length_of_text(words)?;
        if !words.get(length..)?.starts_with(&self.after) {
            return None;
        }
        Some(Alike {
            length: self.before.len() + length + self.after.len(),
            written: self.written + length as u64,
            lines: self.lines,
        })
    }
}

/// How long a text is up to its closing quote; none where its line ends before.
fn length_of_text(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    let length = loop {
        let found = memchr3(b'"', b'\\', b'\n', bytes.get(length..)?)?;
        length += found;
        match bytes.get(length)? {
            b'"' => break length,
            b'\\' => length += 2,
            _ => return None,
        }
    };
    // A line may end in this way too, also behind an escape.
    memchr2(b'\r', b'\n', bytes.get(..length)?)
        .is_none()
        .then_some(length)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn an_event_is_like_the_last_one_where_only_its_words_differ() {
        let event = b"data: {\"a\":\"x\",\"text\":\"one\"}\n\n";
        let begin = event.len() - 7;
        let mut shape = Shape::default();
        assert_eq!(shape.recognise(event), None);
        shape.learn(event, (begin, begin + 3), 4, 1);
        let alike = |words: &str| {
            let next = format!("data: {{\"a\":\"x\",\"text\":\"{words}\"}}\n\nrest");
            let found = shape.recognise(next.as_bytes());
            found.map(|found| (found.length + 4 - next.len(), found.written, found.lines))
        };
        assert_eq!(alike("one"), Some((0, 4, 1)));
        assert_eq!(alike(""), Some((0, 1, 1)));
        assert_eq!(alike(r#"a \"b\" \\"#), Some((0, 11, 1)));
        for other in [
            "a\nb",
            "a\rb",
            "a\\\nb",
            "a\\\rb",
            "a\",\"usage\":{\"output_tokens\":1},\"b\":\"",
        ] {
            assert_eq!(alike(other), None, "{other:?}");
        }
        for cut in 0..event.len() {
            assert_eq!(shape.recognise(event.get(..cut).unwrap()), None);
        }
        shape.forget();
        assert_eq!(shape.recognise(event), None);
    }
}
