//! Wakes the workers. Polling is the safety net, so a lost wake costs a moment and nothing else.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

/// How long a worker sleeps when nobody wakes it.
pub const POLL: Duration = Duration::from_millis(500);

/// Four bells: for the inbox, for the outbox, for what is left behind in the container engine, and for news of the forge that
/// may be lost.
#[derive(Debug, Clone, Default)]
pub struct Wake {
    inbox: Arc<Notify>,
    outbox: Arc<Notify>,
    left_over: Arc<Notify>,
    missed: Arc<Notify>,
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

    /// News of the forge may be lost: they could not be stored, and do not come again.
    pub fn missed(&self) {
        self.missed.notify_one();
    }

    /// Waits until there is something to look up at the forge. Whoever waits has a clock of its own.
    pub async fn wait_missed(&self) {
        self.missed.notified().await;
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
