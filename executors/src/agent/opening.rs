//! The first requests of a session: both sides introduce themselves, the conversation is made or found, and the agent is
//! let work without asking.

use agent_client_protocol_schema::v1::Error;
use serde_json::{Value, json, value::RawValue};
use tokio::time::{Duration, Instant, timeout_at};

use super::{
    connection::{Connection, Step},
    event::AgentSessionId,
    failure::AgentFailure,
    handover::{SERVER_NAME, SHIM_ARGUMENT},
    interpreter::Interpreter,
    launch::SHIM,
    message,
    profile::{AgentProfile, ResumeMethod, WorkMode},
    session::{HandoverTools, McpServer, SessionOptions},
};

/// How long an agent may take for each request of the opening. The slowest one needs 7 s on a busy machine.
const OPENING_WAIT: Duration = Duration::from_mins(1);

/// The numbers of the requests. They are the same in every session, so that a later owner knows the answers.
const INITIALIZE: i64 = 1;
const SESSION: i64 = 2;
const MODE: i64 = 3;

/// Which MCP servers an agent can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakesServers {
    /// Those that are reached over HTTP, too.
    OverHttp,
    /// Only programs that it starts itself, as the session's tools are.
    OfItsOwnOnly,
}

impl TakesServers {
    /// What an agent says of itself; what it does not say, it cannot.
    fn of(introduction: &RawValue) -> Self {
        let said: Value = serde_json::from_str(introduction.get()).unwrap_or_default();
        if said["agentCapabilities"]["mcpCapabilities"]["http"] == true {
            Self::OverHttp
        } else {
            Self::OfItsOwnOnly
        }
    }
}

/// A session that has no conversation yet.
pub(super) struct Opening {
    pub(super) connection: Connection,
    pub(super) interpreter: Interpreter,
}

impl Opening {
    pub(super) async fn introduce(&mut self) -> Result<TakesServers, AgentFailure> {
        let params = json!({
            "protocolVersion": 1,
            "clientInfo": {"name": "deckhand", "version": env!("CARGO_PKG_VERSION")},
            "clientCapabilities": {
                "fs": {"readTextFile": false, "writeTextFile": false},
                "terminal": false,
                // Warnings come apart from what the agent says.
                "session": {"notices": {}},
                // Two adapters tell failures in a structured way to a client that asks so.
                // One adapter tells the output of commands to a client that asks so.
                "_meta": {
                    "jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}},
                    "terminal_output_delta": true,
                },
            },
        });
        let answer = self.ask(INITIALIZE, "initialize", &params).await?;
        match answer {
            Ok(body) => Ok(TakesServers::of(&body)),
            Err(error) => Err(self.start_failed(&error)),
        }
    }

    pub(super) async fn choose_conversation(
        &mut self,
        profile: &AgentProfile,
        options: &SessionOptions,
        offered: &[McpServer],
        earlier: Option<AgentSessionId>,
    ) -> Result<AgentSessionId, AgentFailure> {
        let mut servers = match options.tools {
            HandoverTools::Offered => vec![json!({
                "name": SERVER_NAME, "command": SHIM, "args": [SHIM_ARGUMENT], "env": [],
            })],
            HandoverTools::None => Vec::new(),
        };
        // Without a header: what signs a call in goes in at the proxy.
        servers.extend(offered.iter().map(
            |server| json!({"type": "http", "name": server.name, "url": server.url, "headers": []}),
        ));
        let mut params = json!({"cwd": options.working_directory, "mcpServers": servers});
        let Some(session) = earlier else {
            let answer = self.ask(SESSION, "session/new", &params).await?;
            return match answer {
                Ok(body) => session_in(&body),
                Err(error) => Err(self.start_failed(&error)),
            };
        };
        let method = match profile.session.resume {
            ResumeMethod::Resume => "session/resume",
            ResumeMethod::Load => "session/load",
            ResumeMethod::None => {
                let reason = format!("{} cannot go on with a session", profile.title);
                return Err(AgentFailure::SessionLost(reason));
            }
        };
        params["sessionId"] = json!(session);
        match self.ask(SESSION, method, &params).await? {
            Ok(_) => Ok(session),
            Err(error) => {
                Err(AgentFailure::from_error(&error).or_if_other(AgentFailure::SessionLost))
            }
        }
    }

    pub(super) async fn set_mode(
        &mut self,
        profile: &AgentProfile,
        session: &AgentSessionId,
    ) -> Result<(), AgentFailure> {
        let answer = match &profile.session.mode {
            WorkMode::Environment => return Ok(()),
            WorkMode::ConfigOption { id, value } => {
                let params = json!({"sessionId": session, "configId": id, "value": value});
                self.ask(MODE, "session/set_config_option", &params).await?
            }
            WorkMode::SetMode { value } => {
                let params = json!({"sessionId": session, "modeId": value});
                self.ask(MODE, "session/set_mode", &params).await?
            }
        };
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.start_failed(&error)),
        }
    }

    async fn ask(
        &mut self,
        id: i64,
        method: &str,
        params: &Value,
    ) -> Result<Result<Box<RawValue>, Error>, AgentFailure> {
        self.connection.send(&message::request(id, method, params));
        let deadline = Instant::now() + OPENING_WAIT;
        loop {
            let reason = match timeout_at(deadline, self.connection.step()).await {
                Ok(Step::Said(said)) => {
                    let heard = self.interpreter.hear(said);
                    if let Some(reply) = heard.reply {
                        self.connection.send(&reply);
                    }
                    match heard.answered {
                        Some((answered, result)) if answered == id => return Ok(result),
                        Some(_) | None => continue,
                    }
                }
                Ok(Step::Moved) => continue,
                Ok(Step::Ended) => String::from("its program ended"),
                Ok(Step::Broken(reason)) => return Err(AgentFailure::ProtocolBroken(reason)),
                Err(_) => format!("no answer to {method} in {} s", OPENING_WAIT.as_secs()),
            };
            return Err(AgentFailure::StartFailed {
                reason,
                errors_tail: self.connection.errors_tail().await,
            });
        }
    }

    fn start_failed(&self, error: &Error) -> AgentFailure {
        AgentFailure::from_error(error).or_if_other(|reason| AgentFailure::StartFailed {
            reason,
            errors_tail: self.connection.errors_so_far(),
        })
    }
}

fn session_in(body: &RawValue) -> Result<AgentSessionId, AgentFailure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct NewSession {
        session_id: AgentSessionId,
    }
    let found: Result<NewSession, _> = serde_json::from_str(body.get());
    found.map(|new| new.session_id).map_err(|_| {
        AgentFailure::ProtocolBroken(String::from("its answer to session/new names no session"))
    })
}
