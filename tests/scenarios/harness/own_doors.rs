//! The program `deckhand-doors` beside a bot.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::{PATIENCE, Stage, asking::until, program::Deckhand};

/// Doors that are a process of their own.
pub struct OwnDoors {
    child: Child,
    address: SocketAddr,
    program: Deckhand,
}

impl OwnDoors {
    /// Starts them with the settings of a program, at a port that is free; what they say is in `doors.log` in its folder. They
    /// open when the database is there.
    pub fn start(mut program: Deckhand) -> Self {
        // The client that asks them needs one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        program.set("DECKHAND_DOORS_LISTEN", address.to_string());
        let log = File::create(program.path("doors.log")).unwrap();
        let child = program
            .command_of(env!("CARGO_BIN_EXE_deckhand-doors"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            program,
        }
    }

    /// The bot's program with the same settings.
    pub const fn bot(&self) -> &Deckhand {
        &self.program
    }

    /// Waits until they have said this.
    pub async fn say(&self, words: &str) {
        until(PATIENCE, || async {
            let log = self.log();
            log.contains(words).then_some(()).ok_or(log)
        })
        .await;
    }

    /// What they said so far.
    fn log(&self) -> String {
        std::fs::read_to_string(self.program.path("doors.log")).unwrap()
    }

    /// What one of their pages answers.
    pub async fn get(&self, path: &str) -> Result<(u16, String), reqwest::Error> {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Waits until they are open.
    pub async fn open(&self) {
        until(PATIENCE, || async {
            match self.get("/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", self.log())),
            }
        })
        .await;
    }

    /// Has the platforms of a stage knock here.
    pub fn take(&self, stage: &Stage) {
        let at = |door: &str| format!("http://{}{door}", self.address);
        stage.slack.set_app_urls(
            &at("/slack/events"),
            &at("/slack/interactions"),
            &at("/slack/commands"),
        );
        stage.github.set_webhook_url(&at("/github/webhooks"));
        if let Some(linear) = &stage.linear {
            linear.set_webhook_url(&at("/linear/webhooks"));
        }
    }

    /// Ends them as a power cut does.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends them as an operator does; what they said.
    pub async fn end(mut self) -> String {
        let id = self.child.id().expect("they run still").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(asked.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.expect("they end").unwrap().success());
        self.log()
    }
}

impl Stage {
    /// Doors of their own beside the bot, to which the platforms come from now on.
    pub async fn own_doors(&self) -> OwnDoors {
        let doors = OwnDoors::start(Deckhand::of(self));
        doors.open().await;
        doors.take(self);
        doors
    }
}
