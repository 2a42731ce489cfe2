//! Has a commit proved in a clean container, and keeps what was seen.

mod telling;

use std::path::PathBuf;

use deckhand_executors::{
    broker::Quarantine,
    mirror::{CommitId as GitCommit, Mirror},
    proof::{
        self, Check, CheckId, CheckStatus, Comparison, Moment, Page, PictureOutcome, ProofError,
        ProofReport, ProofSandbox, ProofSpec, Setup, StartCommand, weakening::WeakeningKind,
    },
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Context, Fault, artifacts, gather, runs};
use crate::{
    domain::{
        CommitId, RunNumber,
        event::Event,
        proof::{ChangedFile, CheckOutcome, CheckResult, Picture, Proof, Weakening},
        task::Task,
    },
    store::{leases::Ticket, runs::LogKind},
};

/// The longest last lines of a check that are kept, in bytes.
const TAIL_MAX_BYTES: usize = 2_000;
/// The most submodules that are named.
const SUBMODULES_MAX: usize = 10;
/// Steps that may wait to be written down.
const STEPS_MAX: usize = 256;

/// Proves the commit of a run, by the effect that asks for it.
pub async fn prove(
    context: &Context,
    task: &Task,
    (run, commit): (RunNumber, &CommitId),
    effect: &Ticket,
) -> Result<Event, Fault> {
    let failed = |reason: String| Ok(Event::ProofFailed { run, reason });
    let Some(workplace) = &task.workplace else {
        return failed("the task has no specification".to_owned());
    };
    let mirror = gather::known_ground(context, &workplace.repository).await?;
    let quarantine = Quarantine::open(context.quarantine_path(&task.id), mirror.path())
        .await
        .map_err(Fault::transient)?;
    let (Ok(head), Ok(base)) = (
        GitCommit::parse(&commit.0),
        GitCommit::parse(&workplace.base_commit.0),
    ) else {
        return failed("a commit's name cannot be read".to_owned());
    };
    let spec = specify(
        context,
        task,
        run,
        mirror.path().to_path_buf(),
        quarantine,
        head,
        base,
    )
    .await?;
    let (steps, told) = mpsc::channel(STEPS_MAX);
    let watched = telling::tell(context, task, (run, effect), &spec, told);
    let proving = async {
        let report = proof::prove(&*context.executor, &spec, &steps).await;
        drop(steps);
        report
    };
    let (report, ()) = tokio::join!(proving, watched);
    match report {
        Ok(report) => {
            let files = spec
                .quarantine
                .files(&spec.base, &spec.commit)
                .await
                .map_err(Fault::transient)?;
            let mut proof = keep(context, task, run, commit, report).await?;
            proof.files = files.iter().map(changed_file).collect();
            proof
                .notices
                .extend(submodules_of(&mirror, &spec.base).await);
            Ok(Event::Proved {
                run,
                proof: Box::new(proof),
            })
        }
        Err(ProofError::Sandbox(error)) => Err(error.into()),
        Err(error) => failed(error.to_string()),
    }
}

/// Repositories inside the repository were not there, neither for the agent nor for the checks.
async fn submodules_of(mirror: &Mirror, base: &GitCommit) -> Option<String> {
    let listed = mirror.list_files(base, 0).await.ok()?;
    let named = listed.submodules.iter().take(SUBMODULES_MAX);
    let named: Vec<String> = named.map(|path| format!("`{path}`")).collect();
    (!named.is_empty()).then(|| {
        format!(
            "Submodules are not fetched; these were left empty: {}.",
            named.join(", ")
        )
    })
}

