//! `Config`: the only place that reads the environment or the configuration file.

mod api;
mod credentials;
mod keys;
mod limits;
mod repository;
mod retention;
mod sandbox;
mod settings;
mod values;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use secrecy::SecretString;

use values::Values;

pub use api::ApiToken;
pub use credentials::{CredentialForm, CredentialSetting};
pub use keys::{EncryptionKey, EncryptionKeys, KeyError, KeyId, fresh_key};
pub use limits::Limits;
pub use repository::{McpSetting, RepositoryConfig};
pub use retention::{CanceledWork, Retention};
pub use sandbox::SandboxConfig;
pub use settings::{Exposure, SETTINGS, Setting};

use crate::{
    domain::{TaskId, conversation::PersonId, policy::Policy, specification::RepositoryName},
    redact::Address,
};

/// The file that is read where no other is named.
pub const FILE: &str = "deckhand.toml";

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port of doors and pages.
    pub listen: SocketAddr,
    /// Address and port of doors that are a process of their own.
    pub doors_listen: SocketAddr,
    /// How people and platforms reach this server, without a slash at the end.
    pub public_url: String,
    /// The database's address.
    pub database_url: Address,
    /// Where everything else is kept; absolute.
    pub data_dir: PathBuf,
    /// The installation's name on its engine.
    pub instance: String,
    /// The key of link signatures.
    pub secret: Option<SecretString>,
    /// Every secret setting that has a value, by its variable, whether anything reads it or not.
    pub held: Vec<(&'static str, SecretString)>,
    /// The keys of stored secrets, where they are set.
    pub encryption_keys: Option<EncryptionKeys>,
    /// What is logged.
    pub log: String,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// Slack, where it is set up.
    pub slack: Option<SlackConfig>,
    /// Linear, where it is set up.
    pub linear: Option<LinearConfig>,
    /// GitHub.
    pub github: GithubConfig,
    /// The tokens of the REST API; without one it is not there.
    pub api_tokens: Vec<ApiToken>,
    /// Model providers, by the name of their prefix in the sandbox: `anthropic`, `openai`, `gemini`.
    pub providers: BTreeMap<&'static str, Provider>,
    /// The agent of tasks that name none.
    pub agent: Option<String>,
    /// The model of tasks that name none.
    pub model: Option<String>,
    /// What stands before the agent's name in an image's name.
    pub image_prefix: String,
    /// Sandboxes.
    pub sandbox: SandboxConfig,
    /// Ceilings.
    pub limits: Limits,
    /// How long what is over is kept.
    pub retention: Retention,
    /// Who may do what.
    pub policy: Policy,
    /// What the egress proxy adds for rules of the network policy, by the name that rules give it.
    pub credentials: BTreeMap<String, CredentialSetting>,
    /// Repositories with settings of their own.
    pub repositories: Vec<RepositoryConfig>,
}

/// Slack's settings.
#[derive(Debug, Clone)]
pub struct SlackConfig {
    /// The bot token of one workspace, where it is set.
    pub bot_token: Option<SecretString>,
    /// How workspaces install the app by themselves, where they may. There is this or the bot token, or both.
    pub install: Option<InstallConfig>,
    /// The signing secret, where Slack reaches the HTTP doors. Without it they are closed.
    pub signing_secret: Option<SecretString>,
    /// The app-level token, where Socket Mode is on. There is this or the signing secret, or both.
    pub app_token: Option<SecretString>,
    /// The most connections that Socket Mode keeps open in this process, 1 to 10.
    pub connections: u32,
    /// How many times the calls a minute that Slack publishes for a method are made in a workspace, at least 1.
    pub rate_factor: u16,
    /// Base address of the Web API.
    pub api_url: String,
}

/// How workspaces of Slack install the app by themselves.
#[derive(Debug, Clone)]
pub struct InstallConfig {
    /// The app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The workspaces and organisations that may; `*` for all of them.
    pub teams: Vec<String>,
}

