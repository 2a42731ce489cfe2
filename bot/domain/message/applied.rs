//! What applies where somebody asks, and what says so: the answers to `why` and `limits`.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Timestamp,
    budget::{MicroDollars, Usage},
    network::{NetworkTerms, Verdict},
    policy::{Refusal, Right},
    preferences::Origin,
    specification::RepositoryName,
};

/// What says that something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "by", rename_all = "snake_case")]
pub enum Because {
    /// The request, or what people said about the task since.
    Said,
    /// What was set or found out, in the order in which it goes.
    Set(Origin),
    /// The setting of this installation that holds for every task.
    Installation,
    /// The settings that this installation has for the repository.
    Repository,
    /// Nothing is set, so it is what it is by itself.
    Unset,
}

/// The answer to `why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyCard {
    /// Who may do what, and whether whoever asks may.
    pub rights: Vec<Right>,
    /// The names of some of the people whom the settings list; never shown to people from outside.
    pub people: Vec<String>,
    /// What the task of the conversation has, or a request here would get; none for people from outside, where there is
    /// no task.
    pub terms: Option<Box<AppliedTerms>>,
}

/// What a task has, or would get, each with what says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedTerms {
    /// The task; none for a request that is yet to come.
    pub task: Option<String>,
    /// The repository; none where it is not known, or where a request would have to say it.
    pub repository: Option<(RepositoryName, Because)>,
    /// The base branch and the commit it was read at, once they are known.
    pub base: Option<(String, String)>,
    /// The agent.
    pub agent: (String, Because),
    /// The model, where one is set; the agent's own otherwise.
    pub model: Option<(String, Because)>,
    /// The ceiling of spend.
    pub budget: (MicroDollars, Because),
    /// The ceiling of working time, in milliseconds; none where there is none.
    pub work_ms: Option<(i64, Because)>,
    /// The network policy of the repository; none while that is not known.
    pub network: Option<NetworkTerms>,
    /// Whether this installation has a network policy at all, or hosts for setup commands.
    pub has_policy: bool,
    /// What people decided about hosts in the task, with their names.
    pub decided: Vec<(String, Verdict, String)>,
    /// Which revision is approved, by whom and when.
    pub approved: Option<(u32, String, Timestamp)>,
}

/// The answer to `limits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsCard {
    /// What the task of the conversation has used; none where there is no task.
    pub used: Option<Used>,
    /// The ceiling of spend of one task.
    pub spend: (MicroDollars, Because),
    /// The ceiling of working time of one task, in milliseconds; none where there is none.
    pub work_ms: Option<(i64, Because)>,
    /// The longest that one run may take, in milliseconds.
    pub run_ms: i64,
    /// The longest that one check may take, in milliseconds.
    pub check_ms: i64,
    /// The longest silence of an agent, in milliseconds.
    pub silence_ms: i64,
    /// How long a decision is waited for, in milliseconds.
    pub wait_ms: i64,
    /// After which time of waiting somebody is reminded, in milliseconds; none for never.
    pub remind_ms: Option<i64>,
    /// How often a result that is not met goes back to the agent.
    pub rework_rounds: u8,
    /// How many tasks work at once.
    pub at_once: u32,
    /// How many do now.
    pub at_work: u32,
    /// How many wait for their turn.
    pub in_line: u32,
    /// Memory of a sandbox, in bytes.
    pub memory_bytes: u64,
    /// Processors of a sandbox.
    pub processors: f64,
    /// What the files of a task may take of the disk, in bytes.
    pub disk_bytes: u64,
    /// Why whoever asks may not let a task spend or work more; none where they may.
    pub refused: Option<Refusal>,
}

/// What a task has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The task.
    pub task: String,
    /// On models, of the runs that are over.
    pub spent: Usage,
    /// How long it worked, in milliseconds.
    pub worked_ms: i64,
    /// How often its result went back to the agent.
    pub rework_rounds: u8,
    /// How many sentences wait for the agent's next turn.
    pub waiting: usize,
}
