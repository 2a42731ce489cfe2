//! Buttons, forms and reactions: what they make happen.

use super::{
    Dispatch, Later,
    deliveries::{answer, form, nothing},
};
use crate::{
    domain::{
        Timestamp, command,
        conversation::{ConversationId, LineRef, Person, Road, Standing},
        effect::FormRequest,
        event::{Event, ReactionMeaning},
        incoming::{Author, Incoming, Press},
        message::Message,
        policy::Act,
        task::{State, Task},
    },
    linear,
    store::{
        inbox::{Delivery, Source},
        posts::{Post, REQUEST_SLOT},
        tasks::{Stored, Transition},
    },
};

/// Something that was pressed.
pub(super) struct Pressed {
    /// Where.
    pub conversation: ConversationId,
    /// Who did it.
    pub by: Person,
    /// What it stands for.
    pub press: Press,
}

impl Dispatch {
    /// What people do without words.
    pub(super) async fn acted(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        match incoming {
            Incoming::Reacted { by, on, meaning } => {
                let Some(post) = self.reacted_to(&on).await? else {
                    return Ok(nothing(delivery));
                };
                self.reacted(delivery, &post, &by, meaning, now).await
            }
            Incoming::StopSignal { conversation, by } => {
                Box::pin(self.stopped(delivery, conversation, &by, now)).await
            }
            Incoming::TakenAway { about, by } => self.taken_away(delivery, &about, &by, now).await,
            Incoming::Pressed {
                conversation,
                by,
                press,
            } => {
                let Some(stored) = self.pressed_task(delivery, &conversation).await? else {
                    return Ok(nothing(delivery));
                };
                let stored = match delivery.source {
                    Source::Linear => self.answered_beside(&conversation, stored, &press).await?,
                    Source::Slack
                    | Source::Github
                    | Source::Work
                    | Source::CommandLine
                    | Source::Api => stored,
                };
                let by = self.surfaces.person(&by).await?;
                let pressed = Pressed {
                    conversation,
                    by,
                    press,
                };
                self.pressed(delivery, stored, pressed, now).await
            }
            _ => Ok(nothing(delivery)),
        }
    }

    /// What a press in a session is for, which says the number of a question and not whose it is: a question that was asked
    /// beside the task, where that one waits for this answer and the task does not.
    async fn answered_beside(
        &self,
        conversation: &ConversationId,
        task: Stored,
        press: &Press,
    ) -> Result<Stored, Later> {
        let Press::Answer { question, .. } = press else {
            return Ok(task);
        };
        if waits_for(&task.task, *question) {
            return Ok(task);
        }
        let asked = self.store.open_inquiries(conversation).await?;
        let waits = |one: &Stored| waits_for(&one.task, *question);
        Ok(asked.into_iter().find(waits).unwrap_or(task))
    }

    /// What an emoji hangs on, if it is ours or a request to us. In Linear it hangs under the comment that opened the
    /// session, which Linear writes itself where an issue is delegated.
    async fn reacted_to(&self, on: &LineRef) -> Result<Option<Post>, Later> {
        if let Some(post) = self.store.post_at(on).await? {
            return Ok(Some(post));
        }
        let Some(linear) = self
            .surfaces
            .linear()
            .filter(|_| on.0.starts_with(linear::SURFACE))
        else {
            return Ok(None);
        };
        let Some(conversation) = linear.session_on(on).await? else {
            return Ok(None);
        };
        let stored = self.store.task_of(&conversation).await?;
        Ok(stored.map(|stored| Post {
            conversation,
            slot: REQUEST_SLOT.to_owned(),
            task: stored.task.id,
        }))
    }

