//! The end of a stretch of work, as data.

use serde::{Deserialize, Serialize};

use crate::domain::{
    budget::Usage,
    conversation::Person,
    event::{BaseStanding, Publication},
    proof::{ChangedFile, CheckResult, Judged, Picture, Weakening},
    specification::RepositoryName,
};

/// A result as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultCard {
    /// The title.
    pub title: String,
    /// Where the work is.
    pub publication: Publication,
    /// The repository.
    pub repository: RepositoryName,
    /// The base branch.
    pub base_branch: String,
    /// How each requirement stands.
    pub requirements: Vec<Judged>,
    /// Every command that was run in the clean container.
    pub checks: Vec<CheckResult>,
    /// Tests that the change weakens.
    pub weakenings: Vec<Weakening>,
    /// What changed.
    pub files: Vec<ChangedFile>,
    /// Pictures, taken or not.
    pub pictures: Vec<Picture>,
    /// Things a reviewer should look at.
    pub notices: Vec<String>,
    /// What the agent says it left undone.
    pub not_done: Vec<String>,
    /// How often the result went back to the agent.
    pub rework_rounds: u8,
    /// Whether everything was seen to be true.
    pub whole: bool,
    /// What it used, of all runs.
    pub usage: Usage,
    /// How long the runs took together, in milliseconds.
    pub elapsed_ms: i64,
    /// Who asked for the task; mentioned once.
    pub asks: Person,
}

impl ResultCard {
    /// How base and commit stand to each other, where that needs a word.
    #[must_use]
    pub fn base(&self) -> &BaseStanding {
        &self.publication.base
    }
}
