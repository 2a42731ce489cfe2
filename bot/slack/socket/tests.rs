//! Sockets, tried against the stand-in.
#![expect(
    clippy::unwrap_used,
    reason = "a connection that fails is a failed test"
)]

use std::sync::{Arc, Mutex};

use deckhand_world::slack::{
    APP_TOKEN, Farewell, Fault, Slack as World, SlackOptions, SocketFrame,
};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::*;
use crate::slack::limits::GARBAGE_MAX;

/// A Slack and the app's connections to it.
struct Stage {
    world: World,
    state: SocketState,
    keeper: PlaceKeeper,
    stop: CancellationToken,
    running: JoinHandle<()>,
    heard: Arc<Mutex<Vec<Envelope>>>,
    /// How many envelopes the door may still let in; without any it holds the line.
    open_door: Arc<Semaphore>,
}

/// Everything in moments, so that nobody waits; what is measured against each other keeps its order.
fn quick() -> Pace {
    Pace {
        open_within: Duration::from_secs(5),
        ping_every: Duration::from_millis(50),
        silent_after: Duration::from_millis(500),
        linger: Duration::from_secs(1),
        wait_first: Duration::from_millis(10),
        wait_most: Duration::from_millis(50),
        crowded_first: Duration::from_millis(20),
        crowded_most: Duration::from_millis(50),
        refused: Duration::from_millis(20),
        ..Pace::default()
    }
}

async fn world() -> World {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SlackOptions {
        signing_secret: SecretString::from("secret"),
        bot_token: SecretString::from("xoxb-test"),
        port: 0,
        methods_dir: None,
    };
    World::start(options).await.unwrap()
}

fn sockets(world: &World, token: &str) -> SocketMode {
    let token = SecretString::from(token.to_owned());
    SocketMode {
        pace: quick(),
        ..SocketMode::new(&world.api_url(), token).unwrap()
    }
}

/// What a door does that refuses whatever says so in its payload.
fn verdict(envelope: &Envelope) -> Taken {
    match &envelope.content {
        Content::Payload(payload) if payload["refuse"] == true => Taken::Refused,
        Content::Payload(_) | Content::Unknown(_) => Taken::Stored,
    }
}

fn stage(world: World, connections: u32) -> Stage {
    let sockets = sockets(&world, APP_TOKEN);
    let (state, stop) = (sockets.state(), CancellationToken::new());
    let keeper = sockets.keeper();
    keeper.fill(1..=connections, 0);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let open_door = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let (seen, gate) = (Arc::clone(&heard), Arc::clone(&open_door));
    let door = move |envelope: Envelope| {
        let (seen, gate) = (Arc::clone(&seen), Arc::clone(&gate));
        async move {
            let taken = verdict(&envelope);
            seen.lock().unwrap().push(envelope);
            gate.acquire().await.unwrap().forget();
            taken
        }
    };
    let running = tokio::spawn(sockets.run(door, stop.clone()));
    Stage {
        world,
        state,
        keeper,
        stop,
        running,
        heard,
        open_door,
    }
}

impl Stage {
    async fn post(&self, payload: Value) -> bool {
        self.world
            .post_envelope(json!({ "type": "events_api", "payload": payload }))
            .await
    }

