//! The walls of sandboxes: what the engine says that it has, and what holds when it is tried.

use std::collections::BTreeSet;

use deckhand_executors::docker::{DockerExecutor, probe::probe};

use super::Finding;

/// What the engine says of itself.
pub(super) async fn asked(executor: &DockerExecutor, runtimes: &BTreeSet<String>) -> Vec<Finding> {
    let features = match executor.features().await {
        Ok(features) => features,
        Err(error) => return vec![finding("walls", Err(error.to_string()))],
    };
    let mut findings: Vec<Finding> = features
        .lacking
        .iter()
        .map(|lack| {
            finding(
                "walls",
                Err(format!("{lack}. Runs do not start without it.")),
            )
        })
        .collect();
    if findings.is_empty() {
        let notes = features.notes.join("; ");
        let sentence = format!(
            "limits and the filter of system calls are there; {notes}. `--probe` tries them"
        );
        findings.push(finding("walls", Ok(sentence)));
    }
    let there = features.runtimes.join(", ");
    let wanted: Vec<&str> = runtimes.iter().map(String::as_str).collect();
    let lacking = wanted
        .iter()
        .find(|name| !features.runtimes.iter().any(|known| known == *name));
    let outcome = match lacking {
        Some(name) => Err(format!(
            "the engine has no runtime {name}, it has {there}. Name one of these in DECKHAND_RUNTIME and in the policy file, or tell the engine of it."
        )),
        None if wanted.is_empty() => Ok(format!("the engine's own, of {there}")),
        None => Ok(format!("{}, of {there}", wanted.join(", "))),
    };
    findings.push(finding("runtime", outcome));
    findings.push(finding(
        "room",
        match executor.lack_of_room().await {
            Ok(None) => Ok("the engine's disk has room".to_owned()),
            Ok(Some(sentence)) => Err(format!("{sentence}. No sandbox starts below that.")),
            Err(error) => Err(error.to_string()),
        },
    ));
    findings
}

/// What holds when it is tried, in a container of this image.
pub(super) async fn tried(
    executor: &DockerExecutor,
    image: &str,
    runtime: Option<String>,
) -> Vec<Finding> {
    match probe(executor, image, runtime).await {
        Ok(walls) => walls
            .into_iter()
            .map(|wall| {
                let sentence = format!("{}: {}", wall.name, wall.evidence);
                finding(
                    "probe",
                    if wall.held {
                        Ok(format!("held, {sentence}"))
                    } else {
                        Err(format!("NOT HELD, {sentence}"))
                    },
                )
            })
            .collect(),
        Err(error) => vec![finding("probe", Err(error.to_string()))],
    }
}

fn finding(about: &'static str, outcome: Result<String, String>) -> Finding {
    Finding { about, outcome }
}
