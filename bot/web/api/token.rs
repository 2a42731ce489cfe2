//! Who calls: the name of the token that a request bears.

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};

use crate::config::ApiToken;

/// The name that goes with the token in an `Authorization` header; none where it is no known one.
///
/// Every known token is compared, to its end and by its hash, so that the time it takes tells nothing of any of them.
pub(super) fn name_of<'a>(tokens: &'a [ApiToken], authorization: &str) -> Option<&'a str> {
    let (scheme, given) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let given = Sha256::digest(given.trim().as_bytes());
    let mut found = None;
    for token in tokens {
        let expected = Sha256::digest(token.secret.expose_secret().as_bytes());
        let both = expected.iter().zip(given.iter());
        if both.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0 {
            found = Some(token.name.as_str());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_token_has_its_name_and_nothing_else_has_one() {
        let token = |name: &str, secret: &str| ApiToken {
            name: name.to_owned(),
            secret: secret.into(),
        };
        let tokens = [token("ci", "first-token"), token("ops", "second-token")];
        for (authorization, name) in [
            ("Bearer first-token", Some("ci")),
            ("bearer  second-token", Some("ops")),
            ("Bearer first-toke", None),
            ("Bearer first-token2", None),
            ("Bearer ", None),
            ("Basic first-token", None),
            ("first-token", None),
            ("", None),
        ] {
            assert_eq!(name_of(&tokens, authorization), name, "{authorization}");
        }
        assert_eq!(name_of(&[], "Bearer "), None);
    }
}
