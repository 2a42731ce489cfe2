//! A conversation with one agent over one connection: open it, prompt, hear what happens.

use std::collections::VecDeque;

use serde_json::json;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::{
    connection::{Connection, Step},
    event::{AgentEvent, AgentSessionId},
    failure::AgentFailure,
    interpreter::{Interpreter, PROMPT_REQUESTS, PermissionAnswer, Stage},
    message,
    opening::{Opening, TakesServers},
    price::{MicroDollars, Price},
    profile::AgentProfile,
    usage::{Usage, UsageMeter},
};
use crate::sandbox::Attachment;

/// How long an agent may leave a prompt unread.
const SENDING_WAIT: Duration = Duration::from_mins(1);

/// How long the output of an earlier owner's time may take to come again.
const REPLAY_WAIT: Duration = Duration::from_mins(2);

/// Longest prompt, in bytes.
pub const PROMPT_LIMIT_BYTES: usize = 1024 * 1024;

/// Most events that wait for [`AgentSession::next_event`] before nothing more is read.
const EVENT_LIMIT: usize = 4_096;

/// Which conversation a session is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionStart {
    /// A new one.
    New,
    /// One of an earlier process with the same home and the same working directory.
    Continue {
        /// Which one.
        session: AgentSessionId,
        /// What it had cost by then, as [`AgentSession::session_cost`] said.
        cost_before: MicroDollars,
    },
}

/// Whether the agent is offered the session's tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverTools {
    /// By the shim, which is connected to a [`Handover`](super::Handover).
    Offered,
    /// Not at all.
    None,
}

/// An MCP server that an agent is told of, beside the session's tools. It gets no credential of it: that is the network
/// policy's, and goes in at the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McpServer {
    /// Its name, which agents put before the names of its tools.
    pub name: String,
    /// Its address: MCP's streamable HTTP.
    pub url: String,
}

/// How a session is opened.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The folder that the agent works in: an absolute path in the sandbox.
    pub working_directory: String,
    /// Which conversation.
    pub start: SessionStart,
    /// Whether the agent is offered the session's tools.
    pub tools: HandoverTools,
    /// Servers that it is told of too, where it takes such.
    pub servers: Vec<McpServer>,
    /// How it is answered when it asks for permission.
    pub permissions: PermissionAnswer,
    /// What its model costs, where that is known.
    pub price: Option<Price>,
}

/// Where another owner of the same process goes on. Everything before it has been heard and answered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ResumePoint {
    /// The conversation.
    pub session: AgentSessionId,
    /// Bytes of the standard output that have been dealt with.
    pub position: u64,
    /// Prompts that have been sent.
    pub prompts: u32,
    /// How the agent is answered when it asks for permission.
    pub permissions: PermissionAnswer,
    /// What the conversation had cost when the process began.
    pub cost_before: MicroDollars,
}

/// Whether the agent is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It waits for a prompt.
    Waiting,
    /// It works on one.
    Open,
}

/// Why a prompt was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// The agent works on another one.
    #[error("the agent has not answered the prompt before")]
    TurnOpen,
    /// It is longer than [`PROMPT_LIMIT_BYTES`].
    #[error("the prompt has {0} bytes, more than {PROMPT_LIMIT_BYTES}")]
    TooLong(usize),
    /// The process is gone, or does not read what it is sent.
    #[error("the agent does not take the prompt")]
    NotTaken,
}

/// A conversation with an agent that is ready for prompts.
///
/// [`next_event`](Self::next_event) has to be called all the time: it also sends, answers the agent's requests and keeps
/// its output flowing. It is cancel-safe.
pub struct AgentSession {
    connection: Connection,
    interpreter: Interpreter,
    session: AgentSessionId,
    prompts: u32,
    permissions: PermissionAnswer,
    cost_before: MicroDollars,
    waiting: VecDeque<AgentEvent>,
    /// Servers that the agent cannot be told of.
    not_offered: Vec<McpServer>,
    /// The position up to which everything has been given out and answered.
    handled: u64,
    end: Option<AgentEvent>,
}

