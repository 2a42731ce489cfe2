//! Who sends the events: as fast as the answers come, at a pace, or all of them once more.
//!
//! All of it is one loop on one thread, without a runtime, and no more is made of an answer than its status: the processors that
//! are taken here are missing to whoever is measured.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use super::apps::worked;
use super::events::Events;

/// How long one answer may take before the measurement is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The connections over which a pace is kept, so that one slow answer does not hold the next event back.
const PACE_CONNECTIONS: u32 = 16;

/// The most headers that an answer has.
const HEADERS_MAX: usize = 32;
/// The figures of the thread that reads them.
const THIS_THREAD: &str = "/proc/thread-self/stat";
/// How much of an answer is read at once.
const READ_MAX: usize = 1 << 12;

/// What a connection does next.
#[derive(Clone, Copy)]
enum Next {
    /// It sends the event of this number, whose time began at this moment.
    Send(u64, Instant),
    /// It waits until then.
    Wait(Instant),
    /// It is done.
    End,
}

/// What a connection is at.
enum State {
    /// It waits until it is to send.
    Idle(Instant),
    /// It has sent, or is sending, this event, whose time began then.
    Asked(u64, Instant),
    /// It is done.
    Done,
}

/// A connection that is kept, with one request at a time.
struct Connection {
    stream: TcpStream,
    state: State,
    request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            state: State::Idle(Instant::now()),
            request: Vec::with_capacity(READ_MAX),
            sent: 0,
            answer: Vec::with_capacity(READ_MAX),
        })
    }

    /// Sends what is left of the request, as far as the connection takes it.
    fn send(&mut self) -> anyhow::Result<()> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(0) => bail!("a connection was closed in the middle of a request"),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The status of the answer, once it is there whole. One that is has nothing behind it: nothing else was asked.
    fn read(&mut self) -> anyhow::Result<Option<u16>> {
        let mut part = [0; READ_MAX];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => bail!("a connection was closed in the middle of an answer"),
                Ok(read) => self.answer.extend_from_slice(&part[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = status_of(&self.answer)? {
                return Ok(Some(status));
            }
        }
    }
}

/// The connections, and what came back over them.
struct Sender {
    poll: Poll,
    connections: Vec<Connection>,
    events: Arc<Events>,
    answers: Answers,
}

impl Sender {
    fn connect(
        address: SocketAddr,
        events: Arc<Events>,
        connections: usize,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let mut opened = Vec::new();
        for token in 0..connections {
            let mut connection = Connection::open(address)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry()
                .register(&mut connection.stream, Token(token), both)?;
            opened.push(connection);
        }
        Ok(Self {
            poll,
            connections: opened,
            events,
            answers: Answers::default(),
        })
    }

    /// Sends until every connection is done. `next` is asked with the connection's number what it does, whenever it has nothing
    /// to do.
    fn run(mut self, mut next: impl FnMut(usize, Instant) -> Next) -> anyhow::Result<Answers> {
        let worked = worked(THIS_THREAD)?;
        let begun = Instant::now();
        let mut ready = mio::Events::with_capacity(self.connections.len().max(1));
        let mut due = self.begin(begun, &mut next)?;
        while self.is_asking() || due.is_some() {
            let patience = due.map_or(ANSWER_WITHIN, |due| {
                due.saturating_duration_since(Instant::now())
            });
            match self.poll.poll(&mut ready, Some(patience)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            ensure!(
                !ready.is_empty() || due.is_some(),
                "no answer has come for {ANSWER_WITHIN:?}"
            );
            for event in &ready {
                self.look_at(event.token().0, &mut next)?;
            }
            // Only at a pace does anybody wait for a moment.
            due = if due.is_some() {
                self.begin(Instant::now(), &mut next)?
            } else {
                self.first_due()
            };
        }
        self.answers.took = begun.elapsed();
        self.answers.worked = self::worked(THIS_THREAD)?.saturating_sub(worked);
        Ok(self.answers)
    }

    /// Lets every connection begin that is due; says when the next one is.
    fn begin(
        &mut self,
        now: Instant,
        next: &mut impl FnMut(usize, Instant) -> Next,
    ) -> anyhow::Result<Option<Instant>> {
        for place in 0..self.connections.len() {
            if matches!(self.connections[place].state, State::Idle(due) if due <= now) {
                self.go_on(place, next(place, now))?;
            }
        }
        Ok(self.first_due())
    }

    fn first_due(&self) -> Option<Instant> {
        let due = self.connections.iter().filter_map(|it| match it.state {
            State::Idle(due) => Some(due),
            State::Asked(..) | State::Done => None,
        });
        due.min()
    }

    fn is_asking(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|it| matches!(it.state, State::Asked(..)))
    }

