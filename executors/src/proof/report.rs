//! What a proof found.

use std::time::Duration;

use super::{CheckResult, Picture, ProofSpec, weakening::Weakening};
use crate::mirror::CommitId;

/// Everything that the host saw for itself.
#[derive(Debug, Clone)]
pub struct ProofReport {
    /// The commit that was checked out and tried.
    pub commit: CommitId,
    /// The commit that the task began with.
    pub base: CommitId,
    /// The setup on the commit, where there is one. Where it failed, no check could run.
    pub setup: Option<CheckResult>,
    /// Each check on the commit, in the order of the specification.
    pub checks: Vec<CheckResult>,
    /// Each check on the base; empty where the comparison was skipped.
    pub base_checks: Vec<CheckResult>,
    /// Each page before and after.
    pub pictures: Vec<Picture>,
    /// What the change did to tests and checks.
    pub weakenings: Vec<Weakening>,
    /// Files of the commit that the checks changed while they ran: later ones did not see exactly the commit.
    pub files_changed_by_checks: Vec<String>,
    /// How long it all took.
    pub elapsed: Duration,
}

impl ProofReport {
    pub(super) fn of(spec: &ProofSpec) -> Self {
        Self {
            commit: spec.commit.clone(),
            base: spec.base.clone(),
            setup: None,
            checks: Vec::new(),
            base_checks: Vec::new(),
            pictures: Vec::new(),
            weakenings: Vec::new(),
            files_changed_by_checks: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }
}
