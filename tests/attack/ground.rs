//! The ground of attacks that are made inside a container: a real sandbox behind the real egress proxy, and beside it
//! a bare container with everything open, in which the same attempt has to work.

use std::{collections::BTreeMap, net::UdpSocket, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, bail};
use deckhand_executors::{
    Executor as _, SandboxName, SandboxSpec,
    agent::sandbox_environment,
    docker::DockerExecutor,
    egress::{BaseAddress, EgressHandle, EgressPolicy, EgressProxy, Opening, Phase, Provider, Way},
    sandbox::{Access, Condition, Exec, Limits, Mount, MountSource, VolumeName},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    internet::Internet,
    suite::{Canary, Listed, Outcome, Suite, Verdict},
};

/// The image of all sandboxes here: it has what every agent's has.
const IMAGE: &str = "deckhand-sandbox:base";
/// The program that every sandbox runs first.
const SHIM: &str = "/opt/deckhand/shim";
/// How long one attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_secs(40);
/// How long an arrival may need from the end of the attempt to the listener's book.
const ARRIVAL_TIME: Duration = Duration::from_millis(700);
/// How long the engine may need to tell of the end of a sandbox that was killed.
const END_TIME: Duration = Duration::from_secs(5);
/// Bytes of an attempt's output that are read.
const OUTPUT_BYTES: usize = 256 * 1024;
/// The key of the model provider; it is a canary too.
pub const MODEL_KEY: &str = "sk-ant-canary-the-suites-own-model-key";
/// What an attempt prints when its tools worked, whatever came of them.
pub const TRIED: &str = "tried";
const MIB: u64 = 1024 * 1024;

/// An attack that is made by a script in a container, as the sandbox's user.
pub struct Inside {
    /// Its name; it never changes.
    pub id: &'static str,
    /// What is tried, in one sentence.
    pub tries: &'static str,
    /// Bash. It finds in its environment:
    ///
    /// - `CANARY`, the word that must not get out;
    /// - `HOST` and `GATEWAY`, the host's own address and its address on the engine's bridge, and `PORT`, on which the
    ///   suite listens there (TCP and UDP);
    /// - `SECRET_FILE`, the path on the host of a file that holds `CANARY`;
    /// - `NEIGHBOUR` and `NEIGHBOUR_ADDRESS`, the name and the address of another container.
    ///
    /// It says a line that begins with `tried` when its tools worked, whatever came of them.
    pub script: &'static str,
    /// How it is known that the attempt would work where nothing holds it.
    pub control: Control,
    /// How its effect would be seen.
    pub sign: Sign,
    /// What the proxy does meanwhile.
    pub road: Road,
}

/// How it is known that an attempt would work where nothing holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The same script as the same user in a container with a network has the effect.
    Bare,
    /// The same as root with the engine's usual capabilities.
    BareRoot,
    /// The same as root in a container with all privileges.
    Privileged,
    /// The same as the sandbox's user in a container that shares the host's network.
    HostNetwork,
    /// There is no place where it may be shown; the line `tried` has to do. Say why in a comment at the row.
    None,
}

/// How the effect of an attack would be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The canary arrives anywhere outside, or a packet leaves by any interface but loopback.
    Leaves,
    /// The same, and at these places it may arrive.
    LeavesBut(&'static [&'static str]),
    /// The script's own output holds what only the host knows: the content of `SECRET_FILE`.
    Reads,
    /// This command prints something else on the host than it did before.
    Changes(&'static str),
    /// The attempt's output has a line that begins with `got`. Only where the effect cannot be seen from outside.
    Gets,
}

/// What the egress proxy does during an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It serves a phase, with the suite's internet behind it, where every name leads somewhere.
    House(Phase),
    /// It serves a phase and resolves names itself.
    Direct(Phase),
    /// It served, and the run was cancelled.
    Revoked,
    /// It served, and is gone.
    Dead,
}

impl Road {
    /// The usual one: the agent works.
    pub const WORK: Self = Self::House(Phase::Work);
}

/// The rules of a ground; they may know the port on which the suite listens.
pub type Policy = fn(u16) -> anyhow::Result<EgressPolicy>;

/// What came of a script.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// The exit status; `None` where it was given up.
    pub status: Option<i64>,
    /// Output and errors.
    pub said: String,
}

