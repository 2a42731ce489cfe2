//! What people say, and who hears it: the task of the conversation, a question that was asked beside it, or nobody yet.
//!
//! Where a task stands in a conversation, questions that are asked there do not disturb it: what is said goes to the task.
//! There are four exceptions, each of which is what a person means. A reply is for a question that waits for one while the
//! task does not; a task that is over hears nothing while a question is looked up; `retry` is for what failed; and `stop`
//! ends whatever is at work, or the task that waits where nothing is.

use super::{
    Dispatch, Later, Said,
    deliveries::{answer, nothing, wants_a_new_task, work_delivery},
    opening::{Beside, Request},
};
use crate::{
    domain::{
        Timestamp,
        command::{self, Command},
        conversation::{ConversationId, Line, Person, Place, Road},
        event::Event,
        task::{State, Task},
    },
    store::{
        inbox::Delivery,
        tasks::{Stored, Transition},
    },
};

impl Dispatch {
    pub(super) async fn said(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        said: Said,
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Said {
            line,
            subject,
            mentioned,
        } = said;
        let (command, options) = command::parse(&line.text);
        if mentioned && command == Command::List {
            let list = self.list(&line.author).await?;
            return Ok(answer(delivery, conversation, &line.author, list));
        }
        let known = self.store.task_of(&conversation).await?;
        if mentioned || known.is_some() {
            let task = known.as_ref().map(|stored| (&stored.task, now));
            let asked = self.explained(&line.author, &command, (&conversation, place), task);
            if let Some(told) = asked.await? {
                return Ok(answer(delivery, conversation, &line.author, told));
            }
        }
        // What people say to each other is no question to the bot.
        let asks = matches!(command, Command::Ask(_)) && mentioned;
        let is_new = matches!(command, Command::New(_)) && mentioned;
        let known = match known {
            Some(stored) if !asks && !is_new => {
                let heard = (&conversation, &line.author, now);
                Some(Box::pin(self.hearer(delivery, stored, &command, heard)).await?)
            }
            known => known,
        };
        match known {
            Some(stored)
                if !(is_new || asks || mentioned && wants_a_new_task(&stored.task, &command)) =>
            {
                if !mentioned && is_left_alone(&stored.task, &command) {
                    return Ok(nothing(delivery));
                }
                let event = Event::Said {
                    line,
                    command,
                    options,
                    mentioned,
                };
                self.handled_in(delivery, conversation, stored, event, now)
                    .await
            }
            Some(_) | None if !mentioned => Ok(nothing(delivery)),
            known => {
                if !is_new
                    && !asks
                    && let Some(stored) = self.live_about(delivery, &line.text).await?
                {
                    let joined = self.brought(delivery, conversation, stored, line, now);
                    return Box::pin(joined).await;
                }
                let request = Request {
                    line,
                    subject,
                    command,
                    options,
                    place,
                    beside: if is_new {
                        Beside::Others
                    } else {
                        Beside::Nobody
                    },
                    stands: known.is_some_and(|stored| is_talked_about(&stored.task)),
                };
                Box::pin(self.open(delivery, conversation, request, now)).await
            }
        }
    }

    /// Somebody speaks elsewhere of what a task is about: it is brought there, with what they said.
    async fn brought(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        stored: Stored,
        line: Line,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let here = Place {
            conversation,
            opening: line.reference.clone(),
        };
        let by = line.author.clone();
        self.join(delivery, here, stored, by, Some(line), now).await
    }

    /// Who hears a sentence in a conversation: its task, or a question that was asked there.
    async fn hearer(
        &self,
        delivery: &Delivery,
        task: Stored,
        command: &Command,
        (conversation, by, now): (&ConversationId, &Person, Timestamp),
    ) -> Result<Stored, Later> {
        let asked = self.store.open_inquiries(conversation).await?;
        if asked.is_empty() {
            return Ok(task);
        }
        if *command == Command::Stop {
            return self
                .stopped_first(delivery, (task, asked), (by, Road::Sentence), now)
                .await;
        }
        if task.task.purpose().is_inquiry() && !task.task.state.is_over() {
            return Ok(task);
        }
        let is_for = |one: &Stored| is_for_question(&task.task, &one.task, command);
        Ok(asked.into_iter().find(is_for).unwrap_or(task))
    }

    /// What a stop in a conversation ends first; the rest of what is at work there is told to end by itself. Where nothing
    /// is at work, that is the task, or the question where there is no task.
    pub(super) async fn stopped_first(
        &self,
        delivery: &Delivery,
        (task, asked): (Stored, Vec<Stored>),
        (by, road): (&Person, Road),
        now: Timestamp,
    ) -> Result<Stored, Later> {
        let beside = asked.into_iter().filter(|one| one.task.id != task.task.id);
        let (mut at_work, mut resting): (Vec<Stored>, Vec<Stored>) =
            beside.partition(|one| is_at_work(&one.task));
        let first = if is_at_work(&task.task) {
            task
        } else if !at_work.is_empty() {
            at_work.remove(0)
        } else if task.task.state.is_over() && !resting.is_empty() {
            resting.remove(0)
        } else {
            task
        };
        for stored in at_work {
            let by = by.clone();
            let key = format!("stopped-with:{}:{}", delivery.id, stored.task.id);
            let event = Event::CancelAsked { by, road };
            let order = work_delivery(&stored.task, key, event);
            self.store.accept(&order, now).await?;
        }
        Ok(first)
    }
}

/// Whether something of a task goes on, or is about to: nobody is waited for.
const fn is_at_work(task: &Task) -> bool {
    task.state.holds_slot() || matches!(task.state, State::Queued { .. })
}

/// Whether a task waits for somebody's decision or answer.
const fn is_waiting(task: &Task) -> bool {
    matches!(
        task.state,
        State::AwaitingApproval { .. } | State::AwaitingInput { .. }
    )
}

/// Whether a task is still talked about in its conversation.
const fn is_talked_about(task: &Task) -> bool {
    !task.purpose().is_inquiry() && !task.state.is_over()
}

/// Whether what is said in a task's conversation is for a question that was asked there, and not for the task.
fn is_for_question(task: &Task, question: &Task, command: &Command) -> bool {
    let has_failed = matches!(question.state, State::Failed { .. });
    if *command == Command::Retry {
        return has_failed && !matches!(task.state, State::Failed { .. });
    }
    if has_failed {
        return false;
    }
    task.state.is_over() || (is_waiting(question) && !is_waiting(task))
}

/// Whether people talk among themselves: a question is answered, and what they say without a mention is for each other.
fn is_left_alone(task: &Task, command: &Command) -> bool {
    let is_talk = matches!(
        command,
        Command::Words(_) | Command::Approve | Command::Empty | Command::Ask(_)
    );
    task.purpose().is_inquiry()
        && is_talk
        && task.state.is_over()
        && !matches!(task.state, State::Failed { .. })
}
