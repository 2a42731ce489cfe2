//! In which forms a secret can stand in a text: as it is, escaped, encoded, cut into lines.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// The shortest secret that is looked for, in bytes. Shorter ones stand in ordinary words.
pub(super) const SECRET_MIN_BYTES: usize = 8;
/// From this length on, in bytes, small letters alone are taken for a secret; words are shorter.
const WORD_MAX_BYTES: usize = 16;
/// The longest part of one secret that is looked for, in bytes.
const SECRET_MAX_BYTES: usize = 16 << 10;
/// The shortest line of a secret of several lines that is looked for by itself, in bytes.
const LINE_MIN_BYTES: usize = 16;
/// The length of the pieces of Base64 that are looked for, in characters: 96 bits each. Pieces, because encoders break lines.
const PIECE_CHARS: usize = 16;

/// How far what was found goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is exactly what was looked for.
    Exact,
    /// It is part of something encoded, which goes as far as the letters of Base64 go.
    Encoded,
}

/// One form of a secret.
pub(super) struct Form {
    pub(super) text: String,
    pub(super) reach: Reach,
}

/// Every form of a secret; none where it is too short to be looked for.
pub(super) fn forms_of(secret: &str) -> Vec<Form> {
    let parts = parts_of(secret);
    let Some(whole) = parts.first() else {
        return Vec::new();
    };
    let mut exact: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let json = in_json(whole);
    exact.push(in_json(&json));
    exact.push(json);
    exact.push(whole.escape_debug().to_string());
    for hexadecimal in [hex::encode(whole), hex::encode_upper(whole)] {
        exact.push(hexadecimal);
    }
    // What is left as it is differs: everything but RFC 3986's unreserved characters, browsers' `encodeURIComponent`, and `encodeURI`.
    for left in [b"-._~".as_slice(), b"-._~!'()*", b"-._~!'()*;,/?:@&=+$#"] {
        let upper = percent_encoded(whole, left);
        exact.push(upper.replace("%20", "+"));
        exact.push(lower_escapes(&upper));
        exact.push(upper);
    }
    exact.sort_unstable();
    exact.dedup();
    let mut encoded: Vec<String> = (0..3)
        .flat_map(|offset| base64_pieces(whole.as_bytes(), offset))
        .collect();
    encoded.extend(
        encoded
            .clone()
            .iter()
            .map(|piece| piece.replace('+', "-").replace('/', "_")),
    );
    encoded.sort_unstable();
    encoded.dedup();
    let form = |reach| move |text| Form { text, reach };
    exact
        .into_iter()
        .map(form(Reach::Exact))
        .chain(encoded.into_iter().map(form(Reach::Encoded)))
        .collect()
}

/// The secret itself, then each of its lines where it has several: output shows lines, not files. Empty where it is too short.
pub(super) fn parts_of(secret: &str) -> Vec<&str> {
    let mut end = secret.len().min(SECRET_MAX_BYTES);
    while !secret.is_char_boundary(end) {
        end -= 1;
    }
    let whole = secret[..end].trim();
    if whole.len() < SECRET_MIN_BYTES || is_word(whole) {
        return Vec::new();
    }
    let mut parts = vec![whole];
    // A key in a variable often has its line ends written as `\n`.
    let lines = || {
        whole
            .split('\n')
            .flat_map(|line| line.split("\\n"))
            .map(str::trim)
    };
    if lines().count() > 1 {
        // The frame of a key is no secret.
        parts.extend(
            lines().filter(|line| line.len() >= LINE_MIN_BYTES && !line.starts_with("-----")),
        );
    }
    parts
}

/// Whether it could be a word of an ordinary sentence, such as `password`: taking that out would spoil every text.
fn is_word(text: &str) -> bool {
    text.len() < WORD_MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

fn percent_encoded(text: &str, left: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || left.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

/// The same with `%2f` for `%2F`.
fn lower_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// The Base64 of a secret that begins `offset` bytes behind a group of three, without the characters that its neighbours decide too.
fn base64_pieces(secret: &[u8], offset: usize) -> Vec<String> {
    let mut shifted = vec![0; offset];
    shifted.extend_from_slice(secret);
    let encoded = STANDARD_NO_PAD.encode(&shifted);
    let core = encoded
        .get((offset * 8).div_ceil(6)..shifted.len() * 8 / 6)
        .unwrap_or_default();
    if core.len() < 2 * PIECE_CHARS {
        return vec![core.to_owned()];
    }
    (0..core.len() / PIECE_CHARS)
        .map(|index| core[index * PIECE_CHARS..(index + 1) * PIECE_CHARS].to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn base64_is_found_wherever_it_begins() {
        for length in SECRET_MIN_BYTES..40 {
            let secret: String = ('A'..='Z').cycle().take(length).collect();
            for before in ["", "u", "us", "use", "user:"] {
                let encoded = STANDARD.encode(format!("{before}{secret}@"));
                let found = (0..3)
                    .flat_map(|offset| base64_pieces(secret.as_bytes(), offset))
                    .any(|piece| encoded.contains(&piece));
                assert!(found, "{before}{secret} in {encoded}");
            }
        }
    }

    #[test]
    fn the_lines_of_a_key_are_parts_of_it_and_its_frame_is_not() {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7";
        for end in ["\n", "\\n", "\r\n"] {
            let key = [
                "-----BEGIN PRIVATE KEY-----",
                line,
                "c2hvcnQ=",
                "-----END PRIVATE KEY-----",
            ]
            .join(end);
            assert_eq!(parts_of(&key)[1..], [line]);
        }
    }

    #[test]
    fn percents_are_escaped_as_programs_escape_them() {
        let upper = percent_encoded("a/b ü=%2F", b"-._~");
        assert_eq!(upper, "a%2Fb%20%C3%BC%3D%252F");
        assert_eq!(lower_escapes(&upper), "a%2fb%20%c3%bc%3d%252F");
    }
}
