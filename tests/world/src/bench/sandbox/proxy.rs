//! Requests from a sandbox by each road through shim, socket and egress proxy, beside the same client that asks the same
//! server from a container with an ordinary network: the engine's bridge, or the host's own where the engine has none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use deckhand_executors::egress::{
    BaseAddress, EgressPolicy, EgressProxy, Opening, PolicyDocument, Provider, RUN_FOLDER, Way,
};
use deckhand_executors::sandbox::{Executor as _, SandboxName};
use serde_json::{Value, json};

use super::client::Took;
use super::ground::{Ground, borrowed, exec, idle, sockets};
use super::pairs::Pairs;
use super::server::{self, HOST, LARGE_BYTES, LARGE_MODEL, MODEL_PATH, SMALL_MODEL, Server};
use crate::demo::leftovers::docker;

/// How many small requests are one measurement.
pub const SMALL_COUNT: usize = 1_000;
/// How many connections share them, where they are shared.
pub const AT_ONCE: usize = 16;
/// Where the client is in a container, and what its folder holds.
const CLIENT_FOLDER: &str = "/bench";
const PROGRAM: &str = "deckhand-world";
const AUTHORITY: &str = "authority.pem";
/// Where the shim listens in a sandbox.
const SHIM: &str = "127.0.0.1:3128";
/// Agents look at the beginning of a key.
const KEY: &str = "sk-ant-api03-the-key-of-a-measurement-0123456789";

/// A way by which a request leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// Plain HTTP to a host that a rule lists.
    Plain,
    /// TLS that passes unseen.
    Tunnel,
    /// TLS that is ended at the proxy and begun anew.
    Inspected,
    /// A model's base address, counted.
    Model,
}

impl Road {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Tunnel, Self::Inspected, Self::Model];

    /// Its name for people and for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tunnel => "tunnel",
            Self::Inspected => "inspected",
            Self::Model => "model",
        }
    }
}

/// What one road takes.
pub struct Measured {
    /// Which one.
    pub road: Road,
    /// The large body.
    pub large: Pairs,
    /// Small requests one after another, on one connection.
    pub small: Pairs,
    /// The same, shared by several connections.
    pub crowd: Pairs,
}

/// Takes so many pairs of each, by each road.
pub async fn measure(ground: &Ground, count: usize) -> anyhow::Result<Vec<Measured>> {
    let gateway = gateway().await;
    let server = Server::start(gateway).await?;
    let folder = ground.lent("client")?;
    std::fs::copy(std::env::current_exe()?, folder.join(PROGRAM))?;
    std::fs::write(folder.join(AUTHORITY), &server.authority_pem)?;
    let beside = beside(ground, &folder, gateway).await?;
    let proxy = EgressProxy::trusting(Way::Direct, std::slice::from_ref(&server.authority))?;
    let mut all = Vec::new();
    for road in Road::ALL {
        let part = format!("proxy-{}", road.name());
        let egress = ground.way_out(&proxy, &part, by(road, &server)?)?;
        let mut spec = ground.spec(&part, "proxy", &idle());
        spec.mounts.push(sockets(&egress));
        spec.mounts.push(borrowed(&folder, CLIENT_FOLDER));
        ground.executor.start(&spec).await?;
        let place = Place {
            ground,
            server: &server,
            road,
            sandbox: &spec.name,
            beside: &beside,
        };
        all.push(Measured {
            road,
            large: place.pairs(count, Load::Large).await?,
            small: place.pairs(count, Load::Small { at_once: 1 }).await?,
            crowd: place.pairs(count, Load::Small { at_once: AT_ONCE }).await?,
        });
        ground.executor.stop(&spec.name).await?;
    }
    Ok(all)
}

/// Where the direct thing is asked from, and where it finds the server.
struct Beside {
    container: String,
    server: IpAddr,
}

/// The address of this machine on the engine's bridge; none where the engine has no bridge, or its address is not ours.
async fn gateway() -> Option<IpAddr> {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let said = docker(&["network", "inspect", "bridge", "--format", format]).await;
    let address: IpAddr = said.ok()?.trim().parse().ok()?;
    // Only an address of this machine can be listened on.
    std::net::UdpSocket::bind((address, 0)).ok()?;
    Some(address)
}

/// A container of the same image with an ordinary network, for the direct thing.
async fn beside(ground: &Ground, folder: &Path, gateway: Option<IpAddr>) -> anyhow::Result<Beside> {
    let name = ground.name("direct");
    let (label, image) = (ground.label(), &ground.profile.image);
    let volume = format!("{}:{CLIENT_FOLDER}:ro", folder.display());
    let network = match gateway {
        Some(_) => "--network=bridge",
        None => "--network=host",
    };
    docker(&[
        "run",
        "--detach",
        "--init",
        network,
        "--name",
        &name,
        "--label",
        &label,
        "--volume",
        &volume,
        "--entrypoint=sleep",
        image,
        "infinity",
    ])
    .await?;
    Ok(Beside {
        container: name,
        server: gateway.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    })
}

