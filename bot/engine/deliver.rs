//! One effect, one act on the world: takes the next effect of each lane, does it, and tells the task what came of it.

mod ending;
mod filing;
mod forms;
mod giving_up;
mod places;
mod saying;
mod stopping;
mod tables;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Context, Fault, dispatch::work_delivery, pause_before_try, runs};
use crate::{
    clock::Clock,
    domain::{
        RunNumber, TaskId,
        effect::{Effect, Lane},
        event::Event,
        network::NetworkGrant,
        task::{State, Task},
    },
    heartbeat::Worker,
    store::{
        Store, StoreError,
        outbox::{Claimed, From, Taken},
        tasks::Stored,
    },
    surface::Attempt,
};

/// The most effects that are done at once.
const AT_ONCE_MAX: usize = 64;
/// How many effects that end a task are done beside them, where all of those hang. Each of these is over within seconds: it
/// asks no surface.
const STOPS_BESIDE_MAX: usize = 8;
/// How many effects more than one are taken with one write to the disk.
const MORE_AT_ONCE: u32 = 7;
const _: () = assert!(MORE_AT_ONCE as usize + 1 == Store::CLAIMED_MAX);
/// The longest pause of a worker whose database fails.
const DATABASE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Does effects. There is one in a process; clones share everything.
#[derive(Clone)]
pub struct Deliver {
    context: Context,
    places: Arc<Semaphore>,
    places_to_stop: Arc<Semaphore>,
    /// Work and errands in hand, so that a cancel can end them.
    in_hand: Arc<Mutex<HashMap<(TaskId, Lane), InHand>>>,
}

/// Work or an errand in hand.
#[derive(Clone)]
struct InHand {
    /// Cancelled to break it off.
    stop: CancellationToken,
    /// Cancelled when nothing of it is done any more.
    over: CancellationToken,
}

