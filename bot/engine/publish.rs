//! Pushes a proved commit and makes its pull request. Each step looks before it acts, so that a repeat after a crash finds its own work.

use deckhand_executors::{
    broker::{Merge, Push, PushError, Quarantine, RemoteBranch},
    mirror::{BranchName, CommitId as GitCommit, Mirror},
};

use super::{Context, Fault, gather, holds};
use crate::{
    domain::{
        CommitId, RunNumber,
        event::{BaseStanding, Event, Publication, PublishProblem, PullRequest},
        specification::Workplace,
        task::Task,
    },
    github::{ForgeError, NewPullRequest, PushCredential},
    links,
    store::leases::Ticket,
    words::{self, CommandLine, PictureLink, PullRequestExtra},
};

/// The most commands that the pull request's log shows.
const COMMANDS_MAX: usize = 100;

/// Publishes the commit of a run, by the effect that asks for it.
pub async fn publish(
    context: &Context,
    task: &Task,
    (run, commit): (RunNumber, &CommitId),
    effect: &Ticket,
) -> Result<Event, Fault> {
    let refused = |problem| Ok(Event::PublishRefused { run, problem });
    let Some(workplace) = &task.workplace else {
        return refused(PublishProblem::ApprovalVoid);
    };
    // What was approved has to be what is published, what was proved has to be what is pushed, and what was held back
    // has to be decided on.
    let is_proved = task.proof.as_ref().map(|proof| &proof.commit) == Some(commit);
    if !task.approval_holds() || !is_proved || !task.may_leave(commit) {
        return refused(PublishProblem::ApprovalVoid);
    }
    let ground = match gather::ground(context, &workplace.repository).await {
        Err(error) if error.is_refusal() => return refused(PublishProblem::NoAccess),
        ground => ground?,
    };
    let quarantine = Quarantine::open(context.quarantine_path(&task.id), ground.mirror.path())
        .await
        .map_err(Fault::transient)?;
    let branch = task.branch();
    let head = GitCommit::parse(&commit.0).map_err(Fault::permanent)?;
    let undecided = holds::undecided(context, task, &quarantine, &head).await?;
    if !undecided.is_empty() {
        return refused(PublishProblem::Undecided { paths: undecided });
    }
    let base = base_standing(&ground.mirror, &quarantine, workplace, &head).await?;
    let place = (&ground, &quarantine);
    if let Some(problem) = push(context, task, workplace, place, &head, effect).await? {
        return refused(problem);
    }
    context.still_ours(effect).await?;
    let is_plain = context
        .config
        .repository(&workplace.repository)
        .is_some_and(|settings| settings.url.is_some());
    let pull_request = if is_plain || !context.github.is_forge() {
        None
    } else {
        match propose(context, task, commit, &branch, workplace).await {
            Ok(pull_request) => Some(pull_request),
            Err(Proposal::Refused(reason)) => {
                return refused(PublishProblem::PullRequestRefused { reason });
            }
            Err(Proposal::Fault(fault)) => return Err(fault),
        }
    };
    Ok(Event::Published {
        run,
        publication: Publication {
            commit: commit.clone(),
            branch,
            pull_request,
            base,
        },
    })
}

/// Pushes the commit to the task's branch. What a person can mend is a problem, not a fault.
async fn push(
    context: &Context,
    task: &Task,
    workplace: &Workplace,
    (ground, quarantine): (&gather::Ground, &Quarantine),
    head: &GitCommit,
    effect: &Ticket,
) -> Result<Option<PublishProblem>, Fault> {
    let branch = BranchName::parse(&task.branch()).map_err(Fault::permanent)?;
    let expected = match &task.pushed {
        Some(pushed) => RemoteBranch::At(GitCommit::parse(&pushed.0).map_err(Fault::permanent)?),
        None => RemoteBranch::Absent,
    };
    let push = Push {
        commit: head,
        branch: &branch,
        expected: &expected,
        base: &GitCommit::parse(&workplace.base_commit.0).map_err(Fault::permanent)?,
    };
    let credential = match gather::push_credential(context, &workplace.repository).await {
        Ok(credential) => credential,
        Err(ForgeError::NotFound { .. } | ForgeError::Refused { .. }) => {
            return Ok(Some(PublishProblem::NoAccess));
        }
        Err(error @ ForgeError::Transient { .. }) => return Err(error.into()),
    };
    let signed_in = credential.as_ref().map(PushCredential::credential);
    let pushed = match context.still_ours(effect).await {
        Ok(()) => Ok(quarantine.push(&ground.url, signed_in, &push).await),
        Err(fault) => Err(fault),
    };
    if let Some(credential) = credential {
        credential.give_back().await;
    }
    match pushed? {
        Ok(()) => Ok(None),
        Err(error) => problem_of(error).map(Some),
    }
}