    /// Does what can be done on a connection.
    fn look_at(
        &mut self,
        place: usize,
        next: &mut impl FnMut(usize, Instant) -> Next,
    ) -> anyhow::Result<()> {
        let connection = &mut self.connections[place];
        let State::Asked(number, begun) = connection.state else {
            return Ok(());
        };
        if connection.sent < connection.request.len() {
            return connection.send();
        }
        let Some(status) = connection.read()? else {
            ensure!(
                begun.elapsed() < ANSWER_WITHIN,
                "an answer has not come for {ANSWER_WITHIN:?}"
            );
            return Ok(());
        };
        let now = Instant::now();
        self.answers.came(status, number, now.duration_since(begun));
        self.go_on(place, next(place, now))
    }

    fn go_on(&mut self, place: usize, next: Next) -> anyhow::Result<()> {
        let connection = &mut self.connections[place];
        match next {
            Next::End => connection.state = State::Done,
            Next::Wait(due) => connection.state = State::Idle(due),
            Next::Send(number, begun) => {
                connection.state = State::Asked(number, begun);
                self.events.write_request(number, &mut connection.request);
                connection.sent = 0;
                connection.answer.clear();
                connection.send()?;
            }
        }
        Ok(())
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
    /// For how long sending kept processors busy.
    pub worked: Duration,
}

impl Answers {
    fn came(&mut self, status: u16, number: u64, took: Duration) {
        if status == 200 {
            self.times.push(took);
            self.acknowledged.push(number);
        } else {
            self.refused += 1;
        }
    }
}

/// Sends one event; anything but an acknowledgement is an error.
pub async fn once(address: SocketAddr, events: &Arc<Events>) -> anyhow::Result<()> {
    let number = events.fresh();
    let answers = again(address, events, vec![number], 1).await?;
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
    aside(move || {
        let sender = Sender::connect(address, Arc::clone(&events), connections)?;
        let until = Instant::now() + each;
        sender.run(|_, now| {
            if now < until {
                Next::Send(events.fresh(), now)
            } else {
                Next::End
            }
        })
    })
    .await
}

/// Sends these events, each as soon as there is a connection that has nothing to do.
pub async fn again(
    address: SocketAddr,
    events: &Arc<Events>,
    numbers: Vec<u64>,
    connections: usize,
) -> anyhow::Result<Answers> {
    let events = Arc::clone(events);
    aside(move || {
        let connections = connections.min(numbers.len());
        let sender = Sender::connect(address, events, connections)?;
        let mut numbers = numbers.into_iter();
        sender.run(|_, now| {
            let number = numbers.next();
            number.map_or(Next::End, |number| Next::Send(number, now))
        })
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
    aside(move || {
        let sender = Sender::connect(address, Arc::clone(&events), PACE_CONNECTIONS as usize)?;
        let gap = Duration::from_secs(1) / per_second;
        let begun = Instant::now();
        let until = begun + each;
        let mut due: Vec<Instant> = (0..PACE_CONNECTIONS)
            .map(|lane| begun + gap * lane)
            .collect();
        sender.run(|lane, now| {
            let at = due[lane];
            if at >= until {
                Next::End
            } else if now < at {
                Next::Wait(at)
            } else {
                due[lane] = at + gap * PACE_CONNECTIONS;
                Next::Send(events.fresh(), at)
            }
        })
    })
    .await
}

/// Does it on a thread of its own.
async fn aside(
    work: impl FnOnce() -> anyhow::Result<Answers> + Send + 'static,
) -> anyhow::Result<Answers> {
    tokio::task::spawn_blocking(work).await?
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
