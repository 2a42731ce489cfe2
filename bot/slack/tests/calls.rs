//! Calls to the stand-in, which checks arguments and limits as Slack does.
#![expect(clippy::unwrap_used, reason = "a call that fails is a failed test")]

use std::time::Duration;

use bytes::Bytes;
use deckhand_world::slack::{
    Attachment, ChannelKind, Fault, Membership, On, Slack as World, SlackOptions, Thread,
    TokenStanding,
};
use secrecy::SecretString;

use crate::{
    domain::{
        conversation::{ConversationId, LineRef, PersonId, Standing},
        effect::Mark,
    },
    slack::{Slack, ids, manifest},
    surface::{
        Attempt, Control, HomeEntry, HomePage, HomeSection, PictureFile, SurfaceError, Words,
        WordsKind,
    },
};

const TEAM: &str = deckhand_world::slack::TEAM_ID;

/// A workspace with a thread in it, and the bot's side of it.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) slack: Slack,
    pub(super) thread: Thread,
    pub(super) conversation: ConversationId,
    pub(super) request: LineRef,
}

pub(super) async fn stage() -> Stage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SlackOptions {
        signing_secret: SecretString::from("secret"),
        bot_token: SecretString::from("xoxb-test"),
        port: 0,
        methods_dir: None,
    };
    let world = World::start(options).await.unwrap();
    world.add_user("dora", deckhand_world::slack::Standing::Member);
    world.add_channel("stage", ChannelKind::Public, Membership::Joined);
    let thread = world.mention("dora", "stage", "fix it").await.unwrap();
    let slack = Slack::new(&world.api_url(), SecretString::from("xoxb-test")).unwrap();
    let conversation = ids::conversation(
        TEAM,
        thread.channel().as_str(),
        Some(thread.root().as_str()),
    );
    let request = ids::line(TEAM, thread.channel().as_str(), thread.root().as_str());
    Stage {
        world,
        slack,
        thread,
        conversation,
        request,
    }
}

pub(super) fn words(markdown: &str) -> Words {
    Words {
        markdown: markdown.into(),
        fallback: markdown.into(),
        mentions: None,
        controls: vec![Control::Cancel],
        kind: WordsKind::Note,
    }
}

fn dora() -> PersonId {
    ids::person(TEAM, "UDORA")
}

impl Stage {
    /// Every test ends here: nothing was done that Slack forbids.
    pub(super) fn ends_well(&self) {
        assert_eq!(self.world.violations(), Vec::<String>::new());
    }

    async fn say(
        &self,
        slot: &str,
        standing: Option<&LineRef>,
        markdown: &str,
        attempt: Attempt,
    ) -> Result<LineRef, SurfaceError> {
        self.slack
            .say(
                &self.conversation,
                slot,
                standing,
                &words(markdown),
                attempt,
            )
            .await
    }

    fn bot_messages(&self) -> usize {
        self.thread.bot_messages().len()
    }
}

#[tokio::test]
async fn a_slot_is_posted_once_and_then_edited() {
    let stage = stage().await;
    let first = stage
        .say("t1/progress-0", None, "**Working**", Attempt::First)
        .await
        .unwrap();
    let second = stage
        .say("t1/progress-0", Some(&first), "**Done**", Attempt::First)
        .await
        .unwrap();
    assert_eq!(first, second);
    assert_eq!(stage.bot_messages(), 1);
    stage.thread.wait_for_words("Done").await.unwrap();
    stage.ends_well();
}

#[tokio::test]
async fn a_repeated_attempt_finds_what_it_posted() {
    let stage = stage().await;
    stage
        .say("t1/plan-1", None, "another slot", Attempt::First)
        .await
        .unwrap();
    stage.world.fail_next("chat.postMessage", Fault::DropAnswer);
    let lost = stage
        .say("t1/result-1", None, "the result", Attempt::First)
        .await;
    assert!(
        matches!(lost, Err(SurfaceError::Transient { .. })),
        "{lost:?}"
    );
    stage
        .say("t1/result-1", None, "the result", Attempt::Repeated)
        .await
        .unwrap();
    assert_eq!(stage.bot_messages(), 2);
    stage
        .say(
            "t1/note-1",
            None,
            "a note that never got out",
            Attempt::Repeated,
        )
        .await
        .unwrap();
    assert_eq!(stage.bot_messages(), 3);
    stage.ends_well();
}

#[tokio::test]
async fn a_repeated_request_outside_of_threads_finds_what_it_posted() {
    let stage = stage().await;
    let channel = stage.thread.channel().as_str();
    let outside = ids::conversation(TEAM, channel, None);
    let request = async |attempt| {
        let said = words("Dora asked: fix it");
        stage
            .slack
            .say(&outside, "request:1", None, &said, attempt)
            .await
    };
    stage.world.fail_next("chat.postMessage", Fault::DropAnswer);
    let lost = request(Attempt::First).await;
    assert!(
        matches!(lost, Err(SurfaceError::Transient { .. })),
        "{lost:?}"
    );
    let found = request(Attempt::Repeated).await.unwrap();
    let threads = stage.world.threads(channel);
    let posted: Vec<LineRef> = threads
        .iter()
        .filter(|thread| thread.messages()[0].from_bot())
        .map(|thread| ids::line(TEAM, channel, thread.root().as_str()))
        .collect();
    assert_eq!(posted, [found]);
    stage.ends_well();
}

