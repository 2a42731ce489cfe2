//! What a crowd costs: tasks in flight on one or several replicas, and one event among many that are stored or wait.
//! `script/bench scale` runs it, and says what it prints; as a test it measures a little of everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program that prints its table, and stops where its own ground breaks"
)]

mod cost;
mod engine;
mod flight;
mod report;
mod tests;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use clap::{Parser, ValueEnum};
use deckhand::{app::App, clock::Clock, config::Config, redact::Redactor};
use deckhand_world::postgres::Postgres;
use tokio_util::sync::CancellationToken;

use report::Report;

/// What is measured, and how much of it.
#[derive(Parser)]
#[command(name = "script/bench scale")]
struct Options {
    /// How many tasks are in flight at once.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    in_flight: u32,
    /// How many replicas work on PostgreSQL, one measurement each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    replicas: Vec<usize>,
    /// How many deliveries are stored, or wait, when the cost of one event is measured.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
    stored: Vec<i64>,
    /// How many events are measured each time.
    #[arg(long, default_value_t = 300)]
    events: u32,
    /// One part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A part of the measurement.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Tasks in flight.
    Flight,
    /// One event among many.
    Cost,
}

/// The kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file.
    Sqlite,
    /// A private server, which writes through to the disk.
    Postgres,
}

impl Kind {
    /// Its name in the table and in the object.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["replica"] => replica().await,
        ["run", rest @ ..] => {
            run(&Options::parse_from(
                std::iter::once(&"script/bench scale").chain(rest),
            ))
            .await
        }
        words => return tests::run(words).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The bot on the executor that answers at once, until it is killed.
async fn replica() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let mut variables: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| !matches!(name.as_str(), "PATH" | "RUST_LOG"))
        .collect();
    let file = variables.remove(flight::FILE).unwrap_or_default();
    let config = Config::from_parts(&variables, &file, "deckhand.toml")?;
    let redactor = Redactor::new(config.secrets())?;
    let executor = Arc::new(engine::Engine::default());
    let app = App::build_on(config, Clock::default(), redactor, executor).await?;
    app.run(CancellationToken::new()).await
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let mut report = Report::default();
    if options.only != Some(Part::Cost) {
        let alone = flight::measure(Kind::Sqlite, 1, options.in_flight, &server).await?;
        report.flights.push(alone);
        for replicas in &options.replicas {
            let flight =
                flight::measure(Kind::Postgres, *replicas, options.in_flight, &server).await?;
            report.flights.push(flight);
        }
    }
    if options.only != Some(Part::Flight) {
        for kind in [Kind::Sqlite, Kind::Postgres] {
            cost::measure(kind, options, &server, &mut report.costs).await?;
        }
    }
    report.print();
    Ok(())
}
