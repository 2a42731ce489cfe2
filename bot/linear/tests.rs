//! Linear's side against a stand-in at the wire, which holds every operation against Linear's schema.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod bench;
mod broken;
mod joining;
mod reading;
mod talking;
mod trouble;
mod working;
