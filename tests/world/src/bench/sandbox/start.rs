//! From nothing until the agent is ready: a run's sandbox with its way out, walls and volumes, beside `docker run`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use deckhand_executors::agent::{Launch, ModelProvider, PriceTable};
use deckhand_executors::egress::{
    BaseAddress, EgressHandle, EgressProxy, Opening, Provider, Way, way_out_environment,
};
use deckhand_executors::sandbox::Executor as _;
use tokio::process::Command;

use super::ground::{Ground, TREE, borrowed, sockets};
use super::pairs::Pairs;
use super::repository::Repository;
use crate::bench::line::Line;
use crate::bench::place::PART_WITHIN;
use crate::bench::series::Series;

/// A provider that nobody asks: an agent that gets ready needs no model.
const PROVIDER: &str = "http://127.0.0.1:9";
/// Agents look at the beginning of a key.
const KEY: &str = "sk-ant-api03-nobody-asks-with-this-key-0123456789";
/// What stands between the shim and the command that it runs.
const SHIM_END: &str = "--";

/// How long it took, and its parts.
pub struct Start {
    /// Until the agent is ready.
    pub pairs: Pairs,
    /// Until the way out is open.
    pub opened: Series,
    /// From there until the executor says that the sandbox runs.
    pub started: Series,
    /// From there until the agent answers.
    pub answered: Series,
}

/// Takes so many pairs.
pub async fn measure(
    ground: &Ground,
    repository: &Repository,
    count: usize,
) -> anyhow::Result<Start> {
    let proxy = EgressProxy::new(Way::Direct)?;
    let (mut parts, mut number) = (Vec::new(), 0);
    let ours = async || {
        number += 1;
        let took = in_sandbox(ground, repository, &proxy, number).await?;
        parts.push(took);
        Ok(took.iter().sum())
    };
    let launch = launch(ground, &ground.way_out(&proxy, "bare", to_nobody()?)?)?;
    let pairs = Pairs::take(count, ours, async || bare(ground, &launch).await).await?;
    // The first was for warmth.
    let part = |index: usize| parts.iter().skip(1).map(|part| part[index]).collect();
    Ok(Start {
        pairs,
        opened: part(0),
        started: part(1),
        answered: part(2),
    })
}

fn to_nobody() -> anyhow::Result<impl FnOnce(Opening) -> Opening> {
    let base = BaseAddress::of_provider(Provider::Anthropic, PROVIDER, KEY.into())?;
    Ok(|opening| Opening {
        bases: vec![base],
        ..opening
    })
}

fn launch(ground: &Ground, egress: &EgressHandle) -> anyhow::Result<Launch> {
    let profile = &ground.profile;
    let model = profile.default_model(ModelProvider::Anthropic)?;
    let key = egress.placeholder(Provider::Anthropic);
    let key = key.context("the way out gives no placeholder")?;
    Ok(profile.launch(
        ModelProvider::Anthropic,
        model,
        &PriceTable::built_in(),
        key,
    )?)
}

/// As the bot does it. The volumes are there already, as they are when a run begins.
async fn in_sandbox(
    ground: &Ground,
    repository: &Repository,
    proxy: &EgressProxy,
    number: usize,
) -> anyhow::Result<[Duration; 3]> {
    let name = format!("run-{number}");
    let begun = Instant::now();
    let egress = ground.way_out(proxy, &name, to_nobody()?)?;
    let launch = launch(ground, &egress)?;
    let mut spec = ground.spec(&name, "start", &launch.command);
    spec.environment.extend(launch.environment);
    let mirror = &repository.mirror;
    spec.mounts
        .push(borrowed(mirror, &mirror.display().to_string()));
    spec.mounts.push(sockets(&egress));
    let opened = begun.elapsed();
    let begun = Instant::now();
    ground.executor.start(&spec).await?;
    let started = begun.elapsed();
    let begun = Instant::now();
    let attachment = ground.executor.attach(&spec.name).await?;
    let mut errors = attachment.errors;
    tokio::spawn(async move { tokio::io::copy(&mut errors, &mut tokio::io::sink()).await });
    let mut line = Line::new(attachment.input, attachment.output);
    line.introduce().await?;
    let answered = begun.elapsed();
    ground.executor.stop(&spec.name).await?;
    Ok([opened, started, answered])
}

/// The same program in a container of the same image, without walls, volumes and a way out.
async fn bare(ground: &Ground, launch: &Launch) -> anyhow::Result<Duration> {
    let command = launch.command.iter();
    let mut command = command.skip_while(|word| *word != SHIM_END).skip(1);
    let program = command.next().context("the agent has no command")?;
    // What names the way out would name files that are not there.
    let way_out = way_out_environment();
    let own = launch
        .environment
        .iter()
        .filter(|(name, _)| !way_out.contains_key(*name));
    let begun = Instant::now();
    let mut child = Command::new("docker")
        .args(["run", "--rm", "--interactive", "--network=none", "--label"])
        .arg(ground.label())
        .arg(format!("--workdir={TREE}"))
        .args(own.map(|(name, value)| format!("--env={name}={value}")))
        .arg(format!("--entrypoint={program}"))
        .arg(&launch.image)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let mut line = Line::new(input.context("no input")?, output.context("no output")?);
    line.introduce().await?;
    let took = begun.elapsed();
    // The container ends with its input; it is waited for so that it does not disturb the next one.
    drop(line);
    tokio::time::timeout(PART_WITHIN, child.wait()).await??;
    Ok(took)
}
