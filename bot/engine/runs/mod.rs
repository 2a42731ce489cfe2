//! Runs in hand: started, attached again after a restart, steered, stopped.
//!
//! A run outlives the bot: its agent is the main process of its container. What the bot knows of it stands in the
//! database, so that another process goes on where this one was.

pub mod leftovers;
pub mod sandbox;
pub mod supervise;
pub mod tools;
pub mod ways;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use deckhand_executors::{
    SandboxName, egress,
    sandbox::{Condition, End},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Context, Fault, dispatch::work_delivery};
use crate::{
    domain::{
        RunNumber, TaskId,
        budget::Usage,
        effect::Assignment,
        event::{DiskWall, Ending, Event, RunFailure, RunSpend},
        task::Task,
    },
    store::{StoreError, runs::StoredRun},
};
pub use sandbox::{image_of, labels, limits, runtime};
pub use ways::{checks_reach_something, proof_network};

/// The most words that may wait to steer a run.
const STEERING_MAX: usize = 16;
/// How long the watchers of runs may take to let go.
const LET_GO_WITHIN: Duration = Duration::from_secs(3);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The runs that this process watches.
#[derive(Clone, Default)]
pub struct Runs {
    live: Arc<Mutex<HashMap<TaskId, Live>>>,
}

/// A run in hand.
struct Live {
    run: RunNumber,
    stop: CancellationToken,
    /// Cancelled when its watcher says and stores nothing more.
    silent: CancellationToken,
    steer: mpsc::Sender<String>,
}

impl Runs {
    /// How many runs are in hand.
    #[must_use]
    pub fn count(&self) -> usize {
        self.live.lock().map_or(0, |live| live.len())
    }

    /// Starts a run and watches it. Returns when its container lives. A repeat finds the container and watches it again.
    pub async fn start(
        &self,
        context: &Context,
        task: &Task,
        run: RunNumber,
        assignment: &Assignment,
    ) -> Result<(), Fault> {
        if self.is_live(&task.id, run) {
            return Ok(());
        }
        let now = context.clock.now();
        let kind = serde_json::to_string(assignment).map_err(Fault::permanent)?;
        let stored = StoredRun {
            task: task.id.clone(),
            number: run,
            kind,
            agent: task.terms.agent.clone(),
            sandbox: sandbox::run_name(&task.id, run).0,
            resume: None,
            started: now,
            ended: None,
        };
        context.store.open_run(&stored).await?;
        let (failure, usage) = match supervise::start(context, task, run, assignment).await {
            Ok(supervise::Started::Working(prepared)) => {
                self.watch(context, task, run, *prepared);
                return Ok(());
            }
            Ok(supervise::Started::Failed(failure, usage)) => (failure, usage),
            Err(Fault::Permanent { what }) => {
                (RunFailure::DidNotStart { detail: what }, Usage::default())
            }
            Err(fault) => return Err(fault),
        };
        let ending = Ending {
            failure: Some(failure),
            usage,
            ..Ending::default()
        };
        self.end(context, task, run, ending).await
    }

