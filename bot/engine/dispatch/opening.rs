//! Opens tasks, finds them, and lists them.

use std::time::Duration;

use super::{
    Dispatch, LIST_MAX, Later, NETWORK_POLICY, Said,
    deliveries::{answer, fresh_task_id, needs},
};
use crate::{
    domain::{
        TaskId, Timestamp,
        budget::{Ceilings, MicroDollars},
        command::{Command, Options},
        conversation::{
            ConversationId, Line, LineKind, LineRef, Person, PersonId, Place, SubjectId,
        },
        inquiry::{Inquiry, Purpose},
        message::{Message, TaskLine},
        plan::Terms,
        policy::Act,
        preferences::Origin,
        specification::RepositoryName,
        task::{Opening, Surroundings, Task},
    },
    linear, links, slack,
    store::{
        StoreError,
        inbox::{Delivery, Source},
        tasks::{AuditEntry, Stored, Transition},
    },
    surface::{Subject, SurfaceError},
    words::delegated_words,
};
use tracing::info;

/// How long it may take to ask whether there is an issue of a name; below the time in which first words are to be said.
const NAMED_WITHIN: Duration = Duration::from_millis(1_500);

/// A sentence that may open a task.
pub(super) struct Request<'a> {
    /// Who said it, where, and how.
    pub line: Line,
    /// What it points at without repeating it: an issue by people who may not give instructions.
    pub subject: Option<Line>,
    /// What it asks for.
    pub command: Command,
    /// What it sets.
    pub options: Options,
    /// The channel or team, as far as settings name it.
    pub place: &'a str,
    /// Whether there may be another task about the same.
    pub beside: Beside,
    /// Whether a task is talked about in the same conversation.
    pub stands: bool,
}

/// Whether a task may be opened beside another one about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// There is one task about one thing; who asks again is brought there.
    Nobody,
    /// Somebody asked for a second one, in words.
    Others,
}

impl Request<'_> {
    /// What a task has that only answers a question.
    fn inquiry(&self) -> Option<Inquiry> {
        matches!(self.command, Command::Ask(_)).then(|| Inquiry {
            beside: self.stands,
            answer: None,
        })
    }

    /// The words of the task, or what is answered in its place.
    fn words(&self) -> Result<String, Box<Message>> {
        let answer = match &self.command {
            Command::Words(text) | Command::New(text) | Command::Ask(text)
                if !text.trim().is_empty() =>
            {
                return Ok(text.clone());
            }
            Command::Help => Message::Help,
            Command::Ask(_) => Message::NothingToAnswer,
            Command::Words(_)
            | Command::New(_)
            | Command::Empty
            | Command::List
            | Command::Settings
            | Command::Why
            | Command::Limits
            | Command::Experts
            | Command::Aside => Message::NothingAsked,
            Command::Network { .. }
            | Command::FileIssue { .. }
            | Command::Stop
            | Command::Retry
            | Command::Status
            | Command::Approve
            | Command::Now(_)
            | Command::Mute(_) => Message::NothingToDo {
                stands: "has not begun: there is none in this thread".to_owned(),
                wanted: self.line.text.clone(),
                purpose: Purpose::Change,
            },
        };
        Err(Box::new(answer))
    }
}

impl Dispatch {
    /// The request of somebody who delegates an issue. Its text is theirs to give where everybody who wrote in it may
    /// steer; options in it count then too. Otherwise they ask for what it describes, and it stays what it is: the
    /// words of others.
    pub(super) async fn delegated(
        &self,
        conversation: &ConversationId,
        reference: LineRef,
        by: Person,
    ) -> Result<Said, Later> {
        let (line, subject) = match self.surfaces.subject(conversation).await? {
            Some(Subject { name, line }) => {
                let policy = &self.config.policy;
                let may_steer = |writer| policy.allows(Act::Steer, writer, &by.id).is_ok();
                if line.writers().all(may_steer) {
                    let others = line.writers().filter(|writer| writer.id != by.id);
                    let also_by = others.cloned().collect();
                    let Line { text, files, .. } = line;
                    let request = Line {
                        also_by,
                        files,
                        kind: LineKind::Issue,
                        ..Line::said(reference, by, text)
                    };
                    (request, None)
                } else {
                    (
                        Line::said(reference, by, delegated_words(&name)),
                        Some(line),
                    )
                }
            }
            // The issue went away meanwhile: nothing is asked any more.
            None => (Line::said(reference, by, String::new()), None),
        };
        Ok(Said {
            line,
            subject,
            mentioned: true,
        })
    }

