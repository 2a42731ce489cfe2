//! Which paths a plan has approved: files, folders and globs, as the agent named them and a person read them.

use globset::{GlobBuilder, GlobMatcher};

/// Names that nobody gives a file. An entry that matches one of them says nothing about what will change.
const ANYTHING: [&str; 3] = ["q7xk2v", "q7xk2v/z3", "q7xk2v/z3/w9.p4"];
/// Signs that make an entry a glob. Square brackets are none: frameworks name folders with them.
const WILD: [char; 4] = ['*', '?', '{', '}'];

/// What an approved plan lets change. The empty one lets nothing.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// As it was named, without a leading `./`.
    text: String,
    glob: Option<GlobMatcher>,
}

/// Why an entry cannot be a part of a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` {reason}")]
pub struct UnfitEntry {
    /// The entry.
    pub entry: String,
    /// What is with it, as the rest of a sentence.
    pub reason: &'static str,
}

impl Scope {
    /// Reads the entries of a plan: a file (`lib/users.js`), a folder (`lib/`) or a glob (`test/**/*.js`), each from
    /// the repository's root.
    ///
    /// # Errors
    /// At an entry that is no path inside the repository, or that would let everything change.
    pub fn read<S: AsRef<str>>(entries: &[S]) -> Result<Self, UnfitEntry> {
        let entries = entries.iter().map(|entry| Entry::read(entry.as_ref()));
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a file at this path may change.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        self.entries.iter().any(|entry| entry.covers(path))
    }

    /// Whether the plan speaks of this very path: it names the file, or covers it by an entry that begins inside of
    /// `protected`, a folder with a slash at its end. `**` covers a protected file without naming it.
    #[must_use]
    pub fn names(&self, path: &str, protected: &str) -> bool {
        self.entries.iter().any(|entry| {
            let begins_inside = !protected.is_empty() && entry.start().starts_with(protected);
            entry.text == path || (begins_inside && entry.covers(path))
        })
    }
}

impl Entry {
    fn read(entry: &str) -> Result<Self, UnfitEntry> {
        let text = entry.trim();
        let text = text.strip_prefix("./").unwrap_or(text);
        let unfit = |reason| UnfitEntry {
            entry: entry.to_owned(),
            reason,
        };
        if text.is_empty() || text == "." {
            return Err(unfit("names no path"));
        }
        if text.starts_with(['/', '~']) || text.contains('\\') || text.chars().any(char::is_control)
        {
            return Err(unfit(
                "is no path inside the repository, written with slashes from its root",
            ));
        }
        let mut parts = text.trim_end_matches('/').split('/');
        if parts.clone().any(|part| part == ".." || part.is_empty()) {
            return Err(unfit("climbs out of the folder it names"));
        }
        if parts.any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(unfit("is a part of git's own folder"));
        }
        let entry = Self {
            text: text.to_owned(),
            glob: glob(text).map_err(|_| unfit("is a glob that cannot be read"))?,
        };
        if ANYTHING.iter().any(|name| entry.covers(name)) {
            return Err(unfit(
                "would let every file change; name files, folders (`lib/`) or narrower globs (`test/**/*.js`)",
            ));
        }
        Ok(entry)
    }

    fn covers(&self, path: &str) -> bool {
        self.text == path
            || (self.text.ends_with('/') && self.glob.is_none() && path.starts_with(&self.text))
            || self.glob.as_ref().is_some_and(|glob| glob.is_match(path))
    }

    /// The folder that everything it covers lies in, as far as it is written without a wildcard.
    fn start(&self) -> &str {
        let plain = self.text.split(WILD).next().unwrap_or_default();
        plain.rfind('/').map_or("", |end| &plain[..=end])
    }
}

/// The matcher of an entry with a wildcard; a folder's covers what lies in it.
fn glob(text: &str) -> Result<Option<GlobMatcher>, globset::Error> {
    if !text.contains(WILD) {
        return Ok(None);
    }
    let mut pattern = text.replace('[', "[[]");
    if pattern.ends_with('/') {
        pattern.push_str("**");
    }
    let glob = GlobBuilder::new(&pattern).literal_separator(true).build()?;
    Ok(Some(glob.compile_matcher()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_what_it_says_and_no_more() {
        for (entry, path, covers) in [
            ("lib/users.js", "lib/users.js", true),
            ("./lib/users.js", "lib/users.js", true),
            ("lib/users.js", "lib/users.js.map", false),
            ("lib/users.js", "LIB/users.js", false),
            ("lib/", "lib/deep/er.js", true),
            ("lib/", "library/a.js", false),
            ("lib", "lib/users.js", false),
            ("test/**/*.js", "test/a.js", true),
            ("test/**/*.js", "test/a/b/c.js", true),
            ("test/**/*.js", "test/a/b/c.ts", false),
            ("test/*.js", "test/a/b.js", false),
            ("*.md", "README.md", true),
            ("*.md", "docs/a.md", false),
            ("packages/*/src/", "packages/web/src/a/b.ts", true),
            ("packages/*/src/", "packages/web/test/a.ts", false),
            ("app/[id]/page.tsx", "app/[id]/page.tsx", true),
            ("app/[id]/page.tsx", "app/i/page.tsx", false),
            ("app/[id]/*.tsx", "app/[id]/page.tsx", true),
            ("a/{b,c}/", "a/c/d", true),
        ] {
            let scope = Scope::read(&[entry]).unwrap();
            assert_eq!(scope.covers(path), covers, "{entry} and {path}");
        }
        assert!(!Scope::default().covers("README.md"));
    }

    #[test]
    fn an_entry_that_says_nothing_or_leads_elsewhere_is_refused() {
        for entry in [
            "",
            " ",
            ".",
            "/etc/passwd",
            "~/x",
            "../x",
            "a/../../x",
            "a//b",
            "*",
            "**",
            "**/*",
            "*/**",
            "?*",
            "**/",
            "*/",
            "{*,x}",
            "**/*.*",
            ".git/config",
            "a/.GIT/hooks/x",
            "a\\b",
            "a\nb",
            "{a",
        ] {
            assert!(Scope::read(&[entry]).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_protected_path_is_named_only_by_an_entry_that_speaks_of_it() {
        let ci = ".github/workflows/ci.yml";
        for (entry, names) in [
            (".github/workflows/ci.yml", true),
            (".github/workflows/", true),
            (".github/workflows/*.yml", true),
            (".github/", false),
            (".github/**", false),
            (".github/workflows/release.yml", false),
            (".g*/workflows/ci.yml", false),
        ] {
            let scope = Scope::read(&[entry]).unwrap();
            assert_eq!(scope.names(ci, ".github/workflows/"), names, "{entry}");
        }
        let owners = Scope::read(&["docs/"]).unwrap();
        assert!(owners.covers("docs/CODEOWNERS") && !owners.names("docs/CODEOWNERS", ""));
    }
}
