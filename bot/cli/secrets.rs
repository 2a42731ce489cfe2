//! Looks after stored secrets: seals them anew with the newest key.

use super::say;
use crate::{
    clock::Clock,
    config::Config,
    store::{Store, vault::Vault},
};

/// Seals everything anew, and says how much that was. A server may run meanwhile, if it has the newest key already.
pub(super) async fn rotate(config: &Config) -> anyhow::Result<()> {
    let keys = config.keys_in_force()?;
    let store = Store::open_beside(&config.database_url).await?;
    let rotated = Vault::new(store.clone(), keys)
        .rotate(Clock::default().now())
        .await;
    store.close().await;
    let rotated = rotated?;
    let all = rotated.sealed_anew + rotated.newest_already;
    say(&format!(
        "{} of {all} stored secrets sealed anew; all are sealed with the key {}. Older keys are not needed any more.",
        rotated.sealed_anew, rotated.key
    ));
    Ok(())
}
