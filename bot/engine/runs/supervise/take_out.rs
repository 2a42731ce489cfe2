//! Takes the work out of the sandbox and makes the commit that will be proved and pushed.

use deckhand_executors::{
    broker::{self, BrokerError, Finding, FindingKind, Gate, Quarantine, Signature, Taken},
    mirror::{CommitId as GitCommit, TreeId},
};

use crate::{
    domain::{
        CommitId, RunNumber, Timestamp,
        event::{Change, Ending, RunFailure},
        held::{HOLDS_MAX, HeldChange, Hold, HoldReason},
        task::Task,
    },
    engine::{
        Context, gather,
        holds::{self, Ground},
        prove::changed_file,
        runs::{leftovers, sandbox},
    },
    words::{self, CommitExtra},
};

/// Bytes of one file's difference that are shown with a question.
const DIFF_BYTES: usize = 4_000;
/// Files whose differences are shown with a question.
const DIFFS_MAX: usize = 20;
/// The name under which the host commits.
const AUTHOR: &str = "Deckhand";
/// Its address: one that can never belong to anybody.
const AUTHOR_EMAIL: &str = "deckhand@deckhand.invalid";

/// Where the work of a run is.
#[derive(Clone, Copy)]
enum Source {
    /// In its sandbox, whose agent has ended its turn.
    Run,
    /// In its volume: the agent was at work when its time was over.
    Volume,
}

/// Takes the work of a run out. What may not leave is a reason, not an error: the person decides.
pub(super) async fn take_out(
    context: &Context,
    task: &Task,
    run: RunNumber,
    started: Timestamp,
    ending: &Ending,
) -> Change {
    let ended_outside = ending.failure == Some(RunFailure::OutOfWorkTime);
    let from = if ended_outside {
        Source::Volume
    } else {
        Source::Run
    };
    match attempt(context, task, (run, from), started, ending).await {
        Ok(change) => change,
        Err(reason) => Change::Refused { reason },
    }
}

async fn attempt(
    context: &Context,
    task: &Task,
    (run, from): (RunNumber, Source),
    started: Timestamp,
    ending: &Ending,
) -> Result<Change, String> {
    let ground = Ground::of(task)?;
    let workplace = task.workplace.as_ref();
    let workplace = workplace.ok_or("the task has no repository")?;
    let mirror = gather::known_ground(context, &workplace.repository)
        .await
        .map_err(|error| error.to_string())?;
    let quarantine = Quarantine::open(context.quarantine_path(&task.id), mirror.path())
        .await
        .map_err(|error| error.to_string())?;
    let name = sandbox::run_name(&task.id, run);
    let errand = ground.errand(context);
    let taken = match from {
        Source::Run => broker::take_out(&*context.executor, &name, &quarantine, &errand).await,
        Source::Volume => {
            leftovers::take_out(context, task, run, (&mirror, &quarantine, &ground)).await
        }
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(BrokerError::NothingChanged) => return Ok(Change::None),
        Err(error) => return Err(error.to_string()),
    };
    let message = message(context, task, ending).await?;
    let desk = Desk {
        context,
        task,
        ground: &ground,
        quarantine: &quarantine,
        message,
        // The run's start, so that a repeat after a crash makes the same commit.
        at_seconds: u64::try_from(started.0 / 1_000).unwrap_or_default(),
    };
    desk.sort(&taken).await
}

/// The host's words for the commit.
async fn message(context: &Context, task: &Task, ending: &Ending) -> Result<String, String> {
    let thread = context
        .surfaces
        .permalink(&task.conversation, &task.request.reference)
        .await;
    let mut told = task.clone();
    told.model = ending.model.clone().or_else(|| told.model.take());
    told.report = ending.report.clone().or_else(|| told.report.take());
    let extra = CommitExtra {
        agent_version: None,
        thread,
    };
    let message = words::commit_message(&told, &extra).map_err(|error| error.to_string())?;
    Ok(context.redactor.redacted(message))
}

/// Where the work lies while it is sorted into what leaves and what a person decides on.
struct Desk<'a> {
    context: &'a Context,
    task: &'a Task,
    ground: &'a Ground,
    quarantine: &'a Quarantine,
    message: String,
    at_seconds: u64,
}

