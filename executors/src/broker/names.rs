//! What a path alone says: files that somebody's machine acts on unasked, and names that deceive who reads them.

use super::{FindingKind, Scope};

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
/// Files, at the root or in any folder, that run on a developer's machine at a commit, at opening an editor or at
/// entering a folder.
const HOOK_FILES: [&str; 14] = [
    "lefthook.yml",
    "lefthook.yaml",
    "lefthook.toml",
    "lefthook.json",
    ".lefthook.yml",
    ".lefthook.yaml",
    ".lefthook.toml",
    ".pre-commit-config.yaml",
    ".pre-commit-hooks.yaml",
    ".huskyrc",
    ".huskyrc.json",
    ".lintstagedrc",
    ".envrc",
    ".overcommit.yml",
];
/// Folders of the same, at any depth.
const HOOK_FOLDERS: [&str; 5] = [
    ".githooks/",
    ".husky/",
    ".git-hooks/",
    ".lefthook/",
    ".vscode/",
];
/// Files, in any folder, that agents follow as rules or as settings. A change to one of them instructs every later
/// agent, this bot's among them.
const AGENT_FILES: [&str; 12] = [
    "agents.md",
    "agents.override.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    ".goosehints",
    ".cursorrules",
    ".windsurfrules",
    ".mcp.json",
    "opencode.json",
    ".aider.conf.yml",
    "copilot-instructions.md",
];
/// Folders of the same, at any depth.
const AGENT_FOLDERS: [&str; 9] = [
    ".claude/",
    ".codex/",
    ".gemini/",
    ".goose/",
    ".opencode/",
    ".cursor/",
    ".windsurf/",
    ".agents/",
    ".github/instructions/",
];
/// What this bot's own settings in a repository begin with, and the folder of development containers.
const ENVIRONMENT_STARTS: [&str; 2] = [".deckhand", ".devcontainer"];
/// Ends of names of files that hold keys.
const KEY_ENDS: [&str; 9] = [
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".pem",
    ".ppk",
    ".asc",
    ".key",
];
/// Names of files that hold secrets.
const SECRET_FILES: [&str; 12] = [
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".htpasswd",
    "credentials.json",
    "service-account.json",
];
/// Ends of `.env.…` that stand for an example.
const EXAMPLE_ENDS: [&str; 5] = ["example", "sample", "template", "dist", "defaults"];
/// The longest path that leaves, in bytes.
const PATH_BYTES: usize = 1024;
/// The most folders above a file that leaves.
const PATH_DEPTH: usize = 64;

/// A file that somebody's machine acts on, with the folder that has to be named for it to be approved.
pub(crate) struct Guarded {
    pub(crate) kind: FindingKind,
    pub(crate) folder: String,
}

impl Guarded {
    /// Whether the plan speaks of this very path.
    pub(crate) fn is_named(&self, scope: &Scope, path: &str) -> bool {
        scope.names(path, &self.folder)
    }
}

/// What a path is guarded as, where it is.
pub(crate) fn guarded(path: &str) -> Option<Guarded> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let lower = file.to_ascii_lowercase();
    let by_file = |kind| {
        Some(Guarded {
            kind,
            folder: String::new(),
        })
    };
    if file == ".gitmodules" {
        return by_file(FindingKind::SubmoduleList);
    }
    if WORKFLOW_FILES.contains(&path) {
        return by_file(FindingKind::Workflow);
    }
    if let Some(folder) = WORKFLOW_FOLDERS
        .iter()
        .find(|folder| path.starts_with(**folder))
    {
        return Some(Guarded {
            kind: FindingKind::Workflow,
            folder: (*folder).to_owned(),
        });
    }
    if file == "CODEOWNERS" {
        return by_file(FindingKind::CodeOwners);
    }
    if matches!(
        file,
        ".gitattributes" | ".lfsconfig" | ".mailmap" | ".git-blame-ignore-revs"
    ) {
        return by_file(FindingKind::GitSettings);
    }
    if HOOK_FILES.contains(&lower.as_str()) {
        return by_file(FindingKind::Hook);
    }
    if AGENT_FILES.contains(&lower.as_str()) {
        return by_file(FindingKind::AgentRules);
    }
    within(path, &HOOK_FOLDERS, &FindingKind::Hook)
        .or_else(|| within(path, &AGENT_FOLDERS, &FindingKind::AgentRules))
        .or_else(|| environment(path))
}

/// A path in one of these folders, at any depth.
fn within(path: &str, folders: &[&str], kind: &FindingKind) -> Option<Guarded> {
    folders.iter().find_map(|folder| {
        let begins = if path.starts_with(folder) {
            Some(0)
        } else {
            path.find(&format!("/{folder}")).map(|at| at + 1)
        };
        begins.map(|at| Guarded {
            kind: kind.clone(),
            folder: path[..at + folder.len()].to_owned(),
        })
    })
}

fn environment(path: &str) -> Option<Guarded> {
    let mut before = 0;
    for part in path.split('/') {
        if ENVIRONMENT_STARTS
            .iter()
            .any(|start| part.starts_with(start))
        {
            let end = before + part.len();
            let folder = if end < path.len() {
                path[..=end].to_owned()
            } else {
                String::new()
            };
            return Some(Guarded {
                kind: FindingKind::Environment,
                folder,
            });
        }
        before += part.len() + 1;
    }
    None
}

