//! What the store promises, on both databases.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bells;
mod cancels;
mod dead_letters;
mod deletion;
mod doors;
mod leases;
mod milestones;
mod places;
mod plans;
mod preferences;
mod run_hands;
mod slots;
mod sockets;
mod sole;
mod trouble;
mod turns;
mod workspaces;

use serde_json::{Value, json};

use super::{
    Store, StoreError,
    database::query,
    dead_letters::GivenUp,
    dialect, fresh_id,
    inbox::{Accepted, Delivery, NewDelivery, Next, Source},
    leases::Ticket,
    outbox::{Claimed, From, Taken},
    posts::Post,
    runs::{LogKind, RunTicket, StoredRun},
    tasks::{AuditEntry, Transition},
    vault::Vault,
};
use crate::{
    config::EncryptionKeys,
    domain::{
        CommitId, RunNumber, TaskId, Timestamp,
        conversation::{ConversationId, LineRef, Person, PersonId, Road, Standing},
        effect::{Effect, Mark},
        network::{NetworkDecision, NetworkGrant, Verdict},
        specification::RepositoryName,
    },
};

const NOW: Timestamp = Timestamp(1_000);

/// A store with its address; what it lies in goes with it.
struct Opened {
    store: Store,
    address: String,
    _folder: Option<tempfile::TempDir>,
}

impl Opened {
    /// Another process on the same database.
    async fn beside(&self) -> Store {
        Store::open_beside(&self.address).await.unwrap()
    }
}

/// A fresh store on each of the two databases.
async fn each_database() -> [Opened; 2] {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("db").display());
    let server = deckhand_world::postgres::fresh_database().await.unwrap();
    [opened(file, Some(folder)).await, opened(server, None).await]
}

async fn opened(address: String, folder: Option<tempfile::TempDir>) -> Opened {
    Opened {
        store: Store::open(&address).await.unwrap(),
        address,
        _folder: folder,
    }
}

fn delivery(key: &str, conversation: &str) -> NewDelivery {
    NewDelivery {
        source: Source::Slack,
        key: key.to_owned(),
        conversation: conversation.to_owned(),
        body: json!({ "text": key }),
    }
}

fn transition(delivery: &Delivery, effects: Vec<Effect>) -> Transition {
    Transition {
        delivery: delivery.id.clone(),
        conversation: ConversationId(delivery.conversation.clone()),
        task: None,
        alone: None,
        effects,
        audit: vec![AuditEntry {
            person: "p:ana".into(),
            act: "said".into(),
            detail: "words".into(),
        }],
        settings: None,
    }
}

async fn insert_task(store: &Store, id: &str, state: &str, changed: i64) {
    query(
        "INSERT INTO tasks (id, conversation, requester, state, slot, version, document, opened_ms, changed_ms, queued_ms)
         VALUES ($1, $2, 'p:ana', $3, 'none', 1, '{}', 0, $4, $4)",
    )
    .bind(id)
    .bind(format!("c:{id}"))
    .bind(state)
    .bind(changed)
    .execute(store.database.writing())
    .await
    .unwrap();
}

/// The delivery whose turn it is.
async fn next(store: &Store, at: Timestamp) -> Option<Delivery> {
    match store.next_delivery(at).await.unwrap()? {
        Next::Delivery(delivery) => Some(delivery),
        unreadable @ Next::Unreadable { .. } => panic!("{unreadable:?}"),
    }
}

/// The effect whose turn it is, taken.
async fn taken(store: &Store, at: Timestamp) -> Option<Claimed> {
    match store.claim_effect(at).await.unwrap()? {
        Taken::Effect(claimed) => Some(claimed),
        unreadable @ Taken::Unreadable { .. } => panic!("{unreadable:?}"),
    }
}

fn run(task: &str) -> StoredRun {
    StoredRun {
        task: TaskId(task.into()),
        number: RunNumber(1),
        kind: "work".into(),
        agent: "goose".into(),
        sandbox: "s".into(),
        resume: None,
        started: NOW,
        ended: None,
    }
}

fn given_up<'a>(id: &'a Ticket, remains: Option<&'a Value>) -> GivenUp<'a> {
    GivenUp {
        id,
        error: "why",
        remains,
        news: None,
        unreadable: None,
    }
}

