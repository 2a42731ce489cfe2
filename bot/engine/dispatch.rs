//! One delivery, one transition: takes the oldest delivery, finds its task, lets the machine decide, and stores everything at once.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use super::{roster::Agents, surfaces::Surfaces};
use crate::{
    clock::Clock,
    config::Config,
    domain::{
        TaskId, Timestamp,
        budget::MicroDollars,
        command::{self, Command, Options},
        conversation::{ConversationId, Line, Person, Road, Standing},
        effect::{Effect, FormRequest},
        event::{Event, Happened, ReactionMeaning},
        incoming::{Author, Incoming, Press},
        message::{Message, TaskLine},
        plan::Terms,
        policy::Act,
        task::{Opening, Surroundings, Task},
    },
    github, linear, links, slack,
    store::{
        Store, StoreError,
        inbox::{Delivery, NewDelivery, Source},
        posts::Post,
        tasks::{AuditEntry, Stored, Transition},
    },
    surface::SurfaceError,
    wake::Wake,
};

/// How often a delivery is tried before it is given up.
const ATTEMPTS_MAX: i64 = 8;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_mins(2);
/// The most tasks that `list` shows.
const LIST_MAX: u32 = 10;
/// The name of the network policy in force; part of what is approved.
pub const NETWORK_POLICY: &str = "model hosts only/1";

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Done,
    /// There was nothing to do.
    Idle,
}

/// An event of the bot's own work, as it is stored in the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkDelivery {
    /// The task.
    pub task: TaskId,
    /// What happened.
    pub event: Event,
}

/// A command from the command line, as it is stored in the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Order {
    /// Ends a task.
    Cancel {
        /// Which.
        task: TaskId,
        /// Who, as the system names them.
        by: String,
    },
}

/// Turns deliveries into transitions. There is one in a process.
pub struct Dispatch {
    config: Arc<Config>,
    store: Store,
    surfaces: Surfaces,
    agents: Agents,
    clock: Clock,
    wake: Wake,
}

/// Why a delivery cannot be handled now.
enum Later {
    Surface(SurfaceError),
    Store(StoreError),
}

impl From<StoreError> for Later {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SurfaceError> for Later {
    fn from(error: SurfaceError) -> Self {
        Self::Surface(error)
    }
}

impl Dispatch {
    /// Puts it together.
    #[must_use]
    pub const fn new(
        config: Arc<Config>,
        store: Store,
        surfaces: Surfaces,
        agents: Agents,
        clock: Clock,
        wake: Wake,
    ) -> Self {
        Self {
            config,
            store,
            surfaces,
            agents,
            clock,
            wake,
        }
    }

