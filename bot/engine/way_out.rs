//! What leaves a sandbox by the network: the proxy that all runs share, the hosts that a setup may reach, and the providers with their keys.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use axum::http::HeaderName;
use deckhand_executors::egress::{
    Awake, BaseAddress, Credential, CredentialForm, EgressError, EgressHandle, EgressProxy,
    EgressRecord, Grant, GrantVerdict, Opening, Provider, Way,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::policy_book::{PolicyBook, as_grants};
use crate::{
    config::{self, Config, CredentialSetting},
    domain::{
        TaskId,
        network::{NetworkGrant, Verdict},
        specification::RepositoryName,
    },
    store::{Store, StoreError},
};

/// The one way out of every sandbox of this installation.
#[derive(Clone)]
pub struct WayOut {
    /// What may be reached.
    pub book: PolicyBook,
    /// Signs that this process has what it believes to have.
    pub awake: Awake,
    proxy: EgressProxy,
    bases: Vec<BaseAddress>,
    credentials: Vec<Credential>,
    /// What the placeholders of all runs are made of, with the folder of each.
    secret: Option<SecretString>,
    open: Arc<Mutex<Vec<OpenWay>>>,
}

/// A proxy that is open now, for decisions that fall while its sandbox lives.
struct OpenWay {
    task: TaskId,
    repository: RepositoryName,
    handle: Weak<EgressHandle>,
}

/// The open ways of tasks.
type OpenHandles = Vec<(TaskId, Arc<EgressHandle>)>;

impl WayOut {
    /// Reads the settings. Nothing is connected yet.
    pub fn new(config: &Config, book: PolicyBook) -> Result<Self, EgressError> {
        let way = match &config.sandbox.upstream_proxy {
            Some(address) => Way::proxy(address)?,
            None => Way::Direct,
        };
        let bases = config
            .providers
            .iter()
            .map(|(name, provider)| base_address(name, provider))
            .collect::<Result<_, _>>()?;
        let credentials = config
            .credentials
            .iter()
            .map(|(name, setting)| credential(name, setting))
            .collect::<Result<_, _>>()?;
        let awake = Awake::default();
        Ok(Self {
            book,
            proxy: EgressProxy::new(way)?.minding(awake.clone()),
            awake,
            bases,
            credentials,
            secret: config.secret.clone(),
            open: Arc::default(),
        })
    }

    /// Opens it for one sandbox, in a folder that the sandbox sees; model providers and credentials are added here.
    pub fn open(&self, folder: &Path, opening: Opening) -> Result<EgressHandle, EgressError> {
        let opening = Opening {
            bases: self.bases.clone(),
            credentials: self.credentials.clone(),
            seed: self.secret.as_ref().map(|secret| seed(secret, folder)),
            ..opening
        };
        self.proxy.open(folder, opening)
    }

    /// Remembers an open proxy for as long as its owner keeps it.
    pub fn register(&self, task: &TaskId, repository: &RepositoryName, handle: &Arc<EgressHandle>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|way| way.handle.strong_count() > 0);
        open.push(OpenWay {
            task: task.clone(),
            repository: repository.clone(),
            handle: Arc::downgrade(handle),
        });
    }

    /// Closes every way out of a task's sandboxes for good: no call of theirs passes from now on, and what is open is cut.
    pub fn revoke(&self, task: &TaskId) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_task = open.iter().filter(|way| way.task == *task);
        for handle in of_task.filter_map(|way| way.handle.upgrade()) {
            handle.revoke();
        }
    }

    /// Carries to the live sandboxes of this process what people decided, also where another process heard it. Asks once for
    /// each repository, however many of its tasks are at work.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        for (repository, open) in self.open_by_repository() {
            let tasks: Vec<&TaskId> = open.iter().map(|(task, _)| task).collect();
            let decided = store.grants_of_tasks(&repository, &tasks).await?;
            for (task, handle) in &open {
                let of_it = decided
                    .iter()
                    .filter(|(of, _)| of.as_ref().is_none_or(|of| of == task))
                    .map(|(_, grant)| grant.clone())
                    .collect::<Vec<_>>();
                for grant in as_grants(&of_it) {
                    handle.grant(&grant);
                }
            }
        }
        Ok(())
    }

    fn open_by_repository(&self) -> Vec<(RepositoryName, OpenHandles)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(RepositoryName, OpenHandles)> = Vec::new();
        for way in open.iter() {
            let Some(handle) = way.handle.upgrade() else {
                continue;
            };
            let one = (way.task.clone(), handle);
            match all.iter_mut().find(|(name, _)| *name == way.repository) {
                Some((_, of_it)) => of_it.push(one),
                None => all.push((way.repository.clone(), vec![one])),
            }
        }
        all
    }

    /// Carries a decision to the live sandboxes that it is for; says how many there were.
    #[must_use]
    pub fn widen(&self, task: &TaskId, grant: &NetworkGrant) -> usize {
        let carried = Grant {
            host: grant.host.clone(),
            port: grant.port,
            verdict: if grant.decision.verdict.allows() {
                GrantVerdict::Allow
            } else {
                GrantVerdict::Never
            },
        };
        let concerns = |way: &OpenWay| match grant.decision.verdict {
            Verdict::Once => way.task == *task,
            Verdict::Repository | Verdict::Never => {
                way.repository.0.eq_ignore_ascii_case(&grant.repository.0)
            }
        };
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let live: Vec<Arc<EgressHandle>> = open
            .iter()
            .filter(|way| concerns(way))
            .filter_map(|way| way.handle.upgrade())
            .collect();
        for handle in &live {
            handle.grant(&carried);
        }
        live.len()
    }
}

fn credential(name: &str, setting: &CredentialSetting) -> Result<Credential, EgressError> {
    let form = match &setting.form {
        config::CredentialForm::Bearer => CredentialForm::Bearer,
        config::CredentialForm::Basic { user } => CredentialForm::Basic { user: user.clone() },
        config::CredentialForm::Header { name: header } => {
            let header = HeaderName::try_from(header).map_err(|_| EgressError::Credential {
                name: name.to_owned(),
                reason: "its header has no usable name".to_owned(),
            })?;
            CredentialForm::Header(header)
        }
    };
    Credential::new(name, &form, &setting.secret)
}

/// The seed of a run's placeholders: nobody can guess it, and it is the same when the run is taken up again.
fn seed(secret: &SecretString, folder: &Path) -> SecretString {
    let mut hash = Sha256::new();
    hash.update("deckhand placeholders\n");
    hash.update(secret.expose_secret());
    hash.update("\n");
    hash.update(folder.as_os_str().as_encoded_bytes());
    hex::encode(hash.finalize()).into()
}

fn base_address(name: &str, settings: &config::Provider) -> Result<BaseAddress, EgressError> {
    let provider = match name {
        "anthropic" => Provider::Anthropic,
        "gemini" => Provider::Gemini,
        // The version stands in the settings' base address, as OpenAI's own clients have it.
        _ => Provider::OpenAi,
    };
    BaseAddress::of_provider(provider, &settings.base_url, settings.key.clone())
}

/// A request as the task's log has it.
#[must_use]
pub fn logged(record: &EgressRecord) -> Value {
    json!({
        "phase": record.phase.map(|phase| phase.to_string()),
        "client": record.client,
        "method": record.method,
        "host": record.host,
        "path": record.path.as_deref().unwrap_or_default(),
        "status": record.status,
        "up": record.bytes_up,
        "down": record.bytes_down,
        "verdict": format!("{:?}", record.verdict).to_lowercase(),
        "rule": record.rule.to_string(),
    })
}
