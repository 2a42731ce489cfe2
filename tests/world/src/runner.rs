//! The few words of a test runner's language, for programs that are a test too and cannot be built with the usual runner.

use std::{pin::Pin, process::ExitCode};

/// What a test does. Where it panics, it has failed.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A test with its name.
pub type Test = (&'static str, fn() -> Running);

/// Runs or lists the tests whose names hold one of the words. Where a group fails, those behind it are not run.
pub async fn run(arguments: &[&str], groups: &[&[Test]]) -> ExitCode {
    let mut is_exact = false;
    let mut is_list = false;
    let mut names = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--exact" => is_exact = true,
            "--list" => is_list = true,
            // No test here is left out.
            "--ignored" => return ExitCode::SUCCESS,
            "--format" | "--test-threads" | "--color" => drop(words.next()),
            word if word.starts_with("--") => {}
            name => names.push(name),
        }
    }
    let wanted = |test: &&Test| {
        let is = |name: &&str| {
            if is_exact {
                test.0 == *name
            } else {
                test.0.contains(name)
            }
        };
        names.is_empty() || names.iter().any(is)
    };
    for group in groups {
        let chosen: Vec<Test> = group.iter().filter(wanted).copied().collect();
        if is_list {
            for (name, _) in chosen {
                tell(&format!("{name}: test"));
            }
        } else if all(&chosen).await == ExitCode::FAILURE {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs all of these, also where one fails.
pub async fn all(tests: &[Test]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (name, test) in tests {
        let ended = tokio::spawn(test()).await;
        let verdict = if ended.is_ok() { "ok" } else { "FAILED" };
        tell(&format!("test {name} ... {verdict}"));
        if ended.is_err() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

#[expect(clippy::print_stdout, reason = "a runner reads it there")]
fn tell(line: &str) {
    println!("{line}");
}
