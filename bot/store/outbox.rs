//! Effects: everything that has to be done, one after the other in each lane.

use super::{
    Store, StoreError,
    database::{Query, Row, Unit, document, query},
    dialect, fresh_id,
    inbox::{NewDelivery, insert_delivery},
    leases::{Lease, Table, Ticket},
    moment,
    tasks::{Stored, Transition},
    turns,
};
use crate::domain::{
    TaskId, Timestamp,
    conversation::ConversationId,
    effect::{Effect, Lane, Slot},
};

/// An effect that was taken out to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its identifier.
    pub id: Ticket,
    /// The task that it belongs to; none for answers outside a task.
    pub task: Option<TaskId>,
    /// Where the task was asked for.
    pub conversation: ConversationId,
    /// What is to be done.
    pub effect: Effect,
    /// How often it was begun, this time included.
    pub attempts: i64,
    /// When it was asked for.
    pub created: Timestamp,
    /// Where it was before.
    pub from: From,
}

/// Where an effect was before it was taken out to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// It lay in the outbox.
    Outbox,
    /// In the hands of a process that ended, or lost it, in the middle of it.
    AnotherHand,
}

/// What was taken out of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// An effect.
    Effect(Claimed),
    /// A row that this program cannot read: it was damaged, or a newer program stored it.
    Unreadable {
        /// The right to it.
        id: Ticket,
        /// The task that it belongs to.
        task: Option<TaskId>,
        /// What is wrong with it.
        error: String,
    },
}

impl Taken {
    /// The right to it.
    const fn id(&self) -> &Ticket {
        match self {
            Self::Effect(claimed) => &claimed.id,
            Self::Unreadable { id, .. } => id,
        }
    }
}

/// Marks an effect as done, where it is still in this hand.
pub(super) fn done(id: &Ticket, now: Timestamp) -> Query {
    query("UPDATE outbox SET state = 'done', done_ms = $2, error = NULL WHERE id = $1 AND state = 'leased' AND token = $3")
        .bind(&id.id)
        .bind(now.0)
        .bind(id.token)
}

impl Store {
    /// Takes the oldest effect that is due and has no older one open in its lane. It is this caller's for a lease.
    pub async fn claim_effect(&self, now: Timestamp) -> Result<Option<Taken>, StoreError> {
        let taken = self.claim(dialect::claim_effect(), now).await?;
        Ok(taken.into_iter().next())
    }

    /// Takes [`Store::CLAIMED_MAX`] effects at most as [`Store::claim_effect`] takes one, with one write to the disk, the
    /// oldest first.
    pub async fn claim_effects(&self, now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        self.claim(dialect::claim_effects(), now).await
    }

    /// Takes the oldest effect that ends everything of a task that runs, as [`Store::claim_effect`] takes one.
    pub async fn claim_stop(&self, now: Timestamp) -> Result<Option<Taken>, StoreError> {
        let taken = self.claim(dialect::claim_stop(), now).await?;
        Ok(taken.into_iter().next())
    }

    /// The most effects that are taken at once.
    pub const CLAIMED_MAX: usize = dialect::CLAIMED_MAX;

    async fn claim(&self, statement: Query, now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        let rows = statement
            .bind(now.0)
            .bind(&*self.hands.owner)
            .bind(Lease::Whole.until(now))
            .bind(Lease::Brief.until(now))
            .fetch_all(self.database.writing())
            .await?;
        let taken: Result<Vec<Taken>, StoreError> =
            rows.iter().map(|row| self.taken(row, now)).collect();
        let mut taken = taken?;
        taken.sort_by(|a, b| a.id().id.cmp(&b.id().id));
        Ok(taken)
    }

    fn taken(&self, row: &Row, now: Timestamp) -> Result<Taken, StoreError> {
        let until: i64 = row.try_get("lease_until_ms")?;
        let lease = if until == Lease::Brief.until(now) {
            Lease::Brief
        } else {
            Lease::Whole
        };
        let (id, token) = (row.try_get("id")?, row.try_get("token")?);
        let id = self.hands.take(Table::Outbox, id, token, lease);
        let task: String = row.try_get("task")?;
        let task = (!task.is_empty()).then_some(TaskId(task));
        let effect = match document(row, "effect")? {
            Ok(effect) => effect,
            Err(error) => {
                let error = format!("the stored effect cannot be read: {error}");
                return Ok(Taken::Unreadable { id, task, error });
            }
        };
        Ok(Taken::Effect(Claimed {
            id,
            task,
            conversation: ConversationId(row.try_get("conversation")?),
            effect,
            attempts: row.try_get("attempts")?,
            created: moment(row.try_get("created_ms")?),
            from: match row.try_get("taken_over")? {
                0_i64 => From::Outbox,
                _ => From::AnotherHand,
            },
        }))
    }

