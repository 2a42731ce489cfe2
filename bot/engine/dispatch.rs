//! One delivery, one transition: takes the oldest delivery, finds its task, lets the machine decide, and stores everything at once.

mod access;
mod deliveries;
mod editing;
mod explaining;
mod giving_up;
mod issues;
mod joining;
mod leaving;
mod looking;
mod opening;
mod pointing;
mod preferring;
mod pressing;
mod talking;

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tracing::{info, warn};

use super::{pause_before_try, policy_book::PolicyBook, roster::Agents, surfaces::Surfaces};
use crate::{
    clock::Clock,
    config::Config,
    domain::{
        Timestamp,
        conversation::{ConversationId, Line, Person, PersonId, Road, Standing},
        event::{Event, Happened},
        incoming::Incoming,
    },
    github,
    heartbeat::Heartbeat,
    linear, slack,
    store::{
        Store, StoreError,
        inbox::{Delivery, Next, Source},
        orders::Order,
        tasks::{Stored, Transition},
    },
    surface::SurfaceError,
    wake::Wake,
};

use deliveries::{RATE_ACT, audit_of, nothing, with_outcome};
pub use deliveries::{WorkDelivery, work_delivery};
pub(super) use giving_up::RETRY_AFTER_MAX;
use giving_up::Trouble;

/// How long a step may wait for platforms: a few calls, each of which ends by itself. A platform that does not answer is no
/// worker that hangs.
const ASKS_WITHIN: Duration = Duration::from_mins(1);
/// How often it is tried to give back what the database failed: together that is about as long as a lease.
const HANDED_BACK_TRIES_MAX: i64 = 12;
/// The longest pause between two of these tries.
const HANDED_BACK_PAUSE_MAX: Duration = Duration::from_secs(3);
/// The most tasks that `list` shows.
const LIST_MAX: u32 = 10;
/// The name of the network policy in force; part of what is approved.
pub const NETWORK_POLICY: &str = "model hosts only/1";

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Done,
    /// There was nothing to do.
    Idle,
}

/// Turns deliveries into transitions. Several may work at once: a delivery is in one hand at a time.
pub struct Dispatch {
    config: Arc<Config>,
    store: Store,
    surfaces: Surfaces,
    agents: Agents,
    book: PolicyBook,
    clock: Clock,
    wake: Wake,
}

/// A sentence, and how it was meant.
struct Said {
    line: Line,
    /// What it points at without repeating it.
    subject: Option<Line>,
    /// Whether the bot was meant without doubt.
    mentioned: bool,
}

impl Said {
    /// What points at nothing else.
    const fn plain(line: Line, mentioned: bool) -> Self {
        Self {
            line,
            subject: None,
            mentioned,
        }
    }
}

/// Why a delivery cannot be handled now.
enum Later {
    Surface(SurfaceError),
    Store(StoreError),
    /// It never can: this program does not understand what is stored.
    Never(String),
}

impl From<StoreError> for Later {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SurfaceError> for Later {
    fn from(error: SurfaceError) -> Self {
        Self::Surface(error)
    }
}

/// What the bot itself, the command line or the API stored.
fn understood<T: DeserializeOwned>(delivery: &Delivery) -> Result<T, Later> {
    serde_json::from_value(delivery.body.clone())
        .map_err(|error| Later::Never(format!("this Deckhand does not know this order: {error}")))
}

/// Counts what people think of results, once it is stored.
fn count_opinions(transition: &Transition) {
    let opinions = transition
        .audit
        .iter()
        .filter(|entry| entry.act == RATE_ACT);
    for opinion in opinions {
        metrics::counter!("deckhand_feedback_total", "opinion" => opinion.detail.clone())
            .increment(1);
    }
}

impl Dispatch {
    /// Puts it together.
    #[must_use]
    pub const fn new(
        config: Arc<Config>,
        store: Store,
        surfaces: Surfaces,
        agents: Agents,
        book: PolicyBook,
        clock: Clock,
        wake: Wake,
    ) -> Self {
        Self {
            config,
            store,
            surfaces,
            agents,
            book,
            clock,
            wake,
        }
    }

