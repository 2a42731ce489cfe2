//! Slack's other door: envelopes that come through connections that this side opened. One inbox stands behind both, with
//! the same keys, so what comes by both is one.

use axum::extract::FromRef as _;
use serde_json::Value;

use super::{
    Web,
    doors::{Doors, store, store_slack},
    options,
};
use crate::{
    slack::{
        self,
        socket::{Content, Envelope, Taken},
    },
    store::inbox::{NewDelivery, Source},
};

/// Stores an envelope. What the connection acknowledges is on the disk, or certainly nothing for us.
pub async fn take(web: Web, envelope: Envelope) -> Taken {
    if let Content::Payload(payload) = &envelope.content
        && let Some(entries) = options::entries(&web, payload).await
    {
        return Taken::Answered(entries);
    }
    if let Content::Payload(payload) = &envelope.content
        && let Some(told) = slack::wrong(payload)
    {
        return Taken::Answered(told);
    }
    let doors = Doors::from_ref(&web);
    // In time, as at the other door: Slack sends again what is not acknowledged within 3 seconds.
    let answer = match envelope.content {
        Content::Payload(payload) => store_slack(&doors, payload).await,
        // A new wrapping may hold what is known; and what is not known at all is kept, for whoever learns to read it.
        Content::Unknown(mut whole) => match slack::accept(&whole["payload"]) {
            Some(_) => store_slack(&doors, whole["payload"].take()).await,
            None => store(&doors, unknown(&envelope.id, whole))
                .await
                .answer(Source::Slack),
        },
    };
    if answer.status().is_success() {
        Taken::Stored
    } else {
        Taken::Refused
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
    use futures::future::BoxFuture;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::{
        clock::Clock,
        config::Config,
        domain::{
            conversation::{ConversationId, Person, Standing},
            incoming::Author,
            task::Task,
        },
        redact::Redactor,
        slack::tests::recorded::recordings,
        store::{Store, inbox::Next, tasks::Transition},
        surface::{People, SurfaceError},
        wake::Wake,
        web::doors::slack_event,
    };

    pub(in crate::web) const SECRET: &str = "canary-of-the-signing-secret";

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
            github: None,
            people: Arc::new(OnlyAna),
            known_pages: crate::web::api::KnownPages::default(),
            installing: None,
        }
    }

    /// A workspace in which Ana is a member and everybody else a guest.
    struct OnlyAna;

    impl People for OnlyAna {
        fn person_in<'a>(
            &'a self,
            home: &'a str,
            by: &'a Author,
        ) -> BoxFuture<'a, Result<Option<Person>, SurfaceError>> {
            let standing = if by.id.0.ends_with(":UANA") {
                Standing::Member
            } else {
                Standing::Guest
            };
            let person = Person {
                id: by.id.clone(),
                name: "Ana".to_owned(),
                standing,
            };
            Box::pin(std::future::ready(Ok((home == "T1").then_some(person))))
        }

        fn page_of<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Option<String>> {
            let page = format!("https://chat.example/{}", task.request.reference.0);
            Box::pin(std::future::ready(Some(page)))
        }
    }

    pub(in crate::web) fn envelope(id: &str, content: Content) -> Envelope {
        Envelope {
            id: id.to_owned(),
            content,
        }
    }

    pub(in crate::web) async fn by_http(web: &Web, payload: &Value) -> u16 {
        let body = payload.to_string();
        let now = u64::try_from(web.clock.now().0 / 1_000).unwrap();
        let secret = SecretString::from(SECRET);
        let signature = deckhand_world::slack::signature(&secret, now, body.as_bytes());
        let request = Request::post("/slack/events")
            .header("x-slack-request-timestamp", now)
            .header("x-slack-signature", signature)
            .body(Body::from(body))
            .unwrap();
        let answer = slack_event(State(Doors::from_ref(web)), request).await;
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

    pub(in crate::web) async fn stored(web: &Web) -> i64 {
        web.store.inbox_depth().await.unwrap().0
    }

    #[tokio::test]
    async fn one_inbox_stands_behind_both_doors() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (first, second) = (doors(&folders[0]).await, doors(&folders[1]).await);
        // As they were said: what stands behind a request that waits is heard, and what stood before it was not.
        let mut payloads = payloads();
        payloads.sort_by_key(|payload| payload["event"]["ts"].as_str().map(str::to_owned));
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

    /// What this project itself knows that Slack sends: doubled, in threads, alone with the bot, with files, edited, from
    /// an installation for a whole organisation, and much that is not for us.
    fn own_payloads() -> Vec<(String, Value)> {
        let message = |ts: &str, fields: Value| {
            let mut event = json!({
                "type": "message", "user": "U1", "channel": "C1", "channel_type": "channel", "ts": ts, "event_ts": ts,
            });
            for (name, value) in fields.as_object().into_iter().flatten() {
                event[name] = value.clone();
            }
            json!({
                "type": "event_callback", "team_id": "T1", "event_id": format!("Ev{ts}{fields}"), "event": event,
                "authorizations": [{ "team_id": "T1", "user_id": "U0BOT", "is_bot": true }],
            })
        };
        let said =
            |words: &str| json!({ "text": format!("<@U0BOT> {words} … \u{1f600} &amp; `code`") });
        let as_mention = |mut payload: Value| {
            payload["event"]["type"] = json!("app_mention");
            payload["event_id"] = json!("Ev-again");
            payload
        };
        let mut file = said("look at the picture");
        file["subtype"] = json!("file_share");
        file["files"] =
            json!([{ "id": "F1", "name": "a.png", "mimetype": "image/png", "size": 1 }]);
        let mut organisation = message("4.000001", said("fix it for all of us"));
        organisation["team_id"].take();
        organisation["authorizations"][0]["team_id"].take();
        organisation["enterprise_id"] = json!("E1");
        let mut numbers = message("5.000001", said("count them"));
        numbers["event"]["metadata"] = json!({ "event_type": "x", "event_payload": { "n": 1.5 } });
        let long = "many words ".repeat(3_000);
        [
            message("1.000001", said("fix the offset")),
            as_mention(message("1.000001", said("fix the offset"))),
            message("2.000001", file),
            message("3.000001", json!({ "channel": "D1", "channel_type": "im", "text": "alone with you" })),
            organisation,
            numbers,
            as_mention(message("6.000001", said(&long))),
            message("6.000001", said(&long)),
            message("7.000001", json!({ "text": "between two people" })),
            message("8.000001", json!({ "bot_id": "B9", "text": "<@U0BOT> from a program" })),
            message("9.000001", json!({
                "subtype": "message_changed", "hidden": true,
                "message": { "user": "U1", "ts": "1.000001", "text": "<@U0BOT> fix both", "edited": { "user": "U1", "ts": "9.000001" } },
                "previous_message": { "user": "U1", "ts": "1.000001", "text": "<@U0BOT> fix it" },
            })),
            json!({ "type": "event_callback", "event": { "type": "unheard_of" } }),
            json!({ "type": "interaction_of_tomorrow", "payload": [1, 2] }),
        ]
        .map(|payload| ("U0BOT".to_owned(), payload))
        .into()
    }

    /// The words of every request, by its channel and moment: what mentions the bot, and what is said to it alone.
    fn requests(payloads: &[(String, Value)]) -> BTreeMap<(String, String), String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = payloads.iter().filter_map(|(bot, payload)| {
            let event = &payload["event"];
            let is_said = event["type"] == "app_mention" || event["type"] == "message";
            let by_nobody = event["bot_id"].is_string()
                || event["user"] == bot.as_str()
                || event["subtype"] == "message_changed";
            let is_meant = event["type"] == "app_mention"
                || text(&event["text"]).contains(&format!("<@{bot}>"))
                || event["channel_type"] == "im";
            let place = (text(&event["channel"]), text(&event["ts"]));
            (is_said && is_meant && !by_nobody).then(|| (place, text(&event["text"])))
        });
        all.collect()
    }

    /// Takes everything out of the inbox, as dispatch does, and says what each request was stored with.
    pub(in crate::web) async fn taken_out(web: &Web) -> BTreeMap<(String, String), Vec<String>> {
        let mut all: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        while let Some(next) = web.store.next_delivery(web.clock.now()).await.unwrap() {
            let Next::Delivery(delivery) = next else {
                panic!("a delivery cannot be read")
            };
            let event = &delivery.body["event"];
            if event["subtype"] != "message_changed" {
                let place = (text(&event["channel"]), text(&event["ts"]));
                all.entry(place).or_default().push(text(&event["text"]));
            }
            let done = Transition {
                delivery: delivery.id.clone(),
                conversation: ConversationId(delivery.conversation.clone()),
                task: None,
                effects: Vec::new(),
                audit: Vec::new(),
                alone: None,
                settings: None,
            };
            web.store
                .commit(&done, &delivery.body, web.clock.now())
                .await
                .unwrap();
        }
        all
    }

    #[tokio::test]
    async fn in_whatever_order_and_however_often_a_request_is_one_delivery_with_all_its_words() {
        let recorded = recordings().unwrap_or_default().into_values();
        let payloads: Vec<(String, Value)> = recorded.chain(own_payloads()).collect();
        let requests = requests(&payloads);
        assert!(requests.len() >= 6, "{}", requests.len());
        for seed in 0..4_u64 {
            let folder = tempfile::tempdir().unwrap();
            let web = doors(&folder).await;
            let twice = payloads.iter().chain(&payloads);
            let mut order: Vec<(u64, &Value)> = twice
                .zip(0_u64..)
                .map(|((_, payload), place)| (place, payload))
                .collect();
            if seed > 0 {
                order.sort_by_key(|(place, _)| (place + seed).wrapping_mul(0x9e37_79b9) % 1_009);
            }
            for (place, payload) in order {
                if (place + seed) % 2 == 0 {
                    assert_eq!(by_http(&web, payload).await, 200, "{payload}");
                } else {
                    let content = Content::Payload(payload.clone());
                    let by_socket = envelope(&place.to_string(), content);
                    assert_eq!(take(web.clone(), by_socket).await, Taken::Stored);
                }
            }
            let stored = taken_out(&web).await;
            for (place, words) in &requests {
                assert_eq!(
                    stored.get(place),
                    Some(&vec![words.clone()]),
                    "{place:?} in the order {seed}"
                );
            }
        }
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
    async fn a_menu_gets_its_entries_by_both_doors_and_nothing_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let mut web = doors(&folder).await;
        let settings: BTreeMap<String, String> = [
            ("SLACK_BOT_TOKEN", "xoxb-1"),
            ("SLACK_SIGNING_SECRET", SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let file = "[[repository]]\nname = \"acme/web\"\n[[repository]]\nname = \"acme/api\"\n";
        web.config = Arc::new(Config::from_parts(&settings, file, "deckhand.toml").unwrap());
        let asked = json!({
            "type": "block_suggestion", "action_id": "said", "block_id": "said", "value": "we",
            "view": { "callback_id": "deckhand:repository" },
            "team": { "id": "T1" }, "user": { "id": "UANA" },
        });
        let content = Content::Payload(asked.clone());
        let Taken::Answered(by_socket) = take(web.clone(), envelope("e1", content)).await else {
            panic!("the menu got no entries")
        };
        assert_eq!(by_socket["options"][0]["value"], "acme/web");
        assert_eq!(by_socket["options"].as_array().map(Vec::len), Some(1));
        for (pointer, other) in [
            ("/user/id", json!("UGUS")),
            ("/team/id", json!("T2")),
            ("/user", Value::Null),
        ] {
            let mut by_other = asked.clone();
            *by_other.pointer_mut(pointer).unwrap() = other;
            let content = Content::Payload(by_other);
            let taken = take(web.clone(), envelope("e2", content)).await;
            assert_eq!(
                taken,
                Taken::Answered(json!({ "options": [] })),
                "{pointer}"
            );
        }

        let body = format!("payload={}", asked.to_string().replace('"', "%22"));
        let request = |signature: String, now: u64| {
            Request::post("/slack/options")
                .header("x-slack-request-timestamp", now)
                .header("x-slack-signature", signature)
                .body(Body::from(body.clone()))
                .unwrap()
        };
        let now = u64::try_from(web.clock.now().0 / 1_000).unwrap();
        let secret = SecretString::from(SECRET);
        let signature = deckhand_world::slack::signature(&secret, now, body.as_bytes());
        let state = State(web.clone());
        let answer = options::slack_options(state, request(signature, now)).await;
        let answer = axum::body::to_bytes(answer.into_body(), 10_000)
            .await
            .unwrap();
        let by_http: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(by_http, by_socket);
        let forged = options::slack_options(State(web.clone()), request("v0=00".into(), now)).await;
        assert_eq!(forged.status().as_u16(), 401);
        assert_eq!(stored(&web).await, 0);
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