/// What is to be proved, and in which sandbox.
async fn specify(
    context: &Context,
    task: &Task,
    run: RunNumber,
    mirror: PathBuf,
    quarantine: Quarantine,
    head: GitCommit,
    base: GitCommit,
) -> Result<ProofSpec, Fault> {
    let (Some(workplace), Some(specification)) = (&task.workplace, &task.specification) else {
        return Err(Fault::permanent("the task has no specification"));
    };
    let commands = commands_of(task);
    let timeout = context.config.limits.check;
    let setup = specification
        .setup
        .clone()
        .or_else(|| workplace.setup.clone());
    let network = if setup.is_some() || runs::checks_reach_something(context, task).await {
        Some(runs::proof_network(context, task, "proof").await?)
    } else {
        None
    };
    Ok(ProofSpec {
        sandbox: ProofSandbox {
            name: proof::sandbox_name(&task.id.0, &head),
            image: runs::image_of(context, &task.terms.agent),
            environment: std::collections::BTreeMap::new(),
            labels: runs::labels(task, run),
            limits: runs::limits(context),
            runtime: runs::runtime(context, task),
        },
        network,
        mirror,
        quarantine,
        commit: head,
        base,
        setup: setup.map(|command| Setup { command, timeout }),
        checks: commands
            .iter()
            .enumerate()
            .map(|(index, command)| Check {
                id: CheckId(format!("C{}", index + 1)),
                command: command.clone(),
                timeout,
            })
            .collect(),
        comparison: Comparison::Run,
        start: specification.start.as_ref().map(|start| StartCommand {
            command: start.command.clone(),
            port: start.port,
        }),
        pages: specification
            .pages
            .iter()
            .map(|page| Page {
                path: page.path.clone(),
                title: page.title.clone(),
            })
            .collect(),
    })
}

/// What the specification asks for, and what the agent's report adds for requirements that have no command.
fn commands_of(task: &Task) -> Vec<String> {
    let mut commands = task
        .specification
        .as_ref()
        .map(crate::domain::specification::SpecificationDraft::all_checks)
        .unwrap_or_default();
    let reported = task.report.iter().flat_map(|report| {
        report
            .requirements
            .iter()
            .filter_map(|entry| entry.check.clone())
    });
    for command in reported {
        if commands.len() < 2 * crate::domain::specification::CHECKS_MAX
            && !command.trim().is_empty()
            && !commands.contains(&command)
        {
            commands.push(command);
        }
    }
    commands
}

pub(super) fn changed_file(change: &deckhand_executors::broker::FileChange) -> ChangedFile {
    let (added, removed) = match change.lines {
        deckhand_executors::broker::Lines::Text { added, removed } => (added, removed),
        deckhand_executors::broker::Lines::Binary => (0, 0),
    };
    ChangedFile {
        path: change.path.clone(),
        added,
        removed,
    }
}

async fn keep(
    context: &Context,
    task: &Task,
    run: RunNumber,
    commit: &CommitId,
    report: ProofReport,
) -> Result<Proof, Fault> {
    let mut notices = Vec::new();
    if let Some(setup) = report
        .setup
        .as_ref()
        .filter(|setup| setup.status != CheckStatus::Passed)
    {
        notices.push(format!(
            "The setup `{}` did not pass, so no check could run.",
            setup.command
        ));
    }
    if !report.files_changed_by_checks.is_empty() {
        notices.push(format!(
            "The checks changed files of the commit while they ran: {}.",
            report.files_changed_by_checks.join(", ")
        ));
    }
    let pictures = keep_pictures(context, task, run, report.pictures).await?;
    let checks = keep_checks(context, task, run, report.checks, &report.base_checks).await?;
    let weakenings = report
        .weakenings
        .into_iter()
        .map(|weakening| Weakening {
            what: in_words(&weakening.kind),
            command: command_of(&weakening),
            path: weakening.path,
            excerpt: context.redactor.redacted(weakening.excerpt),
        })
        .collect();
    Ok(Proof {
        commit: commit.clone(),
        checks,
        weakenings,
        pictures,
        files: Vec::new(),
        notices,
    })
}

