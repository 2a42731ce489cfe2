//! What is said becomes activities. They are append-only: nothing is edited, and what says nothing new is not said.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::{
    Linear, choices, files, ids,
    memory::{Memory, Posture},
    operations::{
        Activity, Content, Id, Identified, Input, OfSession, PlanStatus, PlanStep, SAID, SAY,
        SESSION, Session, Signal, Status, Stay,
    },
    show,
};
use crate::{
    domain::{
        Timestamp,
        conversation::{ConversationId, LineRef, PersonId},
    },
    surface::{
        Attempt, Control, Form, Pending, PictureFile, Step, StepStanding, SurfaceError, Words,
        WordsKind,
    },
    words::{DONE_STEP, PICTURES, form_in_words, tame},
};

/// The answer to [`SAID`].
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidAnswer {
    agent_activity: Identified,
}

impl Linear {
    /// Says something in a session: a status as a passing thought and as the checklist, a question with its choices, an
    /// end as a response or an error, anything else in the way that leaves the session as it stands.
    ///
    /// `standing` is what was said into the slot before. A status adds to it; a question that is decided is left as it is.
    /// `slot_key` and the words make the activity's identifier, so that a repeat after a crash is found and not said twice.
    pub async fn say(
        &self,
        conversation: &ConversationId,
        slot_key: &str,
        standing: Option<&LineRef>,
        words: &Words,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let session = ids::session_of(conversation)?;
        let memory = self.memories.of(session).await;
        let mut memory = memory.lock().await;
        let seed = [slot_key, standing.map_or("", |line| &line.0)];
        let said = match &words.kind {
            WordsKind::Status { steps, .. }
                if is_over(steps) || !self.takes_status(session, &mut memory).await? =>
            {
                None
            }
            WordsKind::Status { .. } if !memory.is_news(words) => None,
            WordsKind::Status { steps, .. } => {
                self.tell_done(session, &seed, steps, &memory.plan).await?;
                let said = self.think(session, words).await?;
                memory.thinks(words);
                Some(said)
            }
            WordsKind::Decision => {
                let said = self.ask(session, &seed, words, attempt).await?;
                memory.stands(Posture::Waiting);
                Some(said)
            }
            WordsKind::Ending { well } => {
                let said = self.end(session, &seed, words, *well, attempt).await?;
                memory.stands(Posture::Resting);
                Some(said)
            }
            WordsKind::Note if standing.is_some() => {
                self.settle(session, &seed, words, attempt, &mut memory)
                    .await?
            }
            WordsKind::Note => Some(
                self.remark(session, &seed, (words, None), attempt, &mut memory)
                    .await?,
            ),
        };
        show::show(&self.client, session, words, &mut memory).await;
        Ok(said
            .or_else(|| standing.cloned())
            .unwrap_or_else(|| ids::line(&format!("{session}/{slot_key}"))))
    }

    /// Answers one person. A session is between one person and the agent, so everybody who reads it may read this.
    pub async fn whisper(
        &self,
        conversation: &ConversationId,
        _person: &PersonId,
        words: &Words,
    ) -> Result<(), SurfaceError> {
        let session = ids::session_of(conversation)?;
        let memory = self.memories.of(session).await;
        let mut memory = memory.lock().await;
        let moment = Uuid::new_v4().to_string();
        self.remark(
            session,
            &["whisper", &moment],
            (words, None),
            Attempt::First,
            &mut memory,
        )
        .await?;
        Ok(())
    }

    /// Has the session speak of nothing else until the floor is given back, so that what is waited for there can be looked up
    /// and said in one.
    pub async fn floor(&self, conversation: &ConversationId) -> Result<Floor, SurfaceError> {
        let session = ids::session_of(conversation)?.to_owned();
        let memory = self.memories.of(&session).await.lock_owned().await;
        Ok(Floor { session, memory })
    }

    /// Says something by the way for the first time; `slot_key` is none where it answers one person. Where something is
    /// waited for, that is said below it, with its choices: the last activity's are the only ones that can be chosen.
    pub async fn say_on(
        &self,
        mut floor: Floor,
        slot_key: Option<&str>,
        words: &Words,
        pending: Option<&Pending>,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let moment = Uuid::new_v4().to_string();
        let seed = slot_key.map_or(["whisper", &moment], |slot| [slot, ""]);
        let said = (words, pending);
        self.remark(&floor.session, &seed, said, attempt, &mut floor.memory)
            .await
    }

    /// Asks in the session what a form would ask elsewhere; the next sentence is the answer. `trigger` makes it one question
    /// a press.
    pub async fn open_form(
        &self,
        conversation: &ConversationId,
        trigger: &str,
        form: &Form,
    ) -> Result<(), SurfaceError> {
        let session = ids::session_of(conversation)?;
        let memory = self.memories.of(session).await;
        let mut memory = memory.lock().await;
        let choices = match form {
            Form::Correction { .. } | Form::Request { .. } | Form::Team { .. } => None,
            Form::Repository { known } => choices::repositories(known),
        };
        let id = identifier(session, &[b"form", trigger.as_bytes()]);
        let question = Activity {
            content: Content::Elicitation {
                body: form_in_words(form).to_owned(),
            },
            signal: choices.as_ref().map(|_| Signal::Select),
            signal_metadata: choices,
            ..lasting(session, id)
        };
        self.post(question, Attempt::Repeated).await?;
        memory.stands(Posture::Waiting);
        Ok(())
    }

