//! A network policy as it is written: JSON, read whole or refused with its line.

use std::{collections::BTreeMap, fmt};

use schemars::{JsonSchema, schema_for};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    EgressPolicy,
    host::HostPattern,
    presets,
    rule::{HTTP_PORT, Phase, PolicyRule, TLS_PORT},
};

/// The largest document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// The most rules of one section.
const MAX_RULES: usize = 200;
/// The most repositories of a document.
const MAX_REPOSITORIES: usize = 500;
/// The longest name of a repository or of a runtime, in bytes.
const MAX_NAME_BYTES: usize = 200;

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PolicyError {
    /// The line, from 1; 0 where the text did not come from a document.
    pub line: usize,
    /// The column, from 1; 0 where only the line is known.
    pub column: usize,
    /// A sentence that says what is wrong and what to write instead.
    pub reason: String,
}

/// The network policy of an installation: what every repository may reach, and what single ones may beyond that.
///
/// Its default allows nothing.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Deckhand's network policy")]
pub struct PolicyDocument {
    /// The version of this form: 1.
    #[expect(dead_code, reason = "reading it is what checks it")]
    #[schemars(with = "u8", extend("const" = 1))]
    version: Version,
    /// What holds for every repository.
    #[serde(default)]
    default: Section,
    /// What holds for single repositories, by `owner/name`: their rules come on top, their preset takes the place of
    /// the default's.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Section>")]
    repositories: Repositories,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Section {
    /// What is allowed besides the rules. `none`: nothing. `trusted`: the package registries of the sandbox's image in
    /// setup and work, and hosts of documentation in work, to read only. `open`: every public host on 443 and 80.
    preset: Option<Preset>,
    /// Rules; the first that lets a request through counts, and rules that deny stand above all others.
    #[serde(default)]
    rules: Rules,
    /// The OCI runtime of the sandboxes, such as `runc`, `runsc` or `kata`.
    runtime: Option<Runtime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Preset {
    None,
    Trusted,
    Open,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "u64")]
struct Version;

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number == 1 {
            Ok(Self)
        } else {
            Err(format!(
                "version {number} is not known here; write `\"version\": 1`"
            ))
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<PolicyRule>")]
#[schemars(with = "Vec<PolicyRule>")]
struct Rules(Vec<PolicyRule>);

impl TryFrom<Vec<PolicyRule>> for Rules {
    type Error = String;

    fn try_from(rules: Vec<PolicyRule>) -> Result<Self, String> {
        if rules.len() > MAX_RULES {
            return Err(format!(
                "`rules` has {} entries; {MAX_RULES} are the limit: name more hosts in one rule",
                rules.len()
            ));
        }
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].contains(rule) {
                return Err(format!(
                    "`rules` has rule {} twice; leave one of them out",
                    index + 1
                ));
            }
            if let Some((variable, one, other)) = rules[..index]
                .iter()
                .find_map(|before| before.contradicts(rule))
            {
                return Err(format!(
                    "`variable` {variable} stands for `{one}` and for `{other}` in one phase; name another variable for one of them"
                ));
            }
        }
        Ok(Self(rules))
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength" = MAX_NAME_BYTES))]
struct Runtime(String);

impl TryFrom<String> for Runtime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= MAX_NAME_BYTES && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err("the runtime is no name; write one that the engine knows, such as `runc` or `runsc`".to_owned())
        }
    }
}

/// Sections by the repository's name in small letters, as GitHub does not tell cases apart.
#[derive(Debug, Clone, Default)]
struct Repositories(BTreeMap<String, Section>);

impl<'de> Deserialize<'de> for Repositories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Repositories;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with repositories as `owner/name`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repositories, A::Error> {
                let mut sections = BTreeMap::new();
                while let Some(name) = map.next_key::<RepositoryName>()? {
                    if sections.contains_key(&name.0) {
                        return Err(A::Error::custom(format!(
                            "the repository `{}` is there twice; put its rules into one entry",
                            name.0
                        )));
                    }
                    if sections.len() == MAX_REPOSITORIES {
                        return Err(A::Error::custom(format!(
                            "there are more than {MAX_REPOSITORIES} repositories; put what they share into `default`"
                        )));
                    }
                    let section = map.next_value()?;
                    sections.insert(name.0, section);
                }
                Ok(Repositories(sections))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RepositoryName(String);

impl TryFrom<String> for RepositoryName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(plain);
        match text.split_once('/') {
            Some((owner, name))
                if is_part(owner) && is_part(name) && text.len() <= MAX_NAME_BYTES =>
            {
                Ok(Self(text.to_ascii_lowercase()))
            }
            Some(_) | None => Err(format!(
                "`{}` is no repository; write `owner/name`",
                text.chars().take(80).collect::<String>().escape_debug()
            )),
        }
    }
}

