//! The whole story by itself: the thread, the mention, a correction, the approval, the result, the merge.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use deckhand_world::slack::{Control, Thread};
use serde_json::{Value, json};

use super::deckhand::Deckhand;
use super::telling::Telling;
use super::{Agent, facts, leftovers, say, story};
use crate::serve::{REPOSITORY, World};

/// How long one part of the story may take.
const PART_WITHIN: Duration = Duration::from_mins(5);
/// How long the end of a task may take to leave nothing in the engine.
const CLEAR_WITHIN: Duration = Duration::from_secs(20);
/// How often Deckhand's own view of the task is looked at while nothing changes in the thread.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Plays it and prints the result; where anything is not as it should be, that is the error.
pub async fn play(world: &World, deckhand: &Deckhand, agent: Agent) -> anyhow::Result<()> {
    say(&format!(
        "The story, played with the agent {} and a scripted model (no key is used).",
        agent.name()
    ))?;
    let thread = story::seed(&world.slack).await?;
    let telling = Telling::begin(&world.slack, &thread);
    let played = tokio::select! {
        played = acts(world, deckhand, &thread) => played,
        ended = deckhand.until_it_ends() => ended.map(|()| Value::Null),
    };
    // What came last is told before the last line.
    tokio::task::yield_now().await;
    drop(telling);
    match played {
        Ok(result) => Ok(say(&format!("\n{result}"))?),
        Err(error) => {
            say(&format!("\nThe thread at the end:\n{}", thread.render()))?;
            say(&deckhand.log_tail())?;
            let error = match facts::nothing_forbidden(world) {
                Ok(()) => error,
                Err(forbidden) => error.context(forbidden),
            };
            Err(error.context("the story did not end well"))
        }
    }
}

async fn acts(world: &World, deckhand: &Deckhand, thread: &Thread) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let stage = Stage {
        world,
        deckhand,
        thread,
    };
    thread.mention(story::REQUESTER, &story::request()).await?;
    let id = stage.task().await?;
    stage.plan(&id, 1).await?;
    thread.say(story::REQUESTER, story::CORRECTION).await?;
    let approve = stage.plan(&id, 2).await?;
    thread.press_control(story::REQUESTER, &approve).await?;
    let task = stage.until(&id, &["in_review"]).await?;
    stage.words("Pull request #").await?;
    let screenshots = stage.pictures().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let requirements = facts::Requirements::of(&task)?;
    ensure!(
        requirements.are_all_met(),
        "not every requirement is met: {requirements:?}"
    );
    let pull_request = facts::pull_request(&world.github, &task).await?;
    facts::pictures_of(&pull_request).await?;
    let result = json!({
        "task": id,
        "state": facts::state(&task),
        "pull_request": task["publication"]["pull_request"]["url"],
        "requirements": requirements.shown(),
        "screenshots": screenshots,
        "seconds": (seconds * 10.0).round() / 10.0,
    });
    world.github.merge(REPOSITORY, pull_request.number).await?;
    stage.until(&id, &["completed"]).await?;
    stage.words("Merged").await?;
    stage.nothing_left().await?;
    facts::nothing_forbidden(world)?;
    Ok(result)
}

/// What the acts are played on.
struct Stage<'a> {
    world: &'a World,
    deckhand: &'a Deckhand,
    thread: &'a Thread,
}

impl Stage<'_> {
    /// The task that the mention opened.
    async fn task(&self) -> anyhow::Result<String> {
        let opened = self.look("a task", || async {
            Ok(self.deckhand.tasks().await?.into_iter().next())
        });
        opened.await
    }

    /// Waits for a revision of the plan, and gives the button that approves it.
    async fn plan(&self, id: &str, revision: u64) -> anyhow::Result<Control> {
        let what = format!("revision {revision} of the plan");
        self.look(&what, || async {
            let task = self.deckhand.task(id).await?;
            refuse_a_bad_end(&task)?;
            let is_there =
                facts::state(&task) == "awaiting_approval" && task["state"]["revision"] == revision;
            let card = self.thread.control("Approve").ok();
            // The card of the revision before loses its button in the same moment, but not in the same call.
            let cards = task["plans"].as_array().map_or(0, Vec::len);
            Ok(card.filter(|_| is_there && self.cards() >= cards))
        })
        .await
    }

    /// How many plan cards stand in the thread.
    fn cards(&self) -> usize {
        let is_card = |text: &str| text.contains("**Requirements**");
        let messages = self.thread.bot_messages();
        messages
            .iter()
            .filter(|message| is_card(&message.plain_text()))
            .count()
    }

    /// Waits until the task stands in one of these states.
    async fn until(&self, id: &str, states: &[&str]) -> anyhow::Result<Value> {
        self.look(&format!("the state {}", states.join(" or ")), || async {
            let task = self.deckhand.task(id).await?;
            if states.contains(&facts::state(&task)) {
                return Ok(Some(task));
            }
            refuse_a_bad_end(&task)?;
            Ok(None)
        })
        .await
    }

    /// The pictures come a moment after the result.
    async fn pictures(&self) -> anyhow::Result<usize> {
        let found = self.look("the pictures", || async {
            Ok(facts::screenshots(self.thread).ok())
        });
        match found.await {
            Ok(found) => Ok(found),
            Err(_) => facts::screenshots(self.thread),
        }
    }

    /// Words come a moment after the state that they tell of.
    async fn words(&self, fragment: &str) -> anyhow::Result<()> {
        let patient = self.thread.with_patience(CLEAR_WITHIN);
        patient.wait_for_words(fragment).await.map(drop)
    }

    /// An ended task leaves nothing in the engine.
    async fn nothing_left(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CLEAR_WITHIN;
        loop {
            let left = leftovers::list(self.deckhand.instance()).await?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "left in the engine: {}",
                left.join(", ")
            );
            tokio::time::sleep(LOOK_EVERY / 4).await;
        }
    }

    /// Looks again at each change of the workspace, and every second, until there is something.
    async fn look<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let mut changes = self.world.slack.changes();
        let deadline = Instant::now() + PART_WITHIN;
        loop {
            changes.mark_unchanged();
            if let Some(found) = look()
                .await
                .with_context(|| format!("waiting for {what}"))?
            {
                return Ok(found);
            }
            ensure!(
                Instant::now() < deadline,
                "{what} did not come within {PART_WITHIN:?}"
            );
            // Whether something changed or a second went by, the next look tells.
            let _ = tokio::time::timeout(LOOK_EVERY, changes.changed()).await;
        }
    }
}

/// A task that is over in any other way than the story's has nothing more to wait for.
fn refuse_a_bad_end(task: &Value) -> anyhow::Result<()> {
    match facts::state(task) {
        "failed" | "canceled" | "expired" | "awaiting_input" => {
            bail!("the task stands at {}", task["state"])
        }
        _ => Ok(()),
    }
}
