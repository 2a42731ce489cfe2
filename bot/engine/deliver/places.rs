//! A task in several conversations: how it gets there, and what it shows when it comes.

use tracing::info;

use super::Deliver;
use crate::{
    domain::{
        TaskId,
        conversation::{Line, Place, SubjectId},
        effect::{Mark, Slot},
        event::Event,
        task::Task,
    },
    engine::Fault,
    linear, links,
    store::{
        StoreError,
        outbox::Claimed,
        posts::{Post, REQUEST_SLOT},
    },
    surface::{Attempt, SurfaceError},
    words::tame,
};

/// The longest name of the work that a surface is given, in characters.
const TITLE_MAX_CHARS: usize = 120;

/// Whether a request names an issue without doubt: by its address, or because there was one when it was asked for.
fn is_meant(task: &Task) -> bool {
    task.about.is_some() || linear::is_addressed(&task.request.text)
}

impl Deliver {
    /// Shows in a conversation how its task stands now. What stands there already is left to what comes after.
    pub(super) async fn introduce(&self, claimed: &Claimed, attempt: Attempt) -> Result<(), Fault> {
        let id = self.owner(claimed)?;
        let Some(stored) = self.context.store.task(id).await? else {
            return Ok(());
        };
        for (slot, message) in stored.task.standing() {
            if !self.stands(claimed, id, &slot).await? {
                self.say(claimed, &slot, &message, attempt).await?;
            }
        }
        self.mark(claimed, stored.task.mark_now()).await
    }

    /// Whether a message of the task stands in the conversation.
    pub(super) async fn stands(
        &self,
        claimed: &Claimed,
        id: &TaskId,
        slot: &Slot,
    ) -> Result<bool, StoreError> {
        let post = Post {
            conversation: claimed.conversation.clone(),
            slot: slot.to_string(),
            task: id.clone(),
        };
        Ok(self.context.store.find_post(&post).await?.is_some())
    }

    /// Edits the card that waits for a decision, where it stands and cards are edited; elsewhere it would be asked again.
    pub(super) async fn redraw(&self, claimed: &Claimed, attempt: Attempt) -> Result<(), Fault> {
        let id = self.owner(claimed)?;
        if claimed.conversation.surface() == linear::SURFACE {
            return Ok(());
        }
        let Some(stored) = self.context.store.task(id).await? else {
            return Ok(());
        };
        for (slot, message) in stored.task.standing() {
            if matches!(slot, Slot::Plan(_)) && self.stands(claimed, id, &slot).await? {
                self.say(claimed, &slot, &message, attempt).await?;
            }
        }
        Ok(())
    }

    /// Sets the status emoji on what opened the task there.
    pub(super) async fn mark(&self, claimed: &Claimed, mark: Mark) -> Result<(), Fault> {
        let (conversation, task) = (&claimed.conversation, self.owner(claimed)?);
        let post = Post {
            conversation: conversation.clone(),
            slot: REQUEST_SLOT.to_owned(),
            task: task.clone(),
        };
        let Some(request) = self.context.store.find_post(&post).await? else {
            return Ok(());
        };
        let stored = self.context.store.task(task).await?;
        let inquiry = stored.as_ref().and_then(|one| one.task.inquiry.as_ref());
        if inquiry.is_some_and(|inquiry| inquiry.beside) {
            self.still_ours(claimed).await?;
            let surfaces = &self.context.surfaces;
            return Ok(surfaces.mark_line(conversation, &request, mark).await?);
        }
        let title = match mark {
            // What is new may be called something; later it has its name.
            Mark::Accepted => stored,
            Mark::Working
            | Mark::NeedsYou
            | Mark::Proved
            | Mark::Answered
            | Mark::Gaps
            | Mark::Canceled => None,
        }
        .map(|stored| tame::plain_to(&stored.task.title(), TITLE_MAX_CHARS));
        self.still_ours(claimed).await?;
        Ok(self
            .context
            .surfaces
            .mark(conversation, &request, mark, title.as_deref())
            .await?)
    }

    /// Brings a task to the issue that its request names, where it is not there yet: a session is opened on it, and the
    /// task hears of it. Gives the task as it is then.
    pub(super) async fn join(&self, claimed: &Claimed, mut task: Task) -> Result<Task, Fault> {
        let Some((place, about)) = self.place_named(&task).await? else {
            return Ok(task);
        };
        let event = Event::Joined {
            by: None,
            place: place.clone(),
            about: Some(about),
        };
        let key = format!("joined:{}", claimed.id);
        self.tell(claimed, &task, key, event).await?;
        // What is read for the task is read there, too.
        task.also.push(place);
        Ok(task)
    }

    /// Tells a task whose request is an issue when that reads otherwise now. What was edited while the task was being opened
    /// came to nobody: Linear tells of it, and no task was about the issue yet.
    pub(super) async fn read_issue_again(
        &self,
        claimed: &Claimed,
        task: &Task,
    ) -> Result<(), Fault> {
        if task.about.is_none() || task.conversation.surface() != linear::SURFACE {
            return Ok(());
        }
        let read = self.context.surfaces.subject(&task.conversation).await;
        let subject = match read {
            Ok(subject) => subject,
            // It was thrown away meanwhile, which is told by itself.
            Err(SurfaceError::Permanent { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(line) = subject.map(|subject| subject.line) else {
            return Ok(());
        };
        if task.knows_issue(&line) {
            return Ok(());
        }
        let line = Line {
            reference: linear::ids::edited(&line.reference),
            ..line
        };
        let key = format!("read:{}", claimed.id);
        self.tell(claimed, task, key, Event::IssueRead { line })
            .await
    }

    async fn place_named(&self, task: &Task) -> Result<Option<(Place, SubjectId)>, Fault> {
        let is_there = task.about.is_some() && task.place_on(linear::SURFACE).is_some();
        // A question is answered where it was asked.
        if is_there || task.purpose().is_inquiry() || self.context.surfaces.linear().is_none() {
            return Ok(None);
        }
        let task_url = links::task_url(&self.context.config, &task.id);
        let named = match &task.about {
            Some(about) => vec![about.clone()],
            None => linear::named_in(&task.request.text),
        };
        for about in named {
            match self.context.surfaces.open_beside(&about, &task_url).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // Who gives an address means it; a word that only looks like a name holds nothing up.
                Err(error) if is_meant(task) => return Err(error.into()),
                Err(error) => {
                    info!(task = %task.id, about = about.0, %error, "what a request may name could not be looked for");
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}
