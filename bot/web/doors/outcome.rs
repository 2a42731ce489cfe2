//! What became of a request at a door: its status, its word in the log, and its count.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tracing::{error, warn};

use crate::store::inbox::Source;

/// What became of a request.
#[derive(Debug)]
pub(in crate::web) enum Outcome {
    /// It is on the disk now.
    Stored,
    /// It was there before.
    Repeated,
    /// It is signed and can be read, and it is nothing that this bot acts on. It is not kept: a door says by its address what
    /// kind of payload comes to it, and so does an envelope of Slack's sockets, where only one of an unknown kind is kept,
    /// because what it wraps may be a request.
    Unknown,
    /// It has no signature or token, or one that does not fit.
    Unsigned(String),
    /// It is signed, at a time that is not now: sent again by a stranger, or one of the clocks is wrong.
    Stale(String),
    /// It is larger than anything that belongs at this door.
    Oversized,
    /// It did not come whole in time.
    Slow,
    /// It is signed and cannot be read, or it broke off.
    Malformed,
    /// The database did not take it.
    Unstored(anyhow::Error),
}

/// The doors, and what can become of a request at them, as they are counted.
const DOORS: [Source; 4] = [Source::Slack, Source::Linear, Source::Github, Source::Api];
const RESULTS: [&str; 9] = [
    "stored",
    "repeated",
    "unknown",
    "unsigned",
    "stale",
    "oversized",
    "slow",
    "malformed",
    "unstored",
];

/// Has every count there from the beginning: a rise from nothing to one would be seen by no alert.
pub(in crate::web) fn begin_to_count() {
    for source in DOORS {
        for result in RESULTS {
            counter(source, result).increment(0);
        }
    }
}

fn counter(source: Source, result: &'static str) -> metrics::Counter {
    metrics::counter!("deckhand_deliveries_total", "source" => source.name(), "result" => result)
}

impl Outcome {
    /// Counts it, logs what is not in order, and answers.
    ///
    /// Only what is stored, or is nothing to be stored, is a success: whatever else it is, the platform may send it again.
    pub(in crate::web) fn answer(self, source: Source) -> Response {
        self.counted(source).into_response()
    }

    /// The same for whoever answers with words of their own: the status of the answer.
    pub(in crate::web) fn counted(&self, source: Source) -> StatusCode {
        let (result, status) = self.told();
        counter(source, result).increment(1);
        let source = source.name();
        match self {
            Self::Stored | Self::Repeated | Self::Unknown => {}
            Self::Unsigned(reason) | Self::Stale(reason) => {
                warn!(source, reason, "a request was refused at the door");
            }
            Self::Oversized | Self::Slow | Self::Malformed => {
                warn!(source, reason = result, "a request was refused at the door");
            }
            Self::Unstored(error) => {
                let error: &dyn std::error::Error = error.as_ref();
                error!(source, error, "a delivery could not be stored");
            }
        }
        status
    }

    const fn told(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Stored => ("stored", StatusCode::OK),
            Self::Repeated => ("repeated", StatusCode::OK),
            Self::Unknown => ("unknown", StatusCode::OK),
            Self::Unsigned(_) => ("unsigned", StatusCode::UNAUTHORIZED),
            Self::Stale(_) => ("stale", StatusCode::UNAUTHORIZED),
            Self::Oversized => ("oversized", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Slow => ("slow", StatusCode::REQUEST_TIMEOUT),
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST),
            Self::Unstored(_) => ("unstored", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}
