//! What must not be left behind or wait for ever: sandboxes without a live task, and what time alone brings.

use std::time::Duration;

use deckhand_executors::{SandboxName, sandbox::Condition};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Context, Fault, pause_before_try, retention::Sweeps, runs::leftovers, timers};
use crate::{
    domain::{
        TaskId,
        kept::Kept,
        task::{State, Task},
    },
    heartbeat::Worker,
    store::{StoreError, runs::StoredRun},
};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);

/// How long a round may take: the engine is asked about every sandbox, and ends what is left.
const ROUND_WITHIN: Duration = Duration::from_mins(2);

/// The label that names the task of a container or volume.
pub(super) const TASK_LABEL: &str = "deckhand.task";
/// How long a task that is over may take to clear up behind itself, in milliseconds.
const RELEASED_WITHIN_MS: i64 = 10 * 60 * 1_000;
/// The folder of quarantined commits.
const COMMITS: &str = "quarantine";
/// How the task's name is read from the name of what it left in a folder.
type TaskOf = fn(&str) -> Option<&str>;
/// The folders in the data folder with something of each task.
const FOLDERS: [(&str, TaskOf); 2] = [
    ("s", |name| name.rsplit_once('-').map(|(task, _)| task)),
    (COMMITS, |name| name.strip_suffix(".git")),
];

