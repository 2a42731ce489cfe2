//! Whose turn it is: what stands behind an older one of its conversation or lane is marked, so that no claim has to look at
//! it, and the mark goes when the older one does.
//!
//! The oldest of a conversation or lane never keeps a mark: it is stored without one, and whatever ends the row before it
//! calls this. A mark costs nothing but time where it is missing, because a claim looks for older ones all the same.
//!
//! On PostgreSQL whoever stores a row behind another one holds that one until the mark can be seen. So the end of an effect
//! is stored by itself, and the turn is passed on behind it: a transaction that did both, and one that appends to the same
//! lane, would wait for each other. Who is killed in between is made good by [`Store::free_turns`].

use super::{
    Store, StoreError,
    database::{On, query},
    dialect,
};

/// A delivery is over: the next one of its conversation has its turn.
pub(super) async fn of_conversation(on: impl Into<On<'_>>, id: &str) -> Result<(), sqlx::Error> {
    dialect::turn_of_conversation().bind(id).execute(on).await?;
    Ok(())
}

/// An effect is over: the next one of its lane has its turn.
pub(super) async fn of_lane(on: impl Into<On<'_>>, id: &str) -> Result<(), sqlx::Error> {
    dialect::turn_of_lane().bind(id).execute(on).await?;
    Ok(())
}

/// Effects of a lane were dropped: whoever is the oldest there now has its turn.
pub(super) async fn in_lane(on: impl Into<On<'_>>, lane: &str) -> Result<(), sqlx::Error> {
    dialect::turn_in_lane().bind(lane).execute(on).await?;
    Ok(())
}

/// What has a mark and nobody before it, in each of the two tables, and what takes the mark of one of them away. The
/// comparison with nothing has SQLite look by the index of marks also where it has counted that most rows have one.
pub(super) const NEEDLESS: [(&str, &str); 2] = [
    (
        "SELECT m.id FROM inbox AS m WHERE m.behind = 1 AND m.state = 'waiting' AND m.id > '' AND NOT EXISTS (
             SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = m.conversation AND e.id || '' < m.id || '') ORDER BY m.id LIMIT 1000",
        "UPDATE inbox SET behind = 0 WHERE id = $1 AND NOT EXISTS (
             SELECT 1 FROM inbox AS e WHERE e.state = 'waiting' AND e.conversation = inbox.conversation AND e.id || '' < inbox.id || '')",
    ),
    (
        "SELECT m.id FROM outbox AS m WHERE m.behind = 1 AND m.state IN ('ready', 'leased') AND m.id > '' AND NOT EXISTS (
             SELECT 1 FROM outbox AS e WHERE e.state IN ('ready', 'leased') AND e.lane = m.lane AND e.id || '' < m.id || '') ORDER BY m.id LIMIT 1000",
        "UPDATE outbox SET behind = 0 WHERE id = $1 AND NOT EXISTS (
             SELECT 1 FROM outbox AS e WHERE e.state IN ('ready', 'leased') AND e.lane = outbox.lane AND e.id || '' < outbox.id || '')",
    ),
];

impl Store {
    /// Takes every mark away that its row should not have: a process was killed between the end of a row and this, or is of
    /// a version that knows no marks. They are looked for beside the writer: there are hardly ever any, and everybody who
    /// stores something would wait meanwhile.
    pub(super) async fn free_turns(&self) -> Result<(), StoreError> {
        for (needless, free) in NEEDLESS {
            for row in query(needless).fetch_all(self.database.reading()).await? {
                query(free)
                    .bind(row.try_get::<String>("id")?)
                    .execute(self.database.writing())
                    .await?;
            }
        }
        Ok(())
    }
}
