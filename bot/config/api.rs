//! Tokens of the REST API: `DECKHAND_API_TOKENS`.

use secrecy::SecretString;

use super::{ConfigError, values::Values};

pub(super) const VARIABLE: &str = "DECKHAND_API_TOKENS";
/// The most of them.
const TOKENS_MAX: usize = 20;
/// The longest name, in bytes: it stands in threads.
const NAME_MAX_BYTES: usize = 40;
/// The shortest token, in characters: 128 random bits in hexadecimal have as many.
const TOKEN_MIN_CHARS: usize = 32;

/// A token, and who acts with it.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// The name that threads and the audit log show.
    pub name: String,
    /// The token.
    pub secret: SecretString,
}

/// Reads all of them. A mistake is named without any value.
pub(super) fn read(values: &Values) -> Result<Vec<ApiToken>, ConfigError> {
    let fault = |problem: &str| Values::problem(VARIABLE, problem);
    let mut tokens: Vec<ApiToken> = Vec::new();
    for item in values.list(VARIABLE) {
        let (name, token) = item
            .split_once(':')
            .ok_or_else(|| fault("has a part that is no `<name>:<token>`"))?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=NAME_MAX_BYTES).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(fault(
                "has a name that is not 1 to 40 letters, figures, `_` and `-`",
            ));
        }
        // Source: RFC 6750, section 2.1.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.len() < TOKEN_MIN_CHARS || !token.bytes().all(fits) {
            return Err(fault(
                "has a token that is not at least 32 letters, figures and `-._~+/=`",
            ));
        }
        if tokens.iter().any(|known| known.name == name) {
            return Err(fault("has two tokens of one name"));
        }
        if tokens.len() == TOKENS_MAX {
            return Err(fault("has one token too many; 20 are the limit"));
        }
        tokens.push(ApiToken {
            name: name.to_owned(),
            secret: token.into(),
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::{
        config::{Config, FILE},
        redact::Redactor,
    };

    const FIRST: &str = "canary-of-the-api-0123456789abcdef";
    const SECOND: &str = "canary/of+another~token_0123456789==";

    fn load(value: &str) -> Result<Config, ConfigError> {
        let variables = BTreeMap::from([(VARIABLE.to_owned(), value.to_owned())]);
        Config::from_parts(&variables, "", FILE)
    }

    #[test]
    fn each_token_has_its_name_and_is_known_to_the_redactor_by_itself() {
        let config = load(&format!("ci:{FIRST}, release-train:{SECOND}")).expect("valid");
        let read: Vec<(&str, &str)> = config
            .api_tokens
            .iter()
            .map(|token| (token.name.as_str(), token.secret.expose_secret()))
            .collect();
        assert_eq!(read, [("ci", FIRST), ("release-train", SECOND)]);
        let redactor = Redactor::new(config.secrets()).expect("made");
        for token in [FIRST, SECOND] {
            let clean = redactor.redacted(format!("it fails with {token} only"));
            assert!(!clean.contains(token), "{clean}");
        }
        let said = "Cancelled by the API as release-train";
        assert_eq!(redactor.redacted(said.to_owned()), said);
        assert!(load("").expect("valid").api_tokens.is_empty());
    }

    #[test]
    fn a_mistake_is_named_without_its_value() {
        let long = format!("{}:{FIRST}", "n".repeat(41));
        let many: Vec<String> = (0..21)
            .map(|number| format!("n{number}:{FIRST}{number}"))
            .collect();
        for value in [
            FIRST.to_owned(),
            format!(":{FIRST}"),
            format!("a b:{FIRST}"),
            long,
            "ci:canary-too-short".to_owned(),
            format!("ci:{FIRST}:x"),
            format!("ci:{FIRST},ci:{SECOND}"),
            many.join(","),
        ] {
            let error = load(&value).expect_err("it is none").to_string();
            assert!(
                error.contains(VARIABLE) && !error.contains("canary"),
                "{error}"
            );
        }
    }
}