/// What a road needs of its way out.
fn by(road: Road, server: &Server) -> anyhow::Result<impl FnOnce(Opening) -> Opening> {
    let rule = |port: u16, tls: &str| json!({"hosts": [HOST], "ports": [port], "addresses": "house", "tls": tls});
    let (rules, bases) = match road {
        Road::Plain => (json!([rule(server.plain.port(), "inspect")]), vec![]),
        Road::Tunnel => (json!([rule(server.tls.port(), "tunnel")]), vec![]),
        Road::Inspected => (json!([rule(server.tls.port(), "inspect")]), vec![]),
        Road::Model => {
            let upstream = format!("http://{}", server.plain);
            let base = BaseAddress::of_provider(Provider::Anthropic, &upstream, KEY.into())?;
            (json!([]), vec![base])
        }
    };
    let policy = policy(&rules)?;
    Ok(|opening| Opening {
        policy,
        bases,
        ..opening
    })
}

fn policy(rules: &Value) -> anyhow::Result<EgressPolicy> {
    let text = json!({"version": 1, "default": {"rules": rules}}).to_string();
    Ok(PolicyDocument::read(&text)?.for_repository("acme/web", &[]))
}

/// What is asked for in one measurement.
#[derive(Clone, Copy, Debug)]
enum Load {
    Large,
    Small { at_once: usize },
}

/// Where one road is measured.
struct Place<'a> {
    ground: &'a Ground,
    server: &'a Server,
    road: Road,
    sandbox: &'a SandboxName,
    beside: &'a Beside,
}

impl Place<'_> {
    async fn pairs(&self, count: usize, load: Load) -> anyhow::Result<Pairs> {
        let ours = async || self.by_proxy(load).await;
        let pairs = Pairs::take(count, ours, async || self.directly(load).await).await;
        pairs.with_context(|| format!("{load:?} by the road {}", self.road.name()))
    }

    async fn by_proxy(&self, load: Load) -> anyhow::Result<Duration> {
        let trust = match self.road {
            Road::Inspected => format!("{RUN_FOLDER}/{AUTHORITY}"),
            Road::Plain | Road::Tunnel | Road::Model => format!("{CLIENT_FOLDER}/{AUTHORITY}"),
        };
        let (address, form) = match self.road {
            Road::Plain => (self.address(load), "proxy"),
            Road::Tunnel | Road::Inspected => (self.address(load), "tunnel"),
            Road::Model => (format!("http://{SHIM}/anthropic{MODEL_PATH}"), "server"),
        };
        let words = self.words(load, &address, (SHIM, form), &trust);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.ground.run(self.sandbox, exec(&words)).await?;
        self.check(load, &said)
    }

    async fn directly(&self, load: Load) -> anyhow::Result<Duration> {
        let trust = format!("{CLIENT_FOLDER}/{AUTHORITY}");
        let server = SocketAddr::new(self.beside.server, self.socket().port()).to_string();
        let words = self.words(load, &self.address(load), (&server, "server"), &trust);
        let mut command = vec!["exec", self.beside.container.as_str()];
        command.extend(words.iter().map(String::as_str));
        self.check(load, &docker(&command).await?)
    }

    /// The command line of the client.
    fn words(
        &self,
        load: Load,
        address: &str,
        (to, form): (&str, &str),
        trust: &str,
    ) -> Vec<String> {
        let (count, at_once) = match load {
            Load::Large => (1, 1),
            Load::Small { at_once } => (SMALL_COUNT, at_once),
        };
        let program = format!("{CLIENT_FOLDER}/{PROGRAM}");
        let (count, at_once) = (count.to_string(), at_once.to_string());
        let mut words: Vec<String> = [
            program.as_str(),
            "ask",
            "--address",
            address,
            "--to",
            to,
            "--form",
            form,
            "--trust",
            trust,
            "--count",
            &count,
            "--at-once",
            &at_once,
        ]
        .map(str::to_owned)
        .into();
        if self.road == Road::Model {
            let (model, streams) = match load {
                Load::Large => (LARGE_MODEL, true),
                Load::Small { .. } => (SMALL_MODEL, false),
            };
            let messages = [json!({"role": "user", "content": "Is the offset ignored?"})];
            let body = json!({"model": model, "max_tokens": 1_000, "stream": streams, "messages": messages});
            words.extend(["--post".to_owned(), body.to_string()]);
        }
        words
    }

    fn socket(&self) -> SocketAddr {
        match self.road {
            Road::Plain | Road::Model => self.server.plain,
            Road::Tunnel | Road::Inspected => self.server.tls,
        }
    }

    fn address(&self, load: Load) -> String {
        let (scheme, port) = match self.road {
            Road::Plain | Road::Model => ("http", self.server.plain.port()),
            Road::Tunnel | Road::Inspected => ("https", self.server.tls.port()),
        };
        let path = match (self.road, load) {
            (Road::Model, _) => MODEL_PATH,
            (_, Load::Large) => "/large",
            (_, Load::Small { .. }) => "/small",
        };
        format!("{scheme}://{HOST}:{port}{path}")
    }

    /// The time, if all came that was asked for.
    fn check(&self, load: Load, said: &str) -> anyhow::Result<Duration> {
        let took: Took = serde_json::from_str(said).with_context(|| {
            format!(
                "the client printed {said:?}; it has to run in the image, with that one's C library"
            )
        })?;
        let is_model = self.road == Road::Model;
        let expected = match load {
            Load::Large if is_model => server::large_answer_bytes(),
            Load::Large => LARGE_BYTES,
            Load::Small { .. } => SMALL_COUNT as u64 * server::small_bytes(is_model),
        };
        ensure!(
            took.bytes == expected,
            "{} bytes came in place of {expected}",
            took.bytes
        );
        Ok(took.time())
    }
}
