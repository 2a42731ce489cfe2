//! Hosts of documentation that the preset `trusted` lets an agent read. Registries are none of these: which ones a
//! sandbox's package managers use is recorded in its image.

use super::{
    host::HostPattern,
    rule::{HTTP_PORT, Phase, PolicyRule, TLS_PORT},
};

/// Documentation of languages, frameworks, databases and protocols. None of these hosts takes words of strangers that
/// others could read there.
const DOCUMENTATION: [&str; 34] = [
    "angular.dev",
    "cmake.org",
    "curl.se",
    "dart.dev",
    "datatracker.ietf.org",
    "developer.android.com",
    "developer.apple.com",
    "developer.mozilla.org",
    "doc.rust-lang.org",
    "docs.docker.com",
    "docs.djangoproject.com",
    "docs.github.com",
    "docs.oracle.com",
    "docs.python.org",
    "docs.ruby-lang.org",
    "docs.spring.io",
    "docs.swift.org",
    "dev.mysql.com",
    "elixir-lang.org",
    "en.cppreference.com",
    "git-scm.com",
    "go.dev",
    "kotlinlang.org",
    "kubernetes.io",
    "learn.microsoft.com",
    "nodejs.org",
    "react.dev",
    "sqlite.org",
    "svelte.dev",
    "vuejs.org",
    "www.php.net",
    "www.postgresql.org",
    "www.rfc-editor.org",
    "www.typescriptlang.org",
];

/// The rules for documentation: read only, while the agent works.
pub fn documentation() -> impl Iterator<Item = PolicyRule> {
    DOCUMENTATION.iter().filter_map(|host| {
        let host = HostPattern::parse(host).ok()?;
        Some(PolicyRule::reading(
            host,
            &[TLS_PORT, HTTP_PORT],
            &[Phase::Work],
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_documentation_is_a_name() {
        assert_eq!(documentation().count(), DOCUMENTATION.len());
    }
}
