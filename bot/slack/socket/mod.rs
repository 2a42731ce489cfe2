//! Socket Mode: what Slack has to say comes through connections that this side opens, so no port has to be open to the
//! internet.
//!
//! In reading order: `envelope` (what comes), `connection` (one of them), `places` (how many there are), `pace` (how long
//! what is waited for), `state` (what can be seen of it). The loop is our own and not the client library's: that one reads
//! into types of its own before anybody else sees the text, acknowledges nothing that they refuse, gives the old connection
//! up before the new one stands, and comes back without a pause whatever Slack's reason was.

mod connection;
mod envelope;
mod pace;
mod places;
mod state;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    future::Future,
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{api::Api, methods};
use crate::{config::SlackConfig, surface::SurfaceError};
use connection::Connection;
use pace::{BackOff, Pace, chance};

pub use envelope::{Content, Envelope};
pub use places::PlaceKeeper;
pub use state::SocketState;

/// What a door did with an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is on the disk, or certainly nothing for us.
    Stored,
    /// It asked for something that is answered at once: the entries of a menu.
    Answered(Value),
    /// It is not. Slack has to send it again.
    Refused,
}

/// Why a connection is over, or never was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Parting {
    /// Slack wants another one in its place.
    Refresh,
    /// Socket Mode is switched off.
    LinkDisabled,
    /// The app has too many of them.
    TooMany,
    /// It broke, or could not be made.
    Broken(&'static str),
    /// Slack cannot give out a ticket now.
    Busy {
        /// What was asked of it and how it failed.
        what: String,
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// Slack refuses to give out a ticket.
    Refused(String),
    /// The bot ends.
    Stopped,
}

/// The app's connections to Slack.
pub struct SocketMode {
    api: Api,
    /// The places that are to be filled with connections.
    wanted: watch::Sender<BTreeSet<u32>>,
    /// Those whose connection is not closed.
    filled: watch::Sender<BTreeSet<u32>>,
    /// Tickets lead to encrypted connections wherever the API itself is encrypted.
    scheme: &'static str,
    pace: Pace,
    state: SocketState,
}

impl SocketMode {
    /// Prepares them with the settings' token; none where Socket Mode is off.
    pub fn of(config: Option<&SlackConfig>) -> Result<Option<Self>, SurfaceError> {
        let Some(config) = config else {
            return Ok(None);
        };
        let open = |token| Self::new(&config.api_url, token);
        config.app_token.clone().map(open).transpose()
    }

    /// Prepares them with an app-level token, which opens them. The process needs a default provider of rustls.
    pub fn new(api_url: &str, app_token: SecretString) -> Result<Self, SurfaceError> {
        Ok(Self {
            api: Api::new(api_url, app_token)?,
            wanted: watch::Sender::default(),
            filled: watch::Sender::default(),
            scheme: if api_url.starts_with("http://") {
                "ws"
            } else {
                "wss"
            },
            pace: Pace::default(),
            state: SocketState::default(),
        })
    }

    /// What can be seen of them while they are kept.
    #[must_use]
    pub fn state(&self) -> SocketState {
        self.state.clone()
    }

    /// Says how many of them there are. Without it there are none.
    #[must_use]
    pub fn keeper(&self) -> PlaceKeeper {
        PlaceKeeper {
            wanted: self.wanted.clone(),
            filled: self.filled.subscribe(),
            state: self.state(),
        }
    }

    /// Opens one connection, waits for Slack's greeting and ends it again. The error says what to do.
    pub async fn check(&self) -> Result<(), String> {
        match self.open().await {
            Ok(connection) => {
                connection.close().await;
                Ok(())
            }
            Err(parting) => Err(parting.sentence()),
        }
    }

    /// Keeps a connection open in each place that is to be filled, until `stop`, or until Slack says that Socket Mode is
    /// switched off. What comes goes to `door`; what it stored is acknowledged before this returns.
    pub async fn run<D, F>(self, door: D, stop: CancellationToken)
    where
        D: Fn(Envelope) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Taken> + Send + 'static,
    {
        let stop = stop.child_token();
        let mut wanted = self.wanted.subscribe();
        let mut filled = BTreeMap::<u32, CancellationToken>::new();
        let mut kept = FuturesUnordered::new();
        while !stop.is_cancelled() {
            let places = wanted.borrow_and_update().clone();
            for (place, end) in &filled {
                if !places.contains(place) {
                    end.cancel();
                }
            }
            for place in places {
                if let Entry::Vacant(free) = filled.entry(place) {
                    let end = free.insert(stop.child_token()).clone();
                    kept.push(self.keep(place, &door, (end, &stop)));
                }
            }
            self.tell_filled(filled.keys());
            tokio::select! {
                _ = wanted.changed() => {}
                Some(place) = kept.next() => {
                    filled.remove(&place);
                }
                () = stop.cancelled() => {}
            }
        }
        while kept.next().await.is_some() {}
    }

    fn tell_filled<'a>(&self, places: impl Iterator<Item = &'a u32>) {
        let now: BTreeSet<u32> = places.copied().collect();
        self.filled.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
    }

    /// Keeps one place filled until `end`: when its connection ends or is about to, another one is opened. `all` is ended
    /// where there can be no connection any more.
    async fn keep<D, F>(
        &self,
        place: u32,
        door: &D,
        (end, all): (CancellationToken, &CancellationToken),
    ) -> u32
    where
        D: Fn(Envelope) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Taken> + Send + 'static,
    {
        let mut live = JoinSet::new();
        let mut back_off = BackOff::default();
        let mut before: Option<CancellationToken> = None;
        loop {
            let opened = tokio::select! {
                opened = self.open() => opened,
                () = end.cancelled() => Err(Parting::Stopped),
            };
            while live.try_join_next().is_some() {}
            let parting = match opened {
                Ok(connection) => {
                    self.state.note(place, None);
                    if let Some(before) = before.take() {
                        before.cancel();
                    }
                    let begun = Instant::now();
                    let retire = CancellationToken::new();
                    let (tell, told) = oneshot::channel();
                    let ends = (retire.clone(), end.clone());
                    let counted = self.state.count();
                    live.spawn(connection.serve(door.clone(), tell, ends, counted));
                    let parting = told
                        .await
                        .unwrap_or(Parting::Broken("the work on it failed"));
                    before = Some(retire);
                    if begun.elapsed() >= self.pace.steady_after {
                        back_off.settle();
                        if parting == Parting::Refresh {
                            continue;
                        }
                    }
                    parting
                }
                Err(parting) => parting,
            };
            let Some(wait) = self.wait(place, &parting, &mut back_off) else {
                if parting == Parting::LinkDisabled {
                    all.cancel();
                }
                break;
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = end.cancelled() => break,
            }
        }
        while live.join_next().await.is_some() {}
        if !all.is_cancelled() {
            // Whoever has the place next says what is wrong in it.
            self.state.note(place, None);
        }
        place
    }

    /// Says what happened, and gives the pause before the next try; none where there is none.
    fn wait(&self, place: u32, parting: &Parting, back_off: &mut BackOff) -> Option<Duration> {
        let times = &self.pace;
        let mut next = |first, most| back_off.next(first, most, chance());
        let wait = match parting {
            Parting::Stopped => return None,
            Parting::LinkDisabled => {
                let sentence = parting.sentence();
                error!("{sentence}");
                self.state.note(place, Some(sentence));
                return None;
            }
            Parting::Refresh => {
                info!("Slack asks for another connection");
                return Some(next(times.wait_first, times.wait_most));
            }
            Parting::TooMany => next(times.crowded_first, times.crowded_most),
            Parting::Broken(_) => next(times.wait_first, times.wait_most),
            Parting::Busy { retry_after, .. } => {
                next(times.wait_first, times.wait_most).max(retry_after.unwrap_or_default())
            }
            Parting::Refused(_) => times.refused,
        };
        let sentence = parting.sentence();
        warn!(next_try_in = ?wait, "{sentence}");
        self.state.note(place, Some(sentence));
        Some(wait)
    }

    async fn open(&self) -> Result<Connection, Parting> {
        let answer = self.api.post(methods::OPEN_CONNECTION, &json!({})).await;
        let answer = answer.map_err(|error| match error {
            SurfaceError::Transient { what, retry_after } => Parting::Busy { what, retry_after },
            SurfaceError::Permanent { code, .. } => Parting::Refused(code),
            SurfaceError::Closed { why } => Parting::Refused(why),
        })?;
        let url = answer["url"].as_str().unwrap_or_default();
        let scheme = reqwest::Url::parse(url).map(|url| url.scheme().to_owned());
        if !scheme.is_ok_and(|scheme| scheme == "wss" || scheme == self.scheme) {
            return Err(Parting::Broken("its address cannot be used"));
        }
        Connection::open(url, self.pace).await
    }
}

impl Parting {
    /// What an operator reads.
    fn sentence(&self) -> String {
        match self {
            Self::Refresh => "Slack asks for another connection".to_owned(),
            Self::LinkDisabled => "Socket Mode is switched off in the Slack app's settings; switch it on there and start again".to_owned(),
            Self::TooMany => "Slack has too many connections of this app; ten are allowed, those of all replicas together".to_owned(),
            Self::Broken(why) => format!("a connection to Slack is not there: {why}"),
            Self::Busy { what, .. } => format!("{what}; no connection can be opened"),
            Self::Refused(code) => format!("Slack refuses to open a connection ({code}); check SLACK_APP_TOKEN and its scope connections:write"),
            Self::Stopped => "the connection is ended".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
