//! Deliveries that could not be handled: tried again with growing pauses, then given up, and whoever waits hears of it.

use std::time::Duration;

use serde_json::Value;
use tracing::warn;

use super::Dispatch;
use crate::{
    domain::{
        TaskId, Timestamp,
        conversation::{ConversationId, Person, Standing},
        effect::{Effect, Slot},
        incoming::{Author, Incoming},
        message::Message,
    },
    engine::{pause_asked_for, pause_before_try},
    slack,
    store::{
        StoreError,
        dead_letters::GivenUp,
        inbox::{Delivery, Source},
        leases::Ticket,
        posts::Post,
    },
    surface::SurfaceError,
};

/// How often a delivery is tried whose task cannot be read: long enough for a hand that puts it right.
const DAMAGED_ATTEMPTS_MAX: i64 = 8;
/// How often a delivery is tried while a platform does not answer: with its pauses about three days, as long as a message.
const ATTEMPTS_MAX: i64 = 2_000;
/// The longest pause between two tries, where the other side does not ask for a longer one.
const PAUSE_MAX: Duration = Duration::from_mins(2);
/// The longest pause that a platform may ask for. None has been seen to ask for more than this.
pub(in crate::engine) const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Why a delivery could not be handled.
pub(super) enum Trouble {
    /// A platform did not do what it was asked.
    Surface(SurfaceError),
    /// What is stored of the task cannot be read. Tried again: an operator may put it right, and news of the task wait.
    Task(StoreError),
    /// This program does not understand the delivery.
    Never(String),
}

impl Trouble {
    fn in_words(&self) -> String {
        match self {
            Self::Surface(error) => error.to_string(),
            Self::Task(error) => error.to_string(),
            Self::Never(reason) => reason.clone(),
        }
    }

    /// How long to wait before the next try; none where another one would not help.
    fn pause(&self, attempts: i64) -> Option<Duration> {
        let (most, asked) = match self {
            Self::Surface(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. })
            | Self::Never(_) => return None,
            Self::Surface(SurfaceError::Transient { retry_after, .. }) => {
                (ATTEMPTS_MAX, *retry_after)
            }
            Self::Task(_) => (DAMAGED_ATTEMPTS_MAX, None),
        };
        (attempts < most).then(|| {
            asked.map_or_else(
                || pause_before_try(attempts, PAUSE_MAX),
                |asked| pause_asked_for(asked, RETRY_AFTER_MAX),
            )
        })
    }
}

impl Dispatch {
    /// Tries a delivery again later, or gives it up.
    pub(super) async fn try_later(
        &self,
        delivery: &Delivery,
        trouble: Trouble,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let error = self.surfaces.clean(&trouble.in_words());
        if let Some(pause) = trouble.pause(delivery.attempts + 1) {
            let until = self.clock.later(pause);
            return self
                .store
                .postpone_delivery(&delivery.id, until, &error)
                .await;
        }
        warn!(delivery = %delivery.id, error, "a delivery is given up");
        self.count_dead(delivery.source.name());
        let remains = self.remains(delivery);
        let unreadable = match &trouble {
            Trouble::Task(StoreError::Task(task, _)) => Some(task),
            _ => None,
        };
        let news = match (delivery.source, unreadable) {
            (Source::Work, Some(task)) => self.news_of_damage(delivery, task).await,
            _ => self.news(delivery).await,
        };
        let given_up = GivenUp {
            id: &delivery.id,
            error: &error,
            remains: Some(&remains),
            news: news
                .as_ref()
                .map(|(conversation, effect)| (conversation, effect.clone())),
            unreadable,
        };
        self.store.give_up_delivery(&given_up, now).await
    }

    /// Gives up a row that this program cannot read. All of it stays, for one that can.
    pub(super) async fn put_aside(
        &self,
        id: &Ticket,
        error: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        warn!(delivery = %id, error, "a delivery is put aside unread");
        self.count_dead("unreadable");
        let given_up = GivenUp {
            id,
            error,
            remains: None,
            news: None,
            unreadable: None,
        };
        self.store.give_up_delivery(&given_up, now).await
    }

