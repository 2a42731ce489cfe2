//! How long people wait: from the mention of a task to its first words, its plan, the start of its work and its result. Each
//! is noted once a task, in the transaction in which it happens, and counted into tables that outlive process and task.

use super::{
    Store, StoreError,
    database::{Unit, query},
    leases::Ticket,
    outbox::Claimed,
    tasks::Stored,
    turns,
};
use crate::domain::{
    TaskId, Timestamp,
    effect::{Effect, Slot},
    task::State,
};

/// Up to how long a wait is, for counting, in milliseconds. What is longer than the last counts under [`LONGER`].
pub const UP_TO_MS: [i64; 19] = [
    250,
    500,
    1_000,
    2_000,
    3_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    7_200_000,
    14_400_000,
    43_200_000,
    86_400_000,
    259_200_000,
];
/// Where waits count that are longer than the last of [`UP_TO_MS`].
pub const LONGER: i64 = i64::MAX;
/// In how many parts a wait is counted, so that tasks which get somewhere at once seldom meet in one row.
const PARTS: u8 = 64;
/// The name of the moment from which all waits are counted: the delivery that the task began with was stored.
const MENTION: &str = "mention";

/// What a task reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The first message that everybody sees stands.
    Words,
    /// The first plan card stands.
    Plan,
    /// The agent of the first run that may change files lives. Whatever people took to approve the plan is in it.
    Start,
    /// The first result stands.
    Result,
}

impl Milestone {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 4] = [Self::Words, Self::Plan, Self::Start, Self::Result];

    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Plan => "plan",
            Self::Start => "start",
            Self::Result => "result",
        }
    }

    /// What is reached when this effect is done.
    const fn reached_by(effect: &Effect) -> &'static [Self] {
        match effect {
            Effect::Say { slot, .. } => match slot {
                Slot::Plan(_) => &[Self::Words, Self::Plan],
                Slot::Result(_) => &[Self::Words, Self::Result],
                Slot::Progress(_)
                | Slot::Question(_)
                | Slot::Network(_)
                | Slot::Proposal(_)
                | Slot::Answer(_)
                | Slot::Pictures(_)
                | Slot::Note(_) => &[Self::Words],
            },
            Effect::Introduce
            | Effect::Redraw
            | Effect::Whisper { .. }
            | Effect::Mark { .. }
            | Effect::Hear { .. }
            | Effect::FileIssue { .. }
            | Effect::Gather
            | Effect::StartRun { .. }
            | Effect::Steer { .. }
            | Effect::Widen { .. }
            | Effect::Prove { .. }
            | Effect::Publish { .. }
            | Effect::ShowPictures { .. }
            | Effect::OpenForm { .. }
            | Effect::OpenRequestForm { .. }
            | Effect::OpenSettingsForm { .. }
            | Effect::PostRequest { .. }
            | Effect::ShowHome { .. }
            | Effect::StopAll
            | Effect::Release => &[],
        }
    }
}

/// How many tasks waited so long for a milestone, and no shorter bound holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// One of [`UP_TO_MS`], or [`LONGER`].
    pub up_to_ms: i64,
    /// How many tasks.
    pub tasks: i64,
    /// How long they waited together, in milliseconds.
    pub sum_ms: i64,
}

impl Store {
    /// Marks an effect as done, and notes what its task has reached with it.
    pub async fn effect_has_come(
        &self,
        claimed: &Claimed,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (reached, Some(task)) = (Milestone::reached_by(&claimed.effect), &claimed.task) else {
            return self.effect_done(&claimed.id, now).await;
        };
        if reached.is_empty() {
            return self.effect_done(&claimed.id, now).await;
        }
        let mut transaction = self.begin().await?;
        if super::outbox::done(&claimed.id, now)
            .execute(&mut transaction)
            .await?
            == 1
        {
            for milestone in reached {
                note(&mut transaction, task, *milestone, now).await?;
            }
        }
        transaction.commit().await?;
        turns::of_lane(self.database.writing(), &claimed.id.id).await?;
        Ok(())
    }

    /// How long tasks waited for a milestone.
    pub async fn waits_for(&self, milestone: Milestone) -> Result<Vec<Waited>, StoreError> {
        let rows = query(
            "SELECT up_to_ms, CAST(sum(tasks) AS BIGINT) AS tasks, CAST(sum(sum_ms) AS BIGINT) AS sum_ms
             FROM waits WHERE milestone = $1 GROUP BY up_to_ms",
        )
        .bind(milestone.name())
        .fetch_all(self.database.reading())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Waited {
                    up_to_ms: row.try_get("up_to_ms")?,
                    tasks: row.try_get("tasks")?,
                    sum_ms: row.try_get("sum_ms")?,
                })
            })
            .collect()
    }
}

/// Notes what a task reaches with a transition that is about to be stored.
pub(super) async fn pass(
    transaction: &mut Unit,
    stored: &Stored,
    delivery: &Ticket,
    now: Timestamp,
) -> Result<(), StoreError> {
    if stored.version == 0 {
        query(
            "INSERT INTO milestones (task, milestone, at_ms) SELECT $1, $2, received_ms FROM inbox WHERE id = $3
             ON CONFLICT (task, milestone) DO NOTHING",
        )
        .bind(&stored.task.id.0)
        .bind(MENTION)
        .bind(&delivery.id)
        .execute(&mut *transaction)
        .await?;
    }
    if matches!(stored.task.state, State::Running { .. }) {
        note(transaction, &stored.task.id, Milestone::Start, now).await?;
    }
    Ok(())
}

/// Notes a milestone and counts the wait, unless the task has reached it before. Of a task that is older than these tables
/// nothing is known.
async fn note(
    transaction: &mut Unit,
    task: &TaskId,
    milestone: Milestone,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = query(
        "INSERT INTO milestones (task, milestone, at_ms) SELECT task, $2, $3 FROM milestones WHERE task = $1 AND milestone = $4
         ON CONFLICT (task, milestone) DO NOTHING
         RETURNING at_ms - (SELECT m.at_ms FROM milestones AS m WHERE m.task = $1 AND m.milestone = $4) AS waited_ms",
    )
    .bind(&task.0)
    .bind(milestone.name())
    .bind(now.0)
    .bind(MENTION)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok(()) };
    // A clock that was put back makes nobody wait for less than nothing.
    let waited = row.try_get::<i64>("waited_ms")?.max(0);
    let up_to = UP_TO_MS.into_iter().find(|up_to| waited <= *up_to);
    query(
        "INSERT INTO waits (milestone, up_to_ms, part, tasks, sum_ms) VALUES ($1, $2, $4, 1, $3)
         ON CONFLICT (milestone, up_to_ms, part) DO UPDATE SET tasks = waits.tasks + 1, sum_ms = waits.sum_ms + excluded.sum_ms",
    )
    .bind(milestone.name())
    .bind(up_to.unwrap_or(LONGER))
    .bind(waited)
    .bind(i64::from(uuid::Uuid::new_v4().as_bytes()[0] % PARTS))
    .execute(&mut *transaction)
    .await?;
    Ok(())
}
