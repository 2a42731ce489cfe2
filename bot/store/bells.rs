//! Bells between processes that share a PostgreSQL server: whoever stores something that another one has to do, since that
//! one has the task in hand, rings for it. The poll is the safety net, so a bell that nobody hears costs half a second.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tracing::debug;

use super::{Store, StoreError, database::Database, dialect};
use crate::domain::TaskId;

/// What the bells are called on the server. What comes with each is the process that it rings for.
const BELLS: &str = "deckhand_bells";
/// The pause until the server is asked for bells again.
const PAUSE: Duration = Duration::from_secs(5);

impl Store {
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

    /// Calls `heard` whenever another process has rung for this one, and once after each time that nothing could be heard.
    /// It goes on until it is dropped, on a connection of its own; with a file nothing is ever heard.
    pub async fn hear_bells(&self, heard: impl Fn()) {
        while let Database::Postgres(pool) = &self.database {
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
            tokio::time::sleep(PAUSE).await;
        }
        std::future::pending::<()>().await;
    }

    async fn hear(
        &self,
        listener: Result<PgListener, sqlx::Error>,
        heard: &impl Fn(),
    ) -> Result<std::convert::Infallible, sqlx::Error> {
        let mut listener = listener?;
        listener.listen(BELLS).await?;
        heard();
        loop {
            // None: the connection broke off, and is made again by the next call.
            match listener.try_recv().await? {
                Some(bell) if bell.payload() != &*self.hands.owner => {}
                Some(_) | None => heard(),
            }
        }
    }
}
