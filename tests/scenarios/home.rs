//! The app's own page in Slack: what a person sees there, and what they can do.

use deckhand_world::slack::{Standing, ViewAnswer};

use crate::harness::{
    CHANNEL, PATIENCE, REQUEST, Stage,
    asking::{says, until},
    fixture, scripts,
};

/// What stands on the button for a person's own settings.
const MINE: &str = "Change my settings";
/// What a request says that names no repository.
const SILENT: &str = "The offset parameter of /api/v2/users is ignored when limit is over 100.";

/// The person looks at their page, which says this and not that.
async fn sees(stage: &Stage, user: &str, words: &str, no_words: &str) -> String {
    stage.slack.open_home(user).await.unwrap();
    shows(stage, user, words, no_words).await
}

/// The page of a person comes to say this and not that.
async fn shows(stage: &Stage, user: &str, words: &str, no_words: &str) -> String {
    until(PATIENCE, || async {
        match stage.slack.home(user) {
            Some(page) if page.contains(words) && !page.contains(no_words) => Ok(page),
            page => Err(format!("{page:?}, and not {words} without {no_words}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_waits_for_its_person_and_nothing_is_decided_there() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    says(&thread, "Your decision").await;
    let waiting = "It waits for your decision on its plan: approve its plan, or say what should be different.";
    let page = sees(&stage, "ana", waiting, "Nothing waits for you").await;
    let task = stage.task(&thread).await;
    assert!(page.contains(&task.title()), "{page}");
    // A plan is decided where it can be read; the page leads to it.
    assert_eq!(stage.slack.buttons_at_home("ana"), [MINE]);
    assert!(page.contains("Task page"), "{page}");
    let bens = sees(&stage, "ben", "Nothing waits for you", waiting).await;
    assert!(!bens.contains(&task.title()), "{bens}");

    stage.stop(&thread).await;
    sees(&stage, "ana", "It was cancelled", waiting).await;
    stage.settle().await;
    assert_eq!(stage.slack.violations(), Vec::<String>::new());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_on_the_page_which_shows_them_and_a_request_obeys() {
    let mut stage = Stage::open().await;
    stage
        .github
        .seed("acme/other", &fixture("web"))
        .await
        .unwrap();
    stage.models.otherwise(scripts::without_pages());
    sees(
        &stage,
        "ana",
        "of yours names none: none is set",
        "acme/other",
    )
    .await;
    let pressed = stage.slack.press_at_home("ana", MINE).await.unwrap();
    assert!(pressed.accepted());
    stage.slack.wait_for_view("ana", PATIENCE).await.unwrap();
    let fields = [("repository", "acme/other")];
    let sent = stage.slack.submit_view("ana", &fields).await.unwrap();
    assert_eq!(sent, ViewAnswer::Closed);
    shows(&stage, "ana", "of yours names none: acme/other", "\u{0}").await;
    let thread = stage.slack.mention("ana", CHANNEL, SILENT).await.unwrap();
    let thread = thread.with_patience(PATIENCE);
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.repository().unwrap().0, "acme/other");
    stage.stop(&thread).await;

    // Somebody who may set nothing any more still has the page that they were shown.
    sees(&stage, "ben", MINE, "\u{0}").await;
    stage.slack.add_user("ben", Standing::Guest);
    stage.restart().await;
    stage.slack.press_at_home("ben", MINE).await.unwrap();
    let told = async || {
        stage
            .slack
            .look(|it| it.says_to("ben", "Nothing was changed"))
    };
    stage.eventually("the refusal", told).await;
    sees(&stage, "ben", "Settings", MINE).await;
    assert_eq!(stage.slack.buttons_at_home("ben"), Vec::<String>::new());
    stage.settle().await;
    assert_eq!(stage.rows("preferences").await, 1);
    stage.close().await;
}
