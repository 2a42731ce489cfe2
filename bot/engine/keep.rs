//! Keeps the work of a task that is cancelled or that nobody decided on, on a branch in its quarantine, as far as there is
//! time for it. Nothing of it is pushed, said or proved.

use deckhand_executors::{
    broker::{BrokerError, Quarantine},
    mirror::{BranchName, CommitId as GitCommit},
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    Context, gather,
    holds::Ground,
    runs::{leftovers, sandbox::work_volume},
};
use crate::{
    config::CanceledWork,
    domain::{
        CommitId,
        effect::Assignment,
        kept::{Kept, branch_of},
        task::Task,
    },
};

/// The seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// Takes out what the ended run of a task had done, and keeps it, by `until`; then it is given up.
pub async fn by(context: &Context, task: &Task, until: Instant) -> Kept {
    let assignment = task.assignment.as_ref();
    if !assignment.is_some_and(Assignment::changes_files) {
        return Kept::Nothing;
    }
    if context.config.retention.canceled_work == CanceledWork::Drop {
        return Kept::Dropped;
    }
    match tokio::time::timeout_at(until, keep(context, task)).await {
        Ok(Ok(Some(commit))) => {
            info!(task = %task.id, commit = commit.as_str(), "the work of a task that ends early is kept");
            let kept = context.config.retention.snapshots;
            Kept::Branch {
                task: task.id.clone(),
                commit: CommitId(commit.as_str().to_owned()),
                days: kept.map(|kept| kept.as_secs() / DAY_SECONDS),
            }
        }
        Ok(Ok(None)) => Kept::Nothing,
        Ok(Err(reason)) => {
            warn!(task = %task.id, reason, "the work of a task that ends early is not kept");
            Kept::Lost
        }
        Err(_) => {
            // What is left of its sandbox goes with the rest of the task.
            warn!(task = %task.id, "the work of a task that ends early could not be taken out in time");
            Kept::Lost
        }
    }
}

/// The commit that is kept now; none where nothing was changed beyond what stands at the remote.
async fn keep(context: &Context, task: &Task) -> Result<Option<GitCommit>, String> {
    let words = |error: BrokerError| error.to_string();
    let ground = Ground::of(task)?;
    let workplace = task.workplace.as_ref();
    let workplace = workplace.ok_or("the task has no repository")?;
    let mirror = gather::known_ground(context, &workplace.repository)
        .await
        .map_err(|error| error.to_string())?;
    let quarantine = Quarantine::open(context.quarantine_path(&task.id), mirror.path())
        .await
        .map_err(words)?;
    let volumes = context.executor.volumes().await;
    let volumes = volumes.map_err(|error| error.to_string())?;
    if !volumes.contains(&work_volume(&task.id)) {
        return Ok(None);
    }
    let place = (&mirror, &quarantine, &ground);
    let taken = match leftovers::take_out(context, task, task.last_run, place).await {
        Ok(taken) => taken,
        Err(BrokerError::NothingChanged) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if quarantine.tree_of(ground.parent()).await.map_err(words)? == taken.tree {
        return Ok(None);
    }
    let branch = BranchName::parse(&branch_of(&task.id)).map_err(|error| error.to_string())?;
    quarantine.keep(&branch, &taken.head).await.map_err(words)?;
    Ok(Some(taken.head))
}
