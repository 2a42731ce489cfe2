//! The command line of `deckhand-doors`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;

use super::{fail, log, on_signal};
use crate::{
    app,
    clock::Clock,
    config::{self, Config},
    redact::Redactor,
};

/// Takes in what platforms send, beside `deckhand serve` and with its settings.
#[derive(Debug, Parser)]
#[command(name = "deckhand-doors", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = config::FILE)]
    config: PathBuf,
}

/// Runs the doors by themselves.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread takes in many times what all platforms send, and every further one has memory of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ran = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(&arguments)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    let redactor = Redactor::new(config.secrets())?;
    log::start(&config, &redactor);
    let stop = on_signal().context("signals cannot be heard")?;
    app::doors::run(config, Clock::default(), redactor.clone(), stop)
        .await
        .map_err(|error| anyhow::anyhow!(redactor.redacted(format!("{error:#}"))))
}
