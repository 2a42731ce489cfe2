//! Webhooks as GitHub sends them: signed, one after another, not retried.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// How long GitHub waits for the answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Deliveries that may wait to be sent.
const QUEUE: usize = 1_000;
/// Deliveries that are remembered.
const LOG: usize = 1_000;

/// One webhook delivery and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// `X-GitHub-Delivery`; the same when it is sent again.
    pub id: Uuid,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's `action`, where it has one.
    pub action: Option<String>,
    /// The exact body that was signed.
    pub body: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The receiver's status, or nothing where it did not answer.
    pub status: Option<u16>,
}

pub(super) struct Webhooks {
    inner: Arc<Inner>,
    queue: mpsc::Sender<WebhookDelivery>,
}

struct Inner {
    secret: SecretString,
    client: reqwest::Client,
    url: Mutex<Option<String>>,
    log: Mutex<VecDeque<WebhookDelivery>>,
    /// Deliveries not yet answered.
    pending: watch::Sender<usize>,
}

/// The value of `X-Hub-Signature-256` for a body.
pub(super) fn signature(secret: &SecretString, body: &[u8]) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .context("the secret cannot be a key")?;
    mac.update(body);
    Ok(format!(
        "sha256={}",
        hex::encode(mac.finalize().into_bytes())
    ))
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// Starts the sender; it ends when this value is dropped.
    pub(super) fn start(secret: SecretString) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .build()?;
        let (queue, mut waiting) = mpsc::channel::<WebhookDelivery>(QUEUE);
        let inner = Arc::new(Inner {
            secret,
            client,
            url: Mutex::default(),
            log: Mutex::default(),
            pending: watch::Sender::new(0),
        });
        let sender = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Some(delivery) = waiting.recv().await {
                sender.deliver(delivery).await;
                sender
                    .pending
                    .send_modify(|count| *count = count.saturating_sub(1));
            }
        });
        Ok(Self { inner, queue })
    }

    pub(super) fn set_url(&self, url: Option<String>) {
        *hold(&self.inner.url) = url;
    }

    /// Queues an event; without a receiver's address nothing is sent, as with no webhook set up.
    pub(super) fn send(&self, event: &str, payload: &Value) {
        self.push(WebhookDelivery {
            id: Uuid::new_v4(),
            event: event.to_owned(),
            action: payload["action"].as_str().map(str::to_owned),
            body: payload.to_string(),
            at: Timestamp::now(),
            status: None,
        });
    }

    fn push(&self, delivery: WebhookDelivery) {
        if hold(&self.inner.url).is_none() {
            return;
        }
        self.inner.pending.send_modify(|count| *count += 1);
        if self.queue.try_send(delivery).is_err() {
            tracing::warn!("a webhook was dropped: {QUEUE} are waiting");
            self.inner
                .pending
                .send_modify(|count| *count = count.saturating_sub(1));
        }
    }

    /// Sends the newest delivery of an event once more, with the same id and body.
    pub(super) fn redeliver(&self, event: &str) -> anyhow::Result<()> {
        let delivery = hold(&self.inner.log)
            .iter()
            .rev()
            .find(|one| one.event == event)
            .cloned();
        self.push(delivery.with_context(|| format!("no {event} was sent yet"))?);
        Ok(())
    }

    pub(super) fn log(&self) -> Vec<WebhookDelivery> {
        hold(&self.inner.log).iter().cloned().collect()
    }

    /// Waits until everything queued has been answered or has failed.
    pub(super) async fn settle(&self) {
        let mut pending = self.inner.pending.subscribe();
        // The sender lives as long as `self`, so waiting cannot end early.
        let _ = pending.wait_for(|count| *count == 0).await;
    }
}

impl Inner {
    async fn deliver(&self, mut delivery: WebhookDelivery) {
        let Some(url) = hold(&self.url).clone() else {
            return;
        };
        delivery.at = Timestamp::now();
        delivery.status = match self.post(&url, &delivery).await {
            Ok(status) => Some(status),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    event = delivery.event,
                    "no answer to a webhook"
                );
                None
            }
        };
        let mut log = hold(&self.log);
        if log.len() == LOG {
            log.pop_front();
        }
        log.push_back(delivery);
    }

    async fn post(&self, url: &str, delivery: &WebhookDelivery) -> anyhow::Result<u16> {
        let response = self
            .client
            .post(url)
            .header("user-agent", "GitHub-Hookshot/world")
            .header("content-type", "application/json")
            .header("x-github-event", &delivery.event)
            .header("x-github-delivery", delivery.id.to_string())
            .header("x-github-hook-id", "4001")
            .header("x-github-hook-installation-target-type", "integration")
            .header(
                "x-hub-signature-256",
                signature(&self.secret, delivery.body.as_bytes())?,
            )
            .body(delivery.body.clone())
            .send()
            .await?;
        Ok(response.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::signature;

    /// The vector is in GitHub's page on validating webhook deliveries.
    #[test]
    fn the_signature_is_the_one_github_publishes() {
        let secret = SecretString::from("It's a Secret to Everybody");
        assert_eq!(
            signature(&secret, b"Hello, World!").unwrap(),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        );
    }
}
