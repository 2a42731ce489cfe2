//! Accepts a sandbox's connections and sorts its requests by the three forms in which a proxy is asked.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{
    Method, Request, Response, Uri, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    awake::Awake,
    dial::Way,
    gate::{Epoch, Gate, Standing},
    inspect::Inspection,
    introduction::{Introduced, introduce},
    journal::{Asked, Journal},
    plain,
    policy::{HTTP_PORT, TLS_PORT, is_address, is_host_name, normal},
    record::Rule,
    refusal::{Body, Refusal},
    relay::Models,
    transparent, tunnel,
};
use crate::door::{Entrance, Guest};

/// Connections of one sandbox at a time; more wait.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for the head of a request, and how long an unused connection is kept: longer than clients
/// keep theirs (90 s), so that none is closed in the moment of its next use.
pub const HEAD_TIME: Duration = Duration::from_mins(5);
/// Bytes that may wait to be taken by a sandbox; the kernel gives as many as it gives to anybody.
const WAITING_BYTES: usize = 1024 * 1024;
/// The pause where no connection can be accepted, as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Where the shim listens inside. A client that does not know that loopback needs no proxy asks for it through one.
const OWN_NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
const OWN_PORT: u16 = 3128;

/// What answers the requests of one run.
#[derive(Debug)]
pub struct Service {
    /// What is allowed now.
    pub gate: Arc<Gate>,
    /// Whether this process may have lost the run while it was paused.
    pub awake: Awake,
    /// The model providers.
    pub models: Models,
    /// The host's own way to the internet.
    pub way: Way,
    /// Where records go.
    pub journal: Arc<Journal>,
    /// What inspection takes.
    pub inspection: Inspection,
    /// A place for each tunnel.
    pub tunnels: Arc<Semaphore>,
}

/// How a connection came.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    /// From a client that asks a proxy.
    Proxy,
    /// From a program that knows no proxy, as it speaks to a host.
    Transparent,
}

/// Whose requests come on a connection.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What held when the connection was made, and its end.
    pub epoch: Epoch,
    /// The command line in the sandbox, where it is known: text of a stranger's.
    pub client: Option<String>,
}

impl Service {
    /// Answers a request as a proxy is asked.
    pub async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        caller: Caller,
    ) -> Response<Body> {
        let own = is_own(request.uri());
        let phase = match caller.epoch.standing {
            Standing::Open(phase) if self.is_ours(&caller).await => Some(phase),
            Standing::Open(_) | Standing::Revoked => None,
        };
        let tunnels = request.method() == Method::CONNECT;
        let host = if own { None } else { request.uri().authority() };
        let mut entry = self.journal.entry(Asked {
            phase,
            method: request.method().to_string(),
            host: host.map_or_else(
                || self.models.host(request.uri().path()),
                ToString::to_string,
            ),
            path: (!tunnels).then(|| request.uri().path().to_owned()),
            target: if own {
                None
            } else {
                target(request.uri(), tunnels)
            },
            client: caller.client.clone(),
        });
        let Some(phase) = phase else {
            let sentence = "This run has ended; nothing leaves its sandbox any more.".to_owned();
            return Refusal::Denied(Rule::Revoked, sentence).answer(&mut entry);
        };
        if tunnels {
            tunnel::connect(self, phase, caller, request, entry).await
        } else if own {
            self.models.relay(phase, request, entry).await
        } else {
            plain::fetch(&self, phase, request, entry).await
        }
    }
}

impl Service {
    /// Whether the run is this process's still. After a pause that has to be found out first.
    async fn is_ours(&self, caller: &Caller) -> bool {
        if self.awake.is_sure() {
            return true;
        }
        tokio::select! {
            biased;
            () = caller.epoch.over.cancelled() => false,
            () = self.awake.sure() => true,
        }
    }
}

/// Whether a request is for the proxy itself: it names no host, or the shim's own address.
fn is_own(uri: &Uri) -> bool {
    let (Some(host), Some(_scheme)) = (uri.host(), uri.scheme()) else {
        return uri.host().is_none();
    };
    OWN_NAMES.contains(&host) && uri.port_u16() == Some(OWN_PORT)
}

/// The host and port that a person could allow.
fn target(uri: &Uri, tunnels: bool) -> Option<(String, u16)> {
    let customary = if tunnels { TLS_PORT } else { HTTP_PORT };
    allowable(uri.host()?, uri.port_u16().unwrap_or(customary))
}

/// The same of a host and a port by themselves.
pub fn allowable(host: &str, port: u16) -> Option<(String, u16)> {
    let host = normal(host);
    (is_host_name(&host) && !is_address(&host)).then_some((host, port))
}

/// The task that accepts connections: it is begun again where it dies, and that is counted.
#[derive(Debug, Default)]
pub struct Keeper {
    restarts: AtomicU64,
    #[cfg(test)]
    serving: std::sync::Mutex<Option<tokio::task::AbortHandle>>,
}

impl Keeper {
    /// How often it was begun again.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Lets the task die, as a fault in it would.
    #[cfg(test)]
    pub fn kill(&self) {
        if let Some(serving) = &*self
            .serving
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            serving.abort();
        }
    }

    /// Serves connections until `closed`, by the same rules whatever happens. Where the task that accepts them dies,
    /// those that are there go on, new ones wait in front of the socket, and nothing passes unseen.
    pub async fn keep(
        self: Arc<Self>,
        entrance: Entrance,
        door: Door,
        service: Arc<Service>,
        closed: CancellationToken,
    ) {
        let (entrance, places) = (
            Arc::new(entrance),
            Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        );
        loop {
            let serving = tokio::spawn(serve(
                Arc::clone(&entrance),
                door,
                Arc::clone(&places),
                Arc::clone(&service),
                closed.clone(),
            ));
            #[cfg(test)]
            {
                let mut slot = self
                    .serving
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                *slot = Some(serving.abort_handle());
            }
            match serving.await {
                Ok(()) => return,
                Err(error) => {
                    self.restarts.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "a run's egress proxy died and is begun again by the same rules");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves connections until `closed`.
async fn serve(
    entrance: Arc<Entrance>,
    door: Door,
    places: Arc<Semaphore>,
    service: Arc<Service>,
    closed: CancellationToken,
) {
    closed
        .run_until_cancelled(async {
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let Ok(stream) = entrance.accept(place).await else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                stream.let_wait(WAITING_BYTES);
                let (service, epoch, closed) =
                    (Arc::clone(&service), service.gate.epoch(), closed.clone());
                tokio::spawn(async move {
                    let over = epoch.over.clone();
                    tokio::select! {
                        () = converse(stream, door, service, epoch) => {}
                        () = over.cancelled() => {}
                        () = closed.cancelled() => {}
                    }
                });
            }
        })
        .await;
}

async fn converse(stream: Guest, door: Door, service: Arc<Service>, epoch: Epoch) {
    let introduced = timeout(HEAD_TIME, introduce(stream)).await;
    let Ok(Some((client, stream))) = introduced else {
        return;
    };
    let caller = Caller { epoch, client };
    match door {
        Door::Proxy => as_proxy(service, caller, stream).await,
        Door::Transparent => transparent::converse(service, caller, stream).await,
    }
}

async fn as_proxy(service: Arc<Service>, caller: Caller, stream: Introduced) {
    let answer = service_fn(|request| {
        let (service, caller) = (Arc::clone(&service), caller.clone());
        async move { Ok::<_, Infallible>(service.answer(request, caller).await) }
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades()
        .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection of a sandbox broke");
    }
}
