//! What a sandbox has to run so that an agent starts in it: command, environment, and the files in its home.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use crate::egress::{self, way_out_environment};

use super::{
    price::{Price, PriceTable},
    profile::{AgentProfile, ModelName, ModelProvider, ProfileError, ProviderTraits},
};

/// The shim's path in every sandbox image.
pub const SHIM: &str = "/opt/deckhand/shim";

/// Where the shim offers the way out inside a sandbox.
pub const EGRESS_ADDRESS: &str = egress::ADDRESS;

/// The home folder of the sandbox's user.
pub const HOME: &str = "/home/agent";

/// Runs the first argument as a script, writes the pairs of path and text behind it under the home folder, then becomes
/// the command behind `--`. The texts are arguments, so nothing in them is quoted or expanded.
const PREPARE_AND_START: &str = r#"set -e
sh -c "$1"
shift
while [ "$1" != "--" ]; do
  mkdir -p "$(dirname "$HOME/$1")"
  printf '%s' "$2" > "$HOME/$1"
  shift 2
done
shift
exec "$@""#;

/// What starts an agent in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The image, with its tag.
    pub image: String,
    /// The container's whole command.
    pub command: Vec<String>,
    /// The container's whole environment.
    pub environment: BTreeMap<String, String>,
    /// The model that the agent will use.
    pub model: ModelName,
    /// What that costs, where it is known; for [`SessionOptions`](super::SessionOptions).
    pub price: Option<Price>,
}

