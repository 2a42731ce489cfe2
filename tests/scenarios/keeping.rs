//! What is kept and what goes: a task that somebody deletes, a database that is put back, things whose time is over.

use std::{path::Path, process::Command, time::Duration};

use deckhand::{
    domain::RunNumber,
    engine::{artifacts, reaper, retention::Sweeps},
    store::{
        dead_letters::GivenUp,
        inbox::{NewDelivery, Next, Source},
        runs::LogKind,
    },
};
use serde_json::json;

use crate::harness::{
    Bot, Image, Props, REQUEST, Stage,
    asking::no_message_twice,
    canaries::{Canary, Search},
    engine::docker,
    program::Deckhand,
    scripts,
};

/// A word that is only in what is said, made and logged for one task.
const CANARY: &str = "canaryOfAWholeTask5193";
/// A day.
const DAY: Duration = Duration::from_hours(24);

/// What is found of it in a folder. Another process takes the copy that is searched: this one has the database open, and
/// would give up its locks with the first file of it that it closes.
fn search(data: &Path) -> Search {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .args([data, folder.path()])
        .status();
    assert!(copied.unwrap().success());
    let mut search = Search::new(vec![Canary::new("word of the task", CANARY)], &[]);
    search.look_at_folder("data", &folder.path().join(data.file_name().unwrap()));
    search
}

