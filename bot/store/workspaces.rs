//! Where the app is in Slack, and what it was taken out of.

use super::{
    Store, StoreError,
    database::{Row, query},
    moment,
    tasks::Stored,
};
use crate::domain::Timestamp;

/// The workspace of the settings' token, which needs no name: there is one such.
pub const OWN: &str = "";

/// A workspace, or an organisation as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its identifier, as conversations carry it; [`OWN`] for that of the settings' token.
    pub id: String,
    /// What people call it; empty where nobody has said so.
    pub name: String,
    /// Why nothing is tried there any more, and since when. None where the app is in it.
    pub closed: Option<(String, Timestamp)>,
}

impl Store {
    /// Every workspace that is known, by its identifier.
    pub async fn slack_workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        let rows = query("SELECT id, name, closed, closed_ms FROM slack_workspaces ORDER BY id")
            .fetch_all(self.database.reading())
            .await?;
        rows.iter().map(|row| Ok(workspace(row)?)).collect()
    }

    /// Takes note that the app is not in a workspace any more. What was noted first stays.
    pub async fn close_slack_workspace(
        &self,
        id: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "INSERT INTO slack_workspaces (id, enterprise, name, bot_user, bot_id, scopes, version, trouble, closed, closed_ms, renew_ms, owner, lease_until_ms)
             VALUES ($1, '', '', '', '', '', 0, '', $2, $3, 0, '', 0)
             ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, closed_ms = excluded.closed_ms
             WHERE slack_workspaces.closed = ''",
        )
        .bind(id)
        .bind(why)
        .bind(now.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// The app is in a workspace again.
    pub async fn reopen_slack_workspace(&self, id: &str) -> Result<(), StoreError> {
        query("UPDATE slack_workspaces SET closed = '', closed_ms = 0 WHERE id = $1")
            .bind(id)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// Every task that is not over and was asked for in a conversation whose name begins so.
    pub async fn live_tasks_under(&self, prefix: &str) -> Result<Vec<Stored>, StoreError> {
        let rows = query(
            "SELECT id, document, version FROM tasks
             WHERE substr(conversation, 1, length($1)) = $1
               AND state NOT IN ('completed', 'failed', 'canceled', 'expired', 'unreadable')
             ORDER BY opened_ms, id",
        )
        .bind(prefix)
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().filter_map(super::tasks::readable).collect()
    }

    /// Makes what waits for its time due, where its conversation's name begins so: nothing there is worth waiting for.
    pub async fn hurry_effects_under(
        &self,
        prefix: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE outbox SET due_ms = $2
             WHERE state = 'ready' AND due_ms > $2 AND substr(conversation, 1, length($1)) = $1",
        )
        .bind(prefix)
        .bind(now.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }
}

fn workspace(row: &Row) -> Result<Workspace, sqlx::Error> {
    let why: String = row.try_get("closed")?;
    let since = moment(row.try_get("closed_ms")?);
    Ok(Workspace {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        closed: (!why.is_empty()).then_some((why, since)),
    })
}
