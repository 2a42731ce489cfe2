//! The one way out of a sandbox: an HTTP proxy on a unix socket, one for each run, so that who asks needs no proof.
//!
//! Programs that know no proxy come by a second socket, as they speak to a host (`transparent`).
//!
//! It refuses by default. What it lets through, in the phase in which it may: requests below a base address, which get
//! the real key added and go to a model provider (`relay`); tunnels to listed hosts (`tunnel`), opened where their rule
//! asks for it (`inspect`); plain requests to
//! listed hosts (`plain`). Each request leaves one [`EgressRecord`], and each refusal says its rule and its reason.

mod authority;
mod awake;
mod base_address;
mod batch;
mod ciphers;
mod credential;
mod dial;
mod driven;
mod environment;
mod form;
mod forward;
mod gate;
mod greeting;
mod inspect;
mod introduction;
mod issued;
mod journal;
mod meter;
mod placeholder;
mod plain;
mod policy;
mod query;
mod record;
mod refusal;
mod relay;
mod scrub;
mod serve;
mod transparent;
mod tunnel;

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    net::UnixListener,
    sync::{Semaphore, mpsc, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use authority::remove_run;
pub use awake::{Awake, DOUBTED_AFTER};
pub use base_address::{ApiKey, BaseAddress};
pub use credential::{Credential, CredentialForm};
pub use dial::Way;
pub use environment::{ADDRESS, RUN_FOLDER, way_out_environment};
pub use meter::{Metering, Spend, SpendCeiling, endpoint::Provider};
pub use placeholder::placeholder_like;
pub use policy::{
    Denial, EgressPolicy, Grant, GrantVerdict, Passage, Permit, Phase, PolicyDocument, PolicyError,
    Question, Reach, Seen, Tls,
};
pub use record::{EgressRecord, Refused, Rule, Verdict};

use crate::door::{Closer, Entrance};

use authority::Authority;
use forward::ModelClient;
use gate::Gate;
use inspect::{Inspection, Trust};
use issued::{Issued, OfRun};
use journal::Journal;
use meter::Meter;
use relay::Models;
use serve::{Door, Keeper, Service};
use tunnel::MAX_TUNNELS;

/// The name of the socket for clients of a proxy, in a run's folder.
pub const SOCKET_NAME: &str = "egress.sock";
/// The name of the socket for connections as programs make them that know no proxy.
pub const TRANSPARENT_SOCKET_NAME: &str = "transparent.sock";
/// The name under which a socket is made before it takes the place of an older one.
const NEW_SOCKET_NAME: &str = "new.sock";
/// The longest path of a unix socket in bytes. Source: `unix(7)`, `sun_path`, less the closing zero.
const MAX_SOCKET_PATH_BYTES: usize = 107;
/// The sandbox's user is nobody on the host; its folder is what keeps others out.
const SOCKET_MODE: u32 = 0o666;
const FOLDER_MODE: u32 = 0o755;

/// Why a way out could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The socket's path is longer than the kernel allows.
    #[error(
        "{path} is too long for a socket: {MAX_SOCKET_PATH_BYTES} bytes are the limit; choose a shorter data folder"
    )]
    PathTooLong {
        /// The path that was wanted.
        path: PathBuf,
    },
    /// The socket could not be made.
    #[error("{path} cannot be made: {error}")]
    Socket {
        /// The socket or its folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The machine has no thread left to close connections.
    #[error("no thread can be begun: {0}")]
    Thread(io::Error),
    /// A base address is not usable. The sentence holds no secret.
    #[error("the base address {prefix} is not usable: {reason}")]
    BaseAddress {
        /// Its prefix.
        prefix: String,
        /// What is wrong.
        reason: String,
    },
    /// A policy is not usable.
    #[error("the network policy is not usable: {0}")]
    Policy(#[from] PolicyError),
    /// A credential is not usable. The sentence holds nothing of it.
    #[error("the credential {name} is not usable: {reason}")]
    Credential {
        /// Its name in the policy.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The run's own certificate authority cannot be made or kept.
    #[error("the run's certificate authority is not usable: {0}")]
    Authority(String),
    /// The proxy that the host itself uses has an address that is not usable.
    #[error("the host's own proxy is not usable: {0}")]
    Way(String),
    /// The certificates of the host could not be read.
    #[error("the host's certificates cannot be read: {0}")]
    Certificates(io::Error),
}

/// What all runs share: connections to model providers, the host's own way to the internet, and whom it trusts there.
#[derive(Debug, Clone)]
pub struct EgressProxy {
    client: ModelClient,
    way: Way,
    trust: Trust,
    issued: Arc<Issued>,
    awake: Awake,
}

impl EgressProxy {
    /// Reads the host's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured) once for all runs.
    pub fn new(way: Way) -> Result<Self, EgressError> {
        Self::trusting(way, &[])
    }

    /// The same, and hosts whose TLS is inspected may be vouched for by these authorities too.
    pub fn trusting(way: Way, extra: &[CertificateDer<'static>]) -> Result<Self, EgressError> {
        Ok(Self {
            client: ModelClient::new(&way)?,
            way,
            trust: Trust::of_machine(extra)?,
            issued: Arc::default(),
            awake: Awake::default(),
        })
    }

    /// The same, and requests wait wherever it is not sure that this process was awake all the time.
    #[must_use]
    pub fn minding(self, awake: Awake) -> Self {
        Self { awake, ..self }
    }

    /// Opens a run's way out as `egress.sock` and `transparent.sock` in `run_dir`, which is made when it is missing,
    /// with the authority that the sandbox has to trust beside them. A socket that is there is replaced, in one step,
    /// so that a sandbox that outlived its proxy finds the next one. [`remove_run`] takes all of it away.
    ///
    /// When this returns, the sockets listen and the policy is in force: a sandbox may start. Needs a tokio runtime.
    pub fn open(&self, run_dir: &Path, opening: Opening) -> Result<EgressHandle, EgressError> {
        let at_end = Closer::start().map_err(EgressError::Thread)?;
        let listener = Entrance::new(listen(run_dir, SOCKET_NAME)?, &at_end);
        let direct = Entrance::new(listen(run_dir, TRANSPARENT_SOCKET_NAME)?, &at_end);
        let authority = Authority::keep(run_dir)?;
        authority.publish(run_dir, self.trust.list())?;
        let variables = variables(&opening);
        let gate = Arc::new(Gate::new(opening.phase, opening.policy));
        let journal = Arc::new(Journal::new(opening.log, opening.refused, opening.left));
        let meter = Arc::new(Meter::new(opening.metering));
        let placeholders: Vec<_> = opening
            .seed
            .iter()
            .flat_map(|seed| {
                opening
                    .bases
                    .iter()
                    .filter_map(|base| base.placeholder(seed))
            })
            .collect();
        let of_keys = placeholders.iter().map(|(_, placeholder)| placeholder);
        let of_variables = variables.iter().map(|held| &held.placeholder);
        let own = of_keys.chain(of_variables).cloned().collect();
        let issued = OfRun::new(Arc::clone(&self.issued), run_dir, own);
        let models = Models::new(
            self.client.clone(),
            opening.bases,
            Arc::clone(&meter),
            issued.clone(),
        );
        let closed = CancellationToken::new();
        let service = Arc::new(Service {
            gate: Arc::clone(&gate),
            awake: self.awake.clone(),
            models,
            way: self.way.clone(),
            journal: Arc::clone(&journal),
            inspection: Inspection {
                authority,
                credentials: opening.credentials,
                trust: self.trust.clone(),
                issued,
            },
            tunnels: Arc::new(Semaphore::new(MAX_TUNNELS)),
        });
        let [keeper, direct_keeper] =
            [(listener, Door::Proxy), (direct, Door::Transparent)].map(|(entrance, door)| {
                let keeper = Arc::new(Keeper::default());
                let keeping =
                    Arc::clone(&keeper).keep(entrance, door, Arc::clone(&service), closed.clone());
                tokio::spawn(keeping);
                keeper
            });
        Ok(EgressHandle {
            folder: run_dir.to_owned(),
            gate,
            journal,
            meter,
            placeholders,
            variables,
            keeper,
            direct_keeper,
            _closed: closed.drop_guard(),
        })
    }
}

/// What a run's way out is opened with.
#[derive(Debug)]
pub struct Opening {
    /// What may be reached by name.
    pub policy: EgressPolicy,
    /// The model providers.
    pub bases: Vec<BaseAddress>,
    /// What rules may name, to be added to requests.
    pub credentials: Vec<Credential>,
    /// The phase in which it begins.
    pub phase: Phase,
    /// Takes one record for each request; where it is full they are dropped and counted.
    pub log: mpsc::Sender<EgressRecord>,
    /// Takes refusals that a person may change; where it is full they are dropped and counted.
    pub refused: mpsc::Sender<Refused>,
    /// How what it spends on models is counted, and the most that it may spend.
    pub metering: Metering,
    /// What had left by each rule of the policy when it was open before, in bytes: [`EgressHandle::left`].
    pub left: BTreeMap<String, u64>,
    /// What the placeholders of this run are made of, where it has any: a secret of the host and the run's name, so
    /// that it is the same whenever the way out is opened again.
    pub seed: Option<SecretString>,
}

impl Opening {
    /// An opening through which nothing goes yet, and whose refusals nobody is told of.
    #[must_use]
    pub fn new(phase: Phase, log: mpsc::Sender<EgressRecord>) -> Self {
        Self {
            policy: EgressPolicy::default(),
            bases: Vec::new(),
            credentials: Vec::new(),
            phase,
            log,
            refused: mpsc::channel(1).0,
            metering: Metering::default(),
            left: BTreeMap::new(),
            seed: None,
        }
    }
}

/// A run's open way out. Dropping it closes it and cuts what is open; the socket's file stays until the run's folder
/// goes, because a sandbox waits a while for a proxy that is away, and not for one that never was.
#[derive(Debug)]
pub struct EgressHandle {
    folder: PathBuf,
    gate: Arc<Gate>,
    journal: Arc<Journal>,
    meter: Arc<Meter>,
    placeholders: Vec<(Provider, SecretString)>,
    variables: Vec<Variable>,
    keeper: Arc<Keeper>,
    direct_keeper: Arc<Keeper>,
    _closed: DropGuard,
}

impl EgressHandle {
    /// The folder with the sockets, for the sandbox to mount. Who has it from here has a policy in force.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes what is allowed. Connections of the earlier phase are cut. Does nothing after [`Self::revoke`].
    pub fn set_phase(&self, phase: Phase) {
        self.gate.set_phase(phase);
    }

    /// Adds what a person decided: it holds from the next request on, and cuts no connection that is there.
    pub fn grant(&self, grant: &Grant) {
        self.gate.grant(grant);
    }

    /// The fingerprint of the policy that is in force, what people decided included.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.gate.policy().fingerprint()
    }

    /// Refuses everything from now on, for good, and cuts open connections.
    pub fn revoke(&self) {
        self.gate.revoke();
    }

    /// What stands in the run's sandbox in the place of a provider's key; none where the provider has no base address,
    /// or the run no seed.
    #[must_use]
    pub fn placeholder(&self, provider: Provider) -> Option<&SecretString> {
        let mut own = self.placeholders.iter();
        own.find(|(known, _)| *known == provider)
            .map(|(_, placeholder)| placeholder)
    }

    /// The variables that a sandbox holds in a phase, with the placeholders of the credentials for which they stand; none
    /// where the run has no seed.
    #[must_use]
    pub fn variables(&self, phase: Phase) -> BTreeMap<String, String> {
        let of_phase = self.variables.iter().filter(|held| held.phase == phase);
        of_phase
            .map(|held| {
                let placeholder = held.placeholder.expose_secret();
                (held.name.clone(), placeholder.to_owned())
            })
            .collect()
    }

    /// What the run has spent on models, as their providers reported it.
    #[must_use]
    pub fn spend(&self) -> Spend {
        self.meter.spend()
    }

    /// Tells of every change of [`Self::spend`].
    #[must_use]
    pub fn spending(&self) -> watch::Receiver<Spend> {
        self.meter.subscribe()
    }

    /// What the run has spent when nothing is under way any more: after [`Self::revoke`] has cut it. Waits two seconds
    /// for that at most.
    pub async fn settled(&self) -> Spend {
        self.meter.settled().await
    }

    /// What has left by each rule of the policy, in bytes: what may leave by one is limited.
    #[must_use]
    pub fn left(&self) -> BTreeMap<String, u64> {
        self.journal.left()
    }

    /// How often the proxy died and was begun again, by the same rules.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.keeper.restarts() + self.direct_keeper.restarts()
    }

    /// How many records were dropped: because nobody took them, or because the run has as many as it may.
    #[must_use]
    pub fn dropped_records(&self) -> u64 {
        self.journal.dropped()
    }

    /// How many notices of refusals were dropped because nobody took them.
    #[must_use]
    pub fn dropped_notices(&self) -> u64 {
        self.journal.unnoticed()
    }
}

impl Drop for EgressHandle {
    fn drop(&mut self) {
        self.gate.revoke();
    }
}

/// A variable of a sandbox in one phase, and what it holds there.
#[derive(Debug)]
struct Variable {
    phase: Phase,
    name: String,
    placeholder: SecretString,
}

/// A credential that is not in the settings has no placeholder, and its rule lets nothing through.
fn variables(opening: &Opening) -> Vec<Variable> {
    let mut variables = Vec::new();
    let Some(seed) = &opening.seed else {
        return variables;
    };
    for phase in [Phase::Setup, Phase::Work, Phase::Proof] {
        for (name, credential) in opening.policy.variables(phase) {
            let mut known = opening.credentials.iter();
            if let Some(credential) = known.find(|known| known.name() == credential) {
                variables.push(Variable {
                    phase,
                    name: name.to_owned(),
                    placeholder: credential.placeholder(seed),
                });
            }
        }
    }
    variables
}

fn listen(run_dir: &Path, name: &str) -> Result<UnixListener, EgressError> {
    let (new, path) = (run_dir.join(NEW_SOCKET_NAME), run_dir.join(name));
    if path.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        return Err(EgressError::PathTooLong { path });
    }
    let make = || {
        fs::create_dir_all(run_dir)?;
        fs::set_permissions(run_dir, Permissions::from_mode(FOLDER_MODE))?;
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(SOCKET_MODE))?;
        fs::rename(&new, &path)?;
        Ok(listener)
    };
    make().map_err(|error| EgressError::Socket {
        path: path.clone(),
        error,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// What the proxy says to a CONNECT.
    async fn ask(folder: &Path) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let path = folder.join(SOCKET_NAME);
        let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
        let request = b"CONNECT evil.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_proxy_that_dies_lets_nothing_through_and_is_begun_again_by_the_same_rules() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let (log, mut records) = mpsc::channel(16);
        let proxy = EgressProxy::new(Way::Direct).unwrap();
        let handle = proxy.open(&run, Opening::new(Phase::Work, log)).unwrap();
        let before = handle.fingerprint();
        for deaths in 1..=3 {
            let first = ask(&run).await;
            assert!(first.starts_with("HTTP/1.1 403"), "{first}");
            handle.keeper.kill();
            // It waits in front of the socket until somebody accepts it again.
            let second = ask(&run).await;
            assert_eq!(second.lines().next(), first.lines().next());
            assert_eq!(handle.restarts(), deaths);
            for _ in 0..2 {
                assert_eq!(records.recv().await.unwrap().rule, Rule::NotListed);
            }
        }
        assert_eq!(handle.fingerprint(), before);
        handle.revoke();
        handle.keeper.kill();
        assert!(ask(&run).await.contains("rule=revoked"));
    }

    #[tokio::test]
    async fn who_may_have_been_paused_lets_nothing_through_before_that_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let (log, mut records) = mpsc::channel(16);
        let awake = Awake::default();
        let proxy = EgressProxy::new(Way::Direct).unwrap();
        let proxy = proxy.minding(awake.clone());
        let handle = proxy.open(&run, Opening::new(Phase::Work, log)).unwrap();
        let ask_in_doubt = || {
            awake.doubt();
            let run = run.clone();
            tokio::spawn(async move { ask(&run).await })
        };
        let waited_for = async || {
            while !awake.is_waited_for() {
                tokio::task::yield_now().await;
            }
        };
        let asked = ask_in_doubt();
        waited_for().await;
        awake.confirm();
        assert!(asked.await.unwrap().contains("rule=not-listed"));
        assert_eq!(records.recv().await.unwrap().rule, Rule::NotListed);
        let asked = ask_in_doubt();
        waited_for().await;
        handle.revoke();
        awake.confirm();
        // The connection is cut with the way out, with or without a last word.
        assert!(!asked.await.unwrap().contains("not-listed"));
        assert_ne!(
            records.try_recv().map(|record| record.rule).ok(),
            Some(Rule::NotListed)
        );
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_is_refused_by_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let error = listen(&folder.path().join("x".repeat(100)), SOCKET_NAME).unwrap_err();
        assert!(matches!(error, EgressError::PathTooLong { .. }), "{error}");
    }
}
