//! The address of a repository: which kinds are taken, and where its mirror lies on the host's disk.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Bytes of the longest address that is taken.
const LONGEST_ADDRESS_BYTES: usize = 1024;
/// The folder, beside the hosts' folders, that holds mirrors of repositories on the host's own disk.
const LOCAL_FOLDER: &str = "local";

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// Plain HTTP; for networks of one's own.
    Http,
    /// SSH with the host's own keys.
    Ssh,
    /// A folder of the host.
    File,
}

impl Scheme {
    /// The scheme as git's `protocol.<name>.allow` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }
}

/// The address of a repository, without any credential in it, so it may be shown and logged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepositoryUrl {
    text: String,
    scheme: Scheme,
    /// Host and port, lower case; empty for a file.
    authority: String,
    /// The parts of the path, without the last part's `.git`.
    parts: Vec<String>,
}

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitUrl {
    /// Not `https`, `http`, `ssh`, `file` or the short form of SSH.
    #[error("only https, http, ssh and file addresses of repositories are taken")]
    Scheme,
    /// A user name or password stands in the address.
    #[error("the address carries a credential; those belong in the settings")]
    CarriesCredential,
    /// The host is missing or has letters that no host has.
    #[error("the address has no proper host")]
    Host,
    /// The path is missing, or has parts that could lead elsewhere.
    #[error("the address has no proper path to a repository")]
    Path,
}

impl RepositoryUrl {
    /// Reads an address: `https://host/owner/name`, `ssh://git@host/owner/name`, `git@host:owner/name`, `file:///path`.
    ///
    /// # Errors
    /// See [`UnfitUrl`]. The address itself is never part of the error, because it may carry a credential.
    pub fn parse(text: &str) -> Result<Self, UnfitUrl> {
        let text = text.trim();
        let unprintable = |letter: char| letter.is_control() || letter.is_whitespace();
        if text.len() > LONGEST_ADDRESS_BYTES || text.contains(unprintable) {
            return Err(UnfitUrl::Path);
        }
        let (scheme, rest) = split_scheme(text)?;
        let (authority, path) = rest.split_once('/').ok_or(UnfitUrl::Path)?;
        let (user, authority) = check_authority(scheme, authority)?;
        let parts = check_path(path)?;
        Ok(Self {
            text: format!("{}://{user}{authority}/{path}", scheme.as_str()),
            scheme,
            authority,
            parts,
        })
    }

    /// The address of a folder of the host.
    pub fn of_folder(path: &Path) -> Result<Self, UnfitUrl> {
        let path = path.to_str().ok_or(UnfitUrl::Path)?;
        Self::parse(&format!("file://{path}"))
    }

    /// The address as git takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it is reached.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host with its port where one is given; empty for a folder of the host.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The last two parts of the path, `owner/name`; only the name where there is no more.
    #[must_use]
    pub fn short_name(&self) -> String {
        let from = self.parts.len().saturating_sub(2);
        self.parts[from..].join("/")
    }

    /// The part of the address that a credential is bound to: scheme and host.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}/", self.scheme.as_str(), self.authority)
    }

    /// Where the mirror lies below the mirrors' root.
    pub(crate) fn mirror_path(&self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        if self.scheme == Scheme::File {
            path.push(LOCAL_FOLDER);
        } else {
            // A colon would end the path in the lists of paths that git and engines read.
            path.push(self.authority.replace(':', "+"));
        }
        let (name, folders) = match self.parts.split_last() {
            Some((name, folders)) => (name.as_str(), folders),
            None => ("repository", [].as_slice()),
        };
        path.extend(folders);
        path.push(format!("{name}.git"));
        path
    }
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The scheme, and what follows it; the short form of SSH, `user@host:path`, becomes the long one.
fn split_scheme(text: &str) -> Result<(Scheme, String), UnfitUrl> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "ssh" => Scheme::Ssh,
            "file" => Scheme::File,
            _ => return Err(UnfitUrl::Scheme),
        };
        return Ok((scheme, rest.to_owned()));
    }
    match text.split_once(':') {
        // `transport::address` would start a program of git's.
        Some((host, path)) if host.contains('@') && !path.starts_with(':') => Ok((
            Scheme::Ssh,
            format!("{host}/{}", path.trim_start_matches('/')),
        )),
        _ => Err(UnfitUrl::Scheme),
    }
}

