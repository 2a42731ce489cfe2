//! Slack's other door: envelopes that come through connections that this side opened. One inbox stands behind both, with
//! the same keys, so what comes by both is one.

use std::time::Duration;

use serde_json::Value;

use super::{
    Web,
    doors::{store, store_slack},
};
use crate::{
    slack::{
        self,
        socket::{Content, Envelope, Taken},
    },
    store::inbox::{NewDelivery, Source},
};

/// How long storing may take. Slack sends again what is not acknowledged within 3 seconds; a repeat is a no-op.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Stores an envelope. What the connection acknowledges is on the disk, or certainly nothing for us.
pub async fn take(web: Web, envelope: Envelope) -> Taken {
    let storing = async {
        match envelope.content {
            Content::Payload(payload) => store_slack(&web, payload).await,
            // A new wrapping may hold what is known; and what is not known at all is kept, for whoever learns to read it.
            Content::Unknown(mut whole) => match slack::accept(&whole["payload"]) {
                Some(_) => store_slack(&web, whole["payload"].take()).await,
                None => store(&web, unknown(&envelope.id, whole)).await,
            },
        }
    };
    match tokio::time::timeout(STORE_WITHIN, storing).await {
        Ok(answer) if answer.status().is_success() => Taken::Stored,
        Ok(_) => Taken::Refused,
        Err(_) => {
            tracing::error!("a delivery through a socket could not be stored in time");
            Taken::Refused
        }
    }
}

fn unknown(id: &str, whole: Value) -> NewDelivery {
    let key = format!("envelope:{id}");
    NewDelivery {
        source: Source::Slack,
        conversation: key.clone(),
        key,
        body: whole,
    }
}
