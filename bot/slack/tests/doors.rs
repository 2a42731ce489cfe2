//! What the stand-in delivers, signed, and what comes of it.
#![expect(
    clippy::unwrap_used,
    reason = "a delivery that cannot be read is a failed test"
)]

use std::collections::BTreeSet;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    calls::{Stage, stage, words},
    me,
};
use crate::{
    domain::{
        TaskId, Timestamp,
        incoming::{Incoming, Press},
    },
    slack::{Accepted, Meant, accept, form_to_value, meant, read, signature},
    surface::{Attempt, Control, Form, SurfaceError, Words},
};

type Knock = (HeaderMap, Bytes);

/// Doors that only pass on what knocks.
async fn doors(stage: &Stage) -> UnboundedReceiver<Knock> {
    async fn door(State(hall): State<UnboundedSender<Knock>>, headers: HeaderMap, body: Bytes) {
        hall.send((headers, body)).unwrap();
    }
    let (hall, knocks) = unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        axum::serve(
            listener,
            Router::new().route("/", post(door)).with_state(hall),
        )
        .await
    });
    stage.world.set_app_urls(&url, &url, &url);
    knocks
}

/// The payload of what knocked; its signature has to fit.
fn payload((headers, body): &Knock) -> Value {
    let header = |name: &str| headers[name].to_str().unwrap();
    let stated = header("x-slack-request-timestamp");
    let now = Timestamp(stated.parse::<i64>().unwrap() * 1_000);
    signature::verify(
        &SecretString::from("secret"),
        stated,
        header("x-slack-signature"),
        body,
        now,
    )
    .unwrap();
    serde_json::from_slice(body)
        .ok()
        .or_else(|| form_to_value(body))
        .unwrap()
}

/// The next delivery that would be stored; Slack tells the bot of its own deeds too.
async fn next(knocks: &mut UnboundedReceiver<Knock>) -> Value {
    loop {
        let knock = tokio::time::timeout(std::time::Duration::from_secs(10), knocks.recv())
            .await
            .unwrap()
            .unwrap();
        let payload = payload(&knock);
        if accept(&payload).is_some() {
            return payload;
        }
    }
}

fn identity() -> crate::slack::Identity {
    me(deckhand_world::slack::BOT_USER)
}

fn pressed(payload: &Value) -> Press {
    match read(payload, &identity()) {
        Incoming::Pressed { press, .. } => press,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_mention_knocks_twice_and_is_one_delivery() {
    let stage = stage().await;
    let mut knocks = doors(&stage).await;
    stage
        .world
        .mention("dora", "stage", "fix & mend it")
        .await
        .unwrap();
    let both = [next(&mut knocks).await, next(&mut knocks).await];
    let keys: BTreeSet<String> = both
        .iter()
        .filter_map(accept)
        .map(|Accepted { key, .. }| key)
        .collect();
    assert_eq!(keys.len(), 1, "{both:?}");
    for payload in &both {
        assert!(
            matches!(read(payload, &identity()), Incoming::Said { text, mentioned: true, .. } if text == "fix & mend it"),
            "{payload}"
        );
    }
}

#[tokio::test]
async fn a_correction_goes_from_button_to_form_and_back() {
    let stage = stage().await;
    let mut knocks = doors(&stage).await;
    let task = TaskId("k3f9qx".into());
    let plan = Words {
        controls: vec![
            Control::Approve { revision: 2 },
            Control::Edit { revision: 2 },
            Control::ChangeRepository,
        ],
        ..words("the plan")
    };
    stage
        .slack
        .say(
            &stage.conversation,
            "t1/plan-2",
            None,
            &plan,
            Attempt::First,
        )
        .await
        .unwrap();
    stage.thread.press("dora", "Approve").await.unwrap();
    assert_eq!(
        pressed(&next(&mut knocks).await),
        Press::Approve { revision: 2 }
    );

    stage.thread.press("dora", "Edit").await.unwrap();
    let Press::OpenCorrection {
        revision: 2,
        trigger,
    } = pressed(&next(&mut knocks).await)
    else {
        panic!("the form was not asked for")
    };
    let form = Form::Correction {
        revision: 2,
        plan: "1. Do it".into(),
        editable: None,
    };
    stage
        .slack
        .open_form(&trigger, (&stage.conversation, &task), &form)
        .await
        .unwrap();
    stage
        .thread
        .submit_view("dora", &[("said", "test first")])
        .await
        .unwrap();
    let sent = next(&mut knocks).await;
    assert_eq!(
        pressed(&sent),
        Press::Correct {
            revision: 2,
            text: "test first".into()
        }
    );
    assert_eq!(meant(&sent), Some(Meant::Task(task.clone())));
    assert_eq!(
        accept(&sent).unwrap().conversation_hint.as_ref(),
        Some(&stage.conversation)
    );

    stage
        .thread
        .press("dora", "Change repository")
        .await
        .unwrap();
    let Press::OpenRepository { trigger } = pressed(&next(&mut knocks).await) else {
        panic!("the form was not asked for")
    };
    let form = Form::Repository {
        known: vec!["acme/web".into(), "acme/api".into()],
    };
    stage
        .slack
        .open_form(&trigger, (&stage.conversation, &task), &form)
        .await
        .unwrap();
    stage
        .thread
        .submit_view("dora", &[("said", "acme/api")])
        .await
        .unwrap();
    assert_eq!(
        pressed(&next(&mut knocks).await),
        Press::ChooseRepository {
            text: "acme/api".into()
        }
    );

    let late = stage
        .slack
        .open_form(&trigger, (&stage.conversation, &task), &form)
        .await;
    assert!(
        matches!(late, Err(SurfaceError::Permanent { .. })),
        "a trigger opens one form: {late:?}"
    );
}

#[tokio::test]
async fn answers_come_back_from_buttons_and_menus() {
    let stage = stage().await;
    let mut knocks = doors(&stage).await;
    let question = |number: usize| Words {
        controls: (0..number)
            .map(|n| Control::Answer {
                question: 3,
                choice: format!("acme/repository-{n}"),
            })
            .collect(),
        ..words("Which one?")
    };
    stage
        .slack
        .say(
            &stage.conversation,
            "t1/question-3",
            None,
            &question(2),
            Attempt::First,
        )
        .await
        .unwrap();
    stage
        .thread
        .press("dora", "acme/repository-1")
        .await
        .unwrap();
    assert_eq!(
        pressed(&next(&mut knocks).await),
        Press::Answer {
            question: 3,
            text: "acme/repository-1".into()
        }
    );
    stage
        .slack
        .say(
            &stage.conversation,
            "t1/question-4",
            None,
            &question(20),
            Attempt::First,
        )
        .await
        .unwrap();
    stage
        .thread
        .choose("dora", crate::words::CHOOSE, "acme/repository-17")
        .await
        .unwrap();
    assert_eq!(
        pressed(&next(&mut knocks).await),
        Press::Answer {
            question: 3,
            text: "acme/repository-17".into()
        }
    );
    stage.ends_well();
}

#[tokio::test]
async fn a_command_is_asked_outside_of_any_thread() {
    let stage = stage().await;
    let mut knocks = doors(&stage).await;
    stage.world.slash("dora", "stage", "list").await.unwrap();
    let payload = next(&mut knocks).await;
    assert!(accept(&payload).is_some());
    assert!(
        matches!(read(&payload, &identity()), Incoming::Asked { text, .. } if text == "list"),
        "{payload}"
    );
}
