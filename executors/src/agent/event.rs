//! What an agent does, in our words: the same for every agent.

use std::fmt;

use super::{failure::AgentFailure, usage::Usage};

/// An agent's own name for its conversation. Whoever has it can go on with the conversation: it is not to be shown whole.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AgentSessionId(pub String);

impl fmt::Debug for AgentSessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail_start = self
            .0
            .char_indices()
            .rev()
            .nth(3)
            .map_or(0, |(index, _)| index);
        write!(formatter, "AgentSessionId(…{})", &self.0[tail_start..])
    }
}

/// The name of one use of a tool, unique in a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ToolUseId(pub String);

/// What sort of thing a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolUse {
    /// Looks at files or searches them.
    Read,
    /// Changes, moves or deletes files.
    Edit,
    /// Runs a command.
    Command,
    /// Fetches something from the network.
    Fetch,
    /// Everything else, tools of the session among them.
    Other,
}

/// How the use of a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutcome {
    /// The agent says that it worked.
    Completed,
    /// The agent says that it failed, or was not allowed.
    Failed,
}

/// A use of a tool that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolStarted {
    /// Which one.
    pub id: ToolUseId,
    /// The agent's own words for it, at most [`TITLE_LIMIT`](super::TITLE_LIMIT) characters.
    pub title: String,
    /// What sort of thing it does.
    pub kind: ToolUse,
    /// The command line, where it is a command and the agent tells it; at most
    /// [`COMMAND_LIMIT`](super::COMMAND_LIMIT) characters.
    pub command: Option<String>,
}

/// A use of a tool that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolEnded {
    /// Which one.
    pub id: ToolUseId,
    /// Whether it worked.
    pub outcome: ToolOutcome,
    /// The command line, as in [`ToolStarted`].
    pub command: Option<String>,
    /// The command's exit status, where the agent tells it.
    pub exit_status: Option<i64>,
    /// The end of its output, at most [`OUTPUT_TAIL_BYTES`](super::OUTPUT_TAIL_BYTES).
    pub output_tail: String,
}

/// One line of an agent's own list of things to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// What is to be done.
    pub text: String,
    /// How far it is.
    pub progress: StepProgress,
}

/// How far a step of an agent's list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepProgress {
    /// Not begun.
    Pending,
    /// Under way.
    Active,
    /// Done.
    Done,
}

/// Why an agent stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It says that it is done. That alone is no proof of anything.
    EndTurn,
    /// The model's answer was cut off at its longest.
    OutputLimit,
    /// It asked its model as often as it may in one turn.
    RequestLimit,
    /// The model refused.
    Refusal,
    /// It was cancelled.
    Cancelled,
    /// It answered with an error; the failure says which.
    Failed,
    /// A reason that this version does not know.
    Unknown(String),
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnEnded {
    /// What the agent says about it.
    pub stop: Stop,
    /// What went wrong, where something did: agents report a refusing model as an ordinary end.
    pub failure: Option<AgentFailure>,
    /// What the run has used so far.
    pub usage: Usage,
}

/// One thing that an agent did.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// A piece of what it says to the person.
    Text(String),
    /// A piece of what it thinks.
    Thought(String),
    /// It began to use a tool.
    ToolStarted(ToolStarted),
    /// It is done with a tool.
    ToolEnded(ToolEnded),
    /// Its own list of things to do has changed; this is the whole list.
    PlanUpdated(Vec<PlanStep>),
    /// What the run has used so far; the newest counts, and it may be lower than one before it that was estimated.
    Usage(Usage),
    /// A remark that is no part of the conversation, such as a retry.
    Notice(String),
    /// It answered the prompt. The session waits for the next one.
    TurnEnded(TurnEnded),
    /// The process is gone, or cannot be understood any more. Nothing comes after it.
    Ended {
        /// Why the session was given up, where the process did not simply end.
        failure: Option<AgentFailure>,
        /// The end of its standard error.
        errors_tail: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_session_id_shows_only_its_end() {
        assert_eq!(
            format!("{:?}", AgentSessionId("ses_e05391744".into())),
            "AgentSessionId(…1744)"
        );
        assert_eq!(
            format!("{:?}", AgentSessionId("ab".into())),
            "AgentSessionId(…ab)"
        );
    }
}
