//! Takes an agent's work out of its sandbox and unpacks it in quarantine, checked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{BrokerError, DiffText, FileChange, Finding, Quarantine, Rules, bundle, changes};
use crate::{
    mirror::{BranchName, CommitId, TreeId, git::GitError},
    sandbox::{Exec, ExecOutput, Executor, SandboxName},
};

/// Where the sandbox's last commit arrives.
const TAKEN: &str = "refs/deckhand/taken";
/// The name under which it leaves.
const OUT: &str = "refs/deckhand/out";
/// Wall-clock limit of unpacking: compressed data can be made to unfold very far.
const UNPACK_TIME: Duration = Duration::from_mins(2);
/// The most memory that git may take at once for an object, in bytes: a few bytes can say "the same again" so often that
/// they stand for more than any machine holds. What is no difference to another object is streamed, and not held.
const OBJECT_MEMORY_BYTES: usize = 256 * 1024 * 1024;
/// The variable for it, which git reads and does not document. A git that does not know it has no ceiling.
const OBJECT_MEMORY: &str = "GIT_ALLOC_LIMIT";
/// Bytes of git's complaints that are kept.
const COMPLAINT_BYTES: usize = 600;

/// Ceilings of what may leave a sandbox at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeOutLimits {
    /// Bytes of the bundle, which is held in memory on its way.
    pub bundle_bytes: usize,
    /// The agent's commits.
    pub commits: u32,
    /// Files that differ from the base.
    pub files: usize,
    /// Bytes of one file; a larger one is a finding.
    pub file_bytes: u64,
    /// Bytes of the diff that is kept.
    pub diff_bytes: usize,
    /// Wall-clock limit inside the sandbox.
    pub time: Duration,
}

impl Default for TakeOutLimits {
    fn default() -> Self {
        Self {
            bundle_bytes: 100 * 1024 * 1024,
            commits: 1000,
            files: 5000,
            file_bytes: 20 * 1024 * 1024,
            diff_bytes: 1024 * 1024,
            time: Duration::from_mins(2),
        }
    }
}

/// The work, in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The agent's last commit.
    pub head: CommitId,
    /// Its files.
    pub tree: TreeId,
    /// How many commits the agent made.
    pub commits: u32,
    /// What differs from the base.
    pub files: Vec<FileChange>,
    /// The same as people read it.
    pub diff: DiffText,
    /// What a machine should not push unasked.
    pub findings: Vec<Finding>,
}

/// What was left uncommitted is committed, without any of the repository's hooks; then everything since the base
/// goes to standard output. The agent may have worked on another branch than the one it was given: what lies in the
/// work tree is its result, and the given branch counts only where the work tree stayed at the base.
const SCRIPT: &str = r#"
set -eu
base=$1 branch=$2 out=$3
quiet() { git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c commit.gpgSign=false -c gc.auto=0 "$@"; }
test -e .git || { echo "the repository is gone" >&2; exit 65; }
rm -f .git/index.lock .git/HEAD.lock
quiet add --all >&2
if test -e .git/MERGE_HEAD || ! quiet diff --cached --quiet HEAD; then
  quiet commit --quiet --no-verify --message "Work that was not committed" >&2
fi
tip=$(quiet rev-parse HEAD)
if [ "$tip" = "$base" ]; then
  tip=$(quiet rev-parse --quiet --verify "refs/heads/$branch" || echo "$base")
fi
if [ "$tip" = "$base" ]; then exit 0; fi
quiet update-ref "$out" "$tip"
quiet bundle create --quiet - "$out" "^$base"
"#;

/// What is to be taken out, and what it is held against.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// The commit that the sandbox was given.
    pub base: &'a CommitId,
    /// The branch that it was given.
    pub branch: &'a BranchName,
    /// The commit of this task that stands at the remote already, where there is one.
    pub pushed: Option<&'a CommitId>,
    /// What is looked for.
    pub rules: Rules<'a>,
}

/// Commits what is uncommitted in the sandbox's `/work/repo`, brings everything since the base into quarantine, and
/// checks it there. The sandbox has to be running, and the agent should have ended its turn. A repeat takes the same
/// work again. Dropping the future ends what runs on the host.
///
/// # Errors
/// [`BrokerError::NothingChanged`] where the files are those of the base.
pub async fn take_out(
    executor: &dyn Executor,
    sandbox: &SandboxName,
    quarantine: &Quarantine,
    errand: &Errand<'_>,
) -> Result<Taken, BrokerError> {
    let limits = errand.rules.limits;
    let command = [
        "sh",
        "-c",
        SCRIPT,
        "take-out",
        errand.base.as_str(),
        errand.branch.as_str(),
        OUT,
    ];
    let exec = Exec {
        command: command.map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        working_directory: "/work/repo".to_owned(),
        input: Vec::new(),
        timeout: limits.time,
        output_limit_bytes: limits.bundle_bytes,
    };
    let bundle = read_output(executor.exec(sandbox, exec).await?, limits)?;
    bundle::has_honest_head(&bundle, OUT)?;
    let head = unpack(quarantine, bundle).await?;
    check(quarantine, errand, &head).await
}

