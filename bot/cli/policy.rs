//! The network policy on the command line: checked before it is put in place, shown as it is in force, and decisions undone.

use std::{collections::BTreeSet, path::Path, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Subcommand;
use deckhand_executors::{
    docker::DockerExecutor,
    egress::{EgressPolicy, PolicyDocument},
};

use super::{fail, say};
use crate::{
    config::Config,
    domain::{command::parse_repository, network::Verdict, specification::RepositoryName},
    engine::{
        policy_book::{self, PolicyBook},
        roster::Agents,
    },
    store::Store,
    words::decided_words,
};

#[derive(Debug, Subcommand)]
pub(super) enum PolicyVerb {
    /// Reads a policy and says whether it can be used, or where it cannot.
    Check {
        /// The file.
        file: std::path::PathBuf,
    },
    /// What sandboxes of a repository may reach, with what people decided.
    Show {
        /// `owner/name`.
        repository: String,
    },
    /// Prints the form of a policy, as JSON Schema.
    Schema,
    /// Forgets what people decided about a host, so that they are asked again. Sandboxes that run keep what they have.
    Forget {
        /// `owner/name`.
        repository: String,
        /// The host.
        host: String,
    },
}

pub(super) async fn run(config: &Config, verb: PolicyVerb) -> anyhow::Result<ExitCode> {
    match verb {
        PolicyVerb::Check { file } => return Ok(check(config, &file)),
        PolicyVerb::Schema => say(&serde_json::to_string_pretty(&PolicyDocument::schema())?),
        PolicyVerb::Show { repository } => show(config, &named(&repository)?).await?,
        PolicyVerb::Forget { repository, host } => {
            let repository = named(&repository)?;
            let store = decisions(config).await?;
            let forgotten = store.forget_grants(&repository, &host).await?;
            store.close().await;
            if forgotten == 0 {
                anyhow::bail!("nobody decided about {host} in {repository}");
            }
            let noun = if forgotten == 1 {
                "decision"
            } else {
                "decisions"
            };
            say(&format!(
                "forgotten: {forgotten} {noun} about {host} in {repository}; the next refusal asks again"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where decisions are kept; before the first start there is no such place yet.
async fn decisions(config: &Config) -> anyhow::Result<Store> {
    tokio::fs::create_dir_all(&config.data_dir).await?;
    Ok(Store::open_beside(&config.database_url).await?)
}

fn named(repository: &str) -> anyhow::Result<RepositoryName> {
    parse_repository(repository)
        .with_context(|| format!("{repository:?} is no repository; write owner/name"))
}

fn check(config: &Config, file: &Path) -> ExitCode {
    let credentials: BTreeSet<String> = config.credentials.keys().cloned().collect();
    match policy_book::read(Some(file), &config.sandbox.registry_hosts, &credentials) {
        Ok(document) => {
            say(&format!("ok: {}", file.display()));
            print(&document.for_repository("", &[]), "for every repository");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.into()),
    }
}

async fn show(config: &Config, repository: &RepositoryName) -> anyhow::Result<()> {
    let docker_host = config.sandbox.docker_host.as_deref();
    let executor = DockerExecutor::connect(&config.instance, docker_host)
        .context("the container engine cannot be reached")?;
    let book = PolicyBook::open(config, Arc::new(executor))?;
    let agents = Agents::new(config)?;
    let policy = book.policy(&repository.0, agents.default_name()).await;
    print(&policy, &format!("for {repository}"));
    let store = decisions(config).await?;
    for grant in store.grants(repository, None).await? {
        let verdict = match grant.verdict {
            Verdict::Never => "never",
            Verdict::Once | Verdict::Repository => "allowed",
        };
        say(&format!(
            "  {verdict}: {}:{}, {} by {} in task {}",
            grant.host,
            grant.port,
            decided_words(grant.verdict),
            grant.person,
            grant.decided_in
        ));
    }
    store.close().await;
    Ok(())
}

fn print(policy: &EgressPolicy, what: &str) {
    let summary = policy.summary();
    if summary.is_empty() {
        say(&format!("{what}: the model, and nothing else"));
        return;
    }
    say(&format!("{what}: the model, and"));
    for line in summary {
        say(&format!("  {line}"));
    }
}

/// The OCI runtimes that settings and policy ask for, each once. A policy that cannot be read asks for none here; its
/// own finding says what is wrong with it.
pub(super) fn runtimes(config: &Config) -> BTreeSet<String> {
    let credentials: BTreeSet<String> = config.credentials.keys().cloned().collect();
    let file = config.sandbox.policy_file.as_deref();
    let of_policy = policy_book::read(file, &config.sandbox.registry_hosts, &credentials)
        .map(|document| document.runtimes().into_iter().map(str::to_owned).collect());
    let mut runtimes: BTreeSet<String> = of_policy.unwrap_or_default();
    runtimes.extend(config.sandbox.runtime.clone());
    runtimes
}

/// What `deckhand doctor` says of the policy.
pub(super) fn finding(config: &Config) -> Result<String, String> {
    let credentials: BTreeSet<String> = config.credentials.keys().cloned().collect();
    let file = config.sandbox.policy_file.as_deref();
    let hosts = &config.sandbox.registry_hosts;
    let document = policy_book::read(file, hosts, &credentials)
        .map_err(|error| format!("{error}. A server that runs keeps the policy before it."))?;
    let source = file.map_or_else(
        || "no policy file (DECKHAND_POLICY_FILE)".to_owned(),
        |file| file.display().to_string(),
    );
    let policy = document.for_repository("", &[]);
    let reach = match policy.summary().len() {
        0 => "the model only".to_owned(),
        rules => format!("the model and {rules} rules for every repository"),
    };
    let open = if policy.is_open() {
        "; OPEN: everything public may be reached"
    } else {
        ""
    };
    Ok(format!("{source}: {reach}{open}"))
}
