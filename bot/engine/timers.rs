//! What time alone brings: reminders, ends of waits, ceilings of working time. Asked of each task by what it stored, so
//! that nothing is lost with a process; a round may be made at any moment.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::{Context, Fault, dispatch::work_delivery, keep};
use crate::{
    domain::{event::Event, message::Message, task::Patience},
    links,
    store::tasks::Stored,
    words,
};

/// How long the work of a task that nobody decided on may take to be kept. Nobody waits for it.
const KEEP_WITHIN: Duration = Duration::from_secs(30);

/// The states in which time brings something.
const TIMED: [&str; 5] = [
    "awaiting_approval",
    "awaiting_input",
    "planning",
    "preparing",
    "running",
];

/// The states in which work goes on, or will by itself, by name.
const AT_WORK: [&str; 7] = [
    "queued",
    "specifying",
    "planning",
    "preparing",
    "running",
    "verifying",
    "publishing",
];

/// One round: every task is told what is due, once.
pub async fn step(context: &Context) -> Result<(), Fault> {
    let limits = &context.config.limits;
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let patience = Patience {
        remind_ms: limits.remind.map(milliseconds),
        end_ms: milliseconds(limits.wait),
    };
    for state in TIMED {
        for stored in context.store.tasks_in(state).await? {
            let Some(mut event) = stored.task.due(context.clock.now(), &patience) else {
                continue;
            };
            if let Event::WaitedTooLong { kept, .. } = &mut event {
                // Nothing of it runs, so its work can be taken out before anybody is told. An engine that does not answer
                // now will; then the task ends, with its work.
                if context.executor.volumes().await.is_err() {
                    continue;
                }
                *kept = keep::by(context, &stored.task, Instant::now() + KEEP_WITHIN).await;
            }
            // The version: what was told to a task that has changed since is told again, if it is still due.
            let key = format!("{}:{}:{}", name(&event), stored.task.id, stored.version);
            context
                .accept(work_delivery(&stored.task, key, event))
                .await?;
        }
    }
    keep_fresh(context).await
}

/// Shows people that work goes on, where their surface would take long silence for a stop. What is not shown is shown in
/// the next round.
async fn keep_fresh(context: &Context) -> Result<(), Fault> {
    for state in AT_WORK {
        for Stored { task, .. } in context.store.tasks_in(state).await? {
            if context.store.is_elsewhere(&task.id).await? {
                // Who has it in hand shows it.
                continue;
            }
            let links = words::Links {
                task_url: links::task_url(&context.config, &task.id),
                card_url: None,
                reactions: words::Reactions::Unheard,
                issues: words::Issues::NotMade,
            };
            let message = Message::Progress(task.progress_now());
            let words = words::render(&message, &links).map_err(Fault::of_words)?;
            let now = context.clock.now();
            for conversation in task.reachable() {
                let shown = context.surfaces.keep_fresh(conversation, &words, now);
                if let Err(error) = shown.await {
                    debug!(task = %task.id, %error, "a session was not kept fresh");
                }
            }
        }
    }
    Ok(())
}

const fn name(event: &Event) -> &'static str {
    match event {
        Event::TimeLow => "time-low",
        Event::TimeUp => "time-up",
        Event::Unanswered { .. } => "unanswered",
        _ => "waited",
    }
}
