//! What a change holds that a machine should not push unasked: links out of the tree, submodules, workflows.
//!
//! Git's own checks refuse objects that attack git; these are ordinary objects that attack whoever checks them out.

use std::{collections::HashMap, path::Path};

use super::{
    BrokerError,
    changes::{Change, mode},
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

/// Files, from the root, that tell a forge's machines what to run.
const WORKFLOW_FILES: [&str; 10] = [
    ".gitlab-ci.yml",
    ".travis.yml",
    ".drone.yml",
    ".woodpecker.yml",
    ".appveyor.yml",
    "appveyor.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "Jenkinsfile",
    ".cirrus.yml",
];
/// Folders, from the root, of the same.
const WORKFLOW_FOLDERS: [&str; 8] = [
    ".github/workflows/",
    ".github/actions/",
    ".gitea/workflows/",
    ".forgejo/workflows/",
    ".circleci/",
    ".buildkite/",
    ".woodpecker/",
    ".gitlab/ci/",
];

/// What should happen to a change with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// It is worth a line in the report.
    Note,
    /// A person has to agree before it is pushed.
    Hold,
    /// It is never pushed.
    Refuse,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindingKind {
    /// A link that is absolute, leaves the tree, or leads into git's own folder.
    LinkLeavesTree {
        /// Where it leads.
        target: String,
    },
    /// A submodule that is new or points elsewhere.
    Submodule,
    /// The list of submodules changed.
    SubmoduleList,
    /// A file that a forge's machines run.
    Workflow,
    /// The list of who has to review what.
    CodeOwners,
    /// Settings that git itself follows: attributes, large files.
    GitSettings,
    /// A pointer to a large file, whose content is not in the commits.
    LargeFilePointer,
    /// A file that is larger than the limit.
    LargeFile {
        /// Its size.
        bytes: u64,
    },
    /// A file that became a program.
    Program,
}

/// Something in a change that a machine should not push unasked, or that is worth a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// What is with it.
    pub kind: FindingKind,
}

impl Finding {
    /// What should happen to the change.
    #[must_use]
    pub fn gate(&self) -> Gate {
        match self.kind {
            FindingKind::LinkLeavesTree { .. }
            | FindingKind::Submodule
            | FindingKind::SubmoduleList
            | FindingKind::LargeFilePointer
            | FindingKind::LargeFile { .. } => Gate::Refuse,
            FindingKind::Workflow | FindingKind::CodeOwners | FindingKind::GitSettings => {
                Gate::Hold
            }
            FindingKind::Program => Gate::Note,
        }
    }
}

/// Looks through a change.
pub(crate) async fn find(
    repository: &Path,
    changes: &[Change],
    file_limit_bytes: u64,
) -> Result<Vec<Finding>, BrokerError> {
    let mut findings: Vec<Finding> = changes.iter().flat_map(by_name_and_mode).collect();
    findings.extend(by_content(repository, changes, file_limit_bytes).await?);
    Ok(findings)
}

fn by_name_and_mode(change: &Change) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |path: &str, kind| {
        findings.push(Finding {
            path: path.to_owned(),
            kind,
        });
    };
    let path = change.file.path.as_str();
    if change.after.mode == mode::SUBMODULE {
        add(path, FindingKind::Submodule);
    }
    if change.after.mode == mode::PROGRAM && change.before.mode != mode::PROGRAM {
        add(path, FindingKind::Program);
    }
    let before = change.path_before();
    let names = if before == path {
        vec![path]
    } else {
        vec![path, before]
    };
    for name in names {
        if let Some(kind) = by_name(name) {
            add(name, kind);
        }
    }
    findings
}

fn by_name(path: &str) -> Option<FindingKind> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_workflow = WORKFLOW_FILES.contains(&path)
        || WORKFLOW_FOLDERS
            .iter()
            .any(|folder| path.starts_with(folder));
    if file == ".gitmodules" {
        Some(FindingKind::SubmoduleList)
    } else if is_workflow {
        Some(FindingKind::Workflow)
    } else if file == "CODEOWNERS" {
        Some(FindingKind::CodeOwners)
    } else if matches!(file, ".gitattributes" | ".lfsconfig") {
        Some(FindingKind::GitSettings)
    } else {
        None
    }
}

async fn by_content(
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
        }));
    }
    Ok(findings)
}

/// The sizes in bytes of all new contents, by object name.
async fn sizes<'a>(
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

async fn read(repository: &Path, id: &str, limit: usize) -> Result<Vec<u8>, BrokerError> {
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

    #[test]
    fn names_that_machines_and_git_follow_are_found() {
        use FindingKind::{CodeOwners, GitSettings, SubmoduleList, Workflow};
        for (path, kind) in [
            (".github/workflows/ci.yml", Some(Workflow)),
            ("Jenkinsfile", Some(Workflow)),
            ("docs/CODEOWNERS", Some(CodeOwners)),
            ("a/.gitattributes", Some(GitSettings)),
            (".gitmodules", Some(SubmoduleList)),
            ("docs/Jenkinsfile.md", None),
            (".github/README.md", None),
        ] {
            assert_eq!(by_name(path), kind, "{path}");
        }
    }
}
