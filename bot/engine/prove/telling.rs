//! Tells how a proof goes: its steps in the task's log, and the command that runs in its status message.

use deckhand_executors::proof::{CheckStatus, Moment, ProofSpec, ProofStep};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        RunNumber, clip,
        message::{CheckedTree, Checking, Progress},
        task::Task,
    },
    engine::{
        Context,
        live::{self, FINISH_WITHIN, Right},
    },
    redact::Redactor,
    store::{leases::Ticket, runs::LogKind},
};

/// The longest command that is shown, in characters.
const COMMAND_MAX_CHARS: usize = 120;

/// Tells of the steps of a proof until it has ended, and says nothing more when this returns or is dropped.
pub(super) async fn tell(
    context: &Context,
    task: &Task,
    (run, effect): (RunNumber, &Ticket),
    spec: &ProofSpec,
    mut steps: mpsc::Receiver<ProofStep>,
) {
    let (newest, receiver) = watch::channel(None);
    let right = Right::Effect(effect.clone());
    let ended = CancellationToken::new();
    let telling = async {
        let mut shown = None;
        while let Some(step) = steps.recv().await {
            let body = json!({"proof": in_progress(&step)});
            let _ = context.log_run(&task.id, run, LogKind::Host, body).await;
            let checking = checking(&step, spec, &context.redactor, shown.clone());
            if checking != shown {
                shown.clone_from(&checking);
                let _ = newest.send(Some(Progress {
                    checking,
                    put_off: None,
                    ..task.progress_now()
                }));
            }
        }
        drop(newest);
        ended.cancel();
    };
    // Not a task of its own: who drops the proof, as a cancel does, drops an edit under way with it. At the end one is waited
    // for, so that it cannot overwrite what the task says next.
    let late = async {
        ended.cancelled().await;
        tokio::time::sleep(FINISH_WITHIN).await;
    };
    let saying = Box::pin(live::say(context.clone(), (task.clone(), right), receiver));
    let saying = async {
        tokio::select! {
            () = saying => {}
            () = late => {}
        }
    };
    tokio::join!(telling, saying);
}

/// What runs from this step on.
fn checking(
    step: &ProofStep,
    spec: &ProofSpec,
    redactor: &Redactor,
    before: Option<Checking>,
) -> Option<Checking> {
    let shown = |command: &str| {
        let command = redactor.redact(command);
        clip(
            command.lines().next().unwrap_or_default(),
            COMMAND_MAX_CHARS,
        )
    };
    match step {
        ProofStep::Preparing | ProofStep::Photographing { .. } => None,
        ProofStep::SettingUp => spec.setup.as_ref().map(|setup| Checking::Setup {
            command: shown(&setup.command),
        }),
        ProofStep::Checking { id, moment } => {
            let mut checks = spec.checks.iter().enumerate();
            let (index, check) = checks.find(|(_, check)| check.id == *id)?;
            let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            Some(Checking::Check {
                command: shown(&check.command),
                number: count(index).saturating_add(1),
                all: count(spec.checks.len()),
                tree: match moment {
                    Moment::After => CheckedTree::Result,
                    Moment::Before => CheckedTree::Base,
                },
            })
        }
        ProofStep::Checked { .. } => before,
    }
}

/// A step of the proof, as the task's page shows it.
fn in_progress(step: &ProofStep) -> String {
    let on = |moment: &Moment| match moment {
        Moment::Before => "the base",
        Moment::After => "the commit",
    };
    match step {
        ProofStep::Preparing => "checking the commit out in a clean container".to_owned(),
        ProofStep::SettingUp => "running the setup".to_owned(),
        ProofStep::Checking { id, moment } => format!("check {} on {}", id.0, on(moment)),
        ProofStep::Checked { id, moment, status } => {
            let outcome = match status {
                CheckStatus::Passed => "passed",
                CheckStatus::Failed { .. } => "failed",
                CheckStatus::TimedOut => "did not end in time",
                CheckStatus::CouldNotRun { .. } => "could not be run",
            };
            format!("check {} on {} {outcome}", id.0, on(moment))
        }
        ProofStep::Photographing { moment } => format!("taking pictures of {}", on(moment)),
    }
}
