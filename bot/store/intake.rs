//! Intake of SQLite in groups: callers that come while the disk is busy share the next commit. Who comes alone does not wait
//! for others.

use std::{sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    StoreError,
    disk::Disk,
    fresh_id,
    inbox::{Accepted, NewDelivery, Source},
    neighbours::{Neighbours, TurnOfAll},
    writer::{Commits, Flood, Kept, Synced, Writer},
};
use crate::domain::Timestamp;

/// The most deliveries that wait for their group; who comes then waits for a place.
const WAITING_MAX: usize = 1_024;
/// The most deliveries of one group.
const GROUP_MAX: usize = 256;
/// The most bytes of bodies in one group, unless a single one is larger.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// How many deliveries come together in a flood: more than anybody's platform sends. Whoever else writes gives way to one.
const FLOOD: usize = 16;
/// For how long not so many came together when a flood is over.
const FLOOD_OVER_AFTER: Duration = Duration::from_millis(20);

/// How many rows the prepared statements take; a group goes by the smallest that takes it, so that few are kept prepared.
const SIZES: [usize; 5] = [1, 8, 32, 64, GROUP_MAX];

/// The statements by how many rows they take.
type Statements = [(usize, Arc<str>); SIZES.len()];

/// The way into the inbox. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Intake(mpsc::Sender<Waiting>);

/// A delivery and who waits for it. Its texts are shared with the statement: one task makes the statements of everybody.
#[derive(Debug)]
struct Waiting {
    id: Arc<str>,
    source: Source,
    key: Arc<str>,
    conversation: Arc<str>,
    body: Arc<str>,
    now: Timestamp,
    answer: oneshot::Sender<Result<Accepted, StoreError>>,
}

impl Intake {
    /// Begins to take deliveries in; it ends with its last clone.
    pub(super) fn start(writer: &Writer) -> Self {
        let (intake, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(writer.clone(), waiting));
        Self(intake)
    }

    /// Whether deliveries are still taken in.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// A delivery as it is stored.
    pub(super) fn written(
        &self,
        delivery: &NewDelivery,
        now: Timestamp,
    ) -> Result<Written<'_>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            id: fresh_id().into(),
            source: delivery.source,
            key: (*delivery.key).into(),
            conversation: (*delivery.conversation).into(),
            body: serde_json::to_string(&delivery.body)?.into(),
            now,
            answer,
        };
        Ok(Written {
            intake: self,
            waiting,
            answered,
        })
    }
}

/// A delivery that is written down and not stored yet.
pub(super) struct Written<'a> {
    intake: &'a Intake,
    waiting: Waiting,
    answered: oneshot::Receiver<Result<Accepted, StoreError>>,
}

impl Written<'_> {
    /// Returns when it is on the disk.
    pub(super) async fn stored(self) -> Result<Accepted, StoreError> {
        let gone = |()| StoreError::from(sqlx::Error::WorkerCrashed);
        let sent = self.intake.0.send(self.waiting).await;
        sent.map_err(|_| gone(()))?;
        self.answered.await.map_err(|_| gone(()))?
    }
}

/// What writes the groups.
struct Writing {
    connection: Kept,
    statements: Statements,
    disk: Option<Disk>,
    commits: Commits,
    neighbours: Option<Neighbours>,
}

async fn run(writer: Writer, mut waiting: mpsc::Receiver<Waiting>) {
    let mut hand = Writing {
        connection: writer.kept(),
        statements: SIZES.map(|rows| (rows, statement(rows))),
        disk: writer.log().map(|log| Disk::start(log, writer.commits())),
        commits: writer.commits(),
        neighbours: writer.neighbours(),
    };
    let mut flood = writer.flood();
    let mut flooded = Instant::now();
    while let Some(first) = next(&mut flood, flooded, &mut hand.connection, &mut waiting).await {
        let mut bytes = first.body.len();
        let mut group = vec![first];
        while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.body.len();
            group.push(next);
        }
        if group.len() + hand.disk.as_ref().map_or(0, Disk::waiting) >= FLOOD {
            flooded = Instant::now();
            flood.tell(true);
        }
        let synced = if flood.comes_in() && hand.disk.is_some() {
            Synced::Later
        } else {
            Synced::AtOnce
        };
        hand.store(synced, group).await;
        if flood.is_wanted() {
            hand.connection.give_back();
        }
    }
}

