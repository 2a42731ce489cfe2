//! What stands in a sandbox where a credential would: the same shape, so that tools take it for one, and worth nothing.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The longest beginning that is kept, in characters: `github_pat_` and `sk-ant-api03-` are kinds and no secrets.
const MAX_PREFIX_CHARACTERS: usize = 16;
/// What a kept beginning must leave of a credential, in characters.
const MIN_SECRET_CHARACTERS: usize = 16;
/// The length of a placeholder for a credential that is shorter, in characters.
const MIN_CHARACTERS: usize = 24;
/// The most characters of a placeholder: some credentials are whole key files, and no tool looks at those.
const MAX_CHARACTERS: usize = 512;

/// A value of the credential's shape: its prefix, its length, digits for digits, capitals for capitals, and what
/// separates its parts. The same seed gives the same value, so that a run that is taken up again keeps its own; the
/// seed has to be one that no sandbox can guess, or another run's value could be made.
#[must_use]
pub fn placeholder_like(credential: &SecretString, seed: &SecretString) -> SecretString {
    let real = credential.expose_secret();
    let prefix = prefix(real);
    let (kept, rest) = real.split_at_checked(prefix).unwrap_or(("", real));
    let mut digits = Digits::new(seed, kept);
    let mut placeholder = kept.to_owned();
    for character in rest.chars().take(MAX_CHARACTERS - kept.len()) {
        placeholder.push(digits.like(character));
    }
    while placeholder.len() < MIN_CHARACTERS {
        placeholder.push(digits.like('a'));
    }
    placeholder.into()
}

/// The length in bytes of the part that names the credential's kind: words of few characters, each with `-` or `_`
/// behind it, and no more than leaves the secret its length.
fn prefix(credential: &str) -> usize {
    let mut end = 0;
    let mut word = 0;
    for (position, character) in credential.char_indices() {
        if position >= MAX_PREFIX_CHARACTERS {
            break;
        }
        match character {
            '-' | '_' if word > 0 => {
                end = position + 1;
                word = 0;
            }
            // Kinds are written in small letters, with the number of a version at most.
            'a'..='z' => word += 1,
            '0'..='9' if end > 0 => word += 1,
            _ => break,
        }
    }
    if credential.len() >= end + MIN_SECRET_CHARACTERS {
        end
    } else {
        0
    }
}

/// Characters drawn from the hash of a seed.
struct Digits {
    seed: Vec<u8>,
    block: u64,
    bytes: Vec<u8>,
}

impl Digits {
    fn new(seed: &SecretString, kind: &str) -> Self {
        // The kind keeps two credentials of one run apart; the real one has no part in its placeholder, which would
        // be a way to try guesses of it.
        let seed = [seed.expose_secret(), "\n", kind, "\n"].concat();
        Self {
            seed: seed.into_bytes(),
            block: 0,
            bytes: Vec::new(),
        }
    }

    fn next(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.bytes.pop() {
                return byte;
            }
            let mut hash = Sha256::new();
            hash.update(&self.seed);
            hash.update(self.block.to_be_bytes());
            self.bytes = hash.finalize().to_vec();
            self.block += 1;
        }
    }

    fn like(&mut self, character: char) -> char {
        let (first, count) = match character {
            '0'..='9' => (b'0', 10),
            'A'..='Z' => (b'A', 26),
            '-' | '_' | '.' | ':' | '=' | '/' | '+' => return character,
            // Small letters, and what no credential should hold.
            _ => (b'a', 26),
        };
        char::from(first + self.next() % count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholder(credential: &str, seed: &str) -> String {
        let placeholder = placeholder_like(&credential.into(), &seed.into());
        placeholder.expose_secret().to_owned()
    }

    #[test]
    fn the_shape_is_kept_and_nothing_of_the_secret() {
        let table = [
            ("ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", "ghp_"),
            (
                "sk-ant-api03-AbCd_efGhIjKlMnOpQrStUvWxYz-0123456789AA",
                "sk-ant-api03-",
            ),
            ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "npm_"),
            ("sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz", "sk-proj-"),
            ("AIzaSyA-abcdefghijklmnopqrstuvwxyz01234", ""),
            ("0123456789abcdef0123456789abcdef", ""),
            (
                "github_pat_11AAAAAAA0abcdefghijkl_mnopqrstuv",
                "github_pat_",
            ),
        ];
        for (real, prefix) in table {
            let made = placeholder(real, "run");
            assert!(made.starts_with(prefix), "{real}: {made}");
            assert_eq!(made.len(), real.len(), "{real}: {made}");
            let rest = &real[prefix.len()..];
            assert_ne!(made, real);
            for part in rest.as_bytes().windows(8) {
                let part = String::from_utf8_lossy(part);
                assert!(!made.contains(part.as_ref()), "{real}: {made} has {part}");
            }
            let kinds = |text: &str| {
                text.chars()
                    .map(|c| {
                        (
                            c.is_ascii_digit(),
                            c.is_ascii_uppercase(),
                            c.is_ascii_lowercase(),
                        )
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(kinds(&made), kinds(real), "{real}: {made}");
        }
    }

    #[test]
    fn each_run_has_its_own_and_keeps_it() {
        let real = "ghp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789";
        assert_eq!(placeholder(real, "one"), placeholder(real, "one"));
        assert_ne!(placeholder(real, "one"), placeholder(real, "two"));
        // Nothing of the real one goes in but its shape.
        let other = "ghp_ZbZdZfZhZjZlZnZpZrZtZvZxZz9876543210";
        assert_eq!(placeholder(real, "one"), placeholder(other, "one"));
    }

    #[test]
    fn a_short_or_odd_credential_has_a_placeholder_that_cannot_be_guessed() {
        for real in ["", "x", "real-key", "key with\nlines and ü and more of it"] {
            let made = placeholder(real, "run");
            assert!(made.len() >= MIN_CHARACTERS, "{real}: {made}");
            assert!(made.is_ascii() && !made.contains('\n'), "{real}: {made}");
            assert!(!made.contains("real"), "{made}");
        }
        let key_file = "A".repeat(10_000);
        assert_eq!(placeholder(&key_file, "run").len(), MAX_CHARACTERS);
    }
}
