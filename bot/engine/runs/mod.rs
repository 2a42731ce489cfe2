//! Runs in hand: started, attached again after a restart, steered, stopped.
//!
//! A run outlives the bot: its agent is the main process of its container. What the bot knows of it stands in the
//! database, so that another process goes on where this one was.

pub mod files;
pub mod leftovers;
pub mod sandbox;
pub mod supervise;
mod taking_up;
pub mod tools;
pub mod ways;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use deckhand_executors::{SandboxName, egress};
use futures::future::try_join_all;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Context, Fault, dispatch::work_delivery, pause_before_try};
use crate::{
    domain::{
        RunNumber, TaskId,
        budget::Usage,
        effect::Assignment,
        event::{DiskWall, Ending, Event, RunFailure, RunSpend},
        task::Task,
    },
    store::{
        StoreError,
        runs::{RunTicket, StoredRun},
    },
};
use supervise::{Hold, Words};

pub use sandbox::{image_of, labels, limits, runtime};
pub use ways::{checks_reach_something, proof_network};

/// The most words that may wait to steer a run.
const STEERING_MAX: usize = 16;
/// How long it is waited until words are told. What takes longer is tried again later, and keeps no place meanwhile that
/// something else could be done in.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// How long the watchers of runs may take to let go.
const LET_GO_WITHIN: Duration = Duration::from_secs(3);
/// How long the engine may take to end everything of a task before the cancel is confirmed without it.
const STOP_WITHIN: Duration = Duration::from_secs(3);
/// The longest pause between two tries to store the end of a run.
const END_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The runs that this process watches.
#[derive(Clone, Default)]
pub struct Runs {
    live: Arc<Mutex<HashMap<TaskId, Live>>>,
    /// Runs whose start is under way.
    starting: Arc<Mutex<HashSet<(TaskId, RunNumber)>>>,
}

/// A start that is under way, until this is dropped.
struct Starting {
    starting: Arc<Mutex<HashSet<(TaskId, RunNumber)>>>,
    which: (TaskId, RunNumber),
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Ok(mut starting) = self.starting.lock() {
            starting.remove(&self.which);
        }
    }
}

/// A run in hand.
struct Live {
    /// With the number that it had when it came into hand: once it has another one, this watcher has lost it.
    ticket: RunTicket,
    stop: CancellationToken,
    /// Cancelled when its watcher says and stores nothing more.
    silent: CancellationToken,
    steer: mpsc::Sender<Words>,
}

impl Runs {
    /// How many runs are in hand.
    #[must_use]
    pub fn count(&self) -> usize {
        self.live.lock().map_or(0, |live| live.len())
    }

    /// Starts a run and watches it. Returns when its container lives. A repeat finds the container and watches it again; one
    /// of a run that is over does nothing.
    pub async fn start(
        &self,
        context: &Context,
        task: &Task,
        run: RunNumber,
        assignment: &Assignment,
    ) -> Result<(), Fault> {
        if self.is_live(&task.id, run) {
            return Ok(self.tell_started(context, task, run).await?);
        }
        let Some(_starting) = self.begin(&task.id, run) else {
            return Err(Fault::transient("the run is being taken up"));
        };
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
        let Some(ticket) = context.store.open_run(&stored).await? else {
            // It was taken up where its start had been cut off, and its end is told with what came of it.
            return Ok(());
        };
        // The process that had started it may have ended before it could say so.
        let known = context.store.runs_of(&task.id).await?;
        let has_begun = |known: &&StoredRun| {
            known.number == run && known.ended.is_none() && known.resume.is_some()
        };
        if let Some(known) = known.iter().find(has_begun) {
            return Ok(self.go_on(context, task, (known, ticket)).await?);
        }
        let (failure, usage) = match supervise::start(context, task, &ticket, assignment).await {
            Ok(supervise::Started::Working(prepared)) => {
                self.tell_started(context, task, run).await?;
                self.hold(context, task, ticket, Hold::Prepared(prepared));
                return Ok(());
            }
            Ok(supervise::Started::Failed(failure, usage)) => (failure, usage),
            Err(Fault::Permanent { what } | Fault::Resting { what }) => {
                (RunFailure::DidNotStart { detail: what }, Usage::default())
            }
            Err(fault) => return Err(fault),
        };
        let ending = Ending {
            failure: Some(failure),
            usage,
            ..Ending::default()
        };
        self.end(context, task, &ticket, ending).await
    }

