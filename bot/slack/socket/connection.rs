//! One connection: opened, greeted, read until it ends. An envelope is acknowledged when it is stored, and not before.

use std::{future::Future, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, sync::oneshot, time::Instant};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Bytes, Error, Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use super::{
    Parting, Taken,
    envelope::{self, Envelope, Reason, Said},
    pace::Pace,
    state::Counted,
};
use crate::slack::limits::{ENVELOPE_MAX_BYTES, GARBAGE_MAX};

/// A connection that Slack has greeted.
pub(super) struct Connection {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard: Instant,
    garbage: u32,
    pace: Pace,
}

impl Connection {
    /// Connects and waits for the greeting. `url` carries a ticket that is good for one use; nothing prints it.
    pub(super) async fn open(url: &str, pace: Pace) -> Result<Self, Parting> {
        let opening = async {
            let config = WebSocketConfig::default()
                .max_message_size(Some(ENVELOPE_MAX_BYTES))
                .max_frame_size(Some(ENVELOPE_MAX_BYTES));
            let connecting = connect_async_with_config(url, Some(config), true);
            let (stream, _) = connecting.await.map_err(|error| broken(&error))?;
            let mut connection = Self {
                stream,
                heard: Instant::now(),
                garbage: 0,
                pace,
            };
            connection.greeted().await?;
            Ok(connection)
        };
        tokio::time::timeout(pace.open_within, opening)
            .await
            .unwrap_or(Err(Parting::Broken("Slack did not greet in time")))
    }

    async fn greeted(&mut self) -> Result<(), Parting> {
        loop {
            let Some(message) = self.stream.next().await else {
                return Err(Parting::Broken("Slack closed it"));
            };
            match self.understood(message)? {
                Some(Said::Hello) => return Ok(()),
                Some(Said::Disconnect(reason)) => return Err(Parting::from(reason)),
                // Nothing is acknowledged here, so an envelope that is early comes again.
                Some(Said::Envelope(_) | Said::Other) | None => {}
            }
        }
    }

    /// Reads until the connection ends, or until `stop`. Envelopes are handled one after the other: what Slack sent first
    /// is stored first, and one that the database is slow with holds the line instead of filling the memory.
    ///
    /// `parted` is told once: at the end, or earlier where Slack announces it. Then the connection is read on until its
    /// successor is there, which `retire` says, or Slack closes it.
    pub(super) async fn serve<D, F>(
        mut self,
        door: D,
        parted: oneshot::Sender<Parting>,
        (retire, stop): (CancellationToken, CancellationToken),
        counted: Counted,
    ) where
        D: Fn(Envelope) -> F + Send + Sync,
        F: Future<Output = Taken> + Send,
    {
        let mut parted = Some(parted);
        let mut tell = |parting| {
            if let Some(parted) = parted.take() {
                // Whoever waited for it is gone where the bot ends.
                let _ = parted.send(parting);
            }
        };
        let mut ping = tokio::time::interval(self.pace.ping_every);
        let mut leave_at: Option<Instant> = None;
        let parting = loop {
            let (at, retire) = (leave_at, &retire);
            let retired = async move {
                match at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => retire.cancelled().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break Parting::Stopped,
                () = retired => match leave_at {
                    Some(_) => break Parting::Refresh,
                    None => leave_at = Some(Instant::now() + self.pace.linger),
                },
                _ = ping.tick() => if let Err(parting) = self.ping().await {
                    break parting;
                },
                message = self.stream.next() => {
                    let Some(message) = message else {
                        break Parting::Broken("Slack closed it");
                    };
                    match self.understood(message) {
                        Ok(Some(Said::Disconnect(Reason::Refresh))) => tell(Parting::Refresh),
                        Ok(Some(Said::Disconnect(reason))) => break Parting::from(reason),
                        Ok(Some(Said::Envelope(envelope))) => {
                            if let Err(parting) = self.take(&door, envelope).await {
                                break parting;
                            }
                        }
                        Ok(Some(Said::Hello | Said::Other) | None) => {}
                        Err(parting) => break parting,
                    }
                }
            }
        };
        tell(parting);
        drop(counted);
        self.close().await;
    }

    /// Stores an envelope and acknowledges it. What is not stored is not acknowledged: Slack sends it again.
    async fn take<D, F>(&mut self, door: &D, envelope: Envelope) -> Result<(), Parting>
    where
        D: Fn(Envelope) -> F + Send + Sync,
        F: Future<Output = Taken> + Send,
    {
        let id = envelope.id.clone();
        match door(envelope).await {
            Taken::Stored => {
                self.write(Message::text(envelope::acknowledgement(&id)))
                    .await
            }
            Taken::Answered(payload) => {
                let answer = envelope::answer(&id, &payload);
                self.write(Message::text(answer)).await
            }
            Taken::Refused => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), Parting> {
        if self.heard.elapsed() >= self.pace.silent_after {
            return Err(Parting::Broken("nothing was heard for too long"));
        }
        self.write(Message::Ping(Bytes::new())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Parting> {
        match tokio::time::timeout(self.pace.write_within, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(|error| broken(&error)),
            Err(_) => Err(Parting::Broken("Slack does not read what is sent")),
        }
    }

    /// What a message says; nothing for the protocol's own.
    fn understood(&mut self, message: Result<Message, Error>) -> Result<Option<Said>, Parting> {
        let message = message.map_err(|error| broken(&error))?;
        self.heard = Instant::now();
        let said = match message {
            Message::Text(text) => envelope::read(text.as_bytes()),
            // Slack sends text; the same in another wrapping is as good.
            Message::Binary(bytes) => envelope::read(&bytes),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                return Ok(None);
            }
        };
        if said.is_none() {
            tracing::warn!(
                "Slack sent something through a socket that is no message of its protocol"
            );
            metrics::counter!("deckhand_deliveries_total", "source" => "slack", "result" => "malformed")
                .increment(1);
            self.garbage += 1;
            if self.garbage > GARBAGE_MAX {
                return Err(Parting::Broken("Slack sends what cannot be read"));
            }
        }
        Ok(said)
    }

    /// Says goodbye, and waits a moment for Slack's. What it sends meanwhile is not acknowledged, so it comes again.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            if self.stream.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        let within: Duration = self.pace.close_within;
        // Slack hears of the end of the connection either way.
        let _ = tokio::time::timeout(within, goodbye).await;
    }
}

impl From<Reason> for Parting {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Refresh => Self::Refresh,
            Reason::LinkDisabled => Self::LinkDisabled,
            Reason::TooMany => Self::TooMany,
        }
    }
}

/// The library's errors may print the address with its ticket, so they are said in own words.
fn broken(error: &Error) -> Parting {
    Parting::Broken(match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "Slack closed it",
        Error::Io(error) if is_of_tls(error) => "the other side cannot prove that it is Slack",
        Error::Tls(_) => "the other side cannot prove that it is Slack",
        Error::Io(_) => "the line broke",
        Error::Capacity(_) | Error::WriteBufferFull(_) => "a message is larger than is taken",
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => "Slack broke the protocol",
        Error::Url(_) | Error::HttpFormat(_) => "its address cannot be used",
        Error::Http(_) => "Slack did not take the ticket",
    })
}

/// Whether the encryption failed, and not the line: the library wraps the one in the other.
fn is_of_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref();
    inner
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some()
}
