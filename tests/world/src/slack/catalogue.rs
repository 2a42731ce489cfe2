//! What Slack says of its methods: arguments, scopes and errors, read from published descriptions.
//!
//! The descriptions are data of another project and are not part of this one; a folder with them is named by
//! `CONFORMANCE_DIR`. Where it is absent, the methods that this project knows itself stand in; those have no errors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::known_methods::{KNOWN, Known};

/// Where the descriptions of methods come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogueSource {
    /// A folder of published descriptions.
    Folder(PathBuf),
    /// The methods that this project knows itself: arguments and scopes, without errors.
    BuiltIn,
}

/// The type that a description gives an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentType {
    Text,
    Flag,
    Number,
    List,
    Any,
}

#[derive(Clone, Debug)]
pub(crate) struct ArgumentSpec {
    pub(crate) kind: ArgumentType,
    pub(crate) required: bool,
}

/// What is known of one method.
#[derive(Clone, Debug, Default)]
pub(crate) struct MethodSpec {
    pub(crate) arguments: BTreeMap<String, ArgumentSpec>,
    /// Scopes of which a bot needs one; empty where it needs none.
    pub(crate) scopes: Vec<String>,
    /// The errors that the method documents; empty where they are not known.
    pub(crate) errors: BTreeSet<String>,
}

/// Everything known of Slack's methods.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) source: CatalogueSource,
    pub(crate) methods: BTreeMap<String, MethodSpec>,
    pub(crate) common_errors: BTreeSet<String>,
}

/// Methods that are newer than the published descriptions: required arguments, then the others.
const NEWER: &[(&str, &[&str], &[&str])] = &[
    (
        "agents.sessions.setStatus",
        &["channel_id", "thread_ts", "status"],
        &[
            "title",
            "initiator_user_id",
            "icon_emoji",
            "icon_url",
            "username",
        ],
    ),
    (
        "agents.sessions.rename",
        &["channel_id", "thread_ts", "title"],
        &[],
    ),
];

/// Arguments that are newer than the published descriptions.
const NEWER_ARGUMENTS: &[(&str, &str)] = &[
    ("chat.postMessage", "client_msg_id"),
    ("chat.update", "unfurl_links"),
    ("chat.update", "unfurl_media"),
    ("files.completeUploadExternal", "username"),
    ("views.open", "user_id"),
];

#[derive(Deserialize)]
struct PublishedMethod {
    #[serde(default)]
    args: BTreeMap<String, PublishedArgument>,
    #[serde(default)]
    errors: BTreeMap<String, String>,
    #[serde(default)]
    scopes: PublishedScopes,
}

#[derive(Deserialize)]
struct PublishedArgument {
    #[serde(default)]
    required: bool,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Default, Deserialize)]
struct PublishedScopes {
    #[serde(default)]
    bot: Vec<PublishedScope>,
}

#[derive(Deserialize)]
struct PublishedScope {
    name: String,
}

impl Catalogue {
    /// Reads the given folder, else the one of `CONFORMANCE_DIR`, else the one beside the project; where none is
    /// there the built-in list serves, and the log says so.
    pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Self> {
        match folder {
            Some(folder) if folder.is_dir() => Self::read(folder),
            Some(folder) => bail!(
                "there is no folder of Slack's method descriptions at {}",
                folder.display()
            ),
            None => {
                let usual = usual_folder();
                if usual.is_dir() {
                    return Self::read(&usual);
                }
                tracing::warn!(
                    folder = %usual.display(),
                    "Slack's method descriptions are absent: calls are checked against the methods that are known here"
                );
                Ok(Self::built_in())
            }
        }
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut methods = BTreeMap::new();
        let mut common_errors = BTreeSet::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path
                .file_name()
                .and_then(|name| name.to_str()?.strip_suffix(".json"))
            else {
                continue;
            };
            let text = std::fs::read_to_string(&path)?;
            if name == "common_errors" {
                let errors: BTreeMap<String, String> = serde_json::from_str(&text)?;
                common_errors.extend(errors.into_keys());
                continue;
            }
            let published: PublishedMethod = serde_json::from_str(&text)
                .with_context(|| format!("reading {}", path.display()))?;
            methods.insert(name.to_owned(), MethodSpec::from(published));
        }
        let mut catalogue = Self {
            source: CatalogueSource::Folder(folder.to_owned()),
            methods,
            common_errors,
        };
        catalogue.add_newer();
        Ok(catalogue)
    }

    pub(crate) fn built_in() -> Self {
        let methods = KNOWN
            .iter()
            .map(|known| (known.method.to_owned(), MethodSpec::from(known)));
        let mut catalogue = Self {
            source: CatalogueSource::BuiltIn,
            methods: methods.collect(),
            common_errors: BTreeSet::new(),
        };
        catalogue.add_newer();
        catalogue
    }

    fn add_newer(&mut self) {
        for (name, required, optional) in NEWER {
            let required = required.iter().map(|name| argument(name, true));
            let arguments = required
                .chain(optional.iter().map(|name| argument(name, false)))
                .collect();
            let scopes = vec!["chat:write".to_owned()];
            let spec = MethodSpec {
                arguments,
                scopes,
                ..MethodSpec::default()
            };
            self.methods.entry((*name).to_owned()).or_insert(spec);
        }
        for (method, name) in NEWER_ARGUMENTS {
            if let Some(spec) = self.methods.get_mut(*method) {
                let (name, newer) = argument(name, false);
                spec.arguments.entry(name).or_insert(newer);
            }
        }
    }

    /// Whether the documents of `method` know the error `code`; true where they are not at hand.
    pub(crate) fn documents_error(&self, method: &str, code: &str) -> bool {
        self.methods.get(method).is_none_or(|spec| {
            spec.errors.is_empty()
                || spec.errors.contains(code)
                || self.common_errors.contains(code)
        })
    }
}

