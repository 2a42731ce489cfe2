//! What happens to the issue that a task is about: it is edited, moved, or thrown away.

use super::{Dispatch, Later, nothing};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{ConversationId, Line, SubjectId},
        event::Event,
        incoming::{Author, Incoming},
    },
    linear,
    store::{
        inbox::Delivery,
        tasks::{Stored, Transition},
    },
    surface::SurfaceError,
};

impl Dispatch {
    /// What happened to an issue that a task may be about.
    pub(super) async fn issue_changed(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let (Incoming::IssueEdited {
            about, formerly, ..
        }
        | Incoming::IssueMoved { about, formerly }
        | Incoming::IssueDeleted { about, formerly }) = &incoming
        else {
            return Ok(nothing(delivery));
        };
        let Some((stored, there)) = self.worked_on(about, formerly).await? else {
            return Ok(nothing(delivery));
        };
        match &incoming {
            Incoming::IssueEdited { by, .. } => {
                self.issue_edited(delivery, (stored, there), by, now).await
            }
            Incoming::IssueMoved { about, .. } => {
                let about = about.clone();
                let event = Event::IssueMoved { about };
                self.handled_in(delivery, there, stored, event, now).await
            }
            _ => self.issue_deleted(delivery, (stored, there), now).await,
        }
    }

    /// Tells the task what its issue says now, with everybody who wrote in it. The words of the delivery are none that
    /// anybody answers for: Linear says in it who edited, and not who wrote.
    async fn issue_edited(
        &self,
        delivery: &Delivery,
        (stored, there): (Stored, ConversationId),
        by: &Author,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let subject = match self.surfaces.subject(&there).await {
            Ok(subject) => subject,
            // It was thrown away meanwhile, which is told by itself.
            Err(SurfaceError::Permanent { .. }) => None,
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                return Err(error.into());
            }
        };
        let Some(subject) = subject else {
            return Ok(nothing(delivery));
        };
        let by = self.surfaces.person(by).await?;
        let writers = subject.line.writers().filter(|writer| writer.id != by.id);
        let line = Line {
            reference: linear::ids::edited(&subject.line.reference),
            also_by: writers.cloned().collect(),
            author: by,
            ..subject.line.clone()
        };
        let (command, options) = command::parse(&line.text);
        let event = Event::Edited {
            line,
            command,
            options,
            mentioned: false,
        };
        self.handled_in(delivery, there, stored, event, now).await
    }

    /// Asks what becomes of the task whose issue is gone.
    async fn issue_deleted(
        &self,
        delivery: &Delivery,
        (stored, there): (Stored, ConversationId),
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(line) = stored.task.issue().cloned() else {
            return Ok(nothing(delivery));
        };
        let event = Event::Deleted { line };
        self.handled_in(delivery, there, stored, event, now).await
    }

    /// The newest task about something, with its conversation there. One that has failed can go on, and hears of it too.
    pub(super) async fn worked_on(
        &self,
        about: &SubjectId,
        formerly: &[SubjectId],
    ) -> Result<Option<(Stored, ConversationId)>, Later> {
        let Some(stored) = self.store.last_about_any(about, formerly).await? else {
            return Ok(None);
        };
        let there = stored.task.place_on(about.surface()).cloned();
        Ok(there.map(|there| (stored, there)))
    }
}