    /// Posts pictures in one response. Nothing is sent again where the response stands already.
    pub async fn show_pictures(
        &self,
        conversation: &ConversationId,
        pictures: &[PictureFile],
        attempt: Attempt,
    ) -> Result<(), SurfaceError> {
        if pictures.is_empty() {
            return Ok(());
        }
        let session = ids::session_of(conversation)?;
        let mut seed = vec!["pictures".as_bytes()];
        seed.extend(
            pictures
                .iter()
                .flat_map(|picture| [picture.name.as_bytes(), &picture.png]),
        );
        let id = identifier(session, &seed);
        if attempt == Attempt::Repeated && self.is_said(&id).await? {
            return Ok(());
        }
        let mut body = PICTURES.to_owned();
        for picture in pictures {
            let address = files::upload(&self.client, picture).await?;
            let title = picture.title.replace(['[', ']', '\n'], " ");
            // Writing into a text cannot fail.
            let _ = write!(body, "\n\n{title}\n\n![{title}]({address})");
        }
        let memory = self.memories.of(session).await;
        let mut memory = memory.lock().await;
        self.post(
            Activity {
                content: Content::Response { body },
                ..lasting(session, id)
            },
            Attempt::First,
        )
        .await?;
        memory.stands(Posture::Resting);
        Ok(())
    }

    /// Says a status again in a session in which work goes on and nothing was said for long, so that it is not taken for
    /// stale; `words` where none is remembered.
    pub async fn keep_fresh(
        &self,
        conversation: &ConversationId,
        words: &Words,
        now: Timestamp,
    ) -> Result<(), SurfaceError> {
        let session = ids::session_of(conversation)?;
        let memory = self.memories.of(session).await;
        let mut memory = memory.lock().await;
        if !memory.is_quiet(now) || !self.takes_status(session, &mut memory).await? {
            return Ok(());
        }
        let words = memory.last_status().unwrap_or(words).clone();
        self.think(session, &words).await?;
        memory.thinks(&words);
        Ok(())
    }

    /// While a question is open, a thought would make the session look as if work went on. People answer in the session,
    /// which closes the question there, so Linear knows best.
    async fn takes_status(&self, session: &str, memory: &mut Memory) -> Result<bool, SurfaceError> {
        if memory.posture != Some(Posture::Waiting) && memory.posture.is_some() {
            return Ok(true);
        }
        let status = self.session(session).await?.status;
        memory.posture = Some(Posture::of(status));
        Ok(status != Status::AwaitingInput)
    }

