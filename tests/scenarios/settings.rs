//! Settings that people change themselves: their own, and those of a channel.

use deckhand_world::slack::{Audience, ChannelKind, Membership, Standing, Thread, ViewAnswer};

use crate::harness::{
    CHANNEL, PATIENCE, Stage,
    asking::{says, whispered},
    fixture, scripts,
};

/// What a request says that names no repository.
const SILENT: &str = "The offset parameter of /api/v2/users is ignored when limit is over 100.";

/// A stage with two repositories, between which nobody guesses.
async fn two() -> Stage {
    let stage = Stage::open().await;
    stage
        .github
        .seed("acme/other", &fixture("web"))
        .await
        .unwrap();
    stage.models.otherwise(scripts::without_pages());
    stage
}

async fn mention(stage: &Stage, user: &str, channel: &str, text: &str) -> Thread {
    let thread = stage.slack.mention(user, channel, text).await.unwrap();
    thread.with_patience(PATIENCE)
}

/// Somebody asks for the settings, presses, and fills the form in.
async fn sets(stage: &Stage, user: &str, button: &str, fields: &[(&str, &str)]) -> Thread {
    let thread = mention(stage, user, CHANNEL, "settings").await;
    whispered(&thread, "What a request says goes first").await;
    thread.press(user, button).await.unwrap();
    thread.wait_for_view(user).await.unwrap();
    let answer = thread.submit_view(user, fields).await.unwrap();
    assert_eq!(answer, ViewAnswer::Closed);
    thread
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channels_repository_is_taken_where_a_request_names_none_and_the_plan_says_so() {
    let stage = two().await;
    let fields = [("repository", "acme/web")];
    let asked = sets(&stage, "ana", "Change this channel's", &fields).await;
    whispered(&asked, "The settings of this channel are kept").await;
    // Ben has set nothing, and asks in the same channel.
    let thread = mention(&stage, "ben", CHANNEL, SILENT).await;
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.repository().unwrap().0, "acme/web");
    says(&thread, "(by the settings of this channel)").await;
    thread.say("ben", "stop").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    // What a request names goes first, and nothing is said of settings then.
    let named = mention(&stage, "ben", CHANNEL, &format!("{SILENT} repo=acme/other")).await;
    let task = stage.wait_for_state(&named, "awaiting_approval").await;
    assert_eq!(task.repository().unwrap().0, "acme/other");
    stage.settle().await;
    assert!(
        !named.render().contains("by the settings"),
        "{}",
        named.render()
    );
    named.say("ben", "stop").await.unwrap();
    stage.wait_for_state(&named, "canceled").await;
    // Taken away again, it is asked for.
    let none = [("repository", "No default")];
    sets(&stage, "ana", "Change this channel's", &none).await;
    stage.settle().await;
    let open = mention(&stage, "ben", CHANNEL, SILENT).await;
    stage.wait_for_state(&open, "awaiting_input").await;
    open.say("ben", "stop").await.unwrap();
    stage.wait_for_state(&open, "canceled").await;
    let changes = stage
        .number(
            "SELECT count(*) FROM audit WHERE act = 'settings' AND person = 'slack:T0ACME:UANA'",
        )
        .await;
    assert_eq!(changes, 2);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_own_settings_go_with_them_and_behind_the_channels() {
    let stage = two().await;
    stage
        .slack
        .add_channel("ops", ChannelKind::Public, Membership::Joined);
    let fields = [("repository", "acme/other"), ("agent", "goose")];
    let asked = sets(&stage, "ana", "Change my settings", &fields).await;
    whispered(&asked, "Your settings are kept").await;
    stage.settle().await;
    let page = stage.slack.home("ana").unwrap();
    assert!(page.contains("of yours names none: acme/other"), "{page}");
    assert!(page.contains("Change my settings"), "{page}");
    let theirs = [("repository", "acme/web")];
    sets(&stage, "ben", "Change this channel's", &theirs).await;
    stage.settle().await;
    for (channel, repository, words) in [
        ("ops", "acme/other", "(by the settings of whoever asked)"),
        (CHANNEL, "acme/web", "(by the settings of this channel)"),
    ] {
        let thread = mention(&stage, "ana", channel, SILENT).await;
        let task = stage.wait_for_state(&thread, "awaiting_approval").await;
        assert_eq!(task.repository().unwrap().0, repository);
        says(&thread, &format!("`{repository}` {words}")).await;
        stage.stop(&thread).await;
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_channel_hears_plans_questions_and_results() {
    let stage = two().await;
    let fields = [
        ("repository", "acme/web"),
        ("noise", "Only plans, questions and results"),
    ];
    sets(&stage, "ana", "Change this channel's", &fields).await;
    stage.settle().await;
    let thread = mention(&stage, "ana", CHANNEL, SILENT).await;
    stage.wait_for_state(&thread, "awaiting_approval").await;
    thread.say("ana", "status").await.unwrap();
    whispered(&thread, "The plan is ready").await;
    stage.approve(&thread).await;
    says(&thread, "every requirement is met").await;
    stage.settle().await;
    let everybodys: Vec<String> = thread
        .bot_messages()
        .iter()
        .filter(|message| message.audience == Audience::Everyone)
        .map(deckhand_world::slack::Message::plain_text)
        .collect();
    assert_eq!(everybodys.len(), 2, "{}", thread.render());
    assert!(everybodys[0].contains("Requirements") && everybodys[1].contains("is met"));
    thread.wait_for_mark("✅").await.unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_change_nothing_and_see_no_list_of_repositories() {
    let stage = two().await;
    stage.slack.add_user("gus", Standing::Guest);
    let asked = mention(&stage, "gus", CHANNEL, "settings").await;
    let told = whispered(
        &asked,
        "Only people who may start tasks here can change them",
    )
    .await;
    assert!(!told.says("[Change"), "{}", asked.render());
    // A button that somebody else was given is no way in either.
    let anas = mention(&stage, "ana", CHANNEL, "settings").await;
    whispered(&anas, "What a request says goes first").await;
    let button = anas.control("Change this channel's").unwrap();
    anas.press_control("gus", &button).await.unwrap();
    whispered(&anas, "Nothing was changed").await;
    let thread = stage.planned(crate::harness::REQUEST).await;
    thread.wait_for_words("Your decision").await.unwrap();
    thread.press("gus", "Change repository").await.unwrap();
    whispered(&thread, "This was not passed on to the agent").await;
    stage.settle().await;
    let opened = stage.slack.calls();
    assert!(opened.iter().all(|call| call.method != "views.open"));
    assert_eq!(stage.rows("preferences").await, 0);
    stage.stop(&thread).await;
    stage.close().await;
}
