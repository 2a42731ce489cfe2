//! Effects: everything that has to be done, one after the other in each lane.

use super::{
    Store, StoreError,
    database::{Query, document, query},
    dialect,
    leases::{Lease, Table, Ticket},
    moment, turns,
};
use crate::domain::{TaskId, Timestamp, conversation::ConversationId, effect::Effect};

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
        let row = dialect::claim_effect()
            .bind(now.0)
            .bind(&*self.hands.owner)
            .bind(Lease::Whole.until(now))
            .bind(Lease::Brief.until(now))
            .fetch_optional(self.database.writing())
            .await?;
        let Some(row) = row else { return Ok(None) };
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
        let effect = match document(&row, "effect")? {
            Ok(effect) => effect,
            Err(error) => {
                let error = format!("the stored effect cannot be read: {error}");
                return Ok(Some(Taken::Unreadable { id, task, error }));
            }
        };
        Ok(Some(Taken::Effect(Claimed {
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
        })))
    }

    /// Marks an effect as done.
    pub async fn effect_done(&self, id: &Ticket, now: Timestamp) -> Result<(), StoreError> {
        done(id, now).execute(self.database.writing()).await?;
        // By itself: where this is not reached, the lane waits for the next round of leases.
        turns::of_lane(self.database.writing(), &id.id).await?;
        Ok(())
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
