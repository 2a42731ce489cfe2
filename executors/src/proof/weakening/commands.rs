//! Looks at the commands that run checks: package scripts, make targets, settings of test runners, workflows.

use std::collections::BTreeMap;

use super::{
    ChangedText, Weakening, WeakeningKind,
    languages::{has_any, squeeze},
};

/// Words in the name of a script, a target or a command that make it a check.
const CHECK_WORDS: [&str; 23] = [
    "test",
    "tests",
    "testing",
    "unittest",
    "e2e",
    "check",
    "checks",
    "typecheck",
    "lint",
    "verify",
    "ci",
    "clippy",
    "spec",
    "pytest",
    "jest",
    "vitest",
    "mocha",
    "rspec",
    "tox",
    "nextest",
    "ctest",
    "cypress",
    "playwright",
];
/// Options by which a test runner leaves something out or is content with nothing.
const NARROWING: [&str; 11] = [
    "--passWithNoTests",
    "--pass-with-no-tests",
    "--testPathIgnorePatterns",
    "--ignore=",
    "--ignore-glob",
    "--deselect",
    "--exclude",
    "--skip",
    "--invert",
    "-k \"not",
    "-k 'not",
];
/// Settings of test runners, without idle spaces, that do the same.
const NARROWING_SETTINGS: [&str; 9] = [
    "--ignore=",
    "--ignore-glob",
    "--deselect",
    "testPathIgnorePatterns",
    "passWithNoTests",
    "collect_ignore",
    "ignore_outcome=true",
    "autotests=false",
    "test=false",
];
/// Settings of workflows, without idle spaces, after which a step's failure counts for nothing.
const FORGIVING_STEPS: [&str; 8] = [
    "continue-on-error:true",
    "allow_failure:true",
    "if:false",
    "if:${{false}}",
    "run:true",
    "run:exit 0",
    "-run:true",
    "-run:exit 0",
];

/// A kind of file with commands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Package,
    Make,
    RunnerSettings,
    Workflow,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let (stem, ending) = file.split_once('.').unwrap_or((file, ""));
        let is_yaml = matches!(file.rsplit('.').next(), Some("yml" | "yaml"));
        let runners = ["jest", "vitest", "playwright", "karma"];
        let settings = [
            "pytest.ini",
            "tox.ini",
            "setup.cfg",
            "pyproject.toml",
            "Cargo.toml",
            "noxfile.py",
            ".mocharc.json",
            ".mocharc.yml",
            ".mocharc.js",
            ".rspec",
        ];
        if file == "package.json" {
            Some(Self::Package)
        } else if matches!(
            file,
            "Makefile" | "makefile" | "GNUmakefile" | "justfile" | "Justfile"
        ) {
            Some(Self::Make)
        } else if settings.contains(&file)
            || runners.contains(&stem) && ending.starts_with("config.")
        {
            Some(Self::RunnerSettings)
        } else if is_yaml
            && (path.contains("/workflows/")
                || path.starts_with(".circleci/")
                || file == ".gitlab-ci.yml")
        {
            Some(Self::Workflow)
        } else {
            None
        }
    }
}

/// Whether a file may hold commands that run checks.
pub(super) fn concerns(path: &str) -> bool {
    Place::of(path).is_some()
}

/// What a change did to the commands of one file.
pub(super) fn weakened(change: &ChangedText) -> Vec<Weakening> {
    let Some(place) = Place::of(&change.path) else {
        return Vec::new();
    };
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    match place {
        Place::Package => commands(change, &package_scripts(before), &package_scripts(after)),
        Place::Make => commands(change, &targets(before), &targets(after)),
        Place::RunnerSettings => {
            let narrows = |line: &str| has_any(line, &NARROWING_SETTINGS);
            new_lines(
                change,
                before,
                after,
                &WeakeningKind::CheckNarrowed,
                narrows,
            )
        }
        Place::Workflow => {
            let forgives = |line: &str| {
                FORGIVING_STEPS.contains(&line) || is_check(line) && swallows_failure(line)
            };
            new_lines(
                change,
                before,
                after,
                &WeakeningKind::CheckMadeTrivial,
                forgives,
            )
        }
    }
}

