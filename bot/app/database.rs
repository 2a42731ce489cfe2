//! Watches the database for whoever reads the log, of the bot and of doors of their own.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{store::Store, wake::Wake, web::health};

/// How often a database that is well is asked whether it takes a write.
const ASKED_EVERY: Duration = Duration::from_secs(10);
/// How often one that is not well is asked whether it is again.
const ASKED_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// Says once what is wrong with the database, and once when it is well again, until `stop`. Everything that fails meanwhile
/// says so by itself, and none of it says what is wrong with the whole.
pub(super) async fn watch((store, wake): (Store, Wake), stop: CancellationToken) {
    let mut trouble = None;
    loop {
        let found = tokio::select! {
            found = health::of_database(&store) => found,
            () = stop.cancelled() => return,
        };
        match &found {
            Some(words) if found != trouble => error!(
                "{words}. What cannot be stored is refused with 503: Slack and Linear send it again, and GitHub is asked for what it does not; what is stored waits, and goes on by itself"
            ),
            None if trouble.is_some() => {
                info!("the database is well again");
                wake.missed();
            }
            Some(_) | None => {}
        }
        let pause = if found.is_some() {
            ASKED_AGAIN_EVERY
        } else {
            ASKED_EVERY
        };
        trouble = found;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
