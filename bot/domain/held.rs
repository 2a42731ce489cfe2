//! A change that was held back: what was found in it, what may be done about it, and what a person decided.

use deckhand_executors::broker::Scope;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    CommitId, RunNumber, Timestamp, command,
    conversation::{Person, Road},
};

/// The most files that one question can be about; a change with more is refused as a whole.
pub const HOLDS_MAX: usize = 100;

/// Why a file was held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum HoldReason {
    /// The approved plan does not speak of it.
    OutOfScope,
    /// A link that leads out of the repository.
    LinkOut {
        /// Where it leads.
        target: String,
    },
    /// A submodule that is new or points elsewhere, or the list of them.
    Submodule,
    /// A file that a forge's machines run.
    Workflow,
    /// The list of who has to review what.
    CodeOwners,
    /// Settings that git itself follows.
    GitSettings,
    /// What runs by itself on a developer's machine.
    Hook,
    /// Rules and settings that agents follow.
    AgentRules,
    /// What the bot or a development container starts from.
    Environment,
    /// A pointer to a large file, whose content is not in the commit.
    LargeFilePointer,
    /// A file that is too large to leave.
    LargeFile {
        /// Its size.
        bytes: u64,
    },
    /// A name that deceives.
    DeceivingName {
        /// What is with it, as the rest of a sentence.
        why: String,
    },
    /// A name that is the same as another's on some disks.
    Collision {
        /// The other one.
        with: String,
    },
    /// A file whose name says that it holds secrets.
    SecretFile,
    /// Something that looks like a secret.
    Secret {
        /// The rule that found it.
        rule: String,
        /// The line, from 1; 0 in a file without lines.
        line: u32,
        /// Its first and last two characters.
        masked: String,
        /// By which it is known again.
        mark: String,
    },
    /// A secret of this installation.
    OwnSecret {
        /// The line, from 1; 0 in a file without lines.
        line: u32,
    },
    /// A file that is too large to be looked through for secrets.
    NotSearched {
        /// Its size.
        bytes: u64,
    },
}

impl HoldReason {
    /// Whether a person may say that it leaves all the same.
    #[must_use]
    pub const fn can_be_included(&self) -> bool {
        match self {
            Self::OutOfScope
            | Self::Workflow
            | Self::CodeOwners
            | Self::GitSettings
            | Self::Hook
            | Self::AgentRules
            | Self::Environment
            | Self::SecretFile
            | Self::Secret { .. }
            | Self::NotSearched { .. } => true,
            Self::LinkOut { .. }
            | Self::Submodule
            | Self::LargeFilePointer
            | Self::LargeFile { .. }
            | Self::DeceivingName { .. }
            | Self::Collision { .. }
            | Self::OwnSecret { .. } => false,
        }
    }

    /// Whether including it says that something is no secret.
    #[must_use]
    pub const fn is_about_a_secret(&self) -> bool {
        match self {
            Self::SecretFile | Self::Secret { .. } | Self::OwnSecret { .. } => true,
            Self::OutOfScope
            | Self::LinkOut { .. }
            | Self::Submodule
            | Self::Workflow
            | Self::CodeOwners
            | Self::GitSettings
            | Self::Hook
            | Self::AgentRules
            | Self::Environment
            | Self::LargeFilePointer
            | Self::LargeFile { .. }
            | Self::DeceivingName { .. }
            | Self::Collision { .. }
            | Self::NotSearched { .. } => false,
        }
    }
}

/// One file that was held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The file, from the repository's root.
    pub path: String,
    /// The name of its new content, by which it is known again; zeros where the file is gone.
    pub content: String,
    /// Why; at least one.
    pub reasons: Vec<HoldReason>,
    /// The beginning of what differs, with every secret masked; empty where it is not shown.
    pub diff: String,
    /// Whether more differs than is shown.
    pub is_cut: bool,
}

impl Hold {
    /// Whether a person may say that it leaves all the same, by a plan that names it.
    #[must_use]
    pub fn can_be_included(&self) -> bool {
        let names_it = || Scope::read(&[&self.path]).is_ok_and(|scope| scope.covers(&self.path));
        self.reasons.iter().all(HoldReason::can_be_included) && names_it()
    }
}

/// A whole change that waits for a decision. It lies in the task's quarantine as a commit, and as a second one
/// without the files that were held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldChange {
    /// All of it, as a commit that the host made.
    pub commit: CommitId,
    /// The same without the files below; none where nothing would be left.
    pub rest: Option<CommitId>,
    /// The files that were held back, by their paths.
    pub holds: Vec<Hold>,
}

impl HeldChange {
    /// Whether the whole change may leave if a person says so.
    #[must_use]
    pub fn can_be_included(&self) -> bool {
        self.holds.iter().all(Hold::can_be_included)
    }

    /// Whether including it says that something is no secret.
    #[must_use]
    pub fn is_about_a_secret(&self) -> bool {
        let mut reasons = self.holds.iter().flat_map(|hold| &hold.reasons);
        reasons.any(HoldReason::is_about_a_secret)
    }

