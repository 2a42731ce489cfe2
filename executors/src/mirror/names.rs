//! Names of things in a repository: commits, trees and branches, checked once and then trusted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Hexadecimal digits of a SHA-1 object name.
const SHA1_DIGITS: usize = 40;
/// Hexadecimal digits of a SHA-256 object name.
const SHA256_DIGITS: usize = 64;
/// Bytes of the longest branch name: a file name's 255, less what `refs/heads/` and `.lock` take.
const LONGEST_BRANCH_BYTES: usize = 230;

/// A text that cannot be the name of what it should name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of a {what}")]
pub struct UnfitName {
    /// What it should name: `commit`, `tree`, `branch`.
    pub what: &'static str,
    /// The text as it came.
    pub text: String,
}

/// The full object name of a commit, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// The full object name of a tree, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreeId(String);

/// The short name of a branch, without `refs/heads/`, as `git check-ref-format --branch` allows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

impl CommitId {
    /// Reads a full object name; abbreviations are refused.
    pub fn parse(text: &str) -> Result<Self, UnfitName> {
        object_name(text, "commit").map(Self)
    }

    /// The first twelve digits, as people read it.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl TreeId {
    /// Reads a full object name; abbreviations are refused.
    pub fn parse(text: &str) -> Result<Self, UnfitName> {
        object_name(text, "tree").map(Self)
    }
}

impl BranchName {
    /// Reads a branch name and refuses what git would refuse, and what a command line could take for an option.
    pub fn parse(text: &str) -> Result<Self, UnfitName> {
        let unfit = text.is_empty()
            || text == "@"
            || text.len() > LONGEST_BRANCH_BYTES
            || text.starts_with('-')
            || text.ends_with('.')
            || text.contains("..")
            || text.contains("@{")
            || text
                .chars()
                .any(|letter| letter.is_control() || " ~^:?*[\\".contains(letter))
            || text
                .split('/')
                .any(|part| part.is_empty() || part.starts_with('.') || has_lock_ending(part));
        if unfit {
            return Err(UnfitName {
                what: "branch",
                text: text.to_owned(),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The full name of the reference: `refs/heads/…`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// Git keeps `.lock` for itself; file systems that fold case make every spelling of it unfit.
fn has_lock_ending(part: &str) -> bool {
    part.to_ascii_lowercase().ends_with(".lock")
}

fn object_name(text: &str, what: &'static str) -> Result<String, UnfitName> {
    let fits = matches!(text.len(), SHA1_DIGITS | SHA256_DIGITS)
        && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(UnfitName {
            what,
            text: text.to_owned(),
        })
    }
}

macro_rules! reads_as_text {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = UnfitName;

            fn try_from(text: String) -> Result<Self, UnfitName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

reads_as_text!(CommitId);
reads_as_text!(TreeId);
reads_as_text!(BranchName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_name_that_git_would_refuse_is_refused() {
        for text in [
            "", "@", "-x", "/a", "a/", "a//b", "a..b", "a b", "a~1", "a:b", "a.lock", "x/.y",
            "a@{1}", "a.", "a\nb", "a\\b",
        ] {
            assert!(BranchName::parse(text).is_err(), "{text:?}");
        }
        for text in ["main", "deckhand/fix-users-7f3a", "release/1.2", "v1.0"] {
            assert!(BranchName::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_abbreviated_commit_is_refused() {
        assert!(CommitId::parse("abc123").is_err());
        assert!(CommitId::parse(&"a1".repeat(20)).is_ok());
        assert!(CommitId::parse(&"g1".repeat(20)).is_err());
    }
}
