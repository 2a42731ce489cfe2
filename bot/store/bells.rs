//! Bells between processes that share a database: whoever stores something that another one has to do rings for it. On a server
//! they are its notifications, beside a file they are datagrams to a socket. The poll is the safety net, so a bell that nobody
//! hears costs half a second.

use std::{convert::Infallible, io, path::Path, time::Duration};

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::net::UnixDatagram;
use tracing::debug;

use super::{Store, StoreError, database::Database, dialect};
use crate::domain::TaskId;

/// What the bells are called on the server. What comes with each is the process that it rings for; with nothing, it rings for
/// everybody who dispatches.
const BELLS: &str = "deckhand_bells";
/// What is behind the name of a file that is the database, in the name of the socket beside it.
const SOCKET: &str = "-bell";
/// The pause until the server is asked for bells again.
const PAUSE: Duration = Duration::from_secs(5);

/// What was stored that somebody else has to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// A delivery, by doors of their own.
    Delivery,
    /// An effect of a task that this process has in hand.
    Effect,
}

impl Store {
    /// Rings for everybody who dispatches what comes in. That nobody hears it is no error.
    pub async fn ring_for_delivery(&self) {
        let rung = match (&self.database, self.database.beside(SOCKET)) {
            (Database::Postgres(_), _) => dialect::ring()
                .bind(BELLS)
                .bind("")
                .fetch_all(self.database.writing())
                .await
                .map(drop)
                .map_err(StoreError::from),
            (Database::Sqlite { .. }, Some(socket)) => {
                ring_beside(&socket).map_err(|error| sqlx::Error::from(error).into())
            }
            (Database::Sqlite { .. }, None) => Ok(()),
        };
        if let Err(error) = rung {
            debug!(
                error = &error as &dyn std::error::Error,
                "nobody heard the bell"
            );
        }
    }

    /// Rings for the other processes that have something of a task in hand. With a file there is none.
    pub(super) async fn ring_elsewhere(&self, task: &TaskId) -> Result<(), StoreError> {
        if self.database.is_file() {
            return Ok(());
        }
        // Who stores and whose task it is, are the same most of the time: then nothing is rung, which would cost every
        // commit that comes together with this one a wait.
        dialect::ring_elsewhere()
            .bind(&task.0)
            .bind(&*self.hands.owner)
            .bind(BELLS)
            .fetch_all(self.database.writing())
            .await?;
        Ok(())
    }

    /// Calls `heard` whenever another process has rung for this one, and once for each kind after each time that nothing could
    /// be heard. It goes on until it is dropped, on a connection of its own.
    ///
    /// Beside a file it is for the one process that works with it. In memory nothing is ever heard.
    pub async fn hear_bells(&self, heard: impl Fn(Bell)) {
        loop {
            match (&self.database, self.database.beside(SOCKET)) {
                (Database::Postgres(pool), _) => {
                    let own = PgPoolOptions::new()
                        .max_connections(1)
                        .idle_timeout(None)
                        .max_lifetime(None)
                        .connect_lazy_with(pool.connect_options().as_ref().clone());
                    let Err(error) = self
                        .hear(PgListener::connect_with(&own).await, &heard)
                        .await;
                    debug!(%error, "bells of other processes are not heard");
                    own.close().await;
                }
                (Database::Sqlite { .. }, Some(socket)) => {
                    let Err(error) = hear_beside(&socket, &heard).await;
                    debug!(%error, "bells of the doors are not heard");
                }
                (Database::Sqlite { .. }, None) => std::future::pending().await,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(
        &self,
        listener: Result<PgListener, sqlx::Error>,
        heard: &impl Fn(Bell),
    ) -> Result<Infallible, sqlx::Error> {
        let mut listener = listener?;
        listener.listen(BELLS).await?;
        let hear_all = || [Bell::Delivery, Bell::Effect].map(heard);
        hear_all();
        loop {
            match listener.try_recv().await? {
                Some(bell) if bell.payload().is_empty() => heard(Bell::Delivery),
                Some(bell) if bell.payload() == &*self.hands.owner => heard(Bell::Effect),
                Some(_) => {}
                // The connection broke off, and is made again by the next call.
                None => drop(hear_all()),
            }
        }
    }
}

/// Never waits: where many bells wait to be heard already, one of them does.
fn ring_beside(socket: &Path) -> io::Result<()> {
    let bell = std::os::unix::net::UnixDatagram::unbound()?;
    bell.set_nonblocking(true)?;
    bell.send_to(&[], socket).map(drop)
}

/// What an earlier process has left in the socket's place goes.
async fn hear_beside(socket: &Path, heard: &impl Fn(Bell)) -> io::Result<Infallible> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let bells = UnixDatagram::bind(socket)?;
    loop {
        heard(Bell::Delivery);
        bells.recv(&mut []).await?;
    }
}
