//! What happens in a run, all of it drawn from its seed: which story, which kills, which bad days of the platforms.

use std::{fmt, time::Duration};

use deckhand_world::{github, slack};

use crate::play::{Database, Ground};

/// Numbers that depend on the seed alone (`SplitMix64`).
pub struct Chance(u64);

/// What is drawn apart, so that more of the one moves nothing of another.
#[derive(Clone, Copy)]
enum Stream {
    Story,
    Kills,
    KillsOfDoors,
    Machines,
    BadDays,
    Road,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers of a seed for one kind of thing.
    fn of(seed: u64, stream: Stream) -> Self {
        let both = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (stream as u64);
        Self(Self(both).below(u64::MAX))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Clone>(&mut self, from: &[T]) -> T {
        let count = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.below(count)).unwrap()].clone()
    }
}

/// How the conversation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Mention, plan, approval, result, merge.
    Result,
    /// The same with something more asked for after the result.
    FollowUp,
    /// The same with something more said with `now:` while the agent works.
    Now,
    /// The same with a correction of the plan.
    Correction,
    /// Stopped when the task stands so, and what is done right after.
    Cancel(&'static str, Then),
}

/// What somebody does right after they have said stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    /// They say it again.
    StopAgain,
    /// They press Approve on the plan that they still see, where they have seen one.
    Approve,
}

/// What is counted until a kill comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    SlackCalls,
    GithubRequests,
    /// Of the scripted engine.
    EngineRequests,
    /// Where there is a model, which is with containers.
    ModelRequests,
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Bot,
    /// Doors of their own.
    Doors,
    /// One of several bots sleeps, and wakes after this time with what it believes to have in hand.
    BotAsleep(Duration),
    Agent,
    Engine,
    DatabaseConnections,
}

/// The longest that one of several bots sleeps, in seconds: longer than its leases.
const ASLEEP_MAX_SECONDS: u64 = 40;

/// One kill: of whom, and after how many of what. Of several bots that one which the number leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    pub victim: Victim,
    pub counted: Counted,
    pub after: u64,
}

/// Whether an engine that is started again still has its sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Keeps,
    Loses,
}

/// How the next bot waits for what the one before it had in hand, on a server's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Half a minute, as it is.
    Really,
    /// It comes half a minute later, by its own clock.
    ByTheClock,
}