impl InstallConfig {
    /// Whether a workspace may install the app: it is named, or the organisation that it belongs to.
    #[must_use]
    pub fn lets_in(&self, home: &str, enterprise: &str) -> bool {
        let is_named = |name: &str| !name.is_empty() && self.teams.iter().any(|team| team == name);
        is_named("*") || is_named(home) || is_named(enterprise)
    }
}

/// Linear's settings.
#[derive(Debug, Clone)]
pub struct LinearConfig {
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// The webhook secret.
    pub webhook_secret: SecretString,
    /// Base address.
    pub api_url: String,
    /// Where files lie; no slash at the end.
    pub uploads_url: String,
}

/// GitHub's settings.
#[derive(Debug, Clone)]
pub struct GithubConfig {
    /// How the bot signs in.
    pub sign_in: GithubSignIn,
    /// The webhook secret, where webhooks are set up.
    pub webhook_secret: Option<SecretString>,
    /// Base address of the REST API.
    pub api_url: String,
    /// Base address of repositories.
    pub url: String,
}

/// How the bot signs in at GitHub.
#[derive(Debug, Clone)]
pub enum GithubSignIn {
    /// As an App, with a token per installation.
    App {
        /// Its number.
        id: u64,
        /// Its private key, PEM.
        key: SecretString,
    },
    /// With one person's token.
    Token(SecretString),
    /// Not at all: repositories are plain remotes.
    None,
}

/// A model provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its key.
    pub key: SecretString,
    /// Its base address.
    pub base_url: Address,
}