fn read_output(output: ExecOutput, limits: &TakeOutLimits) -> Result<Vec<u8>, BrokerError> {
    match output.status {
        None => Err(BrokerError::TooSlow),
        Some(0) if output.dropped_bytes > 0 => Err(BrokerError::TooLarge {
            limit: u64::try_from(limits.bundle_bytes).unwrap_or(u64::MAX),
            unit: "bytes",
        }),
        Some(0) if output.output.is_empty() => Err(BrokerError::NothingChanged),
        Some(0) => Ok(output.output),
        Some(status) => {
            let from = output.errors.len().saturating_sub(COMPLAINT_BYTES);
            let complaint = String::from_utf8_lossy(&output.errors[from..]);
            let reason = format!("status {status}: {}", complaint.trim());
            Err(BrokerError::WorkTree(reason))
        }
    }
}

/// Unpacks a bundle with git's strictest checks. With its default ones git takes trees whose entries are called
/// `.git` or `..`.
async fn unpack(quarantine: &Quarantine, bundle: Vec<u8>) -> Result<CommitId, BrokerError> {
    let file = Arrival(quarantine.path().join("arrival.bundle"));
    tokio::fs::write(&file.0, bundle)
        .await
        .map_err(BrokerError::host)?;
    let bounded = |arguments: &[&str]| {
        let most = OBJECT_MEMORY_BYTES.to_string();
        quarantine.git(arguments).variable(OBJECT_MEMORY, most)
    };
    let verify = bounded(&["bundle", "verify", "--quiet"]);
    let verified = verify.argument(&file.0).run().await;
    verified.map_err(|error| match error {
        // Quietly it says nothing of the only thing that it looks at.
        GitError::Failed(failure) if failure.errors.trim().is_empty() => BrokerError::Malformed(
            "what was handed out builds on commits that are not here".to_owned(),
        ),
        error => BrokerError::unpacking(error),
    })?;
    let fetch = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
    ];
    bounded(&fetch)
        .argument(&file.0)
        .argument(format!("+{OUT}:{TAKEN}"))
        .setting("transfer.fsckObjects", "true")
        .setting("fetch.unpackLimit", "1")
        .setting("protocol.file.allow", "always")
        // Larger contents are streamed and not held in memory.
        .setting("core.bigFileThreshold", "16m")
        .time(UNPACK_TIME)
        .run()
        .await
        .map_err(BrokerError::unpacking)?;
    let head = quarantine.git(&["rev-parse", "--verify", &format!("{TAKEN}^{{commit}}")]);
    let head = head.line().await.map_err(BrokerError::unpacking)?;
    CommitId::parse(&head).map_err(BrokerError::host)
}

async fn check(
    quarantine: &Quarantine,
    errand: &Errand<'_>,
    head: &CommitId,
) -> Result<Taken, BrokerError> {
    let (base, limits) = (errand.base, errand.rules.limits);
    if !quarantine.descends(head, base).await? {
        return Err(BrokerError::ForeignHistory);
    }
    let commits = count_commits(quarantine, base, head).await?;
    if commits > limits.commits {
        return Err(BrokerError::TooLarge {
            limit: limits.commits.into(),
            unit: "commits",
        });
    }
    let since = errand.pushed.unwrap_or(base);
    let (changes, findings) = quarantine
        .looked_through(base, since, head, &errand.rules)
        .await?;
    if changes.is_empty() {
        return Err(BrokerError::NothingChanged);
    }
    Ok(Taken {
        head: head.clone(),
        tree: quarantine.tree_of(head).await?,
        commits,
        findings,
        diff: changes::diff(
            quarantine.path(),
            base,
            head,
            changes::Part::Whole,
            limits.diff_bytes,
        )
        .await?,
        files: changes.into_iter().map(|change| change.file).collect(),
    })
}

async fn count_commits(
    quarantine: &Quarantine,
    base: &CommitId,
    head: &CommitId,
) -> Result<u32, BrokerError> {
    let range = format!("{base}..{head}");
    let count = quarantine
        .git(&["rev-list", "--count", &range])
        .line()
        .await;
    let count = count.map_err(BrokerError::host)?;
    count.parse().map_err(BrokerError::host)
}

/// The bundle's place on the disk, gone when the work is done or given up.
struct Arrival(PathBuf);

impl Drop for Arrival {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a bundle could not be removed");
    }
}
