//! Who keeps how many of Slack's sockets.

use super::*;
use crate::store::{leases::LEASE, sockets::SocketPlaces};

/// What a process has, what it should have, and what others have, for a setting of five.
async fn places(store: &Store, at: Timestamp) -> (Vec<u32>, usize, usize) {
    let SocketPlaces {
        ours,
        share,
        others,
    } = store.share_sockets(5, at).await.unwrap();
    (ours, share, others)
}

#[tokio::test]
async fn the_places_for_sockets_are_shared_out_and_go_over_from_one_that_dies() {
    for opened in each_database().await {
        let (one, two) = (&opened.store, opened.beside().await);
        let three = opened.beside().await;
        assert_eq!(places(one, NOW).await, (vec![1, 2, 3, 4, 5], 5, 0));
        assert_eq!(places(&two, NOW).await, (vec![6, 7, 8, 9, 10], 5, 5));
        // There is none for the third before the others have heard of it and closed what is beyond their share.
        assert_eq!(places(&three, NOW).await, (vec![], 3, 10));
        assert_eq!(places(one, NOW).await, (vec![1, 2, 3, 4, 5], 4, 5));
        assert_eq!(places(&two, NOW).await, (vec![6, 7, 8, 9, 10], 3, 5));
        assert_eq!(places(&three, NOW).await, (vec![], 3, 10));
        one.free_socket(5).await.unwrap();
        two.free_socket(9).await.unwrap();
        two.free_socket(10).await.unwrap();
        three.free_socket(1).await.unwrap();
        assert_eq!(places(&three, NOW).await, (vec![5, 9, 10], 3, 7));
        assert_eq!(places(one, NOW).await, (vec![1, 2, 3, 4], 4, 6));
        // The first one is heard no more.
        let over = Timestamp(NOW.0 + i64::try_from(LEASE.as_millis()).unwrap());
        let just_before = Timestamp(over.0 - 1);
        assert_eq!(places(&two, just_before).await, (vec![6, 7, 8], 3, 7));
        assert_eq!(places(&three, just_before).await, (vec![5, 9, 10], 3, 7));
        assert_eq!(places(&two, over).await, (vec![1, 2, 6, 7, 8], 5, 3));
        assert_eq!(places(&three, over).await, (vec![3, 4, 5, 9, 10], 5, 5));
        // It had only slept, and has nothing when it wakes; what another one leaves at its end is free at once.
        assert_eq!(places(one, over).await, (vec![], 4, 10));
        two.release_leases().await.unwrap();
        assert_eq!(places(one, over).await, (vec![1, 2, 6, 7, 8], 5, 5));
        for store in [one, &two, &three] {
            store.close().await;
        }
    }
}

#[tokio::test]
async fn no_place_for_a_socket_is_given_to_two() {
    for opened in each_database().await {
        let (one, two) = (&opened.store, opened.beside().await);
        let (first, second) = tokio::join!(one.share_sockets(10, NOW), two.share_sockets(10, NOW));
        let mut all = [first.unwrap().ours, second.unwrap().ours].concat();
        all.sort_unstable();
        let given = all.len();
        all.dedup();
        assert_eq!(all.len(), given, "{all:?}");
        two.close().await;
        one.close().await;
    }
}

#[tokio::test]
async fn a_file_has_no_places_of_an_earlier_process() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("db").display());
    let killed = Store::open(&address).await.unwrap();
    assert_eq!(places(&killed, NOW).await.0.len(), 5);
    killed.close().await;
    let next = Store::open(&address).await.unwrap();
    assert_eq!(places(&next, NOW).await, (vec![1, 2, 3, 4, 5], 5, 0));
    next.close().await;
}
