//! What must not be left behind or wait for ever: sandboxes without a live task, decisions that nobody takes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Context, Fault, dispatch::work_delivery};
use crate::domain::{TaskId, event::Event};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks every half minute, until `stop`.
pub async fn run(context: Context, stop: CancellationToken) {
    loop {
        if let Err(fault) = step(&context).await {
            warn!(?fault, "the reaper could not do its round");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One round.
pub async fn step(context: &Context) -> Result<(), Fault> {
    for sandbox in context.executor.list().await? {
        let Some(task) = sandbox
            .labels
            .get("deckhand.task")
            .map(|id| TaskId(id.clone()))
        else {
            continue;
        };
        let stored = context.store.task(&task).await?;
        let is_used = stored.is_some_and(|stored| stored.task.state.holds_slot());
        if !is_used {
            info!(%task, sandbox = sandbox.name.0, "a sandbox without a live task is removed");
            context.executor.stop(&sandbox.name).await?;
        }
    }
    let longest = i64::try_from(context.config.limits.wait.as_millis()).unwrap_or(i64::MAX);
    for state in ["awaiting_approval", "awaiting_input"] {
        for stored in context.store.tasks_in(state).await? {
            let waited = context
                .clock
                .now()
                .milliseconds_since(stored.task.changed_at);
            if waited > longest {
                let key = format!("waited:{}:{}", stored.task.id, stored.version);
                context
                    .accept(work_delivery(&stored.task, key, Event::WaitedTooLong))
                    .await?;
            }
        }
    }
    Ok(())
}
