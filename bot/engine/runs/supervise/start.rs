//! Starts the container of a run and the agent in it, or attaches to the one that is there.

use std::{collections::BTreeMap, path::Path};

use super::{
    CALLS_MAX, Detached, Prepared, RULES_FILES, Resume, SessionHandle, failure_of, mark, resume_of,
    spend,
};
use crate::engine::runs::{
    Context, Fault, files, sandbox, tools,
    ways::{self, Purpose, Way},
};
use crate::{
    domain::{
        RunNumber,
        budget::Usage,
        effect::Assignment,
        event::{Ending, RunFailure},
        task::Task,
    },
    engine::gather,
    store::runs::{LogKind, RunTicket, StoredRun},
    words::{self, FenceMark, PromptExtra},
};
use deckhand_executors::{
    SandboxName, SandboxSpec,
    agent::{
        AgentFailure, AgentProfile, AgentSession, Handover, HandoverCall, HandoverTools, Launch,
        McpServer, ModelName, ModelProvider, PermissionAnswer, PriceTable, SessionOptions,
        SessionStart,
    },
    egress::{EgressHandle, Phase, Spend},
    sandbox::{Attachment, VolumeName},
};
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::warn;

/// What became of a start.
pub enum Started {
    /// The agent has its prompt.
    Working(Box<Prepared>),
    /// The agent gave up before it had one, and had spent this.
    Failed(RunFailure, Usage),
}

/// Starts the container and the agent in it, and gives it its prompt.
pub async fn start(
    context: &Context,
    task: &Task,
    ticket: &RunTicket,
    assignment: &Assignment,
) -> Result<Started, Fault> {
    let run = ticket.run;
    let Some(workplace) = &task.workplace else {
        return Err(Fault::permanent("the task has no repository"));
    };
    let agent = agent_of(context, task)?;
    if needs_preparation(context, task, assignment).await? {
        sandbox::prepare(context, task, workplace, run).await?;
    }
    let mirror = gather::known_ground(context, &workplace.repository).await?;
    let (egress, handover, calls) = open_sockets(context, task, run, Before::default()).await?;
    let launch = agent.launch(&egress)?;
    let name = sandbox::run_name(&task.id, run);
    still_ours(context, ticket).await?;
    // A container of this number that is there already is from a start that was broken off; its agent heard nothing yet.
    context.executor.stop(&name).await?;
    let begin = Begin {
        run,
        assignment,
        launch: &launch,
        egress: &egress,
    };
    let specification = begin.sandbox(context, task, mirror.path());
    context.executor.start(&specification).await?;
    let started = context.clock.now();
    let opened = open_session(context, task, begin, agent.profile).await;
    let (mut session, is_resumed) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            context.executor.stop(&name).await?;
            egress.revoke();
            let usage = spend::usage_of(&egress.settled().await);
            return Ok(Started::Failed(failure_at_start(failure), usage));
        }
    };
    let placed = files::place(context, task, &name, (run, Some(assignment))).await?;
    let extra = PromptExtra {
        repository_rules: rules_of(&mirror, &workplace.base_commit.0).await,
        mark: FenceMark::default(),
        branch: task.branch(),
        network: egress.allowed().to_vec(),
        attachments: placed.paths,
        fresh: placed.fresh,
    };
    let mut remarks = remarks_on(context, task, run, session.not_offered()).await?;
    for name in &placed.unread {
        remarks.push(words::file_unread(name).map_err(Fault::of_words)?);
    }
    let prompt = prompt_of(task, assignment, &extra, is_resumed).map_err(Fault::of_words)?;
    still_ours(context, ticket).await?;
    session.prompt(&prompt).await.map_err(Fault::permanent)?;
    let ending = Ending {
        model: Some(launch.model.as_str().to_owned()),
        remarks,
        ..Ending::default()
    };
    let prepared = Prepared {
        session,
        egress,
        handover,
        calls,
        ending,
        assignment: assignment.clone(),
        agent: task.terms.agent.clone(),
        started,
    };
    mark(context, ticket, resume_of(&prepared)).await;
    Ok(Started::Working(Box::new(prepared)))
}

/// Another process may have taken the run, where this one was paused: it must not begin it a second time.
async fn still_ours(context: &Context, ticket: &RunTicket) -> Result<(), Fault> {
    if context.store.run_is_ours(ticket).await? {
        return Ok(());
    }
    Err(Fault::transient("another process has the run now"))
}

/// Before there is a session, everything that has no name of its own is a start that did not work.
fn failure_at_start(failure: AgentFailure) -> RunFailure {
    match failure_of(failure) {
        RunFailure::Other { detail } => RunFailure::DidNotStart { detail },
        named => named,
    }
}

