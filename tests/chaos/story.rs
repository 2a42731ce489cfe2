//! What people do in a run: they ask, approve, correct, ask for more, stop and merge.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use deckhand::domain::task::{State, Task};
use deckhand_world::slack::Thread;

use crate::{
    agent,
    fate::{Story, Then},
    judge::{CONFIRMED, Ending},
    play::{LOOK_EVERY, Stage},
};

/// How often Slack tries again what nobody took.
const AGAIN_EVERY: Duration = Duration::from_millis(400);
/// How long the confirmation of a cancel is waited for. Here nobody is asked to be quick: the bot may be dead meanwhile.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(90);
/// How long a merge is waited for until GitHub is asked to send its news again. The bot looks it up itself long before, where
/// it could not store the news or was killed over them; what doors of their own lose when they are killed waits for its hour.
const MERGE_HEARD_WITHIN: Duration = Duration::from_secs(20);

impl Stage {
    /// Tells the story of a run to its end, and says which end that is.
    pub async fn tell(&self, story: Story) -> anyhow::Result<(Thread, Ending)> {
        let pace = match story {
            Story::Cancel("planning" | "running", _) | Story::Now => agent::SLOWLY,
            _ => "",
        };
        let request = match &self.containers {
            Some(_) => "The offset parameter of /api/v2/users is ignored when limit is over 100.",
            None => "Please let the greeting say hello.",
        };
        let request = format!("{request} {pace} repo=acme/web");
        let thread = self.slack.mention("ana", "eng", &request).await?;
        let ending = match story {
            Story::Cancel(state, then) => self.cancel(&thread, state, then).await?,
            Story::Result | Story::FollowUp | Story::Now | Story::Correction => {
                self.deliver(&thread, story).await?;
                Ending::Merged
            }
        };
        Ok((thread, ending))
    }

    async fn deliver(&self, thread: &Thread, story: Story) -> anyhow::Result<()> {
        let first = self.reach(thread, is("awaiting_approval")).await?;
        if story == Story::Correction {
            thread.say("ana", "Please say it in lower case.").await?;
            let before = first.plans.len();
            self.reach(thread, |task| {
                task.plans.len() > before && task.state.name() == "awaiting_approval"
            })
            .await?;
        }
        self.timeline.note("the plan is approved");
        thread.say("ana", "approve").await?;
        let more = format!("Please say {}.", agent::MORE);
        if story == Story::Now {
            // The task may pass the state unseen; then these words come a little later, and are heard all the same.
            let works = |task: &Task| matches!(task.state.name(), "running" | "in_review");
            self.reach(thread, works).await?;
            self.timeline.note("something more is said with now:");
            thread.say("ana", &format!("now: {more}")).await?;
            self.rest_in_review(thread).await?;
        }
        let task = self.reach(thread, is("in_review")).await?;
        if story == Story::FollowUp {
            self.timeline.note("something more is asked for");
            let before = commit(&task);
            thread.say("ana", &more).await?;
            self.reach(thread, |task| {
                task.state.name() == "in_review" && commit(task) != before
            })
            .await?;
        }
        self.timeline.note("the pull request is merged");
        let pulls = self.github.repository("acme/web")?.pull_requests();
        ensure!(pulls.len() == 1, "there are {} pull requests", pulls.len());
        self.github.merge("acme/web", pulls[0].number).await?;
        loop {
            let merged = self.reach(thread, is("completed"));
            if let Ok(done) = tokio::time::timeout(MERGE_HEARD_WITHIN, merged).await {
                return done.map(drop);
            }
            // GitHub tries nothing again by itself; an operator has a button for it.
            self.timeline
                .note("GitHub is asked to tell of the merge again");
            self.github.redeliver("pull_request").await?;
        }
    }

    /// Waits until the task is in review, and nothing is on its way any more that would take it out again.
    async fn rest_in_review(&self, thread: &Thread) -> anyhow::Result<()> {
        loop {
            self.reach(thread, is("in_review")).await?;
            if self.slack.redeliver_lost().await.is_empty() && self.has_nothing_to_do().await {
                let task = self.task(thread).await;
                if task.is_some_and(|task| is("in_review")(&task)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn cancel(
        &self,
        thread: &Thread,
        state: &'static str,
        then: Then,
    ) -> anyhow::Result<Ending> {
        // The task may pass the state unseen; then it is stopped a little later.
        let mut task = self
            .reach(thread, |task| {
                let now = task.state.name();
                now == state || matches!(now, "awaiting_approval" | "in_review")
            })
            .await?;
        let mut ending = Ending::Stopped;
        let mut approve = None;
        if then == Then::Approve && task.state.name() == "awaiting_approval" {
            let thread = thread.with_patience(CONFIRMED_WITHIN);
            let shown = thread.wait("the plan", || thread.control("Approve").ok());
            approve = Some(shown.await?);
        }
        if task.state.name() == "awaiting_approval"
            && !matches!(state, "planning" | "awaiting_approval")
        {
            thread.say("ana", "approve").await?;
            // The stop may be on its way while the work goes on to its end.
            ending = Ending::StoppedLate;
            task = self
                .reach(thread, |task| {
                    task.state.name() == state || task.state.name() == "in_review"
                })
                .await?;
        }
        self.timeline.note(&format!(
            "stop is said while the task is {}",
            task.state.name()
        ));
        thread.say("ana", "stop").await?;
        if then == Then::StopAgain {
            self.timeline.note("stop is said again");
            thread.say("ana", "stop").await?;
        }
        if let Some(approve) = approve {
            // Where the stop was lost, the approval would rightly come before it.
            while !self.slack.redeliver_lost().await.is_empty() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.timeline.note("the plan is approved too late");
            // Slack does not repeat a press that nobody took.
            thread.press_control("ana", &approve).await?;
        }
        while !self.is_stopped(thread).await {
            self.slack.redeliver_lost().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        thread
            .with_patience(CONFIRMED_WITHIN)
            .wait_for_words(CONFIRMED)
            .await?;
        Ok(ending)
    }

    async fn is_stopped(&self, thread: &Thread) -> bool {
        let Some(task) = self.task(thread).await else {
            return false;
        };
        self.look_around(task.state.name());
        task.state.name() == "canceled"
    }

    /// Waits until the task stands so. What failed because its agent or its sandbox was killed is tried again, as the thread
    /// offers it; nothing else may fail.
    async fn reach(&self, thread: &Thread, wanted: impl Fn(&Task) -> bool) -> anyhow::Result<Task> {
        let mut again = Instant::now() + AGAIN_EVERY;
        let mut retried = None;
        loop {
            if let Some(task) = self.task(thread).await {
                self.look_around(task.state.name());
                if wanted(&task) {
                    return Ok(task);
                }
                let state = task.state.name();
                if matches!(state, "canceled" | "completed" | "expired") {
                    bail!("the task is {state} before its time");
                }
                if let State::Failed { failure, .. } = &task.state
                    && retried != Some(task.changed_at)
                {
                    self.timeline.note(&format!("the task failed: {failure:?}"));
                    ensure!(
                        self.toll.explains(failure),
                        "the task failed, and no kill explains it: {failure:?}"
                    );
                    retried = Some(task.changed_at);
                    thread.say("ana", "retry").await?;
                }
            }
            if Instant::now() > again {
                again = Instant::now() + AGAIN_EVERY;
                self.slack.redeliver_lost().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn is(state: &'static str) -> impl Fn(&Task) -> bool {
    move |task| task.state.name() == state
}

fn commit(task: &Task) -> Option<String> {
    task.last_result().map(|result| result.publication.commit.0)
}
