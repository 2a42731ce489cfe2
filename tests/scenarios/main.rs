//! Stories, each told as its conversation: the real bot, a real database, real containers with a real agent, a real git
//! server; only Slack, Linear, GitHub and the model providers are stood in for, at the wire.
//!
//! They need the images of `script/setup goose`, and say so where they are missing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "a scenario that cannot go on has failed, and a conversation is long"
)]

mod harness;

mod api;
mod approving;
mod asking;
mod bad_agents;
mod bad_input;
mod brought;
mod canaries;
mod cancel;
mod cancel_anywhere;
mod ceilings;
mod command_line;
mod dead_letters;
mod deliveries;
mod doors;
mod editing;
mod exits;
mod explaining;
mod face;
mod figures;
mod filing;
mod following;
mod held;
mod home;
mod installing;
mod keeping;
mod leftovers;
mod linear;
mod linear_access;
mod linear_asking;
mod linear_edits;
mod linear_files;
mod live_runs;
mod long_run;
mod machine;
mod main_job;
mod menus;
mod network;
mod odd_requests;
mod own_doors;
mod pages;
mod queue;
mod quiet;
mod replicas;
mod reply_files;
mod repositories;
mod restart;
mod secrets;
mod settings;
mod sockets;
mod steering;
mod talking;
mod tiers;
mod two_surfaces;
mod waiting;
mod workspaces;
