//! The ways out of a task's sandboxes: opened with the policy and what people decided, their requests written into the log,
//! their refusals gathered and told to the task.

use std::{
    collections::BTreeMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deckhand_executors::{
    egress::{EgressHandle, Metering, Opening, Phase, Refused},
    proof::Network,
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::warn;

use super::{Context, Fault, sandbox::socket_folder};
use crate::{
    domain::{RunNumber, event::Event, network::RefusedHost, task::Task},
    engine::{dispatch::work_delivery, policy_book, way_out},
    store::{fresh_id, runs::LogKind},
};

/// The most requests that may wait to be written into the log.
const EGRESS_LOG_MAX: usize = 1_000;
/// The most refusals that may wait to be gathered.
const REFUSALS_MAX: usize = 256;
/// The most different hosts that are told at once; a sandbox that asks for more is told of in the next batch.
const BATCH_MAX: usize = 50;
/// How long refusals are gathered before people are told of them.
const GATHER_FOR: Duration = Duration::from_secs(2);
/// How long the end of a way out waits until its last refusals are stored.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(3);

/// An open way out of one sandbox.
pub struct Way {
    handle: Arc<EgressHandle>,
    command: Arc<Mutex<Option<String>>>,
    allowed: Vec<String>,
    registries: Vec<String>,
    gatherer: JoinHandle<()>,
}

impl Deref for Way {
    type Target = EgressHandle;

    fn deref(&self) -> &EgressHandle {
        &self.handle
    }
}

impl Way {
    /// Remembers what the sandbox was told to run last; it is shown where a refused program does not say what it is.
    pub fn note_command(&self, command: &str) {
        let mut noted = self.command.lock().unwrap_or_else(PoisonError::into_inner);
        *noted = Some(crate::domain::clip(
            command,
            crate::domain::network::TEXT_MAX_CHARS,
        ));
    }

    /// What it allowed when it was opened, in lines for a reader.
    #[must_use]
    pub fn allowed(&self) -> &[String] {
        &self.allowed
    }

    /// The registries that its sandbox's image needs, `host` or `host:port`.
    #[must_use]
    pub fn registries(&self) -> &[String] {
        &self.registries
    }

    /// Closes it, and waits until what was refused last is stored, so that people hear of it before they hear of the end.
    pub async fn close(self) {
        self.handle.revoke();
        drop(self.handle);
        if tokio::time::timeout(LAST_WORDS_WITHIN, self.gatherer)
            .await
            .is_err()
        {
            warn!("the last refusals of a sandbox are told later");
        }
    }
}

/// What a way out is for.
pub struct Purpose<'a> {
    /// The last part of its folder's name.
    pub part: &'a str,
    /// The phase in which it begins.
    pub phase: Phase,
    /// What may be spent through it.
    pub metering: Metering,
    /// What had left through it by each rule when it was open before, in bytes.
    pub left: BTreeMap<String, u64>,
    /// The registries that the image needs, where it was open before: an engine that is away need not be asked for them.
    pub registries: Option<Vec<String>>,
}

/// Opens the way out of a sandbox. When this returns, the policy is in force.
pub async fn open(
    context: &Context,
    task: &Task,
    run: RunNumber,
    purpose: Purpose<'_>,
) -> Result<Way, Fault> {
    let folder = socket_folder(context, &task.id, purpose.part);
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(Fault::transient)?;
    let Some(repository) = task.repository() else {
        return Err(Fault::permanent("the task has no repository"));
    };
    let decided = async || context.store.grants(repository, Some(&task.id)).await;
    let book = &context.way_out.book;
    let registries = match purpose.registries {
        Some(known) => known,
        None => book
            .registries(&task.terms.agent)
            .await
            .ok_or_else(|| Fault::transient("the container engine does not answer"))?,
    };
    let policy = book
        .policy_with(&repository.0, &registries)
        .with(&policy_book::as_grants(&decided().await?));
    let allowed = policy.summary();
    let (log, records) = mpsc::channel(EGRESS_LOG_MAX);
    let (refused, refusals) = mpsc::channel(REFUSALS_MAX);
    let opening = Opening {
        policy,
        metering: purpose.metering,
        left: purpose.left,
        refused,
        ..Opening::new(purpose.phase, log)
    };
    let handle = context
        .way_out
        .open(&folder, opening)
        .map_err(Fault::permanent)?;
    let handle = Arc::new(handle);
    context.way_out.register(&task.id, repository, &handle);
    // Somebody may have decided between the reading and the registering.
    for grant in policy_book::as_grants(&decided().await?) {
        handle.grant(&grant);
    }
    tokio::spawn(write_log(context.clone(), task.clone(), run, records));
    let command = Arc::default();
    let gatherer = Gatherer {
        context: context.clone(),
        task: task.clone(),
        run,
        command: Arc::clone(&command),
    };
    Ok(Way {
        handle,
        command,
        allowed,
        registries,
        gatherer: tokio::spawn(gatherer.run(refusals)),
    })
}

/// The way out of a proof's sandbox: what the setup may reach while it runs, and then what the policy lists for checks,
/// which mostly is nothing.
pub async fn proof_network(context: &Context, task: &Task, part: &str) -> Result<Network, Fault> {
    let purpose = Purpose {
        part,
        phase: Phase::Setup,
        metering: Metering::default(),
        left: BTreeMap::new(),
        registries: None,
    };
    let way = open(context, task, task.last_run, purpose).await?;
    Ok(Network {
        socket_directory: way.folder().to_owned(),
        of_setup: way.variables(Phase::Setup),
        of_checks: way.variables(Phase::Proof),
        close: Box::new(move || way.set_phase(Phase::Proof)),
    })
}

/// Whether the policy lists something for checks.
pub async fn checks_reach_something(context: &Context, task: &Task) -> bool {
    let Some(repository) = task.repository() else {
        return false;
    };
    let book = &context.way_out.book;
    let policy = book.policy(&repository.0, &task.terms.agent).await;
    policy.reaches(Phase::Proof)
}

/// Ends by itself when the proxy is closed; a line that is lost is lost, the requests are counted anyway.
async fn write_log(
    context: Context,
    task: Task,
    run: RunNumber,
    mut records: mpsc::Receiver<deckhand_executors::egress::EgressRecord>,
) {
    while let Some(record) = records.recv().await {
        metrics::counter!("deckhand_egress_requests_total").increment(1);
        let line = way_out::logged(&record);
        let _ = context.log_run(&task.id, run, LogKind::Egress, line).await;
    }
}

/// Puts refusals together and tells the task. What is lost with the process is asked for again by whoever needs it.
struct Gatherer {
    context: Context,
    task: Task,
    run: RunNumber,
    command: Arc<Mutex<Option<String>>>,
}

impl Gatherer {
    async fn run(self, mut refusals: mpsc::Receiver<Refused>) {
        while let Some(first) = refusals.recv().await {
            let until = Instant::now() + GATHER_FOR;
            let mut batch = vec![self.host(first)];
            while batch.len() < BATCH_MAX {
                match tokio::time::timeout_at(until, refusals.recv()).await {
                    Ok(Some(refused)) => add(&mut batch, self.host(refused)),
                    Ok(None) | Err(_) => break,
                }
            }
            self.tell(batch).await;
        }
    }

    fn host(&self, refused: Refused) -> RefusedHost {
        let noted = || {
            let noted = self.command.lock().unwrap_or_else(PoisonError::into_inner);
            noted.clone()
        };
        RefusedHost {
            host: refused.host,
            port: refused.port,
            phase: refused.phase.to_string(),
            method: refused.method,
            path: refused.path,
            rule: refused.rule.to_string(),
            command: refused.client.or_else(noted),
            count: 1,
        }
        .cut()
    }

    async fn tell(&self, hosts: Vec<RefusedHost>) {
        let event = Event::NetworkRefused {
            run: self.run,
            hosts,
        };
        let key = format!("refused:{}:{}:{}", self.task.id, self.run, fresh_id());
        let told = self.context.accept(work_delivery(&self.task, key, event));
        if let Err(error) = told.await {
            warn!(task = %self.task.id, error = &error as &dyn std::error::Error, "refusals of a sandbox could not be stored");
        }
    }
}

/// Retries of one thing are counted.
fn add(batch: &mut Vec<RefusedHost>, refused: RefusedHost) {
    let same = batch.iter_mut().find(|known| {
        (&known.host, known.port, &known.rule) == (&refused.host, refused.port, &refused.rule)
    });
    match same {
        Some(known) => known.count = known.count.saturating_add(refused.count),
        None => batch.push(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_counted_and_other_rules_are_not_the_same() {
        let refused = |host: &str, rule: &str| RefusedHost {
            host: host.into(),
            port: 443,
            phase: "work".into(),
            method: "GET".into(),
            path: None,
            rule: rule.into(),
            command: None,
            count: 1,
        };
        let mut batch = Vec::new();
        for (host, rule) in [
            ("a.example", "not-listed"),
            ("a.example", "not-listed"),
            ("b.example", "not-listed"),
            ("a.example", "port"),
            ("a.example", "not-listed"),
        ] {
            add(&mut batch, refused(host, rule));
        }
        let counts: Vec<(&str, &str, u32)> = batch
            .iter()
            .map(|one| (one.host.as_str(), one.rule.as_str(), one.count))
            .collect();
        assert_eq!(
            counts,
            [
                ("a.example", "not-listed", 3),
                ("b.example", "not-listed", 1),
                ("a.example", "port", 1)
            ]
        );
    }
}