#[tokio::test]
async fn a_deleted_message_is_posted_anew() {
    let stage = stage().await;
    let gone = ids::line(TEAM, stage.thread.channel().as_str(), "1.000001");
    let posted = stage
        .say("t1/progress-0", Some(&gone), "**Working**", Attempt::First)
        .await
        .unwrap();
    assert_ne!(posted, gone);
    assert_eq!(stage.bot_messages(), 1);
}

#[tokio::test]
async fn failures_say_whether_to_try_again_and_hold_no_answer() {
    let stage = stage().await;
    stage
        .world
        .fail_next("chat.postMessage", Fault::ServerError);
    assert!(matches!(
        stage.say("s", None, "x", Attempt::First).await,
        Err(SurfaceError::Transient { .. })
    ));
    stage
        .world
        .fail_next("chat.postMessage", Fault::DropRequest);
    assert!(matches!(
        stage.say("s", None, "x", Attempt::First).await,
        Err(SurfaceError::Transient { .. })
    ));
    stage
        .world
        .fail_next("chat.postMessage", Fault::Error("is_archived".into()));
    let refused = stage.say("s", None, "x", Attempt::First).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Slack refused chat.postMessage: is_archived"
    );
    let stranger = Slack::new(&stage.world.api_url(), SecretString::from("xoxb-wrong")).unwrap();
    assert_eq!(
        stranger.identity().await.unwrap_err(),
        SurfaceError::Permanent {
            what: "Slack refused auth.test".into(),
            code: "invalid_auth".into()
        }
    );
}

#[tokio::test]
async fn a_method_that_slack_limits_is_not_asked_again_before_its_time_and_others_are() {
    let stage = stage().await;
    let retry_after = Duration::from_secs(70);
    let fault = Fault::RateLimited { retry_after };
    stage.world.fail_next("chat.postMessage", fault);
    let what = "Slack limits us (chat.postMessage)";
    let limited = stage.say("s", None, "x", Attempt::First).await.unwrap_err();
    let told = SurfaceError::Transient {
        what: what.into(),
        retry_after: Some(retry_after),
    };
    assert_eq!(limited, told);
    let again = stage.say("s", None, "x", Attempt::First).await.unwrap_err();
    assert!(
        matches!(&again, SurfaceError::Transient { what: of, retry_after: Some(rest) } if of == what && *rest <= retry_after),
        "{again:?}"
    );
    let asked = stage.world.calls();
    let asked = asked
        .iter()
        .filter(|call| call.method == "chat.postMessage");
    assert_eq!(asked.count(), 1);
    stage.slack.identity().await.unwrap();
}

#[tokio::test]
async fn one_mark_stands_on_the_request() {
    let stage = stage().await;
    for mark in [
        Mark::Accepted,
        Mark::Accepted,
        Mark::Working,
        Mark::NeedsYou,
        Mark::Working,
        Mark::Gaps,
    ] {
        stage.slack.mark(&stage.request, mark).await.unwrap();
    }
    assert_eq!(stage.thread.bot_marks(), ["warning"]);
    stage.thread.react("dora", "eyes", On::Root).await.unwrap();
    stage
        .slack
        .mark(&stage.request, Mark::Proved)
        .await
        .unwrap();
    assert_eq!(stage.thread.bot_marks(), ["white_check_mark"]);
    let reply = stage.thread.say("dora", "and that").await.unwrap();
    let line = ids::line(TEAM, stage.thread.channel().as_str(), reply.ts.as_str());
    stage.slack.hear(&line).await.unwrap();
    stage.slack.hear(&line).await.unwrap();
    stage.ends_well();
}

#[tokio::test]
async fn the_conversation_is_read_with_names_and_files_and_without_the_bot() {
    let stage = stage().await;
    stage
        .say("s", None, "what the bot said", Attempt::First)
        .await
        .unwrap();
    let file = Attachment {
        name: "log.txt".into(),
        content: Bytes::from_static(b"it broke"),
    };
    let last = stage
        .thread
        .say_with_files("dora", "see a < b & this", vec![file])
        .await
        .unwrap();
    stage.thread.say("dora", "said later").await.unwrap();
    let until = ids::line(TEAM, stage.thread.channel().as_str(), last.ts.as_str());
    let lines = stage
        .slack
        .read_conversation(&stage.conversation, &until)
        .await
        .unwrap();
    let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said, ["fix it", "see a < b & this"]);
    assert_eq!(lines[0].reference, stage.request);
    assert_eq!(
        (lines[1].author.id.clone(), lines[1].author.standing),
        (dora(), Standing::Member)
    );
    let bytes = stage.slack.download(&lines[1].files[0], 100).await.unwrap();
    assert_eq!(bytes, b"it broke");
    // A file of another organisation comes with its identifier alone.
    let mut named = lines[1].files[0].clone();
    named.handle = stage.thread.files()[0].id.to_string();
    assert_eq!(
        stage.slack.download(&named, 100).await.unwrap(),
        b"it broke"
    );
    let too_large = stage.slack.download(&lines[1].files[0], 3).await;
    assert!(
        matches!(too_large, Err(SurfaceError::Permanent { code, .. }) if code == "file_too_large")
    );
    let mut elsewhere = lines[1].files[0].clone();
    elsewhere.handle = "https://files.slack.com.evil.example/a".into();
    assert!(
        matches!(stage.slack.download(&elsewhere, 100).await, Err(SurfaceError::Permanent { code, .. }) if code == "not_an_address_of_slack")
    );
    stage.ends_well();
}