    /// Handles the oldest delivery that is due, and promises the machine to whoever waits for it.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let Some(delivery) = self.store.next_delivery(now).await? else {
            return self.grant(now).await;
        };
        match self.transition(&delivery, now).await {
            Ok(transition) => match self.store.commit(&transition, now).await {
                Ok(()) => {
                    metrics::counter!("deckhand_deliveries_total", "source" => delivery.source.name(), "result" => "done").increment(1);
                    self.wake.outbox();
                }
                // Somebody else was faster: the delivery is read again with what is true now.
                Err(StoreError::Conflict) => {
                    self.store
                        .postpone_delivery(&delivery.id, now, "conflict")
                        .await?
                }
                Err(error) => return Err(error),
            },
            Err(Later::Store(error)) => return Err(error),
            Err(Later::Surface(error)) => self.try_later(&delivery, &error, now).await?,
        }
        self.grant(now).await?;
        Ok(Step::Done)
    }

    async fn grant(&self, now: Timestamp) -> Result<Step, StoreError> {
        match self
            .store
            .grant_slot(self.config.limits.parallel_tasks, now)
            .await?
        {
            Some(task) => {
                info!(%task, "the task has its turn");
                Ok(Step::Done)
            }
            None => Ok(Step::Idle),
        }
    }

    async fn try_later(
        &self,
        delivery: &Delivery,
        error: &SurfaceError,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let SurfaceError::Transient { retry_after, .. } = error else {
            warn!(delivery = delivery.id, %error, "a delivery is given up");
            metrics::counter!("deckhand_deliveries_total", "source" => delivery.source.name(), "result" => "dead").increment(1);
            return self
                .store
                .bury_delivery(&delivery.id, now, &error.to_string())
                .await;
        };
        if delivery.attempts + 1 >= ATTEMPTS_MAX {
            warn!(delivery = delivery.id, %error, "a delivery is given up after its last try");
            metrics::counter!("deckhand_deliveries_total", "source" => delivery.source.name(), "result" => "dead").increment(1);
            return self
                .store
                .bury_delivery(&delivery.id, now, &error.to_string())
                .await;
        }
        let pause = retry_after
            .unwrap_or_else(|| super::pause_before_try(delivery.attempts + 1))
            .min(PAUSE_MAX);
        self.store
            .postpone_delivery(&delivery.id, self.clock.later(pause), &error.to_string())
            .await
    }

    async fn transition(&self, delivery: &Delivery, now: Timestamp) -> Result<Transition, Later> {
        match delivery.source {
            Source::Work => {
                let Ok(work) = serde_json::from_value::<WorkDelivery>(delivery.body.clone()) else {
                    return Ok(nothing(delivery));
                };
                let Some(stored) = self.store.task(&work.task).await? else {
                    return Ok(nothing(delivery));
                };
                self.handled(delivery, stored, work.event, now).await
            }
            Source::Github => match github::read(&delivery.body) {
                Some(ended) => match self.store.task_of_branch(&ended.branch).await? {
                    Some(stored) if stored.task.repository() == Some(&ended.repository) => {
                        self.handled(
                            delivery,
                            stored,
                            Event::PullRequestEnded {
                                merged: ended.merged,
                                by: ended.by,
                            },
                            now,
                        )
                        .await
                    }
                    Some(_) | None => Ok(nothing(delivery)),
                },
                None => Ok(nothing(delivery)),
            },
            Source::CommandLine => match serde_json::from_value::<Order>(delivery.body.clone()) {
                Ok(Order::Cancel { task, by }) => {
                    self.canceled_by_operator(delivery, &task, &by, now).await
                }
                Err(_) => Ok(nothing(delivery)),
            },
            Source::Slack => match self.surfaces.slack_identity().await? {
                Some(me) => {
                    self.incoming(delivery, slack::read(&delivery.body, &me), now)
                        .await
                }
                None => Ok(nothing(delivery)),
            },
            Source::Linear => {
                self.incoming(delivery, linear::read(&delivery.body), now)
                    .await
            }
        }
    }

    async fn canceled_by_operator(
        &self,
        delivery: &Delivery,
        task: &TaskId,
        by: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let Some(stored) = self.store.task(task).await? else {
            return Ok(nothing(delivery));
        };
        // Whoever can run a command on the server may do everything to it.
        let by = Person {
            id: stored.task.request.author.id.clone(),
            name: by.to_owned(),
            standing: Standing::Member,
        };
        self.handled(
            delivery,
            stored,
            Event::CancelAsked {
                by,
                road: Road::CommandLine,
            },
            now,
        )
        .await
    }

    async fn incoming(
        &self,
        delivery: &Delivery,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        match incoming {
            Incoming::Nothing => Ok(nothing(delivery)),
            Incoming::Said {
                conversation,
                reference,
                by,
                text,
                files,
                mentioned,
                place,
            } => {
                let line = Line {
                    reference,
                    author: self.person(&by).await?,
                    text,
                    files,
                };
                self.said(delivery, conversation, line, mentioned, &place, now)
                    .await
            }
            Incoming::Reacted { by, on, meaning } => {
                let Some(post) = self.store.post_at(&on).await? else {
                    return Ok(nothing(delivery));
                };
                self.reacted(delivery, &post, &by, meaning, now).await
            }
            Incoming::StopSignal { conversation, by } => {
                let Some(stored) = self.store.task_of(&conversation).await? else {
                    return Ok(nothing(delivery));
                };
                let by = self.person(&by).await?;
                self.handled(
                    delivery,
                    stored,
                    Event::CancelAsked {
                        by,
                        road: Road::Signal,
                    },
                    now,
                )
                .await
            }
            Incoming::Pressed {
                conversation,
                by,
                press,
            } => {
                let Some(stored) = self.store.task_of(&conversation).await? else {
                    return Ok(nothing(delivery));
                };
                let by = self.person(&by).await?;
                self.pressed(delivery, stored, by, press, now).await
            }
            Incoming::Asked {
                conversation,
                by,
                text,
            } => {
                let person = self.person(&by).await?;
                let (command, _) = command::parse(&text);
                let message = match command {
                    Command::List | Command::Status => self.list(&person).await?,
                    Command::Unavailable(word) => Message::Unavailable { word },
                    _ => Message::Help,
                };
                Ok(answer(delivery, conversation, &person, message))
            }
        }
    }

    async fn reacted(
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
        let by = self.person(by).await?;
        // The bot marks with the same emojis; its own are never meant.
        if by.standing == Standing::Bot {
            return Ok(nothing(delivery));
        }
        self.handled(
            delivery,
            stored,
            Event::Reacted {
                by,
                meaning,
                revision,
            },
            now,
        )
        .await
    }

    async fn pressed(
        &self,
        delivery: &Delivery,
        stored: Stored,
        by: Person,
        press: Press,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let event = match press {
            Press::Approve { revision } => Event::Approved {
                by,
                revision,
                road: Road::Button,
            },
            Press::Correct { revision, text } => Event::Corrected { by, revision, text },
            Press::Cancel => Event::CancelAsked {
                by,
                road: Road::Button,
            },
            Press::Retry => Event::RetryAsked { by },
            Press::Answer { question, text } => Event::Answered { by, question, text },
            Press::ChooseRepository { text } => match command::parse_repository(&text) {
                Some(repository) => Event::RepositoryChosen { by, repository },
                None => {
                    let unknown = vec![command::UnknownOption {
                        written: text,
                        hint: "a repository is written `owner/name`".to_owned(),
                    }];
                    return Ok(answer(
                        delivery,
                        stored.task.conversation,
                        &by,
                        Message::OptionHints { unknown },
                    ));
                }
            },
            Press::OpenCorrection { revision, trigger } => {
                return Ok(form(
                    delivery,
                    stored,
                    trigger,
                    FormRequest::Correction { revision },
                ));
            }
            Press::OpenRepository { trigger } => {
                return Ok(form(delivery, stored, trigger, FormRequest::Repository));
            }
        };
        self.handled(delivery, stored, event, now).await
    }

    async fn said(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        line: Line,
        mentioned: bool,
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let (command, options) = command::parse(&line.text);
        if mentioned && command == Command::List {
            let list = self.list(&line.author).await?;
            return Ok(answer(delivery, conversation, &line.author, list));
        }
        let known = self.store.task_of(&conversation).await?;
        let is_new = matches!(command, Command::New(_)) && mentioned;
        match known {
            Some(stored) if !is_new && !(mentioned && wants_a_new_task(&stored.task, &command)) => {
                self.handled(
                    delivery,
                    stored,
                    Event::Said {
                        line,
                        command,
                        options,
                        mentioned,
                    },
                    now,
                )
                .await
            }
            Some(_) | None if !mentioned => Ok(nothing(delivery)),
            Some(_) | None => {
                self.open(delivery, conversation, line, command, options, place, now)
                    .await
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing that the request says, and nothing else opens a task"
    )]
    async fn open(
        &self,
        delivery: &Delivery,
        conversation: ConversationId,
        mut line: Line,
        command: Command,
        mut options: Options,
        place: &str,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let text = match command {
            Command::Words(text) | Command::New(text) => text,
            Command::Help => {
                return Ok(answer(delivery, conversation, &line.author, Message::Help));
            }
            Command::Unavailable(word) => {
                return Ok(answer(
                    delivery,
                    conversation,
                    &line.author,
                    Message::Unavailable { word },
                ));
            }
            Command::Empty | Command::List | Command::Aside => {
                return Ok(answer(
                    delivery,
                    conversation,
                    &line.author,
                    Message::NothingAsked,
                ));
            }
            Command::Stop
            | Command::Retry
            | Command::Status
            | Command::Approve
            | Command::Now(_)
            | Command::Mute(_) => {
                let message = Message::NothingToDo {
                    stands: "has not begun: there is none in this thread".to_owned(),
                    wanted: line.text.clone(),
                };
                return Ok(answer(delivery, conversation, &line.author, message));
            }
        };
        if text.trim().is_empty() {
            return Ok(answer(
                delivery,
                conversation,
                &line.author,
                Message::NothingAsked,
            ));
        }
        if let Err(refusal) = self
            .config
            .policy
            .allows(Act::Start, &line.author, &line.author.id)
        {
            return Ok(answer(
                delivery,
                conversation,
                &line.author,
                Message::NotAllowed {
                    act: Act::Start,
                    refusal,
                },
            ));
        }
        line.text = text;
        if options.repository.is_none() {
            options.repository = self.repository_of(&conversation, place).await?;
        }
        let terms = self.terms(&options);
        let mut ceilings = self.config.limits.task;
        ceilings.spend = terms.budget;
        let person = line.author.clone();
        let opening = Opening {
            id: fresh_task_id(),
            conversation: conversation.clone(),
            request: line,
            options,
            terms,
            ceilings,
        };
        let (task, effects) = Task::open(opening, now, &self.surroundings().await?);
        info!(task = %task.id, "a task was opened");
        let audit = vec![AuditEntry {
            person: person.id.0,
            act: "start".to_owned(),
            detail: task.title(),
        }];
        Ok(Transition {
            delivery: delivery.id.clone(),
            conversation,
            task: Some(Stored { task, version: 0 }),
            effects,
            audit,
        })
    }

    /// What the conversation or its channel says about the repository, for a request that names none.
    async fn repository_of(
        &self,
        conversation: &ConversationId,
        place: &str,
    ) -> Result<Option<crate::domain::specification::RepositoryName>, Later> {
        let before = self.store.task_of(conversation).await?;
        let of_conversation = before.and_then(|stored| stored.task.repository().cloned());
        let of_place = || {
            self.config
                .repositories
                .iter()
                .find(|repository| repository.places.iter().any(|known| known == place))
                .map(|repository| repository.name.clone())
        };
        Ok(of_conversation.or_else(of_place))
    }

    fn terms(&self, options: &Options) -> Terms {
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

    async fn handled(
        &self,
        delivery: &Delivery,
        mut stored: Stored,
        event: Event,
        now: Timestamp,
    ) -> Result<Transition, Later> {
        let audit = audit_of(&event).into_iter().collect();
        let effects = stored
            .task
            .handle(&Happened { at: now, event }, &self.surroundings().await?);
        let conversation = stored.task.conversation.clone();
        Ok(Transition {
            delivery: delivery.id.clone(),
            conversation,
            task: Some(stored),
            effects,
            audit,
        })
    }

    async fn surroundings(&self) -> Result<Surroundings, StoreError> {
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
        })
    }

    async fn list(&self, person: &Person) -> Result<Message, StoreError> {
        let tasks = self.store.recent_tasks(Some(&person.id), LIST_MAX).await?;
        let queue = self.store.queue().await?;
        let tasks = tasks
            .iter()
            .map(|task| {
                let place = queue.iter().position(|waiting| waiting == &task.id);
                TaskLine {
                    id: task.id.0.clone(),
                    title: task.title(),
                    stands: place.map_or_else(
                        || task.state.in_words().to_owned(),
                        |place| format!("is number {} in line", place + 1),
                    ),
                    url: links::task_url(&self.config, &task.id),
                    needs: needs(task),
                }
            })
            .collect();
        Ok(Message::TaskList { tasks })
    }

    async fn person(&self, author: &Author) -> Result<Person, SurfaceError> {
        self.surfaces.person(author).await
    }
}

