//! Platforms that have taken the bot's access away, until they send something again.

use super::{
    Store, StoreError,
    database::query,
    posts::REQUEST_SLOT,
    tasks::{Stored, readable},
};
use crate::domain::Timestamp;

impl Store {
    /// Remembers that a platform has taken the access away; `at` is the platform's own moment.
    pub async fn withdraw(&self, surface: &str, at: Timestamp) -> Result<(), StoreError> {
        query(
            "INSERT INTO withdrawn (surface, at_ms) VALUES ($1, $2)
             ON CONFLICT (surface) DO UPDATE SET at_ms = excluded.at_ms",
        )
        .bind(surface)
        .bind(at.0)
        .execute(self.database.writing())
        .await?;
        Ok(())
    }

    /// Since when a platform gives no access; none where it does.
    pub async fn withdrawn(&self, surface: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = query("SELECT at_ms FROM withdrawn WHERE surface = $1")
            .bind(surface)
            .fetch_optional(self.database.reading())
            .await?;
        row.map(|row| Ok(Timestamp(row.try_get("at_ms")?)))
            .transpose()
    }

    /// A platform has sent something at its own moment `at`: whatever it took away before is given again. Says whether
    /// something was.
    pub async fn given_again(&self, surface: &str, at: Timestamp) -> Result<bool, StoreError> {
        // Mostly nothing was taken away, and then nothing has to be written to know it.
        if self
            .withdrawn(surface)
            .await?
            .is_none_or(|since| since >= at)
        {
            return Ok(false);
        }
        let done = query("DELETE FROM withdrawn WHERE surface = $1 AND at_ms < $2")
            .bind(surface)
            .bind(at.0)
            .execute(self.database.writing())
            .await?;
        Ok(done > 0)
    }

    /// The tasks that can still go on and are talked about on a surface.
    pub async fn tasks_on(&self, surface: &str) -> Result<Vec<Stored>, StoreError> {
        let rows = query(
            "SELECT id, document, version FROM tasks
             WHERE state NOT IN ('completed', 'canceled', 'expired', 'unreadable')
               AND id IN (SELECT task FROM posts WHERE conversation LIKE $1 AND slot = task || $2)
             ORDER BY opened_ms, id",
        )
        .bind(format!("{surface}:%"))
        .bind(format!(":{REQUEST_SLOT}"))
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().filter_map(readable).collect()
    }
}