/// The user with its `@` (only SSH has one) and the host with its port.
fn check_authority(scheme: Scheme, authority: &str) -> Result<(String, String), UnfitUrl> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", authority),
    };
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let user = match (scheme, user) {
        (_, "") => String::new(),
        (Scheme::Ssh, user) if plain(user) && !user.starts_with('-') => format!("{user}@"),
        (Scheme::Ssh | Scheme::Https | Scheme::Http | Scheme::File, _) => {
            return Err(UnfitUrl::CarriesCredential);
        }
    };
    if scheme == Scheme::File {
        return if host.is_empty() {
            Ok((user, String::new()))
        } else {
            Err(UnfitUrl::Host)
        };
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let fits = plain(name)
        && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && !name.contains("..")
        && port.parse::<u16>().is_ok();
    if fits {
        Ok((user, host.to_ascii_lowercase()))
    } else {
        Err(UnfitUrl::Host)
    }
}

/// The parts of the path; none may lead out of the mirrors' root or into another repository's mirror.
fn check_path(path: &str) -> Result<Vec<String>, UnfitUrl> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = path.strip_suffix(".git").unwrap_or(path);
    let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    let unfit = |part: &String| {
        part.is_empty()
            || part.starts_with('.') && part.trim_matches('.').is_empty()
            || part.starts_with('-')
            || part.to_ascii_lowercase().ends_with(".git")
            || part.contains(['?', '#', '\\', ':', '@', '%', '"', '\''])
    };
    if parts.iter().any(unfit) {
        Err(UnfitUrl::Path)
    } else {
        Ok(parts)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_has_its_place_on_the_disk() {
        let table = [
            ("https://github.com/acme/web", "github.com/acme/web.git"),
            (
                "https://GitHub.com/acme/web.git/",
                "github.com/acme/web.git",
            ),
            (
                "http://127.0.0.1:8080/acme/web.git",
                "127.0.0.1+8080/acme/web.git",
            ),
            ("git@github.com:acme/web.git", "github.com/acme/web.git"),
            (
                "ssh://git@host:22/group/sub/web",
                "host+22/group/sub/web.git",
            ),
            ("file:///srv/git/web.git", "local/srv/git/web.git"),
        ];
        for (text, expected) in table {
            let url = RepositoryUrl::parse(text).unwrap();
            assert_eq!(
                url.mirror_path(Path::new("/m")),
                Path::new("/m").join(expected)
            );
        }
    }

    #[test]
    fn an_address_that_could_harm_is_refused() {
        use UnfitUrl::{CarriesCredential, Host, Path, Scheme};
        let table = [
            ("https://ana:secret@github.com/acme/web", CarriesCredential),
            ("https://token@github.com/acme/web", CarriesCredential),
            ("ssh://git:secret@host/acme/web", CarriesCredential),
            ("ext::sh -c id", Path),
            ("ext::sh", Scheme),
            ("a@ext::sh", Scheme),
            ("/srv/git/web", Scheme),
            ("--upload-pack=id", Scheme),
            ("ssh://-oProxyCommand=id/x", Host),
            ("https://github.com/../../etc", Path),
            ("https://github.com/acme/web.git/hooks", Path),
            ("https://github.com/acme/web?x=1", Path),
            ("https://github.com/", Path),
            ("https:///acme/web", Host),
            ("file://host/acme/web", Host),
        ];
        for (text, expected) in table {
            assert_eq!(RepositoryUrl::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_short_name_is_owner_and_name() {
        let short = |text| RepositoryUrl::parse(text).unwrap().short_name();
        assert_eq!(short("https://github.com/acme/web.git"), "acme/web");
        assert_eq!(short("file:///web.git"), "web");
    }
}
