//! What goes to Slack and comes back with whoever installs the app: made here, for one browser, for ten minutes.
//!
//! Nothing is stored for who only begins, so that nobody can fill the database by beginning.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::{config::Config, domain::Timestamp};

/// How long somebody may take at Slack, in milliseconds. Slack's codes are good for as long.
const LIFE_MS: i64 = 600_000;
/// How far ahead of this clock a state may have been made, in milliseconds: replicas' clocks differ by a little.
const AHEAD_MS: i64 = 60_000;

/// The beginning of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beginning {
    /// What goes to Slack and comes back.
    pub(super) state: String,
    /// What stays in the browser.
    pub(super) cookie: String,
}

/// Begins one.
pub(super) fn begin(config: &Config, now: Timestamp) -> Beginning {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let (nonce, cookie) = (random(), format!("{}{}", random(), random()));
    let signature = hex::encode(signature(config, now.0, &nonce, &cookie));
    Beginning {
        state: format!("{}.{nonce}.{signature}", now.0),
        cookie,
    }
}

/// The name of the installation that was begun with this state in the browser that has this cookie; none where it was
/// not, or not in time.
pub(super) fn nonce_of<'a>(
    config: &Config,
    (state, cookie): (&'a str, &str),
    now: Timestamp,
) -> Option<&'a str> {
    let mut parts = state.split('.');
    let (made, nonce, signed) = (parts.next()?, parts.next()?, parts.next()?);
    let made: i64 = made.parse().ok()?;
    let signed = hex::decode(signed).ok()?;
    let fits = verified(config, (made, nonce, cookie), &signed);
    let age = now.0.checked_sub(made)?;
    let is_in_time = (-AHEAD_MS..LIFE_MS).contains(&age);
    (fits && is_in_time && parts.next().is_none()).then_some(nonce)
}

fn mac(config: &Config, made: i64, nonce: &str, cookie: &str) -> Option<Hmac<Sha256>> {
    // A key of its own is there from the first start on; without one nothing is signed.
    let key = config.secret.as_ref()?.expose_secret();
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(format!("slack installation:{made}:{nonce}:{cookie}").as_bytes());
    Some(mac)
}

fn signature(config: &Config, made: i64, nonce: &str, cookie: &str) -> Vec<u8> {
    mac(config, made, nonce, cookie)
        .map_or_else(Vec::new, |mac| mac.finalize().into_bytes().to_vec())
}

fn verified(config: &Config, (made, nonce, cookie): (i64, &str, &str), signed: &[u8]) -> bool {
    mac(config, made, nonce, cookie).is_some_and(|mac| mac.verify_slice(signed).is_ok())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(secret: &str) -> Config {
        let mut variables = BTreeMap::new();
        if !secret.is_empty() {
            variables.insert("DECKHAND_SECRET".to_owned(), secret.to_owned());
        }
        Config::from_parts(&variables, "", "deckhand.toml").unwrap()
    }

    #[test]
    fn a_state_is_good_in_its_browser_for_ten_minutes_and_changed_in_no_place() {
        let config = config("canary-of-the-links-key");
        let now = Timestamp(1_000_000);
        let Beginning { state, cookie } = begin(&config, now);
        let good = |state: &str, cookie: &str, at: i64| {
            nonce_of(&config, (state, cookie), Timestamp(at)).is_some()
        };
        assert!(good(&state, &cookie, now.0));
        assert!(good(&state, &cookie, now.0 + LIFE_MS - 1));
        assert!(!good(&state, &cookie, now.0 + LIFE_MS));
        assert!(!good(&state, &cookie, now.0 - AHEAD_MS - 1));
        assert!(!good(&state, "", now.0));
        assert!(!good(&state, &begin(&config, now).cookie, now.0));
        let parts: Vec<&str> = state.split('.').collect();
        let others = [
            format!("1000001.{}.{}", parts[1], parts[2]),
            format!("{}.other.{}", parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], "00".repeat(32)),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{state}.more"),
            parts[..2].join("."),
            String::new(),
        ];
        for other in others {
            assert!(!good(&other, &cookie, now.0), "{other}");
        }
        assert_ne!(begin(&config, now).state, state);
    }

    #[test]
    fn without_a_key_no_state_is_good() {
        let config = config("");
        let Beginning { state, cookie } = begin(&config, Timestamp(5));
        assert_eq!(nonce_of(&config, (&state, &cookie), Timestamp(5)), None);
        assert_eq!(nonce_of(&config, ("5.a.", &cookie), Timestamp(5)), None);
    }
}