fn needs(task: &Task) -> Option<String> {
    match task.state.name() {
        "awaiting_approval" => Some("approve its plan, or say what should be different".to_owned()),
        "awaiting_input" => Some("answer its question".to_owned()),
        "failed" => Some("retry, or say what to do differently".to_owned()),
        _ => None,
    }
}

/// Whether words with a mention, in the thread of an ended task, begin another one.
fn wants_a_new_task(task: &Task, command: &Command) -> bool {
    let failed = matches!(task.state, crate::domain::task::State::Failed { .. });
    task.state.is_over() && !failed && matches!(command, Command::Words(_))
}

fn nothing(delivery: &Delivery) -> Transition {
    Transition {
        delivery: delivery.id.clone(),
        conversation: ConversationId(delivery.conversation.clone()),
        task: None,
        effects: Vec::new(),
        audit: Vec::new(),
    }
}

fn answer(
    delivery: &Delivery,
    conversation: ConversationId,
    to: &Person,
    message: Message,
) -> Transition {
    let effects = vec![Effect::Whisper {
        to: to.clone(),
        message: Box::new(message),
    }];
    Transition {
        delivery: delivery.id.clone(),
        conversation,
        task: None,
        effects,
        audit: Vec::new(),
    }
}

fn form(delivery: &Delivery, stored: Stored, trigger: String, form: FormRequest) -> Transition {
    let conversation = stored.task.conversation.clone();
    let effects = vec![Effect::OpenForm { trigger, form }];
    Transition {
        delivery: delivery.id.clone(),
        conversation,
        task: Some(stored),
        effects,
        audit: Vec::new(),
    }
}

