//! Everything around a real agent: engine, way out, session's tools, scripted models, and a repository in a volume.

#![allow(dead_code, reason = "each test program uses its part")]

use std::{
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use deckhand_executors::{
    agent::{
        AgentEvent, AgentProfile, AgentSession, Handover, HandoverTools, McpServer, ModelName,
        ModelProvider, PermissionAnswer, PriceTable, SessionOptions, SessionStart, ToolDescription,
        TurnEnded,
    },
    docker::DockerExecutor,
    egress::{
        BaseAddress, Credential, EgressHandle, EgressPolicy, EgressProxy, EgressRecord, Opening,
        Phase, Provider, Rule, Verdict, Way,
    },
    sandbox::{
        Access, Exec, Executor, Limits, Mount, MountSource, SandboxName, SandboxSpec, VolumeName,
    },
};
use deckhand_world::models::{Models, ModelsOptions, Script};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// Agents look at the beginning of a key.
const KEY: &str = "sk-ant-api03-the-real-key-of-the-agents-tests-0123456789";

/// The longest silence of an agent in these tests: starting the slowest one on a busy machine.
const SILENCE: Duration = Duration::from_secs(90);

/// One agent with its providers, engine and volumes.
pub struct Stage {
    pub models: Models,
    pub executor: Arc<DockerExecutor>,
    pub profile: AgentProfile,
    /// What its runs reach beside the models; nothing by default.
    pub beyond: Option<Beyond>,
    /// MCP servers that its sessions are offered.
    pub servers: Vec<McpServer>,
    provider: ModelProvider,
    /// Calls of the agent that its way out refused: none of its needs may be among them.
    refused: Arc<Mutex<Vec<String>>>,
    /// Also the beginning of the names of all sandboxes and volumes.
    name: String,
}

/// Hosts beyond the models, and how they are reached.
pub struct Beyond {
    pub proxy: EgressProxy,
    pub policy: EgressPolicy,
    pub credentials: Vec<Credential>,
}

/// One container of the agent.
pub struct Run {
    pub name: SandboxName,
    executor: Arc<DockerExecutor>,
    profile: AgentProfile,
    servers: Vec<McpServer>,
    called: Arc<Mutex<Vec<String>>>,
    _egress: EgressHandle,
    _handover: Handover,
    _folder: TempDir,
}

/// What was heard in one turn.
#[derive(Debug)]
pub struct Heard {
    pub text: String,
    pub commands: Vec<String>,
    pub end: TurnEnded,
}

impl Stage {
    /// `name` begins with the agent's name; tests that run side by side add something of their own.
    pub async fn set(name: &str, provider: ModelProvider, script: Script) -> Self {
        let agent = name.split('-').next().unwrap();
        let profile = AgentProfile::load(agent).unwrap();
        let executor = Arc::new(
            DockerExecutor::connect("agents-test", None)
                .unwrap()
                .lending(vec![std::env::temp_dir()]),
        );
        let present = executor
            .has_image(&profile.image)
            .await
            .expect("no container engine answers");
        assert!(
            present,
            "the image {} is missing: script/setup builds it",
            profile.image
        );
        let options = ModelsOptions {
            default_script: script,
            ..ModelsOptions::new(KEY)
        };
        let stage = Self {
            models: Models::start(options).await.unwrap(),
            executor,
            profile,
            beyond: None,
            servers: Vec::new(),
            provider,
            refused: Arc::default(),
            name: format!("deckhand-agents-test-{name}"),
        };
        stage.clear().await;
        stage.plant_repository().await;
        stage
    }

    /// Starts the agent in a new container.
    pub async fn run(&self, purpose: &str, work: Access) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let sockets = folder.path().join("run");
        let egress = self.open_egress(&sockets);
        let called = Arc::new(Mutex::new(Vec::new()));
        let handover = open_handover(&sockets, Arc::clone(&called));
        let model = ModelName::try_from(String::from("scripted-large")).unwrap();
        let key = egress.placeholder(self.provider.at_egress()).unwrap();
        let launch = self
            .profile
            .launch(self.provider, &model, &PriceTable::built_in(), key)
            .unwrap();
        let name = self.sandbox(purpose);
        let mut mounts = self.mounts(work);
        mounts.push(Mount {
            source: MountSource::Host(sockets),
            target: "/run/deckhand".into(),
            access: Access::ReadOnly,
        });
        let mut environment = launch.environment;
        environment.extend(egress.variables(Phase::Work));
        let spec = SandboxSpec {
            environment,
            mounts,
            ..self.spec(name.clone(), launch.image, launch.command)
        };
        self.executor.start(&spec).await.unwrap();
        Run {
            name,
            executor: Arc::clone(&self.executor),
            profile: self.profile.clone(),
            servers: self.servers.clone(),
            called,
            _egress: egress,
            _handover: handover,
            _folder: folder,
        }
    }

    /// Nothing that must not happen has happened; everything is taken away.
    pub async fn strike(self) {
        assert_eq!(self.models.violations(), Vec::<String>::new());
        assert_eq!(*self.refused.lock().unwrap(), Vec::<String>::new());
        self.clear().await;
    }

    fn sandbox(&self, purpose: &str) -> SandboxName {
        SandboxName(format!("{}.{purpose}", self.name))
    }

    fn volume(&self, purpose: &str) -> VolumeName {
        VolumeName(format!("{}.{purpose}", self.name))
    }

    async fn clear(&self) {
        for listed in self.executor.list().await.unwrap() {
            // The dot ends the name: `goose` must not clear away what `goose-overloaded` has.
            if listed.name.0.starts_with(&format!("{}.", self.name)) {
                self.executor.stop(&listed.name).await.unwrap();
            }
        }
        for purpose in ["work", "home"] {
            self.executor
                .remove_volume(&self.volume(purpose))
                .await
                .unwrap();
        }
    }

    fn mounts(&self, work: Access) -> Vec<Mount> {
        let volume = |purpose: &str, target: &str, access| Mount {
            source: MountSource::Volume(self.volume(purpose)),
            target: target.into(),
            access,
        };
        vec![
            volume("work", "/work", work),
            volume("home", "/home/agent", Access::ReadWrite),
        ]
    }

    fn spec(&self, name: SandboxName, image: String, command: Vec<String>) -> SandboxSpec {
        SandboxSpec {
            name,
            image,
            command,
            environment: deckhand_executors::agent::sandbox_environment(),
            working_directory: "/work/repo".into(),
            mounts: self.mounts(Access::ReadWrite),
            labels: std::collections::BTreeMap::new(),
            limits: Limits {
                memory_bytes: 2 << 30,
                processors: 2.0,
                processes: 512,
                open_files: 4096,
                scratch_bytes: 256 << 20,
                disk_bytes: 4 << 30,
                files: 200_000,
            },
            runtime: None,
        }
    }

    fn open_egress(&self, folder: &Path) -> EgressHandle {
        let url = self.models.url();
        let bases = [
            (Provider::Anthropic, url.clone()),
            (Provider::OpenAi, format!("{url}/v1")),
            (Provider::Gemini, url),
        ];
        let bases = bases
            .map(|(provider, url)| BaseAddress::of_provider(provider, &url, KEY.into()).unwrap());
        let (log, mut records) = mpsc::channel::<EgressRecord>(1_000);
        let refused = Arc::clone(&self.refused);
        tokio::spawn(async move {
            while let Some(record) = records.recv().await {
                // That an agent looks for updates of its own is no need.
                if record.verdict == Verdict::Denied && record.rule != Rule::NotListed {
                    refused.lock().unwrap().push(format!("{record:?}"));
                }
            }
        });
        let mut opening = Opening {
            bases: bases.into(),
            seed: Some("the seed of a test".into()),
            ..Opening::new(Phase::Work, log)
        };
        let proxy = match &self.beyond {
            Some(beyond) => {
                opening.policy = beyond.policy.clone();
                opening.credentials.clone_from(&beyond.credentials);
                beyond.proxy.clone()
            }
            None => EgressProxy::new(Way::Direct).unwrap(),
        };
        proxy.open(folder, opening).unwrap()
    }

    /// Puts the demo's repository into the work volume.
    async fn plant_repository(&self) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/world/fixtures/web");
        let tar = Command::new("tar")
            .arg("-C")
            .arg(fixture)
            .args(["-c", "."])
            .output()
            .unwrap();
        assert!(tar.status.success());
        let name = self.sandbox("plant");
        let command = ["sleep", "600"].map(str::to_owned).into();
        self.executor
            .start(&self.spec(name.clone(), self.profile.image.clone(), command))
            .await
            .unwrap();
        // In the repository, as the preparation of a task has it: Gemini CLI hides the system's settings from git.
        let script = "tar -x && git init -q && git config user.name a && git config user.email a@b.invalid \
            && git add -A && git commit -qm 'Begin'";
        shell(&self.executor, &name, script, tar.stdout).await;
        self.executor.stop(&name).await.unwrap();
    }
}

