//! What a request brings along: links to what was said elsewhere, and files.

use deckhand::domain::conversation::{LineKind, Taken};
use deckhand_world::slack::{Attachment, ChannelKind, Fault, Membership, Thread};

use crate::harness::{CHANNEL, PATIENCE, REQUEST, Stage, asking::says, scripts};

/// The address of a thread's first message, as people copy it.
fn address(stage: &Stage, thread: &Thread) -> String {
    let moment = thread.root().as_str().replace('.', "");
    let channel = thread.channel();
    format!("{}archives/{channel}/p{moment}", stage.slack.web_url())
}

async fn said_in(stage: &Stage, channel: &str, user: &str, text: &str) -> Thread {
    let thread = stage.slack.say(user, channel, text).await.unwrap();
    thread.with_patience(PATIENCE)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_request_links_to_is_background_with_its_thread() {
    let stage = Stage::open().await;
    stage
        .slack
        .add_channel("ops", ChannelKind::Public, Membership::Joined);
    let there = said_in(&stage, "ops", "ben", "Page two shows page one again.").await;
    there
        .say("ana", "Only from a limit of 100 on.")
        .await
        .unwrap();
    let next = said_in(&stage, "ops", "cleo", "One level is enough.").await;
    let further = format!("See also {}", address(&stage, &next));
    there.say("ben", &further).await.unwrap();
    let request = format!(
        "Fix what ben saw: {} repo=acme/web",
        address(&stage, &there)
    );
    let thread = stage.planned(&request).await;
    let task = stage.task(&thread).await;
    let told: Vec<(&str, &str, LineKind, Taken)> = task
        .context
        .iter()
        .map(|line| {
            (
                line.author.name.as_str(),
                line.text.as_str(),
                line.kind,
                line.taken,
            )
        })
        .collect();
    let linked = |name, text| (name, text, LineKind::Linked, Taken::Background);
    assert_eq!(
        told,
        [
            linked("ben", "Page two shows page one again."),
            // Ana asks here; what she said there she said to others.
            linked("ana", "Only from a limit of 100 on."),
            linked("ben", further.as_str()),
        ]
    );
    says(&thread, "Taken as background only").await;
    assert!(
        !thread.render().contains("could not be followed"),
        "{}",
        thread.render()
    );
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_in_private_or_elsewhere_is_not_followed_and_people_hear_so() {
    let stage = Stage::open().await;
    stage
        .slack
        .add_channel("board", ChannelKind::Private, Membership::Joined);
    stage
        .slack
        .add_channel("apart", ChannelKind::Public, Membership::Absent);
    let private = said_in(&stage, "board", "ben", "The canary of the board.").await;
    let apart = said_in(&stage, "apart", "ben", "The canary of another channel.").await;
    let other = "https://other.slack.com/archives/C1/p1766458026240809";
    let gone = format!(
        "{}archives/{}/p1000000000000001",
        stage.slack.web_url(),
        private.channel()
    );
    let request = format!(
        "Do what {} and {} and {other} and {gone} say. repo=acme/web",
        address(&stage, &private),
        address(&stage, &apart),
    );
    let thread = stage.planned(&request).await;
    let told = says(&thread, "These links could not be followed").await;
    for link in [
        address(&stage, &private),
        address(&stage, &apart),
        other.to_owned(),
        gone,
    ] {
        assert!(told.says(&link), "{link}\n{}", thread.render());
    }
    let task = stage.task(&thread).await;
    assert!(task.context.is_empty(), "{:?}", task.context);
    assert!(!thread.render().contains("canary"), "{}", thread.render());
    stage.stop(&thread).await;
    stage.close().await;
}

/// That the bot may read both is no reason to tell people of another organisation what was said among one's own.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_channel_with_another_organisation_nothing_that_was_said_elsewhere_is_followed() {
    let stage = Stage::open().await;
    for (name, kind) in [
        ("ops", ChannelKind::Public),
        ("shared", ChannelKind::Connect),
    ] {
        stage.slack.add_channel(name, kind, Membership::Joined);
    }
    let own = said_in(&stage, "ops", "ben", "The canary of our own channel.").await;
    let here = said_in(&stage, "shared", "ben", "Page two shows page one again.").await;
    let request = format!(
        "Do what {} and {} say. repo=acme/web",
        address(&stage, &own),
        address(&stage, &here),
    );
    let asked = stage.slack.mention("ana", "shared", &request);
    let thread = asked.await.unwrap().with_patience(PATIENCE);
    stage.wait_for_state(&thread, "awaiting_approval").await;
    let told = says(&thread, "This link could not be followed").await;
    assert!(told.says(&address(&stage, &own)), "{}", thread.render());
    assert!(!told.says(&address(&stage, &here)), "{}", thread.render());
    // What everybody there has read is read.
    let task = stage.task(&thread).await;
    let texts: Vec<&str> = task.context.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["Page two shows page one again."]);
    assert!(!thread.render().contains("canary"), "{}", thread.render());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_slack_makes_the_reading_wait_and_loses_no_link() {
    let stage = Stage::open().await;
    let there = said_in(&stage, CHANNEL, "ben", "Page two shows page one again.").await;
    for _ in 0..2 {
        let retry_after = std::time::Duration::from_secs(1);
        let fault = Fault::RateLimited { retry_after };
        stage.slack.fail_next("conversations.replies", fault);
    }
    let request = format!(
        "Fix what ben saw: {} repo=acme/web",
        address(&stage, &there)
    );
    let thread = stage.planned(&request).await;
    let task = stage.task(&thread).await;
    let texts: Vec<&str> = task.context.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["Page two shows page one again."]);
    stage.stop(&thread).await;
    stage.close().await;
}

