//! Credentials that the egress proxy adds for rules of the network policy: `DECKHAND_CREDENTIAL_<NAME>`.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::ConfigError;

/// What every such variable begins with.
const PREFIX: &str = "DECKHAND_CREDENTIAL_";
/// The most of them.
const CREDENTIALS_MAX: usize = 100;
/// How they are set, for the reference.
pub(super) const REFERENCE: &str = "\n## Credentials\n\nA rule of the network policy may name a credential, which the egress proxy adds to exactly what the rule lets through; no sandbox holds it. It is set in the environment alone, as `DECKHAND_CREDENTIAL_<NAME>`, and a rule names it in small letters: `DECKHAND_CREDENTIAL_NPM` is `npm`. Its value is `bearer:<token>`, `basic:<user>:<password>` or `header:<name>:<value>`. Secret.\n";

/// One credential.
#[derive(Debug, Clone)]
pub struct CredentialSetting {
    /// How it is written into a request.
    pub form: CredentialForm,
    /// What is secret in it.
    pub secret: SecretString,
}

/// How a credential is written into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialForm {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        user: String,
    },
    /// A header of its own.
    Header {
        /// Its name.
        name: String,
    },
}

/// Reads all of them. A mistake is named without the value.
pub(super) fn read(
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, CredentialSetting>, ConfigError> {
    let mut credentials = BTreeMap::new();
    let given = variables
        .iter()
        .filter(|(variable, value)| variable.starts_with(PREFIX) && !value.trim().is_empty());
    for (variable, value) in given {
        let fault = |problem| ConfigError::Credential {
            variable: variable.clone(),
            problem,
        };
        let name = variable[PREFIX.len()..].to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || !name.bytes().all(is_plain) {
            return Err(fault("has no name of letters, figures and `_` at its end"));
        }
        if credentials.len() == CREDENTIALS_MAX {
            return Err(fault("is one credential too many; 100 are the limit"));
        }
        credentials.insert(name, credential(value.trim()).map_err(fault)?);
    }
    Ok(credentials)
}

fn credential(value: &str) -> Result<CredentialSetting, &'static str> {
    const FORMS: &str =
        "is none of `bearer:<token>`, `basic:<user>:<password>` and `header:<name>:<value>`";
    let (form, rest) = value.split_once(':').ok_or(FORMS)?;
    let pair = || rest.split_once(':').ok_or(FORMS);
    let (form, secret) = match form {
        "bearer" => (CredentialForm::Bearer, rest),
        "basic" => {
            let (user, password) = pair()?;
            let user = user.to_owned();
            (CredentialForm::Basic { user }, password)
        }
        "header" => {
            let (name, value) = pair()?;
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err("names no header; letters, figures and `-` make one");
            }
            let name = name.to_owned();
            (CredentialForm::Header { name }, value)
        }
        _ => return Err(FORMS),
    };
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err("has nothing secret at its end, or a sign that no header takes");
    }
    Ok(CredentialSetting {
        form,
        secret: secret.into(),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn one(
        variable: &str,
        value: &str,
    ) -> Result<BTreeMap<String, CredentialSetting>, ConfigError> {
        read(&BTreeMap::from([(variable.to_owned(), value.to_owned())]))
    }

    #[test]
    fn each_form_is_read() {
        let user = "ana".to_owned();
        let name = "X-Api-Key".to_owned();
        for (value, form, secret) in [
            ("bearer:a:b", CredentialForm::Bearer, "a:b"),
            ("basic:ana:p:w", CredentialForm::Basic { user }, "p:w"),
            ("header:X-Api-Key: v", CredentialForm::Header { name }, " v"),
        ] {
            let read = one("DECKHAND_CREDENTIAL_NPM", value).expect("it is one");
            let credential = &read["npm"];
            assert_eq!(credential.form, form);
            assert_eq!(credential.secret.expose_secret(), secret);
        }
        assert!(
            one("DECKHAND_CREDENTIAL_NPM", " ")
                .expect("unset")
                .is_empty()
        );
        assert!(one("DECKHAND_OTHER", "x").expect("another").is_empty());
    }

    #[test]
    fn a_mistake_is_named_without_its_value() {
        for (variable, value) in [
            ("DECKHAND_CREDENTIAL_NPM", "canary"),
            ("DECKHAND_CREDENTIAL_NPM", "token:canary"),
            ("DECKHAND_CREDENTIAL_NPM", "basic:canary"),
            ("DECKHAND_CREDENTIAL_NPM", "bearer:"),
            ("DECKHAND_CREDENTIAL_NPM", "bearer:canary\nx: y"),
            ("DECKHAND_CREDENTIAL_NPM", "header:x y:canary"),
            ("DECKHAND_CREDENTIAL_", "bearer:canary"),
            ("DECKHAND_CREDENTIAL_A.B", "bearer:canary"),
        ] {
            let error = one(variable, value).expect_err("it is none").to_string();
            assert!(
                error.contains(variable) && !error.contains("canary"),
                "{error}"
            );
        }
    }
}
