//! The way that a database takes: nothing sorts or reads through what waits, however much of it is of one conversation, and
//! whether or not the database has counted its rows.

use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};

use super::*;
use crate::store::{
    database::{Database, Query},
    dialect, intake, turns,
};

/// A flood in one conversation and in one lane, with the oldest in a hand that is gone.
const FLOOD: [&str; 4] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms, behind)
     SELECT CAST(10000 + i AS TEXT), 'slack', CAST(i AS TEXT), 'flood', '{}', 'waiting', 0, i, i, CASE WHEN i > 1 THEN 1 ELSE 0 END FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
     INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms, behind)
     SELECT CAST(10000 + i AS TEXT), '', 'flood', 'talk:flood', '', '{}', 'ready', 0, i, i, CASE WHEN i > 1 THEN 1 ELSE 0 END FROM n",
    "UPDATE inbox SET owner = 'gone', lease_until_ms = 1 WHERE id = '10001'",
    "UPDATE outbox SET state = 'leased', owner = 'gone', lease_until_ms = 1 WHERE id = '10001'",
];

/// A crowd, in which each has a conversation, a task and a lane of its own.
const CROWD: [&str; 2] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO inbox (id, source, delivery_key, conversation, body, state, attempts, due_ms, received_ms)
     SELECT CAST(20000 + i AS TEXT), 'slack', 'other' || i, 'other' || i, '{}', 'waiting', 0, i, i FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
     INSERT INTO outbox (id, task, conversation, lane, slot, effect, state, attempts, due_ms, created_ms)
     SELECT CAST(20000 + i AS TEXT), 'task' || i, 'other' || i, 'talk:other' || i, '', '{}', 'ready', 0, i, i FROM n",
];

/// A statement with the types of its values, and values.
type Statement = (Query, &'static str, &'static str);

/// What looks for an older one of the same line.
fn looks_back() -> [Statement; 5] {
    [
        (
            dialect::claim_delivery(),
            "bigint, text, bigint",
            "5000, 'me', 6000",
        ),
        (
            dialect::claim_effect(),
            "bigint, text, bigint, bigint",
            "5000, 'me', 6000, 6000",
        ),
        (
            dialect::claim_effects(),
            "bigint, text, bigint, bigint",
            "5000, 'me', 6000, 6000",
        ),
        (
            dialect::insert_delivery(),
            "text, text, text, text, text, bigint",
            "'30001', 'slack', 'new', 'flood', '{}', 5000",
        ),
        (
            dialect::insert_effect(),
            "text, text, text, text, text, text, bigint, bigint, bigint",
            "'30001', '', 'flood', 'talk:flood', '', '{}', 0, 5000, 5000",
        ),
    ]
}

/// What looks for the oldest of a line.
fn finds_first() -> [Statement; 3] {
    [
        (dialect::turn_of_conversation(), "text", "'10001'"),
        (dialect::turn_of_lane(), "text", "'10001'"),
        (dialect::turn_in_lane(), "text", "'talk:flood'"),
    ]
}

/// What looks for what is open in a slot.
const fn looks_into_a_slot() -> Statement {
    let values = "'talk:flood', 'progress-1', 'talk:flood:aside'";
    (dialect::open_in_slot(), "text, text, text", values)
}

/// What a door asks before it stores something.
fn asks_whose_it_is() -> [Statement; 2] {
    [
        (dialect::is_followed(), "text, text", "'flood', ':request'"),
        (
            dialect::conversation_of(),
            "text, text, text",
            "'flood', 'slack', '77'",
        ),
    ]
}

#[tokio::test]
async fn nothing_sorts_or_reads_through_what_waits() {
    for Opened {
        mut store,
        address,
        _folder,
    } in each_database().await
    {
        for part in [&FLOOD[..], &CROWD[..]] {
            for statement in part {
                let done = query(statement).execute(store.database.writing());
                done.await.unwrap();
            }
            look_at(&store).await;
            let counted = query("ANALYZE").execute(store.database.writing());
            counted.await.unwrap();
            // Connections of SQLite read at their beginning what was counted.
            store.close().await;
            store = Store::open(&address).await.unwrap();
            look_at(&store).await;
        }
        store.close().await;
    }
}

async fn look_at(store: &Store) {
    match &store.database {
        Database::Sqlite { read, .. } => look_at_sqlite(read).await,
        Database::Postgres(pool) => look_at_postgres(pool).await,
    }
}

