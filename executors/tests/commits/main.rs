//! The way of commits on the host: from a remote into the mirror, from a sandbox into quarantine, and out again.
//!
//! The sandbox is a folder here and its commands run beside the test; containers are the matter of other tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod forged;
mod held;
mod hostile;
mod leaving;
mod mirrors;
mod pushing;
#[path = "../repository/mod.rs"]
mod repository;
mod task;
