//! A plan as a person writes it: its lists, without what only the agent knows of it.

use serde::{Deserialize, Serialize};

use super::{
    plan::Plan,
    specification::{CHECKS_MAX, SpecificationDraft},
};

/// The lists of a plan that a person may write themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEdit {
    /// What is done, in order.
    pub steps: Vec<String>,
    /// What may change.
    pub files: Vec<String>,
    /// Commands that have to pass at the end: the specification's for the whole, and the plan's.
    pub checks: Vec<String>,
    /// What could go wrong.
    pub risks: Vec<String>,
    /// Hosts that the work needs.
    pub network: Vec<String>,
}

/// Why an edit of a plan changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum EditRefusal {
    /// Another revision waits by now, or none.
    Stale {
        /// The revision that was edited.
        seen: u32,
        /// The one that waits.
        current: Option<u32>,
        /// What was written, so that it is not lost.
        edit: PlanEdit,
    },
    /// It is what the plan says already.
    Unchanged,
}

impl PlanEdit {
    /// The lists of a plan as they are now.
    #[must_use]
    pub fn of(plan: &Plan, specification: &SpecificationDraft) -> Self {
        let mut checks = once(clean(&specification.checks));
        for check in clean(&plan.checks) {
            if !checks.contains(&check) {
                checks.push(check);
            }
        }
        Self {
            steps: clean(&plan.steps),
            files: once(clean(&plan.files)),
            checks,
            risks: clean(&plan.risks),
            network: once(clean(&plan.network)),
        }
    }

    /// Checks what a person wrote, by the rules that hold for an agent. The error is a sentence that says what to mend.
    pub fn accept(mut self) -> Result<Self, String> {
        for list in [
            &mut self.steps,
            &mut self.files,
            &mut self.checks,
            &mut self.risks,
            &mut self.network,
        ] {
            *list = clean(list);
        }
        for list in [&mut self.files, &mut self.checks, &mut self.network] {
            *list = once(std::mem::take(list));
        }
        if self.checks.len() > CHECKS_MAX {
            return Err(format!("a plan has at most {CHECKS_MAX} checks"));
        }
        Plan::default_of(&self).accept()?;
        Ok(self)
    }

    /// The plan that this makes of another one. The reason says whose words these are.
    #[must_use]
    pub fn applied_to(&self, plan: &Plan, by: &str) -> Plan {
        let kept = clean(&plan.checks).into_iter();
        Plan {
            checks: kept.filter(|check| self.checks.contains(check)).collect(),
            cost_usd: plan.cost_usd,
            reason: Some(format!("edited by {by}")),
            ..Plan::default_of(self)
        }
    }

    /// Makes the checks of the whole those that were written: what was added has to pass, what was taken away has not.
    pub fn require_in(&self, plan: &Plan, specification: &mut SpecificationDraft) {
        let before = Self::of(plan, specification).checks;
        specification.checks = clean(&specification.checks);
        specification
            .checks
            .retain(|check| self.checks.contains(check));
        for check in self.checks.iter().filter(|check| !before.contains(check)) {
            specification.require(check);
        }
    }
}

impl Plan {
    fn default_of(edit: &PlanEdit) -> Self {
        Self {
            steps: edit.steps.clone(),
            files: edit.files.clone(),
            checks: edit.checks.clone(),
            risks: edit.risks.clone(),
            cost_usd: None,
            network: edit.network.clone(),
            reason: None,
        }
    }
}

/// Each entry once.
fn once(list: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(list.len());
    for entry in list {
        if !kept.contains(&entry) {
            kept.push(entry);
        }
    }
    kept
}

/// Entries without blanks around their lines, and without those that say nothing.
fn clean(list: &[String]) -> Vec<String> {
    let tidied = list.iter().map(|entry| {
        let lines = entry.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        lines.join("\n")
    });
    tidied.filter(|entry| !entry.is_empty()).collect()
}
