//! The settings' values before they have types: the environment first, then the file, then the default.

use std::{collections::BTreeMap, str::FromStr};

use secrecy::{ExposeSecret, SecretString};

use super::{
    ConfigError, EncryptionKeys, Exposure, GithubConfig, GithubSignIn, InstallConfig, LinearConfig,
    Provider, RepositoryConfig, SETTINGS, SlackConfig,
};

/// Values by variable, before they have types.
pub(super) struct Values {
    pub(super) by_variable: BTreeMap<&'static str, String>,
    pub(super) repositories: Vec<RepositoryConfig>,
}

impl Values {
    pub(super) fn collect(
        variables: &BTreeMap<String, String>,
        text: &str,
        file: &str,
    ) -> Result<Self, ConfigError> {
        let fault = |problem: String| ConfigError::File {
            file: file.to_owned(),
            problem,
        };
        let mut table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| fault(error.message().to_owned()))?;
        let repositories = table.remove("repository").map_or(Ok(Vec::new()), |value| {
            value
                .try_into()
                .map_err(|error: toml::de::Error| fault(error.message().to_owned()))
        })?;
        let mut in_file = BTreeMap::new();
        flatten("", &table, &mut in_file);
        if let Some(unknown) = in_file
            .keys()
            .find(|key| !SETTINGS.iter().any(|setting| setting.key == key.as_str()))
        {
            return Err(fault(format!("`{unknown}` is no setting")));
        }
        let by_variable = SETTINGS
            .iter()
            .map(|setting| {
                let value = variables
                    .get(setting.variable)
                    .filter(|value| !value.is_empty())
                    .or_else(|| in_file.get(setting.key));
                (
                    setting.variable,
                    value.cloned().unwrap_or_else(|| setting.default.to_owned()),
                )
            })
            .collect();
        Ok(Self {
            by_variable,
            repositories,
        })
    }

    pub(super) fn text(&self, variable: &str) -> &str {
        self.by_variable
            .get(variable)
            .map_or("", |value| value.trim())
    }

    pub(super) fn given(&self, variable: &str) -> Option<String> {
        Some(self.text(variable))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    pub(super) fn secret(&self, variable: &str) -> Option<SecretString> {
        self.given(variable).map(SecretString::from)
    }

    pub(super) fn list(&self, variable: &str) -> Vec<String> {
        self.text(variable)
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn parse<T: FromStr>(&self, variable: &'static str) -> Result<T, ConfigError> {
        self.text(variable)
            .parse()
            .map_err(|_| Self::problem(variable, &format!("does not read as {}", kind_of::<T>())))
    }

    pub(super) fn problem(variable: &'static str, problem: &str) -> ConfigError {
        let key = SETTINGS
            .iter()
            .find(|setting| setting.variable == variable)
            .map_or("", |setting| setting.key);
        ConfigError::Value {
            variable,
            key,
            problem: problem.to_owned(),
        }
    }

    pub(super) fn needed(
        &self,
        variable: &'static str,
        because: &str,
    ) -> Result<SecretString, ConfigError> {
        self.secret(variable).ok_or_else(|| {
            Self::problem(
                variable,
                &format!("is missing; {because} is set, which needs it"),
            )
        })
    }

    pub(super) fn address(&self, variable: &'static str) -> String {
        self.text(variable).trim_end_matches('/').to_owned()
    }

    /// Every secret setting that has a value.
    pub(super) fn held(&self) -> Vec<(&'static str, SecretString)> {
        SETTINGS
            .iter()
            .filter(|setting| setting.exposure == Exposure::Secret)
            .filter_map(|setting| Some((setting.variable, self.secret(setting.variable)?)))
            .collect()
    }

    pub(super) fn encryption_keys(&self) -> Result<Option<EncryptionKeys>, ConfigError> {
        const NAME: &str = "DECKHAND_ENCRYPTION_KEYS";
        self.given(NAME)
            .map(|text| EncryptionKeys::read(&text))
            .transpose()
            .map_err(|error| Self::problem(NAME, &error.to_string()))
    }

    pub(super) fn slack(&self) -> Result<Option<SlackConfig>, ConfigError> {
        let bot_token = self.secret("SLACK_BOT_TOKEN");
        let install = match self.given("SLACK_CLIENT_ID") {
            Some(client_id) => Some(InstallConfig {
                client_id,
                client_secret: self.needed("SLACK_CLIENT_SECRET", "SLACK_CLIENT_ID")?,
                teams: self.list("SLACK_INSTALL_TEAMS"),
            }),
            None => None,
        };
        if bot_token.is_none() && install.is_none() {
            return Ok(None);
        }
        let (signing_secret, app_token) = (
            self.secret("SLACK_SIGNING_SECRET"),
            self.secret("SLACK_APP_TOKEN"),
        );
        if signing_secret.is_none() && app_token.is_none() {
            return Err(Self::problem(
                "SLACK_SIGNING_SECRET",
                "is needed where SLACK_BOT_TOKEN or SLACK_CLIENT_ID is set, or SLACK_APP_TOKEN in its place",
            ));
        }
        let is_app_token = |token: &SecretString| token.expose_secret().starts_with("xapp-");
        if app_token.as_ref().is_some_and(|token| !is_app_token(token)) {
            return Err(Self::problem(
                "SLACK_APP_TOKEN",
                "is no app-level token; those begin with `xapp-`",
            ));
        }
        Ok(Some(SlackConfig {
            bot_token,
            install,
            signing_secret,
            app_token,
            connections: self.parse::<u32>("SLACK_CONNECTIONS")?.clamp(1, 10),
            rate_factor: self.parse::<u16>("SLACK_RATE_FACTOR")?.clamp(1, 1_000),
            api_url: self.address("SLACK_API_URL"),
        }))
    }

    pub(super) fn linear(&self) -> Result<Option<LinearConfig>, ConfigError> {
        let Some(client_id) = self.given("LINEAR_CLIENT_ID") else {
            return Ok(None);
        };
        Ok(Some(LinearConfig {
            client_id,
            client_secret: self.needed("LINEAR_CLIENT_SECRET", "LINEAR_CLIENT_ID")?,
            webhook_secret: self.needed("LINEAR_WEBHOOK_SECRET", "LINEAR_CLIENT_ID")?,
            api_url: self.address("LINEAR_API_URL"),
            uploads_url: self.address("LINEAR_UPLOADS_URL"),
        }))
    }

    pub(super) fn github(&self) -> Result<GithubConfig, ConfigError> {
        let sign_in = if self.given("GITHUB_APP_ID").is_some() {
            let key = self.needed("GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_ID")?;
            let key = if key.expose_secret().contains("-----BEGIN") {
                key
            } else {
                let read = std::fs::read_to_string(key.expose_secret());
                SecretString::from(read.map_err(|error| {
                    Self::problem(
                        "GITHUB_APP_PRIVATE_KEY",
                        &format!("is neither PEM text nor a readable file: {}", error.kind()),
                    )
                })?)
            };
            GithubSignIn::App {
                id: self.parse("GITHUB_APP_ID")?,
                key,
            }
        } else {
            self.secret("GITHUB_TOKEN")
                .map_or(GithubSignIn::None, GithubSignIn::Token)
        };
        Ok(GithubConfig {
            sign_in,
            webhook_secret: self.secret("GITHUB_WEBHOOK_SECRET"),
            api_url: self.address("GITHUB_API_URL"),
            url: self.address("GITHUB_URL"),
        })
    }

    pub(super) fn providers(&self) -> BTreeMap<&'static str, Provider> {
        [
            ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
            ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
            ("gemini", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
        ]
        .into_iter()
        .filter_map(|(name, key, base)| {
            Some((
                name,
                Provider {
                    key: self.secret(key)?,
                    base_url: self.address(base).into(),
                },
            ))
        })
        .collect()
    }
}

fn kind_of<T>() -> &'static str {
    match std::any::type_name::<T>() {
        "bool" => "`true` or `false`",
        name if name.ends_with("CanceledWork") => "`keep` or `drop`",
        name if name.contains("SocketAddr") => "an address with a port, such as 127.0.0.1:8080",
        _ => "a number",
    }
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&path, inner, into),
            toml::Value::String(text) => drop(into.insert(path, text.clone())),
            toml::Value::Array(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| {
                        item.as_str()
                            .map_or_else(|| item.to_string(), str::to_owned)
                    })
                    .collect();
                into.insert(path, items.join(","));
            }
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => drop(into.insert(path, value.to_string())),
        }
    }
}
