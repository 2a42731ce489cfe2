//! Leases: whoever takes an effect or a run has it for half a minute, and says every ten seconds that it works on.
//!
//! A row that nobody speaks for any more is taken by somebody else, with the next higher number. Whoever had it before may
//! wake from a pause and still believe in it, so each end of work compares the number in the transaction that it is
//! stored in, and what was lost is broken off as soon as that is known.
//!
//! Deliveries and cancels have brief leases. To take a delivery from somebody who lives costs nothing: what comes of it is
//! stored in one transaction or not at all. And nobody who cancels waits for half a minute.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{Store, StoreError, database::query, runs::RunTicket};
use crate::domain::Timestamp;

/// How long a lease is.
pub const LEASE: Duration = Duration::from_secs(30);
/// The same in milliseconds.
const LEASE_MS: i64 = 30_000;
/// How often it is renewed.
pub const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// How long the lease of a delivery or of a cancel is, in milliseconds.
const BRIEF_LEASE_MS: i64 = 2_000;
/// How often that one is renewed, and how often it is looked whether something was taken away.
pub const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// How long after its claim an effect is nobody else's without another look: before anybody takes a task out of the hands
/// of a process, [`super::dialect::claim_effect`] gives that one more time than this.
const SURELY_HELD: Duration = Duration::from_secs(1);

/// What this process has in hand. Clones of a store share it.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    /// This process, as the others see it.
    pub(super) owner: Arc<str>,
    held: Arc<Mutex<HashMap<(Table, String), Held>>>,
}

#[derive(Debug)]
struct Held {
    token: i64,
    lease: Lease,
    renewed: Instant,
    lost: CancellationToken,
}

/// Where something that can be leased lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Inbox,
    Outbox,
}

/// How long something is in a hand before it has to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// [`LEASE`].
    Whole,
    /// Two seconds.
    Brief,
}

impl Lease {
    /// When one that is taken or renewed now ends.
    pub(super) const fn until(self, now: Timestamp) -> i64 {
        now.0
            + match self {
                Self::Whole => LEASE_MS,
                Self::Brief => BRIEF_LEASE_MS,
            }
    }
}

/// What was renewed or looked for: where it lies, which, with which number, for how long.
type Kept = (Table, String, i64, Lease);

/// The right to a row, for as long as it is held and kept up. It prints as the row's identifier.
#[derive(Clone)]
pub struct Ticket {
    pub(super) id: String,
    pub(super) token: i64,
    taken: Instant,
    lost: CancellationToken,
    /// The last clone takes it out of hand.
    _in_hand: Arc<InHand>,
}

struct InHand {
    hands: Hands,
    key: (Table, String),
    token: i64,
}

impl Hands {
    pub(super) fn fresh() -> Self {
        Self {
            owner: super::fresh_id().into(),
            held: Arc::default(),
        }
    }

    /// Takes a row into hand that was just claimed with this number.
    pub(super) fn take(&self, table: Table, id: String, token: i64, lease: Lease) -> Ticket {
        let lost = CancellationToken::new();
        let now = Instant::now();
        let held = Held {
            token,
            lease,
            renewed: now,
            lost: lost.clone(),
        };
        let key = (table, id.clone());
        if let Some(before) = self.locked().insert(key.clone(), held) {
            before.lost.cancel();
        }
        Ticket {
            id,
            token,
            taken: now,
            lost,
            _in_hand: Arc::new(InHand {
                hands: self.clone(),
                key,
                token,
            }),
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<(Table, String), Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is in hand.
    fn all(&self) -> Vec<Kept> {
        let held = self.locked();
        let rows = held.iter();
        rows.map(|((table, id), held)| (*table, id.clone(), held.token, held.lease))
            .collect()
    }

    fn renewed(&self, table: Table, id: &str, token: i64, is_ours: bool) {
        let mut held = self.locked();
        let Some(held) = held
            .get_mut(&(table, id.to_owned()))
            .filter(|held| held.token == token)
        else {
            return;
        };
        if is_ours {
            held.renewed = Instant::now();
        } else {
            held.lost.cancel();
        }
    }

    /// Breaks off what is done with a row: it was taken out of this process's own hand.
    pub(super) fn lose(&self, table: Table, id: String) {
        if let Some(held) = self.locked().get(&(table, id)) {
            held.lost.cancel();
        }
    }

    /// What was not renewed for half a minute may be somebody else's by now, whether or not the database can say so.
    fn give_up_the_old(&self) {
        for held in self.locked().values() {
            if held.renewed.elapsed() >= LEASE {
                held.lost.cancel();
            }
        }
    }
}

impl Ticket {
    /// Returns when the row is somebody else's, and not before.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut held = self.hands.locked();
        if held
            .get(&self.key)
            .is_some_and(|held| held.token == self.token)
        {
            held.remove(&self.key);
        }
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.token) == (&other.id, other.token)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Ticket({}, {})", self.id, self.token)
    }
}