    /// Why somebody may not start anything, where they may not.
    pub(super) fn may_not_start(&self, person: &Person) -> Option<Message> {
        let act = Act::Start;
        let allowed = self.config.policy.allows(act, person, &person.id);
        let refusal = allowed.err()?;
        Some(Message::NotAllowed { act, refusal })
    }

    pub(super) async fn open(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        request: Request<'_>,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let author = &request.line.author;
        let text = match request.words() {
            Ok(text) => text,
            Err(message) => return Ok(answer(delivery, conversation, author, *message)),
        };
        if let Some(refused) = self.may_not_start(author) {
            return Ok(answer(delivery, conversation, author, refused));
        }
        let inquiry = request.inquiry();
        let Request {
            mut line,
            subject,
            mut options,
            place,
            beside,
            ..
        } = request;
        line.text = text;
        let (guidance, brought) = brought(delivery);
        // A question stands in nobody's way: others may be asked about the same, and it is no work on it.
        let about = match &inquiry {
            Some(_) => None,
            None => brought.or(self.named_issue(delivery, &line.text).await?),
        };
        // Two sessions are opened on an issue that is delegated and spoken of at once, and two threads may name one in the
        // same moment.
        let alone = about.clone().filter(|_| beside == Beside::Nobody);
        if let Some(about) = &alone
            && let Some(stored) = self.store.task_about(about).await?
        {
            let (here, by) = (opened_by(conversation, &line), line.author.clone());
            return Box::pin(self.join(delivery, here, stored, by, Some(line), now)).await;
        }
        // Labels go before places; they are read when the task is.
        let is_filed = delivery.source == Source::Linear && self.config.has_labels();
        let place = (&conversation, place, is_filed);
        if inquiry.is_some() && options.repository.is_none() {
            options.repository = self.under_way(delivery, &line.text).await?;
        }
        let (chosen, noise) = self.choose(&line.author, place, &mut options).await?;
        let mut terms = self.terms(&options);
        if let Some((agent, _)) = &chosen.agent {
            terms.agent.clone_from(agent);
        }
        let opening = Opening {
            id: fresh_task_id(),
            conversation: conversation.clone(),
            request: line,
            subject,
            guidance,
            about,
            inquiry,
            options,
            ceilings: Ceilings {
                spend: terms.budget,
                ..self.config.limits.task
            },
            terms,
        };
        let (mut task, effects) = Task::open(opening, now, &self.surroundings().await?);
        task.chosen = chosen;
        task.noise = noise;
        Ok(Transition {
            delivery: delivery.id.clone(),
            conversation,
            audit: vec![audit_of_opening(&task)],
            task: Some(Stored { task, version: 0 }),
            alone,
            effects,
            settings: None,
        })
    }

    /// The repository of what is under way about the same as a question.
    async fn under_way(
        &self,
        delivery: &Delivery,
        text: &str,
    ) -> Result<Option<RepositoryName>, Later> {
        let live = Box::pin(self.live_about(delivery, text)).await?;
        Ok(live.and_then(|stored| stored.task.repository().cloned()))
    }

