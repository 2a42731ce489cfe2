//! The road from the platforms to the bots: what is sent comes late, twice, or behind what was sent later, and to any of them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
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
    client: reqwest::Client,
    is_smooth: Arc<AtomicBool>,
}

/// Opens a road to the bots that listen at `to`; gives its address, and a switch that makes it smooth.
pub async fn open(to: &[String], seed: u64) -> anyhow::Result<(String, Arc<AtomicBool>)> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let is_smooth = Arc::new(AtomicBool::new(false));
    let road = Road {
        to: to.into(),
        chance: Arc::new(Mutex::new(Chance::new(seed))),
        client: reqwest::Client::builder().no_proxy().build()?,
        is_smooth: Arc::clone(&is_smooth),
    };
    let router = Router::new().fallback(pass).with_state(road);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, is_smooth))
}

async fn pass(
    State(road): State<Road>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Bytes) {
    let (late, again) = if road.is_smooth.load(Ordering::Relaxed) {
        (0, None)
    } else {
        let mut chance = road.chance.lock().unwrap();
        let late = chance
            .below(3)
            .checked_sub(1)
            .map_or(0, |_| chance.below(LATE_MAX_MS));
        (late, (chance.below(4) == 0).then(|| chance.below(2_000)))
    };
    tokio::time::sleep(Duration::from_millis(late)).await;
    if let Some(later) = again {
        let (road, uri, headers, body) = (road.clone(), uri.clone(), headers.clone(), body.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(later)).await;
            road.send(&uri, headers, body).await
        });
    }
    road.send(&uri, headers, body).await
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
        let drawn = self.chance.lock().unwrap().below(several);
        usize::try_from(drawn).unwrap()
    }
}