impl Store {
    /// Says that everything in hand is still worked on, and sees what was lost. What lies under this process's name and is in
    /// nobody's hand here any more (its end could not be stored) is free again once its lease is over.
    ///
    /// To be called every [`RENEWED_EVERY`].
    pub async fn keep_leases(&self, now: Timestamp) -> Result<(), StoreError> {
        if !self.database.is_file() {
            self.hands.give_up_the_old();
        }
        self.renew(self.hands.all(), now).await?;
        for statement in [
            "UPDATE inbox SET owner = '' WHERE owner = $1 AND owner <> '' AND state = 'waiting' AND lease_until_ms <= $2",
            "UPDATE outbox SET state = 'ready' WHERE owner = $1 AND state = 'leased' AND lease_until_ms <= $2",
        ] {
            query(statement)
                .bind(&*self.hands.owner)
                .bind(now.0)
                .execute(self.database.writing())
                .await?;
        }
        self.free_turns().await
    }

    /// The same for brief leases alone. To be called every [`LOOKED_EVERY`].
    pub async fn keep_brief_leases(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.database.is_file() {
            return Ok(());
        }
        let mut brief = self.hands.all();
        brief.retain(|(.., lease)| *lease == Lease::Brief);
        self.renew(brief, now).await
    }

    async fn renew(&self, held: Vec<Kept>, now: Timestamp) -> Result<(), StoreError> {
        for (table, id, token, lease) in held {
            let renewed = query(match table {
                Table::Inbox => {
                    "UPDATE inbox SET lease_until_ms = $3 WHERE id = $1 AND token = $2 AND state = 'waiting' AND owner <> ''"
                }
                Table::Outbox => {
                    "UPDATE outbox SET lease_until_ms = $3 WHERE id = $1 AND token = $2 AND state = 'leased'"
                }
            })
            .bind(&id)
            .bind(token)
            .bind(lease.until(now))
            .execute(self.database.writing())
            .await?;
            let is_ours = renewed == 1 || self.has_ended(table, &id, token).await?;
            self.hands.renewed(table, &id, token, is_ours);
        }
        Ok(())
    }

    /// Whether something came to its end under this number. Who has ended it is at the last steps of it, which are not to be
    /// broken off: the one behind it would wait until somebody sees that it has its turn.
    async fn has_ended(&self, table: Table, id: &str, token: i64) -> Result<bool, StoreError> {
        let row = query(match table {
            Table::Inbox => "SELECT 1 FROM inbox WHERE id = $1 AND token = $2 AND state <> 'waiting'",
            Table::Outbox => {
                "SELECT 1 FROM outbox WHERE id = $1 AND token = $2 AND state NOT IN ('ready', 'leased')"
            }
        })
        .bind(id)
        .bind(token)
        .fetch_optional(self.database.reading())
        .await?;
        Ok(row.is_some())
    }

    /// Sees which effects were taken out of the hands of this process, and which of the runs that it watches. To be called
    /// every [`LOOKED_EVERY`]: nobody waits until a lease is over before they take a task over that is cancelled.
    pub async fn see_lost(&self, watched: &[RunTicket]) -> Result<Vec<RunTicket>, StoreError> {
        if self.database.is_file() {
            return Ok(Vec::new());
        }
        let mut held = self.hands.all();
        held.retain(|(table, ..)| *table == Table::Outbox);
        if !held.is_empty() {
            let rows = query("SELECT id, token FROM outbox WHERE state = 'leased' AND owner = $1")
                .bind(&*self.hands.owner)
                .fetch_all(self.database.reading())
                .await?;
            let ours: HashMap<String, i64> = rows
                .iter()
                .map(|row| Ok((row.try_get("id")?, row.try_get("token")?)))
                .collect::<Result<_, StoreError>>()?;
            for (table, id, token, _) in held {
                if ours.get(&id) != Some(&token) && !self.has_ended(table, &id, token).await? {
                    self.hands.renewed(table, &id, token, false);
                }
            }
        }
        self.runs_elsewhere(watched).await
    }

