//! Model providers that stream scripted turns in their own wire formats.
//!
//! One address speaks Anthropic Messages, `OpenAI` Responses, `OpenAI` Chat Completions and Gemini.
//! An answer is a function of the conversation that the agent sends along: the newest message with a
//! line `Deckhand phase: <phase>` names the phase, the calls of tools since then are the step, and the
//! [`Script`] says what the model does there. So retries, resumed sessions and tasks side by side work.
//!
//! The script is, in this order: the newest rule of [`Models::when`] that fits; the `#script:NAME` of
//! the newest prompt that has one; the default, which is [`Script::honest`].
//!
//! The stand-in is stricter than a provider in one thing: what a sandbox holds as its placeholder for
//! a key must never arrive, and is a violation.

mod catalogue;
mod everything;
mod gate;
mod orders;
pub mod picture;
mod place;
mod record;
mod script;
mod server;
mod toolbox;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use catalogue::{Deed, Errand, NAMES, Obedience, acme_web};
pub use orders::{Order, SEAM, orders_in};
pub use record::{KeySeen, MAX_RECORDS, Outcome, RequestKind, RequestRecord};
pub use script::{Decision, Failure, Phase, Scene, Script, Turn, UnknownPhase};
pub use usage::Usage;
pub use wire::Provider;

use gate::Gate;
use place::Place;
use record::RequestLog;

/// What stands in a sandbox where a key would stand.
pub const PLACEHOLDER_KEY: &str = "deckhand-placeholder";

/// How the providers are set up.
#[derive(Clone, Debug)]
pub struct ModelsOptions {
    /// The one key that all of them take.
    pub key: SecretString,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Time before each answer of a task's turn.
    pub thinking: Duration,
    /// The script where nothing else is said.
    pub default_script: Script,
}

impl ModelsOptions {
    /// A free port, no thinking time, the honest script.
    pub fn new(key: impl Into<SecretString>) -> Self {
        Self {
            key: key.into(),
            port: 0,
            thinking: Duration::ZERO,
            default_script: Script::honest(),
        }
    }
}

/// What the handlers share.
struct Shared {
    key: SecretString,
    thinking: Duration,
    choice: Mutex<Choice>,
    gate: Gate,
    log: RequestLog,
    closing: CancellationToken,
}

/// Which script answers.
struct Choice {
    rules: Vec<(String, Script)>,
    otherwise: Script,
    failures: VecDeque<Failure>,
}

impl Shared {
    fn choice(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script_for(&self, place: &Place) -> Script {
        let choice = self.choice();
        let fits = |fragment: &str| place.prompts.iter().any(|prompt| prompt.contains(fragment));
        let mut newest_first = choice.rules.iter().rev();
        if let Some((_, script)) = newest_first.find(|(fragment, _)| fits(fragment)) {
            return script.clone();
        }
        match &place.script {
            Some(name) => Script::named(name).unwrap_or_else(|| {
                self.log
                    .complain(format!("#script:{name} is none of {NAMES:?}"));
                choice.otherwise.clone()
            }),
            None => choice.otherwise.clone(),
        }
    }
}

/// The running providers; they end when this is dropped.
pub struct Models {
    address: SocketAddr,
    shared: Arc<Shared>,
    _closing: DropGuard,
}

impl Models {
    /// Starts them on 127.0.0.1.
    pub async fn start(options: ModelsOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .await
            .with_context(|| format!("model providers cannot listen on port {}", options.port))?;
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        let shared = Arc::new(Shared {
            key: options.key,
            thinking: options.thinking,
            choice: Mutex::new(Choice {
                rules: Vec::new(),
                otherwise: options.default_script,
                failures: VecDeque::new(),
            }),
            gate: Gate::new(),
            log: RequestLog::new(),
            closing: closing.clone(),
        });
        tokio::spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            _closing: closing.drop_guard(),
        })
    }

    /// Where they listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address for every provider: `http://127.0.0.1:PORT`, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// This script for every conversation with the fragment in one of its prompts.
    pub fn when(&self, fragment: impl Into<String>, script: Script) {
        self.shared.choice().rules.push((fragment.into(), script));
    }

    /// This script where nothing else is said.
    pub fn otherwise(&self, script: Script) {
        self.shared.choice().otherwise = script;
    }

    /// The next so many turns of tasks fail; then the scripts go on where they stood.
    pub fn fail_next(&self, failure: Failure, times: usize) {
        let failures = std::iter::repeat_n(failure, times);
        self.shared.choice().failures.extend(failures);
    }

    /// Turns of conversations with the fragment in one of their prompts wait from now on.
    pub fn hold(&self, fragment: &str) {
        self.shared.gate.hold(fragment);
    }

    /// Lets go what [`Models::hold`] holds by the same fragment.
    pub fn release(&self, fragment: &str) {
        self.shared.gate.release(fragment);
    }

    /// Every turn of a task waits from now on.
    pub fn pause(&self) {
        self.hold("");
    }

    /// Ends [`Models::pause`].
    pub fn resume(&self) {
        self.release("");
    }

    /// How many requests wait at the moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.gate.waiting()
    }

    /// Ends when at least so many requests wait.
    pub async fn until_waiting(&self, count: usize, longest: Duration) -> anyhow::Result<()> {
        tokio::time::timeout(longest, self.shared.gate.until_waiting(count))
            .await
            .with_context(|| {
                format!(
                    "{} of {count} requests wait after {longest:?}",
                    self.waiting()
                )
            })
    }

    /// The newest requests, oldest first; at most [`MAX_RECORDS`]. Probes without a key are not among them.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.log.all()
    }

    /// The moment that the times of the requests are counted from.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.shared.log.started()
    }

    /// How many requests have come in all; a scenario that expects silence compares two of these.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.shared.log.total()
    }

    /// The oldest request that fits, as soon as there is one.
    pub async fn wait_for(
        &self,
        fits: impl Fn(&RequestRecord) -> bool,
        longest: Duration,
    ) -> anyhow::Result<RequestRecord> {
        self.shared.log.wait_for(fits, longest).await
    }

    /// The kinds of keys that have come so far.
    #[must_use]
    pub fn seen_keys(&self) -> BTreeSet<KeySeen> {
        self.shared.log.keys()
    }

    /// What must not have happened: a placeholder that left a sandbox, a tool that no agent offers,
    /// an unknown script or address. Empty at the end of a good scenario.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.log.violations()
    }
}