/// Opens the way out of a run again, and its tools, as they stood at the last stored position. Its agent has to be attached to.
pub async fn open_again(
    context: &Context,
    task: &Task,
    stored: &StoredRun,
    resume: Value,
) -> Result<Detached, Fault> {
    let resume: Resume = serde_json::from_value(resume).map_err(Fault::permanent)?;
    let assignment: Assignment = serde_json::from_str(&stored.kind).map_err(Fault::permanent)?;
    let before = Before {
        spend: resume.spend,
        left: resume.left,
        registries: resume.registries,
    };
    let (egress, handover, calls) = open_sockets(context, task, stored.number, before).await?;
    Ok(Detached {
        session: resume.point,
        egress,
        handover,
        calls,
        ending: resume.ending,
        assignment,
        agent: stored.agent.clone(),
        started: stored.started,
    })
}

/// What a run had spent by its last stored position, where it cannot be taken up any more.
#[must_use]
pub fn usage_before(resume: &Value) -> Usage {
    let spend = Spend::deserialize(&resume["spend"]).unwrap_or_default();
    spend::usage_of(&spend.taken_up())
}

/// The work tree is made before the plan; after that only where it is gone, or where the approved plan asks for a setup.
async fn needs_preparation(
    context: &Context,
    task: &Task,
    assignment: &Assignment,
) -> Result<bool, Fault> {
    let has_setup = task
        .specification
        .as_ref()
        .is_some_and(|specification| specification.setup.is_some());
    let is_first = match assignment {
        Assignment::Plan => true,
        Assignment::Inquire { added } => added.is_empty(),
        _ => false,
    };
    if is_first || (has_setup && matches!(assignment, Assignment::Work)) {
        return Ok(true);
    }
    let volume: VolumeName = sandbox::work_volume(&task.id);
    Ok(!context.executor.volumes().await?.contains(&volume))
}

/// What a run did through its way out before that was opened again.
#[derive(Default)]
struct Before {
    spend: Spend,
    left: BTreeMap<String, u64>,
    registries: Option<Vec<String>>,
}

async fn open_sockets(
    context: &Context,
    task: &Task,
    run: RunNumber,
    before: Before,
) -> Result<(Way, Handover, mpsc::Receiver<HandoverCall>), Fault> {
    let part = run.to_string();
    let purpose = Purpose {
        part: &part,
        phase: Phase::Work,
        metering: spend::metering(&task.usage, &task.ceilings, before.spend),
        left: before.left,
        registries: before.registries,
    };
    let egress = ways::open(context, task, run, purpose).await?;
    let (sender, calls) = mpsc::channel(CALLS_MAX);
    let handover = Handover::open(
        &sandbox::socket_folder(context, &task.id, &part),
        tools::offered(task.purpose()),
        sender,
    )
    .map_err(Fault::permanent)?;
    Ok((egress, handover, calls))
}

async fn open_session(
    context: &Context,
    task: &Task,
    begin: Begin<'_>,
    profile: &AgentProfile,
) -> Result<(AgentSession, bool), AgentFailure> {
    let name = sandbox::run_name(&task.id, begin.run);
    let options = |start| SessionOptions {
        working_directory: "/work/repo".to_owned(),
        start,
        tools: HandoverTools::Offered,
        servers: servers_of(context, task),
        permissions: PermissionAnswer::Allow,
        price: begin.launch.price,
    };
    let handle = task
        .session
        .as_deref()
        .filter(|_| begin.assignment.resumes())
        .and_then(|text| serde_json::from_str::<SessionHandle>(text).ok());
    let Some(handle) = handle else {
        return AgentSession::open(
            attach(context, &name).await?,
            profile,
            options(SessionStart::New),
        )
        .await
        .map(|session| (session, false));
    };
    let start = SessionStart::Continue {
        session: handle.id,
        cost_before: handle.cost,
    };
    match AgentSession::open(attach(context, &name).await?, profile, options(start)).await {
        Ok(session) => Ok((session, true)),
        Err(AgentFailure::SessionLost(reason)) => {
            warn!(task = %task.id, reason, "the agent's session is lost; a new one begins with a summary");
            // The process has said its part of the opening already, so another one has to take its place.
            let restarted = restart(context, task, begin).await;
            restarted.map_err(|fault| AgentFailure::Other(format!("{fault:?}")))?;
            AgentSession::open(
                attach(context, &name).await?,
                profile,
                options(SessionStart::New),
            )
            .await
            .map(|session| (session, false))
        }
        Err(failure) => Err(failure),
    }
}