/// Why the settings cannot be used. Values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is no TOML, or holds something unknown.
    #[error("{file}: {problem}")]
    File {
        /// Which.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// A credential is not what it should be.
    #[error("{variable} {problem}")]
    Credential {
        /// The variable.
        variable: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A value is not what it should be.
    #[error("{variable} (`{key}` in {FILE}) {problem}")]
    Value {
        /// The setting.
        variable: &'static str,
        /// Its key in the file.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Config {
    /// Reads the process's environment and the file at `path`, which may be missing.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError::File {
                    file: path.display().to_string(),
                    problem: error.to_string(),
                });
            }
        };
        Self::from_parts(
            &std::env::vars().collect(),
            &text,
            &path.display().to_string(),
        )
    }

    /// Builds the settings from variables and the text of a file; variables win.
    pub fn from_parts(
        variables: &BTreeMap<String, String>,
        text: &str,
        file: &str,
    ) -> Result<Self, ConfigError> {
        let values = Values::collect(variables, text, file)?;
        let listen: SocketAddr = values.parse("DECKHAND_LISTEN")?;
        let data_dir = std::path::absolute(values.text("DECKHAND_DATA_DIR"))
            .map_err(|_| Values::problem("DECKHAND_DATA_DIR", "is no path"))?;
        let public_url = values
            .given("DECKHAND_PUBLIC_URL")
            .unwrap_or_else(|| format!("http://{listen}"));
        let database_url = values
            .given("DECKHAND_DATABASE_URL")
            .unwrap_or_else(|| format!("sqlite:{}", data_dir.join("deckhand.sqlite").display()));
        Ok(Self {
            listen,
            doors_listen: values.parse("DECKHAND_DOORS_LISTEN")?,
            public_url: public_url.trim_end_matches('/').to_owned(),
            database_url: database_url.into(),
            data_dir,
            instance: values.text("DECKHAND_INSTANCE").to_owned(),
            secret: values.secret("DECKHAND_SECRET"),
            held: values.held(),
            encryption_keys: values.encryption_keys()?,
            log: values.text("DECKHAND_LOG").to_owned(),
            log_json: values.text("DECKHAND_LOG_FORMAT") == "json",
            slack: values.slack()?,
            linear: values.linear()?,
            github: values.github()?,
            api_tokens: api::read(&values)?,
            providers: values.providers(),
            agent: values.given("DECKHAND_AGENT"),
            model: values.given("DECKHAND_MODEL"),
            image_prefix: values.text("DECKHAND_IMAGE_PREFIX").to_owned(),
            sandbox: SandboxConfig::from_values(&values)?,
            limits: limits::read(&values)?,
            retention: Retention::from_values(&values)?,
            policy: Policy {
                people: values
                    .list("DECKHAND_PEOPLE")
                    .into_iter()
                    .map(PersonId)
                    .collect(),
                second_person_approves: values.parse("DECKHAND_SECOND_PERSON")?,
                network_people: values
                    .list("DECKHAND_NETWORK_PEOPLE")
                    .into_iter()
                    .map(PersonId)
                    .collect(),
                second_person_widens: values.parse("DECKHAND_NETWORK_SECOND_PERSON")?,
            },
            credentials: credentials::read(variables)?,
            repositories: values.repositories,
        })
    }

    /// Takes note of the address that the listening port became, where any free one was asked for.
    pub fn bound_to(&mut self, address: SocketAddr) {
        if self.public_url == format!("http://{}", self.listen) {
            self.public_url = format!("http://{address}");
        }
        self.listen = address;
    }

    /// The settings in force, secrets masked, from the process's environment and the file at `path`.
    pub fn show(path: &Path) -> Result<String, ConfigError> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        describe(
            &std::env::vars().collect(),
            &text,
            &path.display().to_string(),
        )
    }

    /// The same settings with the link key that a server keeps in its data folder, where none is set.
    #[must_use]
    pub fn with_own_secret(&self) -> Self {
        let own = || {
            std::fs::read_to_string(self.data_dir.join("secret"))
                .ok()
                .map(|text| SecretString::from(text.trim().to_owned()))
        };
        Self {
            secret: self.secret.clone().or_else(own),
            ..self.clone()
        }
    }

    /// The keys of stored secrets: the set ones, or the ones that are kept in the data folder, made where there are none.
    pub fn keys_in_force(&self) -> Result<EncryptionKeys, ConfigError> {
        match &self.encryption_keys {
            Some(keys) => keys.clone().before_those_of(&self.data_dir),
            None => EncryptionKeys::kept_in(&self.data_dir),
        }
        .map_err(|error| Values::problem("DECKHAND_ENCRYPTION_KEYS", &error.to_string()))
    }

    /// How long a task of a repository may work before it asks, in milliseconds.
    #[must_use]
    pub fn work_ms(&self, name: &RepositoryName) -> i64 {
        let own = self
            .repository(name)
            .and_then(|repository| repository.task_minutes);
        own.map_or(self.limits.task.work_ms, |minutes| {
            i64::from(minutes.get()) * 60_000
        })
    }

    /// The folder of a task's quarantined commits.
    #[must_use]
    pub fn quarantine_path(&self, task: &TaskId) -> PathBuf {
        self.data_dir.join("quarantine").join(format!("{task}.git"))
    }

    /// The settings of a repository, where it has some.
    #[must_use]
    pub fn repository(&self, name: &RepositoryName) -> Option<&RepositoryConfig> {
        self.repositories
            .iter()
            .find(|repository| repository.name.0.eq_ignore_ascii_case(&name.0))
    }

    /// Whether labels or projects decide about any repository.
    #[must_use]
    pub fn has_labels(&self) -> bool {
        let mut repositories = self.repositories.iter();
        repositories.any(|repository| !repository.labels.is_empty())
    }

    /// Every secret that is held, for the redactor: tokens, keys, and passwords in addresses.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let slack = self.slack.iter().flat_map(|slack| {
            let install = slack.install.as_ref().map(|install| &install.client_secret);
            let tokens = [&slack.bot_token, &slack.signing_secret, &slack.app_token];
            tokens.into_iter().flatten().chain(install)
        });
        let linear = self
            .linear
            .iter()
            .flat_map(|linear| [&linear.client_secret, &linear.webhook_secret]);
        let github = match &self.github.sign_in {
            GithubSignIn::App { key, .. } => Some(key),
            GithubSignIn::Token(token) => Some(token),
            GithubSignIn::None => None,
        };
        // Each token is there by itself: the names beside them stand in threads, and a part of a secret would be taken out.
        let held = self.held.iter().filter(|(name, _)| *name != api::VARIABLE);
        let all = slack
            .chain(linear)
            .chain(github)
            .chain(&self.github.webhook_secret)
            .chain(&self.secret)
            .chain(self.api_tokens.iter().map(|token| &token.secret))
            .chain(held.map(|(_, secret)| secret));
        let keys = self.providers.values().map(|provider| &provider.key);
        let keys = keys.chain(self.credentials.values().map(|one| &one.secret));
        let gateways = self.providers.values().map(|provider| &provider.base_url);
        let remotes = self
            .repositories
            .iter()
            .filter_map(|repository| repository.url.as_ref());
        let addresses = gateways
            .chain(remotes)
            .chain(&self.sandbox.upstream_proxy)
            .chain([&self.database_url]);
        all.chain(keys)
            .cloned()
            .chain(
                self.encryption_keys
                    .iter()
                    .flat_map(EncryptionKeys::secrets),
            )
            .chain(addresses.filter_map(Address::secret))
            .collect()
    }
}