/// The next one that comes. A flood that was last seen long ago is over. Meanwhile the connection is kept in a flood, until
/// somebody else wants it.
async fn next(
    flood: &mut Flood,
    flooded: Instant,
    connection: &mut Kept,
    waiting: &mut mpsc::Receiver<Waiting>,
) -> Option<Waiting> {
    let over = flooded + FLOOD_OVER_AFTER;
    while flood.comes_in() {
        tokio::select! {
            biased;
            next = waiting.recv() => {
                if Instant::now() >= over {
                    flood.tell(false);
                }
                return next;
            }
            () = flood.wanted(), if connection.is_kept() => connection.give_back(),
            () = sleep_until(over) => flood.tell(false),
        }
    }
    if let Ok(next) = waiting.try_recv() {
        return Some(next);
    }
    connection.give_back();
    waiting.recv().await
}

impl Writing {
    /// One commit for all of them. Where it fails, each is tried alone, so that nobody pays for another's. Where it is synced
    /// later, whoever waits is answered then, and meanwhile the next group is written.
    async fn store(&mut self, synced: Synced, group: Vec<Waiting>) {
        let together = if group.len() > 1 {
            self.store_rows(synced, &group).await.ok()
        } else {
            None
        };
        let mut written = Vec::new();
        for (place, waiting) in group.into_iter().enumerate() {
            let accepted = match &together {
                Some(accepted) => Ok(accepted.get(place).copied().unwrap_or(Accepted::Repeated)),
                None => self
                    .store_rows(synced, std::slice::from_ref(&waiting))
                    .await
                    .map(|alone| alone.first().copied().unwrap_or(Accepted::Repeated)),
            };
            match (synced, accepted) {
                (Synced::Later, Ok(accepted)) => written.push((waiting.answer, accepted)),
                // Whoever has gone meanwhile does not hear it; a repeat will be one.
                (_, accepted) => drop(waiting.answer.send(accepted)),
            }
        }
        if let Some(disk) = &self.disk
            && !written.is_empty()
        {
            disk.answer_when_safe(written).await;
        }
    }

    /// The turn among the processes. Whoever has it may wait for the connection.
    async fn turn(&mut self) -> Option<TurnOfAll> {
        let neighbours = self.neighbours.as_ref()?;
        if let Some(turn) = neighbours.turn_at_once() {
            return Some(turn);
        }
        self.connection.give_back();
        Some(neighbours.turn().await)
    }

    /// What became of each of them. After an error the connection is looked at before it is used again.
    async fn store_rows(
        &mut self,
        synced: Synced,
        group: &[Waiting],
    ) -> Result<Vec<Accepted>, StoreError> {
        let _turn = self.turn().await;
        let stored = async {
            let connection = self.connection.get(synced).await?;
            self.commits.heal(connection).await?;
            store_on(connection, &self.statements, group).await
        };
        let stored = stored.await;
        if stored.is_err() {
            self.connection.give_back();
        }
        stored
    }
}

async fn store_on(
    connection: &mut SqliteConnection,
    statements: &Statements,
    group: &[Waiting],
) -> Result<Vec<Accepted>, StoreError> {
    let fits = statements.iter().find(|(rows, _)| *rows >= group.len());
    let Some((rows, text)) = fits.or(statements.last()) else {
        return Ok(Vec::new());
    };
    // The text is made of the store's own words and question marks alone.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
    for waiting in group {
        query = query
            .bind(Arc::clone(&waiting.id))
            .bind(waiting.source.name())
            .bind(Arc::clone(&waiting.key))
            .bind(Arc::clone(&waiting.conversation))
            .bind(Arc::clone(&waiting.body))
            .bind(waiting.now.0);
    }
    for _ in group.len()..*rows {
        query = (0..4).fold(query.bind(None::<&str>), |query, _| {
            query.bind(None::<&str>)
        });
        query = query.bind(None::<i64>);
    }
    // Only their number comes back, and hardly ever are there repeats among them: a row for each would be a message between
    // two threads for each.
    let stored = query.execute(&mut *connection).await?.rows_affected();
    if usize::try_from(stored).is_ok_and(|stored| stored == group.len()) {
        return Ok(vec![Accepted::Stored; group.len()]);
    }
    let ids: Vec<&str> = group.iter().map(|waiting| &*waiting.id).collect();
    let stored: Vec<String> =
        sqlx::query_scalar("SELECT id FROM inbox WHERE id IN (SELECT value FROM json_each(?))")
            .bind(serde_json::to_string(&ids)?)
            .fetch_all(connection)
            .await?;
    let of = |waiting: &Waiting| {
        if stored.iter().any(|id| **id == *waiting.id) {
            Accepted::Stored
        } else {
            Accepted::Repeated
        }
    };
    Ok(group.iter().map(of).collect())
}

