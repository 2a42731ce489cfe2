//! Repositories of every kind, and what other people do to them meanwhile.

use deckhand_world::{github::PullState, slack::On};

use crate::harness::{
    Props, REQUEST, SignIn, Stage,
    asking::says,
    remote::{COMMIT, file_of, plain_repository},
    scripts,
};

#[tokio::test(flavor = "multi_thread")]
async fn submodules_are_named_and_left_alone_and_the_work_goes_on() {
    let stage = Stage::open().await;
    stage
        .push_by_hand(
            "acme/web",
            &format!(
                "git config -f .gitmodules submodule.vendor/icons.path vendor/icons; \
                 git config -f .gitmodules submodule.vendor/icons.url https://git.acme.example/icons.git; git add .gitmodules; \
                 git update-index --add --cacheinfo 160000,1111111111111111111111111111111111111111,vendor/icons; {COMMIT} -m 'Add the icons'"
            ),
        )
        .await;
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    says(&thread, "vendor/icons").await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    let pulls = stage.pull_requests();
    assert!(pulls[0].body.contains("vendor/icons"), "{}", pulls[0].body);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_remote_of_many_megabytes_gets_its_branch_and_the_task_page_stands_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let script = "git config core.compression 0; printf 'test:\\n\\ttrue\\n' > Makefile; echo 'A tool.' > README.md; mkdir data; \
                for number in 1 2 3 4 5 6 7 8; do head -c 25000000 /dev/urandom > data/$number.bin; done";
    let url = plain_repository(folder.path(), script).await;
    let file = format!("[[repository]]\nname = \"acme/big\"\nurl = \"{url}\"\n");
    let stage = Stage::open_with(Props {
        file,
        ..Props::default()
    })
    .await;
    let thread = stage
        .planned("Name the change in a list. repo=acme/big")
        .await;
    let task = stage.approve(&thread).await;
    stage.settle().await;
    let said = thread
        .wait_for_words("There is no forge to open a pull request at")
        .await
        .unwrap();
    assert!(
        said.says(&format!("/tasks/{}", task.id)),
        "{}",
        thread.render()
    );
    assert!(file_of(folder.path(), &task.branch(), "CHANGES.md").contains("asked for"));
    assert!(task.publication.unwrap().pull_request.is_none());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_the_app_cannot_reach_is_asked_for_until_it_can() {
    let stage = Stage::open_with(Props {
        sign_in: SignIn::App,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    stage.github.uninstall("acme/web").unwrap();
    let thread = stage.mention(REQUEST).await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("ask an owner of the repository to give Deckhand access")
        .await
        .unwrap();
    stage.github.install("acme/web").unwrap();
    thread.say("ana", "acme/web").await.unwrap();
    stage.wait_for_state(&thread, "awaiting_approval").await;

    // It is taken away again while the agent works.
    stage.models.pause();
    thread.say("ana", "approve").await.unwrap();
    stage.wait_for_state(&thread, "running").await;
    stage.github.uninstall("acme/web").unwrap();
    stage.models.resume();
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "Deckhand may not push to this repository").await;
    stage.github.install("acme/web").unwrap();
    thread.press("ana", "Retry").await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_repositories_it_asks_and_a_press_answers() {
    let stage = Stage::open().await;
    stage
        .github
        .seed("acme/other", &crate::harness::fixture("web"))
        .await
        .unwrap();
    let thread = stage
        .mention("The offset is ignored when limit is over 100.")
        .await;
    stage.wait_for_state(&thread, "awaiting_input").await;
    thread
        .wait_for_words("Which repository is this for?")
        .await
        .unwrap();
    thread.press("ana", "acme/web").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.workplace.unwrap().repository.0, "acme/web");
    stage.stop(&thread).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_branch_that_is_deleted_meanwhile_keeps_the_work() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    stage
        .github
        .commit(
            "acme/web",
            "next",
            &[("NOTES.md", "The next version.\n")],
            "Begin the next version",
        )
        .await
        .unwrap();
    let thread = stage.planned(&format!("{REQUEST} branch=next")).await;
    stage
        .github
        .delete_branch("acme/web", "next")
        .await
        .unwrap();
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "failed").await;
    says(
        &thread,
        "The branch is pushed, but the pull request was refused",
    )
    .await;
    let repository = stage.github.repository("acme/web").unwrap();
    assert!(repository.tip(&task.branch()).await.unwrap().is_some());

    // Somebody puts it back, and a retry finds everything as it was.
    stage
        .github
        .commit(
            "acme/web",
            "next",
            &[("NOTES.md", "The next version.\n")],
            "Begin the next version again",
        )
        .await
        .unwrap();
    thread.react("ana", "🔁", On::Root).await.unwrap();
    stage.wait_for_state(&thread, "in_review").await;
    assert_eq!(stage.pull_requests().len(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_somebody_else_on_the_branch_are_left_as_they_are() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    let task = stage.approve(&thread).await;
    stage
        .github
        .commit(
            "acme/web",
            &task.branch(),
            &[("NOTES.md", "By hand.\n")],
            "Add a note",
        )
        .await
        .unwrap();
    let theirs = stage
        .github
        .repository("acme/web")
        .unwrap()
        .tip(&task.branch())
        .await
        .unwrap();
    thread
        .say("ana", "Please add a line about it to the README.")
        .await
        .unwrap();
    stage.wait_for_state(&thread, "failed").await;
    says(&thread, "The branch has commits that are not Deckhand's").await;
    assert_eq!(
        stage
            .github
            .repository("acme/web")
            .unwrap()
            .tip(&task.branch())
            .await
            .unwrap(),
        theirs
    );
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_is_closed_ends_the_task() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.approve(&thread).await;
    stage.github.close("acme/web", 1).await.unwrap();
    stage.wait_for_state(&thread, "completed").await;
    thread
        .wait_for_words("Closed without a merge")
        .await
        .unwrap();
    stage.github.redeliver("pull_request").await.unwrap();
    stage.github.settle().await;
    stage.settle().await;
    assert_eq!(
        thread
            .bot_messages()
            .iter()
            .filter(|message| message.says("Closed without a merge"))
            .count(),
        1
    );
    assert_ne!(stage.pull_requests()[0].state, PullState::Open);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_does_not_answer_is_asked_again() {
    use deckhand_world::github::Fault;
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    stage.github.fail_next(
        "GET /acme/web.git/info/refs",
        Fault::Status {
            status: 503,
            retry_after: None,
        },
    );
    let thread = stage.planned(REQUEST).await;
    // It made the pull request, and said that it had not.
    stage
        .github
        .fail_next("POST /repos/*/*/pulls", Fault::DoneButAnswered(502));
    stage.approve(&thread).await;
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_moved_without_a_conflict_is_told_and_a_draft_is_a_draft() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(&format!("{REQUEST} pr=draft")).await;
    stage
        .github
        .commit(
            "acme/web",
            "main",
            &[("NOTES.md", "Something else.\n")],
            "Add a note",
        )
        .await
        .unwrap();
    stage.approve(&thread).await;
    thread
        .wait_for_words("has moved since the plan was made; the two still go together")
        .await
        .unwrap();
    assert!(stage.pull_requests()[0].draft);
    stage.close().await;
}