    /// The answers that are offered.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        let include = self.can_be_included().then_some("Include");
        let leave_out = self.rest.is_some().then_some("Leave out");
        [include, leave_out, Some("Cancel")]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect()
    }

    /// A hash of the commits and of what was found in which file: what a decision is bound to. None where it cannot be
    /// serialised, which decides nothing.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        let found: Vec<_> = self
            .holds
            .iter()
            .map(|hold| (&hold.path, &hold.content, &hold.reasons))
            .collect();
        let whole = serde_json::to_vec(&(&self.commit, &self.rest, found)).ok()?;
        Some(hex::encode(Sha256::digest(whole)))
    }
}

/// What somebody answers to a held change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAnswer {
    /// It leaves, and the plan says so from now on.
    Include,
    /// The rest leaves.
    LeaveOut,
    /// The task ends.
    Cancel,
    /// A yes that does not say to what.
    Unclear,
    /// Words for the agent.
    Words,
}

impl HeldAnswer {
    /// Reads an answer, as a button has it or as people say it.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let plain = text.trim().trim_end_matches(['.', '!']).to_lowercase();
        match plain.as_str() {
            "include" | "include it" | "include them" | "include all" | "include all of it" => {
                Self::Include
            }
            "leave out" | "leave it out" | "leave them out" | "leave that out" | "drop it"
            | "drop them" | "without it" | "without them" => Self::LeaveOut,
            "cancel" | "stop" => Self::Cancel,
            "no" | "leave" | "drop" => Self::Unclear,
            _ if command::is_approval(&plain) => Self::Unclear,
            _ => Self::Words,
        }
    }
}

/// What was decided about a held change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum HeldVerdict {
    /// All of it leaves, under this revision of the plan.
    Included {
        /// The revision that names the files.
        revision: u32,
    },
    /// What was held back stays behind.
    LeftOut,
}

/// A stored decision about a held change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDecision {
    /// The hash of what was decided on.
    pub digest: String,
    /// The commit that may leave by it.
    pub commit: CommitId,
    /// The run whose change it was.
    pub run: RunNumber,
    /// What was decided.
    pub verdict: HeldVerdict,
    /// The files, each with the name of its content.
    pub files: Vec<(String, String)>,
    /// The marks of what is no secret.
    pub no_secrets: Vec<String>,
    /// Who.
    pub by: Person,
    /// How.
    pub road: Road,
    /// When.
    pub at: Timestamp,
}

impl HeldDecision {
    /// Whether the file leaves by this decision as it is.
    #[must_use]
    pub fn includes(&self, path: &str, content: &str) -> bool {
        let is_included = matches!(self.verdict, HeldVerdict::Included { .. });
        is_included && self.names(path, content)
    }

    /// Whether the file stays behind by this decision as it is.
    #[must_use]
    pub fn leaves_out(&self, path: &str, content: &str) -> bool {
        self.verdict == HeldVerdict::LeftOut && self.names(path, content)
    }

    fn names(&self, path: &str, content: &str) -> bool {
        let mut files = self.files.iter();
        files.any(|(known, of)| known == path && of == content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(path: &str, reason: HoldReason) -> Hold {
        Hold {
            path: path.into(),
            content: "1".into(),
            reasons: vec![reason],
            diff: String::new(),
            is_cut: false,
        }
    }

    fn held(holds: Vec<Hold>) -> HeldChange {
        HeldChange {
            commit: CommitId("h1".into()),
            rest: Some(CommitId("r1".into())),
            holds,
        }
    }

    #[test]
    fn only_what_a_person_can_answer_for_is_offered() {
        let outside = || hold("server.js", HoldReason::OutOfScope);
        let link = hold(
            "out",
            HoldReason::LinkOut {
                target: "/etc".into(),
            },
        );
        let odd = hold(" x ", HoldReason::OutOfScope);
        assert_eq!(
            held(vec![outside()]).choices(),
            ["Include", "Leave out", "Cancel"]
        );
        assert_eq!(
            held(vec![outside(), link]).choices(),
            ["Leave out", "Cancel"]
        );
        assert_eq!(held(vec![odd]).choices(), ["Leave out", "Cancel"]);
        let all = HeldChange {
            rest: None,
            ..held(vec![outside()])
        };
        assert_eq!(all.choices(), ["Include", "Cancel"]);
    }

    #[test]
    fn a_decision_is_bound_to_commits_contents_and_reasons() {
        let first = held(vec![hold("a", HoldReason::OutOfScope)]);
        let mut other_content = first.clone();
        other_content.holds[0].content = "2".into();
        let mut other_commit = first.clone();
        other_commit.commit = CommitId("h2".into());
        let other_reason = held(vec![hold("a", HoldReason::Workflow)]);
        for other in [other_content, other_commit, other_reason] {
            assert_ne!(first.digest(), other.digest());
        }
        assert_eq!(
            first.digest(),
            held(vec![hold("a", HoldReason::OutOfScope)]).digest()
        );
    }

    #[test]
    fn a_yes_that_does_not_say_to_what_decides_nothing() {
        for (text, answer) in [
            ("Include", HeldAnswer::Include),
            ("include them.", HeldAnswer::Include),
            ("Leave out", HeldAnswer::LeaveOut),
            ("Cancel", HeldAnswer::Cancel),
            ("looks good", HeldAnswer::Unclear),
            ("no", HeldAnswer::Unclear),
            ("include a test as well", HeldAnswer::Words),
            ("use lib/users.js for that", HeldAnswer::Words),
        ] {
            assert_eq!(HeldAnswer::read(text), answer, "{text}");
        }
    }
}
