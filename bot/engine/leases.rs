//! Says while this process lives that what it has in hand is worked on, and takes over what another process left behind.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Context;
use crate::{
    heartbeat::{Heartbeat, Worker},
    store::{StoreError, leases::RENEWED_EVERY},
};

/// How often runs that nobody watches any more are looked for.
const TAKEN_OVER_EVERY: Duration = RENEWED_EVERY;

/// Renews leases until `stop`. What is finished behind that takes less time than a lease.
pub async fn keep(context: Context, stop: CancellationToken) {
    let beat = context.heartbeats.of(Worker::Leases);
    while !paused(RENEWED_EVERY, &beat, &stop).await {
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
    let now = context.clock.now();
    context.store.keep_leases(now).await?;
    let watched = context.runs.watched();
    for (task, run) in context.store.keep_runs(&watched, now).await? {
        warn!(%task, %run, "a run is watched by another process now; it is let go here");
        context.runs.lose(&task, run);
    }
    Ok(())
}

/// Takes over runs whose process is gone, until `stop`.
pub async fn take_over(context: Context, stop: CancellationToken) {
    let beat = context.heartbeats.of(Worker::Runs);
    while !paused(TAKEN_OVER_EVERY, &beat, &stop).await {
        if let Err(error) = context.runs.take_up(&context).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "runs that another process left could not be looked for"
            );
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
