//! The Agent Client Protocol client: one harness for every agent.
//!
//! An agent is the main process of its sandbox, spoken to over standard input and output.
//! [`AgentProfile`] says how one is started, [`AgentSession`] converses with it, [`Handover`] is
//! where it hands over what it made. In reading order: `session` and `opening`; `interpreter` (what is
//! said becomes events; pure) with `tools`; `event`; `profile` and `launch`; `handover`; `usage` and
//! `price`; `failure`; below them `connection`, `output` and `message`.
//!
//! The sandbox keeps everything that the agent ever said. An owner that stores a [`ResumePoint`] can be killed at any
//! moment: the next one attaches again, hears everything once more and goes on behind the point
//! ([`AgentSession::reopen`]).

mod connection;
mod event;
mod failure;
mod handover;
mod interpreter;
mod launch;
mod message;
mod opening;
mod output;
mod price;
mod profile;
mod session;
mod tools;
mod usage;

pub use event::{
    AgentEvent, AgentSessionId, PlanStep, StepProgress, Stop, ToolEnded, ToolOutcome, ToolStarted,
    ToolUse, ToolUseId, TurnEnded,
};
pub use failure::AgentFailure;
pub use handover::{
    ARGUMENTS_LIMIT_BYTES, Handover, HandoverCall, HandoverError, SERVER_NAME, SOCKET_NAME,
    ToolDescription,
};
pub use interpreter::PermissionAnswer;
pub use launch::{EGRESS_ADDRESS, HOME, Launch, SHIM, sandbox_environment};
pub use price::{MicroDollars, Price, PriceTable};
pub use profile::{AgentName, AgentProfile, ModelName, ModelProvider, ProfileError, ResumeMethod};
pub use session::{
    AgentSession, HandoverTools, McpServer, PROMPT_LIMIT_BYTES, PromptError, ResumePoint,
    SessionOptions, SessionStart, Turn,
};
pub use tools::{COMMAND_LIMIT, OUTPUT_TAIL_BYTES, TITLE_LIMIT};
pub use usage::{Cost, Tokens, Usage};
