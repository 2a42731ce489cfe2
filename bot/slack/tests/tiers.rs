//! Tiers: the table against what Slack publishes, and a busy workspace that keeps within them.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a call that fails is a failed test; a skipped one says so"
)]

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use deckhand_world::slack::{CallEnding, TierLimit, limits::calls_a_minute};
use serde_json::Value;

use super::calls::{Stage, stage, words};
use crate::{
    clock::Clock,
    domain::{conversation::LineRef, effect::Mark},
    slack::methods,
    surface::{Attempt, Pace, SurfaceError, Words, WordsKind},
};

/// Methods that are newer than the published descriptions. Their tier comes from Slack's own client libraries.
const NEWER: [&str; 1] = ["agents.sessions.setStatus"];

/// The number in the words for a method's limit: `Tier 3: 50+ per minute`.
fn published(folder: &std::path::Path, method: &str) -> Option<usize> {
    let text = std::fs::read(folder.join(format!("{method}.json"))).unwrap();
    let description: Value = serde_json::from_slice(&text).unwrap();
    let label = description["rate_limit"]["label"].as_str().unwrap();
    let (_, words) = label.split_once(": ")?;
    words.split('+').next().unwrap().parse().ok()
}

#[test]
fn every_method_that_is_called_has_the_tier_that_slack_publishes() {
    for method in methods::ALL {
        let (ours, name) = (method.tier().a_minute(), method.name());
        assert_eq!(ours, calls_a_minute(name), "the stand-in, {name}");
    }
    let root = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join("slack/methods");
    if !folder.is_dir() {
        println!("skipped: there are no descriptions in {}", folder.display());
        return;
    }
    let described = methods::ALL
        .iter()
        .filter(|method| !NEWER.contains(&method.name()));
    for method in described {
        let (ours, name) = (method.tier().a_minute(), method.name());
        assert_eq!(ours, published(&folder, name), "{name}");
    }
}

fn status(text: &str, pace: Pace) -> Words {
    Words {
        kind: WordsKind::Status {
            headline: text.to_owned(),
            steps: Vec::new(),
            title: None,
            pace,
        },
        ..words(text)
    }
}

/// How a stand-in that counts was called: calls, and how many of them it refused.
fn calls(stage: &Stage, method: &str) -> (usize, usize) {
    let all = stage.world.calls();
    let of = all.iter().filter(|call| call.method == method);
    let refused = of
        .clone()
        .filter(|call| call.ending != CallEnding::Done)
        .count();
    (of.count(), refused)
}

async fn say(stage: &Stage, slot: &str, standing: Option<&LineRef>, words: &Words) -> Said {
    let to = &stage.conversation;
    let said = stage.slack.say(to, slot, standing, words, Attempt::First);
    said.await
}

type Said = Result<LineRef, SurfaceError>;

#[tokio::test]
async fn many_statuses_keep_within_the_tier_the_newest_is_shown_and_questions_do_not_wait() {
    let mut stage = stage().await;
    let clock = Clock::default();
    stage.slack = stage.slack.timed_by(&clock);
    stage.world.set_tier_limit(TierLimit::Published);
    let mut statuses = BTreeMap::new();
    for task in 0..8 {
        let slot = format!("t{task}/progress-1");
        let first = status("Begun", Pace::Lasting);
        let standing = say(&stage, &slot, None, &first).await.unwrap();
        statuses.insert(slot, standing);
    }
    // Eight tasks report at once, again and again.
    let mut held = 0;
    for round in 0..12 {
        for (slot, standing) in &statuses {
            let news = status(&format!("{slot}: news {round}"), Pace::Passing);
            match say(&stage, slot, Some(standing), &news).await {
                Ok(_) => {}
                Err(SurfaceError::Transient {
                    retry_after: Some(wait),
                    ..
                }) => {
                    assert!(wait <= Duration::from_secs(62), "{wait:?}");
                    held += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(calls(&stage, "chat.update"), (35, 0));
    assert_eq!(held, 8 * 12 - 35);
    // A question, what somebody pressed, and the end of a task find room beside them.
    let question = say(&stage, "t9/question-1", None, &words("Which one?"))
        .await
        .unwrap();
    say(
        &stage,
        "t9/question-1",
        Some(&question),
        &words("Answered by dora"),
    )
    .await
    .unwrap();
    let over = status("Done", Pace::Lasting);
    let (slot, standing) = statuses.first_key_value().unwrap();
    say(&stage, slot, Some(standing), &over).await.unwrap();
    assert_eq!(calls(&stage, "chat.update"), (37, 0));
    // A minute later each says its newest, and none of the older ones.
    stage.world.set_tier_limit(TierLimit::Unlimited);
    clock.advance(Duration::from_secs(62));
    for (slot, standing) in &statuses {
        let news = status(&format!("{slot}: the newest"), Pace::Passing);
        say(&stage, slot, Some(standing), &news).await.unwrap();
    }
    let shown = stage.thread.bot_messages();
    let newest = shown
        .iter()
        .filter(|message| message.text.contains("the newest"));
    assert_eq!(newest.count(), 8);
    stage.ends_well();
}

#[tokio::test]
async fn a_renewed_token_does_not_begin_a_new_count() {
    let mut stage = stage().await;
    stage.world.set_tier_limit(TierLimit::Published);
    for _ in 0..9 {
        for mark in [Mark::Accepted, Mark::Working] {
            stage.slack.mark(&stage.request, mark).await.unwrap();
        }
    }
    let token = secrecy::SecretString::from("xoxb-test");
    stage.slack = stage.slack.with_token(token);
    let mut refused = None;
    for mark in [Mark::Accepted, Mark::Working] {
        refused = stage.slack.mark(&stage.request, mark).await.err();
    }
    // Eighteen of the twenty removals of a minute are for such marks.
    assert!(
        matches!(refused, Some(SurfaceError::Transient { .. })),
        "{refused:?}"
    );
    assert_eq!(calls(&stage, "reactions.remove"), (18, 0));
    stage.ends_well();
}
