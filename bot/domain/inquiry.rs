//! Questions that are only answered: what a task is for, what an agent hands over as the answer, and how that is shown.

use serde::{Deserialize, Serialize};

use super::{
    budget::Usage,
    conversation::Person,
    specification::{RepositoryName, Workplace},
};

/// The longest answer that is taken, in characters; what a message has no room for stands on the task's page.
pub const ANSWER_MAX_CHARS: usize = 60_000;
/// The most places that an answer may name.
pub const SOURCES_MAX: usize = 40;
/// The longest path of such a place, in characters.
const PATH_MAX_CHARS: usize = 400;
/// The most earlier answers of a conversation that a question is told of.
pub const EARLIER_MAX: u32 = 3;
/// The longest of them that it is told, in characters.
pub const EARLIER_MAX_CHARS: usize = 6_000;
/// Where an agent sees the repository; some name files from there.
const CHECKOUT: &str = "/work/repo/";

/// What a task is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Something is to be different afterwards.
    #[default]
    Change,
    /// A question is to be answered, and nothing changes.
    Inquiry,
}

impl Purpose {
    /// Its name, as it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Inquiry => "inquiry",
        }
    }

    /// Whether nothing is to change.
    #[must_use]
    pub const fn is_inquiry(self) -> bool {
        matches!(self, Self::Inquiry)
    }
}

/// What a task has that only answers a question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inquiry {
    /// Whether it was asked where a task is talked about. What a surface shows of a whole conversation is that task's then.
    #[serde(default)]
    pub beside: bool,
    /// The last answer that was handed over.
    #[serde(default)]
    pub answer: Option<Answer>,
}

/// A place in the repository that an answer rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Source {
    /// The file, from the root of the repository: `lib/users.js`.
    pub path: String,
    /// The first line that matters, from 1.
    #[serde(default)]
    pub first_line: Option<u32>,
    /// The last line that matters; without it, the first one alone.
    #[serde(default)]
    pub last_line: Option<u32>,
}

impl Source {
    /// The place as people write it: `lib/users.js:12-20`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.first_line, self.last_line) {
            (Some(first), Some(last)) if last > first => {
                format!("{}:{first}-{last}", self.path)
            }
            (Some(first), _) => format!("{}:{first}", self.path),
            (None, _) => self.path.clone(),
        }
    }

    /// The same with a path from the root of the repository, and with lines in their order.
    fn accept(mut self) -> Result<Self, String> {
        let path = self.path.trim();
        let path = path.strip_prefix(CHECKOUT).unwrap_or(path);
        let path = path.strip_prefix("./").unwrap_or(path).to_owned();
        let is_outside = path.starts_with('/') || path.split('/').any(|part| part == "..");
        if path.is_empty() || path.chars().count() > PATH_MAX_CHARS || is_outside {
            return Err(
                "the path of a source is a file, from the root of the repository".to_owned(),
            );
        }
        if path.chars().any(char::is_control) {
            return Err("the path of a source is one line of plain text".to_owned());
        }
        let (first, last) = (self.first_line, self.last_line);
        if first == Some(0)
            || (first.is_none() && last.is_some())
            || (last.is_some() && last < first)
        {
            return Err(
                "lines are counted from 1, and `last_line` is not before `first_line`".to_owned(),
            );
        }
        self.path = path;
        Ok(self)
    }
}

/// What the agent hands over as the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AnswerDraft {
    /// The answer, in plain Markdown: paragraphs, lists, `code` and fenced code.
    pub answer: String,
    /// Where it was read, the place that says most first.
    #[serde(default)]
    pub sources: Vec<Source>,
}

impl AnswerDraft {
    /// Checks what an agent handed over. The error is a sentence that tells the agent what to mend.
    pub fn accept(self) -> Result<Answer, String> {
        if self.answer.trim().is_empty() {
            return Err("the answer must not be empty".to_owned());
        }
        if self.answer.chars().count() > ANSWER_MAX_CHARS {
            return Err(format!(
                "keep the answer under {ANSWER_MAX_CHARS} characters"
            ));
        }
        if self.sources.len() > SOURCES_MAX {
            return Err(format!("name at most {SOURCES_MAX} sources"));
        }
        let mut sources: Vec<Source> = Vec::new();
        for source in self.sources {
            let source = source.accept()?;
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        Ok(Answer {
            text: self.answer.trim().to_owned(),
            sources,
            pages: None,
        })
    }
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The agent's words.
    pub text: String,
    /// Where they were read; each file is there at the commit that was read, which the host has looked at.
    pub sources: Vec<Source>,
    /// What the address of a file's page at that commit begins with; none where the repository has no pages.
    #[serde(default)]
    pub pages: Option<String>,
}

/// An answer as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCard {
    /// The answer.
    pub answer: Answer,
    /// Repository, branch and commit that were read.
    pub workplace: Workplace,
    /// The agent.
    pub agent: String,
    /// Its model, where it is known.
    pub model: Option<String>,
    /// What it used, of all runs.
    pub usage: Usage,
    /// How long the runs took together, in milliseconds.
    pub elapsed_ms: i64,
    /// Whether a task is talked about in the same conversation, which goes on behind it.
    #[serde(default)]
    pub beside: bool,
    /// Who asked; mentioned once.
    pub asks: Person,
}

impl AnswerCard {
    /// The repository that was read.
    #[must_use]
    pub const fn repository(&self) -> &RepositoryName {
        &self.workplace.repository
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn source(path: &str, first_line: Option<u32>, last_line: Option<u32>) -> Source {
        Source {
            path: path.to_owned(),
            first_line,
            last_line,
        }
    }

    fn draft(answer: &str, sources: Vec<Source>) -> AnswerDraft {
        AnswerDraft {
            answer: answer.to_owned(),
            sources,
        }
    }

    #[test]
    fn places_are_named_from_the_root_and_each_once() {
        let answer = draft(
            " In the guard. ",
            vec![
                source("/work/repo/lib/users.js", Some(3), Some(9)),
                source("./lib/users.js", Some(3), Some(9)),
                source("lib/page.js", Some(4), None),
                source("README.md", None, None),
            ],
        );
        let answer = answer.accept().unwrap();
        let places: Vec<String> = answer.sources.iter().map(Source::in_words).collect();
        assert_eq!(places, ["lib/users.js:3-9", "lib/page.js:4", "README.md"]);
        assert_eq!(answer.text, "In the guard.");
    }

    #[test]
    fn what_is_no_answer_tells_the_agent_what_to_mend() {
        let refused = |draft: AnswerDraft| draft.accept().unwrap_err();
        assert!(refused(draft(" \n ", vec![])).contains("empty"));
        assert!(refused(draft(&"x".repeat(ANSWER_MAX_CHARS + 1), vec![])).contains("60000"));
        for (path, first, last) in [
            ("", None, None),
            ("/etc/passwd", None, None),
            ("../x", None, None),
            ("a\nb", None, None),
            ("a", Some(0), None),
            ("a", None, Some(2)),
            ("a", Some(3), Some(2)),
        ] {
            let draft = draft("x", vec![source(path, first, last)]);
            assert!(draft.accept().is_err(), "{path:?} {first:?} {last:?}");
        }
        let many = (1..=41).map(|line| source("a", Some(line), None)).collect();
        assert!(refused(draft("x", many)).contains("40"));
    }
}
