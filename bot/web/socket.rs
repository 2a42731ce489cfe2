//! Slack's other door: envelopes that come through connections that this side opened. One inbox stands behind both, with
//! the same keys, so what comes by both is one.

use std::time::Duration;

use serde_json::Value;

use super::{
    Web,
    doors::{store, store_slack},
};
use crate::{
    slack::{
        self,
        socket::{Content, Envelope, Taken},
    },
    store::inbox::{NewDelivery, Source},
};

/// How long storing may take. Slack sends again what is not acknowledged within 3 seconds; a repeat is a no-op.
const STORE_WITHIN: Duration = Duration::from_secs(5);

/// Stores an envelope. What the connection acknowledges is on the disk, or certainly nothing for us.
pub async fn take(web: Web, envelope: Envelope) -> Taken {
    let storing = async {
        match envelope.content {
            Content::Payload(payload) => store_slack(&web, payload).await,
            // A new wrapping may hold what is known; and what is not known at all is kept, for whoever learns to read it.
            Content::Unknown(mut whole) => match slack::accept(&whole["payload"]) {
                Some(_) => store_slack(&web, whole["payload"].take()).await,
                None => store(&web, unknown(&envelope.id, whole)).await,
            },
        }
    };
    match tokio::time::timeout(STORE_WITHIN, storing).await {
        Ok(answer) if answer.status().is_success() => Taken::Stored,
        Ok(_) => Taken::Refused,
        Err(_) => {
            tracing::error!("a delivery through a socket could not be stored in time");
            Taken::Refused
        }
    }
}

fn unknown(id: &str, whole: Value) -> NewDelivery {
    let key = format!("envelope:{id}");
    NewDelivery {
        source: Source::Slack,
        conversation: key.clone(),
        key,
        body: whole,
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::{collections::BTreeMap, sync::Arc};

    use axum::{
        body::Body,
        extract::{Request, State},
    };
    use metrics_exporter_prometheus::PrometheusBuilder;
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::{
        clock::Clock, config::Config, redact::Redactor, slack::tests::recorded::recordings,
        store::Store, wake::Wake, web::doors::slack_event,
    };

    const SECRET: &str = "canary-of-the-signing-secret";

    /// A bot's doors with an inbox in this folder, and nothing behind it.
    pub(in crate::web) async fn doors(folder: &tempfile::TempDir) -> Web {
        let settings = [
            ("SLACK_BOT_TOKEN", "xoxb-1"),
            ("SLACK_SIGNING_SECRET", SECRET),
        ];
        let settings: BTreeMap<String, String> = settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let database = format!("sqlite:{}", folder.path().join("inbox").display());
        let config = Config::from_parts(&settings, "", "deckhand.toml").unwrap();
        Web {
            config: Arc::new(config),
            store: Store::open(&database).await.unwrap(),
            clock: Clock::default(),
            wake: Wake::default(),
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            health: super::super::health::Health::default(),
            heartbeats: crate::heartbeat::Heartbeats::default(),
            sockets: None,
            redactor: Redactor::new(Vec::new()).unwrap(),
        }
    }

    fn envelope(id: &str, content: Content) -> Envelope {
        Envelope {
            id: id.to_owned(),
            content,
        }
    }

    async fn by_http(web: &Web, payload: &Value) -> u16 {
        let body = payload.to_string();
        let now = u64::try_from(web.clock.now().0 / 1_000).unwrap();
        let secret = SecretString::from(SECRET);
        let signature = deckhand_world::slack::signature(&secret, now, body.as_bytes());
        let request = Request::post("/slack/events")
            .header("x-slack-request-timestamp", now)
            .header("x-slack-signature", signature)
            .body(Body::from(body))
            .unwrap();
        let answer = slack_event(State(web.clone()), request).await;
        answer.status().as_u16()
    }

    /// What production sent, where it is at hand, and a mention in any case.
    fn payloads() -> Vec<Value> {
        let mention = json!({
            "type": "event_callback", "team_id": "T1", "event_id": "Ev1",
            "event": {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "1.000001", "text": "<@U0BOT> fix it"},
        });
        let recorded = recordings().unwrap_or_default().into_values();
        recorded
            .map(|(_, payload)| payload)
            .chain([mention])
            .collect()
    }

    async fn stored(web: &Web) -> i64 {
        web.store.inbox_depth().await.unwrap().0
    }

    #[tokio::test]
    async fn one_inbox_stands_behind_both_doors() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (first, second) = (doors(&folders[0]).await, doors(&folders[1]).await);
        let payloads = payloads();
        for (number, payload) in payloads.iter().enumerate() {
            let content = Content::Payload(payload.clone());
            let by_socket = envelope(&number.to_string(), content);
            assert_eq!(take(first.clone(), by_socket).await, Taken::Stored);
            assert_eq!(by_http(&second, payload).await, 200, "{payload}");
        }
        let all = stored(&first).await;
        assert!(all > 0);
        assert_eq!(
            stored(&second).await,
            all,
            "a door hears what the other does not"
        );
        for payload in payloads.iter().rev() {
            let again = envelope("again", Content::Payload(payload.clone()));
            assert_eq!(take(second.clone(), again).await, Taken::Stored);
            assert_eq!(by_http(&first, payload).await, 200, "{payload}");
        }
        let now = (stored(&first).await, stored(&second).await);
        assert_eq!(now, (all, all), "what came before is known by both doors");
    }

    #[tokio::test]
    async fn what_is_known_in_a_new_wrapping_is_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let web = doors(&folder).await;
        let mention = payloads().pop().unwrap();
        let wrapped = json!({"type": "events_api_of_tomorrow", "payload": mention});
        for (id, content) in [
            ("e1", Content::Payload(mention)),
            ("e2", Content::Unknown(wrapped)),
        ] {
            assert_eq!(
                take(web.clone(), envelope(id, content)).await,
                Taken::Stored
            );
            assert_eq!(stored(&web).await, 1);
        }
        let unknown = Content::Unknown(json!({"type": "workflow"}));
        for _ in 0..2 {
            let unknown = envelope("e3", unknown.clone());
            assert_eq!(take(web.clone(), unknown).await, Taken::Stored);
            assert_eq!(stored(&web).await, 2);
        }
    }

    #[tokio::test]
    async fn what_is_not_on_the_disk_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let web = doors(&folder).await;
        web.store.close().await;
        let mention = payloads().pop().unwrap();
        for content in [Content::Payload(mention), Content::Unknown(json!({}))] {
            let refused = take(web.clone(), envelope("e1", content)).await;
            assert_eq!(refused, Taken::Refused);
        }
    }
}
