//! Reads git's words about a remote: git has one exit status for every trouble, so its sentences are all there is.

/// What kind of trouble git had with a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There is no such repository, or none that this credential may know of.
    NotFound,
    /// The credential is missing, wrong, or allows too little.
    AccessRefused,
    /// The remote or the road to it is down for now.
    Unreachable,
    /// The transfer all but stopped.
    TooSlow,
    /// A lock of an earlier command stands in the way.
    Locked,
    /// Something else.
    Other,
}

/// Fragments in lower case, most telling first: a refused login also says that the remote could not be read.
/// The words are those of git 2.39 to 2.47, libcurl and OpenSSH in the C locale, and of GitHub's and GitLab's servers.
const FRAGMENTS: [(&str, Trouble); 38] = [
    (".lock': file exists", Trouble::Locked),
    ("operation too slow", Trouble::TooSlow),
    ("could not read username", Trouble::AccessRefused),
    ("could not read password", Trouble::AccessRefused),
    ("authentication failed", Trouble::AccessRefused),
    ("invalid username or", Trouble::AccessRefused),
    ("permission denied", Trouble::AccessRefused),
    ("access denied", Trouble::AccessRefused),
    ("http basic: access", Trouble::AccessRefused),
    ("returned error: 401", Trouble::AccessRefused),
    ("returned error: 403", Trouble::AccessRefused),
    (
        "write access to repository not granted",
        Trouble::AccessRefused,
    ),
    ("host key verification failed", Trouble::AccessRefused),
    ("dubious ownership", Trouble::AccessRefused),
    ("repository not found", Trouble::NotFound),
    ("returned error: 404", Trouble::NotFound),
    ("returned error: 410", Trouble::NotFound),
    ("does not appear to be a git repository", Trouble::NotFound),
    (
        "project you were looking for could not be found",
        Trouble::NotFound,
    ),
    ("not found", Trouble::NotFound),
    ("returned error: 5", Trouble::Unreachable),
    ("returned error: 429", Trouble::Unreachable),
    ("could not resolve", Trouble::Unreachable),
    ("couldn't resolve", Trouble::Unreachable),
    ("failed to connect", Trouble::Unreachable),
    ("couldn't connect", Trouble::Unreachable),
    ("could not connect", Trouble::Unreachable),
    ("connection refused", Trouble::Unreachable),
    ("connection reset", Trouble::Unreachable),
    ("connection timed out", Trouble::Unreachable),
    ("connection closed", Trouble::Unreachable),
    ("network is unreachable", Trouble::Unreachable),
    ("empty reply from server", Trouble::Unreachable),
    ("early eof", Trouble::Unreachable),
    ("unexpected disconnect", Trouble::Unreachable),
    ("the remote end hung up", Trouble::Unreachable),
    ("rpc failed", Trouble::Unreachable),
    ("unable to access", Trouble::Unreachable),
];

impl Trouble {
    /// Reads a command's standard error.
    pub(crate) fn read(errors: &str) -> Self {
        let errors = errors.to_ascii_lowercase();
        FRAGMENTS
            .iter()
            .find(|(fragment, _)| errors.contains(fragment))
            .map_or(Self::Other, |(_, trouble)| *trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_words_are_told_apart() {
        let table = [
            (
                "fatal: could not read Username for 'https://x': terminal prompts disabled",
                Trouble::AccessRefused,
            ),
            (
                "remote: Repository not found.\nfatal: repository 'https://x/' not found",
                Trouble::NotFound,
            ),
            (
                "fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                Trouble::NotFound,
            ),
            (
                "fatal: unable to access 'https://x/': Could not resolve host: x",
                Trouble::Unreachable,
            ),
            (
                "fatal: unable to access 'http://x/': The requested URL returned error: 503",
                Trouble::Unreachable,
            ),
            (
                "fatal: unable to access 'http://x/': The requested URL returned error: 403",
                Trouble::AccessRefused,
            ),
            (
                "git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.",
                Trouble::AccessRefused,
            ),
            (
                "error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec",
                Trouble::TooSlow,
            ),
            (
                "error: cannot lock ref: Unable to create '/m/refs/heads/a.lock': File exists.",
                Trouble::Locked,
            ),
            ("fatal: bad object HEAD", Trouble::Other),
        ];
        for (words, expected) in table {
            assert_eq!(Trouble::read(words), expected, "{words}");
        }
    }
}
