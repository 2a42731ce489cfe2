//! What a run left that is over.

use deckhand_executors::{
    agent::{AgentFailure, AgentSession},
    sandbox::{Condition, End},
};

use super::{Prepared, SessionHandle, Watcher, sandbox, spend, take_out};
use crate::{
    domain::event::{DiskWall, Ending, RunFailure},
    store::runs::LogKind,
};

/// Closes the way out of a run, takes its work out and says what became of it.
pub(super) async fn end(
    watcher: &mut Watcher<'_>,
    mut prepared: Box<Prepared>,
    failure: Option<RunFailure>,
) -> Ending {
    prepared.egress.revoke();
    let spend = prepared.egress.settled().await;
    watcher.flush_text().await;
    if let Some(body) = spend::difference(&prepared.session.usage(), &spend) {
        watcher.log(LogKind::Host, body).await;
    }
    let (context, task, run) = (watcher.context, watcher.task, watcher.run);
    let mut ending = std::mem::take(&mut prepared.ending);
    ending.usage = spend::usage_of(&spend);
    ending.elapsed_ms = context.clock.now().milliseconds_since(prepared.started);
    ending.closing_words = watcher.take_closing_words();
    ending.session = session_handle(&prepared.session);
    // An agent that is refused a call fails in its own words.
    ending.failure = if spend.refused > 0 {
        Some(RunFailure::OutOfBudget)
    } else {
        failure
    };
    ending.unheard = watcher.pending.give_up();
    if ending.unheard.is_some() {
        // It must not go on beside the run that follows, in the same work tree.
        if let Err(error) = context
            .executor
            .stop(&sandbox::run_name(&task.id, run))
            .await
        {
            tracing::warn!(task = %task.id, %error, "a run that could not be interrupted is not confirmed to be gone");
        }
    } else if is_kept(&ending) && prepared.assignment.changes_files() {
        ending.change = take_out::take_out(context, task, run, prepared.started, &ending).await;
    }
    ending
}

/// Whether a run's work is taken out: where its turn is over, and where its time is.
fn is_kept(ending: &Ending) -> bool {
    match ending.failure {
        None => ending.question.is_none(),
        Some(RunFailure::OutOfWorkTime) => true,
        Some(_) => false,
    }
}

fn session_handle(session: &AgentSession) -> Option<String> {
    let handle = SessionHandle {
        id: session.session_id().clone(),
        cost: session.session_cost().unwrap_or_default(),
    };
    serde_json::to_string(&handle).ok()
}

/// What an agent's failure means for its run.
pub(super) fn failure_of(failure: AgentFailure) -> RunFailure {
    match failure {
        AgentFailure::CredentialsRefused(_) => RunFailure::KeyRefused,
        AgentFailure::OutOfCredit(_) => RunFailure::OutOfCredit,
        AgentFailure::RateLimited(_) => RunFailure::RateLimited,
        AgentFailure::Overloaded(_) => RunFailure::Overloaded,
        AgentFailure::ProtocolBroken(detail) => RunFailure::Nonsense { detail },
        AgentFailure::StartFailed {
            reason,
            errors_tail,
        } => RunFailure::DidNotStart {
            detail: format!("{reason}\n{errors_tail}"),
        },
        AgentFailure::SessionLost(detail) | AgentFailure::Other(detail) => {
            RunFailure::Other { detail }
        }
    }
}

/// How a sandbox ended, in words that the task understands.
pub(super) fn died(condition: &Condition, detail: String) -> RunFailure {
    let by = match condition {
        Condition::Ended { by, .. } => *by,
        Condition::Running => End::Itself,
        Condition::Absent => return RunFailure::SandboxLost,
    };
    match by {
        End::Itself | End::OutOfMemory => RunFailure::Died {
            detail,
            out_of_memory: by == End::OutOfMemory,
        },
        End::DiskFull { limit_bytes } => RunFailure::OutOfDisk {
            wall: DiskWall::Bytes { limit: limit_bytes },
        },
        End::TooManyFiles { limit } => RunFailure::OutOfDisk {
            wall: DiskWall::Files { limit },
        },
        End::HostDiskLow => RunFailure::OutOfDisk {
            wall: DiskWall::Host,
        },
    }
}
