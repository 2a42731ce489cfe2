//! Socket Mode as an app meets it: tickets, connections, envelopes with acknowledgements, and the ways in which Slack ends
//! connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::delivery::{Attempt, Delivery, Door, FirstTry, Outcome, Parcel, RETRY_PAUSES};
use super::directory::APP_ID;
use super::limits::{DELIVERY_PATIENCE, SOCKETS};
use super::thread::USUAL_PATIENCE;

/// The token that opens connections.
pub const APP_TOKEN: &str = "xapp-1-A0DECK-canary-of-the-app-level-token-8812";

/// Why Slack ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Its host goes in about ten seconds.
    Warning,
    /// It lasted long enough.
    RefreshRequested,
}

/// Something that goes through a connection and is no envelope.
#[derive(Clone, Debug)]
pub enum SocketFrame {
    /// A text frame.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
    /// Bytes on the line, whatever they are.
    Raw(Bytes),
}

/// The connections of the app.
pub(crate) struct Sockets {
    held: Mutex<Held>,
    /// How many are open, and how many were asked for so far.
    numbers: watch::Sender<(usize, usize)>,
}

struct Held {
    address: String,
    tickets: BTreeSet<String>,
    links: BTreeMap<u64, Link>,
    last_link: u64,
    most: usize,
    is_disabled: bool,
    /// Connections that were asked for so far, whatever became of them.
    asked: usize,
    waiting: HashMap<String, oneshot::Sender<String>>,
    sent: BTreeSet<String>,
}

struct Link {
    orders: mpsc::UnboundedSender<Order>,
    is_leaving: bool,
}

enum Order {
    Say(Message),
    Raw(Bytes),
    Close,
    Break,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self {
            held: Mutex::new(Held {
                address: String::new(),
                tickets: BTreeSet::new(),
                links: BTreeMap::new(),
                last_link: 0,
                most: SOCKETS,
                is_disabled: false,
                asked: 0,
                waiting: HashMap::new(),
                sent: BTreeSet::new(),
            }),
            numbers: watch::Sender::new((0, 0)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to `apps.connections.open`: an address that is good for one connection.
    pub(crate) fn ticket(&self) -> Value {
        let ticket = uuid::Uuid::new_v4().simple().to_string();
        let mut held = self.held();
        held.tickets.insert(ticket.clone());
        json!({ "url": format!("ws://{}/link/?ticket={ticket}&app_id={APP_ID}", held.address) })
    }

    fn enter(&self, orders: mpsc::UnboundedSender<Order>) -> Result<(u64, usize), &'static str> {
        let mut held = self.held();
        if held.is_disabled {
            return Err("link_disabled");
        }
        if held.links.len() >= held.most {
            return Err("too_many_websockets");
        }
        held.last_link += 1;
        let (id, is_leaving) = (held.last_link, false);
        held.links.insert(id, Link { orders, is_leaving });
        Ok((id, held.links.len()))
    }

    fn tell_numbers(&self) {
        let held = self.held();
        self.numbers.send_replace((held.links.len(), held.asked));
    }

    /// Sends an order to every connection.
    fn order(&self, order: impl Fn() -> Order) {
        for link in self.held().links.values() {
            // A connection that has just ended hears nothing.
            let _ = link.orders.send(order());
        }
    }

    /// Sends an envelope through the next connection in turn that is not about to end; none where there is no such one.
    fn send(&self, id: &str, text: String) -> Option<oneshot::Receiver<String>> {
        let mut held = self.held();
        let usable: Vec<u64> = held
            .links
            .iter()
            .filter(|(_, link)| !link.is_leaving)
            .map(|(id, _)| *id)
            .collect();
        let turn = held.sent.len().checked_rem(usable.len())?;
        let link = &held.links[&usable[turn]];
        link.orders.send(Order::Say(Message::text(text))).ok()?;
        let (acknowledge, acknowledged) = oneshot::channel();
        held.sent.insert(id.to_owned());
        held.waiting.insert(id.to_owned(), acknowledge);
        Some(acknowledged)
    }

    /// Takes what the app says; an error is what Slack would not understand.
    fn hear(&self, text: &str) -> Result<(), String> {
        let answer: Value =
            serde_json::from_str(text).map_err(|_| format!("no JSON through a socket: {text}"))?;
        let id = answer["envelope_id"].as_str().unwrap_or_default();
        let mut held = self.held();
        if !held.sent.contains(id) {
            return Err(format!("no envelope of this name was sent: {text}"));
        }
        if let Some(waiting) = held.waiting.remove(id) {
            let payload = &answer["payload"];
            // Slack's own client puts an empty object where it has nothing to say.
            let told = if payload.is_null() || *payload == json!({}) {
                String::new()
            } else {
                payload.to_string()
            };
            // Slack has stopped waiting where nobody takes it.
            let _ = waiting.send(told);
        }
        Ok(())
    }
}

/// Listens for connections until `ending`.
pub(crate) async fn listen(core: Arc<Core>, ending: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .context("listening for sockets")?;
    core.sockets.held().address = listener.local_addr()?.to_string();
    tokio::spawn(ending.run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(link(Arc::clone(&core), stream));
        }
    }));
    Ok(())
}

