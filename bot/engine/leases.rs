//! Says while this process lives that what it has in hand is worked on, sees what was taken away from it, and takes over what
//! another process left behind.

use std::time::{Duration, Instant};

use deckhand_executors::egress::DOUBTED_AFTER;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use super::Context;
use crate::{
    heartbeat::{Heartbeat, Worker},
    store::{
        StoreError,
        leases::{LOOKED_EVERY, RENEWED_EVERY},
        runs::RunTicket,
    },
};

/// How often runs that nobody watches any more are looked for.
const TAKEN_OVER_EVERY: Duration = RENEWED_EVERY;

/// How often decisions about the network are looked for that another process has stored.
const REFRESHED_EVERY: Duration = Duration::from_secs(2);

/// Renews leases until `stop`. What is finished behind that takes less time than a lease.
pub async fn keep(context: Context, stop: CancellationToken) {
    let (mut renewed, mut refreshed) = (Instant::now(), Instant::now());
    let beat = context.heartbeats.of(Worker::Leases);
    while !paused(LOOKED_EVERY, &beat, &stop).await {
        if context.store.is_shared() && refreshed.elapsed() >= REFRESHED_EVERY {
            refreshed = Instant::now();
            if let Err(error) = context.way_out.refresh(&context.store).await {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "decisions about the network could not be looked for"
                );
            }
        }
        if renewed.elapsed() < RENEWED_EVERY {
            if let Err(error) = look(&context).await {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "what was taken away could not be looked for"
                );
            }
            continue;
        }
        renewed = Instant::now();
        if let Err(error) = renew(&context).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "leases could not be renewed; what is not renewed in time is broken off"
            );
        }
    }
}

/// One round of it.
pub async fn renew(context: &Context) -> Result<(), StoreError> {
    // First what is lost: it must not be kept up by who has lost it.
    look(context).await?;
    let now = context.clock.now();
    context.store.keep_leases(now).await?;
    let watched = context.runs.watched();
    let lost = context.store.keep_runs(&watched, now).await?;
    let_go(context, &lost);
    Ok(())
}

/// Renews what has to be renewed often, and lets go of what another process has by now: a task that is cancelled is taken
/// out of the hands of a process that does not answer, long before its leases are over.
pub async fn look(context: &Context) -> Result<(), StoreError> {
    context.store.keep_brief_leases(context.clock.now()).await?;
    see_lost(context).await
}

async fn see_lost(context: &Context) -> Result<(), StoreError> {
    let watched = context.runs.watched();
    let lost = context.store.see_lost(&watched).await?;
    let_go(context, &lost);
    Ok(())
}

fn let_go(context: &Context, lost: &[RunTicket]) {
    for held in lost {
        let (task, run) = (&held.task, held.run);
        warn!(%task, %run, "a run is in the hands of another process now; it is let go here");
        // At once: what its sandbox had asked for while this process slept must not pass.
        context.way_out.revoke(task);
        context.runs.lose(held);
    }
}

/// Gives signs, until the answer is dropped, that this process is awake. One that was paused looks first what it has lost
/// meanwhile; until then nothing passes its proxies. Needed only where another process can take something away.
#[must_use]
pub fn stay_awake(context: Context) -> DropGuard {
    let stop = CancellationToken::new();
    if context.store.is_shared() {
        tokio::spawn(give_signs(context, stop.clone()));
    }
    stop.drop_guard()
}

async fn give_signs(context: Context, stop: CancellationToken) {
    let awake = &context.way_out.awake;
    loop {
        if awake.is_sure() {
            awake.confirm();
        } else {
            match see_lost(&context).await {
                Ok(()) => awake.confirm(),
                Err(error) => debug!(
                    error = &error as &dyn std::error::Error,
                    "what was lost in a pause could not be looked for"
                ),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(DOUBTED_AFTER / 5) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Takes over runs whose process is gone, at once and then until `stop`. An engine that hangs holds up nothing else.
pub async fn take_over(context: Context, stop: CancellationToken) {
    let beat = context.heartbeats.of(Worker::Runs);
    loop {
        tokio::select! {
            taken = context.runs.take_up(&context) => if let Err(error) = taken {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "runs that another process left could not be looked for"
                );
            },
            () = stop.cancelled() => return,
        }
        if paused(TAKEN_OVER_EVERY, &beat, &stop).await {
            return;
        }
    }
}

async fn paused(pause: Duration, beat: &Heartbeat, stop: &CancellationToken) -> bool {
    beat.back_in(pause);
    tokio::select! {
        () = tokio::time::sleep(pause) => {
            beat.round();
            false
        }
        () = stop.cancelled() => true,
    }
}
