//! One event among many: from its door to the end of its effect, on a database in which many are stored, or wait.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use deckhand::{
    clock::Clock,
    domain::{
        conversation::ConversationId,
        effect::{Effect, Mark},
    },
    store::{
        Store,
        inbox::{Delivery, NewDelivery, Next, Source},
        outbox::Taken,
        tasks::Transition,
    },
};
use deckhand_world::postgres::Postgres;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::{Kind, Options};

/// The most rows that wait, where the others are only stored: more than a day of what Slack sends at most.
const WAITING_MAX: i64 = 100_000;

/// What stands beside the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Beside {
    /// So many deliveries and effects that are done, a tenth as many tasks, and a run of each.
    Stored,
    /// So many deliveries of one conversation and effects of one lane, behind one that is in hand.
    Behind,
    /// So many deliveries and effects that are due later.
    Later,
}

impl Beside {
    /// Its name in the table and in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Behind => "behind",
            Self::Later => "later",
        }
    }

    /// The statements that put `$1` of them there.
    const fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Stored => &[
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, handled_ms)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), 'slack', 'seed:' || CAST(i AS TEXT), 'c:' || CAST(i / 10 AS TEXT),
                        '{\"type\":\"event_callback\",\"event\":{\"type\":\"message\",\"text\":\"[redacted]\",\"user\":\"U1\",\"channel\":\"C1\"}}',
                        'done', 0, i, i, i FROM n",
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms, done_ms)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), 't' || CAST(i / 10 AS TEXT), 'c:' || CAST(i / 10 AS TEXT),
                        'talk:t' || CAST(i / 10 AS TEXT), 'note-1', '{\"effect\":\"release\"}', 'done', 1, i, i, i FROM n",
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1 / 10)
                 INSERT INTO tasks (id, conversation, requester, state, slot, version, document, opened_ms, changed_ms, queued_ms)
                 SELECT 't' || CAST(i AS TEXT), 'c:' || CAST(i AS TEXT), 'slack:T1:U1', 'completed', 'none', 9, '{}', i, i, i FROM n",
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1 / 10)
                 INSERT INTO runs (task, number, kind, agent, sandbox, state, started_ms, ended_ms)
                 SELECT 't' || CAST(i AS TEXT), 1, '{}', 'goose', 's', 'ended', i, i FROM n",
            ],
            Self::Behind => &[
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, behind)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), 'slack', 'seed:' || CAST(i AS TEXT), 'c:flood', '{}', 'waiting', 0, i, i,
                        CASE WHEN i > 1 THEN 1 ELSE 0 END FROM n",
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms, behind)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), '', 'c:flood', 'talk:c:flood', '', '{\"effect\":\"release\"}', 'ready', 0, i, i,
                        CASE WHEN i > 1 THEN 1 ELSE 0 END FROM n",
            ],
            Self::Later => &[
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), 'slack', 'seed:' || CAST(i AS TEXT), 'c:' || CAST(i AS TEXT), '{}',
                        'waiting', 1, 9000000000000 + i, i FROM n",
                "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
                 SELECT '00' || CAST(1000000000 + i AS TEXT), '', 'c:' || CAST(i AS TEXT), 'talk:c:' || CAST(i AS TEXT), '',
                        '{\"effect\":\"release\"}', 'ready', 1, 9000000000000 + i, i FROM n",
            ],
        }
    }
}

/// The steps of an event.
pub const STEPS: [&str; 5] = ["accept", "take", "commit", "claim", "done"];

/// What an event took, by step: half of the events took no longer.
pub struct Cost {
    pub kind: Kind,
    pub beside: Beside,
    pub rows: i64,
    pub steps: [Duration; STEPS.len()],
    pub whole: Duration,
    pub whole_p99: Duration,
}

/// Measures everything on one kind of database. Databases that are compared with each other have their events in turns, so
/// that a machine that is slow for a while is slow for all of them.
pub async fn measure(
    kind: Kind,
    options: &Options,
    server: &Postgres,
    costs: &mut Vec<Cost>,
) -> anyhow::Result<()> {
    for beside in [Beside::Stored, Beside::Behind, Beside::Later] {
        let waits = beside != Beside::Stored;
        let mut places = Vec::new();
        for rows in &options.stored {
            if waits && *rows > WAITING_MAX {
                continue;
            }
            eprintln!("{}: {rows} {}", kind.name(), beside.name());
            places.push(Place::filled(kind, beside, *rows, server).await?);
        }
        for event in 0..options.events {
            for place in &mut places {
                place.event(event).await?;
            }
        }
        for place in places {
            costs.push(place.closed(kind, beside).await);
        }
    }
    Ok(())
}

/// A database, and what the events there took.
struct Place {
    rows: i64,
    store: Store,
    clock: Clock,
    steps: [Vec<Duration>; STEPS.len()],
    wholes: Vec<Duration>,
    /// The oldest of the flood stays in hand for as long as this lasts.
    _in_hand: Option<(Next, Taken)>,
    /// Of a file.
    _folder: tempfile::TempDir,
}

