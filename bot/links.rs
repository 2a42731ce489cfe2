//! Links to task pages, signed so that only who was given one can open it.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::{config::Config, domain::TaskId};

/// How many hexadecimal digits of the signature stand in a link: 128 bits.
const SIGNATURE_DIGITS: usize = 32;

/// The address of a task's page.
#[must_use]
pub fn task_url(config: &Config, task: &TaskId) -> String {
    format!(
        "{}/tasks/{task}?key={}",
        config.public_url,
        signature(config, task)
    )
}

/// Whether the key of a link is the one that was given out for this task.
#[must_use]
pub fn is_signed(config: &Config, task: &TaskId, key: &str) -> bool {
    let expected = signature(config, task);
    // Both have the same length, and every digit is looked at.
    expected.len() == key.len()
        && expected
            .bytes()
            .zip(key.bytes())
            .fold(0, |differs, (a, b)| differs | (a ^ b))
            == 0
}

fn signature(config: &Config, task: &TaskId) -> String {
    let key = config
        .secret
        .as_ref()
        .map_or("", |secret| secret.expose_secret());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(b"task page:");
    mac.update(task.0.as_bytes());
    let digits = hex::encode(mac.finalize().into_bytes());
    digits
        .get(..SIGNATURE_DIGITS)
        .unwrap_or_default()
        .to_owned()
}

/// The address of a picture of a task.
#[must_use]
pub fn artifact_url(config: &Config, task: &TaskId, name: &str) -> String {
    format!(
        "{}/tasks/{task}/artifacts/{name}?key={}",
        config.public_url,
        signature(config, task)
    )
}
