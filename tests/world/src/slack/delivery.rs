//! Deliveries to the app: signed, retried and recorded as Slack does it, only with shorter pauses.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::limits::DELIVERY_PATIENCE;

/// The app's doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The Events API.
    Events,
    /// Buttons, menus, modals and shortcuts.
    Interactions,
    /// Slash commands.
    Commands,
    /// The entries of menus that people write into.
    Options,
}

/// The addresses of the app's doors.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppUrls {
    pub(crate) events: Option<String>,
    pub(crate) interactions: Option<String>,
    pub(crate) commands: Option<String>,
    pub(crate) options: Option<String>,
}

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What came of it.
    pub outcome: Outcome,
    /// How long the app took.
    pub elapsed: Duration,
}

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app answered with this HTTP status.
    Answered(u16),
    /// The app acknowledged it through a socket.
    Acknowledged,
    /// It did not answer within three seconds.
    TimedOut,
    /// It could not be reached.
    Unreachable,
    /// No address was set for the door.
    NoAddress,
}

/// One delivery with all its tries.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Where it went.
    pub door: Door,
    /// What it was, such as `app_mention` or `block_actions`.
    pub what: String,
    /// The event's identifier, for events.
    pub event_id: Option<String>,
    /// When the first try began.
    pub at: Instant,
    /// The tries, in order.
    pub attempts: Vec<Attempt>,
    /// The body of the last answer, at most 64 KiB of it.
    pub answer: String,
}

impl Delivery {
    /// Whether the app took it.
    #[must_use]
    pub fn accepted(&self) -> bool {
        matches!(
            self.attempts.last(),
            Some(Attempt {
                outcome: Outcome::Answered(200..=299) | Outcome::Acknowledged,
                ..
            })
        )
    }
}

/// What is to be delivered.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) door: Door,
    pub(crate) what: String,
    pub(crate) event_id: Option<String>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

/// Slack retries an event at once, after a minute and after five; nobody waits so long in a story.
pub(crate) const RETRY_PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(250),
    Duration::from_secs(1),
];
/// Bytes of an answer that are kept.
const ANSWER_BYTES: usize = 64 * 1024;

/// Sends parcels.
pub(crate) struct Courier {
    client: reqwest::Client,
    secret: SecretString,
}

/// Which try a delivery begins with: a repeat carries Slack's retry headers from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstTry {
    Fresh,
    Repeat,
}

impl Courier {
    pub(crate) fn new(secret: SecretString) -> anyhow::Result<Arc<Self>> {
        // Whoever comes first installs it; a second time is refused and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(DELIVERY_PATIENCE)
            .no_proxy()
            .build()?;
        Ok(Arc::new(Self { client, secret }))
    }

    /// Delivers, with retries where the door is one that Slack retries.
    pub(crate) async fn deliver(
        &self,
        url: Option<&str>,
        parcel: &Parcel,
        first: FirstTry,
    ) -> Delivery {
        let mut delivery = Delivery {
            door: parcel.door,
            what: parcel.what.clone(),
            event_id: parcel.event_id.clone(),
            at: Instant::now(),
            attempts: Vec::new(),
            answer: String::new(),
        };
        let Some(url) = url else {
            delivery.attempts.push(Attempt {
                outcome: Outcome::NoAddress,
                elapsed: Duration::ZERO,
            });
            return delivery;
        };
        let pauses: &[Duration] = match parcel.door {
            Door::Events => &RETRY_PAUSES,
            Door::Interactions | Door::Commands | Door::Options => &[],
        };
        let mut retry = match first {
            FirstTry::Fresh => None,
            FirstTry::Repeat => Some((1, "http_timeout")),
        };
        for pause in pauses.iter().map(Some).chain([None]) {
            let begun = Instant::now();
            let (outcome, no_retry, answer) = self.attempt(url, parcel, retry).await;
            delivery.attempts.push(Attempt {
                outcome: outcome.clone(),
                elapsed: begun.elapsed(),
            });
            delivery.answer = answer;
            let (Some(pause), Retry::Wanted(reason)) = (pause, no_retry) else {
                break;
            };
            retry = Some((retry.map_or(1, |(number, _)| number + 1), reason));
            tokio::time::sleep(*pause).await;
        }
        delivery
    }

    async fn attempt(
        &self,
        url: &str,
        parcel: &Parcel,
        retry: Option<(u32, &str)>,
    ) -> (Outcome, Retry, String) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut request = self
            .client
            .post(url)
            .header("content-type", parcel.content_type)
            .header("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
            .header("x-slack-request-timestamp", now.to_string())
            .header(
                "x-slack-signature",
                signature(&self.secret, now, &parcel.body),
            )
            .body(parcel.body.clone());
        if let Some((number, reason)) = retry {
            request = request
                .header("x-slack-retry-num", number)
                .header("x-slack-retry-reason", reason);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                let stop = response.headers().contains_key("x-slack-no-retry");
                let body = response.bytes().await.unwrap_or_default();
                let kept = &body[..body.len().min(ANSWER_BYTES)];
                let retry = if status.is_success() || stop {
                    Retry::Done
                } else {
                    Retry::Wanted("http_error")
                };
                (
                    Outcome::Answered(status.as_u16()),
                    retry,
                    String::from_utf8_lossy(kept).into_owned(),
                )
            }
            Err(error) if error.is_timeout() => (
                Outcome::TimedOut,
                Retry::Wanted("http_timeout"),
                String::new(),
            ),
            Err(_) => (
                Outcome::Unreachable,
                Retry::Wanted("connection_failed"),
                String::new(),
            ),
        }
    }
}

enum Retry {
    Done,
    Wanted(&'static str),
}

/// Slack's signature of a request: `v0=` and the hex HMAC-SHA256 of `v0:{timestamp}:{body}`.
#[must_use]
pub fn signature(secret: &SecretString, timestamp: u64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        unreachable!("HMAC takes keys of every length");
    };
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's page about verifying requests.
    #[test]
    fn the_signature_is_the_one_that_slack_publishes() {
        let secret = SecretString::from("8f742231b10e8888abcd99yyyzzz85a5");
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F\
                    96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            signature(&secret, 1_531_420_618, body.as_bytes()),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
