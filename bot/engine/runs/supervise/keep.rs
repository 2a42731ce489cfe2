//! Keeps a run in hand until it is over: watches it, attaches to it again where the connection broke off, and begins a new
//! watch where the one before it failed in itself.

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    Detached, Prepared, Watched, Watcher, Words,
    attach::{Attached, attach},
    start::open_again,
    watch,
};
use crate::{
    domain::{
        RunNumber,
        event::{Ending, RunFailure},
        task::Task,
    },
    engine::Context,
    store::runs::RunTicket,
};

/// How often a watch may fail in itself before its run is given up.
const WATCHES_MAX: u32 = 3;

/// A run as it comes into the hands of its keeper.
pub enum Hold {
    /// Its agent is heard.
    Prepared(Box<Prepared>),
    /// Its agent has to be attached to.
    Detached(Box<Detached>),
}

/// Keeps a run until it is over. None where it was let go from outside.
pub async fn keep(
    context: &Context,
    task: &Task,
    ticket: &RunTicket,
    mut hold: Hold,
    mut steering: mpsc::Receiver<Words>,
    stop: CancellationToken,
) -> Option<Ending> {
    let run = ticket.run;
    let mut watcher = Watcher::new(context, task, ticket, &hold);
    let mut failed = 0;
    let ending = loop {
        let watching = go_on(&mut watcher, hold, &mut steering, &stop);
        hold = match AssertUnwindSafe(watching).catch_unwind().await {
            Ok(Watched::Over(ending)) => break Some(*ending),
            Ok(Watched::LetGo) => break None,
            Ok(Watched::CutOff(prepared)) => Hold::Detached(Box::new(prepared.detach())),
            Err(_) => {
                failed += 1;
                error!(task = %task.id, %run, failed, "the watch over a run broke off");
                match again(context, task, run).await {
                    Some(detached) if failed < WATCHES_MAX => Hold::Detached(detached),
                    Some(_) | None => break Some(given_up()),
                }
            }
        };
    };
    watcher.finish().await;
    ending
}

async fn go_on(
    watcher: &mut Watcher<'_>,
    hold: Hold,
    steering: &mut mpsc::Receiver<Words>,
    stop: &CancellationToken,
) -> Watched {
    let prepared = match hold {
        Hold::Prepared(prepared) => prepared,
        Hold::Detached(detached) => match attach(watcher, detached, stop).await {
            Attached::Ready(prepared) => prepared,
            Attached::Over(ending) => return Watched::Over(ending),
            Attached::LetGo => return Watched::LetGo,
        },
    };
    watch(watcher, prepared, steering, stop).await
}

/// The run as it was stored last.
async fn again(context: &Context, task: &Task, run: RunNumber) -> Option<Box<Detached>> {
    let stored = context.store.runs_of(&task.id).await.ok()?;
    let stored = stored.into_iter().find(|stored| stored.number == run)?;
    let opened = open_again(context, task, &stored, stored.resume.clone()?).await;
    opened.ok().map(Box::new)
}

fn given_up() -> Ending {
    Ending {
        failure: Some(RunFailure::Other {
            detail: "Deckhand could not follow this run any more. Its log on the server says why."
                .to_owned(),
        }),
        ..Ending::default()
    }
}
