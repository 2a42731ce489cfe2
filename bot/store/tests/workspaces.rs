//! Workspaces of Slack: installed and closed as a whole, and a token that is renewed by one process alone.

use secrecy::ExposeSecret as _;

use super::*;
use crate::store::workspaces::{Installed, Return, Secrets};

/// Longer than whoever renews has the row to itself.
const LATER: Timestamp = Timestamp(NOW.0 + 60_000);
const HOURS_MS: i64 = 3_600_000;

fn installed() -> Installed {
    Installed {
        id: "T1".into(),
        enterprise: String::new(),
        name: "Acme".into(),
        bot_user: "U0".into(),
        scopes: "chat:write".into(),
    }
}

fn secrets(number: u32) -> Secrets {
    Secrets {
        access: format!("canary-access-{number}").into(),
        refresh: Some(format!("canary-refresh-{number}").into()),
        ends: Some(Timestamp(NOW.0 + 12 * HOURS_MS)),
    }
}

fn vault(store: &Store) -> Vault {
    let keys = EncryptionKeys::read(&base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        [7; 32],
    ));
    Vault::new(store.clone(), keys.unwrap())
}

async fn access(vault: &Vault) -> Option<String> {
    let secrets = vault.secrets_of("T1").await.unwrap()?;
    Some(secrets.access.expose_secret().to_owned())
}

#[tokio::test]
async fn one_process_renews_a_token_and_who_comes_late_changes_nothing() {
    for Opened {
        store,
        address,
        _folder,
    } in each_database().await
    {
        let other = Store::open_beside(&address).await.unwrap();
        let (here, there) = (vault(&store), vault(&other));
        here.install(&installed(), &secrets(1), "n", NOW)
            .await
            .unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!(known.version, 1);
        assert_eq!(known.renew, Some(Timestamp(NOW.0 + 10 * HOURS_MS)));

        let row = ("T1", 1);
        assert!(store.begin_renewal(row, NOW).await.unwrap());
        assert!(!other.begin_renewal(row, NOW).await.unwrap());
        assert!(!store.begin_renewal(row, NOW).await.unwrap());
        // It sleeps past its lease, and the other one is faster.
        assert!(other.begin_renewal(row, LATER).await.unwrap());
        assert!(there.renewed(row, &secrets(2), LATER).await.unwrap());
        assert!(!here.renewed(row, &secrets(3), LATER).await.unwrap());
        assert_eq!(access(&here).await.as_deref(), Some("canary-access-2"));
        assert!(
            !store.begin_renewal(row, LATER).await.unwrap(),
            "that one is over"
        );

        // Somebody installs it anew while a renewal is under way: those tokens count.
        let row = ("T1", 2);
        assert!(store.begin_renewal(row, LATER).await.unwrap());
        there
            .install(&installed(), &secrets(4), "m", LATER)
            .await
            .unwrap();
        assert!(!here.renewed(row, &secrets(5), LATER).await.unwrap());
        store.refuse_renewal(row, "why").await.unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!((known.version, known.trouble), (3, None));
        assert_eq!(access(&here).await.as_deref(), Some("canary-access-4"));

        let row = ("T1", 3);
        assert!(store.begin_renewal(row, LATER).await.unwrap());
        store.end_renewal(row, Timestamp(5)).await.unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!(known.renew, Some(Timestamp(5)));
        assert!(other.begin_renewal(row, LATER).await.unwrap());
        other.refuse_renewal(row, "why").await.unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!((known.renew, known.trouble), (None, Some("why".to_owned())));
        other.close().await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_workspace_that_is_left_keeps_its_first_reason_and_no_token_and_opens_with_the_next() {
    for Opened { store, _folder, .. } in each_database().await {
        let vault = vault(&store);
        vault
            .install(&installed(), &secrets(1), "n", NOW)
            .await
            .unwrap();
        store
            .close_slack_workspace("T1", "first", NOW)
            .await
            .unwrap();
        store
            .close_slack_workspace("T1", "second", LATER)
            .await
            .unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!(known.closed, Some(("first".to_owned(), NOW)));
        assert_eq!(access(&vault).await, None);
        assert!(!store.begin_renewal(("T1", 1), NOW).await.unwrap());
        vault
            .install(&installed(), &secrets(2), "m", LATER)
            .await
            .unwrap();
        let known = store.slack_workspaces().await.unwrap().remove(0);
        assert_eq!((known.closed, known.version), (None, 2));
        // One that was never installed, and does not forget what others have.
        store.close_slack_workspace("", "own", NOW).await.unwrap();
        assert_eq!(access(&vault).await.as_deref(), Some("canary-access-2"));
        store.reopen_slack_workspace("").await.unwrap();
        assert_eq!(store.slack_workspaces().await.unwrap()[0].closed, None);
        store.close().await;
    }
}

#[tokio::test]
async fn who_comes_back_from_slack_is_counted_once() {
    for Opened { store, _folder, .. } in each_database().await {
        assert_eq!(store.count_return("n", NOW).await.unwrap(), Return::First);
        let again = store.count_return("n", NOW).await.unwrap();
        assert_eq!(again, Return::Repeated { installed: None });
        vault(&store)
            .install(&installed(), &secrets(1), "n", NOW)
            .await
            .unwrap();
        let again = store.count_return("n", NOW).await.unwrap();
        let installed = Some("Acme".to_owned());
        assert_eq!(again, Return::Repeated { installed });
        let much_later = Timestamp(NOW.0 + 2 * HOURS_MS);
        assert_eq!(
            store.count_return("m", much_later).await.unwrap(),
            Return::First
        );
        let row = query("SELECT count(*) AS number FROM slack_returns")
            .fetch_one(store.database.reading())
            .await
            .unwrap();
        assert_eq!(
            row.try_get::<i64>("number").unwrap(),
            1,
            "old ones are gone"
        );
        store.close().await;
    }
}
