//! What a scripted model does: per phase of a task, a list of turns.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use serde_json::Value;

use super::catalogue;

/// What Deckhand's prompt asks for, as its line `Deckhand phase: <phase>` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Write the specification and the first plan; nothing may change.
    Plan,
    /// Write the plan again, after a person's correction.
    Revise,
    /// Find the answer to a question; nothing may change.
    Ask,
    /// Do the work of the approved plan.
    Work,
    /// Go on with a person's answer to a question.
    Answer,
    /// Mend what the proof found.
    Rework,
    /// Change what a person asked for after the result.
    FollowUp,
}

impl Phase {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Plan,
        Self::Revise,
        Self::Ask,
        Self::Work,
        Self::Answer,
        Self::Rework,
        Self::FollowUp,
    ];

    /// The word that stands in the prompt.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Revise => "revise",
            Self::Ask => "ask",
            Self::Work => "work",
            Self::Answer => "answer",
            Self::Rework => "rework",
            Self::FollowUp => "follow_up",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(word: &str) -> Result<Self, UnknownPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.word() == word)
            .ok_or(UnknownPhase)
    }
}

/// The word names no phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPhase;

/// How a provider fails; each wire has its own status and body for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The key is wrong.
    Unauthorized,
    /// The account has no credit left.
    OutOfCredit,
    /// Too many requests.
    RateLimited,
    /// The provider has too much to do (Anthropic's 529).
    Overloaded,
    /// An error inside the provider (500).
    ServerError,
}

/// What the conversation says about the phase under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// The newest message with a phase line.
    pub prompt: String,
    /// The oldest message with a phase line; the same as `prompt` in a fresh session.
    pub opening: String,
    /// What the tools of this phase answered, oldest first.
    pub results: Vec<String>,
    /// Every text of the request, whoever put it there, in no particular order; and the words on its pictures.
    pub everything: Vec<String>,
}

impl Scene {
    /// Whether a tool's answer in this phase holds the fragment.
    #[must_use]
    pub fn saw(&self, fragment: &str) -> bool {
        self.results.iter().any(|result| result.contains(fragment))
    }

    /// The newest answer of a tool in this phase; empty before the first.
    #[must_use]
    pub fn last_result(&self) -> &str {
        self.results.last().map_or("", String::as_str)
    }
}

/// Makes a turn from what the conversation says.
pub type Decision = Arc<dyn Fn(&Scene) -> Turn + Send + Sync>;

/// One thing that the model does.
#[derive(Clone)]
pub enum Turn {
    /// Runs a command by the agent's own shell tool.
    Shell(String),
    /// Calls a tool that the session offers, under whatever prefix the agent gave it.
    Tool {
        /// The tool's own name, such as `submit_plan`.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
    /// Says something and ends the agent's turn.
    Say(String),
    /// Fails every time the agent asks.
    Fail(Failure),
    /// Never answers.
    Hang,
    /// Runs a command that prints so many bytes.
    Flood(u64),
    /// Thinking time before the turn that follows.
    Pause(Duration),
    /// So many output tokens are reported for the turn that follows.
    Expensive(u64),
    /// Looks at the conversation first.
    Decide(Decision),
}

impl Turn {
    /// A [`Turn::Shell`].
    pub fn shell(command: impl Into<String>) -> Self {
        Self::Shell(command.into())
    }

    /// A [`Turn::Tool`].
    pub fn tool(name: impl Into<String>, arguments: Value) -> Self {
        let name = name.into();
        Self::Tool { name, arguments }
    }

    /// A [`Turn::Say`].
    pub fn say(text: impl Into<String>) -> Self {
        Self::Say(text.into())
    }

    /// A [`Turn::Decide`].
    pub fn decide(decision: impl Fn(&Scene) -> Self + Send + Sync + 'static) -> Self {
        Self::Decide(Arc::new(decision))
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(command) => formatter.debug_tuple("Shell").field(command).finish(),
            Self::Tool { name, .. } => formatter.debug_tuple("Tool").field(name).finish(),
            Self::Say(text) => formatter.debug_tuple("Say").field(text).finish(),
            Self::Fail(failure) => formatter.debug_tuple("Fail").field(failure).finish(),
            Self::Hang => formatter.write_str("Hang"),
            Self::Flood(bytes) => formatter.debug_tuple("Flood").field(bytes).finish(),
            Self::Pause(time) => formatter.debug_tuple("Pause").field(time).finish(),
            Self::Expensive(tokens) => formatter.debug_tuple("Expensive").field(tokens).finish(),
            Self::Decide(_) => formatter.write_str("Decide"),
        }
    }
}

/// What a model does in each phase. Where a script says nothing about a phase, the model ends its turn.
#[derive(Clone, Debug)]
pub struct Script {
    name: String,
    phases: BTreeMap<Phase, Vec<Turn>>,
}

