//! Takes work out of the volume of a run that was ended from outside: a clean sandbox without a way out mounts the work
//! tree, and the broker takes out of that what it would have taken out of the run, with the same checks.

use deckhand_executors::{
    SandboxName,
    broker::{self, BrokerError, Quarantine, Taken},
    mirror::Mirror,
};

use super::{Context, sandbox};
use crate::{
    domain::{RunNumber, TaskId, task::Task},
    engine::holds::Ground,
};

/// The sandbox that work is taken out of.
#[must_use]
pub fn name(task: &TaskId) -> SandboxName {
    SandboxName(format!("deckhand-{task}-leftovers"))
}

/// Ends the run's sandbox where it still lives, and brings what lies in its work tree into quarantine. Where this is
/// dropped, its own sandbox is left to whoever dropped it.
///
/// # Errors
/// As [`broker::take_out`] has them; an engine that does not do what it should is [`BrokerError::Sandbox`].
pub async fn take_out(
    context: &Context,
    task: &Task,
    run: RunNumber,
    (mirror, quarantine, ground): (&Mirror, &Quarantine, &Ground),
) -> Result<Taken, BrokerError> {
    let executor = &*context.executor;
    // Nothing may write into the work tree meanwhile.
    executor.stop(&sandbox::run_name(&task.id, run)).await?;
    let spec = sandbox::for_leftovers(context, task, run, mirror.path());
    executor.stop(&spec.name).await?;
    executor.start(&spec).await?;
    let errand = ground.errand(context);
    let taken = broker::take_out(executor, &spec.name, quarantine, &errand).await;
    executor.stop(&spec.name).await?;
    taken
}