impl From<&Known> for MethodSpec {
    fn from(known: &Known) -> Self {
        let of = |words: &'static str, required| {
            words.split_whitespace().map(move |word| {
                let (name, kind) = word.split_once(':').unwrap_or((word, ""));
                let kind = match kind {
                    "text" => ArgumentType::Text,
                    "flag" => ArgumentType::Flag,
                    "number" => ArgumentType::Number,
                    "list" => ArgumentType::List,
                    _ => ArgumentType::Any,
                };
                (name.to_owned(), ArgumentSpec { kind, required })
            })
        };
        let scopes = known.scopes.split_whitespace().map(str::to_owned);
        Self {
            arguments: of(known.required, true)
                .chain(of(known.optional, false))
                .collect(),
            scopes: scopes.collect(),
            errors: BTreeSet::new(),
        }
    }
}

impl From<PublishedMethod> for MethodSpec {
    fn from(published: PublishedMethod) -> Self {
        let arguments = published.args.into_iter().map(|(name, argument)| {
            let kind = match argument.kind.as_deref() {
                Some("string") => ArgumentType::Text,
                Some("boolean") => ArgumentType::Flag,
                Some("integer" | "number") => ArgumentType::Number,
                Some("array") => ArgumentType::List,
                Some(_) | None => ArgumentType::Any,
            };
            (
                name,
                ArgumentSpec {
                    kind,
                    required: argument.required,
                },
            )
        });
        Self {
            arguments: arguments.collect(),
            scopes: published
                .scopes
                .bot
                .into_iter()
                .map(|scope| scope.name)
                .collect(),
            errors: published.errors.into_keys().collect(),
        }
    }
}

fn argument(name: &str, required: bool) -> (String, ArgumentSpec) {
    (
        name.to_owned(),
        ArgumentSpec {
            kind: ArgumentType::Any,
            required,
        },
    )
}

fn usual_folder() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let conformance = std::env::var_os("CONFORMANCE_DIR")
        .map_or_else(|| "../shared/conformance".into(), PathBuf::from);
    project.join(conformance).join("slack/methods")
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::print_stdout,
        reason = "a description that cannot be read is a failed test; a skipped one says so"
    )]

    use super::*;

    /// What is known here is what Slack publishes: no argument, type or scope more or less.
    #[test]
    fn what_is_known_here_is_what_is_published() {
        let folder = usual_folder();
        if !folder.is_dir() {
            println!(
                "skipped: there are no descriptions in {}; set CONFORMANCE_DIR to where they are",
                folder.display()
            );
            return;
        }
        let (published, known) = (Catalogue::read(&folder).unwrap(), Catalogue::built_in());
        for (name, spec) in &known.methods {
            let official = &published.methods[name];
            let shape = |spec: &MethodSpec| -> Vec<(String, ArgumentType, bool)> {
                spec.arguments
                    .iter()
                    .map(|(name, one)| (name.clone(), one.kind, one.required))
                    .collect()
            };
            assert_eq!(shape(spec), shape(official), "{name}");
            assert_eq!(spec.scopes, official.scopes, "{name}");
        }
        assert!(known.methods.len() > 20);
    }

    #[test]
    fn an_argument_that_no_method_has_is_known_to_be_wrong_without_the_descriptions() {
        let known = Catalogue::built_in();
        let read = |form: &str| {
            let kind = "application/x-www-form-urlencoded";
            let arguments = crate::slack::arguments::Arguments::read(
                "views.publish",
                "",
                kind,
                form.as_bytes(),
            );
            arguments.unwrap().faults(&known.methods["views.publish"])
        };
        assert_eq!(read("user_id=U1&view={}"), Vec::<String>::new());
        assert_eq!(
            read("user_id=U1&veiw={}"),
            [
                "[ERROR] missing required field: view",
                "[ERROR] no such argument: veiw"
            ]
        );
    }
}