    /// Whether an effect is in the hand of this process still. Who acts on the world by it asks just before: a process that
    /// was paused does not know that it has lost what it had.
    pub async fn holds(&self, effect: &Ticket) -> Result<bool, StoreError> {
        if self.database.is_file() || effect.taken.elapsed() < SURELY_HELD {
            return Ok(true);
        }
        let row = query("SELECT 1 FROM outbox WHERE id = $1 AND token = $2 AND state = 'leased'")
            .bind(&effect.id)
            .bind(effect.token)
            .fetch_optional(self.database.reading())
            .await?;
        Ok(row.is_some())
    }

    /// Lets go of everything that lies under this process's name, at its end: nobody has to wait for the leases to run out.
    pub async fn release_leases(&self) -> Result<(), StoreError> {
        for statement in [
            "UPDATE inbox SET owner = '', lease_until_ms = 0, token = token + 1 WHERE owner = $1 AND state = 'waiting'",
            "UPDATE outbox SET state = 'ready', lease_until_ms = 0, token = token + 1, taken_over = 1 WHERE owner = $1 AND state = 'leased'",
            "UPDATE runs SET owner = '', lease_until_ms = 0, token = token + 1 WHERE owner = $1 AND state = 'live'",
            "UPDATE socket_places SET owner = '', lease_until_ms = 0 WHERE owner = $1",
            "DELETE FROM socket_sharers WHERE owner = $1",
        ] {
            query(statement)
                .bind(&*self.hands.owner)
                .execute(self.database.writing())
                .await?;
        }
        Ok(())
    }

    /// The clock on the wall was set back by `by_ms` milliseconds, and shows `now`: what waits is due as much earlier, and no
    /// lease ends later than one that is taken now.
    pub async fn set_back(&self, by_ms: i64, now: Timestamp) -> Result<(), StoreError> {
        for statement in [
            "UPDATE inbox SET due_ms = CASE WHEN due_ms - $1 > $2 THEN due_ms - $1 ELSE $2 END WHERE state = 'waiting' AND due_ms > $2",
            "UPDATE outbox SET due_ms = CASE WHEN due_ms - $1 > $2 THEN due_ms - $1 ELSE $2 END WHERE state = 'ready' AND due_ms > $2",
        ] {
            query(statement)
                .bind(by_ms)
                .bind(now.0)
                .execute(self.database.writing())
                .await?;
        }
        for statement in [
            "UPDATE inbox SET lease_until_ms = $1 WHERE state = 'waiting' AND lease_until_ms > $1",
            "UPDATE outbox SET lease_until_ms = $1 WHERE state = 'leased' AND lease_until_ms > $1",
            "UPDATE runs SET lease_until_ms = $1 WHERE state = 'live' AND lease_until_ms > $1",
            "UPDATE socket_places SET lease_until_ms = $1 WHERE lease_until_ms > $1",
            "UPDATE socket_sharers SET lease_until_ms = $1 WHERE lease_until_ms > $1",
        ] {
            query(statement)
                .bind(Lease::Whole.until(now))
                .execute(self.database.writing())
                .await?;
        }
        Ok(())
    }

    /// A file has one process that works, so what an earlier one had begun is open again.
    pub(super) async fn take_back_leases(&self) -> Result<(), StoreError> {
        for statement in [
            "UPDATE inbox SET owner = '', lease_until_ms = 0, token = token + 1 WHERE owner <> '' AND state = 'waiting'",
            "UPDATE outbox SET state = 'ready', lease_until_ms = 0, token = token + 1, taken_over = 1 WHERE state = 'leased'",
            "UPDATE runs SET owner = '', lease_until_ms = 0, token = token + 1 WHERE owner <> '' AND state = 'live'",
            "UPDATE socket_places SET owner = '', lease_until_ms = 0 WHERE owner <> ''",
            "DELETE FROM socket_sharers",
        ] {
            query(statement).execute(self.database.writing()).await?;
        }
        self.free_turns().await
    }
}