/// The MCP servers that the settings name for a task's repository.
fn servers_of(context: &Context, task: &Task) -> Vec<McpServer> {
    let settings = task
        .repository()
        .and_then(|name| context.config.repository(name));
    let named = settings.into_iter().flat_map(|settings| &settings.mcp);
    named
        .map(|server| McpServer {
            name: server.name.clone(),
            url: server.url.clone(),
        })
        .collect()
}

/// What the log and the plan say of servers that the agent was not told of.
async fn remarks_on(
    context: &Context,
    task: &Task,
    run: RunNumber,
    not_offered: &[McpServer],
) -> Result<Vec<String>, Fault> {
    if not_offered.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = not_offered
        .iter()
        .map(|server| server.name.as_str())
        .collect();
    let remark = words::not_offered(&task.terms.agent, &names).map_err(Fault::of_words)?;
    let line = json!({"notice": remark});
    context.log_run(&task.id, run, LogKind::Host, line).await?;
    Ok(vec![remark])
}

async fn attach(context: &Context, name: &SandboxName) -> Result<Attachment, AgentFailure> {
    context
        .executor
        .attach(name)
        .await
        .map_err(|error| AgentFailure::Other(error.to_string()))
}

/// The agent of a task, with its provider and its model.
struct Agent<'a> {
    profile: &'a AgentProfile,
    provider: ModelProvider,
    model: ModelName,
}

impl Agent<'_> {
    /// What starts it in a sandbox with this way out, whose placeholder it gets in the place of a key.
    fn launch(&self, egress: &EgressHandle) -> Result<Launch, Fault> {
        let placeholder = egress
            .placeholder(self.provider.at_egress())
            .ok_or_else(|| Fault::permanent("the agent's model provider is not set up"))?;
        self.profile
            .launch(
                self.provider,
                &self.model,
                &PriceTable::built_in(),
                placeholder,
            )
            .map_err(Fault::permanent)
    }
}

/// The agent of a task with its model, or the agent's own choice of one.
fn agent_of<'a>(context: &'a Context, task: &Task) -> Result<Agent<'a>, Fault> {
    let found = context.agents.find(&task.terms.agent);
    let (profile, provider) = found
        .ok_or_else(|| Fault::permanent(format!("the agent {} is not set up", task.terms.agent)))?;
    let model = match &task.terms.model {
        Some(name) => ModelName::try_from(name.clone()).map_err(Fault::permanent)?,
        None => profile
            .default_model(provider)
            .map_err(Fault::permanent)?
            .clone(),
    };
    Ok(Agent {
        profile,
        provider,
        model,
    })
}

/// What a run begins with.
#[derive(Clone, Copy)]
struct Begin<'a> {
    run: RunNumber,
    assignment: &'a Assignment,
    launch: &'a Launch,
    egress: &'a EgressHandle,
}

impl Begin<'_> {
    fn sandbox(&self, context: &Context, task: &Task, mirror: &Path) -> SandboxSpec {
        sandbox::for_agent(
            context,
            task,
            self.run,
            self.assignment,
            self.launch,
            mirror,
            self.egress,
        )
    }
}

async fn restart(context: &Context, task: &Task, begin: Begin<'_>) -> Result<(), Fault> {
    let Some(workplace) = &task.workplace else {
        return Err(Fault::permanent("the task has no repository"));
    };
    let mirror = gather::known_ground(context, &workplace.repository).await?;
    context
        .executor
        .stop(&sandbox::run_name(&task.id, begin.run))
        .await?;
    Ok(context
        .executor
        .start(&begin.sandbox(context, task, mirror.path()))
        .await?)
}

/// The prompt; an agent that does not remember gets the whole work prompt first.
fn prompt_of(
    task: &Task,
    assignment: &Assignment,
    extra: &PromptExtra,
    is_resumed: bool,
) -> Result<String, askama::Error> {
    let own = words::prompt(task, assignment, extra)?;
    if !assignment.resumes() || is_resumed {
        return Ok(own);
    }
    Ok(format!(
        "{}\n\n{own}",
        words::prompt(task, &Assignment::Work, extra)?
    ))
}

async fn rules_of(mirror: &deckhand_executors::mirror::Mirror, commit: &str) -> Vec<String> {
    let Ok(commit) = deckhand_executors::mirror::CommitId::parse(commit) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for name in RULES_FILES {
        if mirror
            .read_file(&commit, name, 1)
            .await
            .is_ok_and(|file| file.is_some())
        {
            found.push(name.to_owned());
        }
    }
    found
}