    /// Marks an effect as done.
    pub async fn effect_done(&self, id: &Ticket, now: Timestamp) -> Result<(), StoreError> {
        done(id, now).execute(self.database.writing()).await?;
        // By itself: where this is not reached, the lane waits for the next round of leases.
        turns::of_lane(self.database.writing(), &id.id).await?;
        Ok(())
    }

    /// Stores what an effect found. Says whether the effect is in this hand; where it is not, nothing is stored: it may have
    /// been found in what another process was just ending, and would keep out what that one finds under the same key.
    pub async fn accept_found(
        &self,
        id: &Ticket,
        found: &NewDelivery,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut unit = self.begin().await?;
        let held = dialect::effect_in_hand()
            .bind(&id.id)
            .bind(id.token)
            .fetch_optional(&mut unit)
            .await?;
        if held.is_some() {
            insert_delivery(&fresh_id(), found, now)?
                .execute(&mut unit)
                .await?;
        }
        unit.commit().await?;
        Ok(held.is_some())
    }

    /// Tries an effect again later.
    pub async fn postpone_effect(
        &self,
        id: &Ticket,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        query("UPDATE outbox SET state = 'ready', due_ms = $2, error = $3, taken_over = 0 WHERE id = $1 AND state = 'leased' AND token = $4")
            .bind(&id.id)
            .bind(until.0)
            .bind(error)
            .bind(id.token)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// Tries a status again later, in a lane of its own: what is said after it need not wait as long as it has to. Where a
    /// newer one of its slot is there already, it is dropped.
    pub async fn step_aside(
        &self,
        id: &Ticket,
        until: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        let lane: String = query("SELECT lane FROM outbox WHERE id = $1")
            .bind(&id.id)
            .fetch_one(self.database.writing())
            .await?
            .try_get("lane")?;
        let aside = if lane.ends_with(ASIDE) {
            lane.clone()
        } else {
            format!("{lane}{ASIDE}")
        };
        let mut unit = self.begin().await?;
        // By itself, so that it waits for whoever appends behind it now, and what follows sees that row.
        query("UPDATE outbox SET error = $3, due_ms = $2 WHERE id = $1 AND state = 'leased' AND token = $4")
            .bind(&id.id)
            .bind(until.0)
            .bind(error)
            .bind(id.token)
            .execute(&mut unit)
            .await?;
        query("UPDATE outbox SET state = 'dropped', done_ms = due_ms WHERE id = $1 AND state = 'leased' AND token = $2 AND EXISTS (
                 SELECT 1 FROM outbox AS n WHERE n.lane = outbox.lane AND n.slot = outbox.slot AND n.id > outbox.id)")
            .bind(&id.id)
            .bind(id.token)
            .execute(&mut unit)
            .await?;
        query("UPDATE outbox SET lane = $3, taken_over = 0, state = 'ready' WHERE id = $1 AND state = 'leased' AND token = $2")
            .bind(&id.id)
            .bind(id.token)
            .bind(&aside)
            .execute(&mut unit)
            .await?;
        unit.commit().await?;
        turns::in_lane(self.database.writing(), &lane).await?;
        if lane != aside {
            turns::in_lane(self.database.writing(), &aside).await?;
        }
        Ok(())
    }

    /// Lays an effect to rest: there is nobody any more that it could be done for.
    pub async fn rest_effect(
        &self,
        id: &Ticket,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query("UPDATE outbox SET state = 'dropped', done_ms = $2, error = $3 WHERE id = $1 AND state = 'leased' AND token = $4")
            .bind(&id.id)
            .bind(now.0)
            .bind(why)
            .bind(id.token)
            .execute(self.database.writing())
            .await?;
        turns::of_lane(self.database.writing(), &id.id).await?;
        Ok(())
    }

    /// How many effects are open, and since when the oldest is.
    pub async fn outbox_depth(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let row = query("SELECT count(*) AS depth, min(created_ms) AS oldest FROM outbox WHERE state IN ('ready', 'leased')").fetch_one(self.database.reading()).await?;
        Ok((
            row.try_get("depth")?,
            row.try_get::<Option<i64>>("oldest")?.map(moment),
        ))
    }

    /// When the next effect that waits for its time is due.
    pub async fn next_effect_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = query("SELECT min(due_ms) AS due FROM outbox WHERE state = 'ready'")
            .fetch_one(self.database.reading())
            .await?;
        Ok(row.try_get::<Option<i64>>("due")?.map(moment))
    }
}

/// Appends an effect in every conversation that it is for. Each has lanes of its own, so that none waits for another one.
pub(super) async fn append_everywhere(
    transaction: &mut Unit,
    transition: &Transition,
    effect: &Effect,
    now: Timestamp,
) -> Result<(), StoreError> {
    let from = &transition.conversation;
    let Some(Stored { task, .. }) = &transition.task else {
        return append(transaction, None, from, effect, now).await;
    };
    for place in task.places_of(effect, from) {
        let owner = if place == task.conversation {
            task.id.0.clone()
        } else {
            format!("{}:{}", task.id, place.0)
        };
        append_in(transaction, (Some(&task.id), &owner), &place, effect, now).await?;
    }
    Ok(())
}