/// Whether files of this name hold secrets.
pub(crate) fn holds_secrets(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_environment = file == ".env"
        || file
            .strip_prefix(".env.")
            .is_some_and(|rest| !EXAMPLE_ENDS.iter().any(|end| rest.ends_with(end)));
    is_environment
        || SECRET_FILES.contains(&file.as_str())
        || KEY_ENDS.iter().any(|end| file.ends_with(end))
}

/// Why a name deceives who reads it or who checks it out, where it does.
pub(crate) fn deceives(path: &str) -> Option<&'static str> {
    if path.len() > PATH_BYTES {
        return Some("is longer than 1024 bytes");
    }
    if path.split('/').count() > PATH_DEPTH {
        return Some("lies in more than 64 folders");
    }
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Some("is not written in UTF-8");
    }
    if path.chars().any(char::is_control) {
        return Some("has control characters in it");
    }
    if path.chars().any(is_invisible) {
        return Some("has characters in it that cannot be seen");
    }
    if path.starts_with('-') {
        return Some("looks like an option of a command");
    }
    if path.contains(['`', ';', '|']) || path.contains("$(") {
        return Some("is a command to a shell that is handed it");
    }
    path.split('/').find_map(|part| {
        if is_gits_own(part) {
            Some("is git's own folder on some systems")
        } else if part.ends_with(['.', ' ']) || part.contains(['\\', ':']) {
            Some("is another name on some systems")
        } else {
            None
        }
    })
}

/// Characters without a shape of their own, or that turn the direction of others.
pub(crate) fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a part of a path becomes `.git` on a disk that folds names: its short name, other case, unseen letters,
/// an ending that is dropped.
fn is_gits_own(part: &str) -> bool {
    let seen: String = part
        .chars()
        .filter(|letter| !is_invisible(*letter))
        .collect();
    let plain = seen.split(':').next().unwrap_or_default();
    let plain = plain.trim_end_matches(['.', ' ']).to_lowercase();
    plain == ".git" || (plain.starts_with("git~") && plain[4..].chars().all(|c| c.is_ascii_digit()))
}

/// The name as a disk without case has it.
pub(crate) fn folded(name: &str) -> String {
    let seen = name.chars().filter(|letter| !is_invisible(*letter));
    seen.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_machines_people_and_agents_act_on_are_guarded() {
        use FindingKind::{
            AgentRules, CodeOwners, Environment, GitSettings, Hook, SubmoduleList, Workflow,
        };
        for (path, kind) in [
            (".github/workflows/ci.yml", Some(Workflow)),
            ("Jenkinsfile", Some(Workflow)),
            ("docs/CODEOWNERS", Some(CodeOwners)),
            ("a/.gitattributes", Some(GitSettings)),
            (".gitmodules", Some(SubmoduleList)),
            (".husky/pre-commit", Some(Hook)),
            ("web/.githooks/x", Some(Hook)),
            ("lefthook.yml", Some(Hook)),
            (".vscode/tasks.json", Some(Hook)),
            ("AGENTS.md", Some(AgentRules)),
            ("web/claude.md", Some(AgentRules)),
            (".claude/settings.json", Some(AgentRules)),
            (".devcontainer/devcontainer.json", Some(Environment)),
            ("web/.devcontainer.json", Some(Environment)),
            (".deckhand.toml", Some(Environment)),
            ("docs/Jenkinsfile.md", None),
            (".github/README.md", None),
            ("lib/users.js", None),
        ] {
            assert_eq!(guarded(path).map(|guarded| guarded.kind), kind, "{path}");
        }
    }

    #[test]
    fn names_that_hold_secrets_are_told_from_examples() {
        for (path, holds) in [
            (".env", true),
            ("web/.env.production", true),
            (".env.example", false),
            ("id_rsa", true),
            ("id_rsa.pub", false),
            ("certs/server.P12", true),
            ("tls/private.key", true),
            ("lib/keys.js", false),
        ] {
            assert_eq!(holds_secrets(path), holds, "{path}");
        }
    }

    #[test]
    fn names_that_deceive_are_found() {
        for path in [
            "a\nb",
            "a\u{1b}[2Jb",
            "a\u{202e}txt.exe",
            "a\u{200b}b",
            "\u{fffd}",
            "git~1/config",
            ".GIT/x",
            ".g\u{200c}it/x",
            ".git./x",
            ".git ::$INDEX_ALLOCATION/x",
            "a./b",
            "a\\b",
            "--upload-pack=id",
            "a/$(touch x)",
            "a/`touch x`",
            "a/;touch x",
            &"a/".repeat(70),
            &"a".repeat(1100),
        ] {
            assert!(deceives(path).is_some(), "{path:?}");
        }
        for path in [
            "lib/users.js",
            ".github/x",
            "app/[id]/page.tsx",
            "routes/$id.tsx",
            "docs/ümlaut – x.md",
            "a/-b",
            ".gitignore",
        ] {
            assert_eq!(deceives(path), None, "{path}");
        }
    }
}