    /// Handles the oldest delivery that is due, and promises the machine to whoever waits for it.
    pub async fn step(&self, beat: &Heartbeat) -> Result<Step, StoreError> {
        beat.round();
        let now = self.clock.now();
        let delivery = match self.store.next_delivery(now).await? {
            Some(Next::Delivery(delivery)) => delivery,
            Some(Next::Unreadable { id, error }) => {
                self.put_aside(&id, &error, now).await?;
                return Ok(Step::Done);
            }
            None => return self.grant(now).await,
        };
        beat.back_in(ASKS_WITHIN);
        if let Err(error) = self.handle(&delivery, now).await {
            self.hand_back(&delivery).await;
            return Err(error);
        }
        self.grant(now).await?;
        Ok(Step::Done)
    }

    /// The database failed a delivery. It is not to wait for its lease when the database is back.
    async fn hand_back(&self, delivery: &Delivery) {
        let mut tries = 1;
        while let Err(error) = self.store.hand_back_delivery(&delivery.id).await {
            if tries == HANDED_BACK_TRIES_MAX {
                warn!(
                    delivery = %delivery.id,
                    error = &error as &dyn std::error::Error,
                    "a delivery could not be given back; it is tried again after its lease"
                );
                return;
            }
            tokio::time::sleep(pause_before_try(tries, HANDED_BACK_PAUSE_MAX)).await;
            tries += 1;
        }
    }

    async fn handle(&self, delivery: &Delivery, now: Timestamp) -> Result<(), StoreError> {
        match Box::pin(self.transition(delivery, now)).await {
            Ok(transition) => match self
                .store
                .commit(&transition, &self.remains(delivery), now)
                .await
            {
                Ok(()) => {
                    metrics::counter!("deckhand_deliveries_total", "source" => delivery.source.name(), "result" => "done").increment(1);
                    count_opinions(&transition);
                    self.wake.outbox();
                }
                // Somebody else was faster: the delivery is read again with what is true now.
                Err(StoreError::Conflict) => {
                    self.store
                        .postpone_delivery(&delivery.id, now, "conflict")
                        .await?;
                }
                Err(error) => return Err(error),
            },
            // What is damaged costs its own conversation; a database that fails costs everybody, and is tried again.
            Err(Later::Store(error @ StoreError::Task(..))) => {
                self.try_later(delivery, Trouble::Task(error), now).await?;
            }
            Err(Later::Store(error)) => return Err(error),
            // What comes from where the bot is not any more is for nobody.
            Err(Later::Surface(SurfaceError::Closed { .. }))
                if delivery.source == Source::Slack =>
            {
                self.store
                    .commit(&nothing(delivery), &self.remains(delivery), now)
                    .await?;
            }
            Err(Later::Surface(error)) => {
                self.try_later(delivery, Trouble::Surface(error), now)
                    .await?;
            }
            Err(Later::Never(reason)) => {
                self.try_later(delivery, Trouble::Never(reason), now)
                    .await?;
            }
        }
        Ok(())
    }

    async fn grant(&self, now: Timestamp) -> Result<Step, StoreError> {
        match self
            .store
            .grant_slot(self.config.limits.parallel_tasks, now)
            .await?
        {
            Some(task) => {
                info!(%task, "the task has its turn");
                Ok(Step::Done)
            }
            None => Ok(Step::Idle),
        }
    }

    async fn transition(&self, delivery: &Delivery, now: Timestamp) -> Result<Transition, Later> {
        match delivery.source {
            Source::Work => {
                let work: WorkDelivery = understood(delivery)?;
                let Some(stored) = self.store.task(&work.task).await? else {
                    return Ok(nothing(delivery));
                };
                // What stands open is shown where the task has just come.
                let there = match &work.event {
                    Event::IssueFiled { place, .. } => place.conversation.clone(),
                    _ => stored.task.conversation.clone(),
                };
                self.handled_in(delivery, there, stored, work.event, now)
                    .await
            }
            Source::Github => self.ended_on_github(delivery, now).await,
            Source::CommandLine => self.ordered(delivery, Road::CommandLine, now).await,
            Source::Api => self.ordered(delivery, Road::Api, now).await,
            Source::Slack => self.of_slack(delivery, now).await,
            Source::Linear => {
                let incoming = self.read_of_linear(delivery);
                self.heard_of_linear(delivery, &incoming).await?;
                self.incoming(delivery, incoming, now).await
            }
        }
    }

    /// What Linear tells. Where it is not set up any more, nothing hangs on words.
    fn read_of_linear(&self, delivery: &Delivery) -> Incoming {
        let linear = self.config.linear.as_ref();
        let uploads_url = linear.map_or("", |linear| linear.uploads_url.as_str());
        linear::read(&delivery.body, uploads_url)
    }

