//! Where the app is in Slack, and what it was taken out of.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    database::{Row, query},
    moment,
    tasks::Stored,
    vault::{Vault, VaultError},
};
use crate::domain::Timestamp;

/// The workspace of the settings' token, which needs no name: there is one such.
pub const OWN: &str = "";

/// How long before its end a token is renewed, in milliseconds: what fails can be tried again for so long.
const RENEWED_BEFORE_MS: i64 = 7_200_000;
/// How long whoever renews a token has the row to itself, in milliseconds; longer than any call takes.
const RENEWAL_LEASE_MS: i64 = 30_000;
/// How long it is remembered that somebody came back from Slack, in milliseconds: longer than what they came back with counts.
const RETURNS_KEPT_MS: i64 = 3_600_000;

/// A workspace, or an organisation as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its identifier, as conversations carry it; [`OWN`] for that of the settings' token.
    pub id: String,
    /// What people call it; empty where nobody has said so.
    pub name: String,
    /// The number of its token, which rises with each one.
    pub version: i64,
    /// When its token is to be renewed; none where it does not end.
    pub renew: Option<Timestamp>,
    /// Why its token cannot be renewed any more; none where it can, or does not end.
    pub trouble: Option<String>,
    /// Why nothing is tried there any more, and since when. None where the app is in it.
    pub closed: Option<(String, Timestamp)>,
}

/// What was installed, beside its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The workspace, or the organisation, as conversations carry it.
    pub id: String,
    /// The organisation that it belongs to; empty where there is none.
    pub enterprise: String,
    /// What people call it.
    pub name: String,
    /// The bot's user.
    pub bot_user: String,
    /// What was granted, separated by commas.
    pub scopes: String,
}

/// The tokens of a workspace.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// What calls are made with.
    pub access: SecretString,
    /// What the next ones are had for, where these end.
    pub refresh: Option<SecretString>,
    /// When these end, where they do.
    pub ends: Option<Timestamp>,
}

/// Both tokens in one sealed text: they are changed together or not at all.
#[derive(Serialize, Deserialize)]
struct Sealed {
    access: String,
    refresh: Option<String>,
}

/// Whether somebody comes back from Slack for the first time with what they were sent there with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Return {
    /// They do.
    First,
    /// They came before.
    Repeated {
        /// What was installed then, where that was finished.
        installed: Option<String>,
    },
}

impl Store {
    /// Every workspace that is known, by its identifier.
    pub async fn slack_workspaces(&self) -> Result<Vec<Workspace>, StoreError> {
        let rows = query(
            "SELECT id, name, version, renew_ms, trouble, closed, closed_ms FROM slack_workspaces ORDER BY id",
        )
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().map(|row| Ok(workspace(row)?)).collect()
    }

