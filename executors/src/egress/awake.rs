//! Whether this process was there all the time. Where several share the runs, one that was paused may have lost a run while
//! it slept, and what a sandbox had sent it until then must not pass when it wakes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// After so long without a sign the process may have been paused, and nothing is sure any more.
pub const DOUBTED_AFTER: Duration = Duration::from_millis(500);

/// Signs that this process is awake, and still has what it believes to have. Clones share them. Where none was ever given,
/// nothing is doubted: there is nobody who could take something away.
#[derive(Debug, Clone)]
pub struct Awake(Arc<watch::Sender<Option<Instant>>>);

impl Default for Awake {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Awake {
    /// Gives a sign, which holds for [`DOUBTED_AFTER`]. Where that was over, it has to be known first what was lost.
    pub fn confirm(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// Whether the last sign holds still.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        holds(*self.0.borrow())
    }

    /// Waits for a sign that holds.
    pub async fn sure(&self) {
        // The sender is here, so the wait ends with a sign alone.
        let _ = self.0.subscribe().wait_for(|seen| holds(*seen)).await;
    }

    /// As after a pause.
    #[cfg(test)]
    pub fn doubt(&self) {
        self.0
            .send_replace(Instant::now().checked_sub(DOUBTED_AFTER));
    }

    /// Whether somebody waits for a sign.
    #[cfg(test)]
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.0.receiver_count() > 0
    }
}

fn holds(seen: Option<Instant>) -> bool {
    seen.is_none_or(|seen| seen.elapsed() < DOUBTED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_doubted_before_the_first_sign_and_everything_after_a_gap() {
        let awake = Awake::default();
        assert!(awake.is_sure());
        awake.confirm();
        assert!(awake.is_sure());
        awake.doubt();
        assert!(!awake.is_sure());
        let waiting = tokio::spawn({
            let awake = awake.clone();
            async move { awake.sure().await }
        });
        while !awake.is_waited_for() {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished());
        awake.confirm();
        assert!(waiting.await.is_ok());
    }
}