/// Prints every setting with its value in force, secrets masked.
pub fn describe(
    variables: &BTreeMap<String, String>,
    text: &str,
    file: &str,
) -> Result<String, ConfigError> {
    let values = Values::collect(variables, text, file)?;
    let mut lines = Vec::new();
    for setting in SETTINGS {
        let value = values.text(setting.variable);
        let shown = match setting.exposure {
            Exposure::Secret | Exposure::Open if value.is_empty() => "(not set)".to_owned(),
            Exposure::Secret => "(set)".to_owned(),
            Exposure::Open => Address::from(value.to_owned()).shown(),
        };
        lines.push(format!("{:<28} {shown}", setting.variable));
    }
    Ok(lines.join("\n"))
}

/// The reference of every setting, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\nGenerated from the code by `deckhand config --reference`. The environment wins over `deckhand.toml`.\n\n| variable | key in `deckhand.toml` | default | for |\n| --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        let default = if setting.default.is_empty() {
            "—".to_owned()
        } else {
            format!("`{}`", setting.default)
        };
        let secret = if setting.exposure == Exposure::Secret {
            " Secret."
        } else {
            ""
        };
        let (variable, key, about) = (setting.variable, setting.key, setting.about);
        text += "| `";
        text += &[
            variable, "` | `", key, "` | ", &default, " | ", about, secret, " |\n",
        ]
        .concat();
    }
    text.push_str(credentials::REFERENCE);
    text.push_str(
        "\n## Repositories\n\nEach `[[repository]]` in `deckhand.toml` has `name` (`owner/name`), and where wanted `url` (`https`, `http`, `ssh` or `file`, for remotes without a forge), `setup` (a command that makes a fresh checkout usable), `places` (channels or teams whose tasks mean this repository), `labels` (labels or projects of Linear whose issues mean it; they go before a team), `task_minutes` (how long a task of it works before it asks whether to go on) and `mcp` (MCP servers that its agents are told of, as `{ name = \"tracker\", url = \"https://host/mcp\" }`; a rule of the network policy has to let them through, and may name their credential).\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(variables: &[(&str, &str)], text: &str) -> Result<Config, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_parts(&variables, text, FILE)
    }

    #[test]
    fn everything_has_a_default() {
        let config = load(&[], "").expect("defaults are enough");
        assert_eq!(config.public_url, "http://127.0.0.1:8080");
        assert_eq!(config.limits.parallel_tasks, 3);
        assert!(config.slack.is_none() && config.linear.is_none());
    }

    #[test]
    fn a_repository_may_have_its_own_working_time() {
        let text = "[limits]\ntask_minutes = 30\nremind_hours = 0\n[[repository]]\nname = \"acme/web\"\ntask_minutes = 90\n";
        let config = load(&[], text).expect("settings");
        let work_ms = |name: &str| config.work_ms(&RepositoryName(name.to_owned()));
        assert_eq!(
            (work_ms("acme/web"), work_ms("acme/api")),
            (5_400_000, 1_800_000)
        );
        assert_eq!(config.limits.remind, None);
        let usual = load(&[], "").expect("settings");
        assert_eq!(usual.limits.remind, Some(Duration::from_hours(24)));
        let none = text.replace("90", "0");
        assert!(load(&[], &none).is_err(), "no time at all is none");
    }

    #[test]
    fn slack_has_one_door_or_the_other_or_both() {
        let bot = ("SLACK_BOT_TOKEN", "xoxb-1");
        let secret = ("SLACK_SIGNING_SECRET", "secret");
        let app = ("SLACK_APP_TOKEN", "xapp-1");
        for (variables, http, socket) in [
            (vec![bot, secret], true, false),
            (vec![bot, app], false, true),
            (vec![bot, secret, app], true, true),
        ] {
            let slack = load(&variables, "").expect("valid").slack.expect("on");
            assert_eq!(
                (slack.signing_secret.is_some(), slack.app_token.is_some()),
                (http, socket)
            );
            assert_eq!(slack.connections, 2);
        }
        let many = [bot, app, ("SLACK_CONNECTIONS", "11")];
        let slack = load(&many, "").expect("valid").slack.expect("on");
        assert_eq!(slack.connections, 10, "Slack allows no more");
        assert_eq!(slack.rate_factor, 1, "what Slack publishes");
        for (given, times) in [("0", 1), ("20", 20), ("60000", 1_000)] {
            let given = [bot, app, ("SLACK_RATE_FACTOR", given)];
            let slack = load(&given, "").expect("valid").slack.expect("on");
            assert_eq!(slack.rate_factor, times);
        }
        assert!(load(&[app], "").expect("valid").slack.is_none());
    }

    #[test]
    fn workspaces_install_the_app_where_its_client_is_set_and_only_those_that_are_named() {
        let (id, secret) = (
            ("SLACK_CLIENT_ID", "1.2"),
            ("SLACK_CLIENT_SECRET", "canary-of-the-client"),
        );
        let door = ("SLACK_SIGNING_SECRET", "secret");
        let teams = |named: &'static str| {
            let variables = [id, secret, door, ("SLACK_INSTALL_TEAMS", named)];
            let slack = load(&variables, "").expect("valid").slack.expect("on");
            assert!(slack.bot_token.is_none());
            slack.install.expect("on")
        };
        let named = teams("T1, E1");
        assert!(named.lets_in("T1", "") && named.lets_in("T9", "E1") && named.lets_in("E1", "E1"));
        assert!(!named.lets_in("T2", "") && !named.lets_in("T2", "E2") && !named.lets_in("", ""));
        let nobody = teams("");
        assert!(!nobody.lets_in("T1", "E1") && !nobody.lets_in("", ""));
        assert!(teams("*").lets_in("T7", ""));
        for missing in [vec![id, door], vec![id, secret]] {
            assert!(load(&missing, "").is_err(), "{missing:?}");
        }
        let config = load(&[id, secret, door], "").expect("valid");
        let held = config.secrets().into_iter();
        let mut held = held.map(|one| secrecy::ExposeSecret::expose_secret(&one).to_owned());
        assert!(held.any(|one| one == "canary-of-the-client"));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = load(
            &[("DECKHAND_PARALLEL_TASKS", "7")],
            "[limits]\nparallel_tasks = 5\nrun_minutes = 2\n",
        )
        .expect("valid");
        assert_eq!(config.limits.parallel_tasks, 7);
        assert_eq!(config.limits.task.run_ms, 120_000);
    }

    #[test]
    fn how_long_a_decision_is_waited_for_is_set_in_days() {
        let wait = |variables: &[(&str, &str)], text: &str| {
            load(variables, text).expect("valid").limits.wait
        };
        let days = |days: u64| Duration::from_hours(24 * days);
        let in_the_file = "[limits]\nwait_days = 3\n";
        assert_eq!(wait(&[], ""), days(14));
        assert_eq!(wait(&[], in_the_file), days(3));
        for (given, expected) in [("3", 3), ("5", 5), ("0", 1), ("4000", 3_650)] {
            let given = [("DECKHAND_WAIT_DAYS", given)];
            assert_eq!(wait(&given, ""), days(expected));
            assert_eq!(wait(&given, in_the_file), days(expected));
        }
    }

    #[test]
    fn a_mistake_is_named_without_its_value() {
        let error = load(&[("SLACK_BOT_TOKEN", "xoxb-canary")], "")
            .expect_err("the signing secret is missing");
        assert!(
            error.to_string().contains("SLACK_SIGNING_SECRET")
                && !error.to_string().contains("canary")
        );
        let error = load(
            &[
                ("SLACK_BOT_TOKEN", "xoxb-canary"),
                ("SLACK_APP_TOKEN", "xoxb-canary"),
            ],
            "",
        )
        .expect_err("a bot token opens no connection")
        .to_string();
        assert!(
            error.contains("SLACK_APP_TOKEN")
                && error.contains("xapp-")
                && !error.contains("canary"),
            "{error}"
        );
        let error = load(&[], "colour = 1").expect_err("unknown");
        assert_eq!(error.to_string(), "deckhand.toml: `colour` is no setting");
    }

    #[test]
    fn secrets_are_masked_when_settings_are_shown() {
        let variables = BTreeMap::from([("SLACK_BOT_TOKEN".to_owned(), "xoxb-canary".to_owned())]);
        let shown = describe(&variables, "", FILE).expect("valid");
        assert!(shown.contains("SLACK_BOT_TOKEN") && !shown.contains("canary"));
    }

    /// Settings with a canary in every place that can hold a secret.
    fn canaries() -> (BTreeMap<String, String>, &'static str) {
        let secrets = SETTINGS
            .iter()
            .filter(|setting| setting.exposure == Exposure::Secret);
        let mut variables: BTreeMap<String, String> = secrets
            .map(|setting| {
                (
                    setting.variable.to_owned(),
                    format!("canary-{}", setting.key),
                )
            })
            .collect();
        for (variable, value) in [
            ("SLACK_APP_TOKEN", "xapp-canary-slack.app_token"),
            ("LINEAR_CLIENT_ID", "client"),
            ("GITHUB_APP_ID", "1"),
            (
                "GITHUB_APP_PRIVATE_KEY",
                "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
            ),
            (
                "DECKHAND_ENCRYPTION_KEYS",
                "canary+encryption+key+AAAAAAAAAAAAAAAAAAAAA=",
            ),
            (
                "DECKHAND_API_TOKENS",
                "ci:canary-of-the-api-0123456789abcdef",
            ),
            (
                "DECKHAND_DATABASE_URL",
                "postgres://deckhand:canary-database@db/deckhand",
            ),
            (
                "DECKHAND_UPSTREAM_PROXY",
                "http://ana:canary-proxy@proxy:3128",
            ),
            ("OPENAI_BASE_URL", "https://ana:canary-gateway@models/v1"),
            ("DECKHAND_CREDENTIAL_NPM", "bearer:canary-registry"),
        ] {
            variables.insert(variable.to_owned(), value.to_owned());
        }
        (
            variables,
            "[[repository]]\nname = \"acme/web\"\nurl = \"https://canary-remote@host/web.git\"\n",
        )
    }

    #[test]
    fn nothing_that_prints_settings_prints_a_secret() {
        let (variables, text) = canaries();
        let config = Config::from_parts(&variables, text, FILE).expect("valid");
        let printed = format!(
            "{config:?}\n{config:#?}\n{}",
            describe(&variables, text, FILE).expect("valid")
        );
        assert!(
            printed.contains("SLACK_BOT_TOKEN") && printed.contains("acme/web"),
            "{printed}"
        );
        assert!(!printed.contains("canary"), "{printed}");
    }

    #[test]
    fn the_redactor_is_told_of_every_secret() {
        let (variables, text) = canaries();
        let mut config = Config::from_parts(&variables, text, FILE).expect("valid");
        let mut held = config.secrets();
        // Who signs in as an App has no other token.
        config.github.sign_in = GithubSignIn::Token("canary-github.token".into());
        held.extend(config.secrets());
        let redactor = crate::redact::Redactor::new(held).expect("made");
        let texts = variables
            .values()
            .map(String::as_str)
            .filter(|value| value.contains("canary"))
            .chain([text]);
        for text in texts {
            let clean = redactor.redact(text);
            assert!(!clean.contains("canary"), "{clean}");
        }
    }
}
