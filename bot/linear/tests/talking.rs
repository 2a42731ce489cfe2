//! What is said, and how the session stands afterwards.

use deckhand_world::linear::{Fault, Session, SessionState};

use super::bench::{Bench, SLOT, canceled, failure, note, plan, question, result, said, status};
use crate::{
    domain::{
        conversation::{ConversationId, LineRef, PersonId},
        effect::Mark,
        incoming::{Incoming, Press},
    },
    linear::{Linear, ids},
    surface::{Attempt, Form, PictureFile, SurfaceError, Words},
};

const PROGRESS: &str = "abc123:progress-0";

async fn say(linear: &Linear, conversation: &ConversationId, slot: &str, words: &Words) -> LineRef {
    linear
        .say(conversation, slot, None, words, Attempt::First)
        .await
        .expect("said")
}

fn picture(name: &str) -> PictureFile {
    PictureFile {
        name: name.to_owned(),
        title: format!("The table, {name}"),
        png: b"\x89PNG not really".to_vec(),
    }
}

/// A session that waits at its plan: the references of status and plan are what was said first.
async fn at_the_plan(bench: &mut Bench) -> (Session, ConversationId, [LineRef; 2]) {
    let (session, conversation) = bench.delegated();
    bench.next().await;
    let linear = &bench.linear;
    let progress = say(
        linear,
        &conversation,
        PROGRESS,
        &status("Writing a plan.", 0),
    )
    .await;
    let card = say(linear, &conversation, SLOT, &plan("The plan: 1. Fix it.")).await;
    (session, conversation, [progress, card])
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
