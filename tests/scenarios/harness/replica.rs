//! A second bot on the same data, and what happens to a process that is killed or sleeps.

use std::process::Command;

use deckhand::engine::Context;
use deckhand_world::slack::Thread;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Begun, Bot, Image, PATIENCE, Stage, asking::until, start};

/// A second bot, in the process of the test, with the same settings on the same database and the same engine.
pub struct Replica {
    pub context: Context,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Replica {
    /// Waits until it has taken over the run of a thread's task, which nobody keeps up any more.
    pub async fn takes_over(&self, stage: &Stage, thread: &Thread) {
        let task = stage.task(thread).await.id;
        until(PATIENCE, || async {
            self.context.runs.take_up(&self.context).await.unwrap();
            let is_taken = self.context.runs.tasks().contains(&task);
            is_taken
                .then_some(())
                .ok_or("nobody takes the run over".to_owned())
        })
        .await;
    }

    /// What one of its pages says.
    pub async fn page(&self, path: &str) -> String {
        let address = format!("{}{path}", self.context.config.public_url);
        reqwest::get(address).await.unwrap().text().await.unwrap()
    }

    /// Ends it as a signal does.
    pub async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

impl Stage {
    /// Starts a second bot beside the first. From now on the platforms come to its doors.
    pub async fn beside(&self) -> Replica {
        let world = (&self.slack, &self.github, self.linear.as_ref());
        let how = (Image::Missing, Bot::Inside, &self.crash);
        let Begun {
            context,
            stop,
            running,
            ..
        } = start(&self.variables, &self.file, how, world, self.clock.clone()).await;
        Replica {
            context,
            stop,
            running,
        }
    }

    /// Kills the program as a power cut does. Nobody starts another one.
    pub async fn kill(&mut self) {
        assert!(self.bot == Bot::Program, "only a program can be killed");
        self.crash.cancel();
        (&mut self.running).await.unwrap().unwrap();
        // There is nothing to wait for at the end of the story.
        self.running = tokio::spawn(async { Ok(()) });
    }

    /// Lets the program sleep in the middle of whatever it does. It does not know.
    pub fn put_to_sleep(&self) {
        self.signal("-STOP");
    }

    /// Wakes it again.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.expect("only a program has a process");
        let sent = Command::new("kill")
            .args([signal, &process.to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits until the program's log says something.
    pub async fn logs(&self, words: &str) {
        self.eventually(words, async || self.process_log().contains(words))
            .await;
    }
}
