//! The door through which commits leave a sandbox: a bundle comes out as bytes, is unpacked into a bare repository
//! that nobody works in, is checked there, and only the host pushes.

mod changes;
mod error;
mod findings;
mod push;
mod quarantine;
mod take_out;

pub use changes::{ChangeStatus, DiffText, FileChange, Lines};
pub use error::{BrokerError, PushError};
pub use findings::{Finding, FindingKind, Gate};
pub use push::RemoteBranch;
pub use quarantine::{Merge, Quarantine, Signature};
pub use take_out::{TakeOutLimits, Taken, take_out};