impl Script {
    /// A script with nothing in it.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            phases: BTreeMap::new(),
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn called(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// These turns in this phase, in place of what was there.
    #[must_use]
    pub fn on(mut self, phase: Phase, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.phases.insert(phase, turns.into_iter().collect());
        self
    }

    /// These turns at the beginning of this phase, before what is there.
    #[must_use]
    pub fn first(mut self, phase: Phase, turns: impl IntoIterator<Item = Turn>) -> Self {
        self.phases.entry(phase).or_default().splice(0..0, turns);
        self
    }

    /// Its name, as `#script:NAME` has it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The built-in script of that name; see [`catalogue::NAMES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        catalogue::named(name)
    }

    /// The turn after `step` calls of tools in this phase.
    pub(super) fn step(&self, phase: Phase, step: usize, scene: &Scene) -> Step {
        let turns = self.phases.get(&phase).map_or(&[][..], Vec::as_slice);
        let mut found = Step::default();
        let mut index = 0;
        for turn in turns {
            let action = match turn {
                Turn::Pause(time) => {
                    found.pause = *time;
                    continue;
                }
                Turn::Expensive(tokens) => {
                    found.output_tokens = Some(*tokens);
                    continue;
                }
                Turn::Decide(decision) if index == step => Action::of(&decision(scene)),
                other => Action::of(other),
            };
            if index == step {
                return Step { action, ..found };
            }
            index += 1;
            found = Step::default();
        }
        Step::default()
    }
}

/// One turn with what was said about it before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub action: Action,
    pub pause: Duration,
    pub output_tokens: Option<u64>,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            action: Action::Say(String::from("Nothing more to do.")),
            pause: Duration::ZERO,
            output_tokens: None,
        }
    }
}

/// A turn that has been decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Shell(String),
    Tool { name: String, arguments: Value },
    Say(String),
    Fail(Failure),
    Hang,
}

impl Action {
    fn of(turn: &Turn) -> Self {
        match turn {
            Turn::Shell(command) => Self::Shell(command.clone()),
            Turn::Tool { name, arguments } => Self::Tool {
                name: name.clone(),
                arguments: arguments.clone(),
            },
            Turn::Say(text) => Self::Say(text.clone()),
            Turn::Fail(failure) => Self::Fail(*failure),
            Turn::Hang => Self::Hang,
            Turn::Flood(bytes) => Self::Shell(format!(
                "yes 'Deckhand counts what an agent prints.' | head -c {bytes}"
            )),
            Turn::Pause(_) | Turn::Expensive(_) | Turn::Decide(_) => Self::Say(String::from(
                "A decision must be something that the model does.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_and_a_price_belong_to_the_turn_that_follows() {
        let script = Script::new("s").on(
            Phase::Work,
            [
                Turn::shell("a"),
                Turn::Pause(Duration::from_secs(3)),
                Turn::Expensive(9),
                Turn::shell("b"),
                Turn::say("c"),
            ],
        );
        let step = |n| script.step(Phase::Work, n, &Scene::default());
        assert_eq!(step(0).action, Action::Shell("a".into()));
        assert_eq!(
            (step(0).pause, step(0).output_tokens),
            (Duration::ZERO, None)
        );
        assert_eq!(step(1).action, Action::Shell("b".into()));
        assert_eq!(
            (step(1).pause.as_secs(), step(1).output_tokens),
            (3, Some(9))
        );
        assert_eq!(step(2).action, Action::Say("c".into()));
        assert_eq!(step(2).output_tokens, None);
    }

    #[test]
    fn past_its_end_and_in_a_phase_it_does_not_know_a_script_ends_the_turn() {
        let script = Script::new("s").on(Phase::Plan, [Turn::shell("a")]);
        for (phase, step) in [(Phase::Plan, 1), (Phase::Plan, 40), (Phase::Work, 0)] {
            let found = script.step(phase, step, &Scene::default());
            assert!(matches!(found.action, Action::Say(_)), "{phase} {step}");
        }
    }

    #[test]
    fn a_decision_sees_what_the_tools_answered() {
        let script = Script::new("s").on(
            Phase::Work,
            [
                Turn::shell("look"),
                Turn::decide(|scene| Turn::say(format!("saw {}", scene.last_result()))),
            ],
        );
        let scene = Scene {
            results: vec!["a lighthouse".into()],
            ..Scene::default()
        };
        let found = script.step(Phase::Work, 1, &scene);
        assert_eq!(found.action, Action::Say("saw a lighthouse".into()));
    }

    #[test]
    fn every_phase_is_found_by_its_word() {
        for phase in Phase::ALL {
            assert_eq!(phase.word().parse(), Ok(phase));
        }
        assert_eq!("planning".parse::<Phase>(), Err(UnknownPhase));
    }
}
