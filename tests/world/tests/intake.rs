//! The bench of the doors, in its shortest form: it works, its last line can be read, and nothing acknowledged is missing.
//! How fast it is is for people to look at.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use serde_json::Value;

#[test]
fn what_deckhand_acknowledges_is_there_after_it_was_killed() {
    let program = env!("CARGO_BIN_EXE_deckhand-world");
    let output = Command::new(program)
        .args(["bench", "intake", "--alone"])
        .args(["--intake-rounds", "1", "--seconds", "1"])
        .output()
        .unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(last["bench"], "intake");
    assert_eq!(last["missing"], 0, "{last}");
    assert_eq!(last["slack_rate"]["not_acknowledged"], 0, "{last}");
    for connections in ["1", "16", "64"] {
        let figures = &last["connections"][connections]["deckhand"];
        assert_eq!(figures["not_acknowledged"], 0, "{last}");
        assert!(
            figures["requests_per_second"].as_f64().unwrap() > 0.0,
            "{last}"
        );
    }
    assert!(last["acknowledged"].as_u64().unwrap() >= 83, "{last}");
    assert_eq!(last["ratio_bolt_js"], Value::Null);
}
