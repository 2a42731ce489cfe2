//! Ends everything of a task that runs, in this process and in others, in the time that a cancel may take.

use std::time::Duration;

use deckhand_executors::egress::DOUBTED_AFTER;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::Deliver;
use crate::{
    domain::{
        TaskId,
        effect::Lane,
        event::Event,
        kept::Kept,
        task::{State, Task},
    },
    engine::{Fault, keep, runs},
    store::{StoreError, leases::LOOKED_EVERY, outbox::Claimed},
};

/// How long work in hand may take to be broken off by a cancel. It ends where it waits, which is everywhere.
const BREAK_OFF_WITHIN: Duration = Duration::from_secs(1);
/// How long after it was asked for the end of everything may be, with what is kept of the work, before the cancel is
/// confirmed without.
const STOP_WITHIN: Duration = Duration::from_secs(4);
/// What is left of it at least.
const STOP_IN_AT_LEAST: Duration = Duration::from_secs(1);
/// How long a message may take to its end that is being said, here or in another process.
const WORDS_WITHIN: Duration = Duration::from_secs(1);
/// The pause between two looks at that.
const LOOKED_AT_WORDS_EVERY: Duration = Duration::from_millis(50);

impl Deliver {
    pub(super) async fn stop_all(&self, claimed: &Claimed) -> Result<(), Fault> {
        let id = self.owner(claimed)?;
        let until = Instant::now() + self.left(claimed);
        // First what needs nobody's help: no call and no push of the task passes from here on.
        self.context.way_out.revoke(id);
        self.break_off(id, Lane::Work).await;
        let is_elsewhere = self.take_over(id).await?;
        let taken = Instant::now();
        let stopped = self.context.runs.stop(&self.context, id).await;
        if let Err(fault) = &stopped {
            warn!(task = %id, ?fault, "the engine has not confirmed the end of a task; the reaper goes on");
            self.context.wake.left_over();
        }
        let (confirmed, ended) = (stopped.is_ok(), Instant::now());
        let Some(stored) = self.context.store.task(id).await? else {
            return Ok(());
        };
        let spent = runs::spent(&self.context, &stored.task).await?;
        let keeping = async {
            match stored.task.state {
                State::Canceled { .. } => keep::by(&self.context, &stored.task, until).await,
                // It goes on with what lies in its volume.
                _ => Kept::Nothing,
            }
        };
        let silence = async {
            if is_elsewhere {
                self.silence_elsewhere(&stored.task, taken, ended).await?;
            }
            self.silence(&stored.task).await
        };
        let (kept, silent) = tokio::join!(keeping, silence);
        silent?;
        self.tell(
            claimed,
            &stored.task,
            format!("stopped:{}", claimed.id),
            Event::Stopped {
                confirmed,
                spent,
                kept,
            },
        )
        .await
    }

    /// What is left of the time for it. Whoever comes late, because nobody was there, takes all of it.
    fn left(&self, claimed: &Claimed) -> Duration {
        let waited = self.clock().now().milliseconds_since(claimed.created);
        let waited = Duration::from_millis(u64::try_from(waited).unwrap_or_default());
        match STOP_WITHIN.checked_sub(waited) {
            Some(left) => left.max(STOP_IN_AT_LEAST),
            None => STOP_WITHIN,
        }
    }

    /// Takes the task out of the hands of other processes, and an errand of a cancelled one out of every hand. Says whether
    /// another process had something of it.
    async fn take_over(&self, id: &TaskId) -> Result<bool, StoreError> {
        let (store, now) = (&self.context.store, self.clock().now());
        let is_elsewhere = store.take_task(id, now).await?;
        // Where the task goes on or can be tried again, its errand is wanted still.
        let is_canceled = self.is_canceled(id).await?;
        if is_canceled {
            self.break_off(id, Lane::Errands).await;
            store.drop_waiting_work(id, now).await?;
        }
        if is_elsewhere {
            warn!(task = %id, "another process has the task in hand and does not stop it; it is stopped from here");
            store.drop_work_elsewhere(id, now).await?;
            if is_canceled {
                store.drop_errands_elsewhere(id, now).await?;
            }
        }
        Ok(is_elsewhere)
    }

    pub(super) async fn is_canceled(&self, id: &TaskId) -> Result<bool, StoreError> {
        match self.context.store.task(id).await {
            Ok(stored) => Ok(stored.is_some_and(|stored| stored.task.state.is_canceled())),
            // What cannot be read is stopped all the same.
            Err(StoreError::Task(..)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until nothing of a task comes out of another process any more. One that lives sees that it has lost it; one
    /// that sleeps looks for that when it wakes, before it lets anything pass. What such a one was about to say is dropped.
    async fn silence_elsewhere(
        &self,
        task: &Task,
        taken: Instant,
        ended: Instant,
    ) -> Result<(), StoreError> {
        let seen_by = (taken + LOOKED_EVERY).max(ended + DOUBTED_AFTER);
        sleep_until(seen_by + LOOKED_AT_WORDS_EVERY).await;
        if !task.state.is_canceled() {
            // What was to be said is true still, and is said by whoever comes to it.
            return Ok(());
        }
        let store = &self.context.store;
        while taken.elapsed() < WORDS_WITHIN && store.is_said_elsewhere(&task.id).await? {
            sleep(LOOKED_AT_WORDS_EVERY).await;
        }
        store
            .drop_words_elsewhere(&task.id, self.clock().now())
            .await
    }

    /// Waits until this process says nothing of a cancelled task any more: a status that Slack made wait is in a lane of its
    /// own, and the confirmation does not stand behind it. One that takes too long is broken off.
    async fn silence(&self, task: &Task) -> Result<(), StoreError> {
        if !task.state.is_canceled() {
            return Ok(());
        }
        let (store, from) = (&self.context.store, Instant::now());
        loop {
            let now = self.clock().now();
            store.drop_waiting_statuses(&task.id, now).await?;
            if !store.is_said_here(&task.id).await? {
                return Ok(());
            }
            if from.elapsed() >= WORDS_WITHIN {
                return store.break_off_statuses(&task.id, now).await;
            }
            sleep(LOOKED_AT_WORDS_EVERY).await;
        }
    }

    /// Breaks off the work or the errand in hand: a push that is under way is ended, and its credential is given back.
    async fn break_off(&self, task: &TaskId, lane: Lane) {
        let in_hand = self.in_hand.lock().ok();
        let which = (task.clone(), lane);
        let Some(in_hand) = in_hand.and_then(|mut in_hand| in_hand.remove(&which)) else {
            return;
        };
        in_hand.stop.cancel();
        let over = tokio::time::timeout(BREAK_OFF_WITHIN, in_hand.over.cancelled()).await;
        if over.is_err() {
            warn!(%task, lane = lane.name(), "what is in hand is not broken off in time");
        }
    }
}
