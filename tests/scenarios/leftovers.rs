//! What a crash leaves in the engine and in the data folder: what has no task goes, and nothing of anybody else.

use deckhand::engine::{gather, reaper, runs::sandbox};

use crate::harness::{REQUEST, Stage, engine::docker};

/// Whether a volume is there.
fn is_there(volume: &str) -> bool {
    docker(&[
        "volume",
        "ls",
        "-q",
        "--filter",
        &format!("name=^{volume}$"),
    ])
    .trim()
        == volume
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_volume_and_container_leaves_nothing_and_a_neighbour_keeps_his() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    let task = stage.wait_for_state(&thread, "awaiting_approval").await;
    let own = stage.context.config.instance.clone();
    let label = |instance: &str| format!("deckhand.instance={instance}");
    let make = |name: &str, instance: &str, task: &str| {
        let of_task = format!("deckhand.task={task}");
        docker(&[
            "volume",
            "create",
            "--label",
            &label(instance),
            "--label",
            &of_task,
            name,
        ]);
    };
    let (lost, foreign) = (format!("deckhand-{own}-lost"), format!("{own}-foreign"));
    make(&lost, &own, "no-such-task");
    make(&foreign, &foreign, "no-such-task");
    let data = &stage.context.config.data_dir;
    let folders = ["s/no-such-task-1", "quarantine/no-such-task.git"].map(|name| data.join(name));
    let kept = data.join("s").join(format!("{}-9", task.id));
    for folder in folders.iter().chain([&kept]) {
        std::fs::create_dir_all(folder).unwrap();
    }
    reaper::step(&stage.context).await.unwrap();
    assert!(!is_there(&lost), "the volume of no task is still there");
    assert!(is_there(&foreign), "somebody else's volume is gone");
    assert!(folders.iter().all(|folder| !folder.exists()));
    assert!(
        kept.exists(),
        "a task that waits for a person keeps what it has"
    );
    assert!(is_there(&format!("deckhand-{}-work", task.id)));
    docker(&["volume", "rm", &foreign]);
    thread.say("ana", "cancel").await.unwrap();
    stage.wait_for_state(&thread, "canceled").await;
    stage.settle().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_that_work_is_taken_out_of_is_left_alone_until_its_task_is_over() {
    let stage = Stage::open().await;
    let thread = stage.planned(REQUEST).await;
    stage.settle().await;
    stage.wait_for_no_sandbox().await;
    let context = &stage.context;
    let task = stage.task(&thread).await;
    let repository = &task.workplace.as_ref().unwrap().repository;
    let mirror = gather::known_ground(context, repository).await.unwrap();
    let spec = sandbox::for_leftovers(context, &task, task.last_run, mirror.path());
    context.executor.start(&spec).await.unwrap();
    reaper::step(context).await.unwrap();
    assert_eq!(stage.sandboxes().await, std::slice::from_ref(&spec.name.0));

    thread.say("ana", "stop").await.unwrap();
    thread.wait_for_words("Cancelled by").await.unwrap();
    stage.settle().await;
    stage.wait_for_no_sandbox().await;
    // Whoever had started this one is gone, and nobody comes back for it.
    context.executor.start(&spec).await.unwrap();
    reaper::step(context).await.unwrap();
    assert_eq!(stage.sandboxes().await, Vec::<String>::new());
    stage.close().await;
}
