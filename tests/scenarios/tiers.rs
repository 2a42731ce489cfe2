//! A busy workspace: its tasks' statuses keep within Slack's tiers, and what people wait for does not stand behind them.

use std::time::Duration;

use deckhand::{
    slack::ids,
    surface::{Attempt, Pace, SurfaceError, Words, WordsKind},
};
use deckhand_world::slack::{CallEnding, ChannelKind, Membership, TierLimit};

use crate::harness::{Props, REQUEST, Stage, asking::says};

/// Tasks that report at once.
const CROWD: usize = 8;

fn status(text: String) -> Words {
    Words {
        fallback: text.clone(),
        markdown: text,
        mentions: None,
        controls: Vec::new(),
        kind: WordsKind::Status {
            headline: String::new(),
            steps: Vec::new(),
            title: None,
            pace: Pace::Passing,
        },
    }
}

/// Edits of messages, and how many of them Slack refused.
fn edits(stage: &Stage) -> (usize, usize) {
    let calls = stage.slack.calls().into_iter();
    let edits: Vec<_> = calls.filter(|call| call.method == "chat.update").collect();
    let refused = edits.iter().filter(|call| call.ending != CallEnding::Done);
    (edits.len(), refused.count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_a_question_and_a_result_come_while_many_statuses_wait_for_their_minute() {
    let stage = Stage::open().await;
    stage.slack.set_tier_limit(TierLimit::Published);
    let channel = stage
        .slack
        .add_channel("crowd", ChannelKind::Public, Membership::Joined);
    let crowd = ids::conversation(deckhand_world::slack::TEAM_ID, channel.as_str(), None);
    let say = async |task: usize, standing: Option<_>, text: String| {
        let (slot, words) = (format!("crowd{task}:progress-1"), status(text));
        let said = stage
            .context
            .surfaces
            .say(&crowd, &slot, standing, &words, Attempt::First);
        said.await
    };
    let mut standing = Vec::new();
    for task in 0..CROWD {
        let line = say(task, None, "Working".to_owned()).await.unwrap();
        standing.push(line);
    }
    let mut held = 0;
    for round in 0..12 {
        for (task, line) in standing.iter().enumerate() {
            match say(task, Some(line), format!("Step {round}")).await {
                Ok(_) => {}
                Err(SurfaceError::Transient { .. }) => held += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    let (before, _) = edits(&stage);
    assert_eq!(before + held, 12 * CROWD);
    assert!(held > 12 * CROWD - 50, "{held} of them waited");

    // Another task is asked for, planned, approved, asked about and finished in this same minute.
    let thread = stage.planned(&format!("{REQUEST} #script:asking")).await;
    thread.say("ana", "ok").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_input").await;
    says(&thread, "Keep cutting it").await;
    thread.press("ana", "Keep cutting it").await.unwrap();
    says(&thread, "Pull request #1").await;
    let (all, refused) = edits(&stage);
    assert!(all > before && all <= 50, "{all} edits");
    assert_eq!(refused, 0, "Slack had to refuse");

    // A minute later everything else is shown as it is then.
    stage.slack.set_tier_limit(TierLimit::Unlimited);
    stage.clock.advance(Duration::from_secs(70));
    stage.context.wake.outbox();
    for (task, line) in standing.iter().enumerate() {
        say(task, Some(line), format!("Task {task} is done"))
            .await
            .unwrap();
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_slack_grants_more_says_more_in_a_minute() {
    let stage = Stage::open_with(Props {
        settings: vec![("SLACK_RATE_FACTOR", "3".to_owned())],
        ..Props::default()
    })
    .await;
    let channel = stage
        .slack
        .add_channel("crowd", ChannelKind::Public, Membership::Joined);
    let crowd = ids::conversation(deckhand_world::slack::TEAM_ID, channel.as_str(), None);
    let mut standing = None;
    let mut held = 0;
    for step in 0..200 {
        let words = status(format!("Step {step}"));
        let surfaces = &stage.context.surfaces;
        let said = surfaces.say(
            &crowd,
            "crowd:progress-1",
            standing.as_ref(),
            &words,
            Attempt::First,
        );
        match said.await {
            Ok(line) => standing = Some(line),
            Err(SurfaceError::Transient { .. }) => held += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let (edits, _) = edits(&stage);
    // Slack publishes 50 of them a minute, and a share of three times as many is kept for what people wait for.
    assert!(edits > 50 && edits <= 150, "{edits} edits");
    assert!(held > 0, "there is a limit all the same");
    stage.close().await;
}