    /// Takes up the runs that an earlier process of this bot had in hand, or another one that is gone.
    pub async fn take_up(&self, context: &Context) -> Result<(), StoreError> {
        for stored in context.store.claim_runs(context.clock.now()).await? {
            let Some(task) = context
                .store
                .task(&stored.task)
                .await?
                .map(|stored| stored.task)
            else {
                continue;
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
            let outcome = match supervise::take_up(context, &task, &stored, resume).await {
                Ok(prepared) => {
                    self.watch(context, &task, stored.number, prepared);
                    Ok(())
                }
                Err(what) => {
                    warn!(task = %stored.task, what, "a run could not be taken up");
                    let ending = Ending {
                        failure: Some(RunFailure::SandboxLost),
                        usage,
                        ..Ending::default()
                    };
                    self.end(context, &task, stored.number, ending).await
                }
            };
            if let Err(fault) = outcome {
                warn!(task = %stored.task, ?fault, "the end of a lost run could not be stored");
            }
        }
        Ok(())
    }

    fn watch(&self, context: &Context, task: &Task, run: RunNumber, prepared: supervise::Prepared) {
        let stop = CancellationToken::new();
        let silent = CancellationToken::new();
        let (steer, steering) = mpsc::channel(STEERING_MAX);
        if let Ok(mut live) = self.live.lock() {
            live.insert(
                task.id.clone(),
                Live {
                    run,
                    stop: stop.clone(),
                    silent: silent.clone(),
                    steer,
                },
            );
        }
        let (runs, context, task) = (self.clone(), context.clone(), task.clone());
        // What this loop would do is stored: when it is lost, the run is taken up at the next start.
        tokio::spawn(async move {
            let _silent = silent.drop_guard();
            let ending =
                supervise::watch(&context, &task, run, prepared, steering, stop.clone()).await;
            if let Some(ending) = ending
                && let Err(fault) = runs.end(&context, &task, run, ending).await
            {
                warn!(task = %task.id, ?fault, "the end of a run could not be stored; it is taken up again at the next start");
            }
            runs.forget(&task.id, run);
        });
    }

    /// Tells the task, then clears up: a crash in between leaves a container that the reaper finds.
    async fn end(
        &self,
        context: &Context,
        task: &Task,
        run: RunNumber,
        ending: Ending,
    ) -> Result<(), Fault> {
        if context.store.run_is_elsewhere(&task.id, run).await? {
            // Another process goes on with it; what this one believes of it is worth nothing.
            return Ok(());
        }
        let is_overfull = matches!(
            ending.failure,
            Some(RunFailure::OutOfDisk {
                wall: DiskWall::Bytes { .. } | DiskWall::Files { .. }
            })
        );
        let key = format!("run:{}:{run}:ended", task.id);
        context
            .accept(work_delivery(
                task,
                key,
                Event::RunEnded {
                    run,
                    ending: Box::new(ending),
                },
            ))
            .await?;
        context
            .store
            .close_run(&task.id, run, context.clock.now())
            .await?;
        context
            .executor
            .stop(&sandbox::run_name(&task.id, run))
            .await?;
        remove_sockets(context, &task.id, &run.to_string()).await;
        if is_overfull {
            // The next sandbox on these volumes would be killed as well; without them it begins with a fresh work tree.
            remove_volumes(context, &task.id).await?;
        }
        Ok(())
    }

    /// Lets go of every run, so that the next process can take it up. What this one would still hear and could not
    /// store any more would be lost.
    pub async fn let_go(&self) {
        if let Ok(live) = self.live.lock() {
            live.values().for_each(|live| live.stop.cancel());
        }
        let gone = async {
            while self.count() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(LET_GO_WITHIN, gone).await.is_err() {
            warn!(
                runs = self.count(),
                "some runs are still watched at the end"
            );
        }
    }

    /// Interrupts the agent with words. A run that is over has no use for them.
    pub fn steer(&self, task: &TaskId, run: RunNumber, text: &str) {
        let Ok(live) = self.live.lock() else { return };
        if let Some(live) = live.get(task).filter(|live| live.run == run) {
            let _ = live.steer.try_send(text.to_owned());
        }
    }

    /// Ends everything of a task that runs, first in this process, then in the engine.
    pub async fn stop(&self, context: &Context, task: &TaskId) -> Result<(), Fault> {
        let live = self.live.lock().ok().and_then(|mut live| live.remove(task));
        if let Some(live) = &live {
            live.stop.cancel();
        }
        let known = context.store.runs_of(task).await?;
        let listed = context.executor.list().await?;
        let mut names: Vec<SandboxName> = known
            .iter()
            .filter(|run| run.ended.is_none())
            .map(|run| SandboxName(run.sandbox.clone()))
            .collect();
        for sandbox in listed {
            if sandbox.labels.get("deckhand.task") == Some(&task.0)
                && !names.contains(&sandbox.name)
            {
                names.push(sandbox.name);
            }
        }
        for name in names {
            context.executor.stop(&name).await?;
        }
        // A status that is on its way must not arrive after the end was confirmed.
        if let Some(live) = live
            && tokio::time::timeout(LET_GO_WITHIN, live.silent.cancelled())
                .await
                .is_err()
        {
            warn!(%task, "the watcher of a stopped run does not let go");
        }
        for run in known {
            context
                .store
                .close_run(task, run.number, context.clock.now())
                .await?;
        }
        Ok(())
    }

    /// Removes what an ended task left: sandboxes, volumes, sockets.
    pub async fn release(&self, context: &Context, task: &TaskId) -> Result<(), Fault> {
        self.stop(context, task).await?;
        remove_volumes(context, task).await?;
        let of_proofs = format!("deckhand-proof-{task}-");
        for volume in context.executor.volumes().await? {
            if volume.0.starts_with(&of_proofs) {
                context.executor.remove_volume(&volume).await?;
            }
        }
        for part in ["setup", "proof"] {
            remove_sockets(context, task, part).await;
        }
        for run in context.store.runs_of(task).await? {
            remove_sockets(context, task, &run.number.to_string()).await;
        }
        Ok(())
    }

    /// The runs that this process watches.
    #[must_use]
    pub fn watched(&self) -> Vec<(TaskId, RunNumber)> {
        self.live.lock().map_or_else(
            |_| Vec::new(),
            |live| {
                live.iter()
                    .map(|(task, live)| (task.clone(), live.run))
                    .collect()
            },
        )
    }

    /// Lets go of a run that another process watches by now. Its container goes on.
    pub fn lose(&self, task: &TaskId, run: RunNumber) {
        let Ok(live) = self.live.lock() else { return };
        if let Some(live) = live.get(task).filter(|live| live.run == run) {
            live.stop.cancel();
        }
    }

    fn is_live(&self, task: &TaskId, run: RunNumber) -> bool {
        self.live
            .lock()
            .is_ok_and(|live| live.get(task).is_some_and(|live| live.run == run))
    }

    fn forget(&self, task: &TaskId, run: RunNumber) {
        if let Ok(mut live) = self.live.lock()
            && live.get(task).is_some_and(|live| live.run == run)
        {
            live.remove(task);
        }
    }

    /// The tasks that have a run in hand.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskId> {
        self.live
            .lock()
            .map(|live| live.keys().cloned().collect())
            .unwrap_or_default()
    }
}

/// What the runs of a task had spent whose end it was not told, as far as their watchers stored it.
pub async fn spent(context: &Context, task: &Task) -> Result<Vec<RunSpend>, StoreError> {
    let stored = context.store.runs_of(&task.id).await?;
    let uncounted = stored
        .iter()
        .filter(|run| task.uncounted.contains(&run.number));
    Ok(uncounted
        .filter_map(|run| {
            let usage = supervise::usage_before(run.resume.as_ref()?);
            Some(RunSpend {
                run: run.number,
                usage,
            })
        })
        .collect())
}

/// Removes a task's work tree and its agent's home.
async fn remove_volumes(context: &Context, task: &TaskId) -> Result<(), Fault> {
    for volume in [sandbox::work_volume(task), sandbox::home_volume(task)] {
        context.executor.remove_volume(&volume).await?;
    }
    Ok(())
}

async fn remove_sockets(context: &Context, task: &TaskId, part: &str) {
    let folder = sandbox::socket_folder(context, task, part);
    // What is gone is what was wanted; what stays is a key that nobody trusts any more.
    let _ = tokio::task::spawn_blocking(move || egress::remove_run(&folder)).await;
}

/// How a sandbox ended, in words that the task understands.
fn died(condition: &Condition, detail: String) -> RunFailure {
    let by = match condition {
        Condition::Ended { by, .. } => *by,
        Condition::Running => End::Itself,
        Condition::Absent => return RunFailure::SandboxLost,
    };
    match by {
        End::Itself | End::OutOfMemory => RunFailure::Died {
            detail,
            out_of_memory: by == End::OutOfMemory,
        },
        End::DiskFull { limit_bytes } => RunFailure::OutOfDisk {
            wall: DiskWall::Bytes { limit: limit_bytes },
        },
        End::TooManyFiles { limit } => RunFailure::OutOfDisk {
            wall: DiskWall::Files { limit },
        },
        End::HostDiskLow => RunFailure::OutOfDisk {
            wall: DiskWall::Host,
        },
    }
}
