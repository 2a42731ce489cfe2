//! What people say, and what they change of it: edits and deletions.

use super::{Dispatch, Later, Said, deliveries::nothing};
use crate::{
    domain::{
        Timestamp,
        command::{self, Command},
        conversation::{ConversationId, FileRef, Line, LineRef, Place, SubjectId},
        event::Event,
        incoming::{Author, Incoming},
    },
    store::{
        inbox::Delivery,
        tasks::{Stored, Transition},
    },
};

impl Dispatch {
    /// What people say, and what they change of what they said.
    pub(super) async fn worded(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let is_edit = matches!(incoming, Incoming::Edited { .. });
        match incoming {
            Incoming::Said {
                conversation,
                reference,
                by,
                text,
                files,
                mentioned,
                place,
            }
            | Incoming::Edited {
                conversation,
                reference,
                by,
                text,
                files,
                mentioned,
                place,
            } => {
                let line = self.line(&by, reference, text, files).await?;
                let said = Said::plain(line, mentioned);
                if is_edit {
                    Box::pin(self.edited(delivery, conversation, said, &place, now)).await
                } else {
                    Box::pin(self.said(delivery, conversation, said, &place, now)).await
                }
            }
            Incoming::Deleted {
                conversation,
                reference,
            } => {
                let meant = self.task_of_line(&reference, &conversation).await?;
                let Some((stored, conversation)) = meant else {
                    return Ok(nothing(delivery));
                };
                let event = Event::Deleted { line: reference };
                self.handled_in(delivery, conversation, stored, event, now)
                    .await
            }
            Incoming::Delegated {
                conversation,
                reference,
                by,
                place,
            } => {
                let here = Place {
                    conversation,
                    opening: reference,
                };
                self.given(delivery, here, &by, &place, now).await
            }
            Incoming::Pointed {
                conversation,
                reference,
                by,
                writer,
                text,
                files,
                place,
            } => {
                let by = self.surfaces.person(&by).await?;
                let line = self.line(&writer, reference, text, files).await?;
                self.pointed(delivery, conversation, (by, line), &place, now)
                    .await
            }
            _ => Ok(nothing(delivery)),
        }
    }

    async fn line(
        &self,
        by: &Author,
        reference: LineRef,
        text: String,
        files: Vec<FileRef>,
    ) -> Result<Line, Later> {
        let author = self.surfaces.person(by).await?;
        Ok(Line {
            files,
            ..Line::said(reference, author, text)
        })
    }

    /// An edit of what a task knows belongs to that task. One that puts a mention into what no task knows is said now.
    pub(super) async fn edited(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        said: Said,
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let meant = self
            .task_of_line(&said.line.reference, &conversation)
            .await?;
        let asks = matches!(command::parse(&said.line.text).0, Command::Ask(_));
        let known = meant.filter(|(stored, _)| {
            let is_request = stored.task.request.reference == said.line.reference;
            is_request || !(said.mentioned && (asks || stored.task.state.is_over()))
        });
        let Some((stored, conversation)) = known else {
            return if said.mentioned {
                Box::pin(self.said(delivery, conversation, said, place, now)).await
            } else {
                Ok(nothing(delivery))
            };
        };
        let (command, options) = command::parse(&said.line.text);
        let event = Event::Edited {
            line: said.line,
            command,
            options,
            mentioned: said.mentioned,
        };
        self.handled_in(delivery, conversation, stored, event, now)
            .await
    }

    /// The task whose request this line is, or the newest one of its conversation; with the conversation. Of a comment,
    /// Linear says the issue in place of the session.
    async fn task_of_line(
        &self,
        line: &LineRef,
        conversation: &ConversationId,
    ) -> Result<Option<(Stored, ConversationId)>, Later> {
        if let Some(post) = self.store.post_at(line).await? {
            let stored = self.store.task(&post.task).await?;
            return Ok(stored.map(|stored| (stored, post.conversation)));
        }
        if let Some(stored) = self.store.task_of(conversation).await? {
            return Ok(Some((stored, conversation.clone())));
        }
        self.worked_on(&SubjectId(conversation.0.clone()), &[])
            .await
    }
}