impl Run {
    pub async fn open(&mut self, start: SessionStart) -> AgentSession {
        let attachment = self.executor.attach(&self.name).await.unwrap();
        let options = SessionOptions {
            working_directory: "/work/repo".into(),
            start,
            tools: HandoverTools::Offered,
            servers: self.servers.clone(),
            permissions: PermissionAnswer::Allow,
            price: None,
        };
        match AgentSession::open(attachment, &self.profile, options).await {
            Ok(session) => session,
            Err(failure) => panic!("{failure}: {failure:?}"),
        }
    }

    /// Hears the agent to the end of its turn.
    pub async fn turn(&mut self, session: &mut AgentSession) -> Heard {
        let (mut text, mut commands) = (String::new(), Vec::new());
        loop {
            let event = timeout(SILENCE, session.next_event()).await;
            match event.unwrap_or_else(|_| panic!("silence after {text:?} {commands:?}")) {
                AgentEvent::Text(piece) => text.push_str(&piece),
                AgentEvent::ToolEnded(tool) => commands.extend(tool.command),
                AgentEvent::Thought(_)
                | AgentEvent::ToolStarted(_)
                | AgentEvent::PlanUpdated(_)
                | AgentEvent::Notice(_)
                | AgentEvent::Usage(_) => {}
                AgentEvent::TurnEnded(end) => {
                    return Heard {
                        text,
                        commands,
                        end,
                    };
                }
                gone @ AgentEvent::Ended { .. } => panic!("{gone:?} after {text:?} {commands:?}"),
            }
        }
    }

