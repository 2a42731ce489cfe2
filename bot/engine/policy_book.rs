//! The network policy in force: read from its file, read again when the file changes, and merged with what people decided.
//!
//! A file that cannot be used refuses the start. Later it is refused with its line, and the one before stays in force.

use std::{
    collections::{BTreeSet, HashMap},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use deckhand_executors::{
    Executor, ExecutorError,
    egress::{EgressPolicy, Grant, GrantVerdict, Phase, PolicyDocument, PolicyError},
};
use tracing::{info, warn};

use crate::{
    config::Config,
    domain::{network::NetworkTerms, task::Task},
    store::{Store, StoreError, grants::StoredGrant},
};

/// The label in which an image says which hosts its package managers use, separated by commas.
const REGISTRIES_LABEL: &str = "deckhand.registries";
/// How long the engine may take to say what stands on an image.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The largest policy file, in bytes; a larger one is not even read.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// The ports of the web.
const WEB_PORTS: [u16; 2] = [443, 80];

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The file cannot be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// What is in it is no policy.
    #[error("{file}, line {}, column {}: {}", .error.line, .error.column, .error.reason)]
    Policy {
        /// Which.
        file: String,
        /// Where and why.
        error: PolicyError,
    },
    /// The hosts of the settings are none.
    #[error("DECKHAND_REGISTRY_HOSTS: {0}")]
    Hosts(String),
    /// A rule asks for a credential that the settings do not have.
    #[error("{file}: a rule asks for the credential `{name}`; set DECKHAND_CREDENTIAL_{}, or take it out of the rule", .name.to_ascii_uppercase())]
    Credential {
        /// Which file.
        file: String,
        /// The credential.
        name: String,
    },
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The policy as it was read last, and what is wrong with what stands there now.
#[derive(Debug)]
struct Kept {
    stamp: Option<Stamp>,
    document: Arc<PolicyDocument>,
    trouble: Option<String>,
}

/// The network policy of this installation. There is one in a process; clones share it.
#[derive(Clone)]
pub struct PolicyBook {
    file: Option<PathBuf>,
    setup_hosts: Vec<String>,
    credentials: BTreeSet<String>,
    image_prefix: String,
    runtime: Option<String>,
    executor: Arc<dyn Executor>,
    kept: Arc<Mutex<Kept>>,
    registries: Arc<Mutex<HashMap<String, Vec<String>>>>,
}

impl PolicyBook {
    /// Reads the policy that the settings name; without one, nothing but their registry hosts may be reached.
    pub fn open(config: &Config, executor: Arc<dyn Executor>) -> Result<Self, BookError> {
        let book = Self {
            file: config.sandbox.policy_file.clone(),
            setup_hosts: config.sandbox.registry_hosts.clone(),
            credentials: config.credentials.keys().cloned().collect(),
            image_prefix: config.image_prefix.clone(),
            runtime: config.sandbox.runtime.clone(),
            executor,
            kept: Arc::new(Mutex::new(Kept {
                stamp: None,
                document: Arc::default(),
                trouble: None,
            })),
            registries: Arc::default(),
        };
        let stamp = book.file.as_deref().and_then(stamp);
        let document = read(book.file.as_deref(), &book.setup_hosts, &book.credentials)?;
        *book.kept() = Kept {
            stamp,
            document: Arc::new(document),
            trouble: None,
        };
        Ok(book)
    }

    /// The policy in force. Where the file changed since it was looked at last, it is read again first.
    #[must_use]
    pub fn document(&self) -> Arc<PolicyDocument> {
        let Some(file) = &self.file else {
            return Arc::clone(&self.kept().document);
        };
        let now = stamp(file);
        let mut kept = self.kept();
        if kept.stamp == now {
            return Arc::clone(&kept.document);
        }
        kept.stamp = now;
        match read(Some(file), &self.setup_hosts, &self.credentials) {
            Ok(document) => {
                info!(file = %file.display(), "the network policy was read again");
                kept.document = Arc::new(document);
                kept.trouble = None;
            }
            Err(error) => {
                warn!(%error, "the network policy is refused; the one before stays in force");
                kept.trouble = Some(error.to_string());
            }
        }
        Arc::clone(&kept.document)
    }

    /// What is wrong with the file as it stands now, where something is; the policy before it is in force then.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        drop(self.document());
        self.kept().trouble.clone()
    }

    /// The OCI runtime of a repository's sandboxes: the policy's, else that of the settings, else the engine's.
    #[must_use]
    pub fn runtime(&self, repository: &str) -> Option<String> {
        let document = self.document();
        let of_policy = document.runtime(repository).map(str::to_owned);
        of_policy.or_else(|| self.runtime.clone())
    }

    /// What an agent may reach for a repository, without what people decided.
    pub async fn policy(&self, repository: &str, agent: &str) -> EgressPolicy {
        let registries = self.registries(agent).await.unwrap_or_default();
        self.policy_with(repository, &registries)
    }

    /// The same for an image of which it is known which registries it needs.
    #[must_use]
    pub fn policy_with(&self, repository: &str, registries: &[String]) -> EgressPolicy {
        self.document().for_repository(repository, registries)
    }

    /// The policy of a task in people's words, once its repository is known. `wanted` is what its plan asks for.
    pub async fn terms(
        &self,
        store: &Store,
        task: &Task,
        wanted: &[String],
    ) -> Result<Option<NetworkTerms>, StoreError> {
        let Some(repository) = task.repository() else {
            return Ok(None);
        };
        let policy = self.policy(&repository.0, &task.terms.agent).await;
        let grants = as_grants(&store.grants(repository, Some(&task.id)).await?);
        let terms = NetworkTerms {
            // Without what people decided: their decisions about a run void no plan.
            fingerprint: match self.runtime(&repository.0) {
                Some(runtime) => format!("{} on {runtime}", policy.fingerprint()),
                None => policy.fingerprint(),
            },
            summary: policy.summary(),
            open: policy.is_open(),
            beyond: beyond(&policy.with(&grants), wanted),
        };
        Ok(Some(terms))
    }

    /// The hosts that the package managers in an agent's image use, as the image itself says. An engine that does not
    /// answer now is asked again the next time.
    pub async fn registries(&self, agent: &str) -> Option<Vec<String>> {
        let image = format!("{}{agent}", self.image_prefix);
        let known = |registries: &Mutex<HashMap<String, Vec<String>>>| {
            let known = registries.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(&image).cloned()
        };
        if let Some(known) = known(&self.registries) {
            return Some(known);
        }
        let asked = self.executor.image_label(&image, REGISTRIES_LABEL);
        let label = match tokio::time::timeout(ANSWER_WITHIN, asked).await {
            Ok(Ok(label)) => label.unwrap_or_default(),
            Ok(Err(error)) => {
                warn!(image, %error, "the image could not be asked for its registries");
                return (!matches!(error, ExecutorError::Unreachable(_))).then(Vec::new);
            }
            Err(_) => {
                warn!(
                    image,
                    "the engine does not say which registries the image needs"
                );
                return None;
            }
        };
        let hosts = label.split(',').map(str::trim);
        let hosts: Vec<String> = hosts
            .filter(|host| !host.is_empty())
            .map(str::to_owned)
            .collect();
        let mut registries = self
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        registries.insert(image, hosts.clone());
        Some(hosts)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a policy: its file, the hosts of the settings, and whether its credentials are set.
pub fn read(
    file: Option<&Path>,
    setup_hosts: &[String],
    credentials: &BTreeSet<String>,
) -> Result<PolicyDocument, BookError> {
    let name = file.map_or_else(String::new, |file| file.display().to_string());
    let document = match file {
        Some(file) => {
            let text = text_of(file).map_err(|reason| BookError::Unreadable {
                file: name.clone(),
                reason,
            })?;
            PolicyDocument::read(&text).map_err(|error| BookError::Policy {
                file: name.clone(),
                error,
            })?
        }
        None => PolicyDocument::default(),
    };
    let wanted = document.credentials();
    let lacking = wanted.iter().find(|name| !credentials.contains(**name));
    if let Some(lacking) = lacking {
        return Err(BookError::Credential {
            file: name,
            name: (*lacking).to_owned(),
        });
    }
    document
        .with_setup_hosts(setup_hosts)
        .map_err(|error| BookError::Hosts(error.reason))
}

fn text_of(file: &Path) -> Result<String, String> {
    let facts = std::fs::metadata(file).map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("it is no file".to_owned());
    }
    if facts.len() > FILE_MAX_BYTES {
        return Err(format!(
            "it has {} bytes; {FILE_MAX_BYTES} are the limit",
            facts.len()
        ));
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

fn stamp(file: &Path) -> Option<Stamp> {
    let facts = std::fs::metadata(file).ok()?;
    Some(Stamp {
        modified: facts.modified().ok(),
        bytes: facts.len(),
        inode: facts.ino(),
    })
}

/// What people decided, as the proxy takes it: `never` last, so that it stays.
#[must_use]
pub fn as_grants(stored: &[StoredGrant]) -> Vec<Grant> {
    let grants = stored.iter().rev();
    grants
        .map(|grant| Grant {
            host: grant.host.clone(),
            port: grant.port,
            verdict: if grant.verdict.allows() {
                GrantVerdict::Allow
            } else {
                GrantVerdict::Never
            },
        })
        .collect()
}

/// The hosts of a plan that the policy does not let an agent reach. What a plan writes behind a name (a path, a reason)
/// does not count, and what is no name of a host at all is nothing that could be allowed.
fn beyond(policy: &EgressPolicy, wanted: &[String]) -> Vec<String> {
    let allows = |written: &String| {
        let (host, port) = host_of(written);
        let ports = port.map_or_else(|| WEB_PORTS.to_vec(), |port| vec![port]);
        [Phase::Work, Phase::Setup].iter().any(|phase| {
            ports
                .iter()
                .any(|port| policy.connect(*phase, &host, *port).is_ok())
        })
    };
    wanted
        .iter()
        .filter(|written| !allows(written))
        .cloned()
        .collect()
}

/// The host in what a plan writes: `https://packages.example/simple (for the client)` is `packages.example`.
fn host_of(written: &str) -> (String, Option<u16>) {
    let word = written.split_whitespace().next().unwrap_or_default();
    let word = word.trim_matches(['`', ',', '"']);
    let word = word.split_once("://").map_or(word, |(_, rest)| rest);
    let address = word.split(['/', ',', '(']).next().unwrap_or_default();
    let (name, port) = address
        .split_once(':')
        .map_or((address, None), |(name, port)| (name, port.parse().ok()));
    (name.trim_end_matches('.').to_ascii_lowercase(), port)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn policy(text: &str) -> EgressPolicy {
        PolicyDocument::read(text)
            .unwrap()
            .for_repository("acme/web", &[])
    }

    #[test]
    fn a_plan_is_held_against_the_policy_host_by_host() {
        let listed = policy(
            r#"{"version":1,"default":{"rules":[{"hosts":["packages.example","*.cdn.example"],"phases":["work"]},{"hosts":["deps.example"],"phases":["setup"],"ports":[8443]}]}}"#,
        );
        let wanted = [
            "packages.example",
            "https://Packages.example/simple",
            "`packages.example:443` for the client",
            "a.cdn.example",
            "deps.example:8443",
            "deps.example",
            "cdn.example",
            "packages.example.evil.example",
            "127.0.0.1",
            "",
        ]
        .map(str::to_owned);
        assert_eq!(
            beyond(&listed, &wanted),
            [
                "deps.example",
                "cdn.example",
                "packages.example.evil.example",
                "127.0.0.1",
                ""
            ]
        );
        let open = policy(r#"{"version":1,"default":{"preset":"open"}}"#);
        assert_eq!(beyond(&open, &wanted[..7]), ["deps.example:8443"]);
    }

    #[test]
    fn a_policy_that_cannot_be_used_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.json");
        let error = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let read = read(Some(&file), &[], &BTreeSet::from(["npm".to_owned()]));
            let error = read.map(|_| ()).unwrap_err().to_string();
            error.replace(&folder.path().display().to_string(), "…")
        };
        let said = error("{\"version\":1,\n \"default\":{\"preset\":\"everything\"}}");
        assert!(said.starts_with("…/policy.json, line 2, column "), "{said}");
        let said = error(
            r#"{"version":1,"default":{"rules":[{"hosts":["a.example"],"credential":"pypi"}]}}"#,
        );
        assert!(said.contains("DECKHAND_CREDENTIAL_PYPI"), "{said}");
        std::fs::remove_file(&file).unwrap();
        let gone = read(Some(&file), &[], &BTreeSet::new());
        assert!(matches!(gone, Err(BookError::Unreadable { .. })));
        let folder_for_file = read(Some(folder.path()), &[], &BTreeSet::new());
        assert!(matches!(folder_for_file, Err(BookError::Unreadable { .. })));
        let hosts = read(None, &["*.com".to_owned()], &BTreeSet::new());
        assert!(matches!(hosts, Err(BookError::Hosts(_))), "{hosts:?}");
    }
}
