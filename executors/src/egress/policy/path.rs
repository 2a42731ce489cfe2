//! Beginnings of paths, compared so that no spelling of a path reaches beside them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest path in a policy, in bytes.
pub const MAX_PREFIX_BYTES: usize = 512;
/// How often a path is unescaped before it is given up: no server on the way does it more often.
const MAX_UNESCAPES: usize = 4;

/// The beginning of a path: `/simple/` covers what is below, `/simple` covers `/simple` and what is below it, and
/// neither covers `/simpleton`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^/[^%\\\\?#;]*$", "maxLength" = MAX_PREFIX_BYTES))]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Reads a prefix. The error is a sentence that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(80).collect::<String>();
        let say = |reason: &str| Err(format!("`{}` {reason}", shown().escape_debug()));
        if !text.starts_with('/') {
            return say("is no beginning of a path; it has to begin with `/`");
        }
        if text.len() > MAX_PREFIX_BYTES {
            return say("is too long for the beginning of a path; 512 bytes are the limit");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic())
            || text.contains(['%', '\\', '?', '#', ';', '*'])
        {
            return say(
                "holds a sign that a path here may not have; write it plainly, without escapes and without a query",
            );
        }
        if text[1..].split('/').any(|part| matches!(part, "." | "..")) || text.contains("//") {
            return say("holds `.`, `..` or `//`; write the path that is meant");
        }
        Ok(Self(text.to_owned()))
    }

    /// The prefix as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every reading of the path lies below: as it is written, and after each unescape. A path that climbs in
    /// any reading lies below nothing.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        readings(path).is_some_and(|readings| {
            readings
                .iter()
                .all(|reading| !climbs(reading) && !is_cut(reading) && self.is_above(reading))
        })
    }

    /// Whether some reading of the path lies below, whatever its case: for rules that forbid. A path that cannot be
    /// read is taken for one that does.
    #[must_use]
    pub fn touches(&self, path: &str) -> bool {
        let small = Self(self.0.to_ascii_lowercase());
        readings(path).is_none_or(|readings| {
            readings.iter().any(|reading| {
                let reading = reading.to_ascii_lowercase();
                climbs(&reading)
                    || is_cut(&reading)
                    || small.is_above(&reading)
                    || small.is_above(&without_empty_parts(&reading))
            })
        })
    }

    fn is_above(&self, path: &str) -> bool {
        path.strip_prefix(self.0.as_str()).is_some_and(|rest| {
            self.0.ends_with('/') || rest.is_empty() || rest.starts_with(['/', ';'])
        })
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<PathPrefix> for String {
    fn from(prefix: PathPrefix) -> Self {
        prefix.0
    }
}

/// The path as it is written, and as it is after each unescape until nothing changes. `None` where that has no end.
fn readings(path: &str) -> Option<Vec<String>> {
    let mut readings = vec![path.to_owned()];
    for _ in 0..MAX_UNESCAPES {
        let last = readings.last()?;
        let next = unescape(last);
        if next == *last {
            return Some(readings);
        }
        readings.push(next);
    }
    None
}

/// One round of percent-decoding. Bytes that are no text are replaced, so they fit no prefix of plain signs.
fn unescape(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let pair = bytes.get(index + 1..index + 3).filter(|_| *byte == b'%');
        let mut value = [0];
        if let Some(pair) = pair
            && hex::decode_to_slice(pair, &mut value).is_ok()
        {
            out.push(value[0]);
            index += 3;
        } else {
            out.push(*byte);
            index += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a reading has a part that some server would take for "here" or "one up". Parameters behind `;` are cut off
/// first, as some servers do, and a backslash counts as a slash.
fn climbs(reading: &str) -> bool {
    reading.split(['/', '\\']).any(|part| {
        let part = part.split(';').next().unwrap_or(part);
        matches!(part, "." | "..")
    })
}

/// Whether some server would read no further than to a sign in it: a zero, the end of a line.
fn is_cut(reading: &str) -> bool {
    reading.contains(char::is_control)
}

fn without_empty_parts(path: &str) -> String {
    let parts: Vec<&str> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty())
        .collect();
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn no_spelling_of_a_path_reaches_beside_its_prefix() {
        let table = [
            ("/simple/", "/simple/", true),
            ("/simple/", "/simple/left-pad/", true),
            ("/simple/", "/simple/@types%2fnode", true),
            ("/simple/", "/simple/a..b/...", true),
            ("/simple/", "/simple", false),
            ("/simple", "/simple", true),
            ("/simple", "/simple/x", true),
            ("/simple", "/simpleton", false),
            ("/", "/anything", true),
            ("/simple/", "/Simple/x", false),
            ("/simple/", "//simple/x", false),
            ("/simple/", "/%73imple/x", false),
            ("/simple/", "/simple/../admin", false),
            ("/simple/", "/simple/./x", false),
            ("/simple/", "/simple/..;x/admin", false),
            ("/simple/", "/simple/.;/x", false),
            ("/simple/", "/simple/%2e%2E/admin", false),
            ("/simple/", "/simple/.%2e/admin", false),
            ("/simple/", "/simple/a%2f..%2f..%2fadmin", false),
            ("/simple/", "/simple/..%5cadmin", false),
            ("/simple/", "/simple/..%00/admin", false),
            ("/simple/", "/simple/a%0d%0ab", false),
            ("/simple/", "/simple/%252e%252e/admin", false),
            ("/simple/", "/simple/%25252e%25252e/admin", false),
            ("/simple/", "/simple/%2525252525252e", false),
            ("/simple/", "/admin/..%2fsimple/x", false),
        ];
        for (prefix, path, expected) in table {
            let prefix = PathPrefix::parse(prefix).unwrap();
            assert_eq!(prefix.covers(path), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn a_prefix_that_forbids_is_touched_by_every_spelling() {
        let prefix = PathPrefix::parse("/admin").unwrap();
        for path in [
            "/admin",
            "/ADMIN/x",
            "//admin/x",
            "/%61dmin",
            "/%2561dmin",
            "/x/..%2fadmin",
            "/x/../admin",
            "/admin;x=1",
            "/\\admin",
            "/%252525252561",
        ] {
            assert!(prefix.touches(path), "{path}");
        }
        for path in ["/", "/administrator", "/x/admin", "/a%20dmin"] {
            assert!(!prefix.touches(path), "{path}");
        }
    }

    #[test]
    fn a_prefix_that_is_not_plain_is_refused() {
        for text in [
            "",
            "simple",
            "/a/../b",
            "/./a",
            "/..",
            "//a",
            "/a//b",
            "/a%2fb",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/a;b",
            "/a b",
            "/a\n",
            "/é",
            "/a*",
            &"/a".repeat(400),
        ] {
            PathPrefix::parse(text).expect_err(text);
        }
    }
}