impl Place {
    /// With so many rows.
    async fn filled(
        kind: Kind,
        beside: Beside,
        rows: i64,
        server: &Postgres,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = match kind {
            Kind::Sqlite => format!("sqlite:{}", folder.path().join("db").display()),
            Kind::Postgres => durable(server).await?,
        };
        // The schema first, then the rows, and a server that has looked at them.
        Store::open(&address).await?.close().await;
        for statement in beside.statements() {
            execute(&address, statement, Some(rows)).await?;
        }
        execute(&address, "ANALYZE", None).await?;
        if kind == Kind::Postgres {
            // What was put there is not to reach the disk while the events do.
            execute(&address, "CHECKPOINT", None).await?;
        }
        let (store, clock) = (Store::open(&address).await?, Clock::default());
        let in_hand = if beside == Beside::Behind {
            let delivery = store.next_delivery(clock.now()).await?;
            let effect = store.claim_effect(clock.now()).await?;
            Some(delivery.zip(effect).context("there is no flood")?)
        } else {
            None
        };
        Ok(Self {
            rows,
            store,
            clock,
            steps: Default::default(),
            wholes: Vec::new(),
            _in_hand: in_hand,
            _folder: folder,
        })
    }

    /// One event, from its door to the end of its effect.
    async fn event(&mut self, number: u32) -> anyhow::Result<()> {
        let (store, clock) = (&self.store, &self.clock);
        let begun = Instant::now();
        let mut before = begun;
        let mut ends = Vec::new();
        let mut lap = || {
            let now = Instant::now();
            ends.push(now.duration_since(before));
            before = now;
        };
        let conversation = format!("c:new:{number}");
        store
            .accept(&delivery(number, &conversation), clock.now())
            .await?;
        lap();
        let taken = taken(store, clock).await?;
        ensure!(taken.conversation == conversation, "another one was taken");
        lap();
        let transition = Transition {
            delivery: taken.id.clone(),
            conversation: ConversationId(conversation),
            task: None,
            effects: vec![Effect::Mark {
                mark: Mark::Working,
            }],
            audit: Vec::new(),
            alone: None,
            settings: None,
        };
        store.commit(&transition, &Value::Null, clock.now()).await?;
        store.grant_slot(3, clock.now()).await?;
        lap();
        let Some(Taken::Effect(claimed)) = store.claim_effect(clock.now()).await? else {
            anyhow::bail!("there is no effect");
        };
        lap();
        store.effect_has_come(&claimed, clock.now()).await?;
        lap();
        self.wholes.push(begun.elapsed());
        for (step, end) in self.steps.iter_mut().zip(ends) {
            step.push(end);
        }
        Ok(())
    }

    async fn closed(mut self, kind: Kind, beside: Beside) -> Cost {
        self.store.close().await;
        Cost {
            kind,
            beside,
            rows: self.rows,
            steps: self.steps.map(|mut step| percentile(&mut step, 50)),
            whole: percentile(&mut self.wholes, 50),
            whole_p99: percentile(&mut self.wholes, 99),
        }
    }
}

async fn taken(store: &Store, clock: &Clock) -> anyhow::Result<Delivery> {
    match store.next_delivery(clock.now()).await? {
        Some(Next::Delivery(delivery)) => Ok(delivery),
        other => anyhow::bail!("there is no delivery: {other:?}"),
    }
}

fn delivery(event: u32, conversation: &str) -> NewDelivery {
    NewDelivery {
        source: Source::Slack,
        key: format!("new:{event}"),
        conversation: conversation.to_owned(),
        body: json!({ "type": "event_callback", "text": "x".repeat(1_000) }),
    }
}

/// What so many percent of them do not exceed.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

/// A fresh database of a server that writes through to the disk, as servers do that are not for tests.
pub async fn durable(server: &Postgres) -> anyhow::Result<String> {
    let address = server.fresh_database().await?;
    for statement in ["ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()"] {
        execute(&address, statement, None).await?;
    }
    Ok(address)
}

/// How many deliveries were handled.
pub async fn handled(address: &str) -> anyhow::Result<u64> {
    let text = "SELECT count(*) FROM inbox WHERE state = 'done'";
    let count: i64 = if address.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(address).await?;
        sqlx::query_scalar(text).fetch_one(&mut connection).await?
    } else {
        let mut connection = PgConnection::connect(address).await?;
        sqlx::query_scalar(text).fetch_one(&mut connection).await?
    };
    Ok(u64::try_from(count)?)
}

async fn execute(address: &str, statement: &'static str, rows: Option<i64>) -> anyhow::Result<()> {
    let failed = || format!("this was refused: {statement}");
    if address.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(address).await?;
        let query = sqlx::query(statement);
        let query = if let Some(rows) = rows {
            query.bind(rows)
        } else {
            query
        };
        query.execute(&mut connection).await.with_context(failed)?;
        connection.close().await?;
    } else {
        let mut connection = PgConnection::connect(address).await?;
        let query = sqlx::query(statement);
        let query = if let Some(rows) = rows {
            query.bind(rows)
        } else {
            query
        };
        query.execute(&mut connection).await.with_context(failed)?;
        connection.close().await?;
    }
    Ok(())
}
