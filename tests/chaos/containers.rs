//! The other ground: the program that operators run, on a real container engine, with the images that `script/setup` made.
//!
//! The engine is everybody's on this machine, so it is not killed itself: the road to it is cut, and what it runs for this
//! bot is killed or taken away.

use std::{path::PathBuf, process::Command, sync::Arc};

use deckhand_world::models::{Models, ModelsOptions, Phase, Script, Turn, acme_web};
use serde_json::json;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
};

use crate::{fate::Story, judge::CANARIES};

/// Where the work shows that more was asked for, and by which words: the model of these runs writes them.
pub const MORE: (&str, &str) = ("README.md", "The offset counts the users");

/// The containers of one bot, and the road to their engine.
#[derive(Clone)]
pub struct Containers {
    instance: String,
    /// Where the bot finds the engine.
    pub road: PathBuf,
    is_cut: Arc<watch::Sender<bool>>,
    /// The models that the agents ask.
    pub models: Arc<Models>,
}

impl Containers {
    /// For the bot of this name, with a road in this folder and models that play along with the story.
    pub async fn open(
        instance: &str,
        folder: &std::path::Path,
        story: Story,
    ) -> anyhow::Result<Self> {
        let models = Models::start(ModelsOptions::new(CANARIES[4])).await?;
        models.otherwise(script(story));
        let road = folder.join("engine");
        let listener = UnixListener::bind(&road)?;
        let (is_cut, cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, cut.clone()));
            }
        });
        Ok(Self {
            instance: instance.to_owned(),
            road,
            is_cut: Arc::new(is_cut),
            models: Arc::new(models),
        })
    }

    /// Cuts what is connected, and lets nobody through. Says whether it was open.
    pub fn cut(&self) -> bool {
        !self.is_cut.send_replace(true)
    }

    /// Lets everybody through again.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }

    /// Whether the road is cut.
    pub fn is_cut(&self) -> bool {
        *self.is_cut.borrow()
    }

    /// The containers of the bot, by name.
    pub fn sandboxes(&self) -> Vec<String> {
        self.names(&["ps", "-a", "--format", "{{.Names}}"])
    }

    /// The volumes of the bot.
    pub fn volumes(&self) -> Vec<String> {
        self.names(&["volume", "ls", "-q"])
    }

    fn names(&self, list: &[&str]) -> Vec<String> {
        let label = format!("label=deckhand.instance={}", self.instance);
        let found = docker(&[list, &["--filter", &label]].concat());
        found.split_whitespace().map(str::to_owned).collect()
    }

    /// Kills what runs an agent, and says how many there were.
    pub fn kill_agents(&self) -> usize {
        let agents = self.sandboxes().into_iter();
        let agents = agents.filter(|name| name.contains("-run-"));
        // Of what it killed the program says the name, and of anything else a sentence.
        agents
            .filter(|name| docker(&["kill", name]).trim() == *name)
            .count()
    }

    /// Takes every container away. Volumes stay.
    pub fn lose(&self) {
        for name in self.sandboxes() {
            docker(&["rm", "-f", &name]);
        }
    }

    /// Takes everything away.
    pub fn clear(&self) {
        self.lose();
        for name in self.volumes() {
            docker(&["volume", "rm", "-f", &name]);
        }
    }

    /// What the engine knows of each container, and what the container said.
    pub fn known(&self) -> Vec<(String, Vec<u8>)> {
        let known = self.sandboxes().into_iter().flat_map(|name| {
            [["inspect", &name], ["logs", &name]].map(|words| {
                let place = format!("docker {}", words.join(" "));
                (place, docker(&words).into_bytes())
            })
        });
        known.collect()
    }
}

async fn pass(mut client: UnixStream, mut cut: watch::Receiver<bool>) {
    if *cut.borrow_and_update() {
        return;
    }
    let Ok(mut engine) = UnixStream::connect("/var/run/docker.sock").await else {
        return;
    };
    tokio::select! {
        // A client that goes away is no fault of the engine's.
        _ = tokio::io::copy_bidirectional(&mut client, &mut engine) => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
}

/// The honest model without pictures; slow where somebody wants to stop or to interrupt it in the middle.
fn script(story: Story) -> Script {
    let mut specification = acme_web::specification();
    specification["pages"] = json!([]);
    let script = Script::honest().called("chaos").on(
        Phase::Plan,
        [
            Turn::shell("cat lib/users.js"),
            Turn::tool("submit_specification", specification),
            Turn::tool("submit_plan", acme_web::plan()),
            Turn::say("The specification and the plan are handed over."),
        ],
    );
    match story {
        Story::Cancel("planning", _) => script.first(Phase::Plan, [Turn::shell("sleep 3")]),
        Story::Cancel("running", _) | Story::Now => {
            script.first(Phase::Work, [Turn::shell("sleep 3")])
        }
        _ => script,
    }
}

/// What the engine's own program says; empty where it says nothing.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    let output = output.expect("the engine's program is there");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