    async fn close(self) {
        self.stop.cancel();
        self.running.await.unwrap();
        self.world.wait_for_sockets(0).await;
        assert_eq!(self.state.open(), 0);
        assert_eq!(self.world.violations(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_acknowledged_and_nothing_else() {
    let stage = stage(world().await, 1);
    stage.world.wait_for_sockets(1).await;
    assert!(stage.post(json!({"n": 1})).await);
    assert!(!stage.post(json!({"refuse": true})).await);
    assert!(stage.post(json!({"n": 2})).await, "the connection goes on");
    let workflow = json!({"type": "workflow", "payload": {}});
    assert!(stage.world.post_envelope(workflow).await);
    let heard = stage.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 4);
    assert!(matches!(&heard[3].content, Content::Unknown(whole) if whole["type"] == "workflow"));
    assert_eq!(stage.state.open(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_stands_before_the_old_one_ends() {
    let stage = stage(world().await, 1);
    for (why, asked) in [(Farewell::Warning, 2), (Farewell::RefreshRequested, 3)] {
        stage.world.wait_for_sockets(1).await;
        // The ticket for the next one has to be asked for twice: meanwhile the old one is read on.
        let fault = Fault::ServerError;
        stage.world.fail_next("apps.connections.open", fault);
        stage.world.renew_sockets(why);
        stage.world.wait_for_sockets(2).await;
        assert!(stage.post(json!({"n": asked})).await);
        assert_eq!(stage.world.sockets_asked(), asked);
    }
    // The old ones are let go of.
    stage.world.wait_for_sockets(1).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_mode_that_is_switched_off_is_left_alone() {
    let stage = stage(world().await, 2);
    stage.world.wait_for_sockets(2).await;
    stage.world.disable_socket_mode();
    // It ends by itself, without a signal.
    let ended = tokio::time::timeout(Duration::from_secs(30), stage.running).await;
    ended.unwrap().unwrap();
    assert_eq!(stage.world.sockets_asked(), 2);
    assert_eq!(stage.state.open(), 0);
    let trouble = stage.state.trouble().unwrap();
    assert!(trouble.contains("switched off"), "{trouble}");
    // Also where it is off from the beginning.
    let again = sockets(&stage.world, APP_TOKEN);
    let trouble = again.check().await.unwrap_err();
    assert!(trouble.contains("switched off"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_wait_for_room() {
    let world = world().await;
    world.limit_sockets(1);
    let stage = stage(world, 2);
    // The one that does not fit is tried again, and does not disturb the other.
    stage.world.wait_for_sockets_asked(4).await;
    assert_eq!((stage.world.sockets(), stage.state.open()), (1, 1));
    let trouble = stage.state.trouble().unwrap();
    assert!(trouble.contains("too many"), "{trouble}");
    assert!(stage.post(json!({"n": 1})).await);
    stage.world.limit_sockets(2);
    stage.world.wait_for_sockets(2).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_and_a_slack_that_fails_are_tried_again() {
    let stage = stage(world().await, 1);
    stage.world.wait_for_sockets(1).await;
    for fault in [
        Fault::ServerError,
        Fault::DropRequest,
        Fault::Error("invalid_auth".to_owned()),
        Fault::RateLimited {
            retry_after: Duration::from_secs(1),
        },
    ] {
        stage.world.fail_next("apps.connections.open", fault);
    }
    stage.world.break_sockets();
    stage.world.wait_for_sockets_asked(2).await;
    stage.world.close_sockets();
    stage.world.wait_for_sockets_asked(3).await;
    stage.world.wait_for_sockets(1).await;
    assert!(stage.post(json!({"n": 1})).await);
    stage.close().await;
}

/// The head of a text frame of so many bytes, and what comes of it.
fn head(bytes: u64) -> Vec<u8> {
    let mut head = vec![0x81, 127];
    head.extend(bytes.to_be_bytes());
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_end_at_most_their_connection() {
    let stage = stage(world().await, 1);
    stage.world.wait_for_sockets(1).await;
    let harmless = [
        SocketFrame::Text("{".to_owned()),
        SocketFrame::Text("[]".to_owned()),
        SocketFrame::Binary(vec![0xff, 0xfe].into()),
        SocketFrame::Binary(br#"{"type":"tomorrow"}"#.to_vec().into()),
        SocketFrame::Text(r#"{"type":"events_api","payload":{}}"#.to_owned()),
    ];
    for frame in &harmless {
        stage.world.send_through_sockets(frame);
    }
    assert!(stage.post(json!({"n": 1})).await);
    assert_eq!(stage.world.sockets_asked(), 1);
    let raw = |bytes: Vec<u8>| SocketFrame::Raw(bytes.into());
    let large = json!({ "text": "a".repeat(6 << 20) }).to_string();
    let endings = [
        ("an unknown kind of frame", raw(vec![0x83, 0])),
        ("text that is none", raw(vec![0x81, 1, 0xff])),
        ("a message that is too large", SocketFrame::Text(large)),
        ("a size that no machine has", raw(head(u64::MAX >> 1))),
        ("a frame that never ends", raw(head(4 << 20))),
    ];
    for (asked, (what, frame)) in endings.into_iter().enumerate() {
        stage.world.send_through_sockets(&frame);
        stage.world.wait_for_sockets_asked(asked + 2).await;
        stage.world.wait_for_sockets(1).await;
        assert!(stage.post(json!({"n": 2})).await, "after {what}");
    }
    // One that sends nothing else is given up.
    for _ in 0..=GARBAGE_MAX {
        stage.world.send_through_sockets(&harmless[0]);
    }
    stage.world.wait_for_sockets_asked(7).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_at_the_end_is_still_acknowledged() {
    let stage = stage(world().await, 1);
    stage.world.wait_for_sockets(1).await;
    stage.open_door.forget_permits(Semaphore::MAX_PERMITS);
    let world = stage.world.clone();
    let last = json!({ "type": "events_api", "payload": {"n": 1} });
    let posted = tokio::spawn(async move { world.post_envelope(last).await });
    while stage.heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stage.stop.cancel();
    stage.open_door.add_permits(1);
    assert!(posted.await.unwrap());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_given_up_is_free_when_what_is_in_hand_there_is_acknowledged() {
    let mut stage = stage(world().await, 2);
    stage.world.wait_for_sockets(2).await;
    stage.open_door.forget_permits(Semaphore::MAX_PERMITS);
    let world = stage.world.clone();
    let last = json!({ "type": "events_api", "payload": {"n": 1} });
    let posted = tokio::spawn(async move { world.post_envelope(last).await });
    while stage.heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    // One of them has the envelope in hand, and stays until that is stored.
    stage.keeper.fill([3], 0);
    let is_in_use = |stage: &Stage| [1, 2].map(|place| stage.keeper.is_in_use(place));
    while is_in_use(&stage) == [true, true] {
        assert!(stage.keeper.changed().await);
    }
    assert_ne!(is_in_use(&stage), [false, false]);
    stage.open_door.add_permits(1_000);
    assert!(posted.await.unwrap());
    while is_in_use(&stage) != [false, false] {
        assert!(stage.keeper.changed().await);
    }
    stage.world.wait_for_sockets(1).await;
    assert!(stage.post(json!({"n": 2})).await);
    assert_eq!((stage.state.open(), stage.state.trouble()), (1, None));
    // It may be filled again.
    stage.keeper.fill([1, 3], 0);
    stage.world.wait_for_sockets(2).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_says_what_is_wrong_and_leaves_nothing_open() {
    let world = world().await;
    sockets(&world, APP_TOKEN).check().await.unwrap();
    world.wait_for_sockets(0).await;
    let refused = sockets(&world, "xapp-of-another-app").check().await;
    let sentence = refused.unwrap_err();
    assert!(
        sentence.contains("invalid_auth") && sentence.contains("SLACK_APP_TOKEN"),
        "{sentence}"
    );
}

#[tokio::test]
async fn somebody_else_with_a_certificate_of_their_own_is_not_slack() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_ok()
    });
    let url = format!("wss://localhost:{port}/link/?ticket=canary");
    let Err(parting) = Connection::open(&url, quick()).await else {
        panic!("a stranger was taken for Slack");
    };
    let sentence = parting.sentence();
    assert!(
        sentence.contains("cannot prove") && !sentence.contains("canary"),
        "{sentence}"
    );
    assert!(!other.await.unwrap(), "nothing was said to them");
}

#[tokio::test]
async fn a_ticket_never_leads_from_an_encrypted_api_to_an_open_line() {
    let sockets = |url| SocketMode::new(url, SecretString::from("xapp-1")).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    assert_eq!(sockets("https://slack.com/api").scheme, "wss");
    assert_eq!(sockets("http://127.0.0.1:4100/api").scheme, "ws");
}