    /// Tells the task that its run works. It is told once, by whoever comes first.
    async fn tell_started(
        &self,
        context: &Context,
        task: &Task,
        run: RunNumber,
    ) -> Result<(), StoreError> {
        let key = format!("run:{}:{run}:started", task.id);
        let started = work_delivery(task, key, Event::RunStarted { run });
        context.accept(started).await
    }

    fn hold(&self, context: &Context, task: &Task, ticket: RunTicket, hold: Hold) {
        let stop = CancellationToken::new();
        let silent = CancellationToken::new();
        let (steer, steering) = mpsc::channel(STEERING_MAX);
        if let Ok(mut live) = self.live.lock() {
            live.insert(
                task.id.clone(),
                Live {
                    ticket: ticket.clone(),
                    stop: stop.clone(),
                    silent: silent.clone(),
                    steer,
                },
            );
        }
        let (runs, context, task) = (self.clone(), context.clone(), task.clone());
        // What this loop would do is stored: when it is lost, the run is taken up again.
        tokio::spawn(async move {
            let _silent = silent.drop_guard();
            let _forget = Forget {
                runs: runs.clone(),
                task: task.id.clone(),
                run: ticket.run,
            };
            let keeping = supervise::keep(&context, &task, &ticket, hold, steering, stop.clone());
            if let Some(ending) = keeping.await {
                runs.end_for_sure(&context, &task, &ticket, ending, &stop)
                    .await;
            }
        });
    }

