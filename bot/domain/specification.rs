//! The specification: what is to be done, in numbered requirements, and how anybody could tell.

use serde::{Deserialize, Serialize};

use super::{CommitId, conversation::Line};

/// The most requirements that one task may have.
pub const REQUIREMENTS_MAX: usize = 20;
/// The most checks that one task may have.
pub const CHECKS_MAX: usize = 20;
/// The most pages that are photographed for one task.
pub const PAGES_MAX: usize = 4;
/// The longest text of one field that an agent hands over, in characters.
pub const FIELD_MAX_CHARS: usize = 4_000;

/// A repository's name, `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RepositoryName(pub String);

impl std::fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where the work happens: repository, base branch and the commit that it was at when the task was specified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workplace {
    /// The repository.
    pub repository: RepositoryName,
    /// The branch that the work is based on.
    pub base_branch: String,
    /// The commit of that branch on which the plan was made.
    pub base_commit: CommitId,
    /// What makes a fresh checkout usable (`npm ci`), from the settings.
    #[serde(default)]
    pub setup: Option<String>,
}

/// One thing that has to be true at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Requirement {
    /// `R1`, `R2`, …
    pub id: String,
    /// What has to be true, in one sentence.
    pub text: String,
    /// A shell command that succeeds only when it is true, where there is one.
    #[serde(default)]
    pub check: Option<String>,
}

/// A page of the application that shows the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Page {
    /// Path and query, from the application's root: `/users?limit=200`.
    pub path: String,
    /// What it shows.
    pub title: String,
}

/// How the application is started for its picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StartCommand {
    /// The shell command.
    pub command: String,
    /// The port on which it then answers.
    pub port: u16,
}

/// What the agent hands over as the specification; the rest of [`Specification`] is added by the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SpecificationDraft {
    /// A title of at most 80 characters, in the imperative.
    pub title: String,
    /// What should be different afterwards, and for whom.
    pub goal: String,
    /// Numbered requirements.
    pub requirements: Vec<Requirement>,
    /// Shell commands that all have to pass at the end (the repository's tests).
    #[serde(default)]
    pub checks: Vec<String>,
    /// What is deliberately not done.
    #[serde(default)]
    pub out_of_scope: Vec<String>,
    /// Pages whose look the change alters; they are photographed before and after.
    #[serde(default)]
    pub pages: Vec<Page>,
    /// How the application is started for those pictures.
    #[serde(default)]
    pub start: Option<StartCommand>,
    /// A shell command that makes a fresh checkout usable, run with package registries in reach.
    #[serde(default)]
    pub setup: Option<String>,
}

/// The whole specification of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specification {
    /// What the agent made of the conversation.
    pub draft: SpecificationDraft,
    /// What was said, with authors, at the time.
    pub context: Vec<Line>,
    /// Repository, base branch and base commit.
    pub workplace: Workplace,
}

impl SpecificationDraft {
    /// Checks what an agent handed over. The error is a sentence that tells the agent what to mend.
    pub fn accept(mut self) -> Result<Self, String> {
        if self.title.trim().is_empty() || self.goal.trim().is_empty() {
            return Err("title and goal must not be empty".into());
        }
        if self.requirements.is_empty() || self.requirements.len() > REQUIREMENTS_MAX {
            return Err(format!(
                "give between 1 and {REQUIREMENTS_MAX} requirements"
            ));
        }
        if self.checks.len() > CHECKS_MAX {
            return Err(format!("give at most {CHECKS_MAX} checks"));
        }
        let texts = self
            .checks
            .iter()
            .chain(&self.out_of_scope)
            .chain([&self.title, &self.goal]);
        let requirement_texts = self
            .requirements
            .iter()
            .flat_map(|r| std::iter::once(&r.text).chain(r.check.as_ref()));
        if texts
            .chain(requirement_texts)
            .any(|text| text.chars().count() > FIELD_MAX_CHARS)
        {
            return Err(format!(
                "no field may be longer than {FIELD_MAX_CHARS} characters"
            ));
        }
        if self.pages.iter().any(|page| !page.path.starts_with('/')) {
            return Err("a page's path starts with /".into());
        }
        for (index, requirement) in self.requirements.iter_mut().enumerate() {
            requirement.id = format!("R{}", index + 1);
            requirement.check = requirement
                .check
                .take()
                .filter(|check| !check.trim().is_empty());
        }
        self.checks.retain(|check| !check.trim().is_empty());
        self.pages.truncate(PAGES_MAX);
        self.title = super::clip(self.title.trim(), 80);
        Ok(self)
    }

