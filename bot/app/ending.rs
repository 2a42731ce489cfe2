//! The end of a process that is asked to end: what is in hand is finished or let go, and whatever does not answer meanwhile, it
//! takes less than ten seconds.

use std::time::Duration;

use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{engine::Context, store::Store};

/// How long all of it may take, whatever the parts below add up to. Who asked kills what is there after ten seconds.
/// Source: the time that `docker stop` gives a container.
const END_WITHIN: Duration = Duration::from_millis(9_500);
/// How long the workers may take to finish what is in hand, before it is left to the next start. The watchers of runs, behind
/// them, take three seconds at the most.
const WORKERS_WITHIN: Duration = Duration::from_millis(5_500);
/// How long it is tried to give leases back. They end by themselves where that does not work.
const RELEASED_WITHIN: Duration = Duration::from_millis(750);
/// How long the doors may take to close behind the workers.
const DOORS_WITHIN: Duration = Duration::from_millis(500);
/// How long the database may take to close. What was answered for is stored before.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// The doors, which stay open to the end: what comes is stored for the next start, and whoever asks hears that this one ends.
pub(super) struct Doors {
    /// Closes them.
    pub(super) close: CancellationToken,
    /// Ends when they are closed.
    pub(super) server: JoinHandle<()>,
}

/// Ends the work of a process, its doors and its database.
pub(super) async fn end(
    context: &Context,
    work: &Store,
    workers: JoinSet<()>,
    Doors { close, mut server }: Doors,
) {
    let all = async {
        finish(context, workers).await;
        close.cancel();
        let _ = timeout(DOORS_WITHIN, &mut server).await;
        if timeout(CLOSED_WITHIN, work.close()).await.is_err() {
            info!("the database does not close in time and is left as it is");
        }
    };
    if timeout(END_WITHIN, all).await.is_err() {
        warn!("the end takes too long; the rest is left to the next start");
    }
    server.abort();
}

/// What is in hand is finished where that does not take long, and runs are let go.
async fn finish(context: &Context, mut workers: JoinSet<()>) {
    info!("no new work is taken; what is in hand is finished");
    let ended = timeout(WORKERS_WITHIN, async {
        while workers.join_next().await.is_some() {}
    })
    .await;
    if ended.is_err() {
        info!("what is still in hand is left to the next start");
    }
    workers.shutdown().await;
    context.runs.let_go().await;
    match timeout(RELEASED_WITHIN, context.store.release_leases()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(
            error = &error as &dyn std::error::Error,
            "what was in hand is free again only when its leases are over"
        ),
        Err(_) => warn!(
            "the database does not answer; what was in hand is free again only when its leases are over"
        ),
    }
}
