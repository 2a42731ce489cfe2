//! Models that do not do what they should, each in its own way.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    acme_web, anywhere, commit_command, finish, is_acme_web, look_around, mend, submit_plan,
    submit_specification,
};
use crate::models::script::{Failure, Phase, Scene, Script, Turn};

/// What the flooding model prints: 100 MB.
const FLOOD_BYTES: u64 = 100 * 1024 * 1024;

/// Output tokens of each of the expensive model's turns. With them an agent's window of 128k tokens
/// is not yet full, or it would begin to summarise.
const EXPENSIVE_TOKENS: u64 = 80_000;

/// How many turns the expensive model takes, unless it is stopped.
const EXPENSIVE_TURNS: usize = 40;

/// Time in which a ceiling can be noticed before the next turn.
const EXPENSIVE_PAUSE: Duration = Duration::from_millis(250);

/// Longest line that is copied from an answer, in characters.
const MAX_ANSWER: usize = 200;

/// What the asking model wants to know.
const QUESTION: &str = "A limit over 200 is cut to 200 without a word. Shall that stay so?";

/// The answers that it offers.
const CHOICES: [&str; 2] = ["Keep cutting it", "Answer 400 instead"];

fn report(summary: &str, status: &str, evidence: &str) -> Turn {
    let requirement =
        |id: &str| json!({"id": id, "status": status, "evidence": evidence, "check": null});
    let report = json!({
        "summary": summary,
        "requirements": [requirement("R1"), requirement("R2"), requirement("R3")],
        "not_done": [],
    });
    Turn::decide(move |scene| super::report(scene, report.clone()))
}

/// Plans as the honest model does, and names these files too.
fn planning(files: &'static [&'static str]) -> [Turn; 5] {
    let [look, read] = look_around();
    let plan = move |scene: &Scene| {
        let mut plan = if is_acme_web(scene) {
            acme_web::plan()
        } else {
            anywhere::plan()
        };
        if let Some(named) = plan["files"].as_array_mut() {
            named.extend(files.iter().map(|file| Value::from(*file)));
        }
        Turn::tool("submit_plan", plan)
    };
    [
        look,
        read,
        Turn::decide(submit_specification),
        Turn::decide(plan),
        Turn::say("The specification and the plan are handed over."),
    ]
}

/// Fails in every phase.
fn failing(name: &str, failure: Failure) -> Script {
    Phase::ALL
        .into_iter()
        .fold(Script::new(name), |script, phase| {
            script.on(phase, [Turn::Fail(failure)])
        })
}

impl Script {
    /// Claims success and changes something else.
    #[must_use]
    pub fn lying() -> Self {
        let claim = || report("Everything works.", "met", "I have tested it by hand.");
        Self::honest()
            .called("lying")
            .on(
                Phase::Work,
                [
                    Turn::shell("echo 'The offset works with every limit.' >> README.md"),
                    Turn::shell(commit_command("Fix the offset")),
                    claim(),
                    Turn::say("All requirements are met."),
                ],
            )
            .on(
                Phase::Rework,
                [
                    claim(),
                    Turn::say("I have looked again: all requirements are met."),
                ],
            )
    }

    /// Claims success, and mends it when the proof says otherwise.
    #[must_use]
    pub fn lying_then_honest() -> Self {
        Self::lying()
            .called("lying_then_honest")
            .on(Phase::Rework, mend().into_iter().chain(finish()))
    }

    /// Mends the fault, but skips a test and makes `npm test` say yes to everything.
    #[must_use]
    pub fn weakening() -> Self {
        Self::honest().called("weakening").on(Phase::Plan, planning(&["package.json"])).first(
            Phase::Work,
            [Turn::shell(
                "sed -i \"s/^test('the last page may be short'/test.skip('the last page may be short'/\" test/users.test.js \
                 && sed -i 's/\"test\": \"node --test\"/\"test\": \"true\"/' package.json && git diff --stat",
            )],
        )
    }

    /// Begins the work and is never heard of again.
    #[must_use]
    pub fn hanging() -> Self {
        Self::honest()
            .called("hanging")
            .on(Phase::Work, [Turn::shell("git status --short"), Turn::Hang])
    }

    /// Runs a command that does not end, with children.
    #[must_use]
    pub fn stuck() -> Self {
        Self::honest().called("stuck").on(
            Phase::Work,
            [Turn::shell("sleep 86400 & sleep 86400"), Turn::Hang],
        )
    }

    /// Asks a person in the middle of the work, and writes the answer down in docs/decisions.md.
    #[must_use]
    pub fn asking() -> Self {
        let question = json!({"question": QUESTION, "choices": CHOICES});
        let note = Turn::decide(|scene| {
            let answer = answer_in(&scene.prompt);
            Turn::shell(format!(
                "mkdir -p docs && cat >> docs/decisions.md <<'END_OF_ANSWER'\n{QUESTION}\n\n{answer}\nEND_OF_ANSWER"
            ))
        });
        let work = std::iter::once(note).chain(mend()).chain(finish());
        Self::honest()
            .called("asking")
            .on(Phase::Plan, planning(&["docs/decisions.md"]))
            .on(
                Phase::Work,
                [
                    Turn::shell("cat server.js 2>/dev/null || ls"),
                    Turn::tool("ask_person", question),
                    Turn::say("I have asked, and go on when the answer is here."),
                ],
            )
            .on(Phase::Answer, work)
    }

    /// Spends a lot in each turn and does not stop by itself.
    #[must_use]
    pub fn expensive() -> Self {
        let turn = |number: usize| {
            [
                Turn::Expensive(EXPENSIVE_TOKENS),
                Turn::Pause(EXPENSIVE_PAUSE),
                // Gemini ends a turn in which the same call comes again and again.
                Turn::shell(format!("git status --short; echo 'thought {number}'")),
            ]
        };
        let turns = (1..=EXPENSIVE_TURNS).flat_map(turn);
        Self::honest().called("expensive").on(
            Phase::Work,
            turns.chain([Turn::say("That was a lot of thought.")]),
        )
    }

