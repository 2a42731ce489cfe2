//! The places for Slack's sockets. Slack allows an app ten connections, those of all processes together: each place is a row that
//! one process has for a lease, and each process takes its share of them.

use super::{
    Store, StoreError,
    database::{Row, query},
    dialect,
    leases::Lease,
};
use crate::domain::Timestamp;

/// How many places there are: as many as the table has rows.
/// Source: Slack's guide to Socket Mode, which allows an app ten connections.
const PLACES: usize = 10;

/// How the places stand, as one process sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPlaces {
    /// Those that this process has, the lowest first.
    pub ours: Vec<u32>,
    /// How many it should have. Where it has more, the last ones are to be given up.
    pub share: usize,
    /// How many other processes have.
    pub others: usize,
}

impl SocketPlaces {
    /// Those that this process keeps: no more than its share.
    #[must_use]
    pub fn kept(&self) -> Vec<u32> {
        self.ours.iter().copied().take(self.share).collect()
    }
}

impl Store {
    /// Says that this process keeps sockets, `most` of them where there is room; renews its places, and takes free ones up to
    /// its share. What is free is nobody's, or its process has said nothing for a lease.
    pub async fn share_sockets(
        &self,
        most: u32,
        now: Timestamp,
    ) -> Result<SocketPlaces, StoreError> {
        let until = Lease::Whole.until(now);
        query(
            "INSERT INTO socket_sharers (owner, lease_until_ms) VALUES ($1, $2)
             ON CONFLICT (owner) DO UPDATE SET lease_until_ms = excluded.lease_until_ms",
        )
        .bind(&*self.hands.owner)
        .bind(until)
        .execute(self.database.writing())
        .await?;
        let share = self.share_of_sockets(most, now).await?;
        let renewed =
            query("UPDATE socket_places SET lease_until_ms = $2 WHERE owner = $1 RETURNING place")
                .bind(&*self.hands.owner)
                .bind(until)
                .fetch_all(self.database.writing())
                .await?;
        let mut ours = places(&renewed)?;
        let lacking = share.saturating_sub(ours.len());
        if lacking > 0 {
            let taken = dialect::claim_places()
                .bind(&*self.hands.owner)
                .bind(now.0)
                .bind(until)
                .bind(i64::try_from(lacking).unwrap_or_default())
                .fetch_all(self.database.writing())
                .await?;
            ours.extend(places(&taken)?);
        }
        ours.sort_unstable();
        let row = query(
            "SELECT count(*) AS others FROM socket_places WHERE owner NOT IN ('', $1) AND lease_until_ms > $2",
        )
        .bind(&*self.hands.owner)
        .bind(now.0)
        .fetch_one(self.database.reading())
        .await?;
        let others = usize::try_from(row.try_get::<i64>("others")?).unwrap_or_default();
        Ok(SocketPlaces {
            ours,
            share,
            others,
        })
    }

    /// Gives a place up whose connection is closed.
    pub async fn free_socket(&self, place: u32) -> Result<(), StoreError> {
        query("UPDATE socket_places SET owner = '', lease_until_ms = 0 WHERE place = $1 AND owner = $2")
            .bind(i64::from(place))
            .bind(&*self.hands.owner)
            .execute(self.database.writing())
            .await?;
        Ok(())
    }

    /// What this process should have now. Who has said nothing for a lease is gone.
    async fn share_of_sockets(&self, most: u32, now: Timestamp) -> Result<usize, StoreError> {
        query("DELETE FROM socket_sharers WHERE lease_until_ms <= $1")
            .bind(now.0)
            .execute(self.database.writing())
            .await?;
        // The oldest first: identifiers sort by the time that they were made.
        let rows = query("SELECT owner FROM socket_sharers ORDER BY owner")
            .fetch_all(self.database.reading())
            .await?;
        let mut before = 0;
        for row in &rows {
            before += usize::from(row.try_get::<String>("owner")?.as_str() < &*self.hands.owner);
        }
        let most = usize::try_from(most).unwrap_or(PLACES);
        Ok(share(most, before, rows.len()))
    }
}

/// How many places belong to one of `all` processes before which so many others come: all get the same, and the first ones
/// what is left over; at most `most`, and at least one, which may not be there where they are more than the places.
fn share(most: usize, before: usize, all: usize) -> usize {
    let all = all.max(1);
    let of_all = PLACES / all + usize::from(before < PLACES % all);
    of_all.clamp(1, most.max(1))
}

fn places(rows: &[Row]) -> Result<Vec<u32>, StoreError> {
    rows.iter()
        .map(|row| Ok(u32::try_from(row.try_get::<i64>("place")?).unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_ten_together_and_everybody_has_one_while_there_are_enough() {
        for all in 1..=PLACES {
            let shares: Vec<usize> = (0..all).map(|before| share(PLACES, before, all)).collect();
            assert_eq!(shares.iter().sum::<usize>(), PLACES, "{shares:?}");
            let most = PLACES.div_ceil(all);
            assert!(
                shares
                    .iter()
                    .all(|share| (1..=most).contains(share) && share + 1 >= most),
                "{shares:?}"
            );
        }
        assert_eq!(share(5, 0, 3), 4);
        assert_eq!(share(2, 0, 3), 2, "no more than the setting");
        assert_eq!(share(2, 11, 12), 1, "where one is free, it is taken");
    }
}
