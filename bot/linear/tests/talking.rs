//! What is said, and how the session stands afterwards.

use deckhand_world::linear::SessionState;

use super::bench::{
    Bench, PROGRESS, SLOT, at_the_plan, canceled, failure, note, plan, question, result, said, say,
    status,
};
use crate::{
    domain::{
        conversation::PersonId,
        effect::Mark,
        incoming::{Incoming, Press},
    },
    linear::ids,
    surface::{Attempt, Form, PictureFile},
};

fn picture(name: &str) -> PictureFile {
    PictureFile {
        name: name.to_owned(),
        title: format!("The table, {name}"),
        png: b"\x89PNG not really".to_vec(),
    }
}

#[tokio::test]
async fn a_delegated_issue_is_answered_with_a_thought_and_a_link() {
    let mut bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    let (key, opened) = bench.next().await;
    assert_eq!(key, format!("{}:created", session.id()));
    let Incoming::Delegated { by, .. } = opened else {
        panic!("not delegated: {opened:?}")
    };
    assert_eq!(by.name.as_deref(), Some("Ana"));
    let words = status("Reading.", 0);
    bench
        .linear
        .mark(&conversation, &ids::line(session.id()), Mark::Accepted)
        .await
        .expect("marked");
    say(&bench.linear, &conversation, PROGRESS, &words).await;
    assert_eq!(session.state(), SessionState::Active);
    let (label, _) = session.external_urls().remove(0);
    assert_eq!(label, "Task page");
    bench.assert_clean();
}

#[tokio::test]
async fn a_plan_waits_until_its_choice_comes_back_as_an_approval() {
    let mut bench = Bench::start().await;
    let (session, conversation, [progress, card]) = at_the_plan(&mut bench).await;
    let linear = bench.linear.clone();
    let waits = status("The plan waits.", 0);
    linear
        .say(
            &conversation,
            PROGRESS,
            Some(&progress),
            &waits,
            Attempt::First,
        )
        .await
        .expect("nothing to say");
    assert_eq!(
        session.state(),
        SessionState::AwaitingInput,
        "{}",
        session.render()
    );

    session.select("ana", "Approve").expect("offered");
    let Incoming::Pressed { press, .. } = bench.next().await.1 else {
        panic!("not pressed")
    };
    assert_eq!(press, Press::Approve { revision: 1 });
    let decided = note("Approved by Ana.");
    let again = linear
        .say(&conversation, SLOT, Some(&card), &decided, Attempt::First)
        .await;
    assert_eq!(again, Ok(card));

    say(
        &linear,
        &conversation,
        "abc123:progress-1",
        &status("Working.", 1),
    )
    .await;
    linear
        .mark(&conversation, &ids::line(session.id()), Mark::Working)
        .await
        .expect("moved");
    assert_eq!(session.state(), SessionState::Active);
    assert_eq!(
        bench.world.issue("ENG-1").expect("there").state,
        "In Progress"
    );
    bench.assert_clean();
}

#[tokio::test]
async fn a_result_completes_the_session_with_pictures_checklist_and_links() {
    let mut bench = Bench::start().await;
    let (session, conversation, [progress, _]) = at_the_plan(&mut bench).await;
    let linear = bench.linear.clone();
    let over = status("Done.", 3);
    linear
        .say(
            &conversation,
            PROGRESS,
            Some(&progress),
            &over,
            Attempt::First,
        )
        .await
        .expect("shown");
    let pictures = [picture("before.png"), picture("after.png")];
    linear
        .show_pictures(&conversation, &pictures, Attempt::First)
        .await
        .expect("shown");
    say(
        &linear,
        &conversation,
        "abc123:result-1",
        &result("Done: R1 is met."),
    )
    .await;
    assert_eq!(session.state(), SessionState::Complete);
    assert!(
        session.plan().iter().all(|step| step.status == "completed"),
        "{}",
        session.render()
    );
    assert_eq!(
        (session.external_urls().len(), bench.world.uploads().len()),
        (2, 2)
    );
    let kinds: Vec<&str> = said(&session).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        ["elicitation", "response", "response"],
        "{}",
        session.render()
    );
    bench.assert_clean();
}

#[tokio::test]
async fn answers_to_choose_from_come_back_as_answers() {
    let mut bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench.next().await;
    say(
        &bench.linear,
        &conversation,
        SLOT,
        &question("Which one?", &["npm test", "make: all"]),
    )
    .await;
    session.select("ana", "make: all").expect("offered");
    let Incoming::Pressed { press, .. } = bench.next().await.1 else {
        panic!("not pressed")
    };
    assert_eq!(
        press,
        Press::Answer {
            question: 3,
            text: "make: all".to_owned()
        }
    );
    say(
        &bench.linear,
        &conversation,
        SLOT,
        &question("In your own words?", &[]),
    )
    .await;
    let last = session.activities().pop().expect("said");
    assert_eq!(
        (last.signal, session.state()),
        (None, SessionState::AwaitingInput)
    );
    bench.assert_clean();
}

#[tokio::test]
async fn a_stop_ends_in_a_response_and_a_failure_in_an_error() {
    let mut bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench.next().await;
    say(
        &bench.linear,
        &conversation,
        PROGRESS,
        &status("Working.", 1),
    )
    .await;
    session.stop("ana").expect("stopped");
    assert!(matches!(bench.next().await.1, Incoming::StopSignal { .. }));
    say(
        &bench.linear,
        &conversation,
        "abc123:note-1",
        &canceled("Cancelled by Ana."),
    )
    .await;
    assert_eq!(session.state(), SessionState::Complete);
    say(
        &bench.linear,
        &conversation,
        "abc123:note-2",
        &failure("The agent failed."),
    )
    .await;
    assert_eq!(session.state(), SessionState::Error);
    say(
        &bench.linear,
        &conversation,
        "abc123:progress-2",
        &status("Working again.", 1),
    )
    .await;
    assert_eq!(session.state(), SessionState::Active);
    bench.assert_clean();
}

