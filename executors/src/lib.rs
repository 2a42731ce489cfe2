//! Sandboxes for coding agents, and what leaves them.
//!
//! This crate stands alone: it knows nothing of chats, tasks or databases. In reading order:
//!
//! - [`sandbox`]: the interface, [`Executor`] and [`SandboxSpec`], on one screen
//! - [`docker`]: the executor on a Docker engine
//! - [`starts`]: starts that end or are undone, on any executor
//! - [`egress`]: the one way out of a sandbox, and the credentials added on it
//! - [`agent`]: the Agent Client Protocol client, one harness for every agent
//! - [`mirror`]: the host's copy of each repository
//! - [`broker`]: how commits leave a sandbox
//! - [`proof`]: the second, clean container that runs the checks again

pub mod sandbox;

pub mod agent;
pub mod broker;
pub mod docker;
pub mod egress;
pub mod mirror;
pub mod proof;
pub mod starts;

mod door;

pub use sandbox::{Executor, ExecutorError, SandboxName, SandboxSpec};
