//! Shares Slack's sockets with the other processes: takes places for them, and gives up what is beyond its share.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::Context;
use crate::{slack::socket::PlaceKeeper, store::leases::RENEWED_EVERY};

/// How often free places are looked for where there are fewer than the share.
const WANTED_EVERY: Duration = Duration::from_secs(2);

/// Keeps as many places as belong to this process, until `stop` or until no connection is kept any more. Where the database does
/// not answer, it keeps what it has: nothing that cannot be stored is acknowledged there either.
pub async fn share(context: Context, mut keeper: PlaceKeeper, stop: CancellationToken) {
    let most = context
        .config
        .slack
        .as_ref()
        .map_or(1, |slack| slack.connections);
    let mut ours = Vec::new();
    loop {
        let shared = context.store.share_sockets(most, context.clock.now()).await;
        let pause = match shared {
            Ok(places) => {
                if places.ours != ours {
                    info!(
                        ours = places.ours.len(),
                        share = places.share,
                        others = places.others,
                        "Slack's connections are shared out"
                    );
                }
                keeper.fill(places.kept(), places.others);
                let is_whole = places.ours.len() >= places.share;
                ours = places.ours;
                if is_whole {
                    RENEWED_EVERY
                } else {
                    WANTED_EVERY
                }
            }
            Err(error) => {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "Slack's connections could not be shared out; those that are there stay"
                );
                WANTED_EVERY
            }
        };
        let next = Instant::now() + pause;
        loop {
            free_left(&context, &mut ours, &keeper).await;
            tokio::select! {
                () = sleep_until(next) => break,
                is_kept = keeper.changed() => if !is_kept {
                    return;
                },
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Frees places whose connections are closed. What the database does not take now is tried again at the next look.
async fn free_left(context: &Context, ours: &mut Vec<u32>, keeper: &PlaceKeeper) {
    for place in ours.clone() {
        if !keeper.is_in_use(place) && context.store.free_socket(place).await.is_ok() {
            ours.retain(|one| *one != place);
        }
    }
}