    /// Says which steps are done since the checklist was shown last. Unlike the status they stay, so that the way of the
    /// work can be read in the session. After a restart the last checklist is not known, and nothing is said twice.
    async fn tell_done(
        &self,
        session: &str,
        seed: &[&str],
        steps: &[Step],
        shown: &[PlanStep],
    ) -> Result<(), SurfaceError> {
        let was_open = |step: &&Step| {
            let before = shown.iter().find(|one| one.content == step.title);
            before.is_some_and(|one| one.status != PlanStatus::Completed)
        };
        let done = |step: &&Step| step.standing == StepStanding::Done;
        for step in steps.iter().filter(done).filter(was_open) {
            let parts = [seed[0].as_bytes(), b"done", step.title.as_bytes()];
            let action = Activity {
                content: Content::Action {
                    action: DONE_STEP,
                    parameter: step.title.clone(),
                },
                ..lasting(session, identifier(session, &parts))
            };
            match self.post(action, Attempt::First).await {
                Ok(_) => {}
                // It stands there already, or Linear does not want it; a status is not held up for it.
                Err(error @ SurfaceError::Permanent { .. }) => {
                    tracing::debug!(session, %error, "a step was not shown as done");
                }
                Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn think(&self, session: &str, words: &Words) -> Result<LineRef, SurfaceError> {
        let thought = Activity {
            content: Content::Thought {
                body: words.markdown.clone(),
            },
            ephemeral: Stay::Ephemeral,
            ..lasting(session, Uuid::new_v4().to_string())
        };
        self.post(thought, Attempt::First).await
    }

    async fn ask(
        &self,
        session: &str,
        seed: &[&str],
        words: &Words,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let choices = choices::offered(words);
        let question = Activity {
            content: Content::Elicitation {
                body: words.markdown.clone(),
            },
            signal: choices.as_ref().map(|_| Signal::Select),
            signal_metadata: choices,
            ..lasting(session, identifier_of(session, seed, words))
        };
        self.post(question, attempt).await
    }

    /// A failure is what can be tried again. A cancel, a closed pull request or a gap in a result is an end that a person
    /// chose or has to judge, and no fault of the session.
    async fn end(
        &self,
        session: &str,
        seed: &[&str],
        words: &Words,
        well: bool,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let failed = !well && words.controls.contains(&Control::Retry);
        let content = if failed {
            Content::Error {
                body: words.markdown.clone(),
            }
        } else {
            Content::Response {
                body: words.markdown.clone(),
            }
        };
        self.post(
            Activity {
                content,
                ..lasting(session, identifier_of(session, seed, words))
            },
            attempt,
        )
        .await
    }

    /// A decided plan, an answered question. Where that was done in the session, the person's own words stand below it and
    /// say so. Where it was done elsewhere, the session would go on asking, and show nothing of the work.
    async fn settle(
        &self,
        session: &str,
        seed: &[&str],
        words: &Words,
        attempt: Attempt,
        memory: &mut Memory,
    ) -> Result<Option<LineRef>, SurfaceError> {
        if self.takes_status(session, memory).await? {
            return Ok(None);
        }
        let news = Activity {
            content: Content::Thought {
                body: tame(&words.fallback),
            },
            ..lasting(session, identifier_of(session, seed, words))
        };
        let said = self.post(news, attempt).await?;
        memory.stands(Posture::Working);
        Ok(Some(said))
    }

    /// Says something by the way: the session stands afterwards as it stood before the person wrote. What is pending is no
    /// part of the activity's identifier: it may have changed before a repeat.
    async fn remark(
        &self,
        session: &str,
        seed: &[&str],
        (words, pending): (&Words, Option<&Pending>),
        attempt: Attempt,
        memory: &mut Memory,
    ) -> Result<LineRef, SurfaceError> {
        let posture = match (pending, memory.posture) {
            (Some(_), _) => Posture::Waiting,
            (None, Some(posture)) => posture,
            (None, None) => Posture::of(self.session(session).await?.status),
        };
        let body = match pending {
            Some(pending) => format!("{}\n\n{}", words.markdown, pending.sentence),
            None => words.markdown.clone(),
        };
        let choices = match posture {
            Posture::Waiting => pending.map_or_else(
                || choices::offered(words),
                |pending| choices::pending(&pending.controls),
            ),
            Posture::Working | Posture::Resting => None,
        };
        let content = match posture {
            Posture::Working => Content::Thought { body },
            Posture::Waiting => Content::Elicitation { body },
            Posture::Resting => Content::Response { body },
        };
        let said = self
            .post(
                Activity {
                    content,
                    signal: choices.as_ref().map(|_| Signal::Select),
                    signal_metadata: choices,
                    ..lasting(session, identifier_of(session, seed, words))
                },
                attempt,
            )
            .await?;
        memory.stands(posture);
        Ok(said)
    }

    async fn post(
        &self,
        activity: Activity<'_>,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        let said = ids::line(&activity.id);
        if attempt == Attempt::First || !self.is_said(&activity.id).await? {
            self.client.change(&SAY, &Input { input: activity }).await?;
        }
        Ok(said)
    }

    async fn is_said(&self, id: &str) -> Result<bool, SurfaceError> {
        match self.client.run::<SaidAnswer>(&SAID, &Id { id }).await {
            Ok(answer) => Ok(answer.agent_activity.id == id),
            Err(SurfaceError::Permanent { .. }) => Ok(false),
            Err(error @ (SurfaceError::Transient { .. } | SurfaceError::Closed { .. })) => {
                Err(error)
            }
        }
    }

    pub(super) async fn session(&self, session: &str) -> Result<Session, SurfaceError> {
        Ok(self
            .client
            .run::<OfSession<Session>>(&SESSION, &Id { id: session })
            .await?
            .agent_session)
    }
}

/// A session in which nobody else speaks.
pub struct Floor {
    session: String,
    memory: OwnedMutexGuard<Memory>,
}

/// A status in which nothing is left to do is said by the end that comes with it.
fn is_over(steps: &[Step]) -> bool {
    !steps.is_empty()
        && steps.iter().all(|step| match step.standing {
            StepStanding::Done | StepStanding::Failed => true,
            StepStanding::Pending | StepStanding::Active => false,
        })
}

fn lasting(session: &str, id: String) -> Activity<'_> {
    Activity {
        agent_session_id: session,
        id,
        content: Content::Thought {
            body: String::new(),
        },
        ephemeral: Stay::Lasting,
        signal: None,
        signal_metadata: None,
    }
}

fn identifier_of(session: &str, seed: &[&str], words: &Words) -> String {
    let parts: Vec<&[u8]> = seed
        .iter()
        .map(|part| part.as_bytes())
        .chain([words.markdown.as_bytes()])
        .collect();
    identifier(session, &parts)
}

/// The same parts always give the same identifier. It has the form of version 4, the only one that Linear takes.
pub(super) fn identifier(session: &str, parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in [session.as_bytes()].iter().chain(parts) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}