impl Ran {
    fn has_line(&self, start: &str) -> bool {
        self.said.lines().any(|line| line.starts_with(start))
    }

    /// The last thing that it said, for the table.
    fn last(&self) -> String {
        let mut lines = self.said.lines().rev();
        let last = lines.find(|line| !line.trim().is_empty());
        format!(
            "{} (status {})",
            last.unwrap_or("it said nothing").trim(),
            self.status
                .map_or_else(|| "none".to_owned(), |status| status.to_string())
        )
    }
}

/// The sandbox, the bare container, and the host as they see it.
pub struct Ground {
    pub internet: Internet,
    executor: DockerExecutor,
    instance: String,
    folder: TempDir,
    house: EgressProxy,
    direct: EgressProxy,
    policy: EgressPolicy,
    egress: Option<EgressHandle>,
    host: String,
    gateway: String,
    neighbour: String,
}

impl Ground {
    /// Starts the sandbox and the bare containers. `family` makes the names.
    pub async fn lay(family: &str, policy: Policy) -> anyhow::Result<Self> {
        let instance = format!("attack-{family}-{}", std::process::id());
        let executor = DockerExecutor::connect(&instance, None)?.lending(vec!["/tmp".into()]);
        if !executor.has_image(IMAGE).await? {
            bail!("the image {IMAGE} is missing: script/setup builds it");
        }
        // Short, because sockets below it have short paths; and every sandbox's user has to get through.
        let folder = tempfile::Builder::new()
            .prefix("dh-a-")
            .tempdir_in("/tmp")?;
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
        for part in ["run", "open"] {
            std::fs::create_dir(folder.path().join(part))?;
        }
        let mut internet = Internet::start().await?;
        internet.serve_without_rules(&folder.path().join("open"))?;
        let internet_port = internet.port;
        let mut ground = Self {
            house: EgressProxy::new(Way::proxy(&internet.proxy)?)?,
            direct: EgressProxy::new(Way::Direct)?,
            internet,
            executor,
            instance,
            folder,
            policy: policy(internet_port)?,
            egress: None,
            host: own_address(),
            gateway: docker(&[
                "network",
                "inspect",
                "bridge",
                "-f",
                "{{(index .IPAM.Config 0).Gateway}}",
            ])?,
            neighbour: String::new(),
        };
        ground.take_road(Road::WORK)?;
        ground.start_sandbox().await?;
        ground.start_bare("bare", &[])?;
        let format = "{{.NetworkSettings.IPAddress}}";
        ground.neighbour = docker(&["inspect", "-f", format, &ground.bare("bare")])?;
        Ok(ground)
    }

    /// The sandbox's name.
    pub fn sandbox(&self) -> SandboxName {
        SandboxName(format!("{}-sandbox", self.instance))
    }

