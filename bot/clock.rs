//! The time, as an argument: real in production, moved by hand in scenarios.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::domain::Timestamp;

/// Tells the time: what the clock on the wall shows, which somebody may set, and a steady one for lengths.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// How far time was moved on.
    ahead_ms: Arc<AtomicI64>,
    /// How far the clock on the wall was set beside that.
    set_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The moment, as the clock on the wall shows it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let set = self.set_ms.load(Ordering::Relaxed);
        Timestamp(wall_ms() + self.ahead_ms.load(Ordering::Relaxed) + set)
    }

    /// A moment of a clock that nobody sets. It begins with what the clock on the wall shows at the process's first look; two
    /// of its moments tell how long something took. Nothing of it may be stored.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        static BEGUN: OnceLock<(Instant, i64)> = OnceLock::new();
        let (begun, at_ms) = BEGUN.get_or_init(|| (Instant::now(), wall_ms()));
        Timestamp(at_ms + whole_ms(begun.elapsed()) + self.ahead_ms.load(Ordering::Relaxed))
    }

    /// The moment after `pause`.
    #[must_use]
    pub fn later(&self, pause: Duration) -> Timestamp {
        Timestamp(self.now().0.saturating_add(whole_ms(pause)))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(whole_ms(by), Ordering::Relaxed);
    }

    /// Sets the clock on the wall ahead, or back where `by_ms` is negative; no time passes.
    pub fn set(&self, by_ms: i64) {
        self.set_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    whole_ms(since)
}

fn whole_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
