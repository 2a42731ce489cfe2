//! The built-in scripts: an honest model, and those that do each thing that can go wrong.

pub mod acme_web;
mod anywhere;
mod faults;
mod obedient;

use serde_json::Value;

pub use obedient::{Deed, Errand, Obedience};

use super::script::{Phase, Scene, Script, Turn};

/// What `#script:NAME` may name.
pub const NAMES: [&str; 19] = [
    "honest",
    "lying",
    "lying_then_honest",
    "weakening",
    "hanging",
    "stuck",
    "asking",
    "expensive",
    "nonsense",
    "flooding",
    "unauthorized",
    "out_of_credit",
    "rate_limited",
    "overloaded",
    "server_error",
    "no_checks",
    "writes_while_planning",
    "nothing",
    "empty",
];

/// What a model says at the end of a phase in which it did what it should.
const DONE: &str = "Done. The report says what was changed and how it was checked.";

pub(super) fn named(name: &str) -> Option<Script> {
    Some(match name {
        "honest" => Script::honest(),
        "lying" => Script::lying(),
        "lying_then_honest" => Script::lying_then_honest(),
        "weakening" => Script::weakening(),
        "hanging" => Script::hanging(),
        "stuck" => Script::stuck(),
        "asking" => Script::asking(),
        "expensive" => Script::expensive(),
        "nonsense" => Script::nonsense(),
        "flooding" => Script::flooding(),
        "unauthorized" => Script::unauthorized(),
        "out_of_credit" => Script::out_of_credit(),
        "rate_limited" => Script::rate_limited(),
        "overloaded" => Script::overloaded(),
        "server_error" => Script::server_error(),
        "no_checks" => Script::no_checks(),
        "writes_while_planning" => Script::writes_while_planning(),
        "nothing" => Script::nothing(),
        "empty" => Script::new("empty"),
        _ => return None,
    })
}

/// Reads the code, as a model does before it plans.
pub(super) fn look_around() -> [Turn; 2] {
    [
        Turn::shell(
            "git log --oneline -n 5; git ls-files | head -n 60; cat package.json 2>/dev/null || true",
        ),
        Turn::shell("cat lib/users.js 2>/dev/null || head -n 40 README.md 2>/dev/null || true"),
    ]
}

/// Whether the repository under work is the demo's.
pub(super) fn is_acme_web(scene: &Scene) -> bool {
    scene.saw("listUsers")
}

pub(super) fn submit_specification(scene: &Scene) -> Turn {
    let mut specification = if is_acme_web(scene) {
        acme_web::specification()
    } else {
        anywhere::specification(scene)
    };
    if let Some(checks) = specification["checks"].as_array_mut() {
        for check in anywhere::checks_asked_for(&scene.prompt) {
            if !checks.iter().any(|known| *known == *check) {
                checks.push(check.into());
            }
        }
    }
    Turn::tool("submit_specification", specification)
}

pub(super) fn submit_answer(scene: &Scene) -> Turn {
    if is_acme_web(scene) {
        Turn::tool("submit_answer", acme_web::answer())
    } else {
        Turn::tool(
            "submit_answer",
            serde_json::json!({ "answer": "Nothing here says so.", "sources": [] }),
        )
    }
}

pub(super) fn submit_plan(scene: &Scene) -> Turn {
    let plan = if is_acme_web(scene) {
        acme_web::plan()
    } else {
        anywhere::plan()
    };
    Turn::tool("submit_plan", plan)
}

/// Mends the demo's fault with a test, or makes a small change anywhere else; once, however often it runs.
pub(super) fn mend() -> [Turn; 4] {
    [
        Turn::shell(acme_web::mend_command()),
        Turn::decide(|scene| Turn::shell(acme_web::test_command(&scene.prompt))),
        Turn::shell("if [ -f package.json ]; then node --test; else git status --short; fi"),
        Turn::shell(commit_command(
            "Apply the offset to pages with a limit over 100",
        )),
    ]
}

/// Commits whatever has changed, and is content where nothing has. Here as in all
/// commands of scripts there is no `$(...)` and no back-tick: Gemini's shell tool refuses both.
pub(super) fn commit_command(message: &str) -> String {
    let commit = "git -c user.name=agent -c user.email=agent@localhost commit -q -m";
    format!(
        "git add -A; if git diff --cached --quiet; then echo 'nothing to commit'; \
         elif [ -f lib/users.js ]; then {commit} '{message}'; \
         else {commit} 'Make the change that was asked for'; fi; git log --oneline -n 1"
    )
}

/// Reports success and ends.
pub(super) fn finish() -> [Turn; 2] {
    [
        Turn::decide(|scene| report(scene, acme_web::report())),
        Turn::say(DONE),
    ]
}

/// Leaves out of a report what the prompts do not know: a specification for another repository is shorter.
pub(super) fn report(scene: &Scene, mut report: Value) -> Turn {
    let known = |requirement: &Value| {
        let id = requirement["id"].as_str().unwrap_or_default();
        scene.prompt.contains(id) || scene.opening.contains(id)
    };
    if let Some(requirements) = report["requirements"].as_array_mut()
        && requirements.iter().any(known)
    {
        requirements.retain(known);
    }
    Turn::tool("report_requirements", report)
}

impl Script {
    /// Does what is asked, with a test, and reports it truly.
    #[must_use]
    pub fn honest() -> Self {
        let [look, read] = look_around();
        let revised = |scene: &Scene| {
            let plan = if is_acme_web(scene) {
                acme_web::revised_plan(&scene.prompt)
            } else {
                anywhere::revised_plan()
            };
            Turn::tool("submit_plan", plan)
        };
        let finish = finish();
        let again = || mend().into_iter().chain(finish.clone());
        Self::new("honest")
            .on(
                Phase::Plan,
                [
                    look,
                    read.clone(),
                    Turn::decide(submit_specification),
                    Turn::decide(submit_plan),
                    Turn::say("The specification and the plan are handed over."),
                ],
            )
            .on(
                Phase::Revise,
                [
                    read.clone(),
                    Turn::decide(revised),
                    Turn::say("The plan follows the correction now."),
                ],
            )
            .on(
                Phase::Ask,
                [
                    read.clone(),
                    Turn::decide(submit_answer),
                    Turn::say("The answer is handed over."),
                ],
            )
            .on(Phase::Work, std::iter::once(read).chain(again()))
            .on(Phase::Answer, again())
            .on(Phase::Rework, again())
            .on(
                Phase::FollowUp,
                [
                    Turn::shell(acme_web::follow_up_command()),
                    Turn::shell(commit_command("Say in the README what the offset does")),
                ]
                .into_iter()
                .chain(finish),
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_script() {
        for name in NAMES {
            assert_eq!(
                named(name)
                    .map(|script| script.name().to_owned())
                    .as_deref(),
                Some(name)
            );
        }
        assert!(named("brilliant").is_none());
    }
}