    /// The session's tools that the agent called, oldest first.
    pub fn tools_called(&self) -> Vec<String> {
        self.called.lock().unwrap().clone()
    }

    /// What a command beside the agent says.
    pub async fn shell(&self, script: &str) -> String {
        shell(&self.executor, &self.name, script, Vec::new()).await
    }

    pub async fn end(self) {
        self.executor.stop(&self.name).await.unwrap();
    }
}

async fn shell(
    executor: &DockerExecutor,
    name: &SandboxName,
    script: &str,
    input: Vec<u8>,
) -> String {
    let exec = Exec {
        command: ["sh", "-c", script].map(str::to_owned).into(),
        environment: std::collections::BTreeMap::new(),
        working_directory: "/work/repo".into(),
        input,
        timeout: Duration::from_mins(1),
        output_limit_bytes: 64 * 1024,
    };
    let output = executor.exec(name, exec).await.unwrap();
    let errors = String::from_utf8_lossy(&output.errors);
    assert_eq!(output.status, Some(0), "{script}: {errors}");
    String::from_utf8(output.output).unwrap()
}

/// Offers the session's tools and takes every call.
fn open_handover(folder: &Path, called: Arc<Mutex<Vec<String>>>) -> Handover {
    let tool = |name: &str| ToolDescription {
        name: name.into(),
        description: format!("Hands over by {name}."),
        schema: json!({"type": "object", "additionalProperties": true}),
    };
    let tools = [
        "submit_specification",
        "submit_plan",
        "ask_person",
        "report_requirements",
    ]
    .map(tool);
    let (sender, mut calls) = mpsc::channel::<deckhand_executors::agent::HandoverCall>(4);
    tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            called.lock().unwrap().push(call.tool.clone());
            call.answer.send(Ok(String::from("Taken."))).ok();
        }
    });
    Handover::open(folder, tools.into(), sender).unwrap()
}
