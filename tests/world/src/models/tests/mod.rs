//! Small agents that speak each wire, and what they see.
#![expect(clippy::unwrap_used, reason = "a test says what must be")]

mod agent;
mod faults;
mod scripts;
mod wires;