/// The containers and volumes that the engine has of a task.
fn in_engine(task: &str) -> String {
    let label = format!("label=deckhand.task={task}");
    docker(&["ps", "-aq", "--filter", &label])
        + &docker(&["volume", "ls", "-q", "--filter", &label])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_task_is_gone_from_database_folders_and_engine() {
    let stage = Stage::open().await;
    stage.models.otherwise(scripts::without_pages());
    let program = Deckhand::of(&stage);
    let delete = async |id: &str| program.run(&["task", "delete", id]).await;
    let thread = stage.planned(&format!("{REQUEST} Name it {CANARY}.")).await;
    let id = stage.task(&thread).await.id;

    let refused = delete(&id.0).await;
    let words = format!("cancel it first: deckhand task cancel {id}");
    assert!(
        !refused.ok && refused.errors.contains(&words),
        "{refused:?}"
    );
    let refused = delete("../nobody").await;
    assert_eq!(refused.errors, "deckhand: there is no such task\n");

    stage.approve(&thread).await;
    stage.wait_for_state(&thread, "in_review").await;
    stage.github.merge("acme/web", 1).await.unwrap();
    stage.wait_for_state(&thread, "completed").await;
    stage.settle().await;
    stage.wait_for_no_sandbox().await;

    // What a longer task leaves beside that.
    let context = &stage.context;
    let data = &context.config.data_dir;
    artifacts::store(context, &id, "page.png", CANARY.as_bytes())
        .await
        .unwrap();
    let line = context.log_run(&id, RunNumber(1), LogKind::Text, json!({ "text": CANARY }));
    line.await.unwrap();
    let left = [format!("s/{id}-9"), format!("quarantine/{id}.git")];
    for folder in left.iter().map(|name| data.join(name)) {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("left"), CANARY).unwrap();
    }
    let neighbour = data.join("s").join(format!("{id}0-9"));
    std::fs::create_dir_all(&neighbour).unwrap();
    let labels = [
        format!("deckhand.instance={}", context.config.instance),
        format!("deckhand.task={id}"),
    ];
    let label = ["--label", &labels[0], "--label", &labels[1]];
    docker(&[&["volume", "create"][..], &label].concat());
    docker(&[&["create"][..], &label, &["deckhand-sandbox:goose", "true"]].concat());
    assert_eq!(in_engine(&id.0).lines().count(), 2);
    let before = search(data);
    let found: Vec<String> = before.finds().iter().map(ToString::to_string).collect();
    for place in ["data/deckhand.sqlite", "data/artifacts", "data/quarantine"] {
        let is_there = found.iter().any(|find| find.contains(place));
        assert!(is_there, "nothing in {place}: {found:?}");
    }
    let audit = context.store.audit_of(&id).await.unwrap();

    // Something that was said there is not dealt with yet.
    let tomorrow = context.clock.later(DAY);
    let said = NewDelivery {
        source: Source::Work,
        key: "said at the end".to_owned(),
        conversation: stage.task(&thread).await.conversation.0,
        body: json!({ "text": CANARY }),
    };
    context.store.accept(&said, tomorrow).await.unwrap();
    let refused = delete(&id.0).await;
    let words = "is over, but something about it still waits";
    assert!(!refused.ok && refused.errors.contains(words), "{refused:?}");
    let Some(Next::Delivery(said)) = context.store.next_delivery(tomorrow).await.unwrap() else {
        panic!("it does not wait");
    };
    let given_up = GivenUp {
        id: &said.id,
        error: CANARY,
        remains: Some(&said.body),
        news: None,
        unreadable: None,
    };
    let given_up = context.store.give_up_delivery(&given_up, tomorrow);
    given_up.await.unwrap();
    // What came meanwhile waited behind it.
    stage.settle().await;

    let deleted = delete(&id.0).await;
    assert!(deleted.ok, "{deleted:?}");
    let mut after = search(data);
    after.look(
        "list",
        program.run(&["task", "list"]).await.output.as_bytes(),
    );
    after.assert_nothing_found();
    assert_eq!(in_engine(&id.0), "");
    assert!(left.iter().all(|name| !data.join(name).exists()));
    assert!(neighbour.exists(), "another task's folder is gone");
    for table in ["tasks", "runs", "run_log", "posts"] {
        assert_eq!(stage.rows(table).await, 0, "{table}");
    }

    // Who decided stays, and who deleted; what was said does not.
    let kept = context.store.audit_of(&id).await.unwrap();
    assert!(
        kept.iter().all(|(_, entry)| entry.detail.is_empty()),
        "{kept:?}"
    );
    let acts = |entries: &[(_, deckhand::store::tasks::AuditEntry)]| {
        let acts = entries.iter().map(|(_, entry)| entry.act.clone());
        acts.collect::<Vec<_>>()
    };
    assert_eq!(
        acts(&kept),
        [acts(&audit), vec!["delete".to_owned()]].concat()
    );
    let again = delete(&id.0).await;
    assert!(again.ok && again.output.contains("already"), "{again:?}");
    assert_eq!(context.store.audit_of(&id).await.unwrap(), kept);
    std::fs::remove_dir_all(neighbour).unwrap();
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_put_in_place_goes_on_where_it_was_made() {
    let mut stage = Stage::open_with(Props {
        bot: Bot::Program,
        ..Props::default()
    })
    .await;
    stage.models.otherwise(scripts::without_pages());
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    let program = Deckhand::of(&stage);
    let file = program.path("backup");
    let path = file.display().to_string();
    // The server runs meanwhile.
    let made = program.run(&["backup", &path]).await;
    assert!(made.ok, "{made:?}");
    assert!(
        made.output.contains("keys of stored tokens are not in it"),
        "{made:?}"
    );
    let refused = program.run(&["backup", &path]).await;
    let words =
        format!("deckhand: {path} is there already; a backup is never written over anything\n");
    assert_eq!((refused.ok, refused.errors), (false, words));

    let data = stage.context.config.data_dir.clone();
    let key = std::fs::read_to_string(data.join("encryption.key")).unwrap();
    let mut search = Search::new(vec![Canary::new("key", key.trim())], &[]);
    search.look("backup", &std::fs::read(&file).unwrap());
    search.assert_nothing_found();

    let store = stage.context.store.clone();
    stage
        .while_down(async |_| {
            store.close().await;
            for ending in ["", "-wal", "-shm"] {
                let lost = data.join(format!("deckhand.sqlite{ending}"));
                assert!(std::fs::remove_file(lost).is_ok() || !ending.is_empty());
            }
            std::fs::copy(&file, data.join("deckhand.sqlite")).unwrap();
        })
        .await;
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    assert_eq!(task.plans.len(), 1, "{}", thread.render());
    stage.approve(&thread).await;
    let task = stage.wait_for_state(&thread, "in_review").await;
    stage.settle().await;
    assert!(task.last_result().unwrap().whole, "{}", thread.render());
    assert_eq!(stage.pull_requests().len(), 1, "{}", thread.render());
    no_message_twice(&thread);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_for_its_time_goes() {
    // Without an image the task fails before it has a sandbox.
    let stage = Stage::open_with(Props {
        image: Image::Missing,
        settings: vec![
            (
                "DECKHAND_IMAGE_PREFIX",
                "deckhand-no-such-image:".to_owned(),
            ),
            ("DECKHAND_KEEP_SNAPSHOTS_DAYS", "10".to_owned()),
            ("DECKHAND_KEEP_LOGS_DAYS", "20".to_owned()),
            ("DECKHAND_KEEP_ARTIFACTS_DAYS", "30".to_owned()),
            ("DECKHAND_KEEP_DELIVERIES_DAYS", "40".to_owned()),
        ],
        ..Props::default()
    })
    .await;
    let thread = stage.mention(REQUEST).await;
    let id = stage.wait_for_state(&thread, "failed").await.id;
    stage.settle().await;
    let context = &stage.context;
    artifacts::store(context, &id, "page.png", b"png")
        .await
        .unwrap();
    let line = context.log_run(&id, RunNumber(1), LogKind::Text, json!({ "text": "seen" }));
    line.await.unwrap();
    let picture = artifacts::path_of(context, &id, "page.png").unwrap();
    let commits = context.quarantine_path(&id);
    std::fs::create_dir_all(&commits).unwrap();

    // What a failed run leaves in the engine, so that a retry goes on from it.
    let labels = [
        format!("deckhand.instance={}", context.config.instance),
        format!("deckhand.task={id}"),
    ];
    let label = ["--label", &labels[0], "--label", &labels[1]];
    docker(&[&["volume", "create"][..], &label].concat());

    let mut sweeps = Sweeps::default();
    let mut round = async |ahead: Duration| {
        stage.clock.advance(ahead);
        let was_due = sweeps.step(context).await.unwrap();
        reaper::step(context).await.unwrap();
        let log = context.store.log_after(&id, "", 10).await.unwrap();
        let rows = stage.rows("inbox").await + stage.rows("outbox").await;
        let kept = [
            !in_engine(&id.0).is_empty(),
            commits.exists(),
            !log.is_empty(),
            picture.exists(),
            rows > 0,
        ];
        (was_due, kept)
    };
    let hour = Duration::from_hours(1);
    // The volume and the commits, the log, the picture, the rows: so many of them are there.
    let left = |number: usize| std::array::from_fn(|place| place >= 5 - number);
    assert_eq!(round(Duration::ZERO).await, (true, left(5)));
    assert_eq!(round(hour / 2).await, (false, left(5)));
    assert_eq!(round(DAY * 9).await, (true, left(5)));
    assert_eq!(round(DAY).await, (true, left(3)));
    assert_eq!(round(DAY * 9).await, (true, left(3)));
    assert_eq!(round(DAY).await, (true, left(2)));
    assert_eq!(round(DAY * 9).await, (true, left(2)));
    assert_eq!(round(DAY).await, (true, left(1)));
    assert_eq!(round(DAY * 9).await, (true, left(1)));
    assert_eq!(round(DAY).await, (true, left(0)));
    assert_eq!(stage.rows("tasks").await, 1, "the task itself stays");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_cannot_be_read_keeps_its_pictures_and_nobody_elses() {
    // Without an image tasks fail before they have a sandbox.
    let stage = Stage::open_with(Props {
        image: Image::Missing,
        settings: vec![
            (
                "DECKHAND_IMAGE_PREFIX",
                "deckhand-no-such-image:".to_owned(),
            ),
            ("DECKHAND_KEEP_ARTIFACTS_DAYS", "30".to_owned()),
        ],
        ..Props::default()
    })
    .await;
    let context = &stage.context;
    let failed = async || {
        let thread = stage.mention(REQUEST).await;
        let id = stage.wait_for_state(&thread, "failed").await.id;
        let stored = artifacts::store(context, &id, "page.png", b"png");
        stored.await.unwrap();
        let picture = artifacts::path_of(context, &id, "page.png").unwrap();
        (id, picture)
    };
    let (broken, kept) = failed().await;
    let (_, gone) = failed().await;
    stage.settle().await;
    let half = format!("UPDATE tasks SET document = '{{half' WHERE id = '{broken}'");
    stage.damage(&half).await;
    stage.clock.advance(DAY * 31);
    assert!(Sweeps::default().step(context).await.unwrap());
    assert!(!gone.exists(), "its time is over");
    assert!(kept.exists(), "nobody knows whether its time is over");
    stage.close().await;
}
