//! Who sends the events: as fast as the answers come, at a pace, or all of them once more.
//!
//! All of it happens on one thread, and no more is made of an answer than its status: the processors that are taken here are
//! missing to whoever is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::events::Events;

/// How long one answer may take before the measurement is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The connections over which a pace is kept, so that one slow answer does not hold the next event back.
const PACE_CONNECTIONS: u32 = 16;

/// The most headers that an answer has.
const HEADERS_MAX: usize = 32;

/// A connection that is kept, with one request at a time.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Sends a request; says the status of its answer when that is there whole.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(
                read > 0,
                "a connection was closed in the middle of an answer"
            );
            if let Some(status) = status_of(&self.answer)? {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer, once it is there whole.
fn status_of(answer: &[u8]) -> anyhow::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(answer)? else {
        return Ok(None);
    };
    let body = &answer[length..];
    let header = |name: &str| {
        let mut headers = head.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value))
    };
    let is_whole = match (header("content-length"), header("transfer-encoding")) {
        (Some(bytes), _) => body.len() >= bytes.parse::<usize>()?,
        (None, Some(_)) => body.ends_with(b"0\r\n\r\n"),
        (None, None) => true,
    };
    let status = head.code.context("an answer without a status")?;
    Ok(is_whole.then_some(status))
}

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
        let request = events.request(number);
        let status = timeout(ANSWER_WITHIN, connection.ask(&request)).await??;
        if status == 200 {
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
    let events = Arc::clone(events);
    aside(async move || {
        let connections = connect(address, connections).await?;
        let begun = Instant::now();
        let until = begun + each;
        let lanes = connections.into_iter().map(|connection| {
            let fresh = Arc::clone(&events);
            let numbers =
                std::iter::from_fn(move || (Instant::now() < until).then(|| fresh.fresh()));
            one_by_one(connection, Arc::clone(&events), numbers)
        });
        together(lanes, begun).await
    })
    .await
}

/// Sends these events, each as soon as the one before it on its connection is answered.
pub async fn again(
    address: SocketAddr,
    events: &Arc<Events>,
    numbers: Vec<u64>,
    connections: usize,
) -> anyhow::Result<Answers> {
    let events = Arc::clone(events);
    aside(async move || {
        let share = numbers.len().div_ceil(connections).max(1);
        let shares: Vec<Vec<u64>> = numbers.chunks(share).map(<[u64]>::to_vec).collect();
        let connections = connect(address, shares.len()).await?;
        let lanes = connections.into_iter().zip(shares);
        let lanes = lanes.map(|(connection, share)| {
            one_by_one(connection, Arc::clone(&events), share.into_iter())
        });
        together(lanes, Instant::now()).await
    })
    .await
}

/// Sends so many events a second, however long the answers take. The time of each begins when its event was due.
pub async fn pace(
    address: SocketAddr,
    events: &Arc<Events>,
    per_second: u32,
    each: Duration,
) -> anyhow::Result<Answers> {
    let events = Arc::clone(events);
    aside(async move || {
        let connections = connect(address, PACE_CONNECTIONS as usize).await?;
        let gap = Duration::from_secs(1) / per_second;
        let begun = Instant::now();
        let until = begun + each;
        let lanes = (0..).zip(connections).map(|(lane, mut connection)| {
            let events = Arc::clone(&events);
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
    })
    .await
}

/// Does it on a thread of its own.
async fn aside<W>(work: impl FnOnce() -> W + Send + 'static) -> anyhow::Result<Answers>
where
    W: Future<Output = anyhow::Result<Answers>>,
{
    let on_one_thread = move || {
        let here = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        here.block_on(work())
    };
    tokio::task::spawn_blocking(on_one_thread).await?
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
        let answer = Vec::with_capacity(1 << 10);
        anyhow::Ok(Connection { stream, answer })
    };
    try_join_all((0..count).map(|_| connect())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_or_its_last_chunk_says_so() {
        let said = |answer: &str| status_of(answer.as_bytes()).unwrap();
        assert_eq!(said("HTTP/1.1 200 OK\r\ncontent-le"), None);
        assert_eq!(said("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no"), None);
        assert_eq!(
            said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            Some(200)
        );
        let chunked = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
        assert_eq!(said(chunked), None);
        assert_eq!(said(&format!("{chunked}0\r\n\r\n")), Some(503));
        assert_eq!(said("HTTP/1.1 204 No Content\r\n\r\n"), Some(204));
    }
}