fn audit_of(event: &Event) -> Option<AuditEntry> {
    let entry = |person: &Person, act: &str, detail: String| {
        Some(AuditEntry {
            person: person.id.0.clone(),
            act: act.to_owned(),
            detail,
        })
    };
    match event {
        Event::Said {
            line,
            command: Command::Approve,
            ..
        } => entry(&line.author, "approve", "by a sentence".to_owned()),
        Event::Said {
            line,
            command: Command::Stop,
            ..
        } => entry(&line.author, "cancel", "by a sentence".to_owned()),
        Event::Said { line, .. } => entry(&line.author, "say", line.reference.0.clone()),
        Event::Reacted {
            by,
            meaning,
            revision,
        } => entry(by, "react", format!("{meaning:?} on revision {revision:?}")),
        Event::Approved { by, revision, road } => {
            entry(by, "approve", format!("revision {revision} by {road:?}"))
        }
        Event::CancelAsked { by, road } => entry(by, "cancel", format!("by {road:?}")),
        Event::RetryAsked { by } => entry(by, "retry", String::new()),
        Event::Answered { by, question, .. } => entry(by, "answer", format!("question {question}")),
        Event::Corrected { by, revision, .. } => {
            entry(by, "correct", format!("revision {revision}"))
        }
        Event::RepositoryChosen { by, repository } => {
            entry(by, "choose repository", repository.0.clone())
        }
        Event::SlotGranted
        | Event::Gathered { .. }
        | Event::RunStarted { .. }
        | Event::RunEnded { .. }
        | Event::Proved { .. }
        | Event::ProofFailed { .. }
        | Event::Published { .. }
        | Event::PublishRefused { .. }
        | Event::PullRequestEnded { .. }
        | Event::Stopped { .. }
        | Event::EffectGivenUp { .. }
        | Event::WaitedTooLong => None,
    }
}

/// Six characters that are easy to say and safe everywhere.
fn fresh_task_id() -> TaskId {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = uuid::Uuid::new_v4();
    TaskId(
        random
            .as_bytes()
            .iter()
            .take(6)
            .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
            .collect(),
    )
}

/// A delivery of the bot's own work. The key makes a repeat after a crash a no-op.
#[must_use]
pub fn work_delivery(task: &Task, key: String, event: Event) -> NewDelivery {
    let body = serde_json::to_value(WorkDelivery {
        task: task.id.clone(),
        event,
    })
    .unwrap_or(Value::Null);
    NewDelivery {
        source: Source::Work,
        key,
        conversation: task.conversation.0.clone(),
        body,
    }
}
