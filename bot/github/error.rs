//! How the forge fails, as fine as callers branch.

use std::time::Duration;

/// How the forge failed. Bodies that may hold tokens are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// It may work later.
    #[error("{what}")]
    Transient {
        /// What was tried and what came back.
        what: String,
        /// How long the forge asks to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// It is not there, or it is not for this installation to see: forges answer the same for both.
    #[error("{what}: not found, or not in reach of this installation")]
    NotFound {
        /// What was tried.
        what: String,
    },
    /// It will not work by trying again.
    #[error("{what}: {reason}")]
    Refused {
        /// What was tried.
        what: String,
        /// The forge's words, cut.
        reason: String,
    },
}