#[tokio::test]
async fn a_delivery_is_stored_once_and_waits_for_the_older_one_of_its_conversation() {
    for Opened { store, _folder, .. } in each_database().await {
        for (key, conversation, expected) in [
            ("1", "a", Accepted::Stored),
            ("1", "a", Accepted::Repeated),
            ("2", "a", Accepted::Stored),
            ("3", "b", Accepted::Stored),
        ] {
            let accepted = store.accept(&delivery(key, conversation), NOW).await;
            assert_eq!(accepted.unwrap(), expected, "{key}");
        }
        assert_eq!(store.inbox_depth().await.unwrap(), (3, Some(NOW)));
        let first = next(&store, NOW).await.unwrap();
        assert_eq!(first.body, json!({ "text": "1" }));
        let later = Timestamp(2_000);
        store
            .postpone_delivery(&first.id, later, "not now")
            .await
            .unwrap();
        // The one behind it waits with it; another conversation does not.
        let other = next(&store, NOW).await.unwrap();
        assert_eq!(other.body, json!({ "text": "3" }));
        let done = transition(&other, Vec::new());
        store.commit(&done, &Value::Null, NOW).await.unwrap();
        let again = store.commit(&done, &Value::Null, NOW).await.unwrap_err();
        assert!(matches!(again, StoreError::Conflict), "{again}");
        assert_eq!(next(&store, NOW).await, None);
        let first = next(&store, later).await.unwrap();
        assert_eq!((first.attempts, first.received), (1, NOW));
        let left = json!("left");
        let given_up = given_up(&first.id, Some(&left));
        store.give_up_delivery(&given_up, later).await.unwrap();
        let second = next(&store, later).await.unwrap();
        assert_eq!(second.body, json!({ "text": "2" }));
        assert_eq!(store.inbox_depth().await.unwrap().0, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn effects_are_done_one_after_the_other_in_their_lane() {
    for Opened { store, _folder, .. } in each_database().await {
        store.accept(&delivery("1", "a"), NOW).await.unwrap();
        let first = next(&store, NOW).await.unwrap();
        let marks = [Mark::Accepted, Mark::Working].map(|mark| Effect::Mark { mark });
        let done = transition(&first, marks.to_vec());
        store.commit(&done, &Value::Null, NOW).await.unwrap();
        assert_eq!(store.outbox_depth().await.unwrap(), (2, Some(NOW)));
        let claimed = taken(&store, NOW).await.unwrap();
        assert_eq!((&claimed.effect, claimed.attempts), (&marks[0], 1));
        assert_eq!(claimed.task, None);
        assert_eq!(taken(&store, NOW).await, None);
        let later = Timestamp(2_000);
        store
            .postpone_effect(&claimed.id, later, "not now")
            .await
            .unwrap();
        assert_eq!(taken(&store, NOW).await, None);
        assert_eq!(store.next_effect_due().await.unwrap(), Some(NOW));
        let claimed = taken(&store, later).await.unwrap();
        assert_eq!((&claimed.effect, claimed.attempts), (&marks[0], 2));
        store.effect_done(&claimed.id, later).await.unwrap();
        let claimed = taken(&store, later).await.unwrap();
        assert_eq!(claimed.effect, marks[1]);
        let given_up = store.give_up_effect(&claimed.id, "why", None, later).await;
        given_up.unwrap();
        assert_eq!(store.outbox_depth().await.unwrap(), (0, None));
        assert_eq!(store.forget_handled(later).await.unwrap(), 1);
        // What was given up stays for somebody to look at.
        assert_eq!(store.forget_handled(Timestamp(3_000)).await.unwrap(), 1);
        assert_eq!(store.given_up().await.unwrap(), (0, 1));
        store.close().await;
    }
}

#[tokio::test]
async fn the_machine_is_promised_to_no_more_tasks_than_it_takes() {
    for Opened { store, _folder, .. } in each_database().await {
        for number in 0..12 {
            insert_task(&store, &format!("t{number:02}"), "queued", number).await;
        }
        let asked = (0..24).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.grant_slot(3, NOW).await.unwrap() })
        });
        let mut granted = Vec::new();
        for asked in asked.collect::<Vec<_>>() {
            granted.extend(asked.await.unwrap().map(|task| task.0));
        }
        // Who came while another one was at it went away with nothing.
        while let Some(task) = store.grant_slot(3, NOW).await.unwrap() {
            granted.push(task.0);
        }
        granted.sort();
        assert_eq!(granted, ["t00", "t01", "t02"]);
        assert_eq!(store.slots().await.unwrap(), (3, 9));
        assert_eq!(store.queue().await.unwrap().len(), 9);
        assert_eq!(store.inbox_depth().await.unwrap().0, 3);
        store.close().await;
    }
}

