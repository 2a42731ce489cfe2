//! One rule of a policy: which hosts, ports, methods and paths, in which phases, and what is done there.

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{address::Reach, host::HostPattern, path::PathPrefix, variable::VariableName};

/// The most hosts of one rule.
const MAX_HOSTS: usize = 100;
/// The most ports of one rule.
const MAX_PORTS: usize = 16;
/// The most methods of one rule.
const MAX_METHODS: usize = 16;
/// The most paths of one rule.
const MAX_PATHS: usize = 100;
/// The longest name of a method or of a credential, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// The port of TLS, and of a rule that names none.
pub const TLS_PORT: u16 = 443;
/// The port of plain HTTP.
pub const HTTP_PORT: u16 = 80;

/// The part of a run that decides what it may reach.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Dependencies are fetched: what is listed for it, and no model.
    Setup,
    /// The agent works: the models, and what is listed for this phase.
    Work,
    /// Checks run: nothing, unless a rule names this phase.
    Proof,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Setup => "setup",
            Self::Work => "work",
            Self::Proof => "proof",
        })
    }
}

/// What the proxy does with TLS to a host.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// It is passed on unseen, so neither methods nor paths can be decided.
    Tunnel,
    /// It is ended at the proxy and begun anew behind it, so that each request is decided.
    #[default]
    Inspect,
}

/// What a rule does.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It lets through what it covers.
    #[default]
    Allow,
    /// It refuses what it covers, whatever other rules and people allow.
    Deny,
}

/// What of git's protocol is let through.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GitAccess {
    /// Clones and fetches; never a push.
    Read,
}

/// A method in capital letters, without those by which proxies are asked and requests echoed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Z][A-Z-]*$", "maxLength" = MAX_NAME_BYTES))]
pub struct MethodName(String);

impl TryFrom<String> for MethodName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown = text.chars().take(MAX_NAME_BYTES).collect::<String>();
        let shown = shown.escape_debug();
        if matches!(text.as_str(), "CONNECT" | "TRACE") {
            return Err(format!(
                "`{shown}` cannot be allowed by a rule; write GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
            ));
        }
        let plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.bytes().all(plain) {
            return Err(format!(
                "`{shown}` is no method; methods are written in capital letters, as in GET or POST"
            ));
        }
        Ok(Self(text))
    }
}

impl From<MethodName> for String {
    fn from(name: MethodName) -> Self {
        name.0
    }
}

/// A port, from 1 to 65535.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "i64", into = "i64")]
#[schemars(with = "u16", extend("minimum" = 1))]
pub struct Port(pub u16);

impl TryFrom<i64> for Port {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        u16::try_from(number)
            .ok()
            .filter(|port| *port != 0)
            .map(Self)
            .ok_or_else(|| format!("`{number}` is no port; write a number from 1 to 65535"))
    }
}

impl From<Port> for i64 {
    fn from(port: Port) -> Self {
        Self::from(port.0)
    }
}

/// A rule as it is written in a policy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// Names of hosts: `packages.example`, or `*.cdn.example` for all names below it. Never an address in figures.
    hosts: Vec<HostPattern>,
    /// Ports; 443 where none are named.
    ports: Option<Vec<Port>>,
    /// Methods in capital letters; where none are named, GET and HEAD, and for a rule that denies, all.
    methods: Option<Vec<MethodName>>,
    /// Beginnings of paths, such as `/simple/`; where none are named, all paths.
    paths: Option<Vec<PathPrefix>>,
    /// Phases; where none are named, setup and work, and for a rule that denies, all.
    phases: Option<Vec<Phase>>,
    /// Which addresses the names may lead to: `public` (the internet) or `house` (private networks too).
    addresses: Option<Reach>,
    /// What is done with TLS: `inspect` sees each request; `tunnel` passes bytes unseen and takes no methods, paths,
    /// git or credential.
    tls: Option<Tls>,
    /// The name of a credential from the settings, added to exactly what this rule lets through.
    credential: Option<String>,
    /// A variable of the sandbox in the rule's phases, for tools that insist on one: it holds a placeholder in the shape
    /// of the credential, which is worth nothing anywhere, and in whose place the credential goes to this rule's hosts.
    variable: Option<VariableName>,
    /// `read` lets clones and fetches through below the rule's paths, and never a push.
    git: Option<GitAccess>,
    /// `allow`, or `deny`, which stands above every rule, preset and person that allows.
    action: Option<Action>,
}

/// A rule that makes sense.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "RuleText")]
#[schemars(with = "RuleText")]
pub struct PolicyRule {
    pub(super) hosts: BTreeSet<HostPattern>,
    pub(super) ports: BTreeSet<Port>,
    /// `None`: those that the action and the way of speaking bring.
    pub(super) methods: Option<BTreeSet<MethodName>>,
    /// `None`: all.
    pub(super) paths: Option<BTreeSet<PathPrefix>>,
    pub(super) phases: BTreeSet<Phase>,
    pub(super) addresses: Reach,
    pub(super) tls: Tls,
    pub(super) credential: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) variable: Option<VariableName>,
    pub(super) git: Option<GitAccess>,
    pub(super) action: Action,
}

// Every sentence begins with the name of the field that is wrong, in backticks: the reader finds its line by that.
impl TryFrom<RuleText> for PolicyRule {
    type Error = String;

