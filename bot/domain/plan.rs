//! The plan: numbered revisions of how the specification is to be met, and the approval that binds to one of them.

use deckhand_executors::broker::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Timestamp,
    budget::MicroDollars,
    conversation::{Person, Road},
    specification::{Specification, SpecificationDraft},
};

/// The most entries of one list of a plan.
pub const ENTRIES_MAX: usize = 30;

/// A range of cost in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CostRange {
    /// The least it will cost.
    pub low: f64,
    /// The most it should cost.
    pub high: f64,
}

/// What the agent hands over as its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    /// What is done, in order.
    pub steps: Vec<String>,
    /// Everything that will be changed, added or removed, from the repository's root: files (`lib/users.js`), folders
    /// (`lib/`) or globs (`test/**/*.js`). Nothing else can leave without a person's word, so name tests, lock files and
    /// generated files too.
    #[serde(default)]
    pub files: Vec<String>,
    /// Commands that will show that it worked.
    #[serde(default)]
    pub checks: Vec<String>,
    /// What could go wrong, and what is not certain.
    #[serde(default)]
    pub risks: Vec<String>,
    /// What it will cost in model usage.
    #[serde(default)]
    pub cost_usd: Option<CostRange>,
    /// Hosts that the work needs to reach beside package registries and the model.
    #[serde(default)]
    pub network: Vec<String>,
    /// Why this revision differs from the one before.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Plan {
    /// Checks what an agent handed over. The error is a sentence that tells the agent what to mend.
    pub fn accept(self) -> Result<Self, String> {
        if self.steps.is_empty() {
            return Err("a plan has at least one step".into());
        }
        if self.files.is_empty() {
            return Err("a plan names in `files` what it will change: files (`lib/users.js`), folders (`lib/`) or globs (`test/**/*.js`)".into());
        }
        if let Err(unfit) = Scope::read(&self.files) {
            return Err(format!("in `files`, {unfit}"));
        }
        let lists = [
            &self.steps,
            &self.files,
            &self.checks,
            &self.risks,
            &self.network,
        ];
        if lists.iter().any(|list| list.len() > ENTRIES_MAX) {
            return Err(format!(
                "no list of the plan may have more than {ENTRIES_MAX} entries"
            ));
        }
        if lists
            .iter()
            .flat_map(|list| list.iter())
            .any(|text| text.chars().count() > 600)
        {
            return Err("no entry of the plan may be longer than 600 characters".into());
        }
        if self.cost_usd.is_some_and(|cost| {
            !(cost.low >= 0.0 && cost.low <= cost.high && cost.high < 100_000.0)
        }) {
            return Err("cost_usd needs 0 <= low <= high".into());
        }
        Ok(self)
    }
}

/// One revision of the plan, as it was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRevision {
    /// From 1.
    pub number: u32,
    /// What was planned.
    pub plan: Plan,
    /// What approving this revision approves.
    pub fingerprint: Fingerprint,
    /// The specification that it was shown with; none in what an earlier version stored.
    #[serde(default)]
    pub specification: Option<SpecificationDraft>,
}

/// A hash of everything that an approver sees: specification, plan, base commit, budget, agent and policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub String);

/// What a [`Fingerprint`] covers, beside specification and plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The agent that will work.
    pub agent: String,
    /// The model, where one was chosen.
    pub model: Option<String>,
    /// The ceiling of spend.
    pub budget: MicroDollars,
    /// The name and revision of the network policy.
    pub network_policy: String,
}

impl Fingerprint {
    /// Computes the hash over the serialised form of the typed values, whose fields keep the order of their declaration.
    /// None where they cannot be serialised, which approves nothing.
    #[must_use]
    pub fn of(specification: &Specification, plan: &Plan, terms: &Terms) -> Option<Self> {
        let whole = serde_json::to_vec(&(specification, plan, terms)).ok()?;
        Some(Self(hex::encode(Sha256::digest(whole))))
    }
}

/// A stored yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The revision that was seen.
    pub revision: u32,
    /// Its fingerprint, checked again when the work starts.
    pub fingerprint: Fingerprint,
    /// Who approved.
    pub by: Person,
    /// How.
    pub road: Road,
    /// When.
    pub at: Timestamp,
    /// Whether a run has used it; an approval starts one piece of work.
    pub used: bool,
}

/// How one list of a plan differs from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListDifference {
    /// The list's name, as people know it.
    pub list: String,
    /// Entries that were dropped.
    pub removed: Vec<String>,
    /// Entries that were added.
    pub added: Vec<String>,
}

/// What changed from one plan to the next; lists that stayed the same are left out.
#[must_use]
pub fn difference(before: &Plan, after: &Plan) -> Vec<ListDifference> {
    compare([
        ("steps", &before.steps, &after.steps),
        ("files", &before.files, &after.files),
        ("checks", &before.checks, &after.checks),
        ("risks", &before.risks, &after.risks),
        ("network", &before.network, &after.network),
    ])
}

/// What changed from one specification to the next.
#[must_use]
pub fn specification_difference(
    before: &SpecificationDraft,
    after: &SpecificationDraft,
) -> Vec<ListDifference> {
    let requirements = |draft: &SpecificationDraft| {
        let all = draft.requirements.iter();
        all.map(|one| format!("{} {}", one.id, one.text))
            .collect::<Vec<_>>()
    };
    compare([
        (
            "goal",
            &vec![before.goal.clone()],
            &vec![after.goal.clone()],
        ),
        ("requirements", &requirements(before), &requirements(after)),
        ("required checks", &before.checks, &after.checks),
        ("not part of it", &before.out_of_scope, &after.out_of_scope),
    ])
}

fn compare<const LISTS: usize>(
    lists: [(&str, &Vec<String>, &Vec<String>); LISTS],
) -> Vec<ListDifference> {
    lists
        .into_iter()
        .map(|(name, old, new)| ListDifference {
            list: name.to_owned(),
            removed: old
                .iter()
                .filter(|entry| !new.contains(entry))
                .cloned()
                .collect(),
            added: new
                .iter()
                .filter(|entry| !old.contains(entry))
                .cloned()
                .collect(),
        })
        .filter(|change| !change.removed.is_empty() || !change.added.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(files: &[&str]) -> Plan {
        Plan {
            steps: vec!["mend it".into()],
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            checks: vec![],
            risks: vec![],
            cost_usd: None,
            network: vec![],
            reason: None,
        }
    }

    #[test]
    fn a_plan_says_what_it_will_change_and_not_everything() {
        assert!(
            plan(&["lib/users.js", "test/", "docs/**/*.md"])
                .accept()
                .is_ok()
        );
        for (files, reason) in [
            (&[][..], "a plan names in `files`"),
            (
                &["lib/users.js", "**"],
                "in `files`, `**` would let every file change",
            ),
            (
                &["/etc/passwd"],
                "in `files`, `/etc/passwd` is no path inside",
            ),
            (&["a/../../b"], "climbs out"),
            (&[".git/config"], "git's own folder"),
        ] {
            let error = plan(files).accept().expect_err("it must be refused");
            assert!(error.contains(reason), "{error}");
        }
    }
}
