//! Stories over many hours: the clock goes on over restarts, credentials end with their hour, and the bot may be killed
//! without a word although it works in the process of the test.

use std::time::Duration;

use deckhand::engine::reaper;
use tokio::runtime::Runtime;

use super::{Bot, Image, Stage, start};

/// How long what a killed bot had begun may take to be dropped.
const DROPPED_WITHIN: Duration = Duration::from_secs(10);

/// How a bot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is asked to, and finishes what is in hand.
    Asked,
    /// In the middle of whatever it does: nothing is finished, given back or stored any more.
    Killed,
}

/// A runtime of the bot's own. When it goes, everything that the bot had begun is dropped where it stands.
#[derive(Default)]
pub struct House(Option<Runtime>);

impl House {
    fn tear_down(&mut self) {
        if let Some(runtime) = self.0.take() {
            tokio::task::block_in_place(|| runtime.shutdown_timeout(DROPPED_WITHIN));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Stage {
    /// The bot ends, and another one begins on the same data at the same time of day.
    pub async fn begin_anew(&mut self, end: End) {
        assert!(self.bot == Bot::Inside, "a program has a clock of its own");
        // The first one lives among the tasks of the test and can only be asked.
        if end == End::Asked || self.house.0.is_none() {
            self.stop.cancel();
            (&mut self.running).await.unwrap().unwrap();
        }
        self.house.tear_down();
        let runtime = Runtime::new().unwrap();
        let world = (&self.slack, &self.github, self.linear.as_ref());
        let begun = start(
            &self.variables,
            &self.file,
            (Image::Missing, self.bot, &self.crash),
            world,
            self.clock.clone(),
        );
        let begun = tokio::task::block_in_place(|| runtime.block_on(begun));
        self.stand_on(begun);
        self.house = House(Some(runtime));
    }

    /// Time passes, hour by hour. With each one the platforms' credentials end, and the bot makes its round.
    pub async fn hours_pass(&self, hours: u32) {
        for _ in 0..hours {
            self.clock.advance(Duration::from_hours(1));
            self.github.expire_tokens();
            if let Some(linear) = &self.linear {
                linear.expire_tokens();
            }
            let context = self.context.clone();
            let round = async move { reaper::step(&context).await };
            // What a round takes up belongs to the bot and has to end with it.
            let round = match &self.house.0 {
                Some(runtime) => runtime.spawn(round).await.unwrap(),
                None => round.await,
            };
            // Where the engine or the database is away, the next round does what this one could not.
            drop(round);
        }
    }
}