impl AgentSession {
    /// Opens a session in a process that has just been started: introduces both sides, makes or finds the conversation,
    /// and lets the agent work without asking.
    ///
    /// Until it returns, nothing is lost by stopping the sandbox and starting it again.
    pub async fn open(
        attachment: Attachment,
        profile: &AgentProfile,
        options: SessionOptions,
    ) -> Result<Self, AgentFailure> {
        let (start, cost_before) = match options.start.clone() {
            SessionStart::New => (None, MicroDollars::default()),
            SessionStart::Continue {
                session,
                cost_before,
            } => (Some(session), cost_before),
        };
        let meter = UsageMeter::new(profile.tokens, options.price, cost_before);
        let mut opening = Opening {
            connection: Connection::new(attachment),
            interpreter: Interpreter::new(options.permissions, profile.failure.clone(), meter),
        };
        let takes = opening.introduce().await?;
        let (offered, not_offered) = match takes {
            TakesServers::OverHttp => (options.servers.as_slice(), Vec::new()),
            TakesServers::OfItsOwnOnly => (&[][..], options.servers.clone()),
        };
        let session = opening
            .choose_conversation(profile, &options, offered, start)
            .await?;
        opening.set_mode(profile, &session).await?;
        let Opening {
            connection,
            mut interpreter,
        } = opening;
        interpreter.stage = Stage::Live;
        let handled = connection.position();
        let mut opened = Self {
            connection,
            interpreter,
            session,
            prompts: 0,
            permissions: options.permissions,
            cost_before,
            waiting: VecDeque::new(),
            not_offered,
            handled,
            end: None,
        };
        let settle = profile.session.settle();
        if options.start != SessionStart::New && !settle.is_zero() {
            opened.interpreter.stage = Stage::Opening;
            opened.settle(settle).await;
            opened.interpreter.stage = Stage::Live;
        }
        Ok(opened)
    }

    /// The servers that this agent was not told of, because it speaks to none over HTTP. Known where the session was opened.
    #[must_use]
    pub fn not_offered(&self) -> &[McpServer] {
        &self.not_offered
    }

    /// Goes on with a process that another owner opened: hears its whole output again, and gives out what came after the
    /// point.
    pub async fn reopen(
        attachment: Attachment,
        profile: &AgentProfile,
        point: ResumePoint,
        price: Option<Price>,
    ) -> Result<Self, AgentFailure> {
        let meter = UsageMeter::new(profile.tokens, price, point.cost_before);
        let mut session = Self {
            connection: Connection::new(attachment),
            interpreter: Interpreter::new(point.permissions, profile.failure.clone(), meter),
            session: point.session,
            prompts: point.prompts,
            permissions: point.permissions,
            cost_before: point.cost_before,
            waiting: VecDeque::new(),
            not_offered: Vec::new(),
            handled: point.position,
            end: None,
        };
        session.interpreter.stage = Stage::Replaying;
        let deadline = Instant::now() + REPLAY_WAIT;
        while session.connection.position() < point.position {
            let Ok(step) = timeout_at(deadline, session.connection.step()).await else {
                return Err(AgentFailure::ProtocolBroken(String::from(
                    "its earlier output does not come again",
                )));
            };
            match step {
                // The earlier owner has answered what was asked then.
                Step::Said(message) => drop(session.interpreter.hear(message)),
                Step::Moved => {}
                Step::Ended => {
                    return Err(AgentFailure::ProtocolBroken(String::from(
                        "its earlier output is not there any more",
                    )));
                }
                Step::Broken(reason) => return Err(AgentFailure::ProtocolBroken(reason)),
            }
        }
        session.interpreter.stage = Stage::Live;
        session.interpreter.forget_activity();
        Ok(session)
    }

    /// The agent's name for the conversation, with which a later process goes on.
    #[must_use]
    pub fn session_id(&self) -> &AgentSessionId {
        &self.session
    }

    /// Where another owner of this process would go on; to be stored after a prompt, and after events that matter.
    #[must_use]
    pub fn resume_point(&self) -> ResumePoint {
        ResumePoint {
            session: self.session.clone(),
            position: if self.is_even() {
                self.connection.position()
            } else {
                self.handled
            },
            prompts: self.prompts,
            permissions: self.permissions,
            cost_before: self.cost_before,
        }
    }

