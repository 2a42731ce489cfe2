//! Addresses that may have a password in them, and print without it.

use std::{
    fmt,
    ops::{Deref, Range},
};

use secrecy::SecretString;
use serde::Deserialize;

use super::REDACTED;

/// An address out of the settings: of a database, a proxy, a remote. It reads as a text and prints without its password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// The password in it, or the user where that is a token: over HTTP a user alone is one.
    #[must_use]
    pub fn secret(&self) -> Option<SecretString> {
        self.secret_range()
            .map(|range| SecretString::from(&self.0[range]))
    }

    /// As it may be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = self.0.clone();
        if let Some(range) = self.secret_range() {
            shown.replace_range(range, REDACTED);
        }
        shown
    }

    fn secret_range(&self) -> Option<Range<usize>> {
        let start = self.0.find("://")? + "://".len();
        let end = self.0[start..]
            .find(['/', '?', '#'])
            .map_or(self.0.len(), |length| start + length);
        let at = start + self.0[start..end].rfind('@')?;
        match self.0[start..at].find(':') {
            Some(colon) => Some(start + colon + 1..at),
            None => self.0.starts_with("http").then_some(start..at),
        }
        .filter(|range| !range.is_empty())
    }
}

impl From<String> for Address {
    fn from(address: String) -> Self {
        Self(address)
    }
}

impl Deref for Address {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), formatter)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn check(address: &str, secret: Option<&str>, shown: &str) {
        let address = Address::from(address.to_owned());
        assert_eq!(
            address.secret().as_ref().map(ExposeSecret::expose_secret),
            secret
        );
        assert_eq!(address.shown(), shown);
        assert_eq!(format!("{address:?}"), format!("{shown:?}"));
    }

    #[test]
    fn an_address_prints_without_its_password() {
        check(
            "postgres://deckhand:p@ss:word@db/x?y=1",
            Some("p@ss:word"),
            "postgres://deckhand:[redacted]@db/x?y=1",
        );
        check(
            "https://token@host/acme/web.git",
            Some("token"),
            "https://[redacted]@host/acme/web.git",
        );
        check(
            "ssh://git@host:22/acme/web.git",
            None,
            "ssh://git@host:22/acme/web.git",
        );
        check("https://host/a@b:c", None, "https://host/a@b:c");
        check("git@host:acme/web.git", None, "git@host:acme/web.git");
        check(
            "sqlite:/data/deckhand.sqlite",
            None,
            "sqlite:/data/deckhand.sqlite",
        );
    }
}
