//! The ground of attacks that are made inside a container: a real sandbox behind the real egress proxy, and beside it
//! a bare container with everything open, in which the same attempt has to work.

mod attempt;
pub mod container;
pub mod row;
pub mod turning;

use std::{collections::BTreeMap, net::UdpSocket, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use deckhand_executors::{
    Executor as _, SandboxName,
    docker::DockerExecutor,
    egress::{
        BaseAddress, EgressHandle, EgressPolicy, EgressProxy, Grant, Opening, Phase, Provider, Way,
    },
    sandbox::Condition,
};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{
    internet::Internet,
    suite::{Canary, Family, Outcome, Suite},
};
pub use container::{docker, sandbox, sweep};
pub use row::{Control, Inside, Road, Sign, TRIED, listed};

use container::{IMAGE, lent, network_fact, start_bare, volume};
use turning::Turning;

/// How long an arrival may need from the end of an attempt until it is seen.
const ARRIVAL_TIME: Duration = Duration::from_millis(700);
/// The key of the model provider; it is a canary too.
const MODEL_KEY: &str = "sk-ant-canary-the-suites-own-model-key";
/// The host of the model provider, and the only place where its key may arrive.
const MODEL: &str = "http://model.example";
const MODEL_PLACES: [&str; 1] = ["model.example:80"];

/// The rules of a ground, which may know the port on which the suite listens.
pub type Policy = fn(u16) -> anyhow::Result<EgressPolicy>;

/// What people have decided about single hosts before any attempt.
pub type Grants = fn() -> Vec<Grant>;

/// What stands for the model's key in sandboxes: in this run's, in another one's, and in one's that has ended.
struct Keys {
    own: String,
    other: String,
    ended: String,
}

/// The sandbox, the bare container, and the host as they see it.
pub struct Ground {
    internet: Internet,
    executor: DockerExecutor,
    instance: String,
    folder: TempDir,
    house: EgressProxy,
    direct: EgressProxy,
    policy: EgressPolicy,
    grants: Vec<Grant>,
    egress: Option<EgressHandle>,
    turning: Option<Turning>,
    /// Another run, which goes on.
    _other: EgressHandle,
    keys: Keys,
    /// What must not arrive in any attempt, and where it may.
    standing: Vec<(Canary, &'static [&'static str])>,
    /// The canaries of the attempts so far, and where they may arrive.
    made: Vec<(&'static str, Canary, &'static [&'static str])>,
    host: String,
    gateway: String,
    neighbour: String,
}

impl Ground {
    /// Starts the sandbox and the bare container. `family` makes the names.
    pub async fn lay(family: &str, policy: Policy, grants: Grants) -> anyhow::Result<Self> {
        let instance = format!("attack-{family}-{}", std::process::id());
        let executor = DockerExecutor::connect(&instance, None)?.lending(vec!["/tmp".into()]);
        if !executor.has_image(IMAGE).await? {
            bail!("the image {IMAGE} is missing: script/setup builds it");
        }
        let folder = folder_for_sockets()?;
        for part in ["run", "open"] {
            std::fs::create_dir(folder.path().join(part))?;
        }
        let mut internet = Internet::start().await?;
        internet.serve_without_rules(&folder.path().join("open"))?;
        let (policy, grants) = (policy(internet.port)?, grants());
        let trusted = [internet.authority.clone()];
        let house = EgressProxy::trusting(Way::proxy(&internet.proxy)?, &trusted)?;
        let (other, other_key) = another_run(&house, &folder.path().join("other"))?;
        let (ended, ended_key) = another_run(&house, &folder.path().join("ended"))?;
        ended.revoke();
        drop(ended);
        let mut ground = Self {
            house,
            direct: EgressProxy::new(Way::Direct)?,
            internet,
            executor,
            instance,
            folder,
            policy,
            grants,
            egress: None,
            turning: None,
            _other: other,
            keys: Keys {
                own: String::new(),
                other: other_key,
                ended: ended_key,
            },
            standing: Vec::new(),
            made: Vec::new(),
            host: own_address(),
            gateway: String::new(),
            neighbour: String::new(),
        };
        ground.take_road(Road::WORK).await?;
        let own = ground.egress.as_ref();
        let own = own.and_then(|egress| egress.placeholder(Provider::Anthropic));
        ground.keys.own = own
            .context("the run has no placeholder")?
            .expose_secret()
            .to_owned();
        ground.plant_keys();
        ground.start_sandbox().await?;
        start_bare(
            &ground.bare("bare"),
            &ground.instance,
            &ground.path("open"),
            Control::Bare,
        )?;
        ground.gateway = network_fact(&ground.bare("bare"), "Gateway")?;
        ground.neighbour = network_fact(&ground.bare("bare"), "IPAddress")?;
        Ok(ground)
    }

    fn plant_keys(&mut self) {
        let Keys { own, other, ended } = &self.keys;
        let nowhere: &[&str] = &[];
        let keys = [
            (MODEL_KEY, MODEL_PLACES.as_slice()),
            (own, nowhere),
            (other, nowhere),
            (ended, nowhere),
        ];
        let canaries = keys.into_iter().flat_map(|(key, places)| {
            let canaries = Canary::all_within(key.as_bytes()).into_iter();
            canaries.map(move |canary| (canary, places))
        });
        self.standing = canaries.collect();
    }

    fn sandbox(&self) -> SandboxName {
        SandboxName(format!("{}-sandbox", self.instance))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn bare(&self, kind: &str) -> String {
        format!("{}-{kind}", self.instance)
    }

    async fn start_sandbox(&self) -> anyhow::Result<()> {
        let mounts = vec![
            volume(&self.instance, "work", "/work"),
            lent(&self.path("run"), "/run/deckhand"),
        ];
        let spec = sandbox(self.sandbox(), mounts);
        self.executor.start(&spec).await.context("the sandbox")
    }

    /// Starts the sandbox anew where it has ended.
    async fn stand_again(&self) -> anyhow::Result<()> {
        if self.executor.condition(&self.sandbox()).await? == Condition::Running {
            return Ok(());
        }
        self.executor.stop(&self.sandbox()).await?;
        // Whatever filled the work tree would end the next one too.
        for volume in self.executor.volumes().await? {
            self.executor.remove_volume(&volume).await?;
        }
        self.start_sandbox().await
    }

    /// Leads the sandbox's socket to where an attempt wants it.
    async fn take_road(&mut self, road: Road) -> anyhow::Result<()> {
        self.egress = None;
        self.turning = None;
        let (proxy, phase) = match road {
            Road::House(phase) => (&self.house, phase),
            Road::Direct(phase) => (&self.direct, phase),
            Road::Revoked | Road::Dead => (&self.house, Phase::Work),
            Road::Turning => {
                let (folder, arrivals) = (self.folder.path(), self.internet.arrivals.clone());
                let name = self.bare("turning");
                self.turning = Some(Turning::open(&name, &self.instance, folder, arrivals).await?);
                return Ok(());
            }
        };
        let opening = Opening {
            policy: self.policy.clone(),
            ..opening(phase, MODEL_KEY, "the suite's own run")?
        };
        let handle = proxy.open(&self.path("run"), opening)?;
        for grant in &self.grants {
            handle.grant(grant);
        }
        match road {
            Road::House(_) | Road::Direct(_) | Road::Turning => self.egress = Some(handle),
            Road::Revoked => {
                handle.revoke();
                self.egress = Some(handle);
            }
            Road::Dead => drop(handle),
        }
        Ok(())
    }

    /// What a script finds in its environment.
    fn variables(&self, canary: &Canary, secret: &Path, keys: &Keys) -> BTreeMap<String, String> {
        [
            ("CANARY", canary.as_str().to_owned()),
            ("HOST", self.host.clone()),
            ("GATEWAY", self.gateway.clone()),
            ("PORT", self.internet.port.to_string()),
            ("SECRET_FILE", secret.display().to_string()),
            ("NEIGHBOUR", self.bare("bare")),
            ("NEIGHBOUR_ADDRESS", self.neighbour.clone()),
            ("OWN_KEY", keys.own.clone()),
            ("OTHER_KEY", keys.other.clone()),
            ("ENDED_KEY", keys.ended.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Looks once more for everything that must not have arrived, when there was time for it.
    async fn look_again(&self, suite: &mut Suite) {
        tokio::time::sleep(ARRIVAL_TIME).await;
        let made = self.made.iter().map(|(id, ..)| Some(*id));
        let made = made.zip(self.made.iter().map(|(_, canary, places)| (canary, places)));
        let standing = self.standing.iter();
        let standing = standing.map(|(canary, places)| (None, (canary, places)));
        for (id, (canary, places)) in made.chain(standing) {
            if let Some(sighting) = self.internet.arrivals.of(canary, places) {
                let place = format!("arrived at {}: {}", sighting.at, sighting.text);
                suite.found_later(id, canary, place);
            }
        }
    }

    /// Takes everything away.
    async fn clear(self) -> anyhow::Result<()> {
        for listed in self.executor.list().await? {
            self.executor.stop(&listed.name).await?;
        }
        for volume in self.executor.volumes().await? {
            self.executor.remove_volume(&volume).await?;
        }
        Ok(())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        sweep(&self.instance);
    }
}

/// A folder that every sandbox's user gets through, with a short path, because sockets below it have short paths.
pub fn folder_for_sockets() -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("dh-a-")
        .tempdir_in("/tmp")?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode)?;
    Ok(folder)
}

/// An opening with a model behind it.
fn opening(phase: Phase, key: &str, seed: &str) -> anyhow::Result<Opening> {
    // Nobody reads the log; a full one drops.
    let (log, _records) = mpsc::channel(1);
    let model = BaseAddress::of_provider(Provider::Anthropic, MODEL, key.into())?;
    Ok(Opening {
        bases: vec![model],
        seed: Some(SecretString::from(seed)),
        ..Opening::new(phase, log)
    })
}

/// A run beside the one that is attacked, and what stands for its key.
fn another_run(proxy: &EgressProxy, folder: &Path) -> anyhow::Result<(EgressHandle, String)> {
    let key = Canary::new();
    let seed = folder.display().to_string();
    let handle = proxy.open(folder, opening(Phase::Work, key.as_str(), &seed)?)?;
    let placeholder = handle.placeholder(Provider::Anthropic);
    let placeholder = placeholder.context("the other run has no placeholder")?;
    let placeholder = placeholder.expose_secret().to_owned();
    Ok((handle, placeholder))
}

/// Tries all rows that are wanted on one ground.
pub async fn try_all(
    suite: &mut Suite,
    family: Family,
    rows: &[&'static Inside],
    policy: Policy,
    grants: Grants,
) -> anyhow::Result<()> {
    let list = listed(rows, family);
    if !suite.wants_any(&list) {
        return Ok(());
    }
    suite.heading(family);
    let mut ground = Ground::lay(family.word(), policy, grants).await?;
    for (canary, _) in &ground.standing {
        suite.plant_this(canary);
    }
    for (row, listed) in rows.iter().zip(&list) {
        if suite.wants(listed) {
            let mut outcome = outcome_of(ground.attack(suite, row).await);
            if outcome.is_not_made() {
                outcome = outcome_of(ground.attack(suite, row).await).after(&outcome);
            }
            suite.tell(listed, &outcome);
        }
    }
    ground.look_again(suite).await;
    ground.clear().await
}

/// Trouble of the ground shows nothing.
pub fn outcome_of(outcome: anyhow::Result<Outcome>) -> Outcome {
    outcome.unwrap_or_else(|error| Outcome::not_made(format!("the ground broke: {error:#}")))
}

/// The address of this machine that others would use. Nothing is sent.
fn own_address() -> String {
    let ask = || {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("198.51.100.1:9").ok()?;
        socket.local_addr().ok()
    };
    ask().map_or_else(
        || "127.0.0.1".to_owned(),
        |address| address.ip().to_string(),
    )
}
