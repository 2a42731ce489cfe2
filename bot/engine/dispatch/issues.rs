//! What happens to the issue that a task is about: it is edited, or thrown away.

use super::{Dispatch, Later, nothing};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{ConversationId, Line, LineRef, SubjectId},
        event::Event,
        incoming::Author,
    },
    store::{
        inbox::Delivery,
        tasks::{Stored, Transition},
    },
    surface::SurfaceError,
};

impl Dispatch {
    /// Tells the task what its issue says now, with everybody who wrote in it. The words of the delivery are none that
    /// anybody answers for: Linear says in it who edited, and not who wrote.
    pub(super) async fn issue_edited(
        &self,
        delivery: &Delivery,
        about: &SubjectId,
        by: &Author,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some((stored, there)) = self.worked_on(about).await? else {
            return Ok(nothing(delivery));
        };
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
            reference: edited(&subject.line.reference),
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
    pub(super) async fn issue_deleted(
        &self,
        delivery: &Delivery,
        about: &SubjectId,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some((stored, there)) = self.worked_on(about).await? else {
            return Ok(nothing(delivery));
        };
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
    ) -> Result<Option<(Stored, ConversationId)>, Later> {
        let Some(stored) = self.store.last_about(about).await? else {
            return Ok(None);
        };
        let there = stored.task.place_on(about.surface()).cloned();
        Ok(there.map(|there| (stored, there)))
    }
}

/// The issue as it reads now is another line than the one that was read first.
fn edited(reference: &LineRef) -> LineRef {
    LineRef(format!("{}/edited", reference.0))
}
