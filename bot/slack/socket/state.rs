//! What can be seen of the sockets from outside: how many are open, and what is wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the connections of Socket Mode stand; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SocketState(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    open: u32,
    /// What is wrong in each place, where something is.
    troubles: Vec<Option<String>>,
}

impl SocketState {
    /// How many connections Slack has greeted and nobody has ended.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.seen().open
    }

    /// What is wrong, where something is: a sentence for operators, without an address or a token.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.seen().troubles.iter().flatten().next().cloned()
    }

    pub(super) fn note(&self, place: usize, trouble: Option<String>) {
        let mut seen = self.seen();
        if seen.troubles.len() <= place {
            seen.troubles.resize(place + 1, None);
        }
        seen.troubles[place] = trouble;
    }

    /// Counts a connection as long as what this gives is kept.
    pub(super) fn count(&self) -> Counted {
        self.seen().open += 1;
        Counted(self.clone())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection that is counted.
#[derive(Debug)]
pub(super) struct Counted(SocketState);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut seen = self.0.seen();
        seen.open = seen.open.saturating_sub(1);
    }
}
