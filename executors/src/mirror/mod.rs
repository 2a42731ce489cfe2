//! The host's copy of each repository: one bare mirror, brought up to date before a task and lent to its sandboxes
//! read-only, at the same absolute path, so that a work tree inside borrows its objects and copies none.

mod address;
mod error;
pub(crate) mod git;
mod names;
mod prepare;
mod reading;
pub(crate) mod trouble;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::Mutex;

pub use address::{RepositoryUrl, Scheme, UnfitUrl};
pub use error::MirrorError;
pub use git::Credential;
pub use names::{BranchName, CommitId, TreeId, UnfitName};
pub use prepare::prepare_script;
pub use reading::{BaseState, FileContent, FileList};

use git::{Git, GitError, Overflow};
use trouble::Trouble;

/// Wall-clock limit of one fetch: a first copy of several gigabytes over an ordinary line.
const FETCH_TIME: Duration = Duration::from_mins(20);
/// Wall-clock limit of asking a remote for its references.
const LOOK_TIME: Duration = Duration::from_mins(1);
/// Bytes of the longest list of references that is read: some 400,000 of them.
const REFERENCES_BYTES: usize = 32 * 1024 * 1024;
/// The age from which a lock in a mirror is taken for one that a killed process left: git holds them for milliseconds.
const STALE_LOCK_AGE: Duration = Duration::from_mins(1);
/// What stands behind the name of a mirror in that of the file whose lock is the turn at it.
const TURN_ENDING: &str = ".turn";
/// The pause between two looks whether it is one's turn.
const TURN_LOOKED_EVERY: Duration = Duration::from_millis(50);
/// The default branch where the remote names none, by custom.
const CUSTOMARY_BRANCHES: [&str; 3] = ["main", "master", "trunk"];

/// Branches and tags by full name, with their object names.
type References = BTreeMap<String, String>;

/// All mirrors of one host, below one folder.
#[derive(Debug)]
pub struct Mirrors {
    root: PathBuf,
    /// One lock per mirror: two fetches into the same one would fight for its references.
    busy: Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>,
}

/// One repository's mirror, as of its last refresh.
#[derive(Debug, Clone)]
pub struct Mirror {
    path: PathBuf,
    default_branch: BranchName,
}

impl Mirrors {
    /// Mirrors below this folder, which has to be an absolute path. It is made when it is missing.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            busy: Mutex::default(),
        }
    }

    /// Brings the mirror of a repository up to date, and makes it first where there is none. Branches and tags that
    /// are gone from the remote go from the mirror; their objects stay, because sandboxes may borrow them.
    ///
    /// One refresh of a repository runs at a time, also among processes that share the folder; others of the same wait. Dropping the future ends the transfer.
    pub async fn refresh(
        &self,
        url: &RepositoryUrl,
        credential: Option<&Credential>,
    ) -> Result<Mirror, MirrorError> {
        let path = url.mirror_path(&self.root);
        let lock = self.lock_of(&path).await;
        let _turn = lock.lock().await;
        let _turn_among_processes = turn(&path).await?;
        let remote = look(url, credential).await?;
        make_bare(&path).await?;
        if remote.references != held(&path).await? {
            fetch(&path, url, credential).await?;
        }
        point_head(&path, &remote.default_branch).await?;
        Ok(Mirror {
            path,
            default_branch: remote.default_branch,
        })
    }

    /// The mirror as the last refresh left it, without asking the remote.
    pub async fn open(&self, url: &RepositoryUrl) -> Result<Mirror, MirrorError> {
        let path = url.mirror_path(&self.root);
        if !path.join("HEAD").exists() {
            return Err(MirrorError::NotFound);
        }
        let head = Git::within(&path, &["symbolic-ref", "--short", "HEAD"]);
        let branch = head.line().await.map_err(MirrorError::local)?;
        Ok(Mirror {
            path,
            default_branch: BranchName::parse(&branch).map_err(|_| MirrorError::Empty)?,
        })
    }

    async fn lock_of(&self, path: &Path) -> Arc<Mutex<()>> {
        let mut busy = self.busy.lock().await;
        Arc::clone(busy.entry(path.to_owned()).or_default())
    }
}

impl Mirror {
    /// The absolute path of the bare repository, on the host and in every sandbox.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The branch that the remote names as its default.
    #[must_use]
    pub fn default_branch(&self) -> &BranchName {
        &self.default_branch
    }
}

/// Waits for the turn at a mirror among the processes that share the folder. It ends with the file, also where its process is
/// killed.
async fn turn(path: &Path) -> Result<File, MirrorError> {
    let mut name = path.as_os_str().to_owned();
    name.push(TURN_ENDING);
    let open = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::options().create(true).append(true).open(&name)
    };
    let file = open().map_err(|error| MirrorError::Other(error.to_string()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(TURN_LOOKED_EVERY).await,
            Err(TryLockError::Error(error)) => return Err(MirrorError::Other(error.to_string())),
        }
    }
}

/// The version of the host's git, as `git version` prints it. Merging without a work tree needs 2.38 or newer.
pub async fn host_git() -> Result<String, MirrorError> {
    let version = Git::new(&["version"]).line();
    version.await.map_err(MirrorError::local)
}

