//! Whose a run is, and who may tell what came of work: whoever has it, and not whoever had it before.

use super::{
    leases::{insert_effect, leases_later, taken_effect, two},
    *,
};

#[tokio::test]
async fn a_run_whose_process_is_gone_is_taken_over_and_does_not_listen_to_it_any_more() {
    let (one, two) = two().await;
    let run = run("t");
    let mine = [one.open_run(&run).await.unwrap().unwrap()];
    // Before it has a position, its own effect starts it again.
    let told = two.claim_runs(leases_later(1)).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(!one.run_is_elsewhere(&mine[0]).await.unwrap());
    let position = json!({ "at": 1 });
    assert!(one.mark_run(&mine[0], &position).await.unwrap());
    assert_eq!(one.keep_runs(&mine, leases_later(1)).await.unwrap(), []);
    assert_eq!(two.claim_runs(leases_later(1)).await.unwrap(), []);
    // Its own process is told of it in any case: its watcher may be lost.
    assert_eq!(one.claim_runs(leases_later(1)).await.unwrap().len(), 1);
    let taken = two.claim_runs(leases_later(2)).await.unwrap();
    assert_eq!(taken[0].0.resume, Some(position.clone()));
    assert_eq!(one.claim_runs(leases_later(2)).await.unwrap(), []);
    assert_eq!(one.keep_runs(&mine, leases_later(2)).await.unwrap(), mine);
    let late = json!({ "at": 2 });
    assert!(!one.mark_run(&mine[0], &late).await.unwrap());
    let stored = two.runs_of(&run.task).await.unwrap();
    assert_eq!(stored[0].resume, Some(position));
    // Neither may it end the run, or write into its log.
    let log = async |store: &Store, words: &str| {
        let line = json!(words);
        let written = store.log_run(&run.task, run.number, LogKind::Text, &line, NOW);
        written.await.unwrap();
        let lines = store.log_after(&run.task, "", 9).await.unwrap();
        lines.last().map(|line| line.body.clone())
    };
    let later = Timestamp(leases_later(2).0 + 1);
    one.close_run(&run.task, run.number, later).await.unwrap();
    assert_eq!(two.live_runs().await.unwrap().len(), 1);
    assert_eq!(log(&two, "heard").await, Some(json!("heard")));
    assert_eq!(log(&one, "late").await, Some(json!("heard")));
    two.close_run(&run.task, run.number, later).await.unwrap();
    assert_eq!(two.live_runs().await.unwrap(), []);
    assert_eq!(log(&one, "later").await, Some(json!("heard")));
    assert_eq!(one.see_lost(&mine).await.unwrap(), mine);
    // Who works on the task by an effect may write, whoever had the run.
    insert_effect(&one, "1", "t", "work").await;
    let proof = taken_effect(&one, later).await;
    assert_eq!(log(&one, "proved").await, Some(json!("proved")));
    drop(proof);
}

#[tokio::test]
async fn a_run_that_is_nobodys_again_is_not_its_old_watchers() {
    for opened in each_database().await {
        let (one, two) = (&opened.store, opened.beside().await);
        let run = run("t");
        let old = one.open_run(&run).await.unwrap().unwrap();
        let watched = [old.clone()];
        let position = |at| json!({ "at": at });
        one.mark_run(&old, &position(1)).await.unwrap();
        // While the one sleeps, the other takes it, goes on, and ends.
        let (_, theirs) = two.claim_runs(leases_later(1)).await.unwrap().remove(0);
        two.mark_run(&theirs, &position(2)).await.unwrap();
        two.release_leases().await.unwrap();
        let stored = async || one.runs_of(&run.task).await.unwrap().remove(0);
        one.mark_run(&old, &position(1)).await.unwrap();
        assert_eq!(stored().await.resume, Some(position(2)));
        let kept = one.keep_runs(&watched, leases_later(1)).await;
        assert_eq!(kept.unwrap(), watched);
        // Neither is it where the one takes it anew, before its old watcher is gone.
        let (found, anew) = one.claim_runs(leases_later(1)).await.unwrap().remove(0);
        assert_eq!(found.resume, Some(position(2)));
        one.mark_run(&old, &position(1)).await.unwrap();
        let kept = one.keep_runs(&watched, leases_later(1)).await;
        assert_eq!(kept.unwrap(), watched);
        assert!(!one.run_is_ours(&old).await.unwrap());
        assert!(one.run_is_ours(&anew).await.unwrap());
        // It is told to be over by whoever has it, and by nobody else.
        let news = delivery("ended", "a");
        let ended =
            async |held: &RunTicket| one.end_run(held, &news, leases_later(1)).await.unwrap();
        assert!(!ended(&old).await);
        assert_eq!(
            (stored().await.ended, one.inbox_depth().await.unwrap().0),
            (None, 0)
        );
        // A cancel of this process's own leaves its watcher time to store what was spent.
        assert!(!one.take_task(&run.task, leases_later(1)).await.unwrap());
        one.mark_run(&anew, &position(3)).await.unwrap();
        assert!(ended(&anew).await);
        let over = stored().await;
        assert_eq!(
            (over.resume, over.ended),
            (Some(position(3)), Some(leases_later(1)))
        );
        assert_eq!(one.inbox_depth().await.unwrap().0, 1);
        two.close().await;
        one.close().await;
    }
}

#[tokio::test]
async fn what_an_effect_found_is_stored_by_whoever_has_it_and_by_nobody_else() {
    for opened in each_database().await {
        let (one, two) = (&opened.store, opened.beside().await);
        insert_effect(one, "1", "t", "work:t").await;
        let slept = taken_effect(one, NOW).await;
        let later = leases_later(1);
        let theirs = taken_effect(&two, later).await;
        // Both would say it under the same key, and the first one counts.
        let found = async |store: &Store, id: &Ticket, what: &str| {
            let found = NewDelivery {
                body: json!({ "found": what }),
                ..delivery("proved:1", "c:1")
            };
            store.accept_found(id, &found, later).await.unwrap()
        };
        assert!(!found(one, &slept.id, "a sandbox that was stopped").await);
        assert!(found(&two, &theirs.id, "every check passes").await);
        two.effect_done(&theirs.id, later).await.unwrap();
        assert!(!found(&two, &theirs.id, "the same again").await);
        let told = next(&two, later).await.unwrap();
        assert_eq!(told.body, json!({ "found": "every check passes" }));
        assert_eq!(two.inbox_depth().await.unwrap().0, 1);
        two.close().await;
        one.close().await;
    }
}
