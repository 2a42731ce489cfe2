//! Wakes the workers. Polling is the safety net, so a lost wake costs a moment and nothing else.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

/// How long a worker sleeps when nobody wakes it.
pub const POLL: Duration = Duration::from_millis(500);

/// Three bells: for the inbox, for the outbox, and for what is left behind in the container engine.
#[derive(Debug, Clone, Default)]
pub struct Wake {
    inbox: Arc<Notify>,
    outbox: Arc<Notify>,
    left_over: Arc<Notify>,
}

impl Wake {
    /// A delivery was stored.
    pub fn inbox(&self) {
        self.inbox.notify_one();
    }

    /// An effect was stored, or one is done.
    pub fn outbox(&self) {
        self.outbox.notify_one();
    }

    /// Something was left behind in the container engine, or the engine answers again.
    pub fn left_over(&self) {
        self.left_over.notify_one();
    }

    /// Waits until there is something to look for in the container engine. Whoever waits has a clock of its own.
    pub async fn wait_left_over(&self) {
        self.left_over.notified().await;
    }

    /// Waits for a delivery, or for the poll.
    pub async fn wait_inbox(&self) {
        let _ = tokio::time::timeout(POLL, self.inbox.notified()).await;
    }

    /// Waits for an effect, or for the poll.
    pub async fn wait_outbox(&self) {
        let _ = tokio::time::timeout(POLL, self.outbox.notified()).await;
    }
}
