//! A stand-in, a client of it, a receiver of its webhooks, and words to say.

use std::sync::Arc;

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use deckhand_world::linear::{Activity, Content, Linear as World, LinearOptions, Session};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    config::LinearConfig,
    domain::{
        Timestamp,
        conversation::{ConversationId, LineRef},
        incoming::Incoming,
    },
    linear::{Accepted, Linear, Relevance, accept, ids, read, verify},
    surface::{Attempt, Control, NoTokens, Step, StepStanding, TokenStore, Words, WordsKind},
};

/// The slot of most tests.
pub(super) const SLOT: &str = "abc123:plan-1";

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) linear: Linear,
    config: LinearConfig,
    webhooks: mpsc::UnboundedReceiver<(String, Bytes)>,
}

impl Bench {
    pub(super) async fn start() -> Self {
        let world = World::start(LinearOptions {
            retries: Vec::new(),
            ..LinearOptions::default()
        })
        .await
        .expect("started");
        let (sender, webhooks) = mpsc::unbounded_channel();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        world.set_webhook_url(&format!(
            "http://{}/",
            listener.local_addr().expect("bound")
        ));
        let take = async |State(sender): State<mpsc::UnboundedSender<(String, Bytes)>>,
                          headers: HeaderMap,
                          body: Bytes| {
            let signature = headers
                .get("linear-signature")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let _ = sender.send((signature.to_owned(), body));
        };
        let router = Router::new().route("/", post(take)).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let options = LinearOptions::default();
        let config = LinearConfig {
            client_id: options.client_id,
            client_secret: options.client_secret,
            webhook_secret: options.webhook_secret,
            api_url: world.api_url(),
            uploads_url: world.uploads_url(),
        };
        let linear = Linear::new(&config, Arc::new(NoTokens)).expect("set up");
        Self {
            world,
            linear,
            config,
            webhooks,
        }
    }

    /// The client of a process that was started again.
    pub(super) fn restarted(&self) -> Linear {
        Linear::new(&self.config, Arc::new(NoTokens)).expect("set up")
    }

    /// The same with a place where tokens outlive the process.
    pub(super) fn restarted_with(&self, tokens: Arc<dyn TokenStore>) -> Linear {
        Linear::new(&self.config, tokens).expect("set up")
    }

    /// A client with a wrong secret.
    pub(super) fn impostor(&self) -> Linear {
        let config = LinearConfig {
            client_secret: SecretString::from("canary"),
            ..self.config.clone()
        };
        Linear::new(&config, Arc::new(NoTokens)).expect("set up")
    }

    /// The next webhook of a session, checked, with its key and what it means.
    pub(super) async fn next(&mut self) -> (String, Incoming) {
        loop {
            let (accepted, incoming) = self.next_of_all().await;
            if accepted.relevance == Relevance::Certain {
                assert_eq!(incoming.conversation(), Some(&accepted.conversation));
                return (accepted.key, incoming);
            }
        }
    }

    async fn next_of_all(&mut self) -> (Accepted, Incoming) {
        let payload = self.next_payload().await;
        let accepted = accept(&payload, "not read").expect("it matters");
        (accepted, read(&payload, &self.config.uploads_url))
    }

