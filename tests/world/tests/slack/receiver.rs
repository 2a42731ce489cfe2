//! A receiver in the app's place: it records what it is sent, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use bytes::Bytes;
use deckhand_world::slack::signature;
use secrecy::SecretString;
use serde_json::Value;

/// One request that arrived.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) door: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The JSON in the form field `payload`.
    pub(crate) fn payload(&self) -> Value {
        let pairs = self.form();
        serde_json::from_str(&pairs.iter().find(|(name, _)| name == "payload").unwrap().1).unwrap()
    }

    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let url = format!(
            "http://form/?{}",
            String::from_utf8(self.body.to_vec()).unwrap()
        );
        reqwest::Url::parse(&url)
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect()
    }

    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let timestamp = self.header("x-slack-request-timestamp").parse().unwrap();
        signature(&SecretString::from(secret), timestamp, &self.body)
            == self.header("x-slack-signature")
    }
}

/// An answer: status, extra headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, &'static str)>, String);

#[derive(Clone, Default)]
struct Shelf {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

pub(crate) struct Receiver {
    address: String,
    shelf: Shelf,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Shelf::default();
        let router = Router::new()
            .route("/{door}", post(take))
            .with_state(shelf.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shelf }
    }

    pub(crate) fn url(&self, door: &str) -> String {
        format!("{}/{door}", self.address)
    }

    /// Sets the answers to the next requests; later ones are answered with an empty 200.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shelf.answers.lock().unwrap().extend(answers);
    }

    pub(crate) fn received(&self, door: &str) -> Vec<Received> {
        let all = self.shelf.received.lock().unwrap().clone();
        all.into_iter()
            .filter(|received| received.door == door)
            .collect()
    }

    /// The inner events that arrived, of one type.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let envelopes = self
            .received("events")
            .into_iter()
            .map(|received| received.json());
        envelopes
            .filter(|envelope| envelope["event"]["type"] == kind)
            .collect()
    }
}

async fn take(
    State(shelf): State<Shelf>,
    Path(door): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    shelf.received.lock().unwrap().push(Received {
        door,
        headers,
        body,
    });
    let answer = shelf.answers.lock().unwrap().pop_front();
    let (status, headers, body) = answer.unwrap_or((200, Vec::new(), String::new()));
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}
