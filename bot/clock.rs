//! The time, as an argument: real in production, moved by hand in scenarios.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::domain::Timestamp;

/// Tells the time. An offset moves it ahead of the system's clock.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                + self.ahead_ms.load(Ordering::Relaxed),
        )
    }

    /// The moment after `pause`.
    #[must_use]
    pub fn later(&self, pause: Duration) -> Timestamp {
        Timestamp(
            self.now()
                .0
                .saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Moves the time ahead.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(
            i64::try_from(by.as_millis()).unwrap_or(0),
            Ordering::Relaxed,
        );
    }
}
