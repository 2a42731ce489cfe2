//! What goes wrong at the wire.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use deckhand_world::linear::Fault;
use futures::future::BoxFuture;

use super::bench::{Bench, SLOT, plan, said};
use crate::surface::{Attempt, PictureFile, SurfaceError, Token, TokenStore};

#[tokio::test]
async fn words_behind_a_broken_answer_are_not_said_twice() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench
        .world
        .fail_next("agentActivityCreate", Fault::DoneButAnswered(502));
    let first = bench
        .linear
        .say(
            &conversation,
            SLOT,
            None,
            &plan("The plan."),
            Attempt::First,
        )
        .await;
    assert!(
        matches!(
            first,
            Err(SurfaceError::Transient {
                retry_after: None,
                ..
            })
        ),
        "{first:?}"
    );
    let again = bench
        .restarted()
        .say(
            &conversation,
            SLOT,
            None,
            &plan("The plan."),
            Attempt::Repeated,
        )
        .await
        .expect("found");
    assert_eq!(said(&session).len(), 1);
    assert_eq!(again.0, format!("linear:{}", session.activities()[0].id));
    bench.assert_clean();
}

#[tokio::test]
async fn words_that_were_lost_are_said_again() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench
        .world
        .fail_next("agentActivityCreate", Fault::Status(503));
    bench
        .linear
        .say(
            &conversation,
            SLOT,
            None,
            &plan("The plan."),
            Attempt::First,
        )
        .await
        .expect_err("lost");
    bench
        .linear
        .say(
            &conversation,
            SLOT,
            None,
            &plan("The plan."),
            Attempt::Repeated,
        )
        .await
        .expect("said");
    assert_eq!(said(&session).len(), 1);
}

#[tokio::test]
async fn pictures_behind_a_broken_answer_are_not_sent_twice() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    let pictures = [PictureFile {
        name: "after.png".to_owned(),
        title: "After".to_owned(),
        png: b"bytes".to_vec(),
    }];
    bench
        .world
        .fail_next("agentActivityCreate", Fault::DoneButAnswered(500));
    bench
        .linear
        .show_pictures(&conversation, &pictures, Attempt::First)
        .await
        .expect_err("the answer was lost");
    bench
        .linear
        .show_pictures(&conversation, &pictures, Attempt::Repeated)
        .await
        .expect("found");
    assert_eq!((said(&session).len(), bench.world.uploads().len()), (1, 1));
}

#[tokio::test]
async fn a_token_that_was_taken_away_is_replaced() {
    let bench = Bench::start().await;
    bench.linear.check().await.expect("signed in");
    bench.world.expire_tokens();
    bench.linear.check().await.expect("signed in again");
    bench.world.fail_next("viewer", Fault::Unauthorized);
    bench.linear.check().await.expect("signed in again");
}

