//! What is said: put into words, with the links that its readers need, and remembered where it stands.

use tracing::warn;

use super::Deliver;
use crate::{
    domain::{
        TaskId,
        conversation::{ConversationId, LineRef, Person},
        effect::Slot,
        message::Message,
        task::Task,
        waiting::Asked,
    },
    engine::{Fault, surfaces::Surfaces},
    linear, links,
    store::{StoreError, outbox::Claimed, posts::Post, tasks::Stored},
    surface::{Attempt, Control, Pending, Words, WordsKind},
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
        let stored = match self.context.store.task(task).await {
            Ok(stored) => stored,
            // What was to be said of it is known, and so is where.
            Err(StoreError::Task(..)) => None,
            Err(error) => return Err(error.into()),
        };
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
            say_aside(&mut words);
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
        // A reminder offers what it reminds of itself.
        let has_choices = matches!(message, Message::Reminder(_));
        let is_remark = words.kind == WordsKind::Note && standing.is_none() && !has_choices;
        let remark = if is_remark {
            let remark = self.remark(conversation, Some(&key), &words, attempt);
            remark.await?
        } else {
            None
        };
        let surfaces = &self.context.surfaces;
        let say = surfaces.say(conversation, &key, standing.as_ref(), &words, attempt);
        let reference = match remark {
            Some(reference) => reference,
            None => say.await?,
        };
        if standing.as_ref() != Some(&reference) {
            self.context.store.remember_post(&post, &reference).await?;
        }
        Ok(())
    }

    /// Answers one person.
    pub(super) async fn whisper(
        &self,
        claimed: &Claimed,
        to: &Person,
        message: &Message,
    ) -> Result<(), Fault> {
        let conversation = &claimed.conversation;
        let said = (message, claimed.task.as_ref());
        let words = self.words(said, conversation, Further::default())?;
        let remark = self.remark(conversation, None, &words, Attempt::First);
        if remark.await?.is_none() {
            let surfaces = &self.context.surfaces;
            surfaces.whisper(conversation, &to.id, &words).await?;
        }
        Ok(())
    }

    /// Says something by the way where the last words take the choices of those before away: what is waited for stands below
    /// it. None, and nothing is said, where they do not.
    async fn remark(
        &self,
        conversation: &ConversationId,
        slot: Option<&str>,
        words: &Words,
        attempt: Attempt,
    ) -> Result<Option<LineRef>, Fault> {
        let surfaces = &self.context.surfaces;
        let Some(floor) = surfaces.floor(conversation).await? else {
            return Ok(None);
        };
        let pending = self.pending(conversation).await?;
        let said = surfaces.say_on(floor, slot, words, pending.as_ref(), attempt);
        Ok(Some(said.await?))
    }

    /// What a conversation waits for: what its task, or else a question that was asked there, has asked for and stands there
    /// undecided. Whoever has the floor there reads it as it is when they speak: what is decided meanwhile is said behind them.
    async fn pending(&self, conversation: &ConversationId) -> Result<Option<Pending>, Fault> {
        let store = &self.context.store;
        let task = match store.task_of(conversation).await {
            Ok(task) => task,
            // What is damaged is its own task's trouble.
            Err(StoreError::Task(..)) => None,
            Err(error) => return Err(error.into()),
        };
        let asked = store.open_inquiries(conversation).await?;
        for Stored { task, .. } in task.into_iter().chain(asked) {
            let mut controls = Vec::new();
            for (slot, message) in task.standing() {
                let said = (&message, Some(&task.id));
                let words = self.words(said, conversation, Further::default())?;
                if words.kind == WordsKind::Decision
                    && store
                        .find_post(&post(conversation, &task.id, &slot))
                        .await?
                        .is_some()
                {
                    controls.extend(words.controls);
                }
            }
            if controls.is_empty() {
                continue;
            }
            let links = self.links(Some(&task.id), conversation, Further::default());
            let sentence = words::still_asked(task.asked().as_ref(), &links);
            let sentence = sentence.map_err(Fault::of_words)?;
            return Ok(Some(Pending { sentence, controls }));
        }
        Ok(None)
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
        let links = self.links(task, conversation, further);
        words::render(message, &links).map_err(Fault::of_words)
    }

    fn links(
        &self,
        task: Option<&TaskId>,
        conversation: &ConversationId,
        further: Further,
    ) -> words::Links {
        let task_url = task.map_or_else(
            || self.context.config.public_url.clone(),
            |task| links::task_url(&self.context.config, task),
        );
        words::Links {
            task_url,
            card_url: further.card_url,
            reactions: Surfaces::reactions(conversation),
            issues: further.issues,
        }
    }
}

/// What is said by the way neither moves nor ends what stands there. The pages that a session leads to are its task's, and
/// what can be chosen there is what the conversation waits for.
fn say_aside(words: &mut Words) {
    match words.kind {
        WordsKind::Status { .. } | WordsKind::Ending { .. } | WordsKind::Note => {
            words.kind = WordsKind::Note;
            words.controls.clear();
        }
        WordsKind::Decision => {
            let is_page = |one: &Control| matches!(one, Control::Open { .. });
            words.controls.retain(|one| !is_page(one));
        }
    }
}

fn post(conversation: &ConversationId, task: &TaskId, slot: &Slot) -> Post {
    Post {
        conversation: conversation.clone(),
        slot: slot.to_string(),
        task: task.clone(),
    }
}