    pub(super) async fn pressed(
        &self,
        delivery: &Delivery,
        stored: Stored,
        pressed: Pressed,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Pressed {
            conversation,
            by,
            press,
        } = pressed;
        let (by, press) = match decided(by, press) {
            Ok(event) => {
                let handled = self.handled_in(delivery, conversation, stored, event, now);
                return handled.await;
            }
            Err(further) => further,
        };
        let event = match press {
            Press::ChooseRepository { text } => {
                let Some(repository) = command::parse_repository(&text) else {
                    let unknown = vec![command::UnknownOption {
                        written: text,
                        hint: "a repository is written `owner/name`".to_owned(),
                    }];
                    let hints = Message::OptionHints { unknown };
                    return Ok(answer(delivery, conversation, &by, hints));
                };
                Event::RepositoryChosen { by, repository }
            }
            Press::OpenCorrection { revision, trigger } => {
                if let Some(refused) = self.no_correction(&stored, &by, revision) {
                    return Ok(answer(delivery, conversation, &by, refused));
                }
                let asked = FormRequest::Correction { revision };
                return Ok(form(delivery, conversation, stored, (trigger, asked)));
            }
            Press::OpenRepository { trigger } => {
                let act = Act::Steer;
                let requester = &stored.task.request.author.id;
                if let Err(refusal) = self.config.policy.allows(act, &by, requester) {
                    // Its menu lists what there is, which is not for everybody.
                    let message = Message::NotAllowed { act, refusal };
                    return Ok(answer(delivery, conversation, &by, message));
                }
                let asked = FormRequest::Repository;
                return Ok(form(delivery, conversation, stored, (trigger, asked)));
            }
            _ => return Ok(nothing(delivery)),
        };
        self.handled_in(delivery, conversation, stored, event, now)
            .await
    }

    /// Why somebody cannot correct this revision; nobody is to write into a form for nothing.
    fn no_correction(&self, stored: &Stored, by: &Person, seen: u32) -> Option<Message> {
        let task = &stored.task;
        let current = match task.state {
            State::AwaitingApproval { revision } => Some(revision),
            _ => None,
        };
        if current != Some(seen) {
            return Some(Message::StaleApproval { seen, current });
        }
        let act = Act::Steer;
        let allowed = self.config.policy.allows(act, by, &task.request.author.id);
        let refusal = allowed.err()?;
        Some(Message::NotAllowed { act, refusal })
    }

    pub(super) async fn reacted(
        &self,
        delivery: &Delivery,
        post: &Post,
        by: &Author,
        meaning: ReactionMeaning,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(stored) = self.store.task(&post.task).await? else {
            return Ok(nothing(delivery));
        };
        let revision = post
            .slot
            .strip_prefix("plan-")
            .and_then(|number| number.parse().ok());
        let by = self.surfaces.person(by).await?;
        // The bot marks with the same emojis; its own are never meant.
        if by.standing == Standing::Bot {
            return Ok(nothing(delivery));
        }
        let event = Event::Reacted {
            by,
            meaning,
            revision,
        };
        let from = post.conversation.clone();
        self.handled_in(delivery, from, stored, event, now).await
    }
}

/// What a press is to the task, where it says all that the task needs to know; the press itself where it does not.
fn decided(by: Person, press: Press) -> Result<Event, (Person, Press)> {
    Ok(match press {
        Press::Approve { revision } => Event::Approved {
            by,
            revision,
            road: Road::Button,
        },
        Press::Correct { revision, text } => Event::Corrected { by, revision, text },
        Press::EditPlan { revision, edit } => Event::PlanEdited { by, revision, edit },
        Press::MakeIssue {
            revision,
            team,
            trigger,
        } => Event::IssueWanted {
            by,
            revision,
            team: team.map(command::TeamKey),
            trigger,
        },
        Press::Cancel => Event::CancelAsked {
            by,
            road: Road::Button,
        },
        Press::Retry => Event::RetryAsked { by },
        Press::Widen { entry, verdict } => Event::NetworkDecided {
            by,
            entry,
            verdict,
            road: Road::Button,
        },
        Press::Settle {
            proposal,
            settlement,
        } => Event::ProposalSettled {
            by,
            proposal,
            settlement,
            road: Road::Button,
        },
        Press::Rate { opinion } => Event::Rated { by, opinion },
        Press::Answer { question, text } => Event::Answered { by, question, text },
        press @ (Press::ChooseRepository { .. }
        | Press::OpenCorrection { .. }
        | Press::OpenRepository { .. }) => return Err((by, press)),
    })
}

/// Whether a task waits for the answer to the question of this number.
fn waits_for(task: &Task, number: u32) -> bool {
    matches!(&task.state, State::AwaitingInput { question } if question.number == number)
}
