//! Ceilings: of what is done at once, of one task, and of waiting.

use std::time::Duration;

use super::{ConfigError, values::Values};
use crate::domain::budget::{Ceilings, MicroDollars};

/// Ceilings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Tasks that use the machine at once.
    pub parallel_tasks: u32,
    /// Of one task.
    pub task: Ceilings,
    /// How long a run may say nothing before the engine is asked whether it lives.
    pub heartbeat: Duration,
    /// The longest silence of an agent, and of the engine about its sandbox.
    pub silence: Duration,
    /// The longest time of one check.
    pub check: Duration,
    /// How long a decision is waited for.
    pub wait: Duration,
    /// After which time of waiting somebody is reminded; none for never.
    pub remind: Option<Duration>,
}

/// The ceilings among the settings.
pub(super) fn read(values: &Values) -> Result<Limits, ConfigError> {
    let minutes = |name| {
        values
            .parse::<u64>(name)
            .map(|minutes| Duration::from_secs(minutes.clamp(1, 100_000) * 60))
    };
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Ok(Limits {
        parallel_tasks: values
            .parse::<u32>("DECKHAND_PARALLEL_TASKS")?
            .clamp(1, 1000),
        task: Ceilings {
            spend: MicroDollars::from_dollars(values.parse("DECKHAND_SPEND_DOLLARS")?),
            run_ms: milliseconds(minutes("DECKHAND_RUN_MINUTES")?),
            work_ms: milliseconds(minutes("DECKHAND_TASK_MINUTES")?),
            rework_rounds: values.parse("DECKHAND_REWORK_ROUNDS")?,
        },
        heartbeat: Duration::from_secs(
            values
                .parse::<u64>("DECKHAND_HEARTBEAT_SECONDS")?
                .clamp(1, 20),
        ),
        silence: minutes("DECKHAND_SILENCE_MINUTES")?,
        check: minutes("DECKHAND_CHECK_MINUTES")?,
        wait: Duration::from_secs(
            values.parse::<u64>("DECKHAND_WAIT_DAYS")?.clamp(1, 3650) * 86_400,
        ),
        remind: match values.parse::<u64>("DECKHAND_REMIND_HOURS")? {
            0 => None,
            hours => Some(Duration::from_secs(hours.min(87_600) * 3_600)),
        },
    })
}
