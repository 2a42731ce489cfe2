//! The stand-ins with a fresh Deckhand, for one measurement.

use std::path::PathBuf;
use std::time::Duration;

use deckhand_world::models::{Phase, RequestKind, RequestRecord};
use deckhand_world::slack::Thread;

use crate::demo::deckhand::{Deckhand, Start};
use crate::demo::unless_interrupted;
use crate::serve::{self, World};

/// The agent of all measurements: one program, so that what is measured is mostly Deckhand.
pub const AGENT: &str = "goose";
/// Who asks and approves.
pub const PERSON: &str = "ana";
/// How long one part of a task may take.
pub const PART_WITHIN: Duration = Duration::from_mins(5);

/// The stand-ins and Deckhand.
pub struct Place {
    /// The stand-ins.
    pub world: World,
    /// Deckhand.
    pub deckhand: Deckhand,
}

impl Place {
    /// Starts them, with settings beside the usual ones.
    pub async fn open(settings: &[(&'static str, String)]) -> anyhow::Result<Self> {
        let port = Deckhand::free_port()?;
        let world = World::start(&serve::Options {
            app_url: format!("http://127.0.0.1:{port}"),
            slack_port: 0,
            linear_port: 0,
            github_port: 0,
            models_port: 0,
            thinking_ms: 0,
            repository: PathBuf::from(serve::REPOSITORY_FOLDER),
        })
        .await?;
        let start = Start {
            port,
            agent: AGENT,
            environment: world.environment(),
            settings: settings.to_vec(),
        };
        let deckhand = unless_interrupted(Deckhand::start(start)).await?;
        Ok(Self { world, deckhand })
    }

    /// Ends them. Where the measurement failed, the end of Deckhand's log goes with the error.
    pub async fn close<T>(mut self, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        let outcome = outcome.map_err(|error| error.context(self.deckhand.log_tail()));
        if outcome.is_err() {
            self.deckhand.keep();
        }
        self.deckhand.end().await;
        outcome
    }

    /// Mentions Deckhand in a channel.
    pub async fn mention(&self, channel: &str) -> anyhow::Result<Thread> {
        let request = crate::demo::request();
        let thread = self.world.slack.mention(PERSON, channel, &request).await?;
        Ok(thread.with_patience(PART_WITHIN))
    }
}

/// Waits for the plan card.
pub async fn plan_card(thread: &Thread) -> anyhow::Result<()> {
    let card = || thread.control("Approve").ok();
    thread.wait("the plan card", card).await.map(drop)
}

/// Whether a request to the model is the one that follows the first command of the work: the command has run.
pub fn has_run_first_command(record: &RequestRecord) -> bool {
    matches!(
        record.kind,
        RequestKind::Turn {
            phase: Phase::Work,
            step: 1,
            ..
        }
    )
}
