//! How an effect ends: it is done, comes again later, or is given up. The end is stored before anything else of its lane is done.

use std::time::Duration;

use tracing::{error, info, warn};

use super::{
    Deliver, count,
    tables::{Missed, attempts_max, may_wait, pause_max, when_missed},
};
use crate::{
    domain::{
        Timestamp,
        effect::{Effect, Lane, Slot},
        event::Event,
        waiting::PutOff,
    },
    engine::{
        Fault,
        dispatch::{RETRY_AFTER_MAX, work_delivery},
        pause_asked_for, pause_before_try,
    },
    linear,
    store::{StoreError, outbox::Claimed},
};

/// How often it is tried to store an end: together that is about as long as a lease.
const STORED_TRIES_MAX: i64 = 12;
/// The longest pause between two of these tries.
const STORED_PAUSE_MAX: Duration = Duration::from_secs(3);
/// The shortest pause that people are told of.
const TOLD_FROM: Duration = Duration::from_mins(1);

/// What becomes of an effect.
enum End {
    Done,
    Again {
        from: Timestamp,
        why: String,
        /// What the task is told of it.
        put_off: Option<PutOff>,
    },
    Aside {
        from: Timestamp,
        why: String,
    },
    GivenUp {
        why: String,
    },
    AtRest {
        why: String,
    },
}

impl Deliver {
    /// Stores the end of an effect. A database that fails is asked again: a row without its end is in this hand until its lease
    /// is over, and everything behind it in its lane would be silent for so long.
    pub(super) async fn end(&self, claimed: &Claimed, outcome: Result<(), Fault>) {
        let end = self.decide(claimed, outcome);
        let mut tries = 1;
        while let Err(error) = self.store_end(claimed, &end).await {
            if tries == STORED_TRIES_MAX {
                error!(
                    effect = claimed.effect.name(),
                    error = &error as &dyn std::error::Error,
                    "the end of an effect could not be stored; the effect is tried again after its lease"
                );
                return;
            }
            tokio::time::sleep(pause_before_try(tries, STORED_PAUSE_MAX)).await;
            tries += 1;
        }
    }

    fn decide(&self, claimed: &Claimed, outcome: Result<(), Fault>) -> End {
        let name = claimed.effect.name();
        let task = claimed.task.as_ref().map(|task| task.0.as_str());
        match outcome {
            Ok(()) => {
                count(name, "done");
                End::Done
            }
            Err(Fault::Transient {
                what,
                retry_after,
                asked_by,
            }) if claimed.attempts < attempts_max(&claimed.effect)
                || (retry_after.is_some() && self.may_wait(claimed)) =>
            {
                count(name, "again");
                let pause = retry_after.map_or_else(
                    || pause_before_try(claimed.attempts, pause_max(&claimed.effect)),
                    |asked| pause_asked_for(asked, RETRY_AFTER_MAX),
                );
                info!(
                    effect = name,
                    task,
                    what,
                    ?pause,
                    "an effect is tried again later"
                );
                let from = self.clock().later(pause);
                if retry_after.is_some() && may_step_aside(claimed) {
                    return End::Aside { from, why: what };
                }
                let is_asked = retry_after.is_some() && pause >= TOLD_FROM;
                let put_off = is_asked.then(|| put_off(&claimed.effect, from, asked_by));
                End::Again {
                    from,
                    why: what,
                    put_off: put_off.flatten(),
                }
            }
            // What a task waits for is given up, so that it ends; anything else is missed by nobody.
            Err(Fault::Resting { what }) if when_missed(&claimed.effect) != Missed::TaskHears => {
                count(name, "rest");
                info!(effect = name, task, what, "an effect is laid to rest");
                End::AtRest { why: what }
            }
            Err(
                Fault::Transient { what, .. } | Fault::Permanent { what } | Fault::Resting { what },
            ) => {
                count(name, "dead");
                warn!(effect = name, task, what, "an effect is given up");
                End::GivenUp { why: what }
            }
        }
    }

