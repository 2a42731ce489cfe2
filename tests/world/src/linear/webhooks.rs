//! Webhooks as Linear sends them: signed, in order, tried again when they are not taken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// How long Linear waits for the answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Deliveries that may wait to be sent.
const QUEUE: usize = 1_000;
/// Deliveries that are remembered.
const LOG: usize = 1_000;

/// One webhook delivery and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// `Linear-Delivery`.
    pub id: Uuid,
    /// `Linear-Event`, the payload's `type`.
    pub event: String,
    /// The payload's `action`.
    pub action: String,
    /// The exact body that was signed.
    pub body: String,
    /// When it was first sent.
    pub at: Timestamp,
    /// How often it was sent.
    pub attempts: u32,
    /// The receiver's last status, or nothing where it did not answer.
    pub status: Option<u16>,
}

pub(super) struct Webhooks {
    inner: Arc<Inner>,
    queue: mpsc::Sender<WebhookDelivery>,
}

struct Inner {
    secret: SecretString,
    client: reqwest::Client,
    /// Waits before the second and further tries.
    retries: Vec<Duration>,
    url: Mutex<Option<String>>,
    log: Mutex<VecDeque<WebhookDelivery>>,
    /// Deliveries not yet taken or given up.
    pending: watch::Sender<usize>,
}

/// The value of `Linear-Signature` for a body.
pub(super) fn signature(secret: &SecretString, body: &[u8]) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .context("the secret cannot be a key")?;
    mac.update(body);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// Starts the sender; it ends when this value is dropped.
    pub(super) fn start(secret: SecretString, retries: Vec<Duration>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(ANSWER_LIMIT)
            .build()?;
        let (queue, mut waiting) = mpsc::channel::<WebhookDelivery>(QUEUE);
        let inner = Arc::new(Inner {
            secret,
            client,
            retries,
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

    pub(super) fn set_url(&self, url: &str) {
        *hold(&self.inner.url) = Some(url.to_owned());
    }

    /// Queues an event; without a receiver's address nothing is sent.
    pub(super) fn send(&self, mut payload: Value) {
        let now = Timestamp::now();
        payload["webhookTimestamp"] = json!(now.as_millisecond());
        let text = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
        self.push(WebhookDelivery {
            id: Uuid::new_v4(),
            event: text("type"),
            action: text("action"),
            body: payload.to_string(),
            at: now,
            attempts: 0,
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

    /// Sends the last delivery once more with the same body, under this id or its own.
    pub(super) fn redeliver(&self, id: Option<Uuid>) -> anyhow::Result<()> {
        let mut delivery = hold(&self.inner.log)
            .back()
            .cloned()
            .context("nothing was sent yet")?;
        delivery.id = id.unwrap_or(delivery.id);
        delivery.attempts = 0;
        self.push(delivery);
        Ok(())
    }

    pub(super) fn log(&self) -> Vec<WebhookDelivery> {
        hold(&self.inner.log).iter().cloned().collect()
    }

    /// Waits until everything queued has been taken or given up.
    pub(super) async fn settle(&self) {
        let mut pending = self.inner.pending.subscribe();
        // The sender lives as long as `self`, so waiting cannot end early.
        let _ = pending.wait_for(|count| *count == 0).await;
    }
}

impl Inner {
    async fn deliver(&self, mut delivery: WebhookDelivery) {
        let mut retries = self.retries.iter();
        loop {
            let Some(url) = hold(&self.url).clone() else {
                return;
            };
            delivery.attempts += 1;
            delivery.status = match self.post(&url, &delivery).await {
                Ok(status) => Some(status),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "no answer to a webhook");
                    None
                }
            };
            if delivery
                .status
                .is_some_and(|status| (200..300).contains(&status))
            {
                break;
            }
            let Some(wait) = retries.next() else { break };
            tokio::time::sleep(*wait).await;
        }
        let mut log = hold(&self.log);
        if log.len() == LOG {
            log.pop_front();
        }
        log.push_back(delivery);
    }

    async fn post(&self, url: &str, delivery: &WebhookDelivery) -> anyhow::Result<u16> {
        let timestamp =
            serde_json::from_str::<Value>(&delivery.body)?["webhookTimestamp"].to_string();
        let response = self
            .client
            .post(url)
            .header("user-agent", "Linear-Webhook")
            .header("content-type", "application/json; charset=utf-8")
            .header("linear-delivery", delivery.id.to_string())
            .header("linear-event", &delivery.event)
            .header("linear-timestamp", timestamp)
            .header(
                "linear-signature",
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

    /// The vector is the second test case of RFC 4231.
    #[test]
    fn the_signature_is_hmac_sha256_in_hex() {
        assert_eq!(
            signature(&SecretString::from("Jefe"), b"what do ya want for nothing?").unwrap(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
    }
}