/// Makes an empty bare repository, readable by the user of every sandbox; one that is there is left as it is.
pub(crate) async fn make_bare(path: &Path) -> Result<(), MirrorError> {
    if path.join("HEAD").exists() {
        return Ok(());
    }
    let create = Git::new(&["init", "-q", "--bare", "--template=", "--shared=0644"]);
    let create = create.argument(path);
    create.run().await.map_err(MirrorError::local)?;
    Ok(())
}

/// What a remote says of itself.
struct Remote {
    default_branch: BranchName,
    references: References,
}

/// Asks the remote for its branches and tags: one question, where a fetch that changes nothing takes two.
async fn look(url: &RepositoryUrl, credential: Option<&Credential>) -> Result<Remote, MirrorError> {
    let wanted = ["HEAD", "refs/heads/*", "refs/tags/*"];
    let question = Git::new(&["ls-remote", "--symref", url.as_str()]);
    let question = wanted.into_iter().fold(question, Git::argument);
    let answer = question
        .remote(url, credential)
        .time(LOOK_TIME)
        .output(REFERENCES_BYTES, Overflow::Refuse)
        .line()
        .await
        .map_err(MirrorError::remote)?;
    let mut references = References::new();
    let mut head = None;
    for line in answer.lines() {
        match line.split_once('\t') {
            Some((target, "HEAD")) => {
                let branch = target.strip_prefix("ref: refs/heads/");
                head = head.or_else(|| branch.and_then(|name| BranchName::parse(name).ok()));
            }
            // The commit behind an annotated tag is listed beside the tag and is no reference of its own.
            Some((id, name)) if !name.ends_with("^{}") => {
                references.insert(name.to_owned(), id.to_owned());
            }
            Some(_) | None => {}
        }
    }
    let default_branch = head
        .filter(|branch| references.contains_key(&branch.reference()))
        .or_else(|| customary(&references))
        .ok_or(MirrorError::Empty)?;
    Ok(Remote {
        default_branch,
        references,
    })
}

/// The default branch of a remote whose HEAD leads nowhere.
fn customary(references: &References) -> Option<BranchName> {
    let named = CUSTOMARY_BRANCHES
        .into_iter()
        .filter_map(|name| BranchName::parse(name).ok())
        .find(|branch| references.contains_key(&branch.reference()));
    named.or_else(|| {
        let mut branches = references
            .keys()
            .filter_map(|name| name.strip_prefix("refs/heads/"));
        branches.find_map(|name| BranchName::parse(name).ok())
    })
}

/// The branches and tags that the mirror holds.
async fn held(path: &Path) -> Result<References, MirrorError> {
    let format = "--format=%(objectname)%09%(refname)";
    let list = Git::within(path, &["for-each-ref", format, "refs/heads", "refs/tags"]);
    let list = list.output(REFERENCES_BYTES, Overflow::Refuse).line().await;
    let list = list.map_err(MirrorError::local)?;
    let pairs = list.lines().filter_map(|line| line.split_once('\t'));
    Ok(pairs
        .map(|(id, name)| (name.to_owned(), id.to_owned()))
        .collect())
}

async fn fetch(
    path: &Path,
    url: &RepositoryUrl,
    credential: Option<&Credential>,
) -> Result<(), MirrorError> {
    match fetch_once(path, url, credential).await {
        Err(GitError::Failed(failure)) if failure.trouble() == Trouble::Locked => {
            remove_stale_locks(path).await;
            fetch_once(path, url, credential).await
        }
        outcome => outcome,
    }
    .map_err(MirrorError::remote)
}

async fn fetch_once(
    path: &Path,
    url: &RepositoryUrl,
    credential: Option<&Credential>,
) -> Result<(), GitError> {
    let arguments = [
        "fetch",
        "--quiet",
        "--prune",
        "--force",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        // HEAD of the mirror is a name and nobody's work tree, so its branch may move.
        "--update-head-ok",
        url.as_str(),
        "+refs/heads/*:refs/heads/*",
        "+refs/tags/*:refs/tags/*",
    ];
    Git::within(path, &arguments)
        .remote(url, credential)
        .time(FETCH_TIME)
        .run()
        .await?;
    Ok(())
}

async fn point_head(path: &Path, branch: &BranchName) -> Result<(), MirrorError> {
    let target = branch.reference();
    let point = Git::within(path, &["symbolic-ref", "HEAD", &target]);
    point.run().await.map_err(MirrorError::local)?;
    Ok(())
}

/// Takes away the locks that a killed process left among the references.
async fn remove_stale_locks(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(mut entries) = tokio::fs::read_dir(&folder).await else {
            continue;
        };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let entry_path = entry.path();
            let Ok(facts) = entry.metadata().await else {
                continue;
            };
            if facts.is_dir() {
                // Objects have no locks, and there can be very many.
                if entry.file_name() != "objects" {
                    folders.push(entry_path);
                }
            } else if entry_path
                .extension()
                .is_some_and(|ending| ending == "lock")
                && is_stale(facts.modified().ok())
            {
                tracing::warn!(lock = %entry_path.display(), "a lock that was left behind is removed");
                // Whether it is gone shows in the second attempt.
                let _ = tokio::fs::remove_file(&entry_path).await;
            }
        }
    }
}

fn is_stale(modified: Option<SystemTime>) -> bool {
    modified
        .and_then(|modified| modified.elapsed().ok())
        .is_some_and(|age| age > STALE_LOCK_AGE)
}
