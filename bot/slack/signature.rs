//! The signature of what Slack sends: version `v0`, an HMAC over version, moment and body.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::domain::Timestamp;

/// How far the stated moment may be off, either way, in seconds. Source: Slack's guide on verifying requests.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Why a request is not believed to be from Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The stated moment is missing or no number.
    #[error("the request states no moment")]
    NoTimestamp,
    /// The signature fits, and the stated moment is too far from now: a replay, or a clock that is wrong.
    #[error(
        "the signature fits, but its moment is {seconds} seconds from this machine's; where this is so for every request, one of the two clocks is wrong"
    )]
    OutOfTime {
        /// How far it is, either way.
        seconds: u64,
    },
    /// The signature is missing or has another form.
    #[error("the request has no signature of version v0")]
    NoSignature,
    /// The signature does not fit the body.
    #[error("the request's signature does not fit")]
    Mismatch,
}

/// Checks a request: the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature` against the raw body.
///
/// The comparison takes the same time wherever the signatures differ.
pub fn verify(
    secret: &SecretString,
    timestamp_header: &str,
    signature_header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let stated: i64 = timestamp_header
        .parse()
        .map_err(|_| SignatureError::NoTimestamp)?;
    let signature = signature_header
        .strip_prefix("v0=")
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or(SignatureError::NoSignature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .map_err(|_| SignatureError::Mismatch)?;
    mac.update(format!("v0:{timestamp_header}:").as_bytes());
    mac.update(body);
    mac.verify_slice(&signature)
        .map_err(|_| SignatureError::Mismatch)?;
    // Only of a request that is Slack's does it say something that its moment is not now.
    let seconds = now.0.div_euclid(1_000).abs_diff(stated);
    if seconds > TOLERANCE_SECONDS {
        return Err(SignatureError::OutOfTime { seconds });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's own guide on verifying requests.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const STATED: &str = "1531420618";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    fn check(
        timestamp: &str,
        signature: &str,
        body: &str,
        now_seconds: i64,
    ) -> Result<(), SignatureError> {
        verify(
            &SecretString::from(SECRET),
            timestamp,
            signature,
            body.as_bytes(),
            Timestamp(now_seconds * 1_000),
        )
    }

    #[test]
    fn the_published_example_is_believed() {
        assert_eq!(check(STATED, SIGNATURE, BODY, 1_531_420_618), Ok(()));
        assert_eq!(check(STATED, SIGNATURE, BODY, 1_531_420_618 + 300), Ok(()));
        assert_eq!(check(STATED, SIGNATURE, BODY, 1_531_420_618 - 300), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let now = 1_531_420_618;
        assert_eq!(
            check(STATED, SIGNATURE, BODY, now + 301),
            Err(SignatureError::OutOfTime { seconds: 301 })
        );
        assert_eq!(
            check(STATED, SIGNATURE, BODY, now - 301),
            Err(SignatureError::OutOfTime { seconds: 301 })
        );
        assert_eq!(
            check(STATED, SIGNATURE, "other", now),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            check(STATED, SIGNATURE, "other", now + 301),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            check("1531420619", SIGNATURE, BODY, now),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(
            check("soon", SIGNATURE, BODY, now),
            Err(SignatureError::NoTimestamp)
        );
        assert_eq!(
            check(STATED, "v1=00", BODY, now),
            Err(SignatureError::NoSignature)
        );
        assert_eq!(
            check(STATED, "v0=zz", BODY, now),
            Err(SignatureError::NoSignature)
        );
        assert_eq!(
            check(STATED, "v0=", BODY, now),
            Err(SignatureError::Mismatch)
        );
    }
}