    /// Every command that decides something: the checks of the whole, then those of single requirements, each once.
    #[must_use]
    pub fn all_checks(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for check in self
            .checks
            .iter()
            .chain(self.requirements.iter().filter_map(|r| r.check.as_ref()))
        {
            if !all.contains(check) {
                all.push(check.clone());
            }
        }
        all
    }

    /// Adds a check that has to pass, unless it is there.
    pub fn require(&mut self, check: &str) {
        if !self.checks.iter().any(|known| known == check) {
            self.checks.push(check.to_owned());
        }
    }
}

/// The commands that a request names as checks: "run `npm test`", "make sure `cargo test` passes".
///
/// Only words between backticks, or directly behind "run", that begin with a known build tool are taken.
#[must_use]
pub fn checks_named(request: &str) -> Vec<String> {
    const TOOLS: [&str; 22] = [
        "npm",
        "npx",
        "yarn",
        "pnpm",
        "node",
        "bun",
        "deno",
        "cargo",
        "make",
        "just",
        "pytest",
        "python",
        "python3",
        "tox",
        "go",
        "mvn",
        "gradle",
        "./gradlew",
        "bundle",
        "rake",
        "dotnet",
        "bash",
    ];
    let mut found = Vec::new();
    for candidate in request.split('`').skip(1).step_by(2) {
        let candidate = candidate.trim();
        let first = candidate.split_whitespace().next().unwrap_or_default();
        if TOOLS.contains(&first) && !candidate.contains('\n') {
            found.push(candidate.to_owned());
        }
    }
    let words: Vec<&str> = request.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or_default();
        if word.eq_ignore_ascii_case("run") && TOOLS.contains(&next) {
            let command: Vec<&str> = words[index + 1..]
                .iter()
                .copied()
                .take_while(|w| is_command_word(w))
                .take(4)
                .collect();
            let ends_sentence = command
                .iter()
                .position(|w| w.ends_with(['.', ',', ';', ')']));
            let command = &command[..ends_sentence.map_or(command.len(), |at| at + 1)];
            found.push(
                command
                    .join(" ")
                    .trim_end_matches(['.', ',', ';', ')'])
                    .to_owned(),
            );
        }
    }
    found.dedup();
    found.truncate(CHECKS_MAX);
    found
}

fn is_command_word(word: &str) -> bool {
    !matches!(
        word,
        "and"
            | "then"
            | "before"
            | "after"
            | "to"
            | "so"
            | "in"
            | "for"
            | "when"
            | "with"
            | "please"
            | "on"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_named_in_the_request_are_found() {
        let check =
            |text: &str, expected: &[&str]| assert_eq!(checks_named(text), expected, "{text}");
        check("Fix it and run npm test.", &["npm test"]);
        check(
            "Fix it; `cargo test --workspace` has to pass",
            &["cargo test --workspace"],
        );
        check("run make check and then tell me", &["make check"]);
        check("the `offset` parameter is ignored", &[]);
        check("users run into this daily", &[]);
    }

    #[test]
    fn requirements_are_numbered_by_the_host() {
        let draft = SpecificationDraft {
            title: "Fix".into(),
            goal: "It works".into(),
            requirements: vec![Requirement {
                id: "x".into(),
                text: "a".into(),
                check: Some(" ".into()),
            }],
            checks: vec![String::new()],
            out_of_scope: vec![],
            pages: vec![],
            start: None,
            setup: None,
        };
        let accepted = draft.accept().expect("it is valid");
        assert_eq!(
            accepted.requirements[0],
            Requirement {
                id: "R1".into(),
                text: "a".into(),
                check: None
            }
        );
        assert!(accepted.checks.is_empty());
    }
}
