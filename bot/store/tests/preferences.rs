//! Settings that people change themselves.

use serde_json::json;

use super::{NOW, each_database, next};
use crate::{
    domain::{
        conversation::{ConversationId, PersonId},
        preferences::{Kept, Noise, Preferences, PreferencesOf},
        specification::RepositoryName,
    },
    store::{
        database::query,
        inbox::{NewDelivery, Source},
        tasks::{AuditEntry, Transition},
    },
};

#[tokio::test]
async fn settings_are_kept_with_who_changed_them_and_replaced() {
    for opened in each_database().await {
        let store = &opened.store;
        let of = PreferencesOf::Place("slack:T1:C1".into());
        let person = PreferencesOf::Person(PersonId("slack:T1:C1".into()));
        assert_eq!(
            store.preferences(&of).await.unwrap(),
            Preferences::default()
        );
        let web = Preferences {
            repository: Some(RepositoryName("acme/web".into())),
            agent: Some("goose".into()),
            noise: Noise::Quiet,
        };
        for (number, preferences) in [Preferences::default(), web.clone()]
            .into_iter()
            .enumerate()
        {
            let delivery = NewDelivery {
                source: Source::Slack,
                key: format!("form:{number}"),
                conversation: "c".into(),
                body: json!({}),
            };
            store.accept(&delivery, NOW).await.unwrap();
            let taken = next(store, NOW).await.unwrap();
            let transition = Transition {
                delivery: taken.id,
                conversation: ConversationId("c".into()),
                task: None,
                alone: None,
                effects: Vec::new(),
                audit: vec![AuditEntry {
                    person: "p".into(),
                    act: "settings".into(),
                    detail: of.key(),
                }],
                settings: Some(Kept {
                    of: of.clone(),
                    preferences,
                }),
            };
            store.commit(&transition, &json!({}), NOW).await.unwrap();
        }
        assert_eq!(store.preferences(&of).await.unwrap(), web);
        // A person of the same name is somebody else.
        assert_eq!(
            store.preferences(&person).await.unwrap(),
            Preferences::default()
        );
        // What cannot be read is not set, and holds nobody up.
        query("UPDATE preferences SET document = 'nonsense'")
            .execute(store.database.writing())
            .await
            .unwrap();
        assert_eq!(
            store.preferences(&of).await.unwrap(),
            Preferences::default()
        );
    }
}