impl PolicyDocument {
    /// Reads a document of at most 256 KiB. What is not understood is refused, never skipped.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(PolicyError {
                line: 1,
                column: 1,
                reason: format!(
                    "the policy has {} bytes; {MAX_DOCUMENT_BYTES} are the limit",
                    text.len()
                ),
            });
        }
        serde_json::from_str(text).map_err(|error| locate(text, &error))
    }

    /// The form of a document as JSON Schema.
    #[must_use]
    pub fn schema() -> Value {
        schema_for!(PolicyDocument).to_value()
    }

    /// Adds hosts, as `host` or `host:port`, which may stand in the house and are reached by tunnels in the setup
    /// phase: the simplest policy, for which nobody has to write a document.
    pub fn with_setup_hosts(mut self, hosts: &[String]) -> Result<Self, PolicyError> {
        for host in hosts {
            let (host, ports) = host_and_ports(host).map_err(|reason| PolicyError {
                line: 0,
                column: 0,
                reason,
            })?;
            self.default
                .rules
                .0
                .push(PolicyRule::of_setup(host, &ports));
        }
        Ok(self)
    }

    /// What holds for a repository, `owner/name`. `registries` are the hosts, with a port or without, that the preset
    /// `trusted` lets read; those that are no names of hosts are left out.
    #[must_use]
    pub fn for_repository(&self, name: &str, registries: &[String]) -> EgressPolicy {
        let own = self.repositories.0.get(&name.to_ascii_lowercase());
        let preset = own
            .and_then(|section| section.preset)
            .or(self.default.preset)
            .unwrap_or(Preset::None);
        // The repository's own first: the first that lets a request through counts, and it may bring a credential.
        let mut policy = EgressPolicy::default();
        for section in own.into_iter().chain([&self.default]) {
            policy.rules.extend(section.rules.0.iter().cloned());
        }
        match preset {
            Preset::None => {}
            Preset::Trusted => {
                let registries = registries
                    .iter()
                    .filter_map(|host| host_and_ports(host).ok())
                    .map(|(host, ports)| {
                        PolicyRule::reading(host, &ports, &[Phase::Setup, Phase::Work])
                    });
                policy.trusted.extend(registries);
                policy.trusted.extend(presets::documentation());
            }
            Preset::Open => policy.is_open = true,
        }
        policy
    }

    /// The OCI runtime that the policy wants for a repository's sandboxes, where it wants one.
    #[must_use]
    pub fn runtime(&self, repository: &str) -> Option<&str> {
        let own = self.repositories.0.get(&repository.to_ascii_lowercase());
        own.and_then(|section| section.runtime.as_ref())
            .or(self.default.runtime.as_ref())
            .map(|runtime| runtime.0.as_str())
    }

    /// The names of all runtimes that it wants, each once.
    #[must_use]
    pub fn runtimes(&self) -> Vec<&str> {
        let sections = self.repositories.0.values().chain([&self.default]);
        let mut names: Vec<&str> = sections
            .filter_map(|section| Some(section.runtime.as_ref()?.0.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The names of all credentials that rules ask for, each once.
    #[must_use]
    pub fn credentials(&self) -> Vec<&str> {
        let sections = self.repositories.0.values().chain([&self.default]);
        let mut names: Vec<&str> = sections
            .flat_map(|section| &section.rules.0)
            .filter_map(|rule| rule.credential.as_deref())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// `host` means the two ports of the web, `host:port` that one.
fn host_and_ports(text: &str) -> Result<(HostPattern, Vec<u16>), String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => {
            let port: u16 = port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("the port of `{text}` is none; write `host:port`"))?;
            Ok((HostPattern::parse(host)?, vec![port]))
        }
        Some(_) | None => Ok((HostPattern::parse(text)?, vec![TLS_PORT, HTTP_PORT])),
    }
}

/// Where an error is, in the reader's words. What contradicts itself within a rule is only seen at the rule's end; its
/// sentence begins with the field, and the last place of that name before the end is meant.
fn locate(text: &str, error: &serde_json::Error) -> PolicyError {
    let (mut line, mut column) = (error.line(), error.column());
    let said = error.to_string();
    let place = format!(" at line {line} column {column}");
    let reason = said.strip_suffix(&place).unwrap_or(&said).to_owned();
    let field = reason
        .strip_prefix('`')
        .and_then(|rest| rest.split_once('`'))
        .map(|(field, _)| format!("\"{field}\""));
    if let Some(field) = field
        && error.is_data()
    {
        let before = end_of_place(text, line, column);
        if let Some(found) = text[..before].rfind(&field) {
            let start = text[..found].rfind('\n').map_or(0, |newline| newline + 1);
            line = text[..found].matches('\n').count() + 1;
            column = text[start..found].chars().count() + 1;
        }
    }
    PolicyError {
        line,
        column,
        reason,
    }
}

/// The byte in front of which a line and column (from 1, in bytes) stand, never inside of a character.
fn end_of_place(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let mut end = (start + column).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
