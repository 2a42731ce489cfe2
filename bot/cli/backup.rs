//! Copies the database while a server may work on it.

use std::path::Path;

use super::say;
use crate::{config::Config, store::backup::back_up};

/// Makes the copy, and says what is not in it.
pub(super) async fn run(config: &Config, file: &Path) -> anyhow::Result<()> {
    back_up(&config.database_url, file).await?;
    say(&format!(
        "the database is copied to {}. The keys of stored tokens are not in it: keep them elsewhere, with the settings.",
        file.display()
    ));
    Ok(())
}
