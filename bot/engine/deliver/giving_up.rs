//! Effects that are given up: put aside with the reason, and the task hears of it, in one transaction.

use tracing::{error, warn};

use super::{
    Deliver, count,
    tables::{Missed, in_words, when_missed},
};
use crate::{
    domain::{TaskId, conversation::ConversationId, event::Event},
    engine::dispatch::work_delivery,
    store::{StoreError, inbox::NewDelivery, leases::Ticket, outbox::Claimed},
};

/// How an effect is called that this program cannot read.
const UNREADABLE: &str = "doing something that this version does not know";

impl Deliver {
    pub(super) async fn give_up(&self, claimed: &Claimed, what: &str) -> Result<(), StoreError> {
        let news = match (when_missed(&claimed.effect), &claimed.task) {
            (Missed::TaskHears, Some(task)) => {
                let effect = in_words(&claimed.effect).to_owned();
                let given_up = |reason| Event::EffectGivenUp { effect, reason };
                self.news(&claimed.id, task, given_up, what).await?
            }
            (Missed::RequesterHears, Some(task)) => {
                let said = in_words(&claimed.effect).to_owned();
                let unsaid = |reason| Event::Unsaid { what: said, reason };
                // Where the task is only talked about as well, it stands at home all the same.
                if self.is_home(task, &claimed.conversation).await? {
                    self.news(&claimed.id, task, unsaid, what).await?
                } else {
                    None
                }
            }
            (Missed::TaskHears | Missed::RequesterHears | Missed::OperatorSees, _) => None,
        };
        self.bury(&claimed.id, what, news).await
    }

    /// Whether a conversation is the one that a task was asked for in.
    pub(super) async fn is_home(
        &self,
        task: &TaskId,
        conversation: &ConversationId,
    ) -> Result<bool, StoreError> {
        match self.context.store.task(task).await {
            Ok(stored) => Ok(stored.is_some_and(|one| one.task.conversation == *conversation)),
            Err(StoreError::Task(..)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives up a row that cannot be read. What it was is not known, so its task does not wait for it.
    pub(super) async fn put_aside(&self, id: &Ticket, task: Option<&TaskId>, what: &str) {
        warn!(
            effect = %id,
            task = task.map(|task| task.0.as_str()),
            what,
            "an effect is put aside unread"
        );
        count("unreadable", "dead");
        let told = async {
            let news = match task {
                Some(task) => {
                    let effect = UNREADABLE.to_owned();
                    let given_up = |reason| Event::EffectGivenUp { effect, reason };
                    self.news(id, task, given_up, what).await?
                }
                None => None,
            };
            self.bury(id, what, news).await
        };
        if let Err(error) = told.await {
            error!(
                error = &error as &dyn std::error::Error,
                "an effect that cannot be read could not be put aside"
            );
        }
    }

    async fn bury(
        &self,
        id: &Ticket,
        what: &str,
        news: Option<NewDelivery>,
    ) -> Result<(), StoreError> {
        let now = self.clock().now();
        self.context
            .store
            .give_up_effect(id, what, news.as_ref(), now)
            .await?;
        self.context.wake.inbox();
        Ok(())
    }

    /// What the task hears; nothing where it is gone or cannot be read itself.
    async fn news(
        &self,
        id: &Ticket,
        task: &TaskId,
        event: impl FnOnce(String) -> Event,
        what: &str,
    ) -> Result<Option<NewDelivery>, StoreError> {
        let stored = match self.context.store.task(task).await {
            Ok(stored) => stored,
            Err(StoreError::Task(..)) => None,
            Err(error) => return Err(error),
        };
        Ok(stored.map(|stored| {
            let event = event(self.context.redactor.redacted(what.to_owned()));
            work_delivery(&stored.task, format!("given-up:{id}"), event)
        }))
    }
}