/// One connection, from its ticket to its end.
async fn link(core: Arc<Core>, stream: TcpStream) {
    let tickets = &core.sockets;
    #[expect(clippy::result_large_err, reason = "the library's own shape")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let query = request.uri().query().unwrap_or_default();
        let ticket = query
            .split('&')
            .find_map(|part| part.strip_prefix("ticket="));
        if ticket.is_some_and(|ticket| tickets.held().tickets.remove(ticket)) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    let Ok(mut stream) = accept_hdr_async(stream, check).await else {
        return;
    };
    let (orders, mut ordered) = mpsc::unbounded_channel();
    core.sockets.held().asked += 1;
    let (id, number) = match core.sockets.enter(orders) {
        Ok(entered) => entered,
        Err(reason) => {
            core.sockets.tell_numbers();
            let _ = stream.send(farewell(reason)).await;
            let _ = stream.close(None).await;
            return;
        }
    };
    let hello = json!({
        "type": "hello", "num_connections": number, "connection_info": { "app_id": APP_ID },
        "debug_info": { "host": "applink-1", "build_number": 52, "approximate_connection_time": 18060 },
    });
    if stream.send(Message::text(hello.to_string())).await.is_ok() {
        core.sockets.tell_numbers();
        converse(&core, &mut stream, &mut ordered).await;
    }
    core.sockets.held().links.remove(&id);
    core.sockets.tell_numbers();
}

async fn converse(
    core: &Core,
    stream: &mut WebSocketStream<TcpStream>,
    ordered: &mut mpsc::UnboundedReceiver<Order>,
) {
    loop {
        tokio::select! {
            order = ordered.recv() => {
                let done = match order {
                    Some(Order::Say(message)) => stream.send(message).await.is_ok(),
                    Some(Order::Raw(bytes)) => stream.get_mut().write_all(&bytes).await.is_ok(),
                    Some(Order::Close) => stream.close(None).await.is_ok(),
                    Some(Order::Break) | None => false,
                };
                if !done {
                    return;
                }
            }
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Err(violation) = core.sockets.hear(&text) {
                        core.record_violation(violation);
                    }
                }
                Some(Ok(Message::Binary(_))) => {
                    core.record_violation("a binary frame through a socket".to_owned());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}

fn farewell(reason: &str) -> Message {
    let said =
        json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "applink-1" } });
    Message::text(said.to_string())
}

impl Core {
    /// Delivers through a connection, with retries where it is something that Slack retries.
    pub(crate) async fn deliver_by_socket(&self, parcel: &Parcel, first: FirstTry) -> Delivery {
        let kind = match parcel.door {
            Door::Events => "events_api",
            Door::Interactions | Door::Options => "interactive",
            Door::Commands => "slash_commands",
        };
        let mut delivery = Delivery {
            door: parcel.door,
            what: parcel.what.clone(),
            event_id: parcel.event_id.clone(),
            at: Instant::now(),
            attempts: Vec::new(),
            answer: String::new(),
        };
        let retries = match parcel.door {
            Door::Events => RETRY_PAUSES.len(),
            Door::Interactions | Door::Commands | Door::Options => 0,
        };
        let earlier = match first {
            FirstTry::Fresh => 0,
            FirstTry::Repeat => 1,
        };
        let payload = payload(parcel);
        for retry in 0..=retries {
            let number = earlier + retry;
            let envelope = json!({
                "type": kind, "accepts_response_payload": parcel.door != Door::Events, "payload": payload,
                "retry_attempt": number, "retry_reason": if number == 0 { "" } else { "timeout" },
            });
            let begun = Instant::now();
            let (outcome, answer) = self.send_envelope(envelope).await;
            let elapsed = begun.elapsed();
            let is_taken = outcome == Outcome::Acknowledged;
            delivery.attempts.push(Attempt { outcome, elapsed });
            delivery.answer = answer;
            match RETRY_PAUSES.get(retry) {
                Some(pause) if !is_taken && retry < retries => tokio::time::sleep(*pause).await,
                _ => break,
            }
        }
        delivery
    }