    /// Takes note that the app is not in a workspace any more. What was noted first stays; its tokens are forgotten.
    pub async fn close_slack_workspace(
        &self,
        id: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        query(
            "INSERT INTO slack_workspaces (id, enterprise, name, bot_user, bot_id, scopes, version, trouble, closed, closed_ms, renew_ms, owner, lease_until_ms)
             VALUES ($1, '', '', '', '', '', 0, '', $2, $3, 0, '', 0)
             ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, closed_ms = excluded.closed_ms
             WHERE slack_workspaces.closed = ''",
        )
        .bind(id)
        .bind(why)
        .bind(now.0)
        .execute(&mut transaction)
        .await?;
        query("DELETE FROM secrets WHERE name = $1")
            .bind(secret_name(id))
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
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

    /// Counts that somebody came back from Slack with what they were sent there with; each counts once.
    pub async fn count_return(&self, nonce: &str, now: Timestamp) -> Result<Return, StoreError> {
        query("DELETE FROM slack_returns WHERE at_ms < $1")
            .bind(now.0 - RETURNS_KEPT_MS)
            .execute(self.database.writing())
            .await?;
        let first = query("INSERT INTO slack_returns (nonce, at_ms, installed) VALUES ($1, $2, '') ON CONFLICT (nonce) DO NOTHING")
            .bind(nonce)
            .bind(now.0)
            .execute(self.database.writing())
            .await?;
        if first == 1 {
            return Ok(Return::First);
        }
        let row = query("SELECT installed FROM slack_returns WHERE nonce = $1")
            .bind(nonce)
            .fetch_optional(self.database.reading())
            .await?;
        let installed: Option<String> = row.map(|row| row.try_get("installed")).transpose()?;
        let installed = installed.filter(|name| !name.is_empty());
        Ok(Return::Repeated { installed })
    }

    /// Takes a token to be renewed, where nobody else is at it and it is still the one of this number.
    pub async fn begin_renewal(
        &self,
        (id, version): (&str, i64),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let taken = query(
            "UPDATE slack_workspaces SET owner = $3, lease_until_ms = $4
             WHERE id = $1 AND version = $2 AND closed = '' AND (owner = '' OR lease_until_ms <= $5)",
        )
        .bind(id)
        .bind(version)
        .bind(&*self.hands.owner)
        .bind(now.0 + RENEWAL_LEASE_MS)
        .bind(now.0)
        .execute(self.database.writing())
        .await?;
        Ok(taken == 1)
    }

    /// Gives a token back that could not be renewed; it is tried again from `again` on.
    pub async fn end_renewal(
        &self,
        (id, version): (&str, i64),
        again: Timestamp,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE slack_workspaces SET owner = '', renew_ms = $4
             WHERE id = $1 AND version = $2 AND owner = $3",
        )
        .bind(id)
        .bind(version)
        .bind(&*self.hands.owner)
        .bind(again.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Takes note that a token cannot be renewed any more.
    pub async fn refuse_renewal(
        &self,
        (id, version): (&str, i64),
        why: &str,
    ) -> Result<(), StoreError> {
        query(
            "UPDATE slack_workspaces SET owner = '', renew_ms = 0, trouble = $4
             WHERE id = $1 AND version = $2 AND owner = $3",
        )
        .bind(id)
        .bind(version)
        .bind(&*self.hands.owner)
        .bind(why)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Remembers in which workspace of an organisation a channel is.
    pub async fn remember_slack_channel(
        &self,
        home: &str,
        channel: &str,
        team: &str,
    ) -> Result<(), StoreError> {
        query("INSERT INTO slack_channels (home, channel, team) VALUES ($1, $2, $3) ON CONFLICT (home, channel) DO UPDATE SET team = excluded.team")
            .bind(home)
            .bind(channel)
            .bind(team)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// The channels of an organisation that are in one of its workspaces.
    pub async fn slack_channels_in(
        &self,
        home: &str,
        team: &str,
    ) -> Result<Vec<String>, StoreError> {
        let rows = query(
            "SELECT channel FROM slack_channels WHERE home = $1 AND team = $2 ORDER BY channel",
        )
        .bind(home)
        .bind(team)
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("channel")?)).collect()
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

impl Vault {
    /// Stores an installation with its sealed tokens in place of an earlier one, and what became of the return that it came
    /// by, in one transaction.
    pub async fn install(
        &self,
        installed: &Installed,
        secrets: &Secrets,
        nonce: &str,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let mut transaction = self.store().begin().await?;
        self.putting(
            &secret_name(&installed.id),
            &sealed(secrets)?,
            ends(secrets),
            now,
        )?
        .execute(&mut transaction)
        .await?;
        query(
            "INSERT INTO slack_workspaces (id, enterprise, name, bot_user, bot_id, scopes, version, trouble, closed, closed_ms, renew_ms, owner, lease_until_ms)
             VALUES ($1, $2, $3, $4, '', $5, 1, '', '', 0, $6, '', 0)
             ON CONFLICT (id) DO UPDATE SET enterprise = excluded.enterprise, name = excluded.name, bot_user = excluded.bot_user,
                 scopes = excluded.scopes, version = slack_workspaces.version + 1, trouble = '', closed = '', closed_ms = 0,
                 renew_ms = excluded.renew_ms, owner = '', lease_until_ms = 0",
        )
        .bind(&installed.id)
        .bind(&installed.enterprise)
        .bind(&installed.name)
        .bind(&installed.bot_user)
        .bind(&installed.scopes)
        .bind(renew_ms(secrets))
        .execute(&mut transaction)
        .await?;
        query("UPDATE slack_returns SET installed = $2 WHERE nonce = $1")
            .bind(nonce)
            .bind(&installed.name)
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores the tokens that a renewal gave, where it is still this process's. False where it is not: somebody has
    /// installed the app anew meanwhile, and those tokens count.
    pub async fn renewed(
        &self,
        (id, version): (&str, i64),
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<bool, VaultError> {
        let mut transaction = self.store().begin().await?;
        let done = query(
            "UPDATE slack_workspaces SET version = version + 1, trouble = '', renew_ms = $4, owner = '', lease_until_ms = 0
             WHERE id = $1 AND version = $2 AND owner = $3",
        )
        .bind(id)
        .bind(version)
        .bind(&*self.store().hands.owner)
        .bind(renew_ms(secrets))
        .execute(&mut transaction)
        .await?;
        if done != 1 {
            return Ok(false);
        }
        self.putting(&secret_name(id), &sealed(secrets)?, ends(secrets), now)?
            .execute(&mut transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The tokens of a workspace, where there are some.
    pub async fn secrets_of(&self, id: &str) -> Result<Option<Secrets>, VaultError> {
        let name = secret_name(id);
        let Some(kept) = self.get(&name).await? else {
            return Ok(None);
        };
        let sealed: Sealed = serde_json::from_str(kept.secret.expose_secret())
            .map_err(|_| VaultError::Broken { name })?;
        Ok(Some(Secrets {
            access: sealed.access.into(),
            refresh: sealed.refresh.map(SecretString::from),
            ends: (kept.ends.0 != i64::MAX).then_some(kept.ends),
        }))
    }
}

fn secret_name(id: &str) -> String {
    format!("slack:{id}")
}

fn sealed(secrets: &Secrets) -> Result<SecretString, VaultError> {
    let sealed = Sealed {
        access: secrets.access.expose_secret().to_owned(),
        refresh: secrets
            .refresh
            .as_ref()
            .map(|token| token.expose_secret().to_owned()),
    };
    let text = serde_json::to_string(&sealed).map_err(StoreError::from)?;
    Ok(SecretString::from(text))
}

fn ends(secrets: &Secrets) -> Timestamp {
    secrets.ends.unwrap_or(Timestamp(i64::MAX))
}

/// When a token is to be renewed; 0 where it does not end.
fn renew_ms(secrets: &Secrets) -> i64 {
    match (&secrets.ends, &secrets.refresh) {
        (Some(ends), Some(_)) => ends.0 - RENEWED_BEFORE_MS,
        (Some(_) | None, _) => 0,
    }
}

fn workspace(row: &Row) -> Result<Workspace, sqlx::Error> {
    let why: String = row.try_get("closed")?;
    let since = moment(row.try_get("closed_ms")?);
    let renew: i64 = row.try_get("renew_ms")?;
    let trouble: String = row.try_get("trouble")?;
    Ok(Workspace {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        renew: (renew != 0).then(|| moment(renew)),
        trouble: (!trouble.is_empty()).then_some(trouble),
        closed: (!why.is_empty()).then_some((why, since)),
    })
}