/// Checks by name. A name that is new can weaken nothing.
fn commands(
    change: &ChangedText,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Weakening> {
    let mut found = Vec::new();
    let checks = before
        .iter()
        .filter(|(name, old)| is_check(name) && !is_trivial(old));
    for (name, old) in checks {
        let Some(new) = after.get(name) else {
            found.push(Weakening::new(
                &change.path,
                None,
                WeakeningKind::CheckRemoved,
                &format!("{name}: {old}"),
            ));
            continue;
        };
        let narrows = |mark: &&str| new.contains(mark) && !old.contains(mark);
        let forgives = |line: &str| swallows_failure(line) && is_check(line) && !old.contains(line);
        let kind = if is_trivial(new) || new.lines().any(forgives) {
            WeakeningKind::CheckMadeTrivial
        } else if NARROWING.iter().any(narrows) {
            WeakeningKind::CheckNarrowed
        } else {
            continue;
        };
        let text = change.after.as_deref().unwrap_or_default();
        let heads = [format!("\"{name}\""), format!("{name}:")];
        let stands = |line: &str| heads.iter().any(|head| line.trim_start().starts_with(head));
        let at = text.lines().position(stands).map(|at| at + 1);
        found.push(Weakening::new(
            &change.path,
            at,
            kind,
            &format!("{name}: {new}"),
        ));
    }
    found
}

/// Lines with a mark that the old text did not have.
fn new_lines(
    change: &ChangedText,
    before: &str,
    after: &str,
    kind: &WeakeningKind,
    is_marked: impl Fn(&str) -> bool,
) -> Vec<Weakening> {
    let old: Vec<String> = before.lines().map(squeeze).collect();
    let marked = |lines: &[String]| lines.iter().filter(|line| is_marked(line)).count();
    let new: Vec<String> = after.lines().map(squeeze).collect();
    let more = marked(&new).saturating_sub(marked(&old));
    let lines = after.lines().zip(&new).enumerate();
    lines
        .filter(|(_, (_, line))| !line.starts_with('#') && is_marked(line) && !old.contains(line))
        .take(more)
        .map(|(at, (text, _))| Weakening::new(&change.path, Some(at + 1), kind.clone(), text))
        .collect()
}

/// Whether a word of the text says that it is a check.
fn is_check(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| CHECK_WORDS.contains(&word.to_ascii_lowercase().as_str()))
}

/// Whether a command cannot fail.
fn is_trivial(command: &str) -> bool {
    let mut lines = command
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .peekable();
    lines.peek().is_none()
        || lines.all(|line| {
            let line = line.trim_start_matches('@');
            swallows_failure(line)
                || line
                    .split("&&")
                    .flat_map(|part| part.split(';'))
                    .all(does_nothing)
        })
}

/// Whether a command's failure is thrown away at its end.
fn swallows_failure(command: &str) -> bool {
    let command = command.trim_end_matches(['"', '\'', ' ', ')']);
    let after = |mark: &str| command.rsplit_once(mark).map(|(_, last)| last);
    after("||").is_some_and(does_nothing)
        || after(";").is_some_and(|last| {
            !last.trim().is_empty() && does_nothing(last) && !last.contains("echo")
        })
}

fn does_nothing(command: &str) -> bool {
    let words: Vec<&str> = command.split_whitespace().collect();
    match words.as_slice() {
        [] | ["true" | ":" | "/bin/true" | "echo" | "printf" | "exit0"] => true,
        ["exit", status] => *status == "0",
        [first, ..] => matches!(*first, "echo" | "printf"),
    }
}

fn package_scripts(text: &str) -> BTreeMap<String, String> {
    let package: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let scripts = package
        .get("scripts")
        .and_then(serde_json::Value::as_object);
    let scripts = scripts.into_iter().flatten();
    scripts
        .filter_map(|(name, command)| Some((name.clone(), command.as_str()?.to_owned())))
        .collect()
}

/// The recipes of a makefile by target. A dash before a command throws its failure away.
fn targets(text: &str) -> BTreeMap<String, String> {
    let mut targets: BTreeMap<String, String> = BTreeMap::new();
    let mut callers: BTreeMap<String, String> = BTreeMap::new();
    let mut current = Vec::new();
    for line in text.lines() {
        if line.starts_with(['\t', ' ']) {
            let command = line.trim().trim_start_matches('@');
            let command = match command.strip_prefix('-') {
                Some(forgiven) => format!("{forgiven} || true"),
                None => command.to_owned(),
            };
            for name in &current {
                let recipe = targets.entry(String::clone(name)).or_default();
                recipe.push_str(&command);
                recipe.push('\n');
            }
        } else if let Some((names, rest)) = line
            .split_once(':')
            .filter(|(_, rest)| !rest.starts_with('='))
        {
            current = names.split_whitespace().map(str::to_owned).collect();
            let calls = format!("make {}", rest.trim());
            callers.extend(current.iter().map(|name| (name.clone(), calls.clone())));
        } else if !line.trim().is_empty() {
            current.clear();
        }
    }
    // A target without a recipe does what the targets do that it calls.
    for (name, calls) in callers {
        targets.entry(name).or_insert(calls);
    }
    targets
}