    /// The path on the host of a place in the ground's own folder.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn bare(&self, kind: &str) -> String {
        format!("{}-{kind}", self.instance)
    }

    async fn start_sandbox(&self) -> anyhow::Result<()> {
        let spec = sandbox(
            self.sandbox(),
            vec![
                Mount {
                    source: MountSource::Volume(VolumeName(format!("{}-work", self.instance))),
                    target: "/work".to_owned(),
                    access: Access::ReadWrite,
                },
                Mount {
                    source: MountSource::Host(self.path("run")),
                    target: "/run/deckhand".to_owned(),
                    access: Access::ReadOnly,
                },
            ],
        );
        self.executor.start(&spec).await.context("the sandbox")
    }

    /// A container of the same image with a network, led by the same shim to a proxy without rules.
    fn start_bare(&self, kind: &str, more: &[&str]) -> anyhow::Result<()> {
        let name = self.bare(kind);
        let label = format!("deckhand.instance={}", self.instance);
        let mount = format!("{}:/run/deckhand:ro", self.path("open").display());
        let mut arguments = vec![
            "run", "-d", "--init", "--name", &name, "--label", &label, "-v", &mount,
        ];
        let variables: Vec<String> = sandbox_environment()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for variable in &variables {
            arguments.extend(["-e", variable.as_str()]);
        }
        arguments.extend(more);
        // On the host's network the shim would take the host's own port.
        if more.contains(&"--network=host") {
            arguments.extend(["--entrypoint", "sleep", IMAGE, "infinity"]);
        } else {
            arguments.extend([
                "--entrypoint",
                SHIM,
                IMAGE,
                "run",
                "--",
                "sleep",
                "infinity",
            ]);
        }
        docker(&arguments).map(drop)
    }

    /// Leads the sandbox's socket to where an attempt wants it.
    pub fn take_road(&mut self, road: Road) -> anyhow::Result<()> {
        self.egress = None;
        let (proxy, phase) = match road {
            Road::House(phase) => (&self.house, phase),
            Road::Direct(phase) => (&self.direct, phase),
            Road::Revoked | Road::Dead => (&self.house, Phase::Work),
        };
        // Nobody reads the log; a full one drops.
        let (log, _records) = mpsc::channel(1);
        let model = BaseAddress::of_provider(
            Provider::Anthropic,
            "http://model.example",
            MODEL_KEY.into(),
        )?;
        let opening = Opening {
            policy: self.policy.clone(),
            bases: vec![model],
            ..Opening::new(phase, log)
        };
        let handle = proxy.open(&self.path("run"), opening)?;
        match road {
            Road::House(_) | Road::Direct(_) => self.egress = Some(handle),
            Road::Revoked => {
                handle.revoke();
                self.egress = Some(handle);
            }
            Road::Dead => drop(handle),
        }
        Ok(())
    }

    /// Makes one attack and says how it went.
    pub async fn attack(&mut self, suite: &mut Suite, row: &Inside) -> anyhow::Result<Outcome> {
        let canary = suite.plant();
        self.stand_again().await?;
        self.take_road(row.road)?;
        let mut both = self.both(row, &canary).await;
        if both.is_err() {
            // The row before may have brought its sandbox to an end that came only now.
            self.stand_again().await?;
            both = self.both(row, &canary).await;
        }
        self.stand_again().await?;
        let (control, attempt) = both?;
        // An attack that got through needs no control.
        Ok(match (attempt.verdict.clone(), control) {
            (Verdict::Held, Some(shows_nothing)) => shows_nothing,
            (Verdict::Held | Verdict::Succeeded | Verdict::NotMade, _) => attempt,
        })
    }

    /// The attempt where nothing holds it, and in the sandbox.
    async fn both(
        &self,
        row: &Inside,
        canary: &Canary,
    ) -> anyhow::Result<(Option<Outcome>, Outcome)> {
        if matches!(row.sign, Sign::Changes(_)) {
            // Both look at the same thing of the host.
            Ok((self.control(row).await?, self.attempt(row, canary).await?))
        } else {
            tokio::try_join!(self.control(row), self.attempt(row, canary))
        }
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

    /// Makes the attempt in the sandbox.
    async fn attempt(&self, row: &Inside, canary: &Canary) -> anyhow::Result<Outcome> {
        let secret = self.path("secret");
        std::fs::write(&secret, canary.as_str())?;
        let before = look(row.sign)?;
        let packets = self.packets_of_sandbox().await?;
        let variables = self.variables(canary, &secret);
        let ran = match self.run_in_sandbox(row.script, &variables).await {
            Ok(ran) => ran,
            Err(error) => {
                // Who fills the disk is ended, and with the sandbox goes what the attempt said.
                // The engine may lose the command a moment before it knows of the end.
                let name = self.sandbox();
                let end = tokio::time::timeout(END_TIME, self.executor.wait(&name)).await;
                let Ok(condition) = end else {
                    return Err(error);
                };
                return match condition? {
                    Condition::Ended { by, .. } if by.want_of_room().is_some() => {
                        Ok(Outcome::held(by.want_of_room().unwrap_or_default()))
                    }
                    Condition::Ended { .. } | Condition::Running | Condition::Absent => Err(error),
                };
            }
        };
        let after = look(row.sign)?;
        // A sandbox that was killed for the attempt sent nothing more.
        let left = match self.executor.condition(&self.sandbox()).await? {
            Condition::Running => self.packets_of_sandbox().await? - packets,
            Condition::Ended { .. } | Condition::Absent => 0,
        };
        let seen = self.sign(row.sign, canary, &ran, left, &before, &after);
        Ok(match seen.await {
            Some(seen) => Outcome::succeeded(seen),
            None if ran.has_line(TRIED) => Outcome::held(ran.last()),
            None => Outcome::not_made(format!("the attempt did not run: {}", ran.last())),
        })
    }

    /// Makes the attempt where nothing holds it. An outcome is why it shows nothing there.
    async fn control(&self, row: &Inside) -> anyhow::Result<Option<Outcome>> {
        let (kind, user) = match row.control {
            Control::Bare => ("bare", "1000"),
            Control::BareRoot => ("bare", "0"),
            Control::Privileged => ("privileged", "0"),
            Control::HostNetwork => ("hostnet", "1000"),
            Control::None => return Ok(None),
        };
        let name = self.bare(kind);
        if docker(&["inspect", &name]).is_err() {
            let more = match row.control {
                Control::Privileged => "--privileged",
                Control::HostNetwork => "--network=host",
                Control::Bare | Control::BareRoot | Control::None => "--network=bridge",
            };
            self.start_bare(kind, &[more])?;
        }
        let canary = Canary::new();
        let secret = self.path("secret-of-control");
        std::fs::write(&secret, canary.as_str())?;
        let before = look(row.sign)?;
        let packets = packets(&docker(&["exec", &name, "cat", "/proc/net/dev"])?);
        let variables = self.variables(&canary, &secret);
        let ran = run_bare(&name, user, row.script, &variables).await?;
        let after = look(row.sign)?;
        let left = packets_since(&name, packets)?;
        let seen = self
            .sign(row.sign, &canary, &ran, left, &before, &after)
            .await;
        Ok(match seen {
            Some(_) => None,
            None => Some(Outcome::not_made(format!(
                "the control had no effect either: {}",
                ran.last()
            ))),
        })
    }

    async fn sign(
        &self,
        sign: Sign,
        canary: &Canary,
        ran: &Ran,
        packets: i64,
        before: &str,
        after: &str,
    ) -> Option<String> {
        match sign {
            Sign::Leaves => self.left(canary, &[], packets).await,
            Sign::LeavesBut(places) => self.left(canary, places, packets).await,
            Sign::Reads => ran
                .said
                .contains(canary.as_str())
                .then(|| "the host's secret was read".to_owned()),
            Sign::Changes(command) => (before != after).then(|| {
                format!(
                    "`{command}` says {:?} and said {:?}",
                    after.trim(),
                    before.trim()
                )
            }),
            Sign::Gets => ran.has_line("got").then(|| ran.last()),
        }
    }

    async fn left(&self, canary: &Canary, places: &[&str], packets: i64) -> Option<String> {
        tokio::time::sleep(ARRIVAL_TIME).await;
        if let Some(arrival) = self.internet.arrivals.of(canary, places) {
            let text = String::from_utf8_lossy(&arrival.bytes).into_owned();
            return Some(format!("arrived at {}: {text}", arrival.at));
        }
        (packets > 0).then(|| format!("{packets} packets left by a network interface"))
    }

    fn variables(&self, canary: &Canary, secret: &Path) -> BTreeMap<String, String> {
        [
            ("CANARY", canary.as_str().to_owned()),
            ("HOST", self.host.clone()),
            ("GATEWAY", self.gateway.clone()),
            ("PORT", self.internet.port.to_string()),
            ("SECRET_FILE", secret.display().to_string()),
            ("NEIGHBOUR", self.bare("bare")),
            ("NEIGHBOUR_ADDRESS", self.neighbour.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Runs a script in the sandbox, as a coding agent would.
    pub async fn run_in_sandbox(
        &self,
        script: &str,
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Ran> {
        let exec = Exec {
            command: ["bash", "-c", &merged(script)].map(str::to_owned).to_vec(),
            environment: environment.clone(),
            working_directory: "/tmp".to_owned(),
            input: Vec::new(),
            timeout: ATTEMPT_TIME,
            output_limit_bytes: OUTPUT_BYTES,
        };
        let done = self.executor.exec(&self.sandbox(), exec).await?;
        Ok(Ran {
            status: done.status,
            said: String::from_utf8_lossy(&done.output).into_owned(),
        })
    }

    async fn packets_of_sandbox(&self) -> anyhow::Result<i64> {
        let ran = self
            .run_in_sandbox("cat /proc/net/dev", &BTreeMap::new())
            .await?;
        Ok(packets(&ran.said))
    }

    /// Takes everything away.
    pub async fn clear(self) -> anyhow::Result<()> {
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

/// A sandbox that waits for commands behind the shim, as a run's does.
pub fn sandbox(name: SandboxName, mounts: Vec<Mount>) -> SandboxSpec {
    SandboxSpec {
        name,
        image: IMAGE.to_owned(),
        command: [SHIM, "run", "--", "sleep", "infinity"]
            .map(str::to_owned)
            .to_vec(),
        environment: sandbox_environment(),
        working_directory: "/work".to_owned(),
        mounts,
        labels: BTreeMap::new(),
        limits: Limits {
            memory_bytes: 512 * MIB,
            processors: 1.0,
            processes: 256,
            open_files: 1024,
            scratch_bytes: 64 * MIB,
            disk_bytes: 2048 * MIB,
            files: 100_000,
        },
        runtime: None,
    }
}

/// Takes away what an instance left in the engine: a suite that broke off leaves nothing behind, and a drop cannot wait
/// for the executor.
pub fn sweep(instance: &str) {
    let removal = "for kind in container volume; do
         all=-q; [ $kind = container ] && all=-aq
         docker $kind ls $all --filter label=deckhand.instance=$0 | xargs -r docker $kind rm -f
       done";
    let _ = Command::new("sh").args(["-c", removal, instance]).output();
}

/// The rows as the table lists them.
pub fn listed(rows: &[&Inside], family: super::suite::Family) -> Vec<Listed> {
    rows.iter()
        .map(|row| Listed {
            id: row.id.to_owned(),
            family,
            tries: row.tries.to_owned(),
        })
        .collect()
}

/// Tries all rows that are wanted on one ground.
pub async fn try_all(
    suite: &mut Suite,
    family: super::suite::Family,
    rows: &[&Inside],
    policy: Policy,
) -> anyhow::Result<()> {
    let list = listed(rows, family);
    if !suite.wants_any(&list) {
        return Ok(());
    }
    suite.heading(family);
    let mut ground = Ground::lay(family.word(), policy).await?;
    for (row, listed) in rows.iter().zip(&list) {
        if suite.wants(listed) {
            let outcome = match ground.attack(suite, row).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::not_made(format!("the ground broke: {error:#}")),
            };
            suite.tell(listed, &outcome);
        }
    }
    ground.clear().await
}

/// What the host shows of an attack's effect.
fn look(sign: Sign) -> anyhow::Result<String> {
    match sign {
        Sign::Changes(command) => {
            let output = Command::new("sh").args(["-c", command]).output()?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Sign::Leaves | Sign::LeavesBut(_) | Sign::Reads | Sign::Gets => Ok(String::new()),
    }
}

fn merged(script: &str) -> String {
    format!("exec 2>&1\n{script}")
}

async fn run_bare(
    name: &str,
    user: &str,
    script: &str,
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<Ran> {
    let mut command = tokio::process::Command::new("docker");
    command
        .args(["exec", "-u", user, "-w", "/tmp"])
        .kill_on_drop(true);
    for (name, value) in environment {
        command.args(["-e", &format!("{name}={value}")]);
    }
    command.args([name, "bash", "-c", &merged(script)]);
    let Ok(output) = tokio::time::timeout(ATTEMPT_TIME, command.output()).await else {
        return Ok(Ran::default());
    };
    let output = output?;
    Ok(Ran {
        status: output.status.code().map(i64::from),
        said: String::from_utf8_lossy(&output.stdout).into_owned(),
    })
}

fn packets_since(name: &str, before: i64) -> anyhow::Result<i64> {
    Ok(packets(&docker(&["exec", name, "cat", "/proc/net/dev"])?) - before)
}

/// Packets that were sent by interfaces other than loopback, as the kernel counts them.
fn packets(table: &str) -> i64 {
    let lines = table.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(interface, _)| interface.trim() != "lo")
        .filter_map(|(_, counts)| counts.split_whitespace().nth(9)?.parse::<i64>().ok())
        .sum()
}

/// What the engine's own program says.
pub fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "docker {}: {}",
            arguments.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
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
