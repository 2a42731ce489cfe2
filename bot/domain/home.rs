//! What one person sees on the bot's own page of a surface: their tasks, and how the bot is set up.

use serde::{Deserialize, Serialize};

use super::{budget::MicroDollars, preferences::Preferences, specification::RepositoryName};

/// A person's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Home {
    /// Their tasks, newest first.
    pub tasks: Vec<TaskLine>,
    /// How the bot is set up.
    pub settings: HomeSettings,
    /// What they have set themselves; none where they may set nothing.
    #[serde(default)]
    pub mine: Option<Preferences>,
}

/// What people may know of the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HomeSettings {
    /// The agent where a request names none.
    pub agent: String,
    /// Its model, where one is set.
    pub model: Option<String>,
    /// The ceiling of spend of one task.
    pub budget: MicroDollars,
    /// How many tasks work at once.
    pub parallel_tasks: u32,
    /// The repositories that the settings name; others may be in reach.
    pub repositories: Vec<RepositoryName>,
    /// How many people may ask and approve; 0 means every member.
    pub people: usize,
    /// Whether the requester may not approve their own task.
    pub second_person_approves: bool,
}

/// One line of a list of tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLine {
    /// The task.
    pub id: String,
    /// Its title, or the request's first words.
    pub title: String,
    /// How it stands, in words.
    pub stands: String,
    /// Where to look.
    pub url: String,
    /// What only a person can do next, where there is something.
    pub needs: Option<String>,
}