impl Desk<'_> {
    async fn sort(&self, taken: &Taken) -> Result<Change, String> {
        let failed = |error: BrokerError| error.to_string();
        let holds = holds::of_commit(
            self.task,
            self.ground,
            self.quarantine,
            &taken.head,
            &taken.findings,
        )
        .await
        .map_err(failed)?;
        // What people left out before stays behind without another question, as long as it is the same.
        let (dropped, holds): (Vec<Hold>, Vec<Hold>) = holds.into_iter().partition(|hold| {
            let decisions = &mut self.task.held_decisions.iter();
            decisions.any(|decision| decision.leaves_out(&hold.path, &hold.content))
        });
        let mut notices: Vec<String> = taken
            .findings
            .iter()
            .filter(|finding| finding.gate() == Gate::Note)
            .map(in_words)
            .collect();
        notices.extend(dropped.iter().map(|hold| {
            format!(
                "`{}` was left out again, as people decided before",
                hold.path
            )
        }));
        let mut left: Vec<String> = dropped.into_iter().map(|hold| hold.path).collect();
        let Some(commit) = self.commit_without(taken, &left).await? else {
            return Ok(Change::None);
        };
        if holds.is_empty() {
            let files = self.quarantine.files(&self.ground.base, &commit).await;
            return Ok(Change::Commit {
                commit: CommitId(commit.as_str().to_owned()),
                files: files.map_err(failed)?.iter().map(changed_file).collect(),
                notices,
            });
        }
        if holds.len() > HOLDS_MAX {
            return Err(format!(
                "{} files need a decision, which is more than people can look through",
                holds.len()
            ));
        }
        left.extend(holds.iter().map(|hold| hold.path.clone()));
        let rest = match self.commit_without(taken, &left).await? {
            Some(rest) if self.is_clean(&rest).await? => Some(rest),
            Some(_) | None => None,
        };
        Ok(Change::Held {
            held: HeldChange {
                holds: self.shown(&commit, holds).await?,
                commit: CommitId(commit.as_str().to_owned()),
                rest: rest.map(|rest| CommitId(rest.as_str().to_owned())),
            },
        })
    }

    /// The host's commit of the work without these files. None where nothing is new in it.
    async fn commit_without(
        &self,
        taken: &Taken,
        paths: &[String],
    ) -> Result<Option<GitCommit>, String> {
        let failed = |error: BrokerError| error.to_string();
        let parent = self.ground.parent();
        let tree: TreeId = if paths.is_empty() {
            taken.tree.clone()
        } else {
            let tree = self.quarantine.tree_without(&taken.head, parent, paths);
            tree.await.map_err(failed)?
        };
        if self.quarantine.tree_of(parent).await.map_err(failed)? == tree {
            return Ok(None);
        }
        let author = Signature {
            name: AUTHOR.to_owned(),
            email: AUTHOR_EMAIL.to_owned(),
            at_seconds: self.at_seconds,
        };
        let parents = std::slice::from_ref(parent);
        let commit = self
            .quarantine
            .make_commit(&tree, parents, &self.message, &author);
        Ok(Some(commit.await.map_err(failed)?))
    }

    /// Whether nothing in a commit waits for a decision.
    async fn is_clean(&self, commit: &GitCommit) -> Result<bool, String> {
        let undecided = holds::undecided(self.context, self.task, self.quarantine, commit).await;
        Ok(undecided.is_ok_and(|paths| paths.is_empty()))
    }

    /// The files with what differs in them.
    async fn shown(&self, commit: &GitCommit, mut holds: Vec<Hold>) -> Result<Vec<Hold>, String> {
        let is_shown = |hold: &&Hold| {
            let mut reasons = hold.reasons.iter();
            !reasons.any(|reason| *reason == HoldReason::SecretFile)
        };
        let paths = holds.iter().filter(is_shown).take(DIFFS_MAX);
        let paths: Vec<String> = paths.map(|hold| hold.path.clone()).collect();
        let redactor = &self.context.redactor;
        let differences = self
            .quarantine
            .differences(self.ground.parent(), commit, &paths, redactor, DIFF_BYTES)
            .await
            .map_err(|error| error.to_string())?;
        for difference in differences {
            if let Some(hold) = holds.iter_mut().find(|hold| hold.path == difference.path) {
                hold.diff = redactor.redact(&difference.diff.text).into_owned();
                hold.is_cut = difference.diff.is_cut;
            }
        }
        Ok(holds)
    }
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
