//! Deletes all of a task that is over.

use anyhow::{Context as _, anyhow, bail};
use deckhand_executors::docker::DockerExecutor;

use super::say;
use crate::{
    clock::Clock,
    config::Config,
    domain::TaskId,
    engine::{Fault, deletion},
    store::{Store, deletion::Deleted},
};

/// Deletes it, and says what is gone and what stays. A server may run meanwhile.
pub(super) async fn run(config: &Config, task: &TaskId, by: &str) -> anyhow::Result<()> {
    let executor = DockerExecutor::connect(&config.instance, config.sandbox.docker_host.as_deref())
        .context("the container engine cannot be reached")?;
    let store = Store::open_beside(&config.database_url).await?;
    let now = Clock::default().now();
    let deleted = deletion::delete(&store, &executor, &config.data_dir, (task, by), now).await;
    store.close().await;
    let deleted = deleted.map_err(|fault| {
        let (Fault::Transient { what, .. } | Fault::Permanent { what } | Fault::Resting { what }) =
            fault;
        anyhow!("not all of the task {task} could be removed; run this again. {what}")
    })?;
    match deleted {
        Deleted::Now => say(&format!(
            "the task {task} is deleted. The audit log keeps who decided what and when, and that {by} deleted it; what stands in the conversation and at the forge stays there."
        )),
        Deleted::Before { by } => say(&format!(
            "the task {task} was deleted by {by} already; nothing of it is left"
        )),
        Deleted::Unknown => bail!("there is no such task"),
        Deleted::Alive { state } => {
            bail!("the task {task} {state}; cancel it first: deckhand task cancel {task}")
        }
        Deleted::Busy => bail!(
            "the task {task} is over, but something about it still waits to be done; try again in a moment"
        ),
    }
    Ok(())
}
