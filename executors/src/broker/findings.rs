//! What a change holds that a machine should not push unasked: links out of the tree, submodules, workflows.
//!
//! Git's own checks refuse objects that attack git; these are ordinary objects that attack whoever checks them out.

use std::{collections::BTreeSet, path::Path};

use super::{
    BrokerError, KnownSecrets, Scope, TakeOutLimits,
    changes::{self, Change, mode},
    contents, names, searched,
    trees::Forest,
};
use crate::mirror::CommitId;

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
    /// The approved plan does not speak of it.
    OutOfScope,
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
    /// What runs by itself on a developer's machine: hooks, tasks of an editor.
    Hook,
    /// Rules and settings that agents follow, this bot's among them.
    AgentRules,
    /// What the bot or a development container starts from.
    Environment,
    /// A pointer to a large file, whose content is not in the commits.
    LargeFilePointer,
    /// A file that is larger than the limit.
    LargeFile {
        /// Its size.
        bytes: u64,
    },
    /// A file that became a program.
    Program,
    /// A name that deceives who reads it or who checks it out.
    DeceivingName {
        /// What is with it, as the rest of a sentence.
        why: &'static str,
    },
    /// A name that is the same as another's on a disk without case.
    Collision {
        /// The other one, in the same folder.
        with: String,
    },
    /// A file whose name says that it holds secrets.
    SecretFile,
    /// Something that looks like a secret in a new line.
    Secret {
        /// The rule that found it.
        rule: String,
        /// The line in the new file, from 1; 0 in a file without lines.
        line: u32,
        /// Its first and last two characters.
        masked: String,
        /// A hash of where and what it is, by which a decision about it is known again.
        mark: String,
    },
    /// A secret that the host itself holds.
    HostSecret {
        /// The line in the new file, from 1; 0 in a file without lines.
        line: u32,
    },
    /// A file without lines that is too large to be looked through for secrets.
    NotSearched {
        /// Its size.
        bytes: u64,
    },
}

/// Whether the approved plan speaks of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approved {
    /// It names the very path.
    ByName,
    /// It does not.
    No,
}

/// Something in a change that a machine should not push unasked, or that is worth a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// What is with it.
    pub kind: FindingKind,
    /// Whether the plan speaks of it.
    pub approved: Approved,
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
            | FindingKind::LargeFile { .. }
            | FindingKind::DeceivingName { .. }
            | FindingKind::Collision { .. }
            | FindingKind::HostSecret { .. } => Gate::Refuse,
            FindingKind::Workflow
            | FindingKind::CodeOwners
            | FindingKind::GitSettings
            | FindingKind::Hook
            | FindingKind::AgentRules
            | FindingKind::Environment
            | FindingKind::SecretFile => match self.approved {
                Approved::ByName => Gate::Note,
                Approved::No => Gate::Hold,
            },
            FindingKind::OutOfScope
            | FindingKind::Secret { .. }
            | FindingKind::NotSearched { .. } => Gate::Hold,
            FindingKind::Program => Gate::Note,
        }
    }
}

/// What a change is held against.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// What the approved plan lets change.
    pub scope: &'a Scope,
    /// Finds secrets that the host itself holds.
    pub known: &'a dyn KnownSecrets,
    /// Ceilings.
    pub limits: &'a TakeOutLimits,
}

/// Two commits and what lies between them.
pub(crate) struct Compared<'a> {
    pub(crate) base: &'a CommitId,
    /// The commit that stands at the remote already; new lines count from there.
    pub(crate) since: &'a CommitId,
    pub(crate) head: &'a CommitId,
    pub(crate) changes: &'a [Change],
    pub(crate) forest: &'a Forest,
}

/// Looks through a change.
pub(crate) async fn find(
    repository: &Path,
    compared: &Compared<'_>,
    rules: &Rules<'_>,
) -> Result<Vec<Finding>, BrokerError> {
    let changes = compared.changes;
    let mut findings: Vec<Finding> = Vec::new();
    for change in changes {
        by_name_and_mode(change, rules.scope, &mut findings);
    }
    in_embedded_repositories(changes, rules.scope, &mut findings);
    let collisions = compared.forest.collisions(changes);
    findings.extend(collisions.into_iter().map(|(path, with)| Finding {
        path,
        kind: FindingKind::Collision { with },
        approved: Approved::No,
    }));
    findings.extend(contents::find(repository, changes, rules.limits.file_bytes).await?);
    let newer;
    let added_to = if compared.since == compared.base {
        changes
    } else {
        newer = changes::between(repository, compared.since, compared.head).await?;
        &newer
    };
    let ends = (compared.since, compared.head);
    findings.extend(searched::find(repository, ends, added_to, rules).await?);
    Ok(findings)
}

fn by_name_and_mode(change: &Change, scope: &Scope, findings: &mut Vec<Finding>) {
    let mut add = |path: &str, kind, approved| {
        findings.push(Finding {
            path: path.to_owned(),
            kind,
            approved,
        });
    };
    let path = change.file.path.as_str();
    if change.after.mode == mode::SUBMODULE {
        add(path, FindingKind::Submodule, Approved::No);
    }
    if change.after.mode == mode::PROGRAM && change.before.mode != mode::PROGRAM {
        add(path, FindingKind::Program, Approved::No);
    }
    let is_there = change.after.mode != mode::NOTHING;
    if is_there
        && change.is_new_name()
        && let Some(why) = names::deceives(path)
    {
        add(path, FindingKind::DeceivingName { why }, Approved::No);
    }
    if is_there && names::holds_secrets(path) {
        add(
            path,
            FindingKind::SecretFile,
            by_name(scope.names(path, "")),
        );
    }
    let before = change.path_before();
    let both = if before == path {
        vec![path]
    } else {
        vec![path, before]
    };
    for name in both {
        if let Some(guarded) = names::guarded(name) {
            let approved = by_name(guarded.is_named(scope, name));
            add(name, guarded.kind, approved);
        }
        if !scope.covers(name) {
            add(name, FindingKind::OutOfScope, Approved::No);
        }
    }
}

/// A folder with the files of a bare repository is one to git, which follows its settings for whoever works in it.
fn in_embedded_repositories(changes: &[Change], scope: &Scope, findings: &mut Vec<Finding>) {
    let present = changes
        .iter()
        .filter(|change| change.after.mode != mode::NOTHING)
        .map(|change| change.file.path.as_str());
    let present: BTreeSet<&str> = present.collect();
    let folders = present.iter().filter_map(|path| path.strip_suffix("/HEAD"));
    for settings in folders.map(|folder| format!("{folder}/config")) {
        if present.contains(settings.as_str()) {
            findings.push(Finding {
                approved: by_name(scope.names(&settings, "")),
                path: settings,
                kind: FindingKind::GitSettings,
            });
        }
    }
}

const fn by_name(is_named: bool) -> Approved {
    if is_named {
        Approved::ByName
    } else {
        Approved::No
    }
}
