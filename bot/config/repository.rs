//! Settings of one repository, `[[repository]]` in the file, and the MCP servers that its agents are told of.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::Address;
use crate::domain::specification::RepositoryName;

/// The longest name, in bytes; agents put it before the names of tools, which providers limit to 64.
const NAME_MAX_BYTES: usize = 24;
/// The longest address, in bytes.
const URL_MAX_BYTES: usize = 500;
/// The name of the session's own tools.
const OWN_NAME: &str = "deckhand";

/// Settings of one repository: `[[repository]]` in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfig {
    /// `owner/name`.
    pub name: RepositoryName,
    /// Its address, where it is not on GitHub: `https`, `http`, `ssh` or `file`. Then no pull request is made; the branch is pushed.
    #[serde(default)]
    pub url: Option<Address>,
    /// What makes a fresh checkout usable, run with the registries in reach.
    #[serde(default)]
    pub setup: Option<String>,
    /// Channels or teams whose tasks mean this repository where they name none.
    #[serde(default)]
    pub places: Vec<String>,
    /// Labels or projects whose issues mean this repository where they name none. They go before places.
    #[serde(default)]
    pub labels: Vec<String>,
    /// How long a task of it may work before it asks, in minutes, where that is not the usual time.
    #[serde(default)]
    pub task_minutes: Option<NonZeroU32>,
    /// MCP servers that its agents are told of.
    #[serde(default)]
    pub mcp: Vec<McpSetting>,
}

/// One server. What may be reached there and with which credential says the network policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Text")]
pub struct McpSetting {
    /// Its name.
    pub name: String,
    /// Its address, of MCP's streamable HTTP.
    pub url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    url: String,
}

// No sentence holds the value: an address may have a token in it, and is refused for that.
impl TryFrom<Text> for McpSetting {
    type Error = &'static str;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        let Text { name, url } = text;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > NAME_MAX_BYTES || !name.bytes().all(is_plain) {
            return Err("the `name` of an MCP server has 1 to 24 small letters, figures and `-`");
        }
        if name == OWN_NAME {
            return Err(
                "an MCP server cannot be called `deckhand`, which the session's own tools are",
            );
        }
        let host = url.strip_prefix("https://").unwrap_or_default();
        let is_whole = !host.is_empty() && !host.starts_with('/') && url.len() <= URL_MAX_BYTES;
        let is_bare =
            !url.contains(['@', '?', '#', '\\']) && url.bytes().all(|b| b.is_ascii_graphic());
        if !is_whole || !is_bare {
            return Err(
                "the `url` of an MCP server is `https://host/path`, without a user, a query or a token: a credential belongs into a rule of the network policy",
            );
        }
        Ok(Self { name, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, url: &str) -> Result<McpSetting, String> {
        let text = format!("name = {name:?}\nurl = {url:?}\n");
        toml::from_str(&text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_server_has_a_name_for_tools_and_an_address_without_a_secret() {
        assert!(read("tracker", "https://mcp.example:8443/mcp").is_ok());
        for (name, url, said) in [
            ("", "https://mcp.example/mcp", "the `name`"),
            ("Tracker", "https://mcp.example/mcp", "the `name`"),
            ("deckhand", "https://mcp.example/mcp", "cannot be called"),
            ("tracker", "http://mcp.example/mcp", "the `url`"),
            ("tracker", "https://", "the `url`"),
            ("tracker", "https:///mcp", "the `url`"),
            ("tracker", "https://canary@mcp.example/mcp", "the `url`"),
            ("tracker", "https://mcp.example/mcp?key=canary", "the `url`"),
        ] {
            let error = read(name, url).expect_err("it is refused");
            assert!(error.contains(said) && !error.contains("canary"), "{error}");
        }
    }
}
