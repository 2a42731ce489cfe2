//! Which connections are kept open: whoever shares them out says which places are to be filled, and hears which are.

use std::collections::BTreeSet;

use tokio::sync::watch;

use super::SocketState;

/// Says which places are to be filled with connections. Places have numbers; none is filled before this says so.
#[derive(Debug)]
pub struct PlaceKeeper {
    pub(super) wanted: watch::Sender<BTreeSet<u32>>,
    pub(super) filled: watch::Receiver<BTreeSet<u32>>,
    pub(super) state: SocketState,
}

impl PlaceKeeper {
    /// Fills these places, and gives up any other: what is in hand there is stored and acknowledged, then the connection is
    /// closed. `others` is how many connections other processes may have meanwhile.
    pub fn fill(&self, places: impl IntoIterator<Item = u32>, others: usize) {
        let places: BTreeSet<u32> = places.into_iter().collect();
        self.state.shared(places.len(), others);
        self.wanted.send_replace(places);
    }

    /// Whether a place is to be filled, or its connection is not closed yet.
    #[must_use]
    pub fn is_in_use(&self, place: u32) -> bool {
        self.wanted.borrow().contains(&place) || self.filled.borrow().contains(&place)
    }

    /// Waits until a connection is closed or another place is filled. False where no connection is kept any more.
    pub async fn changed(&mut self) -> bool {
        self.filled.changed().await.is_ok()
    }
}
