//! What a cancel leaves open: itself, and what follows from it, whatever else happens to its task meanwhile.

use super::{milestones::commit, *};
use crate::{
    domain::task::State,
    words::tests::samples::{self, person},
};

/// The effects that are open, each done once it is taken.
async fn open_effects(store: &Store, at: Timestamp) -> Vec<Effect> {
    let mut open = Vec::new();
    while let Some(claimed) = taken(store, at).await {
        store.effect_done(&claimed.id, at).await.unwrap();
        open.push(claimed.effect);
    }
    open
}

#[tokio::test]
async fn what_happens_after_a_cancel_takes_nothing_of_it_away() {
    let [working, canceled] = [Mark::Working, Mark::Canceled].map(|mark| Effect::Mark { mark });
    let heard = Effect::Hear {
        line: LineRef("2".into()),
    };
    for Opened { store, _folder, .. } in each_database().await {
        let mut task = samples::task();
        commit(&store, "1", (&task, 0), vec![working.clone()], 1_000).await;
        task.state = State::Canceled {
            by: person("ana"),
            road: Road::Sentence,
            confirmed: false,
            handed: None,
        };
        let ends = vec![Effect::StopAll, canceled.clone()];
        commit(&store, "2", (&task, 1), ends.clone(), 1_001).await;
        commit(&store, "3", (&task, 2), vec![heard.clone()], 1_002).await;
        commit(&store, "4", (&task, 3), Vec::new(), 1_003).await;
        let expected = [ends, vec![heard.clone()]].concat();
        assert_eq!(open_effects(&store, Timestamp(1_003)).await, expected);
        store.close().await;
    }
}

#[tokio::test]
async fn a_place_that_is_kept_for_the_end_of_a_task_takes_nothing_else() {
    let mark = Mark::Working;
    for Opened { store, _folder, .. } in each_database().await {
        let task = samples::task();
        let effects = vec![Effect::Mark { mark }];
        commit(&store, "1", (&task, 0), effects.clone(), 1_000).await;
        let stop = async || match store.claim_stop(Timestamp(1_001)).await.unwrap() {
            Some(Taken::Effect(claimed)) => Some(claimed.effect),
            Some(unreadable @ Taken::Unreadable { .. }) => panic!("{unreadable:?}"),
            None => None,
        };
        assert_eq!(stop().await, None);
        commit(&store, "2", (&task, 1), vec![Effect::StopAll], 1_001).await;
        assert_eq!(stop().await, Some(Effect::StopAll));
        assert_eq!(stop().await, None);
        assert_eq!(open_effects(&store, Timestamp(1_001)).await, effects);
        store.close().await;
    }
}
