//! Goes on with what an earlier process was at: runs are taken up again, and their tasks are told.

use futures::future::join_all;
use tracing::{info, warn};

use super::{Context, Fault, Runs, supervise, supervise::Hold};
use crate::{
    domain::{
        event::{Ending, Event, RunFailure},
        task::Task,
    },
    engine::dispatch::work_delivery,
    store::{
        StoreError, fresh_id,
        runs::{RunTicket, StoredRun},
    },
};

impl Runs {
    /// Takes up the runs that nobody has in hand: those of an earlier process, and those whose watcher was lost. The agent
    /// is attached to in the background, because the engine may be away for a while. Each task is told, once.
    pub async fn take_up(&self, context: &Context) -> Result<(), StoreError> {
        let claimed = context.store.claim_runs(context.clock.now()).await?;
        let runs = claimed
            .into_iter()
            .map(|(stored, ticket)| self.take_up_one(context, stored, ticket));
        join_all(runs).await.into_iter().collect()
    }

    async fn take_up_one(
        &self,
        context: &Context,
        stored: StoredRun,
        ticket: RunTicket,
    ) -> Result<(), StoreError> {
        let Some(_starting) = self.begin(&stored.task, stored.number) else {
            return Ok(());
        };
        let task = match context.store.task(&stored.task).await {
            Ok(Some(found)) => found.task,
            Ok(None) => return Ok(()),
            // One damaged task must not keep all others from their work; the reaper ends its sandbox.
            Err(error @ StoreError::Task(..)) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "a run is not taken up"
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if task.state.live_run() != Some(stored.number) {
            return context
                .store
                .close_run(&stored.task, stored.number, context.clock.now())
                .await;
        }
        self.go_on(context, &task, (&stored, ticket)).await
    }

    /// Goes on with a run of an earlier process. One without a stored position is started again by its own effect, which is
    /// still open.
    pub(super) async fn go_on(
        &self,
        context: &Context,
        task: &Task,
        (stored, ticket): (&StoredRun, RunTicket),
    ) -> Result<(), StoreError> {
        let Some(resume) = stored.resume.clone() else {
            return Ok(());
        };
        info!(task = %stored.task, run = %stored.number, "a run is taken up again");
        // Whoever started it may have ended before it could say so.
        self.tell_started(context, task, stored.number).await?;
        let usage = supervise::usage_before(&resume);
        match supervise::open_again(context, task, stored, resume).await {
            Ok(detached) => {
                if !context.store.run_is_ours(&ticket).await? {
                    // It was stopped meanwhile; what was opened is closed again.
                    return Ok(());
                }
                let hold = Hold::Detached(Box::new(detached));
                self.hold(context, task, ticket, hold);
                let key = format!("taken-up:{}:{}:{}", task.id, stored.number, fresh_id());
                context
                    .accept(work_delivery(task, key, Event::TakenUp))
                    .await?;
            }
            Err(Fault::Transient { what, .. }) => {
                warn!(task = %stored.task, what, "a run is taken up later");
            }
            Err(Fault::Permanent { what } | Fault::Resting { what }) => {
                warn!(task = %stored.task, what, "a run cannot be taken up");
                let ending = Ending {
                    failure: Some(RunFailure::Other { detail: what }),
                    usage,
                    ..Ending::default()
                };
                if let Err(fault) = self.end(context, task, &ticket, ending).await {
                    warn!(task = %stored.task, ?fault, "the end of a run is stored later");
                }
            }
        }
        Ok(())
    }
}
