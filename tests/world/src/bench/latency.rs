//! One task after another: how long each part of it takes, with nothing else to do.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::bare::{self, Bare, Likeness};
use super::place::{PART_WITHIN, PERSON, Place, has_run_first_command, plan_card};
use super::series::Series;

/// The channel in which it happens.
const CHANNEL: &str = "eng";
/// What the prompt of the work begins with; a request with it is held while the sandbox is looked at.
const WORK: &str = "Deckhand phase: work";

/// How long the parts of a task take.
pub struct Alone {
    /// From the mention to the reaction on it.
    pub reaction: Series,
    /// From the mention to the first words.
    pub words: Series,
    /// From the mention to the plan card.
    pub plan: Series,
    /// From the approval until the agent has run its first command.
    pub command: Series,
    /// From the approval to the result card.
    pub result: Series,
}

struct Walk {
    reaction: Duration,
    words: Duration,
    plan: Duration,
    command: Duration,
    result: Duration,
}

/// Takes so many tasks from mention to result, after one that warms everything up and shows what a sandbox is like.
pub async fn measure(place: &Place, runs: usize) -> anyhow::Result<(Alone, Bare)> {
    let likeness = warm_up(place).await?;
    let mut walks = Vec::new();
    for _ in 0..runs {
        walks.push(walk(place).await?);
    }
    let bare = bare::measure(place, &likeness, runs).await?;
    let series = |of: fn(&Walk) -> Duration| walks.iter().map(of).collect();
    let alone = Alone {
        reaction: series(|walk| walk.reaction),
        words: series(|walk| walk.words),
        plan: series(|walk| walk.plan),
        command: series(|walk| walk.command),
        result: series(|walk| walk.result),
    };
    Ok((alone, bare))
}

async fn warm_up(place: &Place) -> anyhow::Result<Likeness> {
    let thread = place.mention(CHANNEL).await?;
    plan_card(&thread).await?;
    place.world.models.hold(WORK);
    thread.press(PERSON, "Approve").await?;
    place.world.models.until_waiting(1, PART_WITHIN).await?;
    let likeness = Likeness::of_the_running_one(place).await?;
    place.world.models.release(WORK);
    thread.wait_for_words("Pull request #").await?;
    Ok(likeness)
}

async fn walk(place: &Place) -> anyhow::Result<Walk> {
    let models = &place.world.models;
    let thread = place.mention(CHANNEL).await?;
    plan_card(&thread).await?;
    let timing = thread.timing();
    let plan = thread.time_to(|message| message.from_bot() && message.says("**Requirements**"));
    let before = models.request_count();
    let approved = Instant::now();
    let first_command = async {
        let found = models.wait_for(
            |record| record.number > before && has_run_first_command(record),
            PART_WITHIN,
        );
        found.await.map(|_| approved.elapsed())
    };
    let (pressed, command) = tokio::join!(thread.press(PERSON, "Approve"), first_command);
    pressed?;
    let card = thread.wait_for_words("Pull request #").await?;
    Ok(Walk {
        reaction: timing.first_reaction.context("there is no reaction")?,
        words: timing.first_words.context("there are no words")?,
        plan: plan.context("the plan card does not show requirements")?,
        command: command?,
        result: card.posted_at.duration_since(approved),
    })
}
