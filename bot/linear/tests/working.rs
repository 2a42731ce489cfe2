//! What a session shows of work that goes on, and of what is decided elsewhere.

use deckhand_world::linear::{Fault, Session, SessionState};

use super::bench::{Bench, PROGRESS, SLOT, at_the_plan, note, result, said, say, status};
use crate::surface::{Attempt, SurfaceError, Words};

#[tokio::test]
async fn a_status_with_new_figures_only_is_not_said_at_once() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    let activities = async |words: Words| {
        say(&bench.linear, &conversation, PROGRESS, &words).await;
        session.activities().len()
    };
    assert_eq!(activities(status("Working: 1 s", 1)).await, 1);
    assert_eq!(activities(status("Working: 1 s", 1)).await, 1);
    assert_eq!(activities(status("Working: 2 s", 1)).await, 1);
    assert_eq!(activities(status("Checking: 3 s", 1)).await, 2);
    // The step that is done stays beside the status.
    assert_eq!(activities(status("Checking: 3 s", 2)).await, 4);
    let asked = bench
        .world
        .operations()
        .iter()
        .filter(|operation| operation.field == "agentSessionUpdate")
        .count();
    assert_eq!(asked, 2, "the checklist is sent where it changes");
    bench.assert_clean();
}

#[tokio::test]
async fn steps_that_are_done_stay_in_the_session_each_once() {
    let mut bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench.next().await;
    let linear = bench.linear.clone();
    let actions = |session: &Session| -> Vec<String> {
        let said = said(session).into_iter();
        said.filter(|(kind, _)| *kind == "action")
            .map(|(_, text)| text)
            .collect()
    };
    for (words, at) in [
        ("Planning.", 0),
        ("Working.", 1),
        ("Still working.", 1),
        ("Publishing.", 2),
    ] {
        say(&linear, &conversation, PROGRESS, &status(words, at)).await;
    }
    let expected = ["Done `Write a plan`", "Done `Do the work`"];
    assert_eq!(actions(&session), expected, "{}", session.render());
    assert_eq!(session.state(), SessionState::Active);
    // A process that was started again does not know what was shown, and tells nothing twice.
    let again = bench.restarted();
    say(
        &again,
        &conversation,
        PROGRESS,
        &status("Publishing again.", 2),
    )
    .await;
    assert_eq!(actions(&session), expected, "{}", session.render());
    bench.assert_clean();
}

#[tokio::test]
async fn a_step_behind_a_broken_answer_is_told_once() {
    let mut bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench.next().await;
    say(
        &bench.linear,
        &conversation,
        PROGRESS,
        &status("Planning.", 0),
    )
    .await;
    let broken = Fault::DoneButAnswered(502);
    bench.world.fail_next("agentActivityCreate", broken);
    let words = status("Working.", 1);
    let failed = bench
        .linear
        .say(&conversation, PROGRESS, None, &words, Attempt::First)
        .await;
    assert!(matches!(failed, Err(SurfaceError::Transient { .. })));
    say(&bench.linear, &conversation, PROGRESS, &words).await;
    let kinds: Vec<&str> = said(&session).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["action", "thought"], "{}", session.render());
}

#[tokio::test]
async fn a_plan_that_is_decided_elsewhere_is_told_of_once_and_the_work_is_shown() {
    let mut bench = Bench::start().await;
    let (session, conversation, [_, card]) = at_the_plan(&mut bench).await;
    let linear = bench.linear.clone();
    let decided = note("Approved by <Ben>: the whole plan once more.");
    let mut standing = card;
    for attempt in [Attempt::First, Attempt::Repeated] {
        standing = linear
            .say(&conversation, SLOT, Some(&standing), &decided, attempt)
            .await
            .expect("said");
    }
    let told = said(&session);
    let told: Vec<_> = told
        .iter()
        .filter(|(_, body)| body.contains("Approved by"))
        .collect();
    let [(kind, body)] = &told[..] else {
        panic!("not once: {told:?}")
    };
    assert_eq!((*kind, body.as_str()), ("thought", "Approved by &lt;Ben>"));
    assert_eq!(session.state(), SessionState::Active);

    let working = status("Working.", 1);
    say(&linear, &conversation, "abc123:progress-1", &working).await;
    assert!(
        session.render().contains("Working."),
        "{}",
        session.render()
    );
    bench.assert_clean();
}

#[tokio::test]
async fn the_pull_request_hangs_on_the_issue_also_where_linears_integration_is_missing() {
    for without in [None, Some(Fault::Refused { code: "FORBIDDEN" })] {
        let mut bench = Bench::start().await;
        let (session, conversation) = bench.delegated();
        bench.next().await;
        let is_plain = without.is_some();
        if let Some(fault) = without {
            bench.world.fail_next("attachmentLinkGitHubPR", fault);
        }
        let words = result("Done: R1 is met.");
        say(&bench.linear, &conversation, "abc123:result-1", &words).await;
        let attached = bench.world.issue("ENG-1").expect("there").attachments;
        let url = "https://github.example.com/acme/web/pull/1";
        assert_eq!(attached.len(), 1);
        assert_eq!(attached[0].1, url);
        assert_eq!(attached[0].0 == "Pull request", is_plain, "{attached:?}");
        assert!(session.external_urls().iter().any(|(_, link)| link == url));
        bench.assert_clean();
    }
}
