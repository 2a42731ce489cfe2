//! What a sandbox costs beside the bare thing: until its agent is ready, until its work tree is there, and for each request
//! that leaves it. Deckhand's way and the bare one take turns in one run.

pub mod client;
mod clone;
mod ground;
mod pairs;
mod proxy;
mod report;
mod repository;
mod server;
mod start;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::ground::Ground;
use self::report::Report;
use self::repository::{REAL, Repository};
use super::report::load;
use crate::demo::unless_interrupted;

/// What is measured of sandboxes, and how often.
#[derive(Args)]
#[group(id = "sandbox")]
pub struct Options {
    /// sandbox: how many pairs of starts and of clones.
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// sandbox: how many pairs of each load on the proxy. What may leave by one rule in one run is the limit.
    #[arg(long, default_value_t = 5, value_parser = at_most_twenty)]
    rounds: usize,
    /// sandbox: a repository to clone in place of the one that is made.
    #[arg(long)]
    repository: Option<PathBuf>,
    /// sandbox: an image with the agent and the shim, in place of the agent's own.
    #[arg(long)]
    image: Option<String>,
    /// sandbox: one part alone.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Until the agent is ready.
    Start,
    /// Until the work tree is there.
    Clone,
    /// Requests.
    Proxy,
}

fn at_most_twenty(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds @ 1..=20) => Ok(rounds),
        Ok(_) | Err(_) => Err("write a number from 1 to 20".to_owned()),
    }
}

/// Measures, and prints what came of it.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let load = load()?;
    let ground = Ground::open(options.image.as_deref()).await?;
    let measured = unless_interrupted(measure(&ground, options, load)).await;
    ground.close().await;
    measured?.print()
}

async fn measure(ground: &Ground, options: &Options, load: f64) -> anyhow::Result<Report> {
    let is_wanted = |part| options.only.is_none_or(|only| only == part);
    let mut report = Report {
        load,
        ..Report::default()
    };
    if is_wanted(Part::Start) || is_wanted(Part::Clone) {
        let folder = ground.lent("mirrors")?;
        let repository = match &options.repository {
            Some(given) => Repository::mirror(&folder, given).await?,
            None => Repository::make(&folder, REAL).await?,
        };
        // First the clones: a run starts with the work tree that they leave.
        let pairs = if is_wanted(Part::Clone) {
            options.pairs
        } else {
            0
        };
        let clone = clone::measure(ground, &repository, pairs).await?;
        if is_wanted(Part::Start) {
            report.start = Some(start::measure(ground, &repository, options.pairs).await?);
        }
        report.clone = is_wanted(Part::Clone).then_some((clone, repository));
    }
    if is_wanted(Part::Proxy) {
        report.proxy = proxy::measure(ground, options.rounds).await?;
    }
    Ok(report)
}
