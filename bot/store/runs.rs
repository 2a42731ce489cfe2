//! Runs: which sandbox belongs to which run, how far its protocol was read, and what it did.

use serde_json::{Value, json};

use super::{
    Store, StoreError,
    database::{Row, document, query},
    fresh_id,
    inbox::{NewDelivery, insert_delivery},
    leases::Lease,
    moment,
};
use crate::domain::{RunNumber, TaskId, Timestamp};

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// The task.
    pub task: TaskId,
    /// The run.
    pub number: RunNumber,
    /// What it was asked to do, as stored.
    pub kind: String,
    /// The agent.
    pub agent: String,
    /// The sandbox.
    pub sandbox: String,
    /// How far its protocol was read, for going on after a restart.
    pub resume: Option<Value>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; none while it lives.
    pub ended: Option<Timestamp>,
}

/// The right to a run, for as long as it is in the hand that this was given to: in the next one it has a higher number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTicket {
    /// The task.
    pub task: TaskId,
    /// The run.
    pub run: RunNumber,
    pub(super) token: i64,
}

/// What kind of thing a line of a run's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// Words of the agent.
    Text,
    /// A tool that was used.
    Tool,
    /// A command with its exit status.
    Command,
    /// What the host did or saw.
    Host,
    /// A request that went out, or was refused.
    Egress,
}

impl LogKind {
    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Tool => "tool",
            Self::Command => "command",
            Self::Host => "host",
            Self::Egress => "egress",
        }
    }
}

/// One line of a run's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Its identifier; later lines sort behind earlier ones.
    pub id: String,
    /// The run.
    pub run: RunNumber,
    /// When.
    pub at: Timestamp,
    /// Its kind, as stored.
    pub kind: String,
    /// What happened.
    pub body: Value,
}

impl Store {
    /// Remembers a run before its sandbox is started, in the hands of this process. A repeat takes it into hand anew, and
    /// changes nothing else. None where it is over.
    pub async fn open_run(&self, run: &StoredRun) -> Result<Option<RunTicket>, StoreError> {
        let row = query(
            "INSERT INTO runs (task, number, kind, agent, sandbox, state, started_ms, owner, lease_until_ms, token)
             VALUES ($1, $2, $3, $4, $5, 'live', $6, $7, $8, 1)
             ON CONFLICT (task, number) DO UPDATE SET owner = excluded.owner, lease_until_ms = excluded.lease_until_ms,
                 token = runs.token + 1
             WHERE runs.state = 'live' RETURNING task, number, token",
        )
        .bind(&run.task.0)
        .bind(i64::from(run.number.0))
        .bind(&run.kind)
        .bind(&run.agent)
        .bind(&run.sandbox)
        .bind(run.started.0)
        .bind(&*self.hands.owner)
        .bind(Lease::Whole.until(run.started))
        .fetch_optional(self.database.writing())
        .await?;
        row.as_ref().map(run_ticket).transpose()
    }

    /// Remembers how far a run's protocol was read, as long as it is in this hand. Says whether it was.
    pub async fn mark_run(&self, run: &RunTicket, resume: &Value) -> Result<bool, StoreError> {
        let marked =
            query("UPDATE runs SET resume = $3 WHERE task = $1 AND number = $2 AND token = $4")
                .bind(&run.task.0)
                .bind(i64::from(run.run.0))
                .bind(resume.to_string())
                .bind(run.token)
                .execute(self.database.writing())
                .await?;
        Ok(marked == 1)
    }

    /// Stores that a run is over together with the news of it. Says whether it is in this hand; where it is not, nothing is
    /// stored: what this one believes of it is worth nothing.
    pub async fn end_run(
        &self,
        run: &RunTicket,
        news: &NewDelivery,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut unit = self.begin().await?;
        let ended = query(
            "UPDATE runs SET state = 'ended', ended_ms = coalesce(ended_ms, $3)
             WHERE task = $1 AND number = $2 AND token = $4",
        )
        .bind(&run.task.0)
        .bind(i64::from(run.run.0))
        .bind(now.0)
        .bind(run.token)
        .execute(&mut unit)
        .await?;
        if ended == 1 {
            insert_delivery(&fresh_id(), news, now)?
                .execute(&mut unit)
                .await?;
        }
        unit.commit().await?;
        Ok(ended == 1)
    }

