//! What the host found out about a commit, and what follows for each requirement.

use serde::{Deserialize, Serialize};

use super::{CommitId, clip, specification::SpecificationDraft};

/// The longest evidence that is shown for one requirement, in characters.
const EVIDENCE_MAX_CHARS: usize = 300;

/// How one command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Exit status 0.
    Passed,
    /// Another exit status.
    Failed {
        /// The exit status.
        status: i64,
    },
    /// It was given up.
    TimedOut,
    /// It could not be started.
    CouldNotRun {
        /// Why.
        reason: String,
    },
}

/// One command that was run in the clean container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The command.
    pub command: String,
    /// How it ended on the commit to be pushed.
    pub outcome: CheckOutcome,
    /// How it ended on the base commit, where it was run there.
    pub before: Option<CheckOutcome>,
    /// The last lines it wrote.
    pub tail: String,
    /// How long it took, in milliseconds.
    pub elapsed_ms: i64,
}

/// A test that was weakened by the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weakening {
    /// The file.
    pub path: String,
    /// What was done to it: "a test was deleted", "a test is skipped now".
    pub what: String,
    /// The line that shows it.
    pub excerpt: String,
    /// The command that proves nothing any more, where the weakening is of a command.
    pub command: Option<String>,
}

/// A picture of a page, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The page's title.
    pub title: String,
    /// `before` or `after`.
    pub moment: String,
    /// The stored artifact's name, where the picture was taken.
    pub artifact: Option<String>,
    /// Why there is none.
    pub reason: Option<String>,
}

/// A changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    /// Its path.
    pub path: String,
    /// Lines added.
    pub added: u32,
    /// Lines removed.
    pub removed: u32,
}

/// What the agent said about its own work at the end. Words, not evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Report {
    /// What was done, in a few sentences.
    pub summary: String,
    /// What it says of each requirement.
    #[serde(default)]
    pub requirements: Vec<ReportedRequirement>,
    /// What was left undone, and why.
    #[serde(default)]
    pub not_done: Vec<String>,
}

/// What the agent says of one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReportedRequirement {
    /// `R1`, `R2`, …
    pub id: String,
    /// `met`, `not_met` or `not_checked`.
    pub status: Verdict,
    /// Why.
    #[serde(default)]
    pub evidence: String,
    /// A shell command that succeeds only when the requirement is met; the host runs it.
    #[serde(default)]
    pub check: Option<String>,
}

/// How a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The host saw that it is true.
    Met,
    /// The host saw that it is not.
    NotMet,
    /// Nothing that the host could run decides it.
    NotChecked,
}

/// A requirement with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// `R1`, `R2`, …
    pub id: String,
    /// What had to be true.
    pub text: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What shows it.
    pub evidence: String,
}

/// The whole proof of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The commit that was proved, which is the one that is pushed.
    pub commit: CommitId,
    /// Every command that was run.
    pub checks: Vec<CheckResult>,
    /// Tests that the change weakens.
    pub weakenings: Vec<Weakening>,
    /// Pictures before and after.
    pub pictures: Vec<Picture>,
    /// What changed.
    pub files: Vec<ChangedFile>,
    /// Things a reviewer should look at: workflow files, links, large files.
    pub notices: Vec<String>,
}

/// Judges each requirement by what the host saw. The agent's report only adds commands to run and words for what no command decides.
#[must_use]
pub fn judge(
    specification: &SpecificationDraft,
    report: Option<&Report>,
    proof: &Proof,
) -> Vec<Judged> {
    specification
        .requirements
        .iter()
        .map(|requirement| {
            let reported = report.and_then(|report| {
                report
                    .requirements
                    .iter()
                    .find(|entry| entry.id == requirement.id)
            });
            let command = requirement
                .check
                .as_ref()
                .or_else(|| reported.and_then(|entry| entry.check.as_ref()));
            let result = command
                .and_then(|command| proof.checks.iter().find(|check| &check.command == command));
            let (verdict, evidence) = match result {
                Some(check) => judge_check(check, &proof.weakenings),
                None => (Verdict::NotChecked, unchecked_evidence(reported)),
            };
            Judged {
                id: requirement.id.clone(),
                text: requirement.text.clone(),
                verdict,
                evidence: clip(&evidence, EVIDENCE_MAX_CHARS),
            }
        })
        .collect()
}

fn unchecked_evidence(reported: Option<&ReportedRequirement>) -> String {
    match reported {
        Some(entry) if !entry.evidence.trim().is_empty() => format!(
            "no command decides this; the agent says: {}",
            entry.evidence.trim()
        ),
        Some(_) | None => "no command decides this".to_owned(),
    }
}