/// Whatever is said by the way, the session stands as it stood before somebody wrote.
#[tokio::test]
async fn a_remark_leaves_the_session_as_it_stands() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    let whisper = async |text: &str| {
        let person = PersonId("linear:whoever".to_owned());
        session.say("ana", "what now?").expect("said");
        bench
            .linear
            .whisper(&conversation, &person, &note(text))
            .await
            .expect("said");
    };
    bench
        .linear
        .whisper(
            &conversation,
            &PersonId("linear:whoever".to_owned()),
            &note("An automation may not start."),
        )
        .await
        .expect("said");
    assert_eq!(session.state(), SessionState::Complete);
    say(
        &bench.linear,
        &conversation,
        PROGRESS,
        &status("Writing a plan.", 0),
    )
    .await;
    whisper("A plan is being written.").await;
    assert_eq!(session.state(), SessionState::Active);
    say(&bench.linear, &conversation, SLOT, &plan("The plan.")).await;
    whisper("That is not the last revision.").await;
    assert_eq!(session.state(), SessionState::AwaitingInput);
    say(
        &bench.linear,
        &conversation,
        "abc123:result-1",
        &result("Done."),
    )
    .await;
    whisper("There is nothing to cancel.").await;
    assert_eq!(session.state(), SessionState::Complete);
    bench.assert_clean();
}

#[tokio::test]
async fn after_a_restart_an_open_question_stays_open() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    say(&bench.linear, &conversation, SLOT, &plan("The plan.")).await;
    let linear = bench.restarted();
    say(
        &linear,
        &conversation,
        PROGRESS,
        &status("The plan waits.", 0),
    )
    .await;
    assert_eq!(session.state(), SessionState::AwaitingInput);
    session.say("ana", "looks good").expect("said");
    say(&linear, &conversation, PROGRESS, &status("Working.", 1)).await;
    assert_eq!(session.state(), SessionState::Active);
    assert_eq!(session.external_urls().len(), 1);
    bench.assert_clean();
}

#[tokio::test]
async fn an_issue_that_nobody_asked_for_is_left_in_triage() {
    let bench = Bench::start().await;
    let issue = bench
        .world
        .create_issue("ana", "Offset is ignored", "")
        .expect("created");
    let before = bench.world.issue(&issue).expect("there").state;
    let session = bench
        .world
        .delegate_by_automation(&issue)
        .expect("delegated");
    let conversation = ids::conversation(session.id());
    bench
        .linear
        .mark(&conversation, &ids::line(session.id()), Mark::Working)
        .await
        .expect("nothing to do");
    assert_eq!(bench.world.issue(&issue).expect("there").state, before);
    bench.assert_clean();
}

#[tokio::test]
async fn a_mentioned_bot_takes_an_issue_that_no_agent_has() {
    let bench = Bench::start().await;
    let issue = bench
        .world
        .create_issue("ana", "Offset is ignored", "")
        .expect("created");
    let session = bench
        .world
        .mention("ben", &issue, "@deckhand fix it")
        .expect("mentioned");
    let conversation = ids::conversation(session.id());
    bench
        .linear
        .mark(&conversation, &ids::line(session.id()), Mark::Working)
        .await
        .expect("moved");
    let issue = bench.world.issue(&issue).expect("there");
    assert_eq!(
        (issue.state.as_str(), issue.delegate.as_deref()),
        ("In Progress", Some("deckhand"))
    );
    bench.assert_clean();
}

#[tokio::test]
async fn revise_and_another_repository_are_asked_for_in_words_once_a_press() {
    let mut bench = Bench::start().await;
    let (session, conversation, _) = at_the_plan(&mut bench).await;
    session.select("ana", "Revise").expect("offered");
    let Incoming::Pressed {
        press: Press::OpenCorrection {
            revision: 1,
            trigger,
        },
        ..
    } = bench.next().await.1
    else {
        panic!("not pressed")
    };
    let form = Form::Correction {
        revision: 1,
        plan: "1. Fix it.".to_owned(),
        editable: None,
    };
    for _ in 0..2 {
        bench
            .linear
            .open_form(&conversation, &trigger, &form)
            .await
            .expect("asked");
    }
    let asked = said(&session);
    assert_eq!(asked.len(), 2, "{}", session.render());
    assert!(asked[1].1.starts_with("What should be different"));
    assert_eq!(session.state(), SessionState::AwaitingInput);

    // Words would do, and so does the other choice of the plan, which is still there.
    session
        .say("ana", "repository:change")
        .expect("the value of the choice");
    let Incoming::Pressed {
        press: Press::OpenRepository { trigger },
        ..
    } = bench.next().await.1
    else {
        panic!("not pressed")
    };
    let form = Form::Repository {
        known: vec!["acme/api".to_owned(), "acme/web".to_owned()],
    };
    bench
        .linear
        .open_form(&conversation, &trigger, &form)
        .await
        .expect("asked");
    session.select("ana", "acme/api").expect("offered");
    let Incoming::Said { text, .. } = bench.next().await.1 else {
        panic!("not said")
    };
    assert_eq!(text, "repo=acme/api");
    bench.assert_clean();
}