    /// Whether the agent is at work. After [`reopen`](Self::reopen) also a prompt counts that the point does not know of,
    /// as soon as the agent has done anything for it.
    #[must_use]
    pub fn turn(&self) -> Turn {
        if self.prompts > self.interpreter.answered() || self.interpreter.is_active() {
            Turn::Open
        } else {
            Turn::Waiting
        }
    }

    /// What the run used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.interpreter.usage()
    }

    /// What the conversation cost in all its processes, where the agent tells it; to be handed to
    /// [`SessionStart::Continue`].
    #[must_use]
    pub fn session_cost(&self) -> Option<MicroDollars> {
        self.interpreter.meter().session_cost()
    }

    /// Lines of the agent's output that were no messages, and were dropped.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.connection.noise_lines()
    }

    /// Sends a prompt and returns when the agent's process has it. Its answer is a
    /// [`TurnEnded`](AgentEvent::TurnEnded).
    pub async fn prompt(&mut self, text: &str) -> Result<(), PromptError> {
        if text.len() > PROMPT_LIMIT_BYTES {
            return Err(PromptError::TooLong(text.len()));
        }
        if self.turn() == Turn::Open {
            return Err(PromptError::TurnOpen);
        }
        if self.end.is_some() {
            return Err(PromptError::NotTaken);
        }
        self.prompts = self.interpreter.answered() + 1;
        let params = json!({"sessionId": self.session, "prompt": [{"type": "text", "text": text}]});
        let id = PROMPT_REQUESTS + i64::from(self.prompts);
        self.connection
            .send(&message::request(id, "session/prompt", &params));
        let sent = timeout(SENDING_WAIT, async {
            while self.connection.has_unsent() && self.end.is_none() {
                self.step().await;
            }
        });
        match sent.await {
            Ok(()) if self.end.is_none() => Ok(()),
            Ok(()) | Err(_) => Err(PromptError::NotTaken),
        }
    }

    /// Asks the agent to stop. The turn ends with [`Stop::Cancelled`](super::Stop::Cancelled) where the agent listens;
    /// what it runs may go on, so whoever cancels for good stops the sandbox.
    pub fn cancel(&mut self) {
        let params = json!({"sessionId": self.session});
        self.connection
            .send(&message::notification("session/cancel", &params));
    }

    /// Waits for the next thing that the agent does. After [`AgentEvent::Ended`] it gives the same again.
    pub async fn next_event(&mut self) -> AgentEvent {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return event;
            }
            if let Some(end) = &self.end {
                return end.clone();
            }
            self.step().await;
        }
    }

    /// Hears the agent until it has been silent for so long, and keeps what it did for [`next_event`](Self::next_event).
    pub async fn settle(&mut self, silence: Duration) {
        while self.end.is_none() && self.waiting.len() < EVENT_LIMIT {
            let position = self.connection.position();
            let moved = timeout(silence, async {
                while self.end.is_none() && self.connection.position() == position {
                    self.step().await;
                }
            });
            if moved.await.is_err() {
                return;
            }
        }
    }

    /// Whether everything that was heard has been given out and answered.
    fn is_even(&self) -> bool {
        self.waiting.is_empty() && !self.connection.has_unsent()
    }

    async fn step(&mut self) {
        if self.is_even() {
            self.handled = self.connection.position();
        }
        let failure = match self.connection.step().await {
            Step::Said(message) => {
                let heard = self.interpreter.hear(message);
                if let Some(reply) = heard.reply {
                    self.connection.send(&reply);
                }
                self.waiting.extend(heard.events);
                return;
            }
            Step::Moved => return,
            Step::Ended => None,
            Step::Broken(reason) => Some(AgentFailure::ProtocolBroken(reason)),
        };
        let errors_tail = self.connection.errors_tail().await;
        self.end = Some(AgentEvent::Ended {
            failure,
            errors_tail,
        });
    }
}
