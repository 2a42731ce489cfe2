//! A stage on which every kind of secret is a canary, and the places of that stage where they are looked for.

use std::{path::Path, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use deckhand::config::{EncryptionKeys, Exposure, SETTINGS};
use deckhand_world::{linear::Linear, slack::Thread};
use secrecy::ExposeSecret as _;

use super::{
    Beside, Bot, GITHUB_TOKEN, Props, SignIn, Stage,
    canaries::{Canary, Home, Search},
    engine::docker,
};

/// The password in the address of a remote; a database's address is read by the same code.
const REMOTE_PASSWORD: &str = "canary-password-in-an-address-63";

/// The credential of a package registry, as the setting has it; the secret is what follows the form.
const REGISTRY_CREDENTIAL: &str = "bearer:canary-of-a-registrys-token-4406";

/// The credential of an MCP server.
const MCP_CREDENTIAL: &str = "bearer:canary-of-an-mcp-servers-token-5519";

/// A policy in which both stand for variables, so that every sandbox holds something of their shape.
const POLICY: &str = r#"{"version": 1, "default": {"rules": [
    {"hosts": ["npm.example"], "credential": "npm", "variable": "NPM_TOKEN"},
    {"hosts": ["mcp.example"], "methods": ["GET", "POST", "DELETE"], "credential": "tracker", "variable": "TRACKER_TOKEN"}
]}}"#;

/// An encryption key that is set after the one in the data folder was made, so that both are in force.
pub const ENCRYPTION_KEY: &str = "Y2FuYXJ5IG9mIGFuIGVuY3J5cHRpb24ga2V5IDg4MTE=";

/// Where canaries belong, each with its reason.
pub const HOMES: [Home; 3] = [
    Home {
        place: "the data folder/secret",
        kind: "page secret",
        because: "the key of links is made here once; only the bot's user may read it",
    },
    Home {
        place: "the data folder/encryption.key",
        kind: "encryption key of the data folder",
        because: "the key of stored secrets is made here once; only the bot's user may read it",
    },
    Home {
        place: "the control",
        kind: "",
        because: "the search shows that it can see",
    },
];

/// What a stage is opened with: every secret setting has a value of its own, whether a story needs it or not. The policy
/// is written to a file in `folder`.
pub fn planting(folder: &Path) -> Props {
    let policy = folder.join("policy.json");
    std::fs::write(&policy, POLICY).unwrap();
    let policy = policy.display().to_string();
    let settings = vec![
        ("DECKHAND_POLICY_FILE", policy.as_str()),
        ("DECKHAND_CREDENTIAL_TRACKER", MCP_CREDENTIAL),
        ("SLACK_APP_TOKEN", "xapp-1-canary-of-the-app-token-15"),
        ("GITHUB_TOKEN", GITHUB_TOKEN),
        ("OPENAI_API_KEY", "sk-canary-of-the-second-provider-2209"),
        ("GEMINI_API_KEY", "canary-of-the-third-provider-8174"),
        (
            "DECKHAND_API_TOKENS",
            "ci:canary-of-the-apis-token-6128-0123456789",
        ),
        ("DECKHAND_CREDENTIAL_NPM", REGISTRY_CREDENTIAL),
    ];
    Props {
        settings: settings
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()))
            .collect(),
        file: format!(
            "[[repository]]\nname = \"acme/other\"\nurl = \"http://ana:{REMOTE_PASSWORD}@127.0.0.1:9/other.git\"\n"
        ),
        sign_in: SignIn::App,
        linear: Beside::Present,
        ..Props::default()
    }
}

impl Stage {
    /// Every secret that the bot of this stage holds now: set, made, or given out to it by a platform.
    pub fn canaries(&self) -> Vec<Canary> {
        let config = &self.context.config;
        let mut canaries: Vec<Canary> = SETTINGS
            .iter()
            .filter(|setting| setting.exposure == Exposure::Secret)
            .filter_map(|setting| {
                let value = self.variables.get(setting.variable)?;
                Some(Canary::new(setting.variable, value))
            })
            .collect();
        for (kind, variable) in [
            ("registry token", "DECKHAND_CREDENTIAL_NPM"),
            ("MCP token", "DECKHAND_CREDENTIAL_TRACKER"),
            ("API token", "DECKHAND_API_TOKENS"),
        ] {
            let value = self.variables.get(variable);
            if let Some((_, token)) = value.and_then(|value| value.split_once(':')) {
                canaries.push(Canary::new(kind, token));
            }
        }
        if self.file.contains(REMOTE_PASSWORD) {
            canaries.push(Canary::new("password in an address", REMOTE_PASSWORD));
        }
        if let Some(secret) = &config.secret {
            canaries.push(Canary::new("page secret", secret.expose_secret()));
        }
        let keys = EncryptionKeys::kept_in(&config.data_dir).unwrap();
        canaries.push(Canary::new(
            "encryption key of the data folder",
            STANDARD.encode(keys.newest().bytes()),
        ));
        let of_linear = self.linear.as_ref().map(Linear::tokens);
        for (kind, tokens) in [
            ("Linear access token", of_linear.unwrap_or_default()),
            ("GitHub installation token", self.github.tokens()),
        ] {
            let tokens = tokens.iter().enumerate();
            canaries.extend(tokens.map(|(number, token)| {
                Canary::new(format!("{kind} {}", number + 1), token.expose_secret())
            }));
        }
        // Several providers may share a key, as they do in most stories.
        canaries.sort_by(|a, b| a.value.cmp(&b.value));
        canaries.dedup_by(|a, b| a.value == b.value);
        canaries
    }