/// Everything that happens in one run.
#[derive(Clone, Debug)]
pub struct Fate {
    pub story: Story,
    pub kills: Vec<Kill>,
    pub engine: Memory,
    pub wait: Wait,
    pub slack: Vec<(&'static str, slack::Fault)>,
    pub github: Vec<(&'static str, github::Fault)>,
    /// For the road between the platforms and the bot.
    pub road: u64,
}

impl Story {
    /// Whether something more is asked for than the request says.
    pub fn asks_for_more(self) -> bool {
        match self {
            Self::FollowUp | Self::Now => true,
            Self::Result | Self::Correction | Self::Cancel(..) => false,
        }
    }
}

impl Fate {
    /// Whether Slack lets a change of a message wait.
    pub fn makes_a_change_wait(&self) -> bool {
        let is_one = |(method, fault): &(&str, slack::Fault)| {
            *method == "chat.update" && matches!(fault, slack::Fault::RateLimited { .. })
        };
        self.slack.iter().any(is_one)
    }

    /// The fate of this seed. The ground says who can be killed and what is counted, and moves no draw: what a seed has on one
    /// ground it has on every other, as far as it is there.
    pub fn of(seed: u64, ground: &Ground) -> Self {
        let story = story(&mut Chance::of(seed, Stream::Story));
        let chance = &mut Chance::of(seed, Stream::Kills);
        let kills = (0..=chance.below(3)).map(|_| kill(chance, ground));
        let mut kills: Vec<Kill> = kills.collect();
        if ground.has_own_doors {
            let chance = &mut Chance::of(seed, Stream::KillsOfDoors);
            kills.extend((0..=chance.below(2)).map(|_| Kill {
                victim: Victim::Doors,
                ..kill(chance, ground)
            }));
        }
        let chance = &mut Chance::of(seed, Stream::Machines);
        let engine = chance.one_of(&[Memory::Keeps, Memory::Keeps, Memory::Loses]);
        let wait = match chance.below(16) {
            0 => Wait::Really,
            // The clocks of several agree.
            _ if ground.replicas > 1 => Wait::Really,
            _ => Wait::ByTheClock,
        };
        let chance = &mut Chance::of(seed, Stream::BadDays);
        let slack = (0..chance.below(4))
            .map(|_| (chance.one_of(&SLACK_METHODS), slack_fault(chance)))
            .collect();
        let github = (0..chance.below(3))
            .map(|_| {
                let route = chance.one_of(&GITHUB_ROUTES);
                (route, github_fault(chance, route))
            })
            .collect();
        Self {
            story,
            kills,
            engine,
            wait,
            slack,
            github,
            road: Chance::of(seed, Stream::Road).below(u64::MAX),
        }
    }
}

const SLACK_METHODS: [&str; 4] = [
    "chat.postMessage",
    "chat.update",
    "conversations.replies",
    "reactions.add",
];
const GITHUB_ROUTES: [&str; 4] = [
    "POST /repos/*/*/pulls",
    "GET /repos/*/*/pulls",
    "POST /acme/web.git/git-receive-pack",
    "POST /acme/web.git/git-upload-pack",
];

fn story(chance: &mut Chance) -> Story {
    let story = chance.one_of(&[
        Story::Result,
        Story::Result,
        Story::FollowUp,
        Story::Now,
        Story::Correction,
        Story::Cancel("planning", Then::Nothing),
        Story::Cancel("awaiting_approval", Then::Nothing),
        Story::Cancel("running", Then::Nothing),
        Story::Cancel("verifying", Then::Nothing),
    ]);
    match story {
        Story::Cancel(state, _) => {
            let then = [Then::Nothing, Then::Nothing, Then::StopAgain, Then::Approve];
            Story::Cancel(state, chance.one_of(&then))
        }
        Story::Result | Story::FollowUp | Story::Now | Story::Correction => story,
    }
}

/// Draws a kill: always the same numbers, whatever the ground makes of them.
fn kill(chance: &mut Chance, ground: &Ground) -> Kill {
    let has_connections = ground.database != Database::Sqlite;
    let (whom, asleep) = (chance.below(8), 1 + chance.below(ASLEEP_MAX_SECONDS));
    let victim = match whom {
        0 => Victim::Agent,
        1 | 2 => Victim::Engine,
        3 if ground.replicas > 1 => Victim::BotAsleep(Duration::from_secs(asleep)),
        3 | 4 if has_connections => Victim::DatabaseConnections,
        _ => Victim::Bot,
    };
    let (counted, most) = match chance.below(3) {
        0 => (Counted::SlackCalls, 18),
        1 => (Counted::GithubRequests, 16),
        _ if ground.has_containers => (Counted::ModelRequests, 14),
        _ => (Counted::EngineRequests, 32),
    };
    let after = 1 + chance.below(most);
    Kill {
        victim,
        counted,
        after,
    }
}

fn slack_fault(chance: &mut Chance) -> slack::Fault {
    match chance.below(4) {
        0 => slack::Fault::RateLimited {
            retry_after: Duration::from_secs(1),
        },
        1 => slack::Fault::ServerError,
        2 => slack::Fault::DropRequest,
        _ => slack::Fault::DropAnswer,
    }
}

fn github_fault(chance: &mut Chance, route: &str) -> github::Fault {
    match chance.below(4) {
        0 => github::Fault::Status {
            status: 502,
            retry_after: None,
        },
        // To git GitHub says it in another way than to its API.
        1 if route.contains(".git/") => github::Fault::Status {
            status: 429,
            retry_after: Some(1),
        },
        1 => github::Fault::SecondaryLimit { retry_after: 1 },
        2 => github::Fault::DoneButAnswered(502),
        _ => github::Fault::CutOff,
    }
}

impl fmt::Display for Story {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel(state, Then::Nothing) => write!(out, "Cancel {state}"),
            Self::Cancel(state, then) => write!(out, "Cancel {state}, {then:?}"),
            Self::Result | Self::FollowUp | Self::Now | Self::Correction => {
                write!(out, "{self:?}")
            }
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.story)?;
        for kill in &self.kills {
            write!(
                out,
                "; kill {:?} after {} {:?}",
                kill.victim, kill.after, kill.counted
            )?;
        }
        write!(out, "; the engine {:?} its sandboxes", self.engine)?;
        for (method, fault) in &self.slack {
            write!(out, "; {method}: {fault:?}")?;
        }
        for (route, fault) in &self.github {
            write!(out, "; {route}: {fault:?}")?;
        }
        Ok(())
    }
}

/// The tests of what a seed means.
pub mod tests {
    use super::{Counted, Fate, Kill, Victim};
    use crate::play::{Database, Ground};

    const SEEDS: u64 = 500;

    fn plain() -> Ground {
        Ground {
            database: Database::Sqlite,
            has_containers: false,
            replicas: 1,
            has_own_doors: false,
        }
    }

    /// What was drawn, without who is killed and what is counted until then: that is the ground's.
    fn drawn(fate: &Fate) -> String {
        format!(
            "{:?} {:?} {:?} {:?} {}",
            fate.story, fate.engine, fate.slack, fate.github, fate.road
        )
    }

    pub fn a_seed_is_the_same_story_with_every_flag() {
        let server = Ground {
            database: Database::Postgres("postgres://somewhere".to_owned()),
            ..plain()
        };
        let doors = Ground {
            has_own_doors: true,
            ..plain()
        };
        let several = Ground {
            replicas: 2,
            ..server.clone()
        };
        let containers = Ground {
            has_containers: true,
            ..plain()
        };
        for seed in 1..=SEEDS {
            let fate = Fate::of(seed, &plain());
            for ground in [&server, &doors, &several, &containers] {
                let other = Fate::of(seed, ground);
                assert_eq!(drawn(&fate), drawn(&other), "{seed} on {ground:?}");
                let kills = other.kills.iter();
                let kills = kills.filter(|kill| kill.victim != Victim::Doors);
                let kills: Vec<&Kill> = kills.collect();
                assert_eq!(fate.kills.len(), kills.len(), "{seed} on {ground:?}");
                for (kill, other) in fate.kills.iter().zip(kills) {
                    let goes_by_the_model = other.counted == Counted::ModelRequests;
                    assert!(
                        goes_by_the_model
                            || (kill.counted, kill.after) == (other.counted, other.after)
                    );
                    let is_there = kill.victim == other.victim;
                    assert!(is_there || kill.victim == Victim::Bot, "{seed}: {other:?}");
                }
            }
        }
    }
}
