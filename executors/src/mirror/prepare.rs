//! Makes a task's work tree, inside its sandbox: git never works in a folder on the host that an agent can write.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{BranchName, CommitId};
use crate::sandbox::Exec;

/// Wall-clock limit: a repository of one gigabyte is written in about a minute on a slow disk.
const PREPARE_TIME: Duration = Duration::from_mins(10);
/// Bytes of git's complaints that are kept.
const OUTPUT_BYTES: usize = 16 * 1024;

/// The whole preparation. Written in full or not at all: a crash before the mark is made starts it again, and after
/// it nothing is touched, because the agent's work is there by then.
///
/// The section about the remote goes and its branches stay: there is nothing to fetch from, but agents like to
/// compare with `origin/main`. Submodules are left empty: their repositories are not mirrored.
const SCRIPT: &str = r#"
set -eu
mirror=$1 base=$2 branch=$3 tree=$4
mark=.git/deckhand-prepared
if [ "$(cat "$tree/$mark" 2>/dev/null)" = "$base $branch" ]; then exit 0; fi
rm -rf "$tree"
git clone --quiet --shared --no-checkout -c advice.detachedHead=false "$mirror" "$tree"
cd "$tree"
git config --remove-section remote.origin
git config user.name "Deckhand agent"
git config user.email "agent@deckhand.invalid"
git config gc.auto 0
git checkout --quiet --force --no-track -B "$branch" "$base"
printf '%s' "$base $branch" > "$mark"
"#;

/// The command that puts the work tree of `branch`, starting at `base`, into `/work/repo`. It is to run in a sandbox
/// that can write to `/work` and has the mirror mounted at its own absolute path. A second run changes nothing.
/// Exit status 0 means that the work tree is there.
#[must_use]
pub fn prepare_script(mirror: &Path, base: &CommitId, branch: &BranchName) -> Exec {
    prepare_at(mirror, base, branch, "/work", "/work/repo")
}

fn prepare_at(
    mirror: &Path,
    base: &CommitId,
    branch: &BranchName,
    folder: &str,
    tree: &str,
) -> Exec {
    let mirror = mirror.to_string_lossy();
    let arguments = [
        "sh",
        "-c",
        SCRIPT,
        "prepare",
        &mirror,
        base.as_str(),
        branch.as_str(),
        tree,
    ];
    Exec {
        command: arguments.map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: folder.to_owned(),
        input: Vec::new(),
        timeout: PREPARE_TIME,
        output_limit_bytes: OUTPUT_BYTES,
    }
}
