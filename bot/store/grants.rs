//! What people decided about hosts: for one task, or for a repository.

use super::{
    Store, StoreError,
    database::{Row, query},
    dialect, moment,
};
use crate::domain::{
    TaskId, Timestamp,
    network::{NetworkGrant, Verdict},
    specification::RepositoryName,
};

/// A decision that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGrant {
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What was decided.
    pub verdict: Verdict,
    /// Who decided.
    pub person: String,
    /// The task in which it was decided.
    pub decided_in: String,
    /// When.
    pub at: Timestamp,
}

/// The most decisions that are read for one sandbox.
const GRANTS_MAX: i64 = 1_000;

impl Store {
    /// Stores a decision. A repeat changes nothing; a decision for the repository takes the place of those about the same
    /// host that were for single tasks.
    pub async fn remember_grant(
        &self,
        task: &TaskId,
        grant: &NetworkGrant,
    ) -> Result<(), StoreError> {
        let repository = grant.repository.0.to_lowercase();
        let host = grant.host.to_lowercase();
        let scope = match grant.decision.verdict {
            Verdict::Once => task.0.as_str(),
            Verdict::Repository | Verdict::Never => "",
        };
        let mut transaction = self.begin().await?;
        if scope.is_empty() {
            query("DELETE FROM network_grants WHERE repository = $1 AND host = $2 AND port = $3 AND task <> ''")
                .bind(&repository)
                .bind(&host)
                .bind(i64::from(grant.port))
                .execute(&mut transaction)
                .await?;
        }
        query(
            "INSERT INTO network_grants (repository, task, host, port, verdict, person, road, decided_in, at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (repository, task, host, port) DO UPDATE SET
                 verdict = excluded.verdict, person = excluded.person, road = excluded.road,
                 decided_in = excluded.decided_in, at_ms = excluded.at_ms
             WHERE excluded.at_ms >= network_grants.at_ms",
        )
        .bind(&repository)
        .bind(scope)
        .bind(&host)
        .bind(i64::from(grant.port))
        .bind(grant.decision.verdict.name())
        .bind(&grant.decision.by.id.0)
        .bind(format!("{:?}", grant.decision.road).to_lowercase())
        .bind(&task.0)
        .bind(grant.decision.at.0)
        .execute(&mut transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What is in force for a repository, and for one of its tasks where one is given; `never` first.
    pub async fn grants(
        &self,
        repository: &RepositoryName,
        task: Option<&TaskId>,
    ) -> Result<Vec<StoredGrant>, StoreError> {
        let rows = query(
            "SELECT host, port, verdict, person, decided_in, at_ms FROM network_grants
             WHERE repository = $1 AND task IN ('', $2) ORDER BY verdict = 'never' DESC, at_ms DESC LIMIT $3",
        )
        .bind(repository.0.to_lowercase())
        .bind(task.map_or("", |task| task.0.as_str()))
        .bind(GRANTS_MAX)
        .fetch_all(self.database.reading())
        .await?;
        rows.iter().map(stored_grant).collect()
    }

    /// What is in force for many tasks of one repository at once: for each decision its task, none where it is for all of
    /// them; `never` first.
    pub async fn grants_of_tasks(
        &self,
        repository: &RepositoryName,
        tasks: &[&TaskId],
    ) -> Result<Vec<(Option<TaskId>, StoredGrant)>, StoreError> {
        let most = GRANTS_MAX.saturating_mul(i64::try_from(tasks.len()).unwrap_or(i64::MAX));
        let rows = dialect::grants_of_tasks()
            .bind(repository.0.to_lowercase())
            .bind(serde_json::to_string(tasks)?)
            .bind(most)
            .fetch_all(self.database.reading())
            .await?;
        let decided = rows.iter().map(|row| {
            let task: String = row.try_get("task")?;
            let task = (!task.is_empty()).then_some(TaskId(task));
            Ok((task, stored_grant(row)?))
        });
        decided.collect()
    }

    /// Forgets every decision about a host of a repository; says how many there were.
    pub async fn forget_grants(
        &self,
        repository: &RepositoryName,
        host: &str,
    ) -> Result<u64, StoreError> {
        let done = query("DELETE FROM network_grants WHERE repository = $1 AND host = $2")
            .bind(repository.0.to_lowercase())
            .bind(host.to_lowercase())
            .execute(self.database.writing())
            .await?;
        Ok(done)
    }
}

fn stored_grant(row: &Row) -> Result<StoredGrant, StoreError> {
    let verdict: String = row.try_get("verdict")?;
    Ok(StoredGrant {
        host: row.try_get("host")?,
        port: u16::try_from(row.try_get::<i64>("port")?).unwrap_or_default(),
        // The column allows no other word; the one that opens nothing stands for what cannot be.
        verdict: Verdict::named(&verdict).unwrap_or(Verdict::Never),
        person: row.try_get("person")?,
        decided_in: row.try_get("decided_in")?,
        at: moment(row.try_get("at_ms")?),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn grant(host: &str, verdict: Verdict, at: i64) -> NetworkGrant {
        crate::store::tests::grant(&RepositoryName("Acme/Web".into()), host, (verdict, at))
    }

    #[tokio::test]
    async fn a_decision_is_for_its_task_or_for_the_repository_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("d.sqlite").display());
        let store = Store::open(&address).await.unwrap();
        let (first, second) = (TaskId("one".into()), TaskId("two".into()));
        let name = RepositoryName("acme/web".into());
        let in_force = async |task: Option<&TaskId>| {
            let grants = store.grants(&name, task).await.unwrap();
            let words = grants
                .iter()
                .map(|grant| format!("{} {}", grant.host, grant.verdict.name()));
            words.collect::<Vec<_>>()
        };
        let once = grant("A.example", Verdict::Once, 1);
        store.remember_grant(&first, &once).await.unwrap();
        store.remember_grant(&first, &once).await.unwrap();
        assert_eq!(in_force(Some(&first)).await, ["a.example once"]);
        assert_eq!(in_force(Some(&second)).await, Vec::<String>::new());
        let always = grant("b.example", Verdict::Repository, 2);
        store.remember_grant(&first, &always).await.unwrap();
        assert_eq!(in_force(Some(&second)).await, ["b.example repository"]);
        let never = grant("a.example", Verdict::Never, 3);
        store.remember_grant(&second, &never).await.unwrap();
        let both = ["a.example never", "b.example repository"];
        assert_eq!(in_force(Some(&first)).await, both);
        // A repeat of an older decision, after a crash, does not undo a later one.
        let older = grant("a.example", Verdict::Repository, 2);
        store.remember_grant(&first, &older).await.unwrap();
        assert_eq!(in_force(None).await, both);
        assert_eq!(store.forget_grants(&name, "A.EXAMPLE").await.unwrap(), 1);
        assert_eq!(store.forget_grants(&name, "a.example").await.unwrap(), 0);
        assert_eq!(in_force(Some(&first)).await, ["b.example repository"]);
        let other = RepositoryName("acme/api".into());
        assert_eq!(store.grants(&other, None).await.unwrap(), []);
    }
}