    /// Sends one envelope and waits as long as Slack does; each try has a name of its own.
    async fn send_envelope(&self, mut envelope: Value) -> (Outcome, String) {
        let id = uuid::Uuid::new_v4().to_string();
        envelope["envelope_id"] = json!(id);
        let accepts = envelope["accepts_response_payload"] == true;
        let Some(acknowledged) = self.sockets.send(&id, envelope.to_string()) else {
            return (Outcome::Unreachable, String::new());
        };
        match tokio::time::timeout(DELIVERY_PATIENCE, acknowledged).await {
            Ok(Ok(answer)) => {
                if !accepts && !answer.is_empty() {
                    self.record_violation("an acknowledgement answers what takes none".to_owned());
                }
                (Outcome::Acknowledged, answer)
            }
            Ok(Err(_)) | Err(_) => (Outcome::TimedOut, String::new()),
        }
    }
}

/// What a parcel holds, as JSON: forms come unwrapped through a socket.
fn payload(parcel: &Parcel) -> Value {
    if parcel.content_type == "application/json" {
        return serde_json::from_slice(&parcel.body).unwrap_or_default();
    }
    let form = String::from_utf8_lossy(&parcel.body);
    let Ok(mut address) = reqwest::Url::parse("form:/") else {
        unreachable!("it is an address");
    };
    address.set_query(Some(&form));
    let mut fields = Map::new();
    for (name, value) in address.query_pairs() {
        if name == "payload" {
            return serde_json::from_str(&value).unwrap_or_default();
        }
        fields.insert(name.into_owned(), Value::String(value.into_owned()));
    }
    Value::Object(fields)
}

impl super::Slack {
    /// How many connections of the app are open.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.core.sockets.held().links.len()
    }

    /// How many connections the app has asked for so far, the refused ones too.
    #[must_use]
    pub fn sockets_asked(&self) -> usize {
        self.core.sockets.held().asked
    }

    /// Waits until so many connections are open.
    pub async fn wait_for_sockets(&self, number: usize) {
        self.wait_for_numbers(|open, _| open == number).await;
    }

    /// Waits until the app has asked for so many connections since the beginning.
    pub async fn wait_for_sockets_asked(&self, number: usize) {
        self.wait_for_numbers(|_, asked| asked >= number).await;
    }

    async fn wait_for_numbers(&self, wanted: impl Fn(usize, usize) -> bool) {
        let mut numbers = self.core.sockets.numbers.subscribe();
        let waiting = numbers.wait_for(|(open, asked)| wanted(*open, *asked));
        let came = tokio::time::timeout(USUAL_PATIENCE, waiting).await.is_ok();
        let (open, asked) = *self.core.sockets.numbers.borrow();
        assert!(came, "{open} connections are open, {asked} were asked for");
    }

    /// Tells every connection that it ends soon; nothing new goes through it. It is closed by [`Self::close_sockets`], or
    /// by the app.
    pub fn renew_sockets(&self, why: Farewell) {
        let reason = match why {
            Farewell::Warning => "warning",
            Farewell::RefreshRequested => "refresh_requested",
        };
        for link in self.core.sockets.held().links.values_mut() {
            link.is_leaving = true;
            let _ = link.orders.send(Order::Say(farewell(reason)));
        }
    }

    /// Switches Socket Mode off: open connections are told and closed, new ones are too.
    pub fn disable_socket_mode(&self) {
        self.core.sockets.held().is_disabled = true;
        self.core
            .sockets
            .order(|| Order::Say(farewell("link_disabled")));
        self.close_sockets();
    }

    /// Sets how many connections the app may have; more are told so and closed.
    pub fn limit_sockets(&self, most: usize) {
        self.core.sockets.held().most = most;
    }

    /// Closes every connection as the protocol has it.
    pub fn close_sockets(&self) {
        self.core.sockets.order(|| Order::Close);
    }

    /// Lets every connection break without a word.
    pub fn break_sockets(&self) {
        self.core.sockets.order(|| Order::Break);
    }

    /// Sends something else through every connection.
    pub fn send_through_sockets(&self, frame: &SocketFrame) {
        self.core.sockets.order(|| match frame {
            SocketFrame::Text(text) => Order::Say(Message::text(text.clone())),
            SocketFrame::Binary(bytes) => Order::Say(Message::binary(bytes.clone())),
            SocketFrame::Raw(bytes) => Order::Raw(bytes.clone()),
        });
    }

    /// Sends an envelope of the caller's own, once; Slack gives it its name. Whether it was acknowledged in time.
    pub async fn post_envelope(&self, envelope: Value) -> bool {
        let (outcome, _) = self.core.send_envelope(envelope).await;
        outcome == Outcome::Acknowledged
    }
}
