//! Why no statement about a commit could be made.

use crate::{broker::BrokerError, sandbox::ExecutorError};

/// A proof that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The engine failed, or the sandbox did not start.
    #[error(transparent)]
    Sandbox(#[from] ExecutorError),
    /// The commit could not be checked out in the clean container.
    #[error("the commit could not be checked out for its proof: {0}")]
    CheckOut(String),
    /// The commits could not be read on the host.
    #[error(transparent)]
    Quarantine(#[from] BrokerError),
}
