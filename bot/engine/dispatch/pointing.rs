//! Requests that somebody makes of what somebody has said.

use super::{
    Dispatch, Later,
    deliveries::answer,
    opening::{Beside, Request},
};
use crate::{
    domain::{
        Timestamp,
        command::{self, Command},
        conversation::{ConversationId, Line, LineKind, Person, Place},
        message::Message,
        policy::Act,
    },
    store::{inbox::Delivery, posts::REQUEST_SLOT, tasks::Transition},
    words::pointed_words,
};

impl Dispatch {
    /// A message becomes a request of whoever points at it. Its words are theirs to give where its writer may steer;
    /// otherwise they ask for what it describes, and it stays what it is: the words of somebody else.
    pub(super) async fn pointed(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        (by, line): (Person, Line),
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let request = self.store.post_at(&line.reference).await?;
        if let Some(post) = request.filter(|post| post.slot == REQUEST_SLOT)
            && let Some(stored) = self.store.task(&post.task).await?
        {
            let task = self.task_line(&stored.task, &self.store.queue().await?);
            let message = Message::AlreadyAsked { task };
            return Ok(answer(delivery, conversation, &by, message));
        }
        if let Some(stored) = self.live_about(delivery, &line.text).await? {
            let here = Place {
                conversation,
                opening: line.reference.clone(),
            };
            let line = self.words_of(&by, line);
            return Box::pin(self.join(delivery, here, stored, by, line, now)).await;
        }
        let policy = &self.config.policy;
        let may_steer = policy.allows(Act::Steer, &line.author, &by.id).is_ok();
        let (text, options) = if may_steer {
            command::parse(&line.text)
        } else {
            (Command::Empty, command::Options::default())
        };
        // What is pointed at is work whatever it says: "stop" on a sign is no command.
        let words = match text {
            Command::Words(words) | Command::New(words) => words,
            _ => line.text.clone(),
        };
        let is_own = line.author.id == by.id;
        let (line, subject, words) = if may_steer {
            let also_by = if is_own {
                Vec::new()
            } else {
                vec![line.author.clone()]
            };
            let own = Line {
                author: by,
                also_by,
                ..line
            };
            (own, None, words)
        } else {
            let asked = pointed_words(&line.author.name);
            let own = Line::said(line.reference.clone(), by, asked.clone());
            let subject = Line {
                kind: LineKind::Issue,
                ..line
            };
            (own, Some(subject), asked)
        };
        let request = Request {
            line,
            subject,
            command: Command::New(words),
            options,
            place,
            beside: Beside::Nobody,
            stands: false,
        };
        self.open(delivery, conversation, request, now).await
    }

    /// A message as the words of whoever points at it, where its writer may give instructions.
    fn words_of(&self, by: &Person, line: Line) -> Option<Line> {
        // "stop" on a sign is no command.
        if !matches!(command::parse(&line.text).0, Command::Words(_)) {
            return None;
        }
        let writer = line.author.clone();
        let policy = &self.config.policy;
        policy.allows(Act::Steer, &writer, &by.id).ok()?;
        let also_by = if writer.id == by.id {
            Vec::new()
        } else {
            vec![writer]
        };
        Some(Line {
            author: by.clone(),
            also_by,
            ..line
        })
    }
}