#[tokio::test]
async fn posts_runs_and_logs_are_read_as_they_were_written() {
    for Opened { store, _folder, .. } in each_database().await {
        let task = TaskId("k3f9qx".into());
        let post = Post {
            conversation: ConversationId("c:1".into()),
            slot: "plan-1".into(),
            task: task.clone(),
        };
        for reference in ["first", "second"] {
            let reference = LineRef(reference.into());
            store.remember_post(&post, &reference).await.unwrap();
            let found = store.find_post(&post).await.unwrap();
            assert_eq!(found.as_ref(), Some(&reference));
            assert_eq!(store.post_at(&reference).await.unwrap(), Some(post.clone()));
        }
        let run = run(&task.0);
        store.open_run(&run).await.unwrap();
        let held = store.open_run(&run).await.unwrap().unwrap();
        assert_eq!(store.live_runs().await.unwrap(), std::slice::from_ref(&run));
        let resume = json!({ "at": 7 });
        store.mark_run(&held, &resume).await.unwrap();
        store.close_run(&task, run.number, NOW).await.unwrap();
        let ended = StoredRun {
            resume: Some(resume),
            ended: Some(NOW),
            ..run.clone()
        };
        assert_eq!(store.runs_of(&task).await.unwrap(), [ended]);
        assert_eq!(store.open_run(&run).await.unwrap(), None);
        assert_eq!(store.live_runs().await.unwrap(), []);
        for line in ["one", "two", "three"] {
            let (run, line) = (run.number, json!(line));
            let line = store.log_run(&task, run, LogKind::Text, &line, NOW).await;
            line.unwrap();
        }
        let lines = store.log_after(&task, "", 2).await.unwrap();
        assert_eq!(lines.len(), 2);
        let rest = store.log_after(&task, &lines[1].id, 2).await.unwrap();
        assert_eq!(rest[0].body, json!("three"));
        store.close().await;
    }
}

/// What ana decided about a host.
pub(super) fn grant(
    repository: &RepositoryName,
    host: &str,
    (verdict, at): (Verdict, i64),
) -> NetworkGrant {
    NetworkGrant {
        repository: repository.clone(),
        host: host.into(),
        port: 443,
        decision: NetworkDecision {
            verdict,
            by: Person {
                id: PersonId("p:ana".into()),
                name: "ana".into(),
                standing: Standing::Member,
            },
            road: Road::Button,
            at: Timestamp(at),
        },
    }
}

#[tokio::test]
async fn decisions_of_many_tasks_are_read_at_once_and_each_is_its_own() {
    for Opened { store, _folder, .. } in each_database().await {
        let name = RepositoryName("acme/web".into());
        let [one, two, other] = ["one", "two", "other"].map(|id| TaskId(id.into()));
        for (task, host, decided) in [
            (&one, "a.example", (Verdict::Once, 1)),
            (&two, "b.example", (Verdict::Once, 2)),
            (&other, "c.example", (Verdict::Once, 3)),
            (&other, "d.example", (Verdict::Repository, 4)),
            (&other, "e.example", (Verdict::Never, 5)),
        ] {
            let grant = grant(&name, host, decided);
            store.remember_grant(task, &grant).await.unwrap();
        }
        let together = store.grants_of_tasks(&name, &[&one, &two]).await.unwrap();
        for task in [&one, &two] {
            let of_it = together
                .iter()
                .filter(|(of, _)| of.as_ref().is_none_or(|of| of == task))
                .map(|(_, grant)| grant.clone())
                .collect::<Vec<_>>();
            assert_eq!(of_it.len(), 3);
            assert_eq!(of_it, store.grants(&name, Some(task)).await.unwrap());
        }
        assert_eq!(together.len(), 4);
        store.close().await;
    }
}

#[tokio::test]
async fn nobody_waits_for_another_one_that_promises_the_machine() {
    let [_, Opened { store, .. }] = each_database().await;
    insert_task(&store, "t1", "queued", 1).await;
    let mut at_it = store.begin().await.unwrap();
    let turn = dialect::slots_to_itself(&store.database).unwrap();
    assert!(turn.fetch_optional(&mut at_it).await.unwrap().is_some());
    assert_eq!(store.grant_slot(3, NOW).await.unwrap(), None);
    drop(at_it);
    let granted = store.grant_slot(3, NOW);
    assert_eq!(granted.await.unwrap(), Some(TaskId("t1".into())));
    store.close().await;
}

