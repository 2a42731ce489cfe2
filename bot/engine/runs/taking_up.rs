//! Goes on with what an earlier process was at: runs are taken up again, and their tasks are told.

use tracing::{info, warn};

use super::{Context, Fault, Runs, supervise, supervise::Hold};
use crate::{
    domain::event::{Ending, Event, RunFailure},
    engine::{dispatch::work_delivery, timers::AT_WORK},
    store::{StoreError, fresh_id},
};

impl Runs {
    /// Takes up the runs that nobody has in hand: those of an earlier process, and those whose watcher was lost. The agent
    /// is attached to in the background, because the engine may be away for a while.
    pub async fn take_up(&self, context: &Context) -> Result<(), StoreError> {
        for stored in context.store.claim_runs(context.clock.now()).await? {
            if self.is_in_hand(&stored.task, stored.number) {
                continue;
            }
            let task = match context.store.task(&stored.task).await {
                Ok(Some(found)) => found.task,
                Ok(None) => continue,
                // One damaged task must not keep all others from their work; the reaper ends its sandbox.
                Err(error @ StoreError::Task(..)) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "a run is not taken up"
                    );
                    continue;
                }
                Err(error) => return Err(error),
            };
            if task.state.live_run() != Some(stored.number) {
                context
                    .store
                    .close_run(&stored.task, stored.number, context.clock.now())
                    .await?;
                continue;
            }
            // A run without a stored position is started again by its own effect, which is still open.
            let Some(resume) = stored.resume.clone() else {
                continue;
            };
            info!(task = %stored.task, run = %stored.number, "a run is taken up again");
            let usage = supervise::usage_before(&resume);
            match supervise::open_again(context, &task, &stored, resume).await {
                Ok(detached) => {
                    let hold = Hold::Detached(Box::new(detached));
                    self.hold(context, &task, stored.number, hold);
                }
                Err(Fault::Transient { what, .. }) => {
                    warn!(task = %stored.task, what, "a run is taken up later");
                }
                Err(Fault::Permanent { what }) => {
                    warn!(task = %stored.task, what, "a run cannot be taken up");
                    let ending = Ending {
                        failure: Some(RunFailure::Other { detail: what }),
                        usage,
                        ..Ending::default()
                    };
                    if let Err(fault) = self.end(context, &task, stored.number, ending).await {
                        warn!(task = %stored.task, ?fault, "the end of a run is stored later");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Tells every task that was in the middle of something that it is gone on with.
pub async fn tell_of_restart(context: &Context) -> Result<(), StoreError> {
    for state in AT_WORK {
        for stored in context.store.tasks_in(state).await? {
            let key = format!("taken-up:{}:{}", stored.task.id, fresh_id());
            context
                .accept(work_delivery(&stored.task, key, Event::TakenUp))
                .await?;
        }
    }
    Ok(())
}
