//! What was really killed in a run, and which failures of a task that explains.

use std::sync::{Arc, Mutex};

use deckhand::domain::{event::RunFailure, message::FailureText};

use crate::fate::Victim;

/// What a bot that is killed takes along of a run, which goes on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotTakes {
    /// Nothing: the next one is there before anybody misses it.
    Nothing,
    /// The way to the model, for longer than a sandbox waits for it.
    TheWayOut,
}

/// What was really killed so far. What met nothing is not among it.
#[derive(Clone)]
pub struct Toll {
    bot_takes: BotTakes,
    victims: Arc<Mutex<Vec<Victim>>>,
}

impl Toll {
    /// Nothing yet.
    pub fn new(bot_takes: BotTakes) -> Self {
        Self {
            bot_takes,
            victims: Arc::default(),
        }
    }

    /// One more.
    pub fn add(&self, victim: Victim) {
        self.victims.lock().unwrap().push(victim);
    }

    /// How many kills met somebody.
    pub fn count(&self) -> usize {
        self.victims.lock().unwrap().len()
    }

    /// Whether a task may fail so after these kills: only where its agent or its sandbox was killed, and only as a run fails, or
    /// what is done in a sandbox. Everything else that is drawn has to pass without a failure.
    pub fn explains(&self, failure: &FailureText) -> bool {
        let takes_a_run = |victim: &Victim| match victim {
            Victim::Agent | Victim::Engine => true,
            Victim::Bot => self.bot_takes == BotTakes::TheWayOut,
            Victim::Doors | Victim::BotAsleep(_) | Victim::DatabaseConnections => false,
        };
        is_of_a_sandbox(failure) && self.victims.lock().unwrap().iter().any(takes_a_run)
    }
}

/// Whether a sandbox that is gone can end a task so.
fn is_of_a_sandbox(failure: &FailureText) -> bool {
    match failure {
        FailureText::Run { failure, .. } => breaks_off(failure),
        FailureText::NothingChanged { .. }
        | FailureText::ChangeRefused { .. }
        | FailureText::Proof { .. } => true,
        // As the bot calls what it does with sandboxes.
        FailureText::GivenUp { effect, .. } => {
            matches!(&**effect, "starting the agent" | "checking the result")
        }
        FailureText::Publish { .. } => false,
    }
}

/// Whether a run can end so when its agent, its sandbox or the engine goes away.
fn breaks_off(failure: &RunFailure) -> bool {
    match failure {
        RunFailure::DidNotStart { .. }
        | RunFailure::Nonsense { .. }
        | RunFailure::Died { .. }
        | RunFailure::Silent
        | RunFailure::NothingHandedOver
        | RunFailure::SandboxLost
        | RunFailure::EngineLost
        | RunFailure::Other { .. } => true,
        RunFailure::KeyRefused
        | RunFailure::OutOfCredit
        | RunFailure::RateLimited
        | RunFailure::Overloaded
        | RunFailure::TooMuchOutput
        | RunFailure::OutOfDisk { .. }
        | RunFailure::OutOfTime
        | RunFailure::OutOfWorkTime
        | RunFailure::OutOfBudget => false,
    }
}

/// The tests of what a failure is forgiven for.
pub mod tests {
    use std::time::Duration;

    use deckhand::domain::{
        event::{PublishProblem, RunFailure},
        message::{FailureText, Phase},
    };

    use super::{BotTakes, Toll};
    use crate::fate::Victim;

    fn run(failure: RunFailure) -> FailureText {
        FailureText::Run {
            phase: Phase::Working,
            failure,
            closing_words: String::new(),
        }
    }

    fn given_up(effect: &str) -> FailureText {
        FailureText::GivenUp {
            effect: effect.to_owned(),
            reason: "502 Bad Gateway".to_owned(),
        }
    }

    fn after(bot_takes: BotTakes, victims: &[Victim]) -> Toll {
        let toll = Toll::new(bot_takes);
        for victim in victims {
            toll.add(*victim);
        }
        toll
    }

    pub fn only_a_killed_agent_or_sandbox_explains_a_failure() {
        let lost = run(RunFailure::SandboxLost);
        let others = [
            Victim::Bot,
            Victim::Doors,
            Victim::BotAsleep(Duration::from_secs(1)),
            Victim::DatabaseConnections,
        ];
        assert!(!after(BotTakes::Nothing, &[]).explains(&lost));
        assert!(!after(BotTakes::Nothing, &others).explains(&lost));
        for victim in [Victim::Agent, Victim::Engine] {
            assert!(after(BotTakes::Nothing, &[Victim::Bot, victim]).explains(&lost));
        }
        assert!(after(BotTakes::TheWayOut, &[Victim::Bot]).explains(&lost));
        assert!(!after(BotTakes::TheWayOut, &others[1..]).explains(&lost));
    }

    pub fn a_bad_day_of_a_platform_explains_no_failure() {
        let toll = after(BotTakes::TheWayOut, &[Victim::Agent, Victim::Engine]);
        let refused = FailureText::Publish {
            problem: PublishProblem::Refused {
                reason: "429".to_owned(),
            },
        };
        for failure in [
            refused,
            given_up("publishing the result"),
            given_up("reading the conversation and the repository"),
            run(RunFailure::RateLimited),
        ] {
            assert!(!toll.explains(&failure), "{failure:?}");
        }
        for failure in [
            given_up("starting the agent"),
            run(RunFailure::Silent),
            FailureText::Proof {
                reason: "the sandbox is gone".to_owned(),
            },
        ] {
            assert!(toll.explains(&failure), "{failure:?}");
        }
    }
}
