//! Takes the work out of the sandbox and makes the commit that will be proved and pushed.

use deckhand_executors::{
    broker::{
        self, BrokerError, Errand, Finding, FindingKind, Gate, Quarantine, Rules, Scope, Signature,
        TakeOutLimits, Taken,
    },
    mirror::{BranchName, CommitId as GitCommit},
};

use crate::{
    domain::{
        CommitId, RunNumber, Timestamp,
        event::{Change, Ending},
        task::Task,
    },
    engine::{Context, gather, prove::changed_file, runs::sandbox},
    words::{self, CommitExtra},
};

/// The name under which the host commits.
const AUTHOR: &str = "Deckhand";
/// Its address: one that can never belong to anybody.
const AUTHOR_EMAIL: &str = "deckhand@deckhand.invalid";

/// Takes the work of a run out. What may not leave is a reason, not an error: the person decides.
pub(super) async fn take_out(
    context: &Context,
    task: &Task,
    run: RunNumber,
    started: Timestamp,
    ending: &Ending,
) -> Change {
    match attempt(context, task, run, started, ending).await {
        Ok(change) => change,
        Err(reason) => Change::Refused { reason },
    }
}

async fn attempt(
    context: &Context,
    task: &Task,
    run: RunNumber,
    started: Timestamp,
    ending: &Ending,
) -> Result<Change, String> {
    let workplace = task
        .workplace
        .as_ref()
        .ok_or("the task has no repository")?;
    let mirror = gather::known_ground(context, &workplace.repository)
        .await
        .map_err(|error| error.to_string())?;
    let quarantine = Quarantine::open(context.quarantine_path(&task.id), mirror.path())
        .await
        .map_err(|error| error.to_string())?;
    let base = GitCommit::parse(&workplace.base_commit.0).map_err(|error| error.to_string())?;
    let branch = BranchName::parse(&task.branch()).map_err(|error| error.to_string())?;
    // A plan of an older version may name something that is no scope; then it names nothing.
    let files = task.plans.last().map(|last| last.plan.files.as_slice());
    let scope = Scope::read(files.unwrap_or_default()).unwrap_or_default();
    let pushed = task
        .pushed
        .as_ref()
        .map(|pushed| GitCommit::parse(&pushed.0));
    let pushed = pushed.transpose().map_err(|error| error.to_string())?;
    let limits = TakeOutLimits::default();
    let errand = Errand {
        base: &base,
        branch: &branch,
        pushed: pushed.as_ref(),
        rules: Rules {
            scope: &scope,
            known: &context.redactor,
            limits: &limits,
        },
    };
    let sandbox = sandbox::run_name(&task.id, run);
    let taken = broker::take_out(&*context.executor, &sandbox, &quarantine, &errand).await;
    let taken = match taken {
        Ok(taken) => taken,
        Err(BrokerError::NothingChanged) => return Ok(Change::None),
        Err(error) => return Err(error.to_string()),
    };
    let refused: Vec<String> = taken
        .findings
        .iter()
        .filter(|finding| finding.gate() == Gate::Refuse)
        .map(in_words)
        .collect();
    if !refused.is_empty() {
        return Ok(Change::Refused {
            reason: refused.join("; "),
        });
    }
    let parent = match &task.pushed {
        Some(pushed) => {
            let pushed = GitCommit::parse(&pushed.0).map_err(|error| error.to_string())?;
            if quarantine
                .tree_of(&pushed)
                .await
                .map_err(|error| error.to_string())?
                == taken.tree
            {
                return Ok(Change::None);
            }
            pushed
        }
        None => base,
    };
    commit(context, task, started, ending, &quarantine, &taken, parent).await
}

async fn commit(
    context: &Context,
    task: &Task,
    started: Timestamp,
    ending: &Ending,
    quarantine: &Quarantine,
    taken: &Taken,
    parent: GitCommit,
) -> Result<Change, String> {
    let thread = context
        .surfaces
        .permalink(&task.conversation, &task.request.reference)
        .await;
    let mut told = task.clone();
    told.model = ending.model.clone().or_else(|| told.model.take());
    told.report = ending.report.clone().or_else(|| told.report.take());
    let message = words::commit_message(
        &told,
        &CommitExtra {
            agent_version: None,
            thread,
        },
    )
    .map_err(|error| error.to_string())?;
    let message = context.redactor.redacted(message);
    let author = Signature {
        name: AUTHOR.to_owned(),
        email: AUTHOR_EMAIL.to_owned(),
        // The run's start, so that a repeat after a crash makes the same commit.
        at_seconds: u64::try_from(started.0 / 1_000).unwrap_or_default(),
    };
    let commit = quarantine
        .make_commit(&taken.tree, &[parent], &message, &author)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Change::Commit {
        commit: CommitId(commit.as_str().to_owned()),
        files: taken.files.iter().map(changed_file).collect(),
        notices: taken.findings.iter().map(in_words).collect(),
    })
}

fn in_words(finding: &Finding) -> String {
    let path = &finding.path;
    match &finding.kind {
        FindingKind::LinkLeavesTree { target } => {
            format!("`{path}` is a link out of the repository, to `{target}`")
        }
        FindingKind::Submodule => {
            format!("`{path}` is a submodule that is new or points elsewhere")
        }
        FindingKind::SubmoduleList => format!("`{path}`, the list of submodules, was changed"),
        FindingKind::Workflow => format!("`{path}` tells the forge's machines what to run"),
        FindingKind::CodeOwners => format!("`{path}` says who has to review what"),
        FindingKind::GitSettings => format!("`{path}` changes how git treats files"),
        FindingKind::LargeFilePointer => {
            format!("`{path}` points to a large file that is not in the commit")
        }
        FindingKind::LargeFile { bytes } => format!("`{path}` has {} MB", bytes / 1_000_000),
        FindingKind::Program => format!("`{path}` became a program"),
        FindingKind::OutOfScope => format!("`{path}` is not in the approved plan"),
        FindingKind::Hook => format!("`{path}` runs by itself on developers' machines"),
        FindingKind::AgentRules => format!("`{path}` is followed by every later agent"),
        FindingKind::Environment => format!("`{path}` says what sandboxes start from"),
        FindingKind::DeceivingName { why } => format!("the name `{path}` {why}"),
        FindingKind::Collision { with } => {
            format!("`{path}` and `{with}` are one name on some disks")
        }
        FindingKind::SecretFile => format!("`{path}` is a file that holds secrets"),
        FindingKind::Secret {
            rule, line, masked, ..
        } => format!("line {line} of `{path}` looks like a secret ({rule}): `{masked}`"),
        FindingKind::HostSecret { line } => {
            format!("line {line} of `{path}` holds a secret of this installation")
        }
        FindingKind::NotSearched { bytes } => {
            format!("`{path}` is too large to be looked through: {bytes} bytes")
        }
    }
}