impl Deliver {
    /// Puts it together.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            context,
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            places_to_stop: Arc::new(Semaphore::new(STOPS_BESIDE_MAX)),
            in_hand: Arc::default(),
        }
    }

    /// Does effects until `stop`, then finishes what is in hand.
    pub async fn run(self, stop: CancellationToken) {
        let mut in_hand = JoinSet::new();
        let beat = self.context.heartbeats.of(Worker::Deliver);
        let mut failed = 0;
        while !stop.is_cancelled() {
            beat.round();
            while in_hand.try_join_next().is_some() {}
            match self.claim().await {
                Ok(taken) if taken.is_empty() => {
                    // Who has given up a place rings as well.
                    tokio::select! {
                        () = self.context.wake.wait_outbox() => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok(all) => {
                    for (taken, place) in all {
                        in_hand.spawn(self.clone().see_to(taken, place));
                    }
                }
                Err(error) => {
                    error!(
                        error = &error as &dyn std::error::Error,
                        "the outbox cannot be read"
                    );
                    failed += 1;
                    tokio::select! {
                        () = tokio::time::sleep(pause_before_try(failed, DATABASE_PAUSE_MAX)) => {}
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
            }
            failed = 0;
        }
        self.finish(in_hand).await;
    }

    /// Takes as many effects as there are places, so many at most as one write to the disk takes; where there are fewer
    /// places, one; where there are none, one that ends a task. Each comes with its place.
    async fn claim(&self) -> Result<Vec<(Taken, OwnedSemaphorePermit)>, StoreError> {
        let (store, now) = (&self.context.store, self.clock().now());
        let places = || Arc::clone(&self.places);
        if let Ok(mut many) = places().try_acquire_many_owned(MORE_AT_ONCE + 1) {
            let taken = store.claim_effects(now).await?;
            let with_place = |taken| Some((taken, many.split(1)?));
            return Ok(taken.into_iter().filter_map(with_place).collect());
        }
        let (taken, place) = if let Ok(place) = places().try_acquire_owned() {
            (store.claim_effect(now).await?, place)
        } else if let Ok(place) = Arc::clone(&self.places_to_stop).try_acquire_owned() {
            (store.claim_stop(now).await?, place)
        } else {
            return Ok(Vec::new());
        };
        Ok(taken.map(|taken| (taken, place)).into_iter().collect())
    }

    async fn see_to(self, taken: Taken, place: OwnedSemaphorePermit) {
        match taken {
            Taken::Effect(claimed) => {
                let (lost, name) = (claimed.id.clone(), claimed.effect.name());
                tokio::select! {
                    biased;
                    () = lost.lost() => {
                        count(name, "lost");
                        warn!(effect = %lost, "an effect is somebody else's now; it is broken off here");
                    }
                    () = self.perform(claimed) => {}
                }
            }
            Taken::Unreadable { id, task, error } => {
                self.put_aside(&id, task.as_ref(), &error).await;
            }
        }
        // Whoever is woken looks for a place.
        drop(place);
        self.context.wake.outbox();
    }

    /// Messages in hand are finished; work goes on in its container and is taken up again at the next start.
    async fn finish(&self, mut in_hand: JoinSet<()>) {
        let drained = tokio::time::timeout(Duration::from_secs(5), async {
            while in_hand.join_next().await.is_some() {}
        })
        .await;
        if drained.is_err() {
            info!(
                open = in_hand.len(),
                "work in hand is left to the next start"
            );
        }
    }

    fn clock(&self) -> &Clock {
        &self.context.clock
    }

    async fn perform(&self, claimed: Claimed) {
        let outcome = self
            .act(&claimed)
            .await
            .map_err(|fault| fault.without_secrets(&self.context.redactor));
        self.end(&claimed, outcome).await;
    }

    /// Boxed: the compiler cannot see through all of it at once that it may move between threads.
    fn act<'a>(&'a self, claimed: &'a Claimed) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.act_now(claimed))
    }

    async fn act_now(&self, claimed: &Claimed) -> Result<(), Fault> {
        let attempt = if claimed.attempts > 1 {
            Attempt::Repeated
        } else {
            Attempt::First
        };
        self.still_ours(claimed).await?;
        let conversation = &claimed.conversation;
        match &claimed.effect {
            Effect::Whisper { to, message } => self.whisper(claimed, to, message).await,
            Effect::Hear { line } => Ok(self.context.surfaces.hear(conversation, line).await?),
            Effect::Say { slot, message } => self.say(claimed, slot, message, attempt).await,
            Effect::Introduce => self.introduce(claimed, attempt).await,
            Effect::Redraw => self.redraw(claimed, attempt).await,
            Effect::FileIssue { by, team, trigger } => {
                let asked = (by, team.as_ref(), trigger.as_deref());
                let filing = Box::pin(self.file_issue(claimed, asked, attempt));
                self.unless_stopped(claimed, filing).await
            }
            Effect::Mark { mark } => self.mark(claimed, *mark).await,
            Effect::OpenForm { trigger, form } => self.open_form(claimed, trigger, form).await,
            Effect::ShowHome { to, home } => self.show_home(to, home).await,
            Effect::OpenRequestForm { trigger } => {
                self.open_request_form(conversation, trigger).await
            }
            Effect::OpenSettingsForm { trigger, of } => {
                self.open_settings_form(conversation, trigger, of).await
            }
            Effect::PostRequest { by, text } => self.post_request(claimed, by, text, attempt).await,
            Effect::Steer {
                run,
                number,
                text,
                files,
            } => {
                let words = (*number, text.as_str(), files.as_slice());
                self.steer(claimed, *run, words).await
            }
            Effect::Widen { grant } => self.widen(self.owner(claimed)?, grant).await,
            Effect::StopAll => self.stop_all(claimed).await,
            Effect::ShowPictures { run } => {
                let pictures =
                    super::artifacts::pictures_of(&self.context, self.owner(claimed)?, *run)
                        .await?;
                Ok(self
                    .context
                    .surfaces
                    .show_pictures(conversation, &pictures, attempt)
                    .await?)
            }
            Effect::Release => {
                self.context
                    .runs
                    .release(&self.context, self.owner(claimed)?)
                    .await
            }
            Effect::Gather
            | Effect::StartRun { .. }
            | Effect::Prove { .. }
            | Effect::Publish { .. } => {
                self.unless_stopped(claimed, Box::pin(self.work(claimed)))
                    .await
            }
        }
    }

    /// Does what a cancel can end at any moment; what it had begun is undone by its own drop and by the reaper. It has to
    /// look itself whether its task is cancelled already: before it was begun, nobody could end it.
    async fn unless_stopped(
        &self,
        claimed: &Claimed,
        act: BoxFuture<'_, Result<(), Fault>>,
    ) -> Result<(), Fault> {
        let in_hand = InHand {
            stop: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        let _over = in_hand.over.clone().drop_guard();
        self.register(self.owner(claimed)?, claimed.effect.lane(), &in_hand);
        tokio::select! {
            biased;
            () = in_hand.stop.cancelled() => Ok(()),
            outcome = act => outcome,
        }
    }

    async fn work(&self, claimed: &Claimed) -> Result<(), Fault> {
        let Some(stored) = self.context.store.task(self.owner(claimed)?).await? else {
            return Ok(());
        };
        if stored.task.state.is_canceled() {
            return Ok(());
        }
        Box::pin(self.do_work(claimed, stored)).await
    }

    async fn do_work(&self, claimed: &Claimed, stored: Stored) -> Result<(), Fault> {
        let task = stored.task;
        if claimed.from == From::AnotherHand {
            let key = format!("taken-up:{}:{}", claimed.id, claimed.attempts);
            self.tell(claimed, &task, key, Event::TakenUp).await?;
        }
        match &claimed.effect {
            Effect::Gather => {
                let task = self.join(claimed, task).await?;
                self.read_issue_again(claimed, &task).await?;
                let event = super::gather::gather(&self.context, &task).await?;
                self.tell(claimed, &task, format!("gathered:{}", claimed.id), event)
                    .await
            }
            Effect::StartRun { run, assignment } if task.state.live_run() == Some(*run) => {
                self.context
                    .runs
                    .start(&self.context, &task, *run, assignment)
                    .await
            }
            Effect::Prove { run, commit } if task.state.live_run() == Some(*run) => {
                let event =
                    super::prove::prove(&self.context, &task, (*run, commit), &claimed.id).await?;
                self.tell(claimed, &task, format!("proved:{}", claimed.id), event)
                    .await
            }
            Effect::Publish { run, commit } if task.state.live_run() == Some(*run) => {
                let event =
                    super::publish::publish(&self.context, &task, (*run, commit), &claimed.id)
                        .await?;
                self.tell(claimed, &task, format!("published:{}", claimed.id), event)
                    .await
            }
            // The task has gone on without it, or it is no work.
            Effect::StartRun { .. }
            | Effect::Prove { .. }
            | Effect::Publish { .. }
            | Effect::Say { .. }
            | Effect::Introduce
            | Effect::Redraw
            | Effect::FileIssue { .. }
            | Effect::Whisper { .. }
            | Effect::Mark { .. }
            | Effect::Hear { .. }
            | Effect::Steer { .. }
            | Effect::Widen { .. }
            | Effect::ShowPictures { .. }
            | Effect::OpenForm { .. }
            | Effect::OpenRequestForm { .. }
            | Effect::OpenSettingsForm { .. }
            | Effect::PostRequest { .. }
            | Effect::ShowHome { .. }
            | Effect::StopAll
            | Effect::Release => Ok(()),
        }
    }

    /// Tells a task what came of an effect, as long as that is in this hand.
    async fn tell(
        &self,
        claimed: &Claimed,
        task: &Task,
        key: String,
        event: Event,
    ) -> Result<(), Fault> {
        let found = work_delivery(task, key, event);
        if !self.context.accept_found(&claimed.id, found).await? {
            return Err(Fault::elsewhere());
        }
        Ok(())
    }

    /// Stored first: a sandbox that starts in between reads it, and one that lives is told.
    async fn widen(&self, task: &TaskId, grant: &NetworkGrant) -> Result<(), Fault> {
        self.context.store.remember_grant(task, grant).await?;
        let live = self.context.way_out.widen(task, grant);
        info!(%task, host = grant.host, live, "a decision about the network is in force");
        Ok(())
    }

    /// Done when the agent was told, and that is stored. Until then it comes again and again: the run may be in nobody's hand,
    /// its agent may not listen yet, and whoever had the words in hand may be killed. Where the run is over, its task has them.
    async fn steer(
        &self,
        claimed: &Claimed,
        run: RunNumber,
        (number, text, files): (Option<u32>, &str, &[String]),
    ) -> Result<(), Fault> {
        let stored = self.context.store.task(self.owner(claimed)?).await?;
        let at_work = State::Running { run };
        let Some(Stored { task, .. }) = stored.filter(|stored| stored.task.state == at_work) else {
            return Ok(());
        };
        let mut text = text.to_owned();
        if !files.is_empty() {
            // Where its sandbox is gone, the run is about to be over.
            let beside = runs::files::beside(&self.context, &task, run, files);
            let beside = beside.await.map_err(Fault::for_now)?;
            if !beside.is_empty() {
                text = format!("{text}\n\n{beside}");
            }
        }
        let words = (number, text);
        self.context.runs.steer(&task.id, run, words).await
    }

    /// Fails where another process may have the effect by now: what is said or pushed cannot be taken back.
    async fn still_ours(&self, claimed: &Claimed) -> Result<(), Fault> {
        self.context.still_ours(&claimed.id).await
    }

    fn register(&self, task: &TaskId, lane: Lane, work: &InHand) {
        if let Ok(mut in_hand) = self.in_hand.lock() {
            in_hand.retain(|_, work| !work.over.is_cancelled());
            in_hand.insert((task.clone(), lane), work.clone());
        }
    }

    #[expect(
        clippy::unused_self,
        reason = "reads like its siblings where it is called"
    )]
    fn owner<'a>(&self, claimed: &'a Claimed) -> Result<&'a TaskId, Fault> {
        claimed.task.as_ref().ok_or_else(|| Fault::Permanent {
            what: "an effect without a task".to_owned(),
        })
    }
}

/// Counts a try of an effect by what came of it.
fn count(effect: &'static str, result: &'static str) {
    metrics::counter!("deckhand_effects_total", "effect" => effect, "result" => result)
        .increment(1);
}