    /// Tells the task of an end as soon as that can be stored.
    async fn end_for_sure(
        &self,
        context: &Context,
        task: &Task,
        ticket: &RunTicket,
        ending: Ending,
        stop: &CancellationToken,
    ) {
        let mut tries = 0;
        while let Err(fault) = self.end(context, task, ticket, ending.clone()).await {
            tries += 1;
            warn!(task = %task.id, ?fault, tries, "the end of a run could not be stored");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause_before_try(tries, END_PAUSE_MAX)) => {}
            }
        }
    }

    /// Tells the task, then clears up: a crash in between leaves a container that the reaper finds.
    async fn end(
        &self,
        context: &Context,
        task: &Task,
        ticket: &RunTicket,
        ending: Ending,
    ) -> Result<(), Fault> {
        let run = ticket.run;
        let is_overfull = matches!(
            ending.failure,
            Some(RunFailure::OutOfDisk {
                wall: DiskWall::Bytes { .. } | DiskWall::Files { .. }
            })
        );
        let key = format!("run:{}:{run}:ended", task.id);
        let event = Event::RunEnded {
            run,
            ending: Box::new(ending),
        };
        let news = work_delivery(task, key, event);
        if !context.end_run(ticket, news).await? {
            // Somebody else goes on with it.
            return Ok(());
        }
        let stopped = context
            .executor
            .stop(&sandbox::run_name(&task.id, run))
            .await;
        if let Err(error) = stopped {
            warn!(task = %task.id, %error, "the sandbox of a run that is over is left to the reaper");
            context.wake.left_over();
            return Ok(());
        }
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

    /// Interrupts the agent with words. Fails, to be tried again, where nobody here has the run in hand and where the agent was
    /// not told in a moment: what is brought again under its number is told once.
    pub async fn steer(
        &self,
        task: &TaskId,
        run: RunNumber,
        (number, text): (Option<u32>, String),
    ) -> Result<(), Fault> {
        let (told, is_told) = oneshot::channel();
        let words = Words { number, text, told };
        let is_brought = self.live.lock().is_ok_and(|live| {
            let live = live.get(task).filter(|live| live.ticket.run == run);
            live.is_some_and(|live| live.steer.try_send(words).is_ok())
        });
        if !is_brought {
            return Err(Fault::transient("nobody has the run in hand yet"));
        }
        match tokio::time::timeout(TOLD_WITHIN, is_told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Fault::transient("the agent was not told yet")),
        }
    }

    /// Takes from a task's runs what they could still do by themselves: they reach no model and no host any more, and their
    /// watchers let go. Asks nobody, so that it holds at once.
    fn cut_off(&self, context: &Context, task: &TaskId) -> Option<Live> {
        context.way_out.revoke(task);
        let live = self.live.lock().ok()?.remove(task)?;
        live.stop.cancel();
        Some(live)
    }

    /// Ends everything of a task that runs, first in this process, then in the engine. Fails where the engine does not
    /// confirm it in time; nothing is said, asked or spent any more then either.
    pub async fn stop(&self, context: &Context, task: &TaskId) -> Result<(), Fault> {
        let live = self.cut_off(context, task);
        let known = context.store.runs_of(task).await?;
        let in_engine = tokio::time::timeout(STOP_WITHIN, stop_sandboxes(context, task, &known));
        // A status that is on its way must not arrive after the end was confirmed.
        let silent = async {
            let Some(live) = live else { return };
            let waited = tokio::time::timeout(LET_GO_WITHIN, live.silent.cancelled()).await;
            if waited.is_err() {
                warn!(%task, "the watcher of a stopped run does not let go");
            }
        };
        let (in_engine, ()) = tokio::join!(in_engine, silent);
        context.store.take_task(task, context.clock.now()).await?;
        for run in known {
            context
                .store
                .close_run(task, run.number, context.clock.now())
                .await?;
        }
        in_engine.unwrap_or_else(|_| {
            let seconds = STOP_WITHIN.as_secs();
            Err(Fault::transient(format!(
                "the container engine did not confirm the end within {seconds} s"
            )))
        })
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

    /// Takes a run into hand that is nobody's here. None where it is watched, or somebody is at it.
    fn begin(&self, task: &TaskId, run: RunNumber) -> Option<Starting> {
        let which = (task.clone(), run);
        let is_free = self.starting.lock().ok()?.insert(which.clone());
        let begun = is_free.then(|| Starting {
            starting: Arc::clone(&self.starting),
            which,
        });
        // It may have been taken into hand just before.
        begun.filter(|_| !self.is_live(task, run))
    }

    /// The runs that this process watches.
    #[must_use]
    pub fn watched(&self) -> Vec<RunTicket> {
        self.live.lock().map_or_else(
            |_| Vec::new(),
            |live| live.values().map(|live| live.ticket.clone()).collect(),
        )
    }

    /// Lets go of a run that is in another hand by now. Its container goes on.
    pub fn lose(&self, ticket: &RunTicket) {
        let Ok(live) = self.live.lock() else { return };
        if let Some(live) = live.get(&ticket.task).filter(|live| live.ticket == *ticket) {
            live.stop.cancel();
        }
    }

    fn is_live(&self, task: &TaskId, run: RunNumber) -> bool {
        self.live
            .lock()
            .is_ok_and(|live| live.get(task).is_some_and(|live| live.ticket.run == run))
    }

    fn forget(&self, task: &TaskId, run: RunNumber) {
        if let Ok(mut live) = self.live.lock()
            && live.get(task).is_some_and(|live| live.ticket.run == run)
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

/// Takes a run out of hand when its keeper is gone, however it went.
struct Forget {
    runs: Runs,
    task: TaskId,
    run: RunNumber,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.runs.forget(&self.task, self.run);
    }
}

/// Removes every sandbox of a task, known or found.
async fn stop_sandboxes(
    context: &Context,
    task: &TaskId,
    known: &[StoredRun],
) -> Result<(), Fault> {
    let mut names: Vec<SandboxName> = known
        .iter()
        .filter(|run| run.ended.is_none())
        .map(|run| SandboxName(run.sandbox.clone()))
        .collect();
    for sandbox in context.executor.list().await? {
        if sandbox.labels.get("deckhand.task") == Some(&task.0) && !names.contains(&sandbox.name) {
            names.push(sandbox.name);
        }
    }
    let stops = names.iter().map(|name| context.executor.stop(name));
    try_join_all(stops).await?;
    Ok(())
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
