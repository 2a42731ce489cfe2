//! What secrets look like that nobody told us of: tokens of platforms, private keys, passwords in addresses, sign-in headers.

use regex::bytes::{Regex, RegexBuilder};

/// A shape that only secrets have.
pub(super) struct Shape {
    /// One of these stands in every text that has the shape; looking for them is cheap.
    pub(super) keywords: &'static [&'static str],
    /// The shape. Where it has a group, only the group is secret.
    pub(super) pattern: Regex,
}

/// Keywords and patterns. The prefixes are the platforms' own, published for scanners like this one.
const SHAPES: [(&[&str], &str); 10] = [
    (
        &[
            "xoxa-", "xoxb-", "xoxc-", "xoxd-", "xoxe-", "xoxp-", "xoxr-", "xoxs-",
        ],
        r"xox[abcdeprs]-[A-Za-z0-9-]{10,}",
    ),
    (&["xapp-"], r"xapp-[A-Za-z0-9-]{10,}"),
    (
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"gh[pousr]_[A-Za-z0-9]{16,}(?:[._-][A-Za-z0-9_-]+)*",
    ),
    (&["github_pat_"], r"github_pat_[A-Za-z0-9_]{16,}"),
    (&["sk-"], r"\bsk-[A-Za-z0-9_-]{20,}"),
    (&["AIza"], r"AIza[A-Za-z0-9_-]{30,}"),
    (
        &["lin_api_", "lin_oauth_", "lin_wh_"],
        r"lin_(?:api|oauth|wh)_[A-Za-z0-9]{16,}",
    ),
    (
        &["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"],
        // Up to its end; where that was cut off, as far as its lines go.
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:(?:[^-]|-{1,4}[^-])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|(?:(?:\s|\\+[nr])*[A-Za-z0-9+/=]{16,})*)",
    ),
    (
        &["://"],
        r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@"'`<>\\]*:([^\s/?#"'`<>]+)@"#,
    ),
    (
        &["uthorization", "UTHORIZATION"],
        r#"(?i)authorization["'\\]*\s*[:=]\s*["'\\]*(?:bearer|basic|token)\s+([A-Z0-9+/=._~-]{8,})"#,
    ),
];

/// Every shape, ready to be looked for.
pub(super) fn all() -> Result<Vec<Shape>, regex::Error> {
    SHAPES
        .iter()
        .map(|(keywords, pattern)| {
            // Letters and digits of ASCII are meant; the tables of Unicode's cost a hundred times the memory.
            let pattern = RegexBuilder::new(pattern).unicode(false).build()?;
            Ok(Shape { keywords, pattern })
        })
        .collect()
}