/// Appends an effect to its lane.
pub(super) async fn append(
    transaction: &mut Unit,
    task: Option<&TaskId>,
    conversation: &ConversationId,
    effect: &Effect,
    now: Timestamp,
) -> Result<(), StoreError> {
    let owner = task.map_or(conversation.0.as_str(), |task| task.0.as_str());
    append_in(transaction, (task, owner), conversation, effect, now).await
}

/// What the name of a lane ends with in which statuses wait for their time.
const ASIDE: &str = ":aside";

/// In which lane, with how many attempts, and when at the earliest something new is said in a slot. What was said there before
/// and has no good end may stand on the surface all the same, so the new one has to look before it is said.
async fn before(
    transaction: &mut Unit,
    (lane, slot): (String, &str),
    place: &Slot,
    now: Timestamp,
) -> Result<(String, i64, i64), StoreError> {
    if matches!(place, Slot::Progress(_)) {
        return before_status(transaction, (lane, slot), now).await;
    }
    let row = query(
        "SELECT coalesce(max(attempts), 0) AS attempts FROM outbox WHERE lane = $1 AND slot = $2 AND state <> 'done'",
    )
    .bind(&lane)
    .bind(slot)
    .fetch_one(&mut *transaction)
    .await?;
    let tried: i64 = row.try_get("attempts")?;
    Ok((lane, tried.min(1), now.0))
}

/// The same of a status. The newest one wins; an older one that nobody has seen yet is not worth a message.
async fn before_status(
    transaction: &mut Unit,
    (lane, slot): (String, &str),
    now: Timestamp,
) -> Result<(String, i64, i64), StoreError> {
    let aside = format!("{lane}{ASIDE}");
    // One that is tried at this moment has stepped aside before this looks, or finds this one appended and goes.
    let open = dialect::open_in_slot()
        .bind(&lane)
        .bind(slot)
        .bind(&aside)
        .fetch_all(&mut *transaction)
        .await?;
    let mut waits_aside = false;
    for row in open {
        waits_aside |= row.try_get::<String>("lane")? == aside;
    }
    // It is dropped before it is asked whether it was tried: in between it could be.
    let dropped = query("UPDATE outbox SET state = 'dropped', done_ms = $3, error = 'a newer status took its place' WHERE lane IN ($1, $4) AND slot = $2 AND state = 'ready'")
        .bind(&lane)
        .bind(slot)
        .bind(now.0)
        .bind(&aside)
        .execute(&mut *transaction)
        .await?;
    if dropped > 0 {
        turns::in_lane(&mut *transaction, &lane).await?;
        turns::in_lane(&mut *transaction, &aside).await?;
    }
    let row = query(
        "SELECT coalesce(max(attempts), 0) AS attempts,
             coalesce(max(CASE WHEN state = 'dropped' AND done_ms = $3 THEN due_ms END), 0) AS due FROM outbox
         WHERE lane IN ($1, $4) AND slot = $2 AND state <> 'done'",
    )
    .bind(&lane)
    .bind(slot)
    .bind(now.0)
    .bind(&aside)
    .fetch_one(&mut *transaction)
    .await?;
    // The surface asked for a pause, and a newer status waits as long as the older one would have, where that waited.
    let due = now.0.max(row.try_get("due")?);
    let lane = if waits_aside { aside } else { lane };
    Ok((lane, row.try_get("attempts")?, due))
}

async fn append_in(
    transaction: &mut Unit,
    (task, owner): (Option<&TaskId>, &str),
    conversation: &ConversationId,
    effect: &Effect,
    now: Timestamp,
) -> Result<(), StoreError> {
    let lane = format!("{}:{owner}", effect.lane().name());
    let slot = if let Effect::Say { slot, .. } = effect {
        slot.to_string()
    } else {
        String::new()
    };
    let (lane, attempts, due) = if let Effect::Say { slot: place, .. } = effect {
        before(transaction, (lane, &slot), place, now).await?
    } else {
        (lane, 0, now.0)
    };
    // A form opens now or never; it waits for nothing.
    let lane = if effect.lane() == Lane::Control {
        format!("{lane}:{}", fresh_id())
    } else {
        lane
    };
    dialect::insert_effect()
        .bind(fresh_id())
        .bind(task.map_or("", |task| task.0.as_str()))
        .bind(&conversation.0)
        .bind(lane)
        .bind(slot)
        .bind(serde_json::to_string(effect)?)
        .bind(attempts)
        .bind(due)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?;
    Ok(())
}