async fn look_at_sqlite(read: &SqlitePool) {
    let taken_in = intake::statement(8);
    let back = looks_back().map(|(statement, ..)| statement.sqlite);
    for statement in back.into_iter().chain([&*taken_in]) {
        let plan = plan_of_sqlite(read, statement).await;
        let by_line = "=? AND <expr><?)";
        let back = plan.iter().filter(|step| step.contains("SEARCH e "));
        let mut looked = back.inspect(|step| assert!(step.contains(by_line), "{plan:#?}"));
        assert!(looked.next().is_some(), "{plan:#?}");
        looked.for_each(drop);
    }
    for (needless, _) in turns::NEEDLESS {
        let plan = plan_of_sqlite(read, needless).await;
        let is_by_mark =
            |step: &String| step.starts_with("SEARCH m USING INDEX") && step.contains("_behind (");
        assert!(plan.iter().any(is_by_mark), "{plan:#?}");
    }
    for (statement, ..) in finds_first() {
        let plan = plan_of_sqlite(read, statement.sqlite).await;
        let is_by_line =
            |step: &String| step.starts_with("SEARCH e USING INDEX") && step.contains("_line (");
        assert!(plan.iter().any(is_by_line), "{plan:#?}");
    }
    for (statement, ..) in asks_whose_it_is() {
        let plan = plan_of_sqlite(read, statement.sqlite).await;
        let is_by_line = |step: &String| {
            step.starts_with("SEARCH e USING") && step.contains("inbox_line (conversation=?")
        };
        assert!(plan.iter().any(is_by_line), "{plan:#?}");
    }
    let (statement, ..) = looks_into_a_slot();
    plan_of_sqlite(read, statement.sqlite).await;
}

async fn plan_of_sqlite(read: &SqlitePool, statement: &str) -> Vec<String> {
    // The statement is the store's own.
    let text = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(text).fetch_all(read).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    for step in &plan {
        // What a statement brings along, or has just found, is no table.
        let is_table = ![
            "VALUES CLAUSE",
            "CONSTANT ROW",
            "SCAN next",
            "SCAN lost",
            "SCAN due",
        ]
        .iter()
        .any(|found| step.contains(found));
        let reads_all = step.starts_with("SCAN") && is_table;
        assert!(!reads_all && !step.contains("TEMP B-TREE"), "{plan:#?}");
    }
    plan
}

async fn look_at_postgres(pool: &PgPool) {
    for mode in ["force_generic_plan", "force_custom_plan"] {
        for statement in looks_back() {
            let plan = plan_of_postgres(pool, mode, statement).await;
            let is_back = |step: &&[String]| step[0].contains("_line on");
            let mut looked = 0;
            for step in plan.windows(2).filter(is_back) {
                assert!(
                    step[1].contains("Index Cond:") && step[1].contains("||"),
                    "{mode}: {plan:#?}"
                );
                looked += 1;
            }
            assert!(looked > 0, "{mode}: {plan:#?}");
        }
        for statement in finds_first() {
            let plan = plan_of_postgres(pool, mode, statement).await;
            let is_by_line =
                |step: &String| step.contains("Index Scan using") && step.contains("_line on");
            assert!(plan.iter().any(is_by_line), "{mode}: {plan:#?}");
        }
        for statement in asks_whose_it_is() {
            let plan = plan_of_postgres(pool, mode, statement).await;
            let of_inbox = |step: &&[String]| step[0].contains(" on inbox");
            let mut looked = 0;
            for step in plan.windows(2).filter(of_inbox) {
                assert!(step[1].contains("Index Cond:"), "{mode}: {plan:#?}");
                looked += 1;
            }
            assert!(looked > 0, "{mode}: {plan:#?}");
        }
        plan_of_postgres(pool, mode, looks_into_a_slot()).await;
    }
}

async fn plan_of_postgres(
    pool: &PgPool,
    mode: &str,
    (statement, types, values): Statement,
) -> Vec<String> {
    let statement = statement.postgres;
    let mut connection = pool.acquire().await.unwrap();
    for text in [
        format!("SET plan_cache_mode = {mode}"),
        format!("PREPARE looked_at ({types}) AS {statement}"),
    ] {
        let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection);
        done.await.unwrap();
    }
    let text = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE looked_at({values})"));
    let rows = sqlx::raw_sql(text).fetch_all(&mut *connection);
    let plan: Vec<String> = rows.await.unwrap().iter().map(|row| row.get(0)).collect();
    let done = sqlx::raw_sql("DEALLOCATE looked_at").execute(&mut *connection);
    done.await.unwrap();
    for step in &plan {
        let reads_all = step.contains("Seq Scan on inbox")
            || step.contains("Seq Scan on outbox")
            || step.contains("hashed SubPlan");
        let is_by_line = !step.contains("box e") || step.contains("_line on");
        // What is in the hands of others is never much, nor is what one claim takes.
        let few = ["lease_until_ms", "ANY_subquery"];
        let sorts = step.contains("Sort Key") && !few.iter().any(|few| step.contains(few));
        assert!(!reads_all && is_by_line && !sorts, "{mode}: {plan:#?}");
    }
    plan
}