/// The environment of everything that runs in a sandbox: the way out, and nothing of the host's.
#[must_use]
pub fn sandbox_environment() -> BTreeMap<String, String> {
    let mut environment = way_out_environment();
    for (name, value) in [
        ("HOME", HOME),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("NPM_CONFIG_UPDATE_NOTIFIER", "false"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    environment
}

impl AgentProfile {
    /// What starts the agent with this provider and this model. The prices are for agents that count their own cost.
    /// `placeholder` stands where the provider's key would
    /// ([`EgressHandle::placeholder`](crate::egress::EgressHandle::placeholder)).
    pub fn launch(
        &self,
        provider: ModelProvider,
        model: &ModelName,
        prices: &PriceTable,
        placeholder: &SecretString,
    ) -> Result<Launch, ProfileError> {
        let traits = self.provider(provider)?;
        let price = prices.of(model.as_str());
        self.launch_with(traits, model, price, placeholder.expose_secret())
    }

    pub(super) fn launch_with(
        &self,
        provider: &ProviderTraits,
        model: &ModelName,
        price: Option<Price>,
        key: &str,
    ) -> Result<Launch, ProfileError> {
        let cost = cost_in_json(price.unwrap_or_default());
        let fill = |text: &str| self.fill(text, (model, key), &cost);
        let mut environment = sandbox_environment();
        for (name, value) in self.environment.iter().chain(&provider.environment) {
            environment.insert(name.clone(), fill(value)?);
        }
        let mut command: Vec<String> = [SHIM, "run", "--"].map(str::to_owned).into();
        if !provider.home_files.is_empty() || !self.prepare.is_empty() {
            command.extend(["sh", "-c", PREPARE_AND_START, "sh"].map(str::to_owned));
            command.push(self.prepare.clone());
            for file in &provider.home_files {
                command.extend([file.path.clone(), fill(&file.text)?]);
            }
            command.push(String::from("--"));
        }
        for word in self.command.iter().chain(&provider.arguments) {
            command.push(fill(word)?);
        }
        Ok(Launch {
            image: self.image.clone(),
            command,
            environment,
            model: model.clone(),
            price,
        })
    }

    fn fill(
        &self,
        text: &str,
        (model, key): (&ModelName, &str),
        cost: &str,
    ) -> Result<String, ProfileError> {
        let filled = text
            .replace("${model}", model.as_str())
            .replace("${base}", EGRESS_ADDRESS)
            .replace("${key}", key)
            .replace("${cost}", cost);
        match filled.split_once("${") {
            None => Ok(filled),
            Some((_, rest)) => Err(ProfileError::Wrong {
                agent: self.name.clone(),
                reason: format!(
                    "nothing fills ${{{}",
                    rest.chars().take(20).collect::<String>()
                ),
            }),
        }
    }
}

/// A price as agents want it: dollars for a million tokens.
fn cost_in_json(price: Price) -> String {
    let dollars = |micro: u64| format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    format!(
        r#"{{"input": {}, "output": {}, "cache_read": {}, "cache_write": {}}}"#,
        dollars(price.input),
        dollars(price.output),
        dollars(price.cached_input),
        dollars(price.cache_write),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    const KEY: &str = "sk-ant-placeholder";

    fn launch_of(
        agent: &str,
        provider: ModelProvider,
        model: &str,
    ) -> Result<Launch, ProfileError> {
        let model = ModelName::try_from(model.to_owned())?;
        let key = KEY.into();
        AgentProfile::load(agent)?.launch(provider, &model, &PriceTable::built_in(), &key)
    }

    /// Runs a launch's preparation with a command of the test's in place of the agent.
    fn start_with(home: &std::path::Path, launch: &Launch, command: &[&str]) -> String {
        let end = launch.command.iter().position(|word| word == "--").unwrap();
        let inner = &launch.command[end + 1..];
        let end = inner.iter().position(|word| word == "--").unwrap();
        let output = std::process::Command::new(&inner[0])
            .args(&inner[1..=end])
            .args(command)
            .env("HOME", home)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn every_agent_starts_by_the_shim_with_the_placeholder_and_nothing_unfilled() {
        for profile in AgentProfile::all().unwrap() {
            for provider in profile.providers() {
                let launch = launch_of(profile.name.as_str(), provider, "some-model").unwrap();
                assert_eq!(launch.command[..3], [SHIM, "run", "--"]);
                let run = format!("/opt/agents/{}/run", profile.name);
                assert!(launch.command.contains(&run), "{launch:?}");
                let texts: Vec<&String> = launch
                    .command
                    .iter()
                    .chain(launch.environment.values())
                    .collect();
                assert!(
                    texts.iter().any(|text| text.contains("some-model")),
                    "{launch:?}"
                );
                assert!(texts.iter().any(|text| text.contains(KEY)), "{launch:?}");
                let base = format!("{EGRESS_ADDRESS}/{}", provider.egress_prefix());
                assert!(texts.iter().any(|text| text.contains(&base)), "{launch:?}");
                assert_eq!(launch.environment["HTTPS_PROXY"], EGRESS_ADDRESS);
            }
        }
    }

    #[test]
    fn files_are_written_into_the_home_as_they_are_and_then_the_agent_starts() {
        let home = tempfile::tempdir().unwrap();
        let launch = launch_of("codex", ModelProvider::OpenaiResponses, "m-1").unwrap();
        assert_eq!(
            start_with(home.path(), &launch, &["echo", "a b", "$HOME"]),
            "a b $HOME\n"
        );
        let written = std::fs::read_to_string(home.path().join(".codex/config.toml")).unwrap();
        let config: toml::Table = toml::from_str(&written).unwrap();
        assert_eq!(config["model"].as_str(), Some("m-1"));
        assert_eq!(
            config["model_providers"]["deckhand"]["wire_api"].as_str(),
            Some("responses")
        );
    }

    #[test]
    fn geminis_sessions_are_put_where_a_start_in_the_same_minute_does_not_overwrite_them() {
        let home = tempfile::tempdir().unwrap();
        let chats = home.path().join(".gemini/tmp/repo/chats");
        std::fs::create_dir_all(&chats).unwrap();
        let launch = launch_of("gemini", ModelProvider::Gemini, "m").unwrap();
        let (now, moved) = (
            "session-2026-11-21T01-03-9cd03b84.jsonl",
            "session-1970-01-01T00-00-9cd03b84.jsonl",
        );
        std::fs::write(chats.join(now), "the conversation").unwrap();
        start_with(home.path(), &launch, &["true"]);
        std::fs::write(chats.join(now), "what the next start leaves").unwrap();
        start_with(home.path(), &launch, &["true"]);
        assert_eq!(
            std::fs::read_to_string(chats.join(moved)).unwrap(),
            "the conversation"
        );
    }

    #[test]
    fn opencodes_settings_are_json_and_hold_the_models_price() {
        for (model, price) in [("claude-haiku-5", 1.25), ("unheard-of", 0.0)] {
            let launch = launch_of("opencode", ModelProvider::Anthropic, model).unwrap();
            let settings = &launch.environment["OPENCODE_CONFIG_CONTENT"];
            let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
            let cost = &settings["provider"]["deckhand"]["models"][model]["cost"];
            assert_eq!(cost["cache_write"], price, "{settings}");
        }
    }

    #[test]
    fn a_provider_that_an_agent_does_not_speak_is_refused() {
        let refused = launch_of("codex", ModelProvider::OpenaiChat, "m");
        assert!(
            matches!(refused, Err(ProfileError::ProviderNotSupported { .. })),
            "{refused:?}"
        );
    }
}