    /// Tells a task that its work waits, once for each try; nothing where it is gone or cannot be read.
    async fn tell_put_off(&self, claimed: &Claimed, put_off: &PutOff) -> Result<(), StoreError> {
        let Some(task) = &claimed.task else {
            return Ok(());
        };
        let stored = match self.context.store.task(task).await {
            Ok(Some(stored)) => stored,
            Ok(None) | Err(StoreError::Task(..)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let key = format!("put-off:{}:{}", claimed.id, claimed.attempts);
        let told = work_delivery(&stored.task, key, Event::PutOff(put_off.clone()));
        // Where it is in another hand by now, its end is not stored here either.
        self.context.accept_found(&claimed.id, told).await?;
        Ok(())
    }

    /// Work that is put off while its task is cancelled: the cancel dropped what waited then, and this did not yet.
    async fn drop_where_canceled(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let Some(task) = &claimed.task else {
            return Ok(());
        };
        if claimed.effect.lane() == Lane::Work && self.is_canceled(task).await? {
            let now = self.clock().now();
            self.context.store.drop_waiting_work(task, now).await?;
        }
        Ok(())
    }

    /// Whether what is to be said changes what stands on its surface, or may stand there.
    async fn is_an_edit(&self, claimed: &Claimed) -> Result<bool, StoreError> {
        let (Effect::Say { slot, .. }, Some(task)) = (&claimed.effect, &claimed.task) else {
            return Ok(false);
        };
        match self.stands(claimed, task, slot).await {
            Err(StoreError::Post(..)) => Ok(true),
            found => found,
        }
    }

    fn may_wait(&self, claimed: &Claimed) -> bool {
        let waited_ms = self.clock().now().milliseconds_since(claimed.created);
        may_wait(&claimed.effect, claimed.attempts, waited_ms)
    }

    async fn store_end(&self, claimed: &Claimed, end: &End) -> Result<(), StoreError> {
        let store = &self.context.store;
        match end {
            End::Done => store.effect_has_come(claimed, self.clock().now()).await,
            End::Again { from, why, put_off } => {
                if let Some(put_off) = put_off {
                    self.tell_put_off(claimed, put_off).await?;
                }
                store.postpone_effect(&claimed.id, *from, why).await?;
                self.drop_where_canceled(claimed).await
            }
            End::Aside { from, why } => {
                if self.is_an_edit(claimed).await? {
                    return store.step_aside(&claimed.id, *from, why).await;
                }
                // A message like those behind it, which Slack makes wait as long; after them it would be late news.
                store.postpone_effect(&claimed.id, *from, why).await
            }
            End::GivenUp { why } => self.give_up(claimed, why).await,
            End::AtRest { why } => {
                store
                    .rest_effect(&claimed.id, why, self.clock().now())
                    .await
            }
        }
    }
}

/// What a task is told whose work is put off; none for anything else, which no state of a task waits for.
fn put_off(effect: &Effect, until: Timestamp, asked_by: Option<&'static str>) -> Option<PutOff> {
    let run = match effect {
        Effect::Gather => None,
        Effect::StartRun { run, .. } | Effect::Prove { run, .. } | Effect::Publish { run, .. } => {
            Some(*run)
        }
        _ => return None,
    };
    Some(PutOff {
        run,
        until,
        asked_by: asked_by.map(str::to_owned),
    })
}

/// Whether what is said after it need not wait for it where a surface is limited: a status is edited where it stands. In Linear
/// it is a new line, which would say the wrong thing behind a question.
fn may_step_aside(claimed: &Claimed) -> bool {
    let is_status = matches!(
        claimed.effect,
        Effect::Say {
            slot: Slot::Progress(_),
            ..
        }
    );
    is_status && claimed.conversation.surface() != linear::SURFACE
}
