//! What new files are: links and where they lead, pointers to large files, files that are too large.

use std::{collections::HashMap, path::Path};

use super::{
    BrokerError, Finding, FindingKind,
    changes::{Change, mode},
    findings::Approved,
};
use crate::mirror::git::{Git, Overflow};

/// Bytes of the longest target of a link that is read.
const LINK_BYTES: usize = 4096;
/// Links whose targets are read; more are held unread.
const LINKS_READ: usize = 200;
/// Bytes of a pointer to a large file, by its specification.
const POINTER_BYTES: u64 = 1024;
/// The first line of a pointer to a large file.
const POINTER_START: &[u8] = b"version https://git-lfs.github.com/spec/";
/// Bytes that git prints of each object that it is asked for.
const FACTS_BYTES: usize = 160;

/// Looks at what the new files are.
pub(crate) async fn find(
    repository: &Path,
    changes: &[Change],
    file_limit_bytes: u64,
) -> Result<Vec<Finding>, BrokerError> {
    let sizes = sizes(repository, changes).await?;
    let mut findings = Vec::new();
    let mut links = 0_usize;
    for change in changes {
        let bytes = sizes.get(change.after.id.as_str()).copied().unwrap_or(0);
        let kind = if change.after.mode == mode::LINK {
            links += 1;
            link(repository, change, links).await?
        } else if !change.after.is_file() {
            None
        } else if bytes > file_limit_bytes {
            Some(FindingKind::LargeFile { bytes })
        } else if bytes <= POINTER_BYTES && is_pointer(repository, change, bytes).await? {
            Some(FindingKind::LargeFilePointer)
        } else {
            None
        };
        findings.extend(kind.map(|kind| Finding {
            path: change.file.path.clone(),
            kind,
            approved: Approved::No,
        }));
    }
    Ok(findings)
}

/// The sizes in bytes of all new contents, by object name.
pub(crate) async fn sizes<'a>(
    repository: &Path,
    changes: &'a [Change],
) -> Result<HashMap<&'a str, u64>, BrokerError> {
    let wanted = || changes.iter().filter(|change| change.after.is_file());
    let names: Vec<&str> = wanted().map(|change| change.after.id.as_str()).collect();
    let limit = names.len().saturating_mul(FACTS_BYTES);
    let ask = Git::within(repository, &["cat-file", "--batch-check=%(objectsize)"]);
    let answer = ask
        .input(names.join("\n"))
        .output(limit, Overflow::Refuse)
        .line()
        .await;
    let answer = answer.map_err(BrokerError::host)?;
    let sizes = answer.lines().map(|line| line.parse().unwrap_or(u64::MAX));
    Ok(names.iter().copied().zip(sizes).collect())
}

async fn is_pointer(repository: &Path, change: &Change, bytes: u64) -> Result<bool, BrokerError> {
    let shortest = u64::try_from(POINTER_START.len()).unwrap_or(u64::MAX);
    if bytes < shortest || change.before.is_file() {
        return Ok(false);
    }
    let content = read(repository, &change.after.id, LINK_BYTES).await?;
    Ok(content.starts_with(POINTER_START))
}

async fn link(
    repository: &Path,
    change: &Change,
    number: usize,
) -> Result<Option<FindingKind>, BrokerError> {
    let target = if number > LINKS_READ {
        "(not read: too many links)".to_owned()
    } else {
        let target = read(repository, &change.after.id, LINK_BYTES).await?;
        let target = String::from_utf8_lossy(&target).into_owned();
        if stays_inside(&change.file.path, &target) {
            return Ok(None);
        }
        target
    };
    Ok(Some(FindingKind::LinkLeavesTree { target }))
}

/// The content of a file, at most so many bytes.
pub(crate) async fn read(
    repository: &Path,
    id: &str,
    limit: usize,
) -> Result<Vec<u8>, BrokerError> {
    let read = Git::within(repository, &["cat-file", "blob", id]);
    let content = read.output(limit, Overflow::Cut).run().await;
    content.map_err(BrokerError::host)
}

/// Whether a link leads to a place in the tree. A step up after a step down is refused as well: the step down may go
/// through another link, and then the step up starts somewhere else.
fn stays_inside(path: &str, target: &str) -> bool {
    let depth = path.matches('/').count();
    let parts: Vec<&str> = target.split('/').collect();
    let ups = parts
        .iter()
        .take_while(|part| matches!(**part, ".." | "."))
        .count();
    let steps_up = parts[..ups].iter().filter(|part| **part == "..").count();
    let rest = &parts[ups..];
    !target.is_empty()
        && !target.starts_with('/')
        && !target.contains(['\\', '\0'])
        && steps_up <= depth
        && !rest.contains(&"..")
        && !rest.iter().any(|part| part.eq_ignore_ascii_case(".git"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_may_not_lead_out_of_the_tree() {
        for (path, target) in [
            ("a", "/etc/passwd"),
            ("a", "../x"),
            ("d/a", "../../x"),
            ("a", "b/../../x"),
            ("a", ".git/config"),
            ("d/a", "../.GIT/hooks"),
            ("a", ""),
            ("a", "..\\x"),
        ] {
            assert!(!stays_inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "b"),
            ("CLAUDE.md", "AGENTS.md"),
            ("d/e/a", "../../x"),
            ("a", "./b/c"),
        ] {
            assert!(stays_inside(path, target), "{path} -> {target}");
        }
    }
}
