//! A credential that the proxy adds to requests of inspected hosts, in place of any that the sandbox sends.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{EgressError, placeholder_like};

/// The shortest secret that is looked for in answers, in bytes: a shorter one stands in too many by chance.
const MIN_ECHO_BYTES: usize = 8;

/// How a host wants its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialForm {
    /// As `Authorization: Bearer …`.
    Bearer,
    /// As `Authorization: Basic …`, with this user and the secret as the password.
    Basic {
        /// The user's name, without a colon.
        user: String,
    },
    /// In a header of its own, as it is.
    Header(HeaderName),
}

/// A credential by its name in the policy. A rule that names it says where it goes.
#[derive(Clone)]
pub struct Credential {
    name: String,
    header: HeaderName,
    value: HeaderValue,
    secret: SecretString,
    echoes: Vec<Vec<u8>>,
}

impl Credential {
    /// A credential that rules can name. Fails where the secret cannot stand in a header; the sentence holds nothing
    /// of it.
    pub fn new(
        name: &str,
        form: &CredentialForm,
        secret: &SecretString,
    ) -> Result<Self, EgressError> {
        let plain = secret.expose_secret();
        let refuse = |reason: &str| EgressError::Credential {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        if plain.is_empty() {
            return Err(refuse("it is empty"));
        }
        let (header, text) = match form {
            CredentialForm::Bearer => (AUTHORIZATION, format!("Bearer {plain}")),
            CredentialForm::Basic { user } if user.contains(':') => {
                return Err(refuse("its user's name holds a colon"));
            }
            CredentialForm::Basic { user } => {
                let pair = STANDARD.encode(format!("{user}:{plain}"));
                (AUTHORIZATION, format!("Basic {pair}"))
            }
            CredentialForm::Header(name) => (name.clone(), plain.to_owned()),
        };
        let echoes = spellings(plain, &text);
        let mut value =
            HeaderValue::try_from(text).map_err(|_| refuse("it cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(Self {
            name: name.to_owned(),
            header,
            value,
            secret: secret.clone(),
            echoes,
        })
    }

    /// What stands for it in the sandbox of the run with this seed; another credential of the same run has another.
    pub(super) fn placeholder(&self, seed: &SecretString) -> SecretString {
        let seed = [seed.expose_secret(), "\ncredential ", &self.name].concat();
        placeholder_like(&self.secret, &seed.into())
    }

    /// The name by which rules ask for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts it on a request.
    pub(super) fn add(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.value.clone());
    }

    /// The spellings in which an answer could give it away.
    pub(super) fn echoes(&self) -> &[Vec<u8>] {
        &self.echoes
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({}, {})", self.name, self.header)
    }
}

/// The secret as services repeat it: plain, as it stands in the header, escaped for an address or for JSON, in base64.
fn spellings(plain: &str, header: &str) -> Vec<Vec<u8>> {
    let last_word = header.rsplit(' ').next().unwrap_or(header);
    let mut spellings: Vec<Vec<u8>> = Vec::new();
    for spelling in [
        plain.to_owned(),
        last_word.to_owned(),
        percent_encoded(plain),
        plain.replace('\\', "\\\\").replace('"', "\\\""),
        STANDARD.encode(plain).trim_end_matches('=').to_owned(),
    ] {
        let spelling = spelling.into_bytes();
        if spelling.len() >= MIN_ECHO_BYTES && !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    spellings
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn header(form: &CredentialForm, secret: &str) -> String {
        let credential = Credential::new("npm", form, &secret.into()).unwrap();
        assert!(!format!("{credential:?}").contains(secret));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("mine"));
        credential.add(&mut headers);
        assert!(!format!("{headers:?}").contains(secret));
        let mut all: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        all.sort();
        all.join("\n")
    }

    #[test]
    fn a_credential_goes_in_the_form_that_the_host_wants() {
        assert_eq!(
            header(&CredentialForm::Bearer, "npm_secret"),
            "authorization: Bearer npm_secret"
        );
        let basic = CredentialForm::Basic { user: "x".into() };
        assert_eq!(
            header(&basic, "ghs_secret"),
            "authorization: Basic eDpnaHNfc2VjcmV0"
        );
        let own = CredentialForm::Header(HeaderName::from_static("private-token"));
        assert_eq!(
            header(&own, "glpat-secret"),
            "authorization: mine\nprivate-token: glpat-secret"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_being_told() {
        let basic = CredentialForm::Basic { user: "a:b".into() };
        for (form, secret) in [
            (&CredentialForm::Bearer, "two\nlines-of-secret"),
            (&CredentialForm::Bearer, ""),
            (&basic, "secret-of-ana"),
        ] {
            let error = Credential::new("npm", form, &secret.into()).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(
                told.contains("npm") && !told.contains("secret-of"),
                "{told}"
            );
        }
    }

    #[test]
    fn the_spellings_of_an_echo_are_known_and_short_ones_are_not_looked_for() {
        let form = CredentialForm::Basic { user: "x".into() };
        let credential = Credential::new("git", &form, &"pass/word+1".into()).unwrap();
        let known: Vec<&str> = credential
            .echoes()
            .iter()
            .map(|echo| std::str::from_utf8(echo).unwrap())
            .collect();
        assert_eq!(
            known,
            [
                "pass/word+1",
                "eDpwYXNzL3dvcmQrMQ==",
                "pass%2Fword%2B1",
                "cGFzcy93b3JkKzE"
            ]
        );
        let short = Credential::new("git", &CredentialForm::Bearer, &"abc".into()).unwrap();
        assert!(short.echoes().is_empty());
    }
}
