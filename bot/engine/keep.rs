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
    // What is left of its sandbox goes with the rest of the task.
    let told = |reason: &String| {
        warn!(task = %task.id, reason, "the work of a task that ends early is not taken out");
    };
    // First what lies on the host already: it needs no engine.
    let handed = in_time(until, Box::pin(keep_handed(context, task))).await;
    let handed = handed.inspect_err(told).unwrap_or_default();
    let taken = in_time(until, Box::pin(keep(context, task))).await;
    let commit = match (taken.inspect_err(told), handed) {
        (Ok(Some(commit)), _) | (_, Some(commit)) => commit,
        (Ok(None), None) => return Kept::Nothing,
        (Err(_), None) => return Kept::Lost,
    };
    info!(task = %task.id, commit = commit.as_str(), "the work of a task that ends early is kept");
    let kept = context.config.retention.snapshots;
    Kept::Branch {
        task: task.id.clone(),
        commit: CommitId(commit.as_str().to_owned()),
        days: kept.map(|kept| kept.as_secs() / DAY_SECONDS),
    }
}

/// What comes of keeping something, or why nothing does.
async fn in_time(
    until: Instant,
    keeping: impl Future<Output = Result<Option<GitCommit>, String>>,
) -> Result<Option<GitCommit>, String> {
    let kept = tokio::time::timeout_at(until, keeping).await;
    kept.unwrap_or_else(|_| Err("it could not be taken out in time".to_owned()))
}

/// The commit that the last run has handed over, which lies in quarantine and is kept now; none where there is none, or
/// where a later run may have gone on from it.
async fn keep_handed(context: &Context, task: &Task) -> Result<Option<GitCommit>, String> {
    let Some(handed) = task.state.handed() else {
        return Ok(None);
    };
    let Some(quarantine) = Quarantine::known(context.quarantine_path(&task.id)) else {
        return Ok(None);
    };
    let commit = GitCommit::parse(&handed.commit.0).map_err(|error| error.to_string())?;
    let branch = kept_branch(task)?;
    let kept = quarantine.keep(&branch, &commit).await;
    kept.map_err(|error| error.to_string())?;
    Ok(Some(commit))
}

fn kept_branch(task: &Task) -> Result<BranchName, String> {
    BranchName::parse(&branch_of(&task.id)).map_err(|error| error.to_string())
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
    quarantine
        .keep(&kept_branch(task)?, &taken.head)
        .await
        .map_err(words)?;
    Ok(Some(taken.head))
}
