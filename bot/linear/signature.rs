//! Whether a webhook comes from Linear, now.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::domain::Timestamp;

/// How far the signed time may be from now, in milliseconds.
/// Source: Linear's documentation of webhooks asks to refuse what is older than a minute.
const AGE_MAX_MS: i64 = 60_000;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature is missing, malformed or wrong.
    #[error("the signature is wrong")]
    Wrong,
    /// The signature is good, and the signed time is missing or not now. Told apart, because an honest repeat an hour
    /// later would look like this.
    #[error(
        "the signature is good, but its time is not now; where this is so for every request, this machine's clock or Linear's is wrong"
    )]
    Stale,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(rename = "webhookTimestamp")]
    sent_ms: f64,
}

/// Checks `Linear-Signature`, the hexadecimal HMAC-SHA256 of the raw body, in constant time. Only the signed time in the
/// body counts; the header with a time is not signed and not read.
pub fn verify(
    secret: &SecretString,
    signature_header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let signature = hex::decode(signature_header.trim()).map_err(|_| SignatureError::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .map_err(|_| SignatureError::Wrong)?;
    mac.update(body);
    mac.verify_slice(&signature)
        .map_err(|_| SignatureError::Wrong)?;
    let signed: Signed = serde_json::from_slice(body).map_err(|_| SignatureError::Stale)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time that does not fit is far from now, and saturates"
    )]
    let sent_ms = signed.sent_ms as i64;
    if now.0.abs_diff(sent_ms) > AGE_MAX_MS.unsigned_abs() {
        Err(SignatureError::Stale)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "a test fails by panicking")]

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_168_800_000);

    fn signed(secret: &str, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(body.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    fn check(body: &str) -> Result<(), SignatureError> {
        verify(
            &SecretString::from("s"),
            &signed("s", body),
            body.as_bytes(),
            NOW,
        )
    }

    /// The vector is the second test case of RFC 4231; as a body it has no time.
    #[test]
    fn the_signature_is_hmac_sha256_in_hex() {
        let body = b"what do ya want for nothing?";
        let header = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            verify(&SecretString::from("Jefe"), header, body, NOW),
            Err(SignatureError::Stale)
        );
        for wrong in ["", "5bdc", "zz", &header.replace('5', "6")] {
            assert_eq!(
                verify(&SecretString::from("Jefe"), wrong, body, NOW),
                Err(SignatureError::Wrong),
                "{wrong}"
            );
        }
    }

    #[test]
    fn only_a_signed_time_that_is_now_is_believed() {
        assert_eq!(check(r#"{"webhookTimestamp":1795168800000}"#), Ok(()));
        assert_eq!(check(r#"{"webhookTimestamp":1795168741000}"#), Ok(()));
        assert_eq!(
            check(r#"{"webhookTimestamp":1795168739000}"#),
            Err(SignatureError::Stale)
        );
        assert_eq!(
            check(r#"{"webhookTimestamp":1795168861000}"#),
            Err(SignatureError::Stale)
        );
        assert_eq!(
            check(r#"{"webhookTimestamp":"1795168800000"}"#),
            Err(SignatureError::Stale)
        );
        assert_eq!(check("{}"), Err(SignatureError::Stale));
    }

    #[test]
    fn a_body_that_was_written_again_is_not_believed() {
        let signature = signed("s", r#"{"webhookTimestamp":1795168800000}"#);
        let again = br#"{ "webhookTimestamp": 1795168800000 }"#;
        assert_eq!(
            verify(&SecretString::from("s"), &signature, again, NOW),
            Err(SignatureError::Wrong)
        );
    }
}
