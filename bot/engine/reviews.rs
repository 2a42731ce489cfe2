//! Pull requests that were merged or closed while nobody could hear of it. GitHub tells once and does not tell again, so those
//! of tasks in review are looked up: at the start, where news may have been lost, and every hour.

use std::{collections::VecDeque, time::Duration};

use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{Context, Fault, dispatch::RETRY_AFTER_MAX, pause_asked_for, pause_before_try};
use crate::{
    domain::{TaskId, Timestamp, task::State},
    github::ForgeError,
    store::{
        StoreError,
        inbox::{Accepted, NewDelivery, Source},
    },
};

/// How often a pull request is looked up of which nothing was heard, in milliseconds.
const EVERY_MS: i64 = 60 * 60 * 1_000;
/// The pause between two rounds.
const ROUND_EVERY: Duration = Duration::from_secs(30);
/// The most that are looked up in a round, one after the other: 1,200 an hour, a quarter of what GitHub grants a token.
/// Source: GitHub's documentation of rate limits grants 5,000 requests an hour.
const ROUND_MAX: usize = 10;

/// Which pull requests are looked up next.
#[derive(Debug, Default)]
pub struct Reviews {
    /// Tasks whose pull requests this sweep has not looked up yet.
    left: VecDeque<TaskId>,
    /// When the sweep began; none where another one is due as soon as it is over.
    begun: Option<Timestamp>,
    /// Until when the forge is left alone.
    rests_until: Option<Timestamp>,
    /// How often it did not answer, one time after the other.
    failed: i64,
}

/// Looks until `stop`; without a forge there is nothing to look for.
pub async fn run(context: Context, stop: CancellationToken) {
    if !context.github.is_forge() {
        return;
    }
    let mut reviews = Reviews::default();
    let mut failed = 0;
    loop {
        let looked = tokio::select! {
            looked = reviews.step(&context) => looked,
            () = stop.cancelled() => return,
        };
        failed = if looked.is_ok() { 0 } else { failed + 1 };
        let pause = match looked {
            Ok(()) => ROUND_EVERY,
            Err(fault) => {
                debug!(?fault, "pull requests could not be looked up");
                pause_before_try(failed, ROUND_EVERY)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.wake.wait_missed() => reviews.begin_anew(),
            () = stop.cancelled() => return,
        }
    }
}

impl Reviews {
    /// News may have been lost: all of them are looked up once more.
    pub const fn begin_anew(&mut self) {
        self.begun = None;
    }

    /// Looks up the next few, where it is time. What the forge does not answer now comes again in a later round.
    ///
    /// # Errors
    /// As the store has them; then the next round goes on where this one ended.
    pub async fn step(&mut self, context: &Context) -> Result<(), Fault> {
        let now = context.clock.now();
        if self.rests_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        self.rests_until = None;
        let is_due = self
            .begun
            .is_none_or(|begun| now.milliseconds_since(begun) >= EVERY_MS);
        if self.left.is_empty() && is_due {
            self.left = context.store.task_ids_in("in_review").await?.into();
            self.begun = Some(now);
        }
        for _ in 0..ROUND_MAX {
            let Some(task) = self.left.pop_front() else {
                break;
            };
            let pause = match look_up(context, &task).await {
                Ok(()) => {
                    self.failed = 0;
                    continue;
                }
                Err(Trouble::Forge(ForgeError::Transient { what, retry_after })) => {
                    debug!(%task, what, "a pull request is looked up later");
                    self.failed += 1;
                    retry_after.map_or_else(
                        || pause_before_try(self.failed, RETRY_AFTER_MAX),
                        |asked| pause_asked_for(asked, RETRY_AFTER_MAX),
                    )
                }
                // Nobody may see it any more; a person closes such a task.
                Err(Trouble::Forge(error)) => {
                    debug!(%task, %error, "a pull request cannot be looked up");
                    continue;
                }
                Err(Trouble::Store(error)) => {
                    self.left.push_front(task);
                    return Err(error.into());
                }
            };
            // The others are not to wait for one that alone is in trouble.
            self.left.push_back(task);
            self.rests_until = Some(context.clock.later(pause));
            break;
        }
        Ok(())
    }
}

/// Why something was not looked up.
enum Trouble {
    Store(StoreError),
    Forge(ForgeError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ForgeError> for Trouble {
    fn from(error: ForgeError) -> Self {
        Self::Forge(error)
    }
}

/// Stores the end of a task's pull request, as if its webhook had come.
async fn look_up(context: &Context, id: &TaskId) -> Result<(), Trouble> {
    let stored = match context.store.task(id).await {
        Ok(Some(stored)) => stored,
        // It is gone, or it hears nothing before somebody has put it right.
        Ok(None) | Err(StoreError::Task(..)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let task = &stored.task;
    let (Some(repository), Some(publication), State::InReview { .. }) =
        (task.repository(), &task.publication, &task.state)
    else {
        return Ok(());
    };
    let Some(pull_request) = &publication.pull_request else {
        return Ok(());
    };
    let end = (pull_request.number, publication.branch.as_str());
    let Some((key, body)) = context.github.end_of(repository, end).await? else {
        return Ok(());
    };
    info!(task = %id, number = pull_request.number, "a pull request was found to be over");
    let delivery = NewDelivery {
        source: Source::Github,
        key,
        conversation: task.conversation.0.clone(),
        body,
    };
    if context.accepted(delivery.clone()).await? == Accepted::Repeated {
        // The webhook came when the task had no ear for it, as while it was at work on a follow-up. Where it only waits for its
        // turn, this says the same behind it, to a task that is over by then.
        let key = format!("{}:{}", delivery.key, stored.version);
        context.accepted(NewDelivery { key, ..delivery }).await?;
    }
    Ok(())
}
