//! Who sends the events: as fast as the answers come, at a pace, or all of them once more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::events::Events;

/// How long one answer may take before the measurement is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The connections over which a pace is kept, so that one slow answer does not hold the next event back.
const PACE_CONNECTIONS: u32 = 16;

type Connection = SendRequest<Full<Bytes>>;

/// What came back.
#[derive(Default)]
pub struct Answers {
    /// How long each acknowledgement took.
    pub times: Vec<Duration>,
    /// The events that were acknowledged.
    pub acknowledged: Vec<u64>,
    /// How many answers were no acknowledgement.
    pub refused: u64,
    /// From the first event to the last answer.
    pub took: Duration,
}

impl Answers {
    fn take(&mut self, other: Self) {
        self.times.extend(other.times);
        self.acknowledged.extend(other.acknowledged);
        self.refused += other.refused;
    }

    async fn ask(
        &mut self,
        connection: &mut Connection,
        events: &Events,
        number: u64,
        begun: Instant,
    ) -> anyhow::Result<()> {
        let request = events.request(number)?;
        let status = timeout(ANSWER_WITHIN, async {
            connection.ready().await?;
            let mut answer = connection.send_request(request).await?;
            while let Some(frame) = answer.body_mut().frame().await {
                frame?;
            }
            hyper::Result::Ok(answer.status())
        })
        .await??;
        if status == StatusCode::OK {
            self.times.push(begun.elapsed());
            self.acknowledged.push(number);
        } else {
            self.refused += 1;
        }
        Ok(())
    }
}

/// Sends one event; anything but an acknowledgement is an error.
pub async fn once(address: SocketAddr, events: &Events) -> anyhow::Result<()> {
    let mut answers = Answers::default();
    for mut connection in connect(address, 1).await? {
        let number = events.fresh();
        answers
            .ask(&mut connection, events, number, Instant::now())
            .await?;
    }
    ensure!(answers.refused == 0, "the event was not acknowledged");
    Ok(())
}

/// Sends the next event on each connection as soon as the last one is answered, for so long.
pub async fn press(
    address: SocketAddr,
    events: &Arc<Events>,
    connections: usize,
    each: Duration,
) -> anyhow::Result<Answers> {
    let connections = connect(address, connections).await?;
    let begun = Instant::now();
    let until = begun + each;
    let lanes = connections.into_iter().map(|connection| {
        let fresh = Arc::clone(events);
        let numbers = std::iter::from_fn(move || (Instant::now() < until).then(|| fresh.fresh()));
        one_by_one(connection, Arc::clone(events), numbers)
    });
    together(lanes, begun).await
}

/// Sends these events, each as soon as the one before it on its connection is answered.
pub async fn again(
    address: SocketAddr,
    events: &Arc<Events>,
    numbers: Vec<u64>,
    connections: usize,
) -> anyhow::Result<Answers> {
    let share = numbers.len().div_ceil(connections).max(1);
    let shares: Vec<Vec<u64>> = numbers.chunks(share).map(<[u64]>::to_vec).collect();
    let connections = connect(address, shares.len()).await?;
    let lanes = connections.into_iter().zip(shares);
    let lanes = lanes
        .map(|(connection, share)| one_by_one(connection, Arc::clone(events), share.into_iter()));
    together(lanes, Instant::now()).await
}

/// Sends so many events a second, however long the answers take. The time of each begins when its event was due.
pub async fn pace(
    address: SocketAddr,
    events: &Arc<Events>,
    per_second: u32,
    each: Duration,
) -> anyhow::Result<Answers> {
    let connections = connect(address, PACE_CONNECTIONS as usize).await?;
    let gap = Duration::from_secs(1) / per_second;
    let begun = Instant::now();
    let until = begun + each;
    let lanes = (0..).zip(connections).map(|(lane, mut connection)| {
        let events = Arc::clone(events);
        async move {
            let mut answers = Answers::default();
            let mut due = begun + gap * lane;
            while due < until {
                sleep_until(due.into()).await;
                let number = events.fresh();
                answers.ask(&mut connection, &events, number, due).await?;
                due += gap * PACE_CONNECTIONS;
            }
            anyhow::Ok(answers)
        }
    });
    together(lanes, begun).await
}

async fn one_by_one(
    mut connection: Connection,
    events: Arc<Events>,
    numbers: impl Iterator<Item = u64> + Send + 'static,
) -> anyhow::Result<Answers> {
    let mut answers = Answers::default();
    for number in numbers {
        answers
            .ask(&mut connection, &events, number, Instant::now())
            .await?;
    }
    Ok(answers)
}

async fn together<L>(lanes: impl Iterator<Item = L>, begun: Instant) -> anyhow::Result<Answers>
where
    L: Future<Output = anyhow::Result<Answers>> + Send + 'static,
{
    let mut asking: JoinSet<anyhow::Result<Answers>> = lanes.collect();
    let mut all = Answers::default();
    while let Some(answers) = asking.join_next().await {
        all.take(answers??);
    }
    all.took = begun.elapsed();
    Ok(all)
}

async fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Connection>> {
    let connect = async || {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        anyhow::Ok(sender)
    };
    try_join_all((0..count).map(|_| connect())).await
}
