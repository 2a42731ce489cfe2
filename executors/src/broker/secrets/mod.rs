//! Finds secrets in texts: those that the host holds itself, and what a well-kept set of rules knows by its looks.
//!
//! The rules are data, `gitleaks.json`: the set of the Gitleaks project (MIT), of which only the form was changed. Its
//! exceptions for folders are left out, because whoever writes a secret also chooses the folder.

mod rules;

use std::ops::Range;

pub use rules::BrokenRules;
use rules::{RULES, Rule};

/// Secrets that are named of one text; one is enough to hold it back.
const FOUND_MAX: usize = 20;
/// The rule that goes by names of variables alone. Lists of locked versions have nothing but such lines.
const GENERIC_RULE: &str = "generic-api-key";
/// Lists of locked versions.
const LOCK_FILES: [&str; 12] = [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "deno.lock",
    "Cargo.lock",
    "poetry.lock",
    "Pipfile.lock",
    "uv.lock",
    "go.sum",
    "composer.lock",
];

/// Finds secrets that the host holds, in any form it knows of.
pub trait KnownSecrets: Send + Sync {
    /// Where they stand.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>>;
}

/// For hosts that hold none.
#[derive(Debug, Clone, Copy)]
pub struct NoSecrets;

impl KnownSecrets for NoSecrets {
    fn find(&self, _: &[u8]) -> Vec<Range<usize>> {
        Vec::new()
    }
}

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The rule that found it.
    pub(crate) rule: &'static str,
    /// Where it stands.
    pub(crate) at: Range<usize>,
}

/// What looks like a secret in a file's text, by the rules; each place once, in the order of the text.
pub(crate) fn find(path: &str, text: &[u8]) -> Result<Vec<Found>, BrokenRules> {
    let set = RULES.as_ref().map_err(BrokenRules::clone)?;
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_locked = LOCK_FILES.contains(&file);
    let mut found: Vec<Found> = Vec::new();
    let (generic, exact): (Vec<&'static Rule>, Vec<&'static Rule>) = set
        .suspected(path, text)
        .into_iter()
        .partition(|rule| rule.id == GENERIC_RULE);
    for rule in exact
        .into_iter()
        .chain(generic.into_iter().filter(|_| !is_locked))
    {
        for at in rule.find(set, text)? {
            let is_known = found
                .iter()
                .any(|known| known.at.start < at.end && at.start < known.at.end);
            if !is_known {
                found.push(Found { rule: &rule.id, at });
            }
            if found.len() >= FOUND_MAX {
                break;
            }
        }
    }
    found.sort_by_key(|found| found.at.start);
    Ok(found)
}

/// A secret as it may be shown: its first and last two characters, where enough lies between.
pub(crate) fn masked(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    if letters.len() < 12 {
        return "…".to_owned();
    }
    let [first, second, .., before_last, last] = letters.as_slice() else {
        return "…".to_owned();
    };
    format!("{first}{second}…{before_last}{last}")
}

/// A text with every secret in it masked: these values, what the host holds, and what the rules find.
pub(crate) fn without(
    path: &str,
    text: &str,
    values: &[String],
    known: &dyn KnownSecrets,
) -> Result<String, BrokenRules> {
    let mut text = text.to_owned();
    let lines = values.iter().flat_map(|value| value.lines());
    for line in lines.map(str::trim).filter(|line| line.len() >= 6) {
        text = text.replace(line, &masked(line));
    }
    let mut places: Vec<Range<usize>> = known.find(text.as_bytes());
    places.extend(
        find(path, text.as_bytes())?
            .into_iter()
            .map(|found| found.at),
    );
    places.sort_by_key(|place| (place.start, place.end));
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for place in places {
        if place.start >= end {
            shown.push_str(text.get(end..place.start).unwrap_or_default());
            shown.push_str(&masked(text.get(place.clone()).unwrap_or_default()));
        }
        end = end.max(place.end);
    }
    shown.push_str(text.get(end..).unwrap_or_default());
    Ok(shown)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Made of parts, so that no scanner takes this file for a leak.
    fn token() -> String {
        ["ghp_", "Zq3vR8mK1xT6", "bN4cW9yL2pH7", "sD5fG0jA8uEe"].concat()
    }

    #[test]
    fn every_rule_can_be_read() {
        let set = RULES.as_ref().unwrap();
        assert!(set.rules.len() > 200);
        for rule in &set.rules {
            rule.find(set, b"nothing").unwrap();
        }
    }

    #[test]
    fn tokens_and_keys_are_found_once_and_examples_are_not() {
        let key = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
            "MIIEpAIBAAKCAQEA7Zq3vR8mK1xT6bN4cW9yL2pH7sD5fG0jA8uE".repeat(3)
        );
        for (text, rule) in [
            (format!("const token = '{}';", token()), "github-pat"),
            (
                ["aws = AKIA", "Q3EGUZ7X", "5YB2KWMN"].concat(),
                "aws-access-token",
            ),
            (
                [
                    "xoxb-",
                    "283745619023-283745619024-",
                    "Zq3vR8mK1xT6bN4cW9yL2pH7",
                ]
                .concat(),
                "slack-bot-token",
            ),
            (key, "private-key"),
            (
                "password = \"hV9#kQ2mZx7rT4wB\"".replace('#', "a"),
                "generic-api-key",
            ),
        ] {
            let found = find("lib/a.js", text.as_bytes()).unwrap();
            let rules: Vec<&str> = found.iter().map(|found| found.rule).collect();
            assert_eq!(rules, [rule], "{text}");
        }
        for text in [
            "const page = users.slice(offset + start, offset + end);",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "password = process.env.PASSWORD",
            "api_key = \"your-api-key-here\"",
        ] {
            assert_eq!(find("lib/a.js", text.as_bytes()).unwrap(), [], "{text}");
        }
        let locked = b"secret = \"hV9akQ2mZx7rT4wB\"";
        assert_eq!(find("web/yarn.lock", locked).unwrap(), []);
    }

    #[test]
    fn what_is_shown_of_a_secret_is_four_letters() {
        assert_eq!(masked(&token()), "gh…Ee");
        assert_eq!(masked("short"), "…");
        let shown = without(
            "a",
            &format!("-old {0}\n+new {0}", token()),
            &[],
            &NoSecrets,
        )
        .unwrap();
        assert_eq!(shown, "-old gh…Ee\n+new gh…Ee");
        let values = ["first line of it\nsecond line of it".to_owned()];
        let shown = without("a", "+second line of it\n", &values, &NoSecrets).unwrap();
        assert_eq!(shown, "+se…it\n");
    }
}