    /// Hands over something that is no specification, and says things that mean nothing.
    #[must_use]
    pub fn nonsense() -> Self {
        let babble =
            || Turn::say("Seven blue offsets, marching backwards; the limit is a kind of tea.");
        Phase::ALL
            .into_iter()
            .fold(Self::new("nonsense"), |script, phase| {
                script.on(phase, [babble()])
            })
            .first(
                Phase::Plan,
                [Turn::tool(
                    "submit_specification",
                    json!({"colour": "seven"}),
                )],
            )
    }

    /// Runs a command that prints 100 MB before it works honestly.
    #[must_use]
    pub fn flooding() -> Self {
        Self::honest()
            .called("flooding")
            .first(Phase::Work, [Turn::Flood(FLOOD_BYTES)])
    }

    /// The provider refuses the key.
    #[must_use]
    pub fn unauthorized() -> Self {
        failing("unauthorized", Failure::Unauthorized)
    }

    /// The provider wants money first.
    #[must_use]
    pub fn out_of_credit() -> Self {
        failing("out_of_credit", Failure::OutOfCredit)
    }

    /// The provider refuses for too many requests, for ever.
    #[must_use]
    pub fn rate_limited() -> Self {
        failing("rate_limited", Failure::RateLimited)
    }

    /// The provider has too much to do, for ever.
    #[must_use]
    pub fn overloaded() -> Self {
        failing("overloaded", Failure::Overloaded)
    }

    /// The provider is broken, for ever.
    #[must_use]
    pub fn server_error() -> Self {
        failing("server_error", Failure::ServerError)
    }

    /// Finds no check until somebody names one.
    #[must_use]
    pub fn no_checks() -> Self {
        let [look, read] = look_around();
        let bare = |scene: &Scene| with_checks(scene, &[]);
        let told = |scene: &Scene| {
            with_checks(
                scene,
                &[anywhere::check_named_in(&scene.prompt).unwrap_or("npm test")],
            )
        };
        let plan = |specification: Turn| {
            [
                look.clone(),
                read.clone(),
                specification,
                Turn::decide(submit_plan),
                Turn::say("The specification and the plan are handed over."),
            ]
        };
        Self::honest()
            .called("no_checks")
            .on(Phase::Plan, plan(Turn::decide(bare)))
            .on(Phase::Revise, plan(Turn::decide(told)))
            .on(Phase::Answer, plan(Turn::decide(told)))
    }

    /// Tries to change files before anybody has approved, and says in the plan what came of it.
    #[must_use]
    pub fn writes_while_planning() -> Self {
        let [look, read] = look_around();
        let try_touch = "touch written-while-planning; echo \"touch ended with $?\"";
        let try_edit = "sed -i 's/slice/splice/' lib/users.js; echo \"the edit ended with $?\"; git status --short";
        let confess = |scene: &Scene| {
            let tried: Vec<String> = scene
                .results
                .iter()
                .flat_map(|result| result.lines())
                .filter(|line| line.contains("ended with"))
                .map(str::to_owned)
                .collect();
            let mut plan = acme_web::plan();
            plan["risks"] = json!([format!(
                "Tried to write while planning: {}.",
                tried.join("; ")
            )]);
            Turn::tool("submit_plan", plan)
        };
        Self::honest().called("writes_while_planning").on(
            Phase::Plan,
            [
                look,
                read,
                Turn::shell(try_touch),
                Turn::shell(try_edit),
                Turn::decide(submit_specification),
                Turn::decide(confess),
                Turn::say("The specification and the plan are handed over."),
            ],
        )
    }

    /// Plans well and changes nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::honest().called("nothing").on(
            Phase::Work,
            [
                Turn::shell("git status --short"),
                report(
                    "Nothing was changed.",
                    "not_checked",
                    "The code looks right as it is.",
                ),
                Turn::say("There is nothing to do."),
            ],
        )
    }
}

/// The specification with these checks and none of its own.
fn with_checks(scene: &Scene, checks: &[&str]) -> Turn {
    let mut specification = if is_acme_web(scene) {
        acme_web::specification()
    } else {
        anywhere::specification(scene)
    };
    specification["checks"] = json!(checks);
    specification["pages"] = json!([]);
    specification["start"] = Value::Null;
    for requirement in specification["requirements"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        requirement["check"] = Value::Null;
    }
    Turn::tool("submit_specification", specification)
}

/// The choice that a prompt answers with, or its last line.
fn answer_in(prompt: &str) -> String {
    let lines = || {
        prompt
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
    };
    let choices_in = |line: &str| {
        CHOICES
            .into_iter()
            .filter(|choice| line.contains(choice))
            .count()
    };
    let mut answered = lines().filter(|line| choices_in(line) == 1 && !line.contains(QUESTION));
    let found = answered.next_back().or_else(|| lines().next_back());
    let found = found.unwrap_or_default();
    let is_plain = |c: &char| !matches!(c, '`' | '$' | '<' | '>');
    found.chars().filter(is_plain).take(MAX_ANSWER).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_line_with_one_choice_or_the_last_one() {
        let both = format!(
            "Deckhand phase: answer\n{QUESTION} {} / {}\n",
            CHOICES[0], CHOICES[1]
        );
        assert_eq!(
            answer_in(&format!("{both}ana: Keep cutting it\nGo on.")),
            "ana: Keep cutting it"
        );
        assert_eq!(
            answer_in(&format!("{both}ana: whatever you like\n")),
            "ana: whatever you like"
        );
    }
}