/// Why a push did not arrive, where a person can do something about it.
fn problem_of(error: PushError) -> Result<PublishProblem, Fault> {
    match error {
        PushError::Refused { reason } => Ok(PublishProblem::Refused {
            reason: reason.join("\n"),
        }),
        PushError::Moved => Ok(PublishProblem::BranchMoved),
        PushError::AccessRefused { .. } => Ok(PublishProblem::NoAccess),
        error @ PushError::Unreachable(_) => Err(Fault::transient(error)),
        error @ (PushError::Unfit(_) | PushError::Other(_)) => Err(Fault::permanent(error)),
    }
}

async fn base_standing(
    mirror: &Mirror,
    quarantine: &Quarantine,
    workplace: &Workplace,
    head: &GitCommit,
) -> Result<BaseStanding, Fault> {
    // A base branch that is gone collides with nothing; the pull request will say what it can be merged into.
    let Ok(tip) = mirror.resolve(&workplace.base_branch).await else {
        return Ok(BaseStanding::Moved);
    };
    if tip.as_str() == workplace.base_commit.0 {
        return Ok(BaseStanding::Same);
    }
    Ok(
        match quarantine
            .merges_cleanly(&tip, head)
            .await
            .map_err(Fault::transient)?
        {
            Merge::Clean => BaseStanding::Moved,
            Merge::Conflicts { paths } => BaseStanding::Conflicts { files: paths },
        },
    )
}

enum Proposal {
    Refused(String),
    Fault(Fault),
}

impl From<ForgeError> for Proposal {
    fn from(error: ForgeError) -> Self {
        match error {
            ForgeError::Refused { reason, .. } => Self::Refused(reason),
            ForgeError::Transient { .. } | ForgeError::NotFound { .. } => Self::Fault(error.into()),
        }
    }
}

impl From<Fault> for Proposal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn propose(
    context: &Context,
    task: &Task,
    commit: &CommitId,
    branch: &str,
    workplace: &Workplace,
) -> Result<PullRequest, Proposal> {
    let card = task
        .result_of(commit)
        .ok_or_else(|| Fault::permanent("there is no proof to show"))?;
    let commands = commands_of(context, task).await?;
    let task_url = links::task_url(&context.config, &task.id);
    let pictures: Vec<PictureLink> = card
        .pictures
        .iter()
        .filter_map(|picture| {
            let name = picture.artifact.as_ref()?;
            Some(PictureLink {
                title: format!("{} — {}", picture.title, picture.moment),
                url: links::artifact_url(&context.config, &task.id, name),
            })
        })
        .collect();
    let extra = PullRequestExtra {
        commands: &commands,
        pictures: &pictures,
        task_url: &task_url,
    };
    let body = words::pull_request_body(task, &card, &extra).map_err(Fault::of_words)?;
    let body = context.redactor.redacted(body);
    let title = context.redactor.redacted(card.title.clone());
    let found = context
        .github
        .pull_request_of(&workplace.repository, branch)
        .await?;
    if let Some(found) = found {
        context
            .github
            .update_pull_request(&workplace.repository, found.number, &title, &body)
            .await?;
        return Ok(found);
    }
    let new = NewPullRequest {
        title,
        body,
        branch: branch.to_owned(),
        base: workplace.base_branch.clone(),
        draft: task.options.draft || !card.whole,
    };
    Ok(context
        .github
        .open_pull_request(&workplace.repository, &new)
        .await?)
}

async fn commands_of(context: &Context, task: &Task) -> Result<Vec<CommandLine>, Fault> {
    let mut commands = Vec::new();
    let mut after = String::new();
    loop {
        let lines = context.store.log_after(&task.id, &after, 500).await?;
        let Some(last) = lines.last() else { break };
        after.clone_from(&last.id);
        for line in lines.iter().filter(|line| line.kind == "command") {
            let Some(command) = line.body.get("command").and_then(serde_json::Value::as_str) else {
                continue;
            };
            commands.push(CommandLine {
                command: command.to_owned(),
                status: line.body.get("status").and_then(serde_json::Value::as_i64),
            });
        }
    }
    let over = commands.len().saturating_sub(COMMANDS_MAX);
    commands.drain(..over);
    Ok(commands)
}
