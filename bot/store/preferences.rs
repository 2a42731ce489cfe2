//! What people set for themselves and for a channel.

use super::{
    Store, StoreError,
    database::{Unit, query},
};
use crate::domain::{
    Timestamp,
    preferences::{Kept, Preferences, PreferencesOf},
};

impl Store {
    /// What was set; the usual where nothing was. What cannot be read counts as not set: nobody waits for a default.
    pub async fn preferences(&self, of: &PreferencesOf) -> Result<Preferences, StoreError> {
        let row = query("SELECT document FROM preferences WHERE subject = $1")
            .bind(of.key())
            .fetch_optional(self.database.reading())
            .await?;
        let Some(row) = row else {
            return Ok(Preferences::default());
        };
        let document: String = row.try_get("document")?;
        Ok(serde_json::from_str(&document).unwrap_or_else(|error| {
            tracing::warn!(subject = of.key(), %error, "settings cannot be read and count as not set");
            Preferences::default()
        }))
    }
}

/// Stores settings in the transaction that writes who changed them.
pub(super) async fn keep(
    transaction: &mut Unit,
    kept: &Kept,
    now: Timestamp,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO preferences (subject, document, changed_ms) VALUES ($1, $2, $3)
         ON CONFLICT (subject) DO UPDATE SET document = excluded.document, changed_ms = excluded.changed_ms",
    )
    .bind(kept.of.key())
    .bind(serde_json::to_string(&kept.preferences)?)
    .bind(now.0)
    .execute(transaction)
    .await?;
    Ok(())
}
