//! How much memory the bot itself keeps: idle, and with tasks in flight whose agents wait for their model.

use std::time::Duration;

use deckhand_world::slack::Thread;
use futures::future::try_join_all;

use super::place::{PART_WITHIN, PERSON, Place, plan_card};

/// How long it is left alone before it is idle.
const IDLE_AFTER: Duration = Duration::from_secs(3);
/// The channel in which it happens.
const CHANNEL: &str = "eng";
/// What the prompt of the work begins with.
const WORK: &str = "Deckhand phase: work";

/// Resident bytes of the process.
pub struct Memory {
    /// With nothing to do, after its start.
    pub idle: u64,
    /// With all tasks in flight.
    pub busy: u64,
    /// How many those were.
    pub tasks: usize,
}

/// Brings so many tasks to the first question to their model, and looks.
pub async fn measure(place: &Place, tasks: usize) -> anyhow::Result<Memory> {
    tokio::time::sleep(IDLE_AFTER).await;
    let idle = place.deckhand.resident_bytes()?;
    let models = &place.world.models;
    models.hold(WORK);
    let mut threads = Vec::new();
    for _ in 0..tasks {
        threads.push(place.mention(CHANNEL).await?);
    }
    try_join_all(threads.iter().map(approve)).await?;
    models.until_waiting(tasks, PART_WITHIN).await?;
    tokio::time::sleep(IDLE_AFTER).await;
    let busy = place.deckhand.resident_bytes()?;
    Ok(Memory { idle, busy, tasks })
}

async fn approve(thread: &Thread) -> anyhow::Result<()> {
    plan_card(thread).await?;
    thread.press(PERSON, "Approve").await.map(drop)
}