fn file(name: &str, content: Vec<u8>) -> Attachment {
    Attachment {
        name: name.to_owned(),
        content: content.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_taken_are_named_with_their_limit_and_the_others_reach_the_agent() {
    let stage = Stage::open().await;
    let script = deckhand_world::models::Script::honest().first(
        deckhand_world::models::Phase::Plan,
        [deckhand_world::models::Turn::shell(
            "ls /home/agent/attachments; cat /home/agent/attachments/*",
        )],
    );
    stage.models.otherwise(script);
    let mut files = vec![
        file("large.log", vec![b'x'; (10 << 20) + 1]),
        file("../../tool`<!channel>.exe", b"MZ".to_vec()),
        file("film.mp4", b"film".to_vec()),
    ];
    files.extend((1..=11).map(|n| file(&format!("n{n}.txt"), format!("canary {n} ").into_bytes())));
    let thread = stage
        .slack
        .mention_with_files("ana", CHANNEL, REQUEST, files)
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage.wait_for_state(&thread, "awaiting_approval").await;
    let told = says(&thread, "Not taken:").await;
    for words in [
        "`large.log` — it has 11 MB, and a file may have at most 10 MB",
        "`film.mp4` — an agent cannot read programs, sound or video",
        ".exe",
        "`n11.txt` — at most 10 files are taken at once",
    ] {
        assert!(told.says(words), "{words}\n{}", thread.render());
    }
    let sent = format!("{} {:?}", told.text, told.blocks);
    assert!(!sent.contains("<!channel>"), "{sent}");
    let task = stage.task(&thread).await;
    let log = stage.log(&task.id).await;
    assert!(
        log.contains("canary 1 ") && log.contains("canary 10 "),
        "{log}"
    );
    assert!(!log.contains("canary 11 "), "{log}");
    stage.settle().await;
    let notes = thread.render().matches("Not taken:").count();
    assert_eq!(notes, 1, "{}", thread.render());
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_by_then_ends_nothing_and_the_plan_says_so() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let gone = Fault::Error("file_deleted".to_owned());
    stage.slack.fail_next("file download", gone);
    let thread = stage
        .slack
        .mention_with_files(
            "ana",
            CHANNEL,
            REQUEST,
            vec![file("trace.txt", b"x".to_vec())],
        )
        .await
        .unwrap()
        .with_patience(PATIENCE);
    stage.wait_for_state(&thread, "awaiting_approval").await;
    says(&thread, "The attached file `trace.txt` could not be read").await;
    stage.stop(&thread).await;
    stage.close().await;
}