/// Looks every half minute, until `stop`; sooner where something was left behind, and where a round did not work.
pub async fn run(context: Context, stop: CancellationToken) {
    let mut sweeps = Sweeps::default();
    let mut failed = 0;
    let beat = context.heartbeats.of(Worker::Reaper);
    loop {
        beat.back_in(ROUND_WITHIN);
        if let Err(fault) = step(&context).await {
            failed += 1;
            warn!(?fault, failed, "the reaper could not do its round");
        } else {
            failed = 0;
        }
        if let Err(fault) = sweeps.step(&context).await {
            warn!(?fault, "what was kept long enough could not be removed");
        }
        let pause = match failed {
            0 => EVERY,
            tries => pause_before_try(tries, EVERY),
        };
        beat.back_in(pause);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = context.wake.wait_left_over() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// One round. What does not need the engine is done without it.
pub async fn step(context: &Context) -> Result<(), Fault> {
    let parts = [
        timers::step(context).await,
        remove_folders(context).await,
        context.runs.take_up(context).await.map_err(Fault::from),
        remove_sandboxes(context).await,
        remove_volumes(context).await,
    ];
    parts.into_iter().collect()
}

/// Sandboxes whose task does not use the machine, and those of runs that are over. What belongs to no task at all, as a trial of the walls does, goes when
/// it has ended.
async fn remove_sandboxes(context: &Context) -> Result<(), Fault> {
    for sandbox in context.executor.list().await? {
        let is_used = match sandbox.labels.get(TASK_LABEL) {
            Some(id) => is_used(context, &TaskId(id.clone()), &sandbox.name).await?,
            None => sandbox.condition == Condition::Running,
        };
        if !is_used {
            info!(
                sandbox = sandbox.name.0,
                "a sandbox without a live task is removed"
            );
            context.executor.stop(&sandbox.name).await?;
        }
    }
    Ok(())
}

async fn is_used(context: &Context, task: &TaskId, name: &SandboxName) -> Result<bool, Fault> {
    // Of a task that cannot be read nobody watches a run.
    let Known::Task(known) = known(context, task).await? else {
        return Ok(false);
    };
    if *name == leftovers::name(task) {
        return Ok(!is_settled(&known.state));
    }
    if !known.state.holds_slot() {
        return Ok(false);
    }
    let runs = context.store.runs_of(task).await?;
    let is_over = |run: &StoredRun| run.sandbox == name.0 && run.ended.is_some();
    Ok(!runs.iter().any(is_over))
}

/// Whether nobody takes work out of the volume of a task in this state any more, as is done before a cancel is confirmed.
const fn is_settled(state: &State) -> bool {
    match state {
        State::Canceled { confirmed, .. } => *confirmed,
        other => other.is_over(),
    }
}

/// Volumes whose task will never need them again, also those of a start that was broken off before its container was made.
async fn remove_volumes(context: &Context) -> Result<(), Fault> {
    for (volume, labels) in context.executor.labelled_volumes().await? {
        let Some(id) = labels.get(TASK_LABEL) else {
            continue;
        };
        if is_done_with(context, &TaskId(id.clone())).await? {
            info!(volume = volume.0, "a volume without a task is removed");
            context.executor.remove_volume(&volume).await?;
        }
    }
    Ok(())
}

/// Folders of sockets and of quarantined commits whose task will never need them again.
async fn remove_folders(context: &Context) -> Result<(), Fault> {
    for (folder, task_of) in FOLDERS {
        let Ok(mut entries) = tokio::fs::read_dir(context.config.data_dir.join(folder)).await
        else {
            // Nothing was ever put there.
            continue;
        };
        while let Some(entry) = entries.next_entry().await.map_err(Fault::transient)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(task) = task_of(&name) else { continue };
            let task = TaskId(task.to_owned());
            let is_kept = folder == COMMITS && has_kept_work(context, &task).await?;
            if is_kept || !is_done_with(context, &task).await? {
                continue;
            }
            info!(
                folder,
                name, "what a task left in the data folder is removed"
            );
            let path = entry.path();
            let removed = if entry.file_type().await.is_ok_and(|kind| kind.is_dir()) {
                tokio::fs::remove_dir_all(path).await
            } else {
                tokio::fs::remove_file(path).await
            };
            if let Err(error) = removed {
                warn!(folder, name, %error, "it could not be removed");
            }
        }
    }
    Ok(())
}

/// What is known of a task.
pub(super) enum Known {
    /// All of it.
    Task(Box<Task>),
    /// There is none, or none any more.
    Gone,
    /// There is one, and it cannot be read.
    Unreadable,
}

/// Looks a task up whose name stands on something that it left.
pub(super) async fn known(context: &Context, id: &TaskId) -> Result<Known, Fault> {
    match context.store.task(id).await {
        Ok(Some(stored)) => Ok(Known::Task(Box::new(stored.task))),
        Ok(None) => Ok(Known::Gone),
        Err(StoreError::Task(..)) => Ok(Known::Unreadable),
        Err(error) => Err(error.into()),
    }
}

/// Whether the work of a cancelled or expired task lies in its quarantine and its time is not over.
async fn has_kept_work(context: &Context, task: &TaskId) -> Result<bool, Fault> {
    let Known::Task(task) = known(context, task).await? else {
        return Ok(false);
    };
    let ended = context.clock.now().milliseconds_since(task.changed_at);
    let kept = context.config.retention.snapshots;
    let is_in_time = kept.is_none_or(|kept| i128::from(ended) <= kept.as_millis().cast_signed());
    Ok(is_in_time && matches!(task.kept, Kept::Branch { .. }))
}

/// Whether nothing of a task is needed any more. A task that failed can be tried again, and goes on with what is there, as
/// long as that is kept.
async fn is_done_with(context: &Context, task: &TaskId) -> Result<bool, Fault> {
    let task = match known(context, task).await? {
        Known::Task(task) => task,
        Known::Gone => return Ok(true),
        // Somebody may put it right; until then nothing of it goes.
        Known::Unreadable => return Ok(false),
    };
    let state = &task.state;
    let ended = context.clock.now().milliseconds_since(task.changed_at);
    if !is_settled(state) {
        return Ok(false);
    }
    if matches!(state, State::Failed { .. }) {
        let kept = context.config.retention.snapshots;
        return Ok(kept.is_some_and(|kept| i128::from(ended) > kept.as_millis().cast_signed()));
    }
    // The task's own release comes first; this is for what it missed.
    Ok(ended > RELEASED_WITHIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{RunNumber, conversation::Road},
        words::tests::samples::person,
    };

    #[test]
    fn work_may_be_taken_out_until_an_end_is_final() {
        let canceled = |confirmed| State::Canceled {
            by: person("ana"),
            road: Road::Sentence,
            confirmed,
            handed: None,
        };
        for (state, expected) in [
            (State::Running { run: RunNumber(2) }, false),
            (State::AwaitingApproval { revision: 1 }, false),
            (canceled(false), false),
            (canceled(true), true),
            (State::Expired, true),
        ] {
            assert_eq!(is_settled(&state), expected, "{state:?}");
        }
    }
}
