//! Names of hosts: their one spelling, what is no name, and the patterns by which a policy lists them.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name of a host, in bytes. Source: RFC 1035, 2.3.4, without the dot that ends an absolute name.
pub const MAX_HOST_BYTES: usize = 253;

/// A host on the list: by its exact name, or all names below a suffix, written `*.suffix`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", "maxLength" = MAX_HOST_BYTES))]
pub struct HostPattern {
    name: String,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Exact,
    Below,
}

impl HostPattern {
    /// Reads `host` or `*.host`. A bare `*`, an address in figures and a suffix of one label are refused: each would
    /// list far more than it says. The error is a sentence that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, form) = match text.strip_prefix("*.") {
            Some(suffix) => (suffix, Form::Below),
            None => (text, Form::Exact),
        };
        let name = normal(name);
        if matches!(text, "*" | "*.") {
            return Err(format!(
                "`{text}` would allow everything; the preset `open` says so in the open"
            ));
        }
        if is_address(&name) {
            return Err(format!(
                "`{text}` is an address in figures, which is never allowed; write a name"
            ));
        }
        if name.contains('*') {
            return Err(format!(
                "`{text}` has a `*` inside; it may only stand in front, as in `*.packages.example`"
            ));
        }
        if !is_host_name(&name) {
            return Err(format!(
                "`{}` is no name of a host; write it without scheme, port and path, as in `packages.example`",
                text.chars().take(80).collect::<String>().escape_debug()
            ));
        }
        if form == Form::Below && !name.contains('.') {
            return Err(format!(
                "`{text}` would allow far more than it says; a suffix needs two labels"
            ));
        }
        Ok(Self { name, form })
    }

    /// Whether the pattern covers a name in its one spelling (see [`normal`]).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        match self.form {
            Form::Exact => host == self.name,
            // On the boundary of a label: `*.b.c` covers `a.b.c`, and neither `b.c` nor `ab.c`.
            Form::Below => host
                .strip_suffix(&self.name)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.form {
            Form::Exact => "",
            Form::Below => "*.",
        })?;
        formatter.write_str(&self.name)
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

/// A host's name in its one spelling: lower case, without the dot that ends an absolute name.
#[must_use]
pub fn normal(host: &str) -> String {
    // Only one: what is left must not be read again as another name.
    let without = host.strip_suffix('.').filter(|rest| !rest.ends_with('.'));
    without.unwrap_or(host).to_ascii_lowercase()
}

/// An address in any spelling that resolvers accept: `127.1` and `0x7f000001` are addresses too.
#[must_use]
pub fn is_address(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let last = bare.rsplit('.').next().unwrap_or(bare);
    bare.parse::<IpAddr>().is_ok()
        || bare.contains(':')
        || last.starts_with("0x")
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether this can be the name of a host at all.
#[must_use]
pub fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_HOST_BYTES
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn what_would_list_more_than_it_says_is_refused() {
        for text in [
            "*",
            "*.",
            "*.com",
            "",
            ".",
            "1.2.3.4",
            "[::1]",
            "127.1",
            "0x7f000001",
            "a..b",
            "a b",
            "a.b:443",
            "https://a.b",
            "a/b",
            "*.*.c.d",
            "ex*mple.org",
            "a.b\n",
            "é.example",
            &"a.".repeat(200),
        ] {
            let sentence = HostPattern::parse(text).expect_err(text);
            assert!(sentence.starts_with('`'), "{sentence}");
        }
    }

    #[test]
    fn a_pattern_covers_on_the_boundary_of_a_label() {
        let table = [
            ("packages.example", "packages.example", true),
            ("Packages.Example.", "packages.example", true),
            ("*.cdn.example", "a.cdn.example", true),
            ("*.cdn.example", "a.b.cdn.example", true),
            ("*.cdn.example", "cdn.example", false),
            ("*.cdn.example", "evilcdn.example", false),
            ("*.cdn.example", ".cdn.example", false),
            ("packages.example", "packages.example.evil.test", false),
            ("packages.example", "xpackages.example", false),
        ];
        for (pattern, host, expected) in table {
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.covers(host), expected, "{pattern} {host}");
        }
    }
}