    fn try_from(text: RuleText) -> Result<Self, String> {
        let action = text.action.unwrap_or_default();
        agrees(&text, action)?;
        let hosts = set("hosts", Some(text.hosts), MAX_HOSTS)?.unwrap_or_default();
        let ports = set("ports", text.ports, MAX_PORTS)?
            .unwrap_or_else(|| BTreeSet::from([Port(TLS_PORT)]));
        let phases = set("phases", text.phases, 3)?.unwrap_or_else(|| match action {
            Action::Allow => BTreeSet::from([Phase::Setup, Phase::Work]),
            Action::Deny => BTreeSet::from([Phase::Setup, Phase::Work, Phase::Proof]),
        });
        if let Some(name) = &text.credential
            && !is_plain_name(name)
        {
            return Err(
                "`credential` is no name of a credential; write small letters, figures, `-` and `_`"
                    .to_owned(),
            );
        }
        Ok(Self {
            hosts,
            ports,
            methods: set("methods", text.methods, MAX_METHODS)?,
            paths: set("paths", text.paths, MAX_PATHS)?,
            phases,
            addresses: text.addresses.unwrap_or_default(),
            tls: text.tls.unwrap_or_default(),
            credential: text.credential,
            variable: text.variable,
            git: text.git,
            action,
        })
    }
}

/// Whether the parts of a rule go together.
fn agrees(text: &RuleText, action: Action) -> Result<(), String> {
    let given = [
        ("methods", text.methods.is_some()),
        ("paths", text.paths.is_some()),
        ("credential", text.credential.is_some()),
        ("variable", text.variable.is_some()),
        ("git", text.git.is_some()),
    ];
    if text.tls == Some(Tls::Tunnel)
        && let Some((field, _)) = given.iter().find(|(_, given)| *given)
    {
        return Err(format!(
            "`{field}` cannot be kept in a tunnel, whose bytes are unseen; write `\"tls\": \"inspect\"` or leave `{field}` out"
        ));
    }
    if text.variable.is_some() && text.credential.is_none() {
        return Err(
            "`variable` stands for a credential; name it in `credential`, or leave `variable` out"
                .to_owned(),
        );
    }
    if text.git.is_some() && text.methods.is_some() {
        return Err(
            "`methods` and `git` do not go together: `git` brings its own methods; leave `methods` out"
                .to_owned(),
        );
    }
    let of_allow = [
        ("addresses", text.addresses.is_some()),
        ("tls", text.tls.is_some()),
        ("credential", text.credential.is_some()),
        ("variable", text.variable.is_some()),
        ("git", text.git.is_some()),
    ];
    if action == Action::Deny
        && let Some((field, _)) = of_allow.iter().find(|(_, given)| *given)
    {
        return Err(format!(
            "`{field}` says nothing in a rule that denies; leave it out"
        ));
    }
    Ok(())
}

/// A list without repetition, neither empty nor too long.
fn set<T: Ord + Serialize>(
    field: &str,
    list: Option<Vec<T>>,
    limit: usize,
) -> Result<Option<BTreeSet<T>>, String> {
    let Some(list) = list else { return Ok(None) };
    if list.is_empty() {
        return Err(format!(
            "`{field}` is empty, which would cover nothing; name some, or leave the rule out"
        ));
    }
    if list.len() > limit {
        return Err(format!(
            "`{field}` has {} entries; {limit} are the limit of one rule: make two of it",
            list.len()
        ));
    }
    let mut set = BTreeSet::new();
    for item in list {
        if set.contains(&item) {
            let twice = serde_json::to_string(&item).unwrap_or_default();
            return Err(format!("`{field}` names {twice} twice; once is enough"));
        }
        set.insert(item);
    }
    Ok(Some(set))
}

fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

impl PolicyRule {
    /// A rule for one host that reads only, by inspected requests: what presets are made of.
    pub(super) fn reading(host: HostPattern, ports: &[u16], phases: &[Phase]) -> Self {
        let names = ["GET", "HEAD"].map(|name| MethodName(name.to_owned()));
        Self {
            hosts: BTreeSet::from([host]),
            ports: ports.iter().copied().map(Port).collect(),
            methods: Some(BTreeSet::from(names)),
            paths: None,
            phases: phases.iter().copied().collect(),
            addresses: Reach::Public,
            tls: Tls::Inspect,
            credential: None,
            variable: None,
            git: None,
            action: Action::Allow,
        }
    }

    /// A rule for one host of the house, tunnelled, in the setup phase: what a list of hosts in the settings means.
    pub(super) fn of_setup(host: HostPattern, ports: &[u16]) -> Self {
        Self {
            methods: None,
            addresses: Reach::House,
            tls: Tls::Tunnel,
            ..Self::reading(host, ports, &[Phase::Setup])
        }
    }

    /// The variable that stands for another credential in another rule, with both credentials.
    pub(super) fn contradicts<'a>(
        &'a self,
        other: &'a Self,
    ) -> Option<(&'a str, &'a str, &'a str)> {
        let (mine, others) = (self.variable.as_ref()?, other.variable.as_ref()?);
        let (one, two) = (self.credential.as_deref()?, other.credential.as_deref()?);
        (mine == others && one != two && !self.phases.is_disjoint(&other.phases))
            .then(|| (mine.as_str(), one, two))
    }

    /// The first of its patterns that covers a host.
    pub(super) fn covering(&self, host: &str) -> Option<&HostPattern> {
        self.hosts.iter().find(|pattern| pattern.covers(host))
    }

    /// Whether it covers a port.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&Port(port))
    }

    /// Whether it decides by more than host, port and phase.
    pub(super) fn is_partial(&self) -> bool {
        self.methods.is_some() || self.paths.is_some()
    }

    /// Whether one of its methods is this one. `None` where it names no methods.
    pub(super) fn names_method(&self, method: &str) -> Option<bool> {
        self.methods
            .as_ref()
            .map(|names| names.iter().any(|name| name.0 == method))
    }

    /// Its methods as they are written.
    pub(super) fn method_names(&self) -> impl Iterator<Item = &str> {
        self.methods.iter().flatten().map(|name| name.0.as_str())
    }
}
