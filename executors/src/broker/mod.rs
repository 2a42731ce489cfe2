//! The door through which commits leave a sandbox: a bundle comes out as bytes, is unpacked into a bare repository
//! that nobody works in, is checked there, and only the host pushes.

mod bundle;
mod changes;
mod contents;
mod error;
mod findings;
mod held;
mod kept;
mod names;
mod push;
mod quarantine;
mod scope;
mod searched;
mod secrets;
mod take_out;
mod trees;

pub use changes::{ChangeStatus, DiffText, FileChange, Lines};
pub use error::{BrokerError, PushError};
pub use findings::{Approved, Finding, FindingKind, Gate, Rules};
pub use held::Difference;
pub use push::{Push, RemoteBranch};
pub use quarantine::{Merge, Quarantine, Signature};
pub use scope::{Scope, UnfitEntry};
pub use secrets::{KnownSecrets, NoSecrets};
pub use take_out::{Errand, TakeOutLimits, Taken, take_out};