    /// The issue that a request elsewhere names, where Linear knows one. Who gives its address means it, and waits for
    /// Linear; a word that only looks like a name holds nobody up.
    async fn named_issue(
        &self,
        delivery: &Delivery,
        text: &str,
    ) -> Result<Option<SubjectId>, Later> {
        if delivery.source != Source::Slack || self.surfaces.linear().is_none() {
            return Ok(None);
        }
        for about in linear::named_in(text) {
            let asked = tokio::time::timeout(NAMED_WITHIN, self.surfaces.named(&about));
            match asked.await {
                Ok(Ok(Some(about))) => return Ok(Some(about)),
                Ok(
                    Ok(None) | Err(SurfaceError::Permanent { .. } | SurfaceError::Closed { .. }),
                ) => {}
                Ok(Err(error @ SurfaceError::Transient { .. })) if linear::is_addressed(text) => {
                    return Err(error.into());
                }
                // It is looked for again when the request is read.
                Ok(Err(SurfaceError::Transient { .. })) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The task whose message a button hangs on, or for which a form was opened; the conversation's newest where the
    /// surface does not say.
    pub(super) async fn pressed_task(
        &self,
        delivery: &Delivery,
        conversation: &ConversationId,
    ) -> Result<Option<Stored>, Later> {
        let meant = match delivery.source {
            Source::Slack => slack::meant(&delivery.body),
            Source::Linear | Source::Github | Source::Work | Source::CommandLine | Source::Api => {
                None
            }
        };
        let task = match meant {
            Some(slack::Meant::Task(task)) => Some(task),
            Some(slack::Meant::Message(line)) => {
                self.store.post_at(&line).await?.map(|post| post.task)
            }
            None => None,
        };
        Ok(match task {
            Some(task) => self.store.task(&task).await?,
            None => self.store.task_of(conversation).await?,
        })
    }

    /// What the conversation or its channel says about the repository, for a request that names none.
    pub(super) async fn repository_of(
        &self,
        conversation: &ConversationId,
        place: &str,
    ) -> Result<Option<(RepositoryName, Origin)>, Later> {
        let before = self.store.task_of(conversation).await?;
        let of_conversation = before.and_then(|stored| stored.task.repository().cloned());
        let of_place = || {
            let mut known = self.config.repositories.iter();
            let meant = known.find(|repository| repository.places.iter().any(|one| one == place));
            meant.map(|repository| (repository.name.clone(), Origin::Rules))
        };
        Ok(of_conversation
            .map(|name| (name, Origin::Thread))
            .or_else(of_place))
    }

    pub(super) fn terms(&self, options: &Options) -> Terms {
        let ceiling = self.config.limits.task.spend;
        Terms {
            agent: options
                .agent
                .clone()
                .unwrap_or_else(|| self.agents.default_name().to_owned()),
            model: options.model.clone().or_else(|| self.config.model.clone()),
            budget: options.budget_dollars.map_or(ceiling, |dollars| {
                MicroDollars::from_dollars(dollars).min(ceiling)
            }),
            network_policy: NETWORK_POLICY.to_owned(),
        }
    }

    pub(super) async fn list(&self, person: &Person) -> Result<Message, StoreError> {
        let tasks = self.task_lines(&person.id, LIST_MAX).await?;
        Ok(Message::TaskList { tasks })
    }

    /// The newest tasks of a person, each in a line.
    pub(super) async fn task_lines(
        &self,
        person: &PersonId,
        most: u32,
    ) -> Result<Vec<TaskLine>, StoreError> {
        let tasks = self.store.recent_tasks(Some(person), most).await?;
        let queue = self.store.queue().await?;
        Ok(tasks
            .iter()
            .map(|task| self.task_line(task, &queue))
            .collect())
    }

    /// A task in a line, with its place where it is in line.
    pub(super) fn task_line(&self, task: &Task, queue: &[TaskId]) -> TaskLine {
        let place = queue.iter().position(|waiting| waiting == &task.id);
        TaskLine {
            id: task.id.0.clone(),
            title: task.title(),
            stands: place.map_or_else(
                || task.in_words().to_owned(),
                |place| format!("is number {} in line", place + 1),
            ),
            url: links::task_url(&self.config, &task.id),
            needs: needs(task),
        }
    }

    /// What the world is like around a task that decides now.
    pub(super) async fn surroundings(&self) -> Result<Surroundings, StoreError> {
        let (taken, waiting) = self.store.slots().await?;
        let free = taken < i64::from(self.config.limits.parallel_tasks) && waiting == 0;
        let ahead = if free {
            0
        } else {
            u32::try_from(waiting + 1).unwrap_or(u32::MAX)
        };
        Ok(Surroundings {
            policy: self.config.policy.clone(),
            ahead,
            network: None,
            work_ms: None,
        })
    }
}

/// What is noted of a task that was opened, for operators and for the audit log.
fn audit_of_opening(task: &Task) -> AuditEntry {
    let act = match task.purpose() {
        Purpose::Change => "start",
        Purpose::Inquiry => "ask",
    };
    info!(task = %task.id, act, "a task was opened");
    AuditEntry {
        person: task.request.author.id.0.clone(),
        act: act.to_owned(),
        detail: task.title(),
    }
}

/// A conversation that a line opens.
fn opened_by(conversation: ConversationId, line: &Line) -> Place {
    Place {
        conversation,
        opening: line.reference.clone(),
    }
}

/// What a delivery brings beside its words: rules for every agent, and what it is about.
fn brought(delivery: &Delivery) -> (Vec<Line>, Option<SubjectId>) {
    let body = &delivery.body;
    match delivery.source {
        Source::Linear => (linear::guidance(body), linear::about(body)),
        Source::Slack | Source::Github | Source::Work | Source::CommandLine | Source::Api => {
            (Vec::new(), None)
        }
    }
}