/// Stores so many rows, those with an identifier of nothing left out, each with the mark where it stands behind an older one.
pub(super) fn statement(rows: usize) -> Arc<str> {
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, behind)
         SELECT column1, column2, column3, column4, column5, 'waiting', 0, column6, column6,
                EXISTS (SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = column4 AND e.id || '' < column1)
         FROM (VALUES {values}) WHERE column1 IS NOT NULL
         ON CONFLICT (source, delivery_key) DO NOTHING"
    )
    .into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures::future;
    use serde_json::json;
    use sqlx::SqliteConnection;

    use crate::{
        domain::Timestamp,
        store::{
            Store,
            database::{Database, query},
            inbox::{Accepted, NewDelivery, Source},
            writer::Synced,
        },
    };

    const NOW: Timestamp = Timestamp(1_000);
    /// How many send at once: more than one group takes, so that there is always somebody who waits for the next one.
    const SENDERS: usize = 2 * super::GROUP_MAX;
    /// How many writes of others have to get through.
    const OTHERS: usize = 20;

    fn delivery(number: usize) -> NewDelivery {
        NewDelivery {
            source: Source::Slack,
            key: format!("k{number}"),
            conversation: "c".to_owned(),
            body: json!({ "number": number }),
        }
    }

    async fn opened(folder: &tempfile::TempDir) -> Store {
        let address = format!("sqlite:{}", folder.path().join("db").display());
        Store::open(&address).await.unwrap()
    }

    #[tokio::test]
    async fn others_write_while_a_flood_keeps_the_connection() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let sender = || async {
            while !is_over.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let accepted = store.accept(&delivery(number), NOW).await;
                assert_eq!(accepted.unwrap(), Accepted::Stored);
            }
        };
        let others = async {
            for _ in 0..OTHERS {
                let mut unit = store.begin().await.unwrap();
                let statement = query("UPDATE inbox SET attempts = attempts + 1 WHERE id = ''");
                statement.execute(&mut unit).await.unwrap();
                unit.commit().await.unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        };
        future::join(future::join_all((0..SENDERS).map(|_| sender())), others).await;
        let stored =
            query("SELECT count(*) AS rows FROM inbox").fetch_one(store.database.reading());
        let stored: i64 = stored.await.unwrap().try_get("rows").unwrap();
        assert_eq!(usize::try_from(stored).unwrap(), next.into_inner());
    }

    #[tokio::test]
    async fn a_commit_of_anybody_else_is_on_the_disk_when_it_returns_whatever_became_of_the_intake()
    {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        let Database::Sqlite { write, .. } = &store.database else {
            panic!("it is a file");
        };
        for synced in [Synced::Later, Synced::AtOnce, Synced::Later] {
            let mut intake = write.kept();
            // Taken twice, as from group to group.
            intake.get(synced).await.unwrap();
            let connection = intake.get(synced).await.unwrap();
            let level = if synced == Synced::Later { 1 } else { 2 };
            assert_eq!(level_of(connection).await, level);
            drop(intake);
            let mut others = write.connection.acquire().await.unwrap();
            assert_eq!(level_of(&mut others).await, 2);
        }
    }

    /// How SQLite numbers it: 1 is NORMAL, 2 is FULL.
    async fn level_of(connection: &mut SqliteConnection) -> i64 {
        let level = sqlx::query_scalar("PRAGMA synchronous");
        level.fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_repeat_in_a_flood_is_told_from_what_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(&folder).await;
        store.accept(&delivery(7), NOW).await.unwrap();
        let deliveries: Vec<NewDelivery> = (0..SENDERS).map(delivery).collect();
        let all = deliveries
            .iter()
            .map(|delivery| store.accept(delivery, NOW));
        for (number, accepted) in future::join_all(all).await.into_iter().enumerate() {
            let expected = if number == 7 {
                Accepted::Repeated
            } else {
                Accepted::Stored
            };
            assert_eq!(accepted.unwrap(), expected, "{number}");
        }
    }
}
