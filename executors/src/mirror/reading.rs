//! Reads from a mirror: branches, files at a commit, and whether a base has moved.

use super::{
    BranchName, CommitId, Mirror, MirrorError, REFERENCES_BYTES,
    git::{Git, GitError, Overflow, SHORT_OUTPUT_BYTES},
};

/// How many known branches an unknown one is answered with.
const NEAREST_SHOWN: usize = 5;
/// Bytes of the longest list of files that is read.
const FILE_LIST_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of the line that `cat-file --batch` puts before a file.
const HEADING_BYTES: usize = 128;

/// A file of a commit, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// The bytes, at most as many as were asked for.
    pub bytes: Vec<u8>,
    /// The size of the whole file.
    pub size_bytes: u64,
}

/// The paths of a commit's files, in git's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    /// At most as many as were asked for.
    pub paths: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// Folders that stand for another repository; they are empty in a sandbox.
    pub submodules: Vec<String>,
}

/// What became of a branch since a task took its base from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseState {
    /// The branch still ends in the base.
    Same,
    /// The branch grew on top of the base.
    Moved {
        /// Its last commit now.
        tip: CommitId,
        /// How many commits came after the base.
        commits: u32,
    },
    /// The base is no longer part of the branch.
    Rewritten {
        /// Its last commit now.
        tip: CommitId,
    },
    /// The branch is gone.
    Gone,
}

impl Mirror {
    /// The last commit of a branch.
    ///
    /// # Errors
    /// [`MirrorError::NoSuchBranch`] with the nearest names.
    pub async fn resolve(&self, branch: &str) -> Result<CommitId, MirrorError> {
        let missing = |known| MirrorError::NoSuchBranch {
            branch: branch.to_owned(),
            known,
        };
        if let Ok(name) = BranchName::parse(branch)
            && let Some(commit) = self.tip(&name).await?
        {
            return Ok(commit);
        }
        let mut known = self.branches().await?;
        known.sort_by_cached_key(|name| (distance(name.as_str(), branch), name.clone()));
        known.truncate(NEAREST_SHOWN);
        Err(missing(known))
    }

    /// All branches, in the order of their names.
    pub async fn branches(&self) -> Result<Vec<BranchName>, MirrorError> {
        let list = Git::within(
            &self.path,
            &["for-each-ref", "--format=%(refname)", "refs/heads"],
        );
        let list = list.output(REFERENCES_BYTES, Overflow::Refuse).line().await;
        let list = list.map_err(MirrorError::local)?;
        let names = list
            .lines()
            .filter_map(|line| line.strip_prefix("refs/heads/"));
        Ok(names
            .filter_map(|name| BranchName::parse(name).ok())
            .collect())
    }

    /// Reads a file of a commit; `None` where there is none. A link inside the tree is followed, so that an
    /// `AGENTS.md` that points to another file is read as that file.
    pub async fn read_file(
        &self,
        commit: &CommitId,
        path: &str,
        limit_bytes: usize,
    ) -> Result<Option<FileContent>, MirrorError> {
        if path.contains(['\n', '\0']) {
            return Ok(None);
        }
        let read = Git::within(&self.path, &["cat-file", "--batch", "--follow-symlinks"]);
        let output = read
            .input(format!("{commit}:{path}\n"))
            .output(limit_bytes.saturating_add(HEADING_BYTES), Overflow::Cut)
            .run()
            .await
            .map_err(MirrorError::local)?;
        Ok(parse_batch_entry(&output, limit_bytes))
    }

    /// Lists the files of a commit, and the folders that are submodules.
    pub async fn list_files(
        &self,
        commit: &CommitId,
        limit: usize,
    ) -> Result<FileList, MirrorError> {
        let list = Git::within(&self.path, &["ls-tree", "-r", "-z", commit.as_str()]);
        let list = list.output(FILE_LIST_BYTES, Overflow::Cut).run().await;
        let list = list.map_err(MirrorError::local)?;
        let mut files = FileList {
            paths: Vec::new(),
            count: 0,
            submodules: Vec::new(),
        };
        for entry in list.split(|byte| *byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            let Some((facts, path)) = entry.split_once('\t') else {
                continue;
            };
            if facts.starts_with("160000") {
                files.submodules.push(path.to_owned());
                continue;
            }
            files.count += 1;
            if files.paths.len() < limit {
                files.paths.push(path.to_owned());
            }
        }
        Ok(files)
    }

    /// Whether the branch moved since `base`, as of the last refresh.
    pub async fn has_moved(
        &self,
        branch: &BranchName,
        base: &CommitId,
    ) -> Result<BaseState, MirrorError> {
        let Some(tip) = self.tip(branch).await? else {
            return Ok(BaseState::Gone);
        };
        if tip == *base {
            return Ok(BaseState::Same);
        }
        let range = format!("{tip}...{base}");
        let count = Git::within(&self.path, &["rev-list", "--left-right", "--count", &range]);
        let count = match count.line().await {
            Ok(count) => count,
            // The base was rewritten away before this mirror was made.
            Err(GitError::Failed(_)) => return Ok(BaseState::Rewritten { tip }),
            Err(error) => return Err(MirrorError::local(error)),
        };
        let (ahead, behind) = count.split_once('\t').unwrap_or(("0", "1"));
        if behind == "0" {
            let commits = ahead.parse().unwrap_or(u32::MAX);
            Ok(BaseState::Moved { tip, commits })
        } else {
            Ok(BaseState::Rewritten { tip })
        }
    }

    async fn tip(&self, branch: &BranchName) -> Result<Option<CommitId>, MirrorError> {
        let name = format!("{}^{{commit}}", branch.reference());
        let ask = Git::within(&self.path, &["rev-parse", "--verify", "--quiet", &name]);
        match ask
            .output(SHORT_OUTPUT_BYTES, Overflow::Refuse)
            .line()
            .await
        {
            Ok(line) => Ok(CommitId::parse(&line).ok()),
            Err(GitError::Failed(_)) => Ok(None),
            Err(error) => Err(MirrorError::local(error)),
        }
    }
}

/// Reads one entry of `cat-file --batch`: `<id> blob <size>`, a line end, the bytes.
pub(crate) fn parse_batch_entry(output: &[u8], limit_bytes: usize) -> Option<FileContent> {
    let end = output.iter().position(|byte| *byte == b'\n')?;
    let heading = str::from_utf8(&output[..end]).ok()?;
    let (facts, size) = heading.rsplit_once(' ')?;
    let size_bytes: u64 = size.parse().ok()?;
    if !facts.ends_with(" blob") {
        return None;
    }
    let rest = &output[end + 1..];
    let kept = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    let kept = kept.min(limit_bytes).min(rest.len());
    Some(FileContent {
        bytes: rest[..kept].to_vec(),
        size_bytes,
    })
}

/// How many letters have to be put in, taken out or changed to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, compared) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *compared);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_near() {
        assert_eq!(distance("main", "main"), 0);
        assert_eq!(distance("main", "mian"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert!(distance("release/1.2", "release/1.3") < distance("main", "release/1.3"));
    }
}
