//! The Slack stand-in, tried without a bot: calls by a plain HTTP client, deliveries to a small receiver.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod calls;
mod clients;
mod deliveries;
mod limits;
mod page;
mod people;
mod receiver;

use deckhand_world::slack::{Slack, SlackOptions};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::receiver::Receiver;

pub(crate) const SECRET: &str = "shh";
pub(crate) const TOKEN: &str = "xoxb-test";

/// A stand-in, a receiver in the app's place, and a client for calls.
pub(crate) struct Stage {
    pub(crate) slack: Slack,
    pub(crate) app: Receiver,
    client: reqwest::Client,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let options = SlackOptions {
            signing_secret: SecretString::from(SECRET),
            bot_token: SecretString::from(TOKEN),
            port: 0,
            methods_dir: None,
        };
        let slack = Slack::start(options).await.unwrap();
        let app = Receiver::start().await;
        slack.set_app_urls(
            &app.url("events"),
            &app.url("interactions"),
            &app.url("commands"),
        );
        Self {
            slack,
            app,
            client: reqwest::Client::new(),
        }
    }

    /// Calls a method with a JSON body.
    pub(crate) async fn call(&self, method: &str, arguments: Value) -> Value {
        let request = self
            .client
            .post(self.method_url(method))
            .bearer_auth(TOKEN)
            .json(&arguments);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Calls a method by GET, with the arguments in the query.
    pub(crate) async fn ask(&self, method: &str, arguments: &[(&str, &str)]) -> Value {
        let request = self
            .client
            .get(self.method_url(method))
            .bearer_auth(TOKEN)
            .query(arguments);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) fn method_url(&self, method: &str) -> String {
        format!("{}/{method}", self.slack.api_url())
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Posts a message of the bot and gives its time stamp.
    pub(crate) async fn post(&self, channel: &str, thread: Option<&str>, text: &str) -> String {
        let mut arguments = json!({ "channel": channel, "text": text });
        if let Some(thread) = thread {
            arguments["thread_ts"] = json!(thread);
        }
        let answer = self.call("chat.postMessage", arguments).await;
        assert_eq!(answer["ok"], true, "{answer}");
        answer["ts"].as_str().unwrap().to_owned()
    }
}
