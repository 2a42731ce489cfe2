//! What has been kept long enough goes: logs and pictures of tasks that are over, deliveries and effects that are done.

use std::time::Duration;

use tracing::{info, warn};

use super::{
    Context, Fault,
    reaper::{Known, known},
};
use crate::domain::{TaskId, Timestamp};

/// How often the sweep is made, in milliseconds.
const EVERY_MS: i64 = 60 * 60 * 1_000;

/// When the last sweep was.
#[derive(Debug, Default)]
pub struct Sweeps {
    last: Option<Timestamp>,
}

impl Sweeps {
    /// Makes a sweep where the last one is an hour ago; says whether it did. One that fails is made again next time.
    pub async fn step(&mut self, context: &Context) -> Result<bool, Fault> {
        let now = context.clock.now();
        let is_due = self
            .last
            .is_none_or(|last| now.milliseconds_since(last) >= EVERY_MS);
        if is_due {
            sweep(context, now).await?;
            self.last = Some(now);
        }
        Ok(is_due)
    }
}

async fn sweep(context: &Context, now: Timestamp) -> Result<(), Fault> {
    let retention = &context.config.retention;
    if let Some(kept) = retention.deliveries {
        let rows = context.store.forget_handled(before(now, kept)).await?;
        info!(rows, "handled deliveries and effects were removed");
    }
    if let Some(kept) = retention.logs {
        let lines = context.store.forget_logs(before(now, kept)).await?;
        info!(lines, "lines of ended tasks' logs were removed");
    }
    if let Some(kept) = retention.artifacts {
        remove_artifacts(context, before(now, kept)).await?;
    }
    Ok(())
}

fn before(now: Timestamp, kept: Duration) -> Timestamp {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(kept))
}

async fn remove_artifacts(context: &Context, before: Timestamp) -> Result<(), Fault> {
    let folder = context.config.data_dir.join("artifacts");
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else {
        // Nothing was ever put there.
        return Ok(());
    };
    while let Some(entry) = entries.next_entry().await.map_err(Fault::transient)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_needed = match known(context, &TaskId(name.clone())).await? {
            Known::Task(task) => !task.state.is_over() || task.changed_at >= before,
            Known::Gone => false,
            // Somebody may put it right; until then nothing of it goes.
            Known::Unreadable => true,
        };
        if is_needed {
            continue;
        }
        match tokio::fs::remove_dir_all(entry.path()).await {
            Ok(()) => info!(task = name, "an ended task's pictures were removed"),
            Err(error) => warn!(task = name, %error, "its pictures could not be removed"),
        }
    }
    Ok(())
}