async fn keep_pictures(
    context: &Context,
    task: &Task,
    run: RunNumber,
    taken: Vec<proof::Picture>,
) -> Result<Vec<Picture>, Fault> {
    let mut pictures = Vec::new();
    for (index, picture) in taken.into_iter().enumerate() {
        let moment = match picture.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        let (artifact, reason) = match picture.outcome {
            PictureOutcome::Taken { png, .. } => {
                let name = format!("run-{run}-{}-{moment}.png", index + 1);
                artifacts::store(context, &task.id, &name, &png).await?;
                (Some(name), None)
            }
            PictureOutcome::Missing { reason } => (None, Some(context.redactor.redacted(reason))),
        };
        pictures.push(Picture {
            title: picture.page.title,
            moment: moment.to_owned(),
            artifact,
            reason,
        });
    }
    Ok(pictures)
}

async fn keep_checks(
    context: &Context,
    task: &Task,
    run: RunNumber,
    after: Vec<proof::CheckResult>,
    before: &[proof::CheckResult],
) -> Result<Vec<CheckResult>, Fault> {
    let checks: Vec<CheckResult> = after
        .into_iter()
        .map(|check| {
            let before = before
                .iter()
                .find(|base| base.id == check.id)
                .map(|base| outcome(&base.status));
            CheckResult {
                outcome: outcome(&check.status),
                before,
                // Before it is cut: half a secret looks like none.
                tail: tail(&context.redactor.redact(&check.tail)),
                elapsed_ms: i64::try_from(check.elapsed.as_millis()).unwrap_or(i64::MAX),
                command: check.command,
            }
        })
        .collect();
    for check in &checks {
        let status = if let CheckOutcome::Failed { status } = check.outcome {
            Some(status)
        } else {
            None
        };
        let body = json!({"command": check.command, "proof": true, "passed": check.outcome == CheckOutcome::Passed, "status": status, "tail": check.tail});
        context
            .log_run(&task.id, run, LogKind::Command, body)
            .await?;
    }
    Ok(checks)
}

/// What was done to a test, as people are told.
fn in_words(kind: &WeakeningKind) -> String {
    match kind {
        WeakeningKind::TestFileDeleted { tests } => {
            format!("the file is gone, and {tests} tests with it")
        }
        WeakeningKind::TestRemoved { name } => format!("the test “{name}” is gone"),
        WeakeningKind::AssertionsRemoved { count } => format!("a test has {count} assertions less"),
        WeakeningKind::TestSkipped => "a test is skipped now".to_owned(),
        WeakeningKind::OthersLeftOut => {
            "one test runs alone now, and leaves the others out".to_owned()
        }
        WeakeningKind::AssertionMadeTrivial => "an assertion cannot fail any more".to_owned(),
        WeakeningKind::CheckMadeTrivial => "a check cannot fail any more".to_owned(),
        WeakeningKind::CheckNarrowed => "a check leaves something out now".to_owned(),
        WeakeningKind::CheckRemoved => "a check is gone".to_owned(),
    }
}

/// The command that shows nothing any more, where a script of a package file was made trivial.
fn command_of(weakening: &proof::weakening::Weakening) -> Option<String> {
    if weakening.kind != WeakeningKind::CheckMadeTrivial {
        return None;
    }
    if weakening.path.ends_with("package.json") {
        let name = weakening.excerpt.split('"').nth(1)?;
        return Some(if name == "test" {
            "npm test".to_owned()
        } else {
            format!("npm run {name}")
        });
    }
    weakening
        .path
        .ends_with("akefile")
        .then(|| "make ".to_owned())
}

fn outcome(status: &CheckStatus) -> CheckOutcome {
    match status {
        CheckStatus::Passed => CheckOutcome::Passed,
        CheckStatus::Failed { exit } => CheckOutcome::Failed { status: *exit },
        CheckStatus::TimedOut => CheckOutcome::TimedOut,
        CheckStatus::CouldNotRun { reason } => CheckOutcome::CouldNotRun {
            reason: reason.clone(),
        },
    }
}

fn tail(text: &str) -> String {
    let from = text.len().saturating_sub(TAIL_MAX_BYTES);
    let from = (from..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text[from..].to_owned()
}
