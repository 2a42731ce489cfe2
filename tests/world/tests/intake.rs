//! The bench of the doors, in its shortest form: it works, its last line can be read, and nothing acknowledged is missing.
//! How fast it is is for people to look at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{path::Path, process::Command};

use serde_json::Value;

/// The connections that are measured.
const CONNECTIONS: [&str; 3] = ["1", "16", "64"];

/// One round of a second for each; what it says last.
fn shortest_round(more: &[&str]) -> Value {
    let program = env!("CARGO_BIN_EXE_deckhand-world");
    let output = Command::new(program)
        .args(["bench", "intake", "--intake-rounds", "1", "--seconds", "1"])
        .args(more)
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// These acknowledged all that they were sent, and were sent something.
fn all_was_acknowledged(last: &Value, apps: [&str; 2]) {
    for connections in CONNECTIONS {
        for app in apps {
            let figures = &last["connections"][connections][app];
            assert_eq!(figures["not_acknowledged"], 0, "{app}: {last}");
            let rate = figures["requests_per_second"].as_f64();
            assert!(rate.is_some_and(|rate| rate > 0.0), "{app}: {last}");
        }
    }
}

#[test]
fn what_deckhand_acknowledges_is_there_after_it_was_killed() {
    let last = shortest_round(&["--alone"]);
    assert_eq!(last["bench"], "intake");
    all_was_acknowledged(&last, ["doors", "deckhand"]);
    for one in [&last, &last["one_process"]] {
        assert_eq!(one["missing"], 0, "{last}");
        assert_eq!(one["slack_rate"]["not_acknowledged"], 0, "{last}");
        assert!(one["acknowledged"].as_u64().unwrap() >= 83, "{last}");
    }
    assert_eq!(last["ratio_bolt_js"], Value::Null);
}

#[test]
fn the_apps_of_bolt_are_measured_beside_it() {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let bolt = above.into_iter().nth(2).unwrap().join(".deckhand/bolt");
    assert!(
        bolt.join("node_modules/@slack/bolt").is_dir() && bolt.join("venv/bin/python").exists(),
        "Bolt is not installed in {}: `script/test` does it, or `source script/lib/bolt.sh` and `bolt_up`",
        bolt.display()
    );
    let last = shortest_round(&["--bolt", bolt.to_str().unwrap()]);
    all_was_acknowledged(&last, ["bolt_js", "bolt_python"]);
    for ratio in ["ratio_bolt_js", "ratio_bolt_python"] {
        assert!(
            last[ratio].as_f64().is_some_and(|ratio| ratio > 0.0),
            "{last}"
        );
    }
    assert_eq!(last["missing"], 0, "{last}");
}
