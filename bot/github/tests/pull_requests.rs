//! Pull requests: made once, found again, looked up, and what GitHub says where it refuses or limits.

use super::*;

/// The end of the pull request as its webhook tells it, which nobody takes.
async fn told_end(world: &World) -> (String, Value) {
    world.settle().await;
    let told = world.deliveries();
    let newest = told.iter().rev().find(|one| one.event == "pull_request");
    let payload = serde_json::from_str(&newest.expect("told").body).expect("JSON");
    accept("pull_request", "guid-1", &payload).expect("it matters")
}

#[tokio::test]
async fn the_end_of_a_pull_request_that_is_looked_up_is_the_one_that_its_webhook_told() {
    let nobody = "http://127.0.0.1:9/github/webhooks";
    let (world, github) = with_app().await;
    world.set_webhook_url(nobody);
    let opened = github.open_pull_request(&name(), &new()).await;
    let number = opened.expect("opened").number;
    let found = github.end_of(&name(), (number, BRANCH)).await;
    assert_eq!(found, Ok(None));
    world.merge("acme/web", number).await.expect("merged");
    let found = github.end_of(&name(), (number, BRANCH)).await;
    assert_eq!(found, Ok(Some(told_end(&world).await)));
    assert_eq!(world.violations(), Vec::<String>::new());

    // Who closed one without a merge is no part of it.
    let (world, github) = with_token().await;
    world.set_webhook_url(nobody);
    let opened = github.open_pull_request(&name(), &new()).await;
    let number = opened.expect("opened").number;
    world.close("acme/web", number).await.expect("closed");
    let found = github.end_of(&name(), (number, BRANCH)).await;
    let (key, body) = found.expect("answered").expect("it is over");
    assert_eq!(key, told_end(&world).await.0);
    let ended = read(&body).expect("it can be read");
    assert_eq!((ended.merged, ended.by.as_str()), (false, ""));
    // What stands there by now is another one's.
    let found = github
        .end_of(&name(), (number, "deckhand/another-abc123"))
        .await;
    assert_eq!(found, Ok(None));
    let found = github.end_of(&name(), (number + 1, BRANCH)).await;
    assert!(
        matches!(found, Err(ForgeError::NotFound { .. })),
        "{found:?}"
    );
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_pull_request_is_opened_once_and_found_afterwards() {
    for (world, github) in [with_app().await, with_token().await] {
        let repository = name();
        assert_eq!(github.pull_request_of(&repository, BRANCH).await, Ok(None));
        let first = github
            .open_pull_request(&repository, &new())
            .await
            .expect("opened");
        let second = github
            .open_pull_request(&repository, &new())
            .await
            .expect("found");
        assert_eq!(first, second);
        assert_eq!(
            github.pull_request_of(&repository, BRANCH).await,
            Ok(Some(first.clone()))
        );
        assert_eq!(asked(&world, "POST", "/pulls"), 1);
        assert!(first.url.ends_with("/acme/web/pull/1"), "{}", first.url);
        github
            .update_pull_request(
                &repository,
                first.number,
                "Respect offset over 100",
                "R1 and R2 are met.",
            )
            .await
            .expect("changed");
        let snapshot = world.repository("acme/web").expect("there").snapshot();
        let pull = snapshot.pull_request(first.number).expect("there");
        assert_eq!(
            (pull.title.as_str(), pull.body.as_str()),
            ("Respect offset over 100", "R1 and R2 are met.")
        );
        assert_eq!(pull.state, PullState::Open);
        assert_eq!(world.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_pull_request_that_was_made_behind_a_broken_answer_is_not_made_twice() {
    let (world, github) = with_app().await;
    let repository = name();
    world.fail_next("POST /repos/*/*/pulls", Fault::DoneButAnswered(502));
    let error = github
        .open_pull_request(&repository, &new())
        .await
        .expect_err("the answer was lost");
    assert!(
        matches!(
            error,
            ForgeError::Transient {
                retry_after: None,
                ..
            }
        ),
        "{error}"
    );
    let found = github
        .open_pull_request(&repository, &new())
        .await
        .expect("found");
    assert_eq!((found.number, asked(&world, "POST", "/pulls")), (1, 1));
}

#[tokio::test]
async fn a_refusal_says_githubs_own_words() {
    let (_world, github) = with_app().await;
    let nothing_new = NewPullRequest {
        branch: "main".to_owned(),
        ..new()
    };
    let error = github
        .open_pull_request(&name(), &nothing_new)
        .await
        .expect_err("there is nothing between main and main");
    assert!(
        matches!(&error, ForgeError::Refused { reason, .. } if reason.contains("Validation Failed")),
        "{error}"
    );
    let no_base = NewPullRequest {
        base: "nowhere".to_owned(),
        ..new()
    };
    let error = github
        .open_pull_request(&name(), &no_base)
        .await
        .expect_err("there is no such base");
    assert!(error.to_string().contains("base is invalid"), "{error}");
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait() {
    let (world, github) = with_app().await;
    world.fail_next(
        "GET /repos/*/*/pulls",
        Fault::SecondaryLimit { retry_after: 7 },
    );
    let error = github
        .pull_request_of(&name(), BRANCH)
        .await
        .expect_err("too fast");
    assert!(
        matches!(error, ForgeError::Transient { retry_after: Some(pause), .. } if pause == Duration::from_secs(7)),
        "{error}"
    );
    world.fail_next(
        "GET /repos/*/*/pulls",
        Fault::Status {
            status: 403,
            retry_after: None,
        },
    );
    let error = github
        .pull_request_of(&name(), BRANCH)
        .await
        .expect_err("forbidden");
    assert!(matches!(error, ForgeError::Refused { .. }), "{error}");
    world.fail_next("GET /repos/*/*/pulls", Fault::CutOff);
    let error = github
        .pull_request_of(&name(), BRANCH)
        .await
        .expect_err("cut off");
    assert!(matches!(error, ForgeError::Transient { .. }), "{error}");
}
