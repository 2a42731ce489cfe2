//! One task after another: how long each part of it takes, with nothing else to do.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::bare::{Bare, Bench, Likeness};
use super::place::{PART_WITHIN, PERSON, Place, has_run_first_command, plan_card};
use super::series::{Series, milliseconds};

/// The channel in which it happens.
const CHANNEL: &str = "eng";
/// What the prompt of the work begins with; a request with it is held while the sandbox is looked at.
const WORK: &str = "Deckhand phase: work";

/// How long the parts of a task took, and what the same things cost bare, right after it: whatever else the machine does
/// then is in both.
pub struct Alone(Vec<(Walk, Bare)>);

/// How long the parts of one task take.
pub struct Walk {
    /// From the mention to the reaction on it.
    pub reaction: Duration,
    /// From the mention to the first words.
    pub words: Duration,
    /// From the mention to the plan card.
    pub plan: Duration,
    /// From the approval until the agent has run its first command.
    pub command: Duration,
    /// From the approval to the result card.
    pub result: Duration,
}

impl Alone {
    /// A figure of each task.
    pub fn of(&self, figure: impl Fn(&Walk, &Bare) -> Duration) -> Series {
        self.0
            .iter()
            .map(|(walk, bare)| figure(walk, bare))
            .collect()
    }

    /// How many tasks there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Milliseconds between the approval and the first command that are Deckhand's own: over a container with the agent
    /// in it, and over a clone beside where that is allowed for. Half of the tasks took longer.
    pub fn overhead(&self, clone: Allowance) -> f64 {
        let own = |(walk, bare): &(Walk, Bare)| {
            let allowed = match clone {
                Allowance::WithClone => bare.agent + bare.clone,
                Allowance::WithoutClone => bare.agent,
            };
            milliseconds(walk.command) - milliseconds(allowed)
        };
        let mut all: Vec<f64> = self.0.iter().map(own).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }
}

/// Whether a clone is allowed for: it is made before the plan, so that it takes no time after the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// It is.
    WithClone,
    /// It is not.
    WithoutClone,
}

/// Takes so many tasks from mention to result, after one that warms everything up and shows what a sandbox is like.
pub async fn measure(place: &Place, runs: usize) -> anyhow::Result<Alone> {
    let bench = Bench::prepare(place, warm_up(place).await?).await?;
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push((walk(place).await?, bench.round().await?));
    }
    Ok(Alone(all))
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