#[tokio::test]
async fn pictures_are_one_message_and_posted_once() {
    let stage = stage().await;
    let picture = |name: &str| PictureFile {
        name: name.into(),
        title: format!("Users, {name}"),
        png: b"\x89PNG\r\n\x1a\n".to_vec(),
    };
    let pictures = [picture("before.png"), picture("after.png")];
    stage
        .slack
        .show_pictures(&stage.conversation, &pictures, Attempt::First)
        .await
        .unwrap();
    assert_eq!(stage.thread.files().len(), 2);
    assert_eq!(stage.bot_messages(), 1);
    stage
        .slack
        .show_pictures(&stage.conversation, &pictures, Attempt::Repeated)
        .await
        .unwrap();
    assert_eq!(stage.thread.files().len(), 2);
    stage.ends_well();
}

#[tokio::test]
async fn whispers_reach_one_person_also_where_the_bot_is_no_member() {
    let stage = stage().await;
    stage
        .slack
        .whisper(&stage.conversation, &dora(), &words("only for you"))
        .await
        .unwrap();
    let outside = stage
        .world
        .add_channel("outside", ChannelKind::Public, Membership::Absent);
    let command = ids::conversation(TEAM, outside.as_str(), None);
    stage
        .slack
        .whisper(&command, &dora(), &words("your tasks"))
        .await
        .unwrap();
    stage.ends_well();
}

#[tokio::test]
async fn the_bot_knows_itself_people_and_addresses() {
    let stage = stage().await;
    let me = stage.slack.identity().await.unwrap();
    assert_eq!(
        (me.team_id.as_str(), me.user_id.as_str()),
        (TEAM, deckhand_world::slack::BOT_USER)
    );
    let scopes = stage.slack.granted_scopes().await.unwrap();
    assert!(
        manifest::SCOPES
            .iter()
            .all(|scope| scopes.iter().any(|granted| granted == scope)),
        "{scopes:?}"
    );
    let person = stage.slack.person(&dora()).await.unwrap();
    assert_eq!(
        (person.name.as_str(), person.standing),
        ("dora", Standing::Member)
    );
    assert!(
        stage
            .slack
            .person(&ids::person(TEAM, "UNOBODY"))
            .await
            .is_err()
    );
    assert!(
        stage
            .slack
            .permalink(&stage.request)
            .await
            .unwrap()
            .contains(stage.thread.channel().as_str())
    );
    stage.ends_well();
}

#[tokio::test]
async fn a_slow_answer_is_an_answer_and_a_token_that_was_taken_back_is_no_outage() {
    let stage = stage().await;
    let slow = Fault::Slow {
        by: Duration::from_millis(100),
    };
    stage.world.fail_next("chat.postMessage", slow);
    stage
        .say("t1/slow", None, "slow", Attempt::First)
        .await
        .unwrap();
    assert_eq!(stage.bot_messages(), 1);
    stage.world.set_token(TokenStanding::Revoked);
    let refused = stage
        .say("t1/refused", None, "refused", Attempt::First)
        .await;
    assert!(
        matches!(&refused, Err(SurfaceError::Permanent { code, .. }) if code == "token_revoked"),
        "{refused:?}"
    );
    stage.world.set_token(TokenStanding::Valid);
    stage
        .say("t1/again", None, "again", Attempt::First)
        .await
        .unwrap();
    assert_eq!(stage.bot_messages(), 2);
    stage.ends_well();
}

#[tokio::test]
async fn a_persons_page_is_published_within_the_limits_and_without_markup() {
    let stage = stage().await;
    let entry = |number: usize| HomeEntry {
        text: format!("<!channel> *task* {number} {}", "words ".repeat(1_000)),
        page: Some((
            "Task page".into(),
            "https://deckhand.example/tasks/a".into(),
        )),
    };
    let section = |title: &str, entries: usize| HomeSection {
        title: title.repeat(100),
        entries: (0..entries).map(entry).collect(),
    };
    let page = HomePage {
        controls: vec![Control::Settings { place: None }],
        sections: vec![section("Waiting ", 90), section("Others ", 90)],
    };
    stage.slack.show_home(&dora(), &page).await.unwrap();
    let shown = stage.world.home("dora").unwrap();
    assert!(shown.starts_with("Waiting Waiting"), "{shown}");
    assert!(shown.contains("<!channel> *task* 0"), "{shown}");
    stage.ends_well();
}
