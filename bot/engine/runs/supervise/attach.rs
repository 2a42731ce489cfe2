//! Attaches to the agent of a run again: after a restart of the bot, and where the connection broke off. It is tried until
//! the engine answers, because an engine that is away for a while takes no run with it.

use std::time::Duration;

use deckhand_executors::{
    ExecutorError,
    agent::{AgentSession, PriceTable},
    sandbox::Condition,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Detached, Prepared, Watcher, ending::failure_of, mark, pulse, pulse::Beat, resume, spend,
};
use crate::{
    domain::event::{Ending, RunFailure},
    engine::{pause_before_try, runs::sandbox},
};

/// How long the engine may take to attach.
const ATTACH_WITHIN: Duration = Duration::from_secs(10);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often the earlier output may come in pieces before it is given up.
const BROKEN_MAX: u32 = 3;

/// What became of it.
pub(super) enum Attached {
    /// The agent is heard again.
    Ready(Box<Prepared>),
    /// There is nothing to hear any more.
    Over(Box<Ending>),
    /// It was broken off from outside.
    LetGo,
}

/// Why it did not work.
enum Broken {
    /// The engine does not answer.
    NoAnswer(String),
    /// The output did not come whole.
    Output(RunFailure),
    /// The sandbox is gone.
    Gone,
}

/// Attaches to the agent of a run again and goes on behind the last position.
pub(super) async fn attach(
    watcher: &mut Watcher<'_>,
    mut detached: Box<Detached>,
    stop: &CancellationToken,
) -> Attached {
    let (mut tries, mut broken) = (0, 0);
    loop {
        let attempt = tokio::select! {
            biased;
            () = stop.cancelled() => return let_go(watcher, &detached).await,
            attempt = connect(watcher, &detached) => attempt,
        };
        let now = watcher.context.clock.steady();
        let beat = match attempt {
            Ok(session) => {
                watcher.pulse.answered(Some(&Condition::Running), now);
                watcher.reporter.trouble(watcher.pulse.trouble(now));
                return Attached::Ready(Box::new(detached.with(session)));
            }
            Err(Broken::Gone) => Beat::Over(RunFailure::SandboxLost),
            Err(Broken::Output(failure)) => {
                broken += 1;
                if broken >= BROKEN_MAX {
                    Beat::Over(failure)
                } else {
                    Beat::Going
                }
            }
            Err(Broken::NoAnswer(what)) => {
                info!(task = %watcher.task.id, what, "a run waits until the engine answers");
                watcher.pulse.answered(None, now)
            }
        };
        if let Beat::Over(failure) = beat {
            warn!(task = %watcher.task.id, ?failure, "a run cannot be attached again");
            return Attached::Over(Box::new(over(watcher, &mut detached, failure).await));
        }
        watcher.reporter.trouble(watcher.pulse.trouble(now));
        watcher.reporter.tick();
        tries += 1;
        tokio::select! {
            () = stop.cancelled() => return let_go(watcher, &detached).await,
            () = tokio::time::sleep(pause_before_try(tries, PAUSE_MAX)) => {}
        }
    }
}

async fn connect(watcher: &Watcher<'_>, detached: &Detached) -> Result<AgentSession, Broken> {
    let context = watcher.context;
    let name = sandbox::run_name(&watcher.task.id, watcher.run);
    match pulse::ask(context, &name).await {
        Some(Condition::Running | Condition::Ended { .. }) => {}
        Some(Condition::Absent) => return Err(Broken::Gone),
        None => return Err(Broken::NoAnswer("its condition is not known".to_owned())),
    }
    let attached = tokio::time::timeout(ATTACH_WITHIN, context.executor.attach(&name)).await;
    let attachment = match attached {
        Ok(Ok(attachment)) => attachment,
        Ok(Err(ExecutorError::Gone(_))) => return Err(Broken::Gone),
        Ok(Err(error)) => return Err(Broken::NoAnswer(error.to_string())),
        Err(_) => return Err(Broken::NoAnswer("it cannot be attached to".to_owned())),
    };
    let Some((profile, _)) = context.agents.find(&detached.agent) else {
        return Err(Broken::Output(RunFailure::Other {
            detail: format!("The agent {} is not set up any more.", detached.agent),
        }));
    };
    let price = detached
        .ending
        .model
        .as_deref()
        .and_then(|model| PriceTable::built_in().of(model));
    AgentSession::reopen(attachment, profile, detached.session.clone(), price)
        .await
        .map_err(|failure| Broken::Output(failure_of(failure)))
}

/// The next process goes on with what was spent.
async fn let_go(watcher: &Watcher<'_>, detached: &Detached) -> Attached {
    detached.egress.revoke();
    detached.egress.settled().await;
    let resume = resume(&detached.session, &detached.ending, &detached.egress);
    mark(watcher.context, watcher.ticket, resume).await;
    Attached::LetGo
}

async fn over(watcher: &mut Watcher<'_>, detached: &mut Detached, failure: RunFailure) -> Ending {
    detached.egress.revoke();
    let spend = detached.egress.settled().await;
    watcher.flush_text().await;
    let mut ending = std::mem::take(&mut detached.ending);
    let now = watcher.context.clock.now();
    ending.usage = spend::usage_of(&spend);
    ending.elapsed_ms = now.milliseconds_since(detached.started);
    ending.closing_words = watcher.take_closing_words();
    ending.failure = Some(failure);
    ending
}
