//! What of a change people have to decide on: everything that was found, without what the plan names and what was
//! decided already. Asked when work leaves its sandbox, and again before it is pushed.

use deckhand_executors::{
    broker::{
        BrokerError, Errand, Finding, FindingKind, Gate, Quarantine, Rules, Scope, TakeOutLimits,
    },
    mirror::{BranchName, CommitId as GitCommit},
};

use super::{Context, Fault};
use crate::domain::{
    CommitId,
    held::{Hold, HoldReason},
    task::Task,
};

/// What a task's changes are held against.
pub struct Ground {
    /// The commit that the task began with.
    pub base: GitCommit,
    /// The commit that stands at the remote already.
    pub pushed: Option<GitCommit>,
    branch: BranchName,
    scope: Scope,
    limits: TakeOutLimits,
}

impl Ground {
    /// Reads it off a task. The error is a reason for people.
    pub fn of(task: &Task) -> Result<Self, String> {
        let workplace = task.workplace.as_ref();
        let workplace = workplace.ok_or("the task has no repository")?;
        let read =
            |commit: &CommitId| GitCommit::parse(&commit.0).map_err(|error| error.to_string());
        // A plan of an older version may name something that is no scope; then it names nothing.
        let files = task.plans.last().map(|last| last.plan.files.as_slice());
        Ok(Self {
            base: read(&workplace.base_commit)?,
            pushed: task.pushed.as_ref().map(read).transpose()?,
            branch: BranchName::parse(&task.branch()).map_err(|error| error.to_string())?,
            scope: Scope::read(files.unwrap_or_default()).unwrap_or_default(),
            limits: TakeOutLimits::default(),
        })
    }

    /// The commit that the next one goes on top of.
    #[must_use]
    pub fn parent(&self) -> &GitCommit {
        self.pushed.as_ref().unwrap_or(&self.base)
    }

    /// What is looked for in a change.
    #[must_use]
    pub fn rules<'a>(&'a self, context: &'a Context) -> Rules<'a> {
        Rules {
            scope: &self.scope,
            known: &context.redactor,
            limits: &self.limits,
        }
    }

    /// What is to be taken out of a sandbox.
    #[must_use]
    pub fn errand<'a>(&'a self, context: &'a Context) -> Errand<'a> {
        Errand {
            base: &self.base,
            branch: &self.branch,
            pushed: self.pushed.as_ref(),
            rules: self.rules(context),
        }
    }
}

/// The files of `head` that a person has to decide on, without their differences.
pub async fn of_commit(
    task: &Task,
    ground: &Ground,
    quarantine: &Quarantine,
    head: &GitCommit,
    findings: &[Finding],
) -> Result<Vec<Hold>, BrokerError> {
    let contents = quarantine.contents(&ground.base, head).await?;
    let mut holds: Vec<Hold> = Vec::new();
    for finding in findings {
        let content = contents.iter().find(|(path, _)| *path == finding.path);
        let content = content.map_or("", |(_, content)| content.as_str());
        let Some(reason) = reason(finding) else {
            continue;
        };
        if is_decided(task, finding, content) {
            continue;
        }
        if let Some(known) = holds.iter_mut().find(|hold| hold.path == finding.path) {
            known.reasons.push(reason);
        } else {
            holds.push(Hold {
                path: finding.path.clone(),
                content: content.to_owned(),
                reasons: vec![reason],
                diff: String::new(),
                is_cut: false,
            });
        }
    }
    holds.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(holds)
}

/// The paths of a commit that nobody decided on. The commit is read again, whatever was found in it before.
pub async fn undecided(
    context: &Context,
    task: &Task,
    quarantine: &Quarantine,
    head: &GitCommit,
) -> Result<Vec<String>, Fault> {
    let ground = Ground::of(task).map_err(Fault::permanent)?;
    let rules = ground.rules(context);
    let findings = quarantine.inspect(&ground.base, ground.parent(), head, &rules);
    let findings = findings.await.map_err(Fault::transient)?;
    let holds = of_commit(task, &ground, quarantine, head, &findings).await;
    let holds = holds.map_err(Fault::transient)?;
    Ok(holds.into_iter().map(|hold| hold.path).collect())
}

/// Whether a person has said already that this leaves: the same file with the same content, or the same text in it.
fn is_decided(task: &Task, finding: &Finding, content: &str) -> bool {
    if finding.gate() != Gate::Hold {
        return false;
    }
    let mut decisions = task.held_decisions.iter();
    if let FindingKind::Secret { mark, .. } = &finding.kind {
        return decisions.any(|decision| decision.no_secrets.contains(mark));
    }
    decisions.any(|decision| decision.includes(&finding.path, content))
}

/// Why a finding holds a change back; none where it is only worth a word.
fn reason(finding: &Finding) -> Option<HoldReason> {
    if finding.gate() == Gate::Note {
        return None;
    }
    Some(match &finding.kind {
        FindingKind::OutOfScope => HoldReason::OutOfScope,
        FindingKind::LinkLeavesTree { target } => HoldReason::LinkOut {
            target: target.clone(),
        },
        FindingKind::Submodule | FindingKind::SubmoduleList => HoldReason::Submodule,
        FindingKind::Workflow => HoldReason::Workflow,
        FindingKind::CodeOwners => HoldReason::CodeOwners,
        FindingKind::GitSettings => HoldReason::GitSettings,
        FindingKind::Hook => HoldReason::Hook,
        FindingKind::AgentRules => HoldReason::AgentRules,
        FindingKind::Environment => HoldReason::Environment,
        FindingKind::LargeFilePointer => HoldReason::LargeFilePointer,
        FindingKind::LargeFile { bytes } => HoldReason::LargeFile { bytes: *bytes },
        FindingKind::DeceivingName { why } => HoldReason::DeceivingName {
            why: (*why).to_owned(),
        },
        FindingKind::Collision { with } => HoldReason::Collision { with: with.clone() },
        FindingKind::SecretFile => HoldReason::SecretFile,
        FindingKind::Secret {
            rule,
            line,
            masked,
            mark,
        } => HoldReason::Secret {
            rule: rule.clone(),
            line: *line,
            masked: masked.clone(),
            mark: mark.clone(),
        },
        FindingKind::HostSecret { line } => HoldReason::OwnSecret { line: *line },
        FindingKind::NotSearched { bytes } => HoldReason::NotSearched { bytes: *bytes },
        FindingKind::Program => return None,
    })
}
