//! What work that is under way says about itself: a run, and the check of its result.

use serde::{Deserialize, Serialize};

/// What a live run says about itself. Not stored; newest wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// What the agent is doing, in its own words, cut.
    pub step: String,
    /// The last command that it ran.
    pub last_command: Option<String>,
    /// Since when the run lives, in milliseconds.
    pub elapsed_ms: i64,
    /// How long ago the agent was last heard, in milliseconds.
    pub heartbeat_age_ms: i64,
    /// Which of the agent's own steps are done, where it says so: done and all.
    pub steps: Option<(u32, u32)>,
    /// The agent's own steps, where it keeps a list of them.
    #[serde(default)]
    pub list: Vec<LiveStep>,
    /// What people should know about its heartbeat; none while all is well.
    #[serde(default)]
    pub trouble: Option<Trouble>,
}

/// A step of the agent's own list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveStep {
    /// What is done, in the agent's words, cut.
    pub title: String,
    /// How it stands.
    pub standing: LiveStanding,
}

/// How a step of a live run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveStanding {
    /// Not begun.
    Pending,
    /// Begun.
    Active,
    /// Done.
    Done,
}

/// What is wrong with the heartbeat of a run that is not given up yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Trouble {
    /// The sandbox lives, and its agent says nothing.
    AgentSilent {
        /// When the run is given up: so long after the agent was last heard, in milliseconds.
        limit_ms: i64,
    },
    /// The container engine does not say how the sandbox is doing.
    EngineSilent {
        /// When the run is given up: so long after the engine last answered, in milliseconds.
        limit_ms: i64,
    },
}

/// What the clean container runs. Not stored; newest wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Checking {
    /// What has to run before the checks can.
    Setup {
        /// The command, cut.
        command: String,
    },
    /// A check.
    Check {
        /// The command, cut.
        command: String,
        /// Which of them it is, from 1.
        number: u32,
        /// How many there are.
        all: u32,
        /// What it runs on.
        tree: CheckedTree,
    },
}

/// What a check runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedTree {
    /// The result.
    Result,
    /// What the task began with, to compare.
    Base,
}