    /// Looks at every live sandbox, from outside and from inside, at its image, and at its volumes.
    pub async fn search_sandboxes(&self, search: &mut Search) {
        let sandboxes = self.sandboxes().await;
        assert!(!sandboxes.is_empty(), "no sandbox is there to be searched");
        for name in sandboxes {
            search.look_at_container(&format!("the container {name}"), &name);
            let image = docker(&["inspect", "--format", "{{.Image}}", &name]);
            search.look_at_image(&format!("the image of {name}"), image.trim());
            for (what, command) in [
                ("environment", "env; cat /proc/[0-9]*/environ"),
                ("command lines", "cat /proc/[0-9]*/cmdline"),
                (
                    "volumes and scratch",
                    "tar -cf - --ignore-failed-read /work /home/agent /tmp /var/tmp /dev/shm /run /etc 2>/dev/null",
                ),
            ] {
                let output = inside(&name, command);
                assert!(!output.is_empty(), "{name} showed no {what}");
                search.look(&format!("the sandbox {name}: {what}"), &output);
            }
        }
    }

    /// Looks at everything that the bot wrote, said, sent or shows, and at what the platforms got.
    pub async fn search_host(&self, search: &mut Search, threads: &[&Thread]) {
        search.look_at_folder("the data folder", &self.context.config.data_dir);
        search.look(
            "the settings in print",
            format!("{:?}", self.context.config).as_bytes(),
        );
        for thread in threads {
            search.look("the thread", thread.render().as_bytes());
            for message in thread.bot_messages() {
                search.look("a message of the bot", format!("{message:?}").as_bytes());
            }
            for file in thread.files() {
                search.look("a file in the thread", format!("{file:?}").as_bytes());
            }
            let task = self.task(thread).await;
            search.look("the task", serde_json::to_string(&task).unwrap().as_bytes());
            search.look("the log of the runs", self.log(&task.id).await.as_bytes());
            let page = deckhand::links::task_url(&self.context.config, &task.id);
            search.look("the task page", self.get(&page).await.1.as_bytes());
        }
        if self.bot == Bot::Program {
            let log = self.process_log();
            assert!(log.contains("DEBUG"), "the log says little: {log}");
            search.look("the log of the process", log.as_bytes());
        }
        search.look("the metrics", self.get("/metrics").await.1.as_bytes());
        search.look("the readiness", self.get("/readyz").await.1.as_bytes());
        // The journals keep the arguments of calls and leave out the header that signs them in.
        for call in self.slack.calls() {
            search.look("a call to Slack", format!("{call:?}").as_bytes());
        }
        if let Some(linear) = &self.linear {
            for session in linear.sessions() {
                search.look("a session in Linear", session.render().as_bytes());
            }
            for operation in linear.operations() {
                search.look("a call to Linear", format!("{operation:?}").as_bytes());
            }
        }
        for request in self.github.requests() {
            search.look("a call to GitHub", format!("{request:?}").as_bytes());
        }
        for pull_request in self.pull_requests() {
            search.look("the pull request", format!("{pull_request:?}").as_bytes());
        }
        self.search_repository(search, "acme/web").await;
    }

    /// Looks at every object and every name of a repository of the forge.
    async fn search_repository(&self, search: &mut Search, name: &str) {
        let folder = self.cloned(name).await;
        search.look_at_folder("the repository", folder.path());
        for arguments in [
            &["log", "--all", "--patch", "--format=fuller"][..],
            &["for-each-ref"],
        ] {
            let shown = git(folder.path(), arguments);
            assert!(!shown.is_empty());
            search.look("the repository as git shows it", &shown);
        }
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    Command::new("git")
        .args(["-c", "safe.bareRepository=all", "--git-dir"])
        .arg(folder)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap()
        .stdout
}

/// What a command prints in a live sandbox, as bytes.
fn inside(sandbox: &str, command: &str) -> Vec<u8> {
    let output = Command::new("docker")
        .args(["exec", sandbox, "sh", "-c", command])
        .output()
        .unwrap();
    output.stdout
}