#[tokio::test]
async fn decisions_and_secrets_are_kept_and_replaced() {
    for Opened { store, _folder, .. } in each_database().await {
        let (task, name) = (TaskId("one".into()), RepositoryName("acme/web".into()));
        let decided = [
            (Verdict::Once, 1),
            (Verdict::Never, 3),
            (Verdict::Repository, 2),
        ];
        for (verdict, at) in decided {
            let grant = grant(&name, "a.example", (verdict, at));
            store.remember_grant(&task, &grant).await.unwrap();
        }
        let grants = store.grants(&name, Some(&task)).await.unwrap();
        assert_eq!(grants.len(), 1);
        assert_eq!(
            (grants[0].verdict, grants[0].at),
            (Verdict::Never, Timestamp(3))
        );
        assert_eq!(store.forget_grants(&name, "a.example").await.unwrap(), 1);

        let keys = |text: &str| EncryptionKeys::read(text).unwrap();
        let (old, new) = ("AQEB".repeat(10) + "AQE=", "AgIC".repeat(10) + "AgI=");
        let vault = Vault::new(store.clone(), keys(&old));
        for secret in ["first", "second"] {
            let put = vault.put("linear", &secret.into(), NOW, NOW).await;
            put.unwrap();
        }
        let vault = Vault::new(store.clone(), keys(&format!("{new},{old}")));
        assert_eq!(vault.rotate(NOW).await.unwrap().sealed_anew, 1);
        let kept = vault.get("linear").await.unwrap().unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&kept.secret), "second");
        vault.remove("linear").await.unwrap();
        assert_eq!(vault.check().await.unwrap().0, 0);
        store.close().await;
    }
}

#[tokio::test]
async fn a_copy_that_the_servers_own_tool_made_is_whole() {
    let run = |program: &str, arguments: &[&str]| {
        let program = deckhand_world::postgres::program(program).unwrap();
        let ran = std::process::Command::new(program).args(arguments).output();
        let ran = ran.unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{errors}");
    };
    let fresh = async || deckhand_world::postgres::fresh_database().await.unwrap();
    let keys = |text: &str| EncryptionKeys::read(text).unwrap();
    let key = "AQEB".repeat(10) + "AQE=";
    let (first, second) = (fresh().await, fresh().await);
    let store = Store::open(&first).await.unwrap();
    store.accept(&delivery("1", "a"), NOW).await.unwrap();
    insert_task(&store, "one", "failed", 10).await;
    let vault = Vault::new(store.clone(), keys(&key));
    let put = vault.put("linear", &"the token".into(), NOW, NOW).await;
    put.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump").display().to_string();
    // The server works meanwhile.
    run("pg_dump", &["--format=custom", "--file", &file, &first]);
    store.accept(&delivery("2", "a"), NOW).await.unwrap();
    store.close().await;

    run("pg_restore", &["--no-owner", "--dbname", &second, &file]);
    let store = Store::open(&second).await.unwrap();
    assert_eq!(store.inbox_depth().await.unwrap().0, 1);
    assert_eq!(store.tasks_by_state().await.unwrap().len(), 1);
    // What was stored is known when it comes again, and goes on.
    let again = store.accept(&delivery("1", "a"), NOW).await.unwrap();
    assert_eq!(again, Accepted::Repeated);
    assert_eq!(
        next(&store, NOW).await.unwrap().body,
        json!({ "text": "1" })
    );
    let vault = Vault::new(store.clone(), keys(&key));
    let kept = vault.get("linear").await.unwrap().unwrap();
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&kept.secret),
        "the token"
    );
    let other = Vault::new(store.clone(), keys(&("AgIC".repeat(10) + "AgI=")));
    assert!(
        other.get("linear").await.is_err(),
        "the key is not in the copy"
    );
    store.close().await;
}

#[tokio::test]
async fn old_logs_of_ended_tasks_go_and_others_stay() {
    for Opened { store, _folder, .. } in each_database().await {
        insert_task(&store, "old", "failed", 10).await;
        insert_task(&store, "young", "completed", 20).await;
        for task in ["old", "young"] {
            let task = TaskId(task.into());
            let (run, line) = (RunNumber(1), json!("x"));
            let log = store.log_run(&task, run, LogKind::Host, &line, NOW).await;
            log.unwrap();
        }
        assert_eq!(store.forget_logs(Timestamp(20)).await.unwrap(), 1);
        assert!(store.empty_log().await.unwrap());
        let left = store.log_after(&TaskId("young".into()), "", 9).await;
        assert_eq!(left.unwrap().len(), 1);
        let states = store.tasks_by_state().await.unwrap();
        assert_eq!(states.len(), 2);
        let deleted = store.delete_task(&TaskId("none".into()), "ana", NOW).await;
        assert_eq!(deleted.unwrap(), super::deletion::Deleted::Unknown);
        store.close().await;
    }
}
