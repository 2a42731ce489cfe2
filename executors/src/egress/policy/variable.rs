//! The name of a variable in which a sandbox holds a placeholder: any that is nobody else's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::egress::way_out_environment;

/// The longest name, in bytes.
const MAX_BYTES: usize = 64;

/// Variables by which the system, shells, languages and agents find their way, or run something.
const TAKEN: [&str; 29] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "TERM",
    "HOSTNAME",
    "TZ",
    "CI",
    "IFS",
    "ENV",
    "PAGER",
    "EDITOR",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYOPT",
    "PERL5OPT",
    "JAVA_TOOL_OPTIONS",
    "NPM_CONFIG_UPDATE_NOTIFIER",
    "ENABLE_TOOL_SEARCH",
    "INITIAL_AGENT_MODE",
    "NO_BROWSER",
];
/// Beginnings of names: the loader's, Deckhand's, git's settings, shells', and those in which agents look for models
/// and their keys.
const BEGINNINGS: [&str; 18] = [
    "LD_",
    "DYLD_",
    "LC_",
    "XDG_",
    "BASH_",
    "DECKHAND_",
    "GIT_CONFIG",
    "GIT_SSL",
    "GIT_SSH",
    "ANTHROPIC_",
    "CLAUDE_",
    "OPENAI_",
    "CODEX_",
    "GEMINI_",
    "GOOGLE_",
    "GOOSE_",
    "OPENCODE_",
    "DISABLE_",
];

/// The name of a variable that is free.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength" = MAX_BYTES))]
pub struct VariableName(String);

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VariableName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown = text.chars().take(MAX_BYTES).collect::<String>();
        let shown = shown.escape_debug();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins = text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if !begins || text.len() > MAX_BYTES || !text.bytes().all(plain) {
            return Err(format!(
                "`{shown}` is no name of a variable; write letters, figures and `_`, as in NPM_TOKEN"
            ));
        }
        if is_reserved(&text) {
            return Err(format!(
                "`{shown}` is used by the sandbox itself, its proxy or its agent; write the variable in which a tool looks for its token, as in NPM_TOKEN"
            ));
        }
        Ok(Self(text))
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

/// Whether somebody else needs the variable, in whatever spelling: programs disagree about capital letters.
fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    TAKEN.contains(&name.as_str())
        || name.ends_with("_PROXY")
        || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
        || way_out_environment()
            .keys()
            .any(|known| known.eq_ignore_ascii_case(&name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::agent::{AgentProfile, ModelName, PriceTable, sandbox_environment};

    fn read(name: &str) -> Result<VariableName, String> {
        VariableName::try_from(name.to_owned())
    }

    #[test]
    fn what_tools_look_for_is_free_and_what_a_sandbox_lives_by_is_not() {
        for name in [
            "NPM_TOKEN",
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "NODE_AUTH_TOKEN",
            "npm_config__authToken",
            "TRACKER_MCP_TOKEN",
        ] {
            read(name).unwrap();
        }
        for name in [
            "PATH",
            "path",
            "HOME",
            "https_proxy",
            "FTP_PROXY",
            "SSL_CERT_FILE",
            "node_extra_ca_certs",
            "LD_PRELOAD",
            "DECKHAND_X",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "BASH_ENV",
            "NODE_OPTIONS",
        ] {
            let refused = read(name).unwrap_err();
            assert!(
                refused.starts_with(&format!("`{name}` is used by")),
                "{refused}"
            );
        }
        for name in ["", "1X", "A-B", "A B", "A=B", "Ä", &"X".repeat(65)] {
            let refused = read(name).unwrap_err();
            assert!(refused.contains("is no name of a variable"), "{refused}");
        }
    }

    #[test]
    fn no_variable_of_any_agent_is_free() {
        let mut taken: Vec<String> = sandbox_environment().into_keys().collect();
        for profile in AgentProfile::all().unwrap() {
            for provider in profile.providers() {
                let model = ModelName::try_from("m".to_owned()).unwrap();
                let launch = profile
                    .launch(provider, &model, &PriceTable::built_in(), &"key".into())
                    .unwrap();
                taken.extend(launch.environment.into_keys());
            }
        }
        let free: Vec<&String> = taken.iter().filter(|name| read(name).is_ok()).collect();
        assert_eq!(free, Vec::<&String>::new());
    }
}
