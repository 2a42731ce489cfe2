//! Work that is kept in quarantine under a name, and handed out as a bundle.

use std::path::{Path, PathBuf};

use super::{BrokerError, Quarantine};
use crate::mirror::{BranchName, CommitId};

impl Quarantine {
    /// The quarantine that was made at this absolute path before; none where there is none.
    #[must_use]
    pub fn known(path: PathBuf) -> Option<Self> {
        path.join("HEAD").is_file().then(|| Self::at(path))
    }

    /// Keeps a commit under the name of a branch, which is never pushed.
    pub async fn keep(&self, branch: &BranchName, commit: &CommitId) -> Result<(), BrokerError> {
        self.hold(&branch.reference(), commit).await
    }

    /// Writes a kept branch into a new file, as a bundle for clones that have the base.
    pub async fn bundle(
        &self,
        branch: &BranchName,
        base: &CommitId,
        file: &Path,
    ) -> Result<(), BrokerError> {
        let create = self
            .git(&["bundle", "create", "--quiet"])
            .argument(file)
            .argument(branch.reference())
            .argument(format!("^{base}"));
        create.run().await.map_err(BrokerError::host)?;
        Ok(())
    }
}
