//! Where a story is told: a thread of Slack or a session of Linear, and what ana says there.

use std::time::Instant;

use anyhow::{Context as _, bail};
use deckhand::domain::task::{QuestionKind, State, Task};
use deckhand_world::{
    linear::Session,
    slack::{Message, Thread},
};

use crate::harness::{LOOK_EVERY, PATIENCE, Stage};

/// The states in which a task waits for people or is over.
const RESTS: [&str; 7] = [
    "awaiting_approval",
    "awaiting_input",
    "in_review",
    "completed",
    "failed",
    "canceled",
    "expired",
];
/// The most questions of one story.
const QUESTIONS_MAX: usize = 10;

/// Where a story is told.
pub enum Conversation {
    Thread(Thread),
    Session(Session),
}

impl Conversation {
    /// The task that was asked for here.
    pub async fn task(&self, stage: &Stage) -> anyhow::Result<Task> {
        match self {
            Self::Thread(thread) => Ok(stage.task(thread).await),
            Self::Session(_) => {
                let mut newest = stage.context.store.recent_tasks(None, 1).await?;
                newest.pop().context("there is no task")
            }
        }
    }

    /// Waits until everything that was said is heard, and the task waits for people or is over.
    pub async fn rest(&self, stage: &Stage) -> anyhow::Result<Task> {
        let begun = Instant::now();
        loop {
            if let Some(linear) = &stage.linear {
                linear.settle().await;
            }
            stage.settle().await;
            if let Ok(task) = self.task(stage).await
                && RESTS.contains(&task.state.name())
            {
                return Ok(task);
            }
            if begun.elapsed() > 2 * PATIENCE {
                bail!("the task does not come to rest\n{}", self.render());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ana answers every question as somebody does who wants nothing but what she asked for, until none is left.
    pub async fn answer_all(&self, stage: &Stage) -> anyhow::Result<Task> {
        let mut last = 0;
        for _ in 0..QUESTIONS_MAX {
            let task = self.rest(stage).await?;
            let State::AwaitingInput { question } = &task.state else {
                return Ok(task);
            };
            if question.number == last {
                bail!("question {last} took no answer\n{}", self.render());
            }
            last = question.number;
            match &question.kind {
                QuestionKind::Held { held, .. } if held.rest.is_some() => {
                    self.choose("Leave out").await?;
                }
                QuestionKind::Agent { .. } => self.say("ana", "No. Go on without that.").await?,
                other => bail!(
                    "nobody expected this question: {other:?}\n{}",
                    self.render()
                ),
            }
        }
        bail!("the questions do not end\n{}", self.render())
    }

    /// Somebody says something here.
    pub async fn say(&self, who: &str, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Thread(thread) => thread.say(who, text).await.map(drop),
            Self::Session(session) => session.say(who, text),
        }
    }

    /// Ana chooses what the bot offers.
    async fn choose(&self, label: &str) -> anyhow::Result<()> {
        match self {
            Self::Thread(thread) => thread.press("ana", label).await.map(drop),
            // Another offer may be the newest one there; words choose as well.
            Self::Session(session) => session.say("ana", label),
        }
    }

    /// The plan's message, on which people react.
    pub fn plan(&self) -> Option<Message> {
        match self {
            Self::Thread(thread) => thread
                .bot_messages()
                .into_iter()
                .rfind(|message| message.says("Your decision:")),
            Self::Session(_) => None,
        }
    }

    /// Everything that stands here.
    pub fn render(&self) -> String {
        match self {
            Self::Thread(thread) => thread.render(),
            Self::Session(session) => session.render(),
        }
    }
}