    /// Remembers that a run is over, unless another process has it in hand.
    pub async fn close_run(
        &self,
        task: &TaskId,
        number: RunNumber,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE runs SET state = 'ended', ended_ms = $3
             WHERE task = $1 AND number = $2 AND state = 'live' AND (owner IN ('', $4) OR lease_until_ms <= $3)",
        )
        .bind(&task.0)
        .bind(i64::from(number.0))
        .bind(now.0)
        .bind(&*self.hands.owner)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Every run that was live when it was last heard of.
    pub async fn live_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let rows = query("SELECT task, number, kind, agent, sandbox, resume, started_ms, ended_ms FROM runs WHERE state = 'live'")
            .fetch_all(self.database.reading())
            .await?;
        rows.iter().map(stored_run).collect()
    }

    /// Takes every run that lives and whose process is gone; those of this process are told too, because its watcher may be.
    /// One without a stored position is told, and not taken: it is started again by its own effect.
    pub async fn claim_runs(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(StoredRun, RunTicket)>, StoreError> {
        let rows = query(
            "UPDATE runs SET owner = CASE WHEN resume IS NULL THEN owner ELSE $1 END,
                    lease_until_ms = CASE WHEN resume IS NULL THEN lease_until_ms ELSE $3 END,
                    token = CASE WHEN resume IS NULL OR owner = $1 THEN token ELSE token + 1 END
             WHERE state = 'live' AND (owner = $1 OR lease_until_ms <= $2)
             RETURNING task, number, kind, agent, sandbox, resume, started_ms, ended_ms, token",
        )
        .bind(&*self.hands.owner)
        .bind(now.0)
        .bind(Lease::Whole.until(now))
        .fetch_all(self.database.writing())
        .await?;
        rows.iter()
            .map(|row| Ok((stored_run(row)?, run_ticket(row)?)))
            .collect()
    }

    /// The runs of one task.
    pub async fn runs_of(&self, task: &TaskId) -> Result<Vec<StoredRun>, StoreError> {
        let rows = query("SELECT task, number, kind, agent, sandbox, resume, started_ms, ended_ms FROM runs WHERE task = $1 ORDER BY number")
            .bind(&task.0)
            .fetch_all(self.database.reading())
            .await?;
        rows.iter().map(stored_run).collect()
    }

    /// Writes a line into a run's log, unless the run is or was another process's. Who works on the task by an effect in
    /// hand, as a proof does, may write in any case.
    pub async fn log_run(
        &self,
        task: &TaskId,
        run: RunNumber,
        kind: LogKind,
        body: &Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO run_log (id, task, run, at_ms, kind, body) SELECT $1, $2, $3, $4, $5, $6
             WHERE NOT EXISTS (SELECT 1 FROM runs WHERE task = $2 AND number = $3 AND owner NOT IN ('', $7))
                OR EXISTS (SELECT 1 FROM outbox WHERE task = $2 AND state = 'leased' AND owner = $7)",
        )
        .bind(fresh_id())
        .bind(&task.0)
        .bind(i64::from(run.0))
        .bind(now.0)
        .bind(kind.name())
        .bind(body.to_string())
        .bind(&*self.hands.owner)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// The lines of a task's log behind `after`, oldest first.
    pub async fn log_after(
        &self,
        task: &TaskId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<LogLine>, StoreError> {
        let rows = query("SELECT id, run, at_ms, kind, body FROM run_log WHERE task = $1 AND id > $2 ORDER BY id LIMIT $3")
            .bind(&task.0)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.database.reading())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LogLine {
                    id: row.try_get("id")?,
                    run: run_number(row.try_get("run")?),
                    at: moment(row.try_get("at_ms")?),
                    kind: row.try_get("kind")?,
                    // A damaged line costs itself: the lines around it are read, and the task goes on.
                    body: document(row, "body")?.unwrap_or_else(
                        |damage| json!({ "text": format!("this line cannot be read: {damage}") }),
                    ),
                })
            })
            .collect()
    }
}

fn stored_run(row: &Row) -> Result<StoredRun, StoreError> {
    Ok(StoredRun {
        task: TaskId(row.try_get("task")?),
        number: run_number(row.try_get("number")?),
        kind: row.try_get("kind")?,
        agent: row.try_get("agent")?,
        sandbox: row.try_get("sandbox")?,
        resume: row
            .try_get::<Option<String>>("resume")?
            // A damaged position is one from which nobody can go on: the run is told to be lost, and the others are not.
            .map(|text| serde_json::from_str(&text).unwrap_or(Value::Null)),
        started: moment(row.try_get("started_ms")?),
        ended: row.try_get::<Option<i64>>("ended_ms")?.map(moment),
    })
}

fn run_ticket(row: &Row) -> Result<RunTicket, StoreError> {
    Ok(RunTicket {
        task: TaskId(row.try_get("task")?),
        run: run_number(row.try_get("number")?),
        token: row.try_get("token")?,
    })
}

fn run_number(number: i64) -> RunNumber {
    RunNumber(u32::try_from(number).unwrap_or_default())
}