fn judge_check(check: &CheckResult, weakenings: &[Weakening]) -> (Verdict, String) {
    if weakenings.iter().any(|weakening| {
        weakening
            .command
            .as_deref()
            .is_some_and(|weak| check.command.contains(weak))
    }) {
        return (
            Verdict::NotChecked,
            format!(
                "`{}` was made trivial by this change, so its success shows nothing",
                check.command
            ),
        );
    }
    match &check.outcome {
        CheckOutcome::Passed => {
            let before = match &check.before {
                Some(CheckOutcome::Failed { .. } | CheckOutcome::TimedOut) => {
                    "; it failed before the change"
                }
                Some(CheckOutcome::Passed) => "; it passed before the change too",
                Some(CheckOutcome::CouldNotRun { .. }) | None => "",
            };
            (Verdict::Met, format!("`{}` passed{before}", check.command))
        }
        CheckOutcome::Failed { status } => (
            Verdict::NotMet,
            format!(
                "`{}` failed with status {status}: {}",
                check.command,
                last_line(&check.tail)
            ),
        ),
        CheckOutcome::TimedOut => (
            Verdict::NotMet,
            format!("`{}` did not end in time", check.command),
        ),
        CheckOutcome::CouldNotRun { reason } => (
            Verdict::NotChecked,
            format!("`{}` could not be run: {reason}", check.command),
        ),
    }
}

fn last_line(tail: &str) -> &str {
    tail.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it wrote nothing")
}

impl Proof {
    /// Whether something that the host ran says that the work is not done.
    #[must_use]
    pub fn refutes(&self, judged: &[Judged]) -> bool {
        let failed = |check: &CheckResult| {
            matches!(
                check.outcome,
                CheckOutcome::Failed { .. } | CheckOutcome::TimedOut
            )
        };
        judged.iter().any(|one| one.verdict == Verdict::NotMet) || self.checks.iter().any(failed)
    }

    /// Whether everything was seen to be true, and no test was weakened for it.
    #[must_use]
    pub fn is_whole(&self, judged: &[Judged]) -> bool {
        judged.iter().all(|one| one.verdict == Verdict::Met)
            && self
                .checks
                .iter()
                .all(|check| check.outcome == CheckOutcome::Passed)
            && self.weakenings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::specification::Requirement;

    fn specification() -> SpecificationDraft {
        let requirement = |id: &str, check: Option<&str>| Requirement {
            id: id.into(),
            text: id.into(),
            check: check.map(Into::into),
        };
        SpecificationDraft {
            title: "t".into(),
            goal: "g".into(),
            requirements: vec![requirement("R1", Some("npm test")), requirement("R2", None)],
            checks: vec![],
            out_of_scope: vec![],
            pages: vec![],
            start: None,
            setup: None,
        }
    }

    fn proof(outcome: CheckOutcome, weakenings: Vec<Weakening>) -> Proof {
        let check = CheckResult {
            command: "npm test".into(),
            outcome,
            before: None,
            tail: "1 failed\n".into(),
            elapsed_ms: 1,
        };
        Proof {
            commit: CommitId("c".into()),
            checks: vec![check],
            weakenings,
            pictures: vec![],
            files: vec![],
            notices: vec![],
        }
    }

    #[test]
    fn the_agents_word_never_makes_a_requirement_met() {
        let report = Report {
            summary: "all done".into(),
            requirements: ["R1", "R2"]
                .map(|id| ReportedRequirement {
                    id: id.into(),
                    status: Verdict::Met,
                    evidence: "trust me".into(),
                    check: None,
                })
                .into(),
            not_done: vec![],
        };
        let judged = judge(
            &specification(),
            Some(&report),
            &proof(CheckOutcome::Failed { status: 1 }, vec![]),
        );
        assert_eq!(
            judged.iter().map(|one| one.verdict).collect::<Vec<_>>(),
            [Verdict::NotMet, Verdict::NotChecked]
        );
        assert_eq!(
            judged[0].evidence,
            "`npm test` failed with status 1: 1 failed"
        );
    }

    #[test]
    fn a_command_that_was_made_trivial_shows_nothing() {
        let weakening = Weakening {
            path: "package.json".into(),
            what: "made trivial".into(),
            excerpt: "true".into(),
            command: Some("npm test".into()),
        };
        let judged = judge(
            &specification(),
            None,
            &proof(CheckOutcome::Passed, vec![weakening]),
        );
        assert_eq!(judged[0].verdict, Verdict::NotChecked);
    }
}
