//! An agent's differences from the others, as data: one file of `profiles/` each, or one of the operator's own.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Deserialize;

use super::usage::TokenReport;
use crate::egress::Provider;

/// The agents that come with Deckhand, with their profiles.
const BUILT_IN: [(&str, &str); 5] = [
    ("claude", include_str!("profiles/claude.toml")),
    ("codex", include_str!("profiles/codex.toml")),
    ("gemini", include_str!("profiles/gemini.toml")),
    ("goose", include_str!("profiles/goose.toml")),
    ("opencode", include_str!("profiles/opencode.toml")),
];

/// Longest name of a model or an agent, in characters.
const NAME_LIMIT: usize = 128;

/// The short name of an agent: `claude`, `goose`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

impl AgentName {
    /// The name as a word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentName {
    type Error = ProfileError;

    fn try_from(name: String) -> Result<Self, ProfileError> {
        let fits = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits && !name.is_empty() && name.len() <= NAME_LIMIT {
            Ok(Self(name))
        } else {
            Err(ProfileError::BadName(name))
        }
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

/// The name of a model, as its provider has it. Nothing in it can leave the places that it is written to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// The name as a word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for ModelName {
    type Error = ProfileError;

    fn try_from(name: String) -> Result<Self, ProfileError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._:/@-".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && name.chars().all(fits) && name.len() <= NAME_LIMIT {
            Ok(Self(name))
        } else {
            Err(ProfileError::BadName(name))
        }
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

/// A wire format of a model provider.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ModelProvider {
    /// Anthropic Messages.
    Anthropic,
    /// `OpenAI` Responses.
    OpenaiResponses,
    /// `OpenAI` Chat Completions, which most compatible endpoints speak.
    OpenaiChat,
    /// Gemini's `generateContent`.
    Gemini,
}

impl ModelProvider {
    /// The provider as the egress proxy knows it.
    #[must_use]
    pub const fn at_egress(self) -> Provider {
        match self {
            Self::Anthropic => Provider::Anthropic,
            Self::OpenaiResponses | Self::OpenaiChat => Provider::OpenAi,
            Self::Gemini => Provider::Gemini,
        }
    }

    /// The prefix under which the egress proxy offers the provider, and whose key is added there.
    #[must_use]
    pub const fn egress_prefix(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenaiResponses | Self::OpenaiChat => "openai",
            Self::Gemini => "gemini",
        }
    }
}

/// How a session is gone on with in a new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeMethod {
    /// `session/resume`: quietly.
    Resume,
    /// `session/load`: the agent tells the whole conversation again first.
    Load,
    /// Not at all.
    None,
}

/// How the agent is told to do its work without asking.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum WorkMode {
    /// It is told by its environment, or never asks.
    Environment,
    /// `session/set_config_option`.
    ConfigOption { id: String, value: String },
    /// `session/set_mode`.
    SetMode { value: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionTraits {
    pub(super) resume: ResumeMethod,
    pub(super) mode: WorkMode,
    /// How long there has to be silence after the opening, in milliseconds: an agent that goes on telling an old
    /// conversation after it has answered.
    #[serde(default)]
    pub(super) settle_milliseconds: u64,
}

impl SessionTraits {
    pub(super) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_milliseconds)
    }
}

/// Signs of a failure that the protocol does not carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FailureMarks {
    /// How the last message begins where it is an error in place of an answer.
    pub(super) text_prefixes: Vec<String>,
    /// An end without a count of tokens is a failure.
    pub(super) missing_usage: bool,
}

impl FailureMarks {
    /// The error in a message that is one: its first paragraph without the prefix.
    pub(super) fn in_text<'a>(&self, message: &'a str) -> Option<&'a str> {
        let begin = message.trim_start();
        let error = self
            .text_prefixes
            .iter()
            .find_map(|prefix| begin.strip_prefix(prefix.as_str()))?;
        error.trim().split("\n\n").next()
    }
}

/// A file that is written into the agent's home before it starts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HomeFile {
    /// The path under the home folder.
    pub(super) path: String,
    pub(super) text: String,
}

/// What an agent needs to use a provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderTraits {
    pub(super) provider: ModelProvider,
    pub(super) default_model: ModelName,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    #[serde(default)]
    pub(super) home_files: Vec<HomeFile>,
}

/// Everything that is particular about one agent.
///
/// A profile's texts may hold `${model}`, `${base}` (the egress proxy's address inside the sandbox), `${key}` (the
/// placeholder that the proxy replaces) and `${cost}` (the model's price in dollars per million tokens, as JSON).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentProfile {
    /// Its short name.
    pub name: AgentName,
    /// Its name for people.
    pub title: String,
    /// The image that has it.
    pub image: String,
    /// The command that speaks the Agent Client Protocol on its standard input and output.
    pub(super) command: Vec<String>,
    /// A script for `sh` that puts the home folder in order before the agent starts.
    #[serde(default)]
    pub(super) prepare: String,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    pub(super) session: SessionTraits,
    pub(super) tokens: TokenReport,
    #[serde(default)]
    pub(super) failure: FailureMarks,
    /// By preference.
    #[serde(rename = "provider")]
    pub(super) providers: Vec<ProviderTraits>,
}

