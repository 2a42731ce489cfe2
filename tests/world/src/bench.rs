//! What Deckhand costs, beside the bare cost of the same thing: with a model that takes no time to think, of sandboxes
//! alone, and of the doors beside other frameworks'.

mod bare;
mod crowd;
mod intake;
mod latency;
mod line;
mod memory;
mod place;
mod report;
pub mod sandbox;
mod series;

use clap::{Args, ValueEnum};

use self::place::Place;
use self::report::Report;
use crate::demo::unless_interrupted;

/// What is measured, and how often.
#[derive(Args)]
pub struct Options {
    /// The figures.
    #[arg(value_enum)]
    what: What,
    /// main: how many tasks are taken from mention to result, one after another.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// main: how many mentions come at once.
    #[arg(long, default_value_t = 50)]
    mentions: usize,
    /// main: how many tasks are in flight when memory is measured.
    #[arg(long, default_value_t = 10)]
    tasks: usize,
    #[command(flatten)]
    sandbox: sandbox::Options,
    #[command(flatten)]
    intake: intake::Options,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// From a mention to a result; many mentions at once; memory.
    Main,
    /// A sandbox until its agent is ready, its work tree, and its requests, each beside the bare thing.
    Sandbox,
    /// Slack's events, stored and acknowledged, beside Bolt apps that store nothing.
    Intake,
}

/// Measures, prints a table, and one JSON object as the last line. A missed bar is told, and is no error.
pub async fn run(options: Options) -> anyhow::Result<()> {
    match options.what {
        What::Main => main(&options).await,
        What::Sandbox => sandbox::run(&options.sandbox).await,
        What::Intake => intake::run(&options.intake).await,
    }
}

async fn main(options: &Options) -> anyhow::Result<()> {
    let load = report::load()?;
    let place = Place::open(&[]).await?;
    let alone = unless_interrupted(latency::measure(&place, options.runs)).await;
    let alone = place.close(alone).await?;
    let place = Place::open(&[]).await?;
    let crowd = unless_interrupted(crowd::measure(&place, options.mentions)).await;
    let crowd = place.close(crowd).await?;
    let place = Place::open(&[("DECKHAND_PARALLEL_TASKS", options.tasks.to_string())]).await?;
    let memory = unless_interrupted(memory::measure(&place, options.tasks)).await;
    let memory = place.close(memory).await?;
    Report {
        load,
        alone,
        crowd,
        memory,
    }
    .print()
}
