//! The agents of this installation: which there are, which one is meant where none is named, and which provider each one speaks to.

use deckhand_executors::agent::{AgentProfile, ModelProvider, ProfileError};

use crate::config::Config;

/// The agents, and the one that is meant where none is named.
#[derive(Debug, Clone)]
pub struct Agents {
    profiles: Vec<(AgentProfile, Option<ModelProvider>)>,
    default: String,
}

impl Agents {
    /// Every agent with the first provider that it speaks to and whose key is set.
    pub fn new(config: &Config) -> Result<Self, ProfileError> {
        let profiles = AgentProfile::all()?
            .into_iter()
            .map(|profile| {
                let provider = profile
                    .providers()
                    .into_iter()
                    .find(|provider| config.providers.contains_key(provider.egress_prefix()));
                (profile, provider)
            })
            .collect();
        let default = config
            .agent
            .clone()
            .unwrap_or_else(|| default_name(config).to_owned());
        Ok(Self { profiles, default })
    }

    /// The agent of tasks that name none.
    #[must_use]
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// The profile of an agent and the provider that it will speak to; none where it is unknown or no key fits.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&AgentProfile, ModelProvider)> {
        let (profile, provider) = self
            .profiles
            .iter()
            .find(|(profile, _)| profile.name.as_str() == name)?;
        provider.map(|provider| (profile, provider))
    }

    /// The names of every agent that could work now.
    #[must_use]
    pub fn usable(&self) -> Vec<String> {
        self.profiles
            .iter()
            .filter(|(_, provider)| provider.is_some())
            .map(|(profile, _)| profile.name.as_str().to_owned())
            .collect()
    }
}

/// Each provider's own agent where only its key is set; goose, which speaks to all of them, where nothing says otherwise.
fn default_name(config: &Config) -> &'static str {
    match config
        .providers
        .keys()
        .copied()
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["anthropic"] => "claude",
        ["openai"] => "codex",
        ["gemini"] => "gemini",
        _ => "goose",
    }
}
