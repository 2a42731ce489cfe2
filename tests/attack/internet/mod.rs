//! The internet of the suite: any name leads here, what arrives is looked through for canaries, and everything is
//! answered.
//!
//! The egress proxy is told that the house reaches the internet through a proxy, and this is that proxy. Beside it
//! listens what a direct way out would reach: TCP and UDP on every address of this machine.

mod conversation;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, UdpSocket, UnixListener},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::suite::Canary;
use conversation::Conversation;
use tls::Hosts;

/// Characters of an arrival that are kept as evidence.
const EXCERPT_CHARS: usize = 300;
/// Places of one canary that are kept.
const PLACES: usize = 50;

/// A canary that arrived.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// Where: `evil.example:443`, or the road where there is no name.
    pub at: String,
    /// In what.
    pub text: String,
}

/// The canaries that have arrived so far.
#[derive(Clone)]
pub struct Arrivals {
    seen: Arc<Mutex<BTreeMap<Canary, Vec<Sighting>>>>,
    news: watch::Sender<()>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            seen: Arc::default(),
            news: watch::Sender::new(()),
        }
    }
}

impl Arrivals {
    /// Looks through bytes that arrived.
    pub fn arrived(&self, at: &str, bytes: &[u8]) {
        let canaries = Canary::all_within(bytes);
        if canaries.is_empty() {
            return;
        }
        let text: String = String::from_utf8_lossy(bytes)
            .chars()
            .take(EXCERPT_CHARS)
            .collect();
        for canary in canaries {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let places = seen.entry(canary).or_default();
            if places.len() < PLACES && !places.iter().any(|known| known.at == at) {
                places.push(Sighting {
                    at: at.to_owned(),
                    text: text.clone(),
                });
            }
        }
        self.news.send_replace(());
    }

    /// Where a canary arrived, leaving out the places where it may.
    pub fn of(&self, canary: &Canary, may_be_at: &[&str]) -> Option<Sighting> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = seen.get(canary)?.iter();
        places
            .find(|sighting| !may_be_at.contains(&sighting.at.as_str()))
            .cloned()
    }

    /// Every canary with every place where it arrived.
    fn places(&self) -> Vec<(Canary, String)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let each = seen.iter().flat_map(|(canary, places)| {
            let places = places.iter();
            places.map(move |sighting| (canary.clone(), sighting.at.clone()))
        });
        each.collect()
    }

    /// Tells of every sighting, once, for as long as it is waited for.
    pub async fn tell(&self, mut say: impl FnMut(&str, &Canary)) {
        let mut news = self.news.subscribe();
        let mut told = BTreeSet::new();
        loop {
            news.borrow_and_update();
            for (canary, at) in self.places() {
                if told.insert((canary.clone(), at.clone())) {
                    say(&at, &canary);
                }
            }
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Where a canary arrives, and waits for it.
    pub async fn await_one(
        &self,
        canary: &Canary,
        may_be_at: &[&str],
        limit: Duration,
    ) -> Option<Sighting> {
        let mut news = self.news.subscribe();
        let wait = async {
            loop {
                news.borrow_and_update();
                if let Some(sighting) = self.of(canary, may_be_at) {
                    return Some(sighting);
                }
                news.changed().await.ok()?;
            }
        };
        timeout(limit, wait).await.ok().flatten()
    }
}

/// The running internet; it ends when this is dropped.
pub struct Internet {
    /// What has arrived.
    pub arrivals: Arrivals,
    /// The address of the house's proxy, which reaches every name.
    pub proxy: String,
    /// Who vouches for its hosts.
    pub authority: CertificateDer<'static>,
    /// The port that listens on every address of this machine, TCP and UDP.
    pub port: u16,
    hosts: Hosts,
    tasks: Vec<AbortOnDropHandle<()>>,
}

impl Internet {
    /// Starts listening.
    pub async fn start() -> anyhow::Result<Self> {
        let arrivals = Arrivals::default();
        let (authority, hosts) = Hosts::vouched_for()?;
        let house = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = format!("http://{}", house.local_addr()?);
        let direct = TcpListener::bind("0.0.0.0:0").await?;
        let port = direct.local_addr()?.port();
        let datagrams = UdpSocket::bind(("0.0.0.0", port)).await?;
        let tasks = vec![
            spawn(serve(house, arrivals.clone(), hosts.clone(), "house")),
            spawn(serve(direct, arrivals.clone(), hosts.clone(), "direct")),
            spawn(hear_datagrams(datagrams, arrivals.clone())),
            spawn(serve_unix(
                abstract_socket(port)?,
                arrivals.clone(),
                hosts.clone(),
                "abstract",
            )),
        ];
        Ok(Self {
            arrivals,
            proxy,
            authority,
            port,
            hosts,
            tasks,
        })
    }

    /// Serves a folder as an egress proxy without rules would: what a control needs, to show that an attempt works.
    pub fn serve_without_rules(&mut self, folder: &Path) -> io::Result<()> {
        for name in ["egress.sock", "transparent.sock"] {
            let path = folder.join(name);
            let listener = UnixListener::bind(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
            let (arrivals, hosts) = (self.arrivals.clone(), self.hosts.clone());
            self.tasks
                .push(spawn(serve_unix(listener, arrivals, hosts, "proxy")));
        }
        Ok(())
    }

    /// Serves a listener; where something arrives is the address by which it came.
    pub fn serve_by_address(&self, listener: TcpListener) -> AbortOnDropHandle<()> {
        let (arrivals, hosts) = (self.arrivals.clone(), self.hosts.clone());
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(address) = stream.local_addr() else {
                    continue;
                };
                let at = address.ip().to_string();
                let conversation = Conversation::new(stream, arrivals.clone(), at);
                tokio::spawn(conversation.hold(hosts.clone()));
            }
        })
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

async fn serve(listener: TcpListener, arrivals: Arrivals, hosts: Hosts, at: &'static str) {
    while let Ok((stream, _)) = listener.accept().await {
        let conversation = Conversation::new(stream, arrivals.clone(), at.to_owned());
        tokio::spawn(conversation.hold(hosts.clone()));
    }
}

/// A socket with a name and no file, which every process of the same network namespace can reach.
fn abstract_socket(port: u16) -> io::Result<UnixListener> {
    use std::os::{linux::net::SocketAddrExt as _, unix::net};
    let name = format!("deckhand-attack-{port}");
    let address = net::SocketAddr::from_abstract_name(name)?;
    let listener = net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn serve_unix(listener: UnixListener, arrivals: Arrivals, hosts: Hosts, at: &'static str) {
    while let Ok((stream, _)) = listener.accept().await {
        let conversation = Conversation::new(stream, arrivals.clone(), at.to_owned());
        tokio::spawn(conversation.hold(hosts.clone()));
    }
}

async fn hear_datagrams(socket: UdpSocket, arrivals: Arrivals) {
    let mut datagram = vec![0; 64 * 1024];
    while let Ok((count, from)) = socket.recv_from(&mut datagram).await {
        arrivals.arrived("datagram", &datagram[..count]);
        // An answer, so that a resolver that asked does not ask for long.
        let _ = socket.send_to(&datagram[..count.min(512)], from).await;
    }
}
