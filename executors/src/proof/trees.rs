//! The two work trees in the clean container: the commit, and the base that it is compared with.

use std::time::Duration;

use super::{
    ProofError, ProofSpec,
    pictures::Moment,
    room::{Ran, Room, Script, WORK},
};
use crate::mirror::CommitId;

/// Wall-clock limit of one checkout.
const CHECK_OUT_TIME: Duration = Duration::from_mins(10);
/// Bytes of git's complaints, and of the list of changed files, that are kept.
const OUTPUT_BYTES: usize = 64 * 1024;

/// A work tree in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// The commit that is to be proved.
    Commit,
    /// The commit that the task began with.
    Base,
}

impl Tree {
    pub(super) fn of(moment: Moment) -> Self {
        match moment {
            Moment::After => Self::Commit,
            Moment::Before => Self::Base,
        }
    }

    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Commit => "/work/repo",
            Self::Base => "/work/base",
        }
    }

    fn commit(self, spec: &ProofSpec) -> &CommitId {
        match self {
            Self::Commit => &spec.commit,
            Self::Base => &spec.base,
        }
    }
}

/// The clone comes from the mirror, for its tags; the objects of the commit come from the quarantine.
const CHECK_OUT: &str = r#"
set -eu
mirror=$1 quarantine=$2 commit=$3 tree=$4
mkdir -p "$HOME"
rm -rf "$tree"
git clone --quiet --shared --no-checkout "$mirror" "$tree"
cd "$tree"
git config --remove-section remote.origin
echo "$quarantine/objects" >> .git/objects/info/alternates
git -c advice.detachedHead=false checkout --quiet --force --detach "$commit"
test "$(git rev-parse HEAD)" = "$commit"
"#;

/// Puts exactly one commit into its folder.
pub(super) async fn check_out(
    room: &Room<'_>,
    spec: &ProofSpec,
    tree: Tree,
) -> Result<(), ProofError> {
    let arguments = vec![
        spec.mirror.to_string_lossy().into_owned(),
        spec.quarantine.path().to_string_lossy().into_owned(),
        tree.commit(spec).to_string(),
        tree.folder().to_owned(),
    ];
    let script = Script {
        text: CHECK_OUT,
        arguments,
        folder: WORK,
        timeout: CHECK_OUT_TIME,
        output_limit_bytes: OUTPUT_BYTES,
    };
    let reason = match room.run(script).await? {
        Ran::Ended(output) if output.status == Some(0) => return Ok(()),
        Ran::Ended(output) => String::from_utf8_lossy(&output.errors).trim().to_owned(),
        Ran::TooSlow(_) => format!("it took longer than {} seconds", CHECK_OUT_TIME.as_secs()),
        Ran::Died => "the container ended".to_owned(),
    };
    Err(ProofError::CheckOut(reason))
}

/// The comparison reads the commit into an index of its own: the tree's could have been told to look away.
const CHANGED: &str = r#"
set -eu
GIT_INDEX_FILE=$(mktemp -u /tmp/deckhand-index.XXXXXX)
export GIT_INDEX_FILE
git read-tree "$1"
git -c core.fsmonitor=false update-index -q --refresh >/dev/null 2>&1 || true
git -c core.fsmonitor=false diff-files --name-only -z
rm -f "$GIT_INDEX_FILE"
"#;

/// Files of the commit whose content on the disk is another than the commit's, or that are gone.
pub(super) async fn changed_files(
    room: &Room<'_>,
    spec: &ProofSpec,
) -> Result<Vec<String>, ProofError> {
    let script = Script {
        text: CHANGED,
        arguments: vec![spec.commit.to_string()],
        folder: Tree::Commit.folder(),
        timeout: CHECK_OUT_TIME,
        output_limit_bytes: OUTPUT_BYTES,
    };
    match room.run(script).await? {
        Ran::Ended(output) if output.status == Some(0) => {
            let paths = output.output.split(|byte| *byte == 0);
            let paths = paths.filter(|path| !path.is_empty());
            Ok(paths
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect())
        }
        // Checks that broke the repository itself changed more than a file.
        Ran::Ended(_) | Ran::TooSlow(_) | Ran::Died => Ok(vec![".git".to_owned()]),
    }
}