    async fn of_slack(&self, delivery: &Delivery, now: Timestamp) -> Result<Transition, Later> {
        if let Some(left) = slack::left(&delivery.body) {
            return self.left(delivery, &left, now).await;
        }
        let home = slack::home(&delivery.body);
        let Some(me) = self.surfaces.slack_identity(home).await? else {
            return Ok(nothing(delivery));
        };
        if let Some((organisation, channel, team)) = slack::placed(&delivery.body)
            && let Some(workspaces) = self.surfaces.workspaces()
        {
            workspaces
                .place_channel((organisation, channel), team)
                .await?;
        }
        let incoming = slack::read(&delivery.body, &me);
        self.incoming(delivery, incoming, now).await
    }

    /// Whoever can run a command on the server, or was given a token of its API, may end every task.
    async fn ordered(
        &self,
        delivery: &Delivery,
        road: Road,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Order::Cancel { task, by } = understood(delivery)?;
        let Some(stored) = self.store.task(&task).await? else {
            return Ok(nothing(delivery));
        };
        let id = if road == Road::Api {
            PersonId(format!("{}:{by}", Source::Api.name()))
        } else {
            stored.task.request.author.id.clone()
        };
        let by = Person {
            id,
            name: by,
            standing: Standing::Member,
        };
        let event = Event::CancelAsked { by, road };
        self.handled(delivery, stored, event, now).await
    }

    /// Boxed by kind: together their futures would be large.
    async fn incoming(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        match &incoming {
            Incoming::Nothing => Ok(nothing(delivery)),
            Incoming::Said { .. }
            | Incoming::Edited { .. }
            | Incoming::Deleted { .. }
            | Incoming::Delegated { .. }
            | Incoming::Pointed { .. } => Box::pin(self.worded(delivery, incoming, now)).await,
            Incoming::IssueEdited { .. }
            | Incoming::IssueMoved { .. }
            | Incoming::IssueDeleted { .. } => {
                Box::pin(self.issue_changed(delivery, incoming, now)).await
            }
            Incoming::AccessLost { lost, .. } => {
                Box::pin(self.access_lost(delivery, *lost, now)).await
            }
            Incoming::Reacted { .. }
            | Incoming::StopSignal { .. }
            | Incoming::TakenAway { .. }
            | Incoming::Pressed { .. } => Box::pin(self.acted(delivery, incoming, now)).await,
            Incoming::Asked { .. }
            | Incoming::FormAsked { .. }
            | Incoming::Requested { .. }
            | Incoming::SettingsAsked { .. }
            | Incoming::SettingsSent { .. }
            | Incoming::HomeOpened { .. } => Box::pin(self.looked(delivery, incoming)).await,
        }
    }

    /// Handles what happened in no conversation of its own.
    async fn handled(
        &self,
        delivery: &Delivery,
        stored: Stored,
        event: Event,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let home = stored.task.conversation.clone();
        self.handled_in(delivery, home, stored, event, now).await
    }

    /// The end of a pull request, where it is the task's own. Another one of its branch may be opened and merged by whoever may
    /// write there, and an earlier one may end late.
    async fn ended_on_github(
        &self,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(ended) = github::read(&delivery.body) else {
            return Ok(nothing(delivery));
        };
        let Some(stored) = self.store.task_of_branch(&ended.branch).await? else {
            return Ok(nothing(delivery));
        };
        let known = stored.task.publication.as_ref();
        let known = known.and_then(|publication| publication.pull_request.as_ref());
        let is_another = known
            .zip(ended.number)
            .is_some_and(|(known, number)| known.number != number);
        if is_another || stored.task.repository() != Some(&ended.repository) {
            return Ok(nothing(delivery));
        }
        let event = Event::PullRequestEnded {
            merged: ended.merged,
            by: ended.by,
        };
        self.handled(delivery, stored, event, now).await
    }

    async fn handled_in(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        mut stored: Stored,
        event: Event,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let entry = audit_of(&stored.task, &event);
        let mut around = self.surroundings().await?;
        around.network = self.network_of(&stored.task, &event).await?;
        around.work_ms = self.work_ms_of(&event);
        let effects = stored.task.handle(&Happened { at: now, event }, &around);
        let audit = entry
            .map(|entry| with_outcome(entry, &effects))
            .into_iter()
            .collect();
        Ok(Transition {
            delivery: delivery.id.clone(),
            conversation,
            task: Some(stored),
            alone: None,
            effects,
            audit,
            settings: None,
        })
    }
}
