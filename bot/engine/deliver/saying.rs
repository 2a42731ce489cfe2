//! What is said: put into words, with the links that its readers need, and remembered where it stands.

use tracing::warn;

use super::Deliver;
use crate::{
    domain::{
        TaskId, conversation::ConversationId, effect::Slot, message::Message, task::Task,
        waiting::Asked,
    },
    engine::{Fault, surfaces::Surfaces},
    linear, links,
    store::{StoreError, outbox::Claimed, posts::Post},
    surface::{Attempt, Control, Words, WordsKind},
    words::{self, Issues},
};

/// What a message may lead to beside its task's page.
#[derive(Default)]
pub(super) struct Further {
    /// The page of the card that somebody is reminded of.
    card_url: Option<String>,
    /// Whether an issue can be made from it.
    issues: Issues,
}

impl Deliver {
    pub(super) async fn say(
        &self,
        claimed: &Claimed,
        slot: &Slot,
        message: &Message,
        attempt: Attempt,
    ) -> Result<(), Fault> {
        let (conversation, task) = (&claimed.conversation, self.owner(claimed)?);
        let stored = self.context.store.task(task).await?;
        let is = |wanted: fn(&ConversationId, &Task) -> bool| {
            let stored = stored.as_ref();
            stored.is_some_and(|stored| wanted(conversation, &stored.task))
        };
        let is_status = matches!(slot, Slot::Progress(_));
        if is_status && is(|conversation, task| task.is_quiet_in(conversation)) {
            return Ok(());
        }
        let is_aside = is(Surfaces::is_anothers);
        let card_url = match message {
            Message::Reminder(reminder) => {
                self.card_url(conversation, task, &reminder.asked).await?
            }
            _ => None,
        };
        let issues = match message {
            Message::PlanCard(_) => self.issues_in(conversation).await,
            _ => Issues::NotMade,
        };
        let further = Further { card_url, issues };
        let mut words = self.words((message, Some(task)), conversation, further)?;
        if is_aside {
            words.kind = said_aside(&words.kind);
            // The pages that a session leads to are its task's.
            words
                .controls
                .retain(|one| !matches!(one, Control::Open { .. }));
        }
        let post = post(conversation, task, slot);
        let (standing, attempt) = match self.context.store.find_post(&post).await {
            Ok(standing) => (standing, attempt),
            // It may stand on the surface all the same, where it is looked for.
            Err(error @ StoreError::Post(..)) => {
                warn!(%task, error = &error as &dyn std::error::Error, "a message is looked for");
                (None, Attempt::Repeated)
            }
            Err(error) => return Err(error.into()),
        };
        if is_aside && is_status && standing.is_some() {
            // The first words were enough; the answer follows.
            return Ok(());
        }
        let is_sought = attempt == Attempt::Repeated;
        let is_over = words.kind == WordsKind::Note && slot.is_a_card();
        if standing.is_none() && !is_sought && is_over && !self.is_home(task, conversation).await? {
            // What is decided has nothing to say where nobody was asked: the task was brought there later.
            return Ok(());
        }
        let key = format!("{task}:{slot}");
        self.still_ours(claimed).await?;
        let reference = self
            .context
            .surfaces
            .say(conversation, &key, standing.as_ref(), &words, attempt)
            .await?;
        if standing.as_ref() != Some(&reference) {
            self.context.store.remember_post(&post, &reference).await?;
        }
        Ok(())
    }

    /// The page of the card that waits for a decision or an answer, where it stands and has one.
    async fn card_url(
        &self,
        conversation: &ConversationId,
        task: &TaskId,
        asked: &Asked,
    ) -> Result<Option<String>, StoreError> {
        let card = post(conversation, task, &asked.slot());
        let line = match self.context.store.find_post(&card).await {
            Ok(Some(line)) => line,
            Ok(None) | Err(StoreError::Post(..)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(self
            .context
            .surfaces
            .page_of_line(conversation, &line)
            .await)
    }

    /// Whether a card in a conversation can have an issue made: there are issues beside a thread, not beside an issue.
    async fn issues_in(&self, conversation: &ConversationId) -> Issues {
        let is_beside = conversation.surface() != linear::SURFACE;
        match self.context.surfaces.linear().filter(|_| is_beside) {
            Some(linear) if linear.has_access().await => Issues::Made,
            Some(_) | None => Issues::NotMade,
        }
    }

    pub(super) fn words(
        &self,
        (message, task): (&Message, Option<&TaskId>),
        conversation: &ConversationId,
        further: Further,
    ) -> Result<Words, Fault> {
        let task_url = task.map_or_else(
            || self.context.config.public_url.clone(),
            |task| links::task_url(&self.context.config, task),
        );
        let links = words::Links {
            task_url,
            card_url: further.card_url,
            reactions: Surfaces::reactions(conversation),
            issues: further.issues,
        };
        words::render(message, &links).map_err(Fault::of_words)
    }
}

/// What is said by the way neither moves nor ends what stands there.
fn said_aside(kind: &WordsKind) -> WordsKind {
    match kind {
        WordsKind::Status { .. } | WordsKind::Ending { .. } | WordsKind::Note => WordsKind::Note,
        WordsKind::Decision => WordsKind::Decision,
    }
}

fn post(conversation: &ConversationId, task: &TaskId, slot: &Slot) -> Post {
    Post {
        conversation: conversation.clone(),
        slot: slot.to_string(),
        task: task.clone(),
    }
}
