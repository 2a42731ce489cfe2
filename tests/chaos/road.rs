//! The road from the platforms to the bots: what is sent comes late, twice, or behind what was sent later, and to any of them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};

use crate::fate::Chance;

/// The longest that one delivery is held back, in milliseconds: below what Slack waits.
const LATE_MAX_MS: u64 = 250;
/// How long one of several bots has until another one gets the same.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Road {
    to: Arc<[String]>,
    chance: Arc<Mutex<Chance>>,
    /// For which of several bots gets the next one: that moves no delay.
    whom: Arc<Mutex<Chance>>,
    client: reqwest::Client,
    traffic: Traffic,
}

/// What is on a road, and the switch that makes it smooth.
#[derive(Clone, Default)]
pub struct Traffic {
    is_smooth: Arc<AtomicBool>,
    outstanding: Arc<AtomicUsize>,
    late: Arc<AtomicUsize>,
    twice: Arc<AtomicUsize>,
}

impl Traffic {
    /// From now on nothing comes late or twice. What is on the road already still comes.
    pub fn make_smooth(&self) {
        self.is_smooth.store(true, Ordering::Relaxed);
    }

    /// How many deliveries are on the road: held back, to come again, or not answered yet.
    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::SeqCst)
    }

    /// How many deliveries were held back so far.
    pub fn late(&self) -> usize {
        self.late.load(Ordering::Relaxed)
    }

    /// How many came twice so far.
    pub fn twice(&self) -> usize {
        self.twice.load(Ordering::Relaxed)
    }

    fn enter(&self) -> OnTheRoad {
        self.outstanding.fetch_add(1, Ordering::SeqCst);
        OnTheRoad(Arc::clone(&self.outstanding))
    }
}

/// One delivery, until it is answered or its sender does not wait any more.
struct OnTheRoad(Arc<AtomicUsize>);

impl Drop for OnTheRoad {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Opens a road to the bots that listen at `to`; gives its address and what is on it.
pub async fn open(to: &[String], seed: u64) -> anyhow::Result<(String, Traffic)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let traffic = Traffic::default();
    let road = Road {
        to: to.into(),
        chance: Arc::new(Mutex::new(Chance::new(seed))),
        whom: Arc::new(Mutex::new(Chance::new(!seed))),
        client: reqwest::Client::builder().no_proxy().build()?,
        traffic: traffic.clone(),
    };
    let router = Router::new().fallback(pass).with_state(road);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, traffic))
}

async fn pass(
    State(road): State<Road>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let _under_way = road.traffic.enter();
    let (late, again) = if road.traffic.is_smooth.load(Ordering::Relaxed) {
        (0, None)
    } else {
        drawn(&mut road.chance.lock().unwrap())
    };
    if late > 0 {
        road.traffic.late.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(late)).await;
    }
    if let Some(later) = again {
        let (road, uri, headers, body) = (road.clone(), uri.clone(), headers.clone(), body.clone());
        let under_way = road.traffic.enter();
        tokio::spawn(async move {
            let _under_way = under_way;
            tokio::time::sleep(Duration::from_millis(later)).await;
            road.traffic.twice.fetch_add(1, Ordering::Relaxed);
            road.send(&uri, headers, body).await
        });
    }
    road.send(&uri, headers, body).await
}

/// How late the next delivery is, and how much later it comes again, in milliseconds.
fn drawn(chance: &mut Chance) -> (u64, Option<u64>) {
    let late = chance
        .below(3)
        .checked_sub(1)
        .map_or(0, |_| chance.below(LATE_MAX_MS));
    (late, (chance.below(4) == 0).then(|| chance.below(2_000)))
}

impl Road {
    /// To any of them; where that one does not answer, to the next.
    async fn send(&self, uri: &Uri, mut headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
        headers.remove("host");
        headers.remove("content-length");
        let first = self.first();
        let (before, after) = self.to.split_at(first);
        for to in after.iter().chain(before) {
            let request = self.client.post(format!("http://{to}{uri}"));
            let request = request.headers(headers.clone()).body(body.clone());
            let sent = async {
                let answer = request.send().await?;
                let status = answer.status();
                Ok::<_, reqwest::Error>((status, answer.bytes().await.unwrap_or_default()))
            };
            let answered = match self.to.len() {
                1 => sent.await.ok(),
                _ => tokio::time::timeout(ANSWERS_WITHIN, sent)
                    .await
                    .ok()
                    .and_then(Result::ok),
            };
            if let Some(answer) = answered {
                return answer;
            }
        }
        (StatusCode::BAD_GATEWAY, Bytes::new())
    }

    /// Which of them gets the next one first.
    fn first(&self) -> usize {
        let several = u64::try_from(self.to.len()).unwrap();
        if several == 1 {
            return 0;
        }
        let drawn = self.whom.lock().unwrap().below(several);
        usize::try_from(drawn).unwrap()
    }
}

/// The tests of what is known of a road.
pub mod tests {
    use std::time::Duration;

    use axum::{Router, http::StatusCode};

    use super::{drawn, open};
    use crate::fate::Chance;

    /// How long a delivery may be on the road here.
    const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

    const SEED: u64 = 1;
    const DELIVERIES: usize = 40;

    pub async fn what_comes_again_is_outstanding_until_it_came() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let (came, mut coming) = tokio::sync::mpsc::unbounded_channel();
        let router = Router::new().fallback(move || {
            let heard = came.send(()).is_ok();
            async move {
                if heard {
                    StatusCode::OK
                } else {
                    StatusCode::GONE
                }
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        let (address, traffic) = open(&[to], SEED).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let sent = (0..DELIVERIES).map(|_| client.post(&address).send());
        for answer in futures::future::join_all(sent).await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
        let emptied = async {
            while traffic.outstanding() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(ARRIVES_WITHIN, emptied).await.unwrap();
        let mut arrived = 0;
        while coming.try_recv().is_ok() {
            arrived += 1;
        }
        let chance = &mut Chance::new(SEED);
        let draws = (0..DELIVERIES).map(|_| drawn(chance).1);
        let again = draws.flatten().count();
        assert!(again > 0, "nothing was to come again");
        assert_eq!(arrived, DELIVERIES + again);
        assert_eq!(traffic.twice(), again);
        assert!(traffic.late() > 0);
        traffic.make_smooth();
        client.post(&address).send().await.unwrap();
        coming.recv().await.unwrap();
        assert_eq!(traffic.outstanding(), 0);
        assert!(coming.try_recv().is_err(), "it came twice");
    }
}
