//! Small agents that speak each wire, and what they see.

mod agent;
mod faults;
mod scripts;
mod wires;