/// What can be wrong with a profile, or with what is asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such agent.
    #[error("there is no agent {0}; there are {known}", known = names().join(", "))]
    UnknownAgent(String),
    /// A name that cannot be one.
    #[error(
        "{0:?} cannot be a name: letters, digits and . _ : / @ - only, beginning with a letter or digit"
    )]
    BadName(String),
    /// The file cannot be read.
    #[error("the profile cannot be read: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// The profile contradicts itself.
    #[error("the profile of {agent} is wrong: {reason}")]
    Wrong {
        /// Whose it is.
        agent: AgentName,
        /// What is wrong.
        reason: String,
    },
    /// The agent does not speak to this provider.
    #[error("{agent} does not work with {provider:?}")]
    ProviderNotSupported {
        /// Which agent.
        agent: AgentName,
        /// Which provider.
        provider: ModelProvider,
    },
}

fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl AgentProfile {
    /// The profile of an agent that comes with Deckhand.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| ProfileError::UnknownAgent(name.to_owned()))?;
        Self::parse(text)
    }

    /// The profiles of all agents that come with Deckhand, by name.
    pub fn all() -> Result<Vec<Self>, ProfileError> {
        BUILT_IN.iter().map(|(_, text)| Self::parse(text)).collect()
    }

    /// Reads a profile of the operator's own.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)?;
        let wrong = |reason: String| ProfileError::Wrong {
            agent: profile.name.clone(),
            reason,
        };
        if profile.command.is_empty() {
            return Err(wrong(String::from("it has no command")));
        }
        if profile.providers.is_empty() {
            return Err(wrong(String::from("it has no provider")));
        }
        for file in profile
            .providers
            .iter()
            .flat_map(|provider| &provider.home_files)
        {
            let stays_inside = |part: &str| !part.is_empty() && part != "." && part != "..";
            if !file.path.split('/').all(stays_inside) {
                return Err(wrong(format!(
                    "{:?} is no path under the home folder",
                    file.path
                )));
            }
        }
        for provider in &profile.providers {
            profile.launch_with(provider, &provider.default_model, None, "")?;
        }
        Ok(profile)
    }

    /// The providers that it works with, the best one first.
    #[must_use]
    pub fn providers(&self) -> Vec<ModelProvider> {
        self.providers
            .iter()
            .map(|traits| traits.provider)
            .collect()
    }

    /// The model that it uses with a provider where nothing else is said.
    pub fn default_model(&self, provider: ModelProvider) -> Result<&ModelName, ProfileError> {
        self.provider(provider).map(|traits| &traits.default_model)
    }

    pub(super) fn provider(
        &self,
        provider: ModelProvider,
    ) -> Result<&ProviderTraits, ProfileError> {
        let found = self
            .providers
            .iter()
            .find(|traits| traits.provider == provider);
        found.ok_or_else(|| ProfileError::ProviderNotSupported {
            agent: self.name.clone(),
            provider,
        })
    }

    /// How the session of an earlier process is gone on with.
    #[must_use]
    pub fn resume_method(&self) -> ResumeMethod {
        self.session.resume
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const OWN: &str = r#"
name = "mine"
title = "My agent"
image = "mine:1"
command = ["/opt/mine", "--model", "${model}"]
tokens = "turn"
session = { resume = "none", mode = { by = "environment" } }
[[provider]]
provider = "openai-chat"
default_model = "small"
"#;

    fn refusal(text: &str) -> String {
        AgentProfile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_five_agents_are_known_by_name_and_each_has_a_provider() {
        let all = AgentProfile::all().unwrap();
        let names: Vec<&str> = all.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["claude", "codex", "gemini", "goose", "opencode"]);
        for profile in &all {
            assert_eq!(profile.image, format!("deckhand-sandbox:{}", profile.name));
            assert_eq!(
                AgentProfile::load(profile.name.as_str()).unwrap().title,
                profile.title
            );
        }
    }

    #[test]
    fn an_unknown_agent_is_answered_with_those_that_there_are() {
        let error = AgentProfile::load("cursor").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no agent cursor; there are claude, codex, gemini, goose, opencode"
        );
    }

    #[test]
    fn a_profile_of_ones_own_is_read_and_its_mistakes_are_named() {
        let profile = AgentProfile::parse(OWN).unwrap();
        assert_eq!(profile.providers(), [ModelProvider::OpenaiChat]);
        assert_eq!(
            profile
                .default_model(ModelProvider::OpenaiChat)
                .unwrap()
                .as_str(),
            "small"
        );
        assert!(refusal(&OWN.replace("${model}", "${mod}")).contains("nothing fills ${mod}"));
        assert!(
            refusal(&OWN.replace("[\"/opt/mine\", \"--model\", \"${model}\"]", "[]"))
                .contains("no command")
        );
        assert!(refusal(&OWN.replace("image", "picture")).contains("picture"));
        assert!(refusal(&OWN.replace("small", "$(reboot)")).contains("cannot be a name"));
        let outside = format!("{OWN}[[provider.home_files]]\npath = \"../x\"\ntext = \"\"\n");
        assert!(refusal(&outside).contains("no path under the home folder"));
    }

    #[test]
    fn a_models_name_cannot_leave_the_place_that_it_is_written_to() {
        for good in [
            "claude-opus-5-5",
            "qwen/qwen3:32b",
            "gpt-6.1-sol",
            "model@2026",
            "a_b",
        ] {
            assert!(ModelName::try_from(String::from(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-m",
            "a b",
            "a\"b",
            "a\nb",
            "${key}",
            "a'b",
            "a\\b",
            &"x".repeat(200),
        ] {
            assert!(ModelName::try_from(String::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_failures_mark_counts_at_the_beginning_only() {
        let marks = AgentProfile::load("goose").unwrap().failure;
        assert_eq!(
            marks.in_text("\nRan into this error: no.\n\nPlease retry."),
            Some("no.")
        );
        assert!(marks.in_text("I Ran into this error: no").is_none());
    }
}
