//! A change that is held back: what the thread is asked, and what leaves after each answer.

use deckhand::domain::{held::HeldVerdict, task::Task};
use deckhand_world::slack::{Standing, Thread};

use crate::harness::{Props, REQUEST, SignIn, Stage, asking::whispered, scripts};

/// The work is done, and its change waits for a decision. Nothing was pushed.
async fn held(stage: &Stage) -> (Thread, Task) {
    let thread = stage.planned(REQUEST).await;
    thread.say("ana", "approve").await.unwrap();
    let task = stage.wait_for_state(&thread, "awaiting_input").await;
    stage.settle().await;
    thread
        .wait_for_words("The change is held back")
        .await
        .unwrap();
    assert_eq!(
        file(stage, &task, "lib/users.js").await,
        None,
        "nothing is pushed"
    );
    assert!(stage.pull_requests().is_empty());
    (thread, task)
}

/// A file as it stands on the task's branch at the forge.
async fn file(stage: &Stage, task: &Task, path: &str) -> Option<String> {
    let repository = stage.github.repository("acme/web").unwrap();
    let file = repository.file_at(&task.branch(), path).await;
    file.unwrap_or(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn including_a_file_makes_it_a_part_of_the_plan() {
    let stage = Stage::open_with(Props {
        sign_in: SignIn::App,
        ..Props::default()
    })
    .await;
    stage.slack.add_user("gus", Standing::Guest);
    stage.models.otherwise(scripts::straying());
    let (thread, task) = held(&stage).await;
    let shown = thread.render();
    for words in [
        "server.js",
        "it is not in the approved plan",
        "+// kept alive",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }

    thread.press("gus", "Include").await.unwrap();
    whispered(&thread, "only full members").await;
    // A yes that does not say to what decides nothing.
    thread.say("ben", "looks good").await.unwrap();
    whispered(&thread, "answer with Include or Leave out or Cancel").await;
    let still = stage.task(&thread).await;
    assert_eq!(
        (still.state.name(), still.plans.len()),
        ("awaiting_input", 1)
    );

    thread.press("ben", "Include").await.unwrap();
    let task = stage
        .wait_until(&thread, "published", |now| {
            now.pushed.is_some() && task.id == now.id
        })
        .await;
    stage.settle().await;
    assert_eq!(task.state.name(), "in_review", "{}", thread.render());
    let approval = task.approval.clone().unwrap();
    assert_eq!((approval.by.name.as_str(), approval.revision), ("ben", 2));
    assert!(task.plans[1].plan.files.contains(&"server.js".to_owned()));
    let server = file(&stage, &task, "server.js").await.unwrap();
    assert!(server.contains("// kept alive"));
    let decision = &task.held_decisions[0];
    assert_eq!(decision.verdict, HeldVerdict::Included { revision: 2 });
    assert_eq!(Some(&decision.commit), task.pushed.as_ref());
    let audit = stage.context.store.audit_of(&task.id).await.unwrap();
    let is_bens = |detail: &str| detail.contains("include");
    assert!(
        audit
            .iter()
            .any(|(_, entry)| entry.person.ends_with("UBEN") && is_bens(&entry.detail)),
        "{audit:?}"
    );
    thread.wait_for_words("Plan, revision 2").await.unwrap();
    // The token of the push was for it alone, and is given back.
    let requests = stage.github.requests();
    let given_back = requests.iter().filter(|request| {
        request.method == "DELETE" && request.path.ends_with("/installation/token")
    });
    assert_eq!(given_back.count(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_out_stays_out_over_a_restart_and_the_next_words() {
    let mut stage = Stage::open().await;
    stage.models.otherwise(scripts::straying());
    let (thread, _) = held(&stage).await;
    stage.restart().await;
    stage.models.otherwise(scripts::straying());
    thread.press("ana", "Leave out").await.unwrap();
    let first = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert_eq!(first.plans.len(), 1);
    let untouched = file(&stage, &first, "server.js").await.unwrap();
    assert!(!untouched.contains("kept alive"));
    let mended = file(&stage, &first, "lib/users.js").await.unwrap();
    assert!(mended.contains("offset + start"));

    thread
        .say("ana", "Please add a line about it to the README.")
        .await
        .unwrap();
    let second = stage
        .wait_until(&thread, "published again", |task| {
            task.pushed != first.pushed && task.state.name() == "in_review"
        })
        .await;
    stage.settle().await;
    let untouched = file(&stage, &second, "server.js").await.unwrap();
    assert!(!untouched.contains("kept alive"), "it came back silently");
    let readme = file(&stage, &second, "README.md").await.unwrap();
    assert!(readme.contains("The offset counts"));
    assert_eq!(second.questions, 1, "nobody is asked the same again");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_the_plan_does_not_name_waits_and_a_cancel_ends_it() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::workflow());
    let (thread, _) = held(&stage).await;
    let shown = thread.render();
    assert!(shown.contains(".github/workflows/ci.yml"), "{shown}");
    assert!(
        shown.contains("tells the forge's machines what to run"),
        "{shown}"
    );
    thread.press("ana", "Cancel").await.unwrap();
    let task = stage.wait_for_state(&thread, "canceled").await;
    thread.wait_for_words("Cancelled by ana").await.unwrap();
    stage.settle().await;
    assert_eq!(file(&stage, &task, "lib/users.js").await, None);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_by_four_letters_and_leaves_nowhere() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::leaking());
    let (thread, first) = held(&stage).await;
    let shown = thread.render();
    assert!(
        shown.contains("looks like a secret (github-pat)"),
        "{shown}"
    );
    assert!(shown.contains("gh…Ee"), "{shown}");

    // Words are for the agent; what it does not mend is held back again.
    thread
        .say("ana", "Take the token out again, please.")
        .await
        .unwrap();
    let second = stage
        .wait_until(&thread, "held again", |task| task.questions == 2)
        .await;
    stage.settle().await;
    assert_eq!(second.state.name(), "awaiting_input", "{}", thread.render());
    thread.press("ana", "Cancel").await.unwrap();
    let task = stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    let token = scripts::leaked_token();
    let log = stage.log(&first.id).await;
    let kept = serde_json::to_string(&(&first, &second, &task)).unwrap();
    for (place, text) in [("thread", thread.render()), ("task", kept), ("log", log)] {
        assert!(
            !text.contains(&token),
            "the token stands in the {place}\n{text}"
        );
    }
    assert!(stage.pull_requests().is_empty());
    stage.close().await;
}
