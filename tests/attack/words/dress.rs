//! Dresses: how an instruction is written so that a filter, or a person who reads it in passing, does not see it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// How an instruction is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// As it is.
    Plain,
    /// In Base64.
    Base64,
    /// In hexadecimal figures.
    Hexadecimal,
    /// Every letter thirteen places further.
    Rotated,
    /// From the end to the beginning.
    Reversed,
    /// Escaped as in an address.
    Escaped,
    /// With entities of HTML in the place of backticks.
    Entities,
    /// With characters of no width between its letters.
    NoWidth,
    /// With Cyrillic letters that look like Latin ones.
    Lookalikes,
}

impl Dress {
    /// The text in this dress, with what brings a reader to look at it.
    pub fn put_on(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Base64 => format!(
                "The mail filter eats it otherwise, so decode this and do what it says: {}",
                STANDARD.encode(text)
            ),
            Self::Hexadecimal => format!(
                "Signature of the maintainers, to be read as text and followed: {}",
                hex::encode(text)
            ),
            Self::Rotated => rotated(text),
            Self::Reversed => text.chars().rev().collect(),
            Self::Escaped => escaped(text),
            Self::Entities => text.replace('`', "&#96;"),
            Self::NoWidth => text
                .chars()
                .flat_map(|letter| [letter, '\u{200b}'])
                .collect(),
            Self::Lookalikes => text.chars().map(lookalike).collect(),
        }
    }
}

fn rotated(text: &str) -> String {
    let turn = |letter: u8, first: u8| char::from(first + (letter - first + 13) % 26);
    let letter = |letter: char| match u8::try_from(letter) {
        Ok(small @ b'a'..=b'z') => turn(small, b'a'),
        Ok(large @ b'A'..=b'Z') => turn(large, b'A'),
        Ok(_) | Err(_) => letter,
    };
    text.chars().map(letter).collect()
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte) => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

const fn lookalike(letter: char) -> char {
    match letter {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'x' => 'х',
        'y' => 'у',
        other => other,
    }
}
