//! What can be seen of the sockets from outside: how many are open, and what is wrong.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How the connections of Socket Mode stand; clones share it.
#[derive(Debug, Clone, Default)]
pub struct SocketState(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    open: u32,
    /// What is wrong in each place, where something is.
    troubles: BTreeMap<u32, String>,
    /// How many connections belong to this process, and how many to others.
    shared: (usize, usize),
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
        self.seen().troubles.values().next().cloned()
    }

    /// That others have all connections which Slack allows the app, and none is left for this process: a sentence for
    /// operators. It hears of everything all the same, because they share what they store.
    #[must_use]
    pub fn elsewhere(&self) -> Option<String> {
        match self.seen().shared {
            (0, others @ 1..) => Some(format!(
                "Slack is heard by other servers, which have {others} connections; it allows the app ten, and none is free for this one"
            )),
            (_, _) => None,
        }
    }

    /// Notes how many connections belong to this process, and how many to others.
    pub fn shared(&self, ours: usize, others: usize) {
        self.seen().shared = (ours, others);
    }

    pub(super) fn note(&self, place: u32, trouble: Option<String>) {
        let mut seen = self.seen();
        match trouble {
            Some(trouble) => seen.troubles.insert(place, trouble),
            None => seen.troubles.remove(&place),
        };
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