    /// The next webhook of any kind, checked.
    pub(super) async fn next_payload(&mut self) -> Value {
        let waited =
            tokio::time::timeout(std::time::Duration::from_secs(10), self.webhooks.recv()).await;
        let (signature, body) = waited
            .expect("a webhook in time")
            .expect("the receiver lives");
        let now = Timestamp(jiff::Timestamp::now().as_millisecond());
        verify(&self.config.webhook_secret, &signature, &body, now).expect("it is Linear's");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Ana delegates an issue.
    pub(super) fn delegated(&self) -> (Session, ConversationId) {
        let issue = self
            .world
            .create_issue(
                "ana",
                "Offset is ignored",
                "When limit is over 100. repo=acme/web",
            )
            .expect("created");
        let session = self.world.delegate("ana", &issue).expect("delegated");
        let conversation = ids::conversation(session.id());
        (session, conversation)
    }

    pub(super) fn assert_clean(&self) {
        assert_eq!(self.world.violations(), Vec::<String>::new());
    }
}

/// What the agent said that no other activity took the place of: kind and words.
pub(super) fn said(session: &Session) -> Vec<(&'static str, String)> {
    let by_agent = |one: &Activity| !one.replaced && !matches!(one.content, Content::Prompt { .. });
    session
        .activities()
        .into_iter()
        .filter(by_agent)
        .map(|one| (one.content.kind(), one.content.text()))
        .collect()
}

fn words(markdown: &str, kind: WordsKind, controls: Vec<Control>) -> Words {
    Words {
        markdown: markdown.to_owned(),
        fallback: markdown.split(':').next().unwrap_or_default().to_owned(),
        mentions: None,
        controls,
        kind,
    }
}

/// A status at the step of this number, of three; at the end, with all of them done.
pub(super) fn status(markdown: &str, at: usize) -> Words {
    let step = |index: usize, title: &str| {
        let standing = match index.cmp(&at) {
            std::cmp::Ordering::Less => StepStanding::Done,
            std::cmp::Ordering::Equal => StepStanding::Active,
            std::cmp::Ordering::Greater => StepStanding::Pending,
        };
        Step {
            title: title.to_owned(),
            standing,
        }
    };
    let steps = vec![
        step(0, "Write a plan"),
        step(1, "Do the work"),
        step(2, "Publish the result"),
    ];
    let open = Control::Open {
        label: "Task page".to_owned(),
        url: "https://deckhand.example.com/tasks/abc123".to_owned(),
    };
    words(
        markdown,
        WordsKind::Status {
            headline: String::new(),
            steps,
            title: None,
            pace: crate::surface::Pace::Passing,
        },
        vec![Control::Cancel, open],
    )
}

pub(super) fn plan(markdown: &str) -> Words {
    let controls = vec![
        Control::Approve { revision: 1 },
        Control::Edit { revision: 1 },
        Control::ChangeRepository,
        Control::Cancel,
    ];
    words(markdown, WordsKind::Decision, controls)
}

pub(super) fn question(markdown: &str, choices: &[&str]) -> Words {
    let controls = choices
        .iter()
        .map(|choice| Control::Answer {
            question: 3,
            choice: (*choice).to_owned(),
        })
        .collect();
    words(markdown, WordsKind::Decision, controls)
}

pub(super) fn note(markdown: &str) -> Words {
    words(markdown, WordsKind::Note, Vec::new())
}

pub(super) fn result(markdown: &str) -> Words {
    let open = |label: &str, url: &str| Control::Open {
        label: label.to_owned(),
        url: url.to_owned(),
    };
    let controls = vec![
        open(
            "Open pull request",
            "https://github.example.com/acme/web/pull/1",
        ),
        open("Task page", "https://deckhand.example.com/tasks/abc123"),
    ];
    words(markdown, WordsKind::Ending { well: true }, controls)
}

pub(super) fn failure(markdown: &str) -> Words {
    words(
        markdown,
        WordsKind::Ending { well: false },
        vec![Control::Retry, Control::Cancel],
    )
}

pub(super) fn canceled(markdown: &str) -> Words {
    words(markdown, WordsKind::Ending { well: false }, Vec::new())
}

/// The slot of the status.
pub(super) const PROGRESS: &str = "abc123:progress-0";

/// Says something for the first time.
pub(super) async fn say(
    linear: &Linear,
    conversation: &ConversationId,
    slot: &str,
    words: &Words,
) -> LineRef {
    linear
        .say(conversation, slot, None, words, Attempt::First)
        .await
        .expect("said")
}

/// A session that waits at its plan: the references of status and plan are what was said first.
pub(super) async fn at_the_plan(bench: &mut Bench) -> (Session, ConversationId, [LineRef; 2]) {
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
