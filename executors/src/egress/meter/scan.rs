//! Reads JSON as it passes, in pieces of any size, and holds no more of it than the names on the way to where it is.
//!
//! Lists do not count as a step of the way: the values in them stand under the name of the list. What is no JSON gives
//! no values, and never an error: the reader only looks on.

use memchr::memchr2;

/// The longest name of a member that is told from others, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The longest text that is given out, in bytes; longer ones are only counted.
const MAX_TEXT_BYTES: usize = 256;
/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 256;

/// A value, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A whole number that is not negative.
    Number(u64),
    /// A text: itself where it is short and holds no escapes, and its length in bytes.
    Text(Option<&'a str>, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    List,
    /// The name of the present member, and whether its value is still to come.
    Object {
        name: Vec<u8>,
        expects: Part,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Name,
    Value,
}

impl Part {
    /// The most that is kept of it, in bytes.
    const fn limit(self) -> usize {
        match self {
            Self::Name => MAX_NAME_BYTES,
            Self::Value => MAX_TEXT_BYTES,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Text {
        part: Part,
        escaped: bool,
    },
    Word,
    /// Nested too deep; the rest is not looked at.
    Lost,
}

/// Looks on while one JSON value passes.
#[derive(Debug, Clone)]
pub struct Scanner {
    levels: Vec<Level>,
    state: State,
    held: Vec<u8>,
    length: u64,
    plain: bool,
    /// Where the names on the way are written down; kept for its room.
    way: String,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            levels: Vec::new(),
            state: State::Between,
            held: Vec::new(),
            length: 0,
            plain: true,
            way: String::new(),
        }
    }
}

impl Scanner {
    /// Begins with another value.
    pub fn reset(&mut self) {
        self.levels.clear();
        self.state = State::Between;
        self.held.clear();
    }

    /// Takes the next bytes; `found` gets each value with the names on the way to it, joined by dots, and the place in
    /// `bytes` where it ends: of its closing quote, or of what stands behind its word.
    pub fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(&str, Scalar<'_>, usize)) {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if let State::Text {
                part,
                escaped: false,
            } = self.state
            {
                // Most of an answer is text, and most of a text is neither its end nor an escape.
                let plain = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                if plain > 0 {
                    let (text, after) = rest.split_at(plain);
                    self.length += text.len() as u64;
                    self.hold(text, part.limit());
                    rest = after;
                    continue;
                }
            }
            let place = bytes.len() - rest.len();
            let mut found = |way: &str, scalar: Scalar<'_>| found(way, scalar, place);
            rest = after;
            match self.state {
                State::Lost => return,
                State::Text { part, escaped } => self.text(byte, part, escaped, &mut found),
                State::Word if is_of_word(byte) => self.hold(&[byte], MAX_NAME_BYTES),
                State::Word => {
                    self.end_word(&mut found);
                    self.structure(byte);
                }
                State::Between => self.structure(byte),
            }
        }
    }

    fn text(
        &mut self,
        byte: u8,
        part: Part,
        escaped: bool,
        found: &mut impl FnMut(&str, Scalar<'_>),
    ) {
        match byte {
            b'"' if !escaped => {
                self.state = State::Between;
                match part {
                    Part::Name => self.end_name(),
                    Part::Value => self.end_text(found),
                }
            }
            b'\\' if !escaped => {
                self.plain = false;
                self.length += 1;
                self.state = State::Text {
                    part,
                    escaped: true,
                };
            }
            _ => {
                self.length += 1;
                self.hold(&[byte], part.limit());
                self.state = State::Text {
                    part,
                    escaped: false,
                };
            }
        }
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'{' => self.enter(Level::Object {
                name: Vec::new(),
                expects: Part::Name,
            }),
            b'[' => self.enter(Level::List),
            b'}' | b']' => drop(self.levels.pop()),
            b':' => self.expect(Part::Value),
            b',' => self.expect(Part::Name),
            b'"' => {
                let part = match self.levels.last() {
                    Some(Level::Object { expects, .. }) => *expects,
                    Some(Level::List) | None => Part::Value,
                };
                self.begin(State::Text {
                    part,
                    escaped: false,
                });
            }
            _ if is_of_word(byte) => {
                self.begin(State::Word);
                self.hold(&[byte], MAX_NAME_BYTES);
            }
            _ => {}
        }
    }

    fn enter(&mut self, level: Level) {
        if self.levels.len() == MAX_DEPTH {
            self.state = State::Lost;
        } else {
            self.levels.push(level);
        }
    }

    fn expect(&mut self, part: Part) {
        if let Some(Level::Object { expects, .. }) = self.levels.last_mut() {
            *expects = part;
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.held.clear();
        self.length = 0;
        self.plain = true;
    }

    fn hold(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.held.len());
        let held = bytes.get(..room).unwrap_or(bytes);
        self.held.extend_from_slice(held);
        self.plain &= held.len() == bytes.len();
    }

    fn end_name(&mut self) {
        // A name that is too long, or written with escapes, is none that anybody looks for.
        let own = if self.plain { &self.held[..] } else { b"?" };
        if let Some(Level::Object { name, .. }) = self.levels.last_mut() {
            name.clear();
            name.extend_from_slice(own);
        }
    }

    fn end_text(&mut self, found: &mut impl FnMut(&str, Scalar<'_>)) {
        self.find_way();
        let text = self.plain.then(|| std::str::from_utf8(&self.held).ok());
        found(&self.way, Scalar::Text(text.flatten(), self.length));
    }

    fn end_word(&mut self, found: &mut impl FnMut(&str, Scalar<'_>)) {
        self.state = State::Between;
        let word = std::str::from_utf8(&self.held).unwrap_or_default();
        if let (true, Ok(number)) = (self.plain, word.parse()) {
            self.find_way();
            found(&self.way, Scalar::Number(number));
        }
    }

    /// Writes down the names on the way to where it is.
    fn find_way(&mut self) {
        self.way.clear();
        let names = self.levels.iter().filter_map(|level| match level {
            Level::Object { name, .. } => Some(std::str::from_utf8(name).unwrap_or("?")),
            Level::List => None,
        });
        for (index, name) in names.enumerate() {
            if index > 0 {
                self.way.push('.');
            }
            self.way.push_str(name);
        }
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(pieces: &[&[u8]]) -> Vec<String> {
        let (mut scanner, mut found) = (Scanner::default(), Vec::new());
        for piece in pieces {
            scanner.feed(piece, |way, scalar, _| {
                found.push(format!("{way}={scalar:?}"));
            });
        }
        found
    }

    #[test]
    fn values_are_told_with_the_names_on_the_way_to_them() {
        let text =
            br#"[{"a":{"b": 12,"c":"x"},"d":[1,{"e":true}],"f":-1,"g":1.5,"h":null}, {"a":3}]"#;
        assert_eq!(
            scanned(&[text]),
            [
                "a.b=Number(12)",
                "a.c=Text(Some(\"x\"), 1)",
                "d=Number(1)",
                "a=Number(3)"
            ]
        );
    }

    #[test]
    fn what_stands_in_a_text_is_no_structure() {
        let text = br#"{"t":"{\"usage\":{\"output_tokens\":1}} \\","usage":{"n":2}}"#;
        assert_eq!(scanned(&[text]), ["t=Text(None, 36)", "usage.n=Number(2)"]);
    }

    #[test]
    fn a_name_in_escapes_or_of_any_length_is_not_taken_for_another() {
        let long = format!("{{\"{}\":1,\"us\\u0061ge\":2}}", "usage".repeat(100));
        assert_eq!(scanned(&[long.as_bytes()]), ["?=Number(1)", "?=Number(2)"]);
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let text = r#"{"a":[{"b":"grün \" und","c":123}],"d":{"e":7}}"#.as_bytes();
        let whole = scanned(&[text]);
        for cut in 0..text.len() {
            assert_eq!(scanned(&[&text[..cut], &text[cut..]]), whole);
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(scanned(&single), whole);
    }

    #[test]
    fn nothing_grows_with_what_passes() {
        let mut scanner = Scanner::default();
        scanner.feed(&vec![b'['; 1_000_000], |_, _, _| {});
        assert_eq!(scanner.levels.len(), MAX_DEPTH);
        scanner.reset();
        scanner.feed(b"{\"", |_, _, _| {});
        scanner.feed(&vec![b'x'; 1_000_000], |_, _, _| {});
        assert!(scanner.held.len() <= MAX_TEXT_BYTES);
        for nonsense in ["}}]]", "{:,:}", "\"", "{\"a\" \"b\" 1", "[,,1,]"] {
            scanned(&[nonsense.as_bytes()]);
        }
    }
}