    #[expect(
        clippy::unused_self,
        reason = "reads like its siblings where it is called"
    )]
    fn count_dead(&self, source: &'static str) {
        metrics::counter!("deckhand_deliveries_total", "source" => source, "result" => "dead")
            .increment(1);
    }

    /// What the thread hears of a task whose own news cannot reach it, once: nobody has said anything that could be answered,
    /// and somebody waits for what will not come.
    async fn news_of_damage(
        &self,
        delivery: &Delivery,
        task: &TaskId,
    ) -> Option<(ConversationId, Effect)> {
        let conversation = ConversationId(delivery.conversation.clone());
        let slot = Slot::UNREADABLE;
        let post = Post {
            conversation: conversation.clone(),
            slot: slot.to_string(),
            task: task.clone(),
        };
        if self.store.find_post(&post).await.ok()?.is_some() {
            return None;
        }
        let asks = self.store.requester_of(task).await.ok()??;
        let message = Box::new(Message::Unreadable {
            asks,
            reference: delivery.id.to_string(),
        });
        Some((conversation, Effect::Say { slot, message }))
    }

    /// What the person hears who said or pressed something that was given up. A reaction is no sentence that waits for an
    /// answer.
    async fn news(&self, delivery: &Delivery) -> Option<(ConversationId, Effect)> {
        let (conversation, by) = match self.heard(delivery).await? {
            Incoming::Said {
                conversation,
                by,
                mentioned,
                ..
            } => {
                // Words between people in a thread that is not ours get no answer.
                let is_ours = self.store.knows_conversation(&conversation).await;
                if !mentioned && !is_ours.unwrap_or(false) {
                    return None;
                }
                (conversation, by)
            }
            Incoming::Edited {
                conversation,
                by,
                mentioned: true,
                ..
            }
            | Incoming::StopSignal { conversation, by }
            | Incoming::Delegated {
                conversation, by, ..
            }
            | Incoming::Pointed {
                conversation, by, ..
            }
            | Incoming::Requested {
                conversation, by, ..
            }
            | Incoming::FormAsked {
                conversation, by, ..
            }
            | Incoming::SettingsAsked {
                conversation, by, ..
            }
            | Incoming::SettingsSent {
                conversation, by, ..
            }
            | Incoming::HomeOpened { conversation, by }
            | Incoming::Asked {
                conversation, by, ..
            }
            | Incoming::Pressed {
                conversation, by, ..
            } => (conversation, by),
            Incoming::Edited { .. }
            | Incoming::Deleted { .. }
            | Incoming::Reacted { .. }
            | Incoming::TakenAway { .. }
            | Incoming::IssueEdited { .. }
            | Incoming::IssueMoved { .. }
            | Incoming::IssueDeleted { .. }
            | Incoming::AccessLost { .. }
            | Incoming::Nothing => return None,
        };
        let effect = Effect::Whisper {
            to: somebody(by),
            message: Box::new(Message::NotHandled {
                reference: delivery.id.to_string(),
            }),
        };
        Some((conversation, effect))
    }

    /// What people have said or pressed.
    async fn heard(&self, delivery: &Delivery) -> Option<Incoming> {
        match delivery.source {
            Source::Slack => {
                let home = slack::home(&delivery.body);
                let me = self.surfaces.slack_identity(home).await.ok()??;
                Some(slack::read(&delivery.body, &me))
            }
            Source::Linear => Some(self.read_of_linear(delivery)),
            Source::Github | Source::Work | Source::CommandLine | Source::Api => None,
        }
    }

    /// What is kept of a delivery that is over: people paste secrets that only look like some, and what they said
    /// otherwise stands where it is needed.
    pub(super) fn remains(&self, delivery: &Delivery) -> Value {
        let mut body = delivery.body.clone();
        self.surfaces.clean_value(&mut body);
        body
    }
}

/// Whoever it was: their platform could not be asked.
fn somebody(author: Author) -> Person {
    Person {
        name: author.name.unwrap_or_default(),
        id: author.id,
        standing: author.standing.unwrap_or(Standing::Member),
    }
}
