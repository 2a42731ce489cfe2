//! The program: the stand-ins for people, alone or with Deckhand in their midst, and what Deckhand costs there.

#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::too_many_lines,
        reason = "a test that cannot go on has failed, and tables are long"
    )
)]

mod bench;
mod demo;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Stand-ins for Slack, Linear, GitHub and the model providers.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Starts all stand-ins, prints their addresses and keys as one JSON object, and runs until interrupted.
    Serve(serve::Options),
    /// Starts all stand-ins and Deckhand, for a person at the Slack page or, with `--auto`, for nobody.
    Demo(demo::Options),
    /// Measures Deckhand, beside the bare cost of the same thing.
    Bench(bench::Options),
    /// Asks a server many times; `bench sandbox` runs this in containers.
    #[command(hide = true)]
    Ask(bench::sandbox::client::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match Arguments::parse().verb {
        Verb::Serve(options) => serve::run(options).await,
        Verb::Demo(options) => demo::run(options).await,
        Verb::Bench(options) => bench::run(options).await,
        Verb::Ask(options) => bench::sandbox::client::run(options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the status says it all the same.
            let _ = writeln!(std::io::stderr(), "deckhand-world: {error:#}");
            ExitCode::FAILURE
        }
    }
}