#[tokio::test]
async fn a_fresh_token_that_is_not_taken_either_is_no_reason_to_give_up() {
    let bench = Bench::start().await;
    bench.linear.check().await.expect("signed in");
    for _ in 0..2 {
        bench.world.fail_next("viewer", Fault::Unauthorized);
    }
    let error = bench.linear.check().await.expect_err("refused twice");
    assert!(matches!(error, SurfaceError::Transient { .. }), "{error:?}");
    bench.linear.check().await.expect("signed in again");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_without_being_shown() {
    let bench = Bench::start().await;
    let error = bench.impostor().check().await.expect_err("refused");
    assert_eq!(
        error,
        SurfaceError::Permanent {
            what: "signing in at Linear".to_owned(),
            code: "invalid_client".to_owned()
        }
    );
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait() {
    let bench = Bench::start().await;
    bench
        .world
        .fail_next("viewer", Fault::RateLimited { reset: 60 });
    let error = bench.linear.check().await.expect_err("too fast");
    let SurfaceError::Transient {
        retry_after: Some(pause),
        ..
    } = error
    else {
        panic!("{error}")
    };
    assert!(
        pause > Duration::from_secs(50) && pause <= Duration::from_mins(1),
        "{pause:?}"
    );
}

#[tokio::test]
async fn a_checklist_that_cannot_be_shown_holds_nothing_up() {
    let bench = Bench::start().await;
    let (session, conversation) = bench.delegated();
    bench
        .world
        .fail_next("agentSessionUpdate", Fault::Status(500));
    let words = super::bench::status("Working.", 1);
    bench
        .linear
        .say(&conversation, SLOT, None, &words, Attempt::First)
        .await
        .expect("said");
    assert!(session.plan().is_empty());
    bench
        .linear
        .say(&conversation, SLOT, None, &words, Attempt::First)
        .await
        .expect("shown");
    assert_eq!((session.plan().len(), session.activities().len()), (3, 1));
}

#[tokio::test]
async fn a_session_that_is_gone_is_a_refusal_in_linears_words() {
    let bench = Bench::start().await;
    let gone = crate::linear::ids::conversation("00000000-0000-4000-8000-000000000000");
    let error = bench
        .linear
        .say(&gone, SLOT, None, &plan("The plan."), Attempt::First)
        .await
        .expect_err("gone");
    assert!(
        matches!(&error, SurfaceError::Permanent { code, .. } if code.contains("Entity not found")),
        "{error}"
    );
    let elsewhere = crate::domain::conversation::ConversationId("slack:C1:1".to_owned());
    let error = bench
        .linear
        .say(&elsewhere, SLOT, None, &plan("The plan."), Attempt::First)
        .await
        .expect_err("not of Linear");
    assert!(matches!(error, SurfaceError::Permanent { code, .. } if code == "not_of_linear"));
}

/// Keeps one token, and counts how often a fresh one was put in.
#[derive(Debug, Default)]
struct Memory {
    token: Mutex<Option<(String, Token)>>,
    put_in: AtomicUsize,
    withdrawn: AtomicBool,
}

impl TokenStore for Memory {
    fn kept<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<Token>> {
        let kept = self.token.lock().expect("no panic").clone();
        let token = kept
            .filter(|(known, _)| known == name)
            .map(|(_, token)| token);
        Box::pin(std::future::ready(token))
    }

    fn keep<'a>(&'a self, name: &'a str, token: &'a Token) -> BoxFuture<'a, ()> {
        self.put_in.fetch_add(1, Ordering::Relaxed);
        *self.token.lock().expect("no panic") = Some((name.to_owned(), token.clone()));
        Box::pin(std::future::ready(()))
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        *self.token.lock().expect("no panic") = None;
        Box::pin(std::future::ready(()))
    }

    fn is_withdrawn<'a>(&'a self, surface: &'a str) -> BoxFuture<'a, bool> {
        assert_eq!(surface, "linear");
        let is_withdrawn = self.withdrawn.load(Ordering::Relaxed);
        Box::pin(std::future::ready(is_withdrawn))
    }
}

#[tokio::test]
async fn where_access_was_taken_away_no_token_is_taken_out() {
    let bench = Bench::start().await;
    let memory = Arc::new(Memory::default());
    let linear = bench.restarted_with(memory.clone());
    linear.check().await.expect("signed in");
    memory.withdrawn.store(true, Ordering::Relaxed);
    linear.sign_out().await;
    assert!(memory.token.lock().expect("no panic").is_none());
    for _ in 0..2 {
        let error = linear.check().await.expect_err("no access");
        assert!(matches!(error, SurfaceError::Permanent { .. }), "{error}");
    }
    assert_eq!(memory.put_in.load(Ordering::Relaxed), 1);
    memory.withdrawn.store(false, Ordering::Relaxed);
    linear.check().await.expect("given again");
    assert_eq!(memory.put_in.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_token_outlives_the_process_and_one_that_died_meanwhile_is_replaced() {
    let bench = Bench::start().await;
    let memory = Arc::new(Memory::default());
    for _ in 0..2 {
        let linear = bench.restarted_with(memory.clone());
        linear.check().await.expect("signed in");
        assert_eq!(memory.put_in.load(Ordering::Relaxed), 1);
    }
    bench.world.expire_tokens();
    let linear = bench.restarted_with(memory.clone());
    linear.check().await.expect("signed in again");
    assert_eq!(memory.put_in.load(Ordering::Relaxed), 2);
    assert!(memory.token.lock().expect("no panic").is_some());
}
