//! `shim mcp`: joins an agent's standard input and output to the host's tool server, and outlives restarts of the
//! host: it connects again, introduces the agent again, and repeats what was not answered.
//!
//! One thread reads each side into one queue; the main thread owns all state.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read as _, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use crate::{complain, message::envelope};

/// How long the host may be away before the agent is told that its tools are gone.
const HOST_WAIT: Duration = Duration::from_mins(10);
/// The pause between two attempts to reach it.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long answers may still come when the agent has closed its side.
const LAST_ANSWERS_WAIT: Duration = Duration::from_secs(5);
/// The longest line in either direction, in bytes.
const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;
/// Lines that wait between the readers and the main thread.
const QUEUE_LINES: usize = 64;
/// Requests that can be without an answer; the oldest is forgotten beyond, and not repeated.
const MAX_UNANSWERED: usize = 256;

/// What the readers report. A host's news carries the number of its connection: an old one's end is no news.
enum News {
    Agent(String),
    AgentEnded(io::Result<()>),
    Host(u64, String),
    HostEnded(u64),
}

/// Joins the two until the agent closes its side; answers with the exit status.
pub fn serve(socket: &Path) -> i32 {
    let (sender, news) = sync_channel(QUEUE_LINES);
    let agent = sender.clone();
    thread::spawn(move || {
        let outcome = read_lines(io::stdin().lock(), |line| {
            agent.send(News::Agent(line)).is_ok()
        });
        // The main thread is gone only when the process is ending.
        let _ = agent.send(News::AgentEnded(outcome));
    });
    match Bridge::new(socket, sender).and_then(|mut bridge| bridge.work(&news)) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("shim: the tools of the host are gone: {error}"));
            1
        }
    }
}

/// Calls `each` with every line, without its end, until it says that nobody listens.
fn read_lines(reader: impl BufRead, mut each: impl FnMut(String) -> bool) -> io::Result<()> {
    let mut reader = reader;
    loop {
        let mut line = Vec::new();
        let count = reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && count as u64 == MAX_LINE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is longer than 16 MiB",
            ));
        }
        let line = String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        if !line.trim().is_empty() && !each(line) {
            return Ok(());
        }
    }
}

struct Bridge<'a> {
    socket: &'a Path,
    news: SyncSender<News>,
    host: UnixStream,
    /// The number of the connection, from 1.
    connection: u64,
    /// The agent's introduction, kept for the next connection.
    initialize: Option<Request>,
    initialized: Option<String>,
    /// The answer with this identifier repeats one that the agent has.
    swallow: Option<String>,
    unanswered: VecDeque<Request>,
}

struct Request {
    id: String,
    line: String,
}

impl<'a> Bridge<'a> {
    fn new(socket: &'a Path, news: SyncSender<News>) -> io::Result<Self> {
        let host = connect(socket)?;
        let mut bridge = Self {
            socket,
            news,
            host,
            connection: 0,
            initialize: None,
            initialized: None,
            swallow: None,
            unanswered: VecDeque::new(),
        };
        bridge.listen()?;
        Ok(bridge)
    }

    fn work(&mut self, news: &Receiver<News>) -> io::Result<()> {
        let mut deadline = None;
        loop {
            match next(news, deadline) {
                Some(News::Agent(line)) => self.pass_to_host(&line),
                Some(News::AgentEnded(outcome)) => {
                    outcome?;
                    // The host ends its side when it has answered.
                    let _ = self.host.shutdown(Shutdown::Write);
                    deadline = Some(Instant::now() + LAST_ANSWERS_WAIT);
                }
                Some(News::Host(connection, line)) if connection == self.connection => {
                    self.pass_to_agent(&line)?;
                }
                Some(News::HostEnded(connection)) if connection == self.connection => {
                    if deadline.is_some() {
                        return Ok(());
                    }
                    self.reconnect()?;
                }
                Some(News::Host(..) | News::HostEnded(_)) => {}
                None => return Ok(()),
            }
        }
    }

    fn pass_to_host(&mut self, line: &str) {
        let envelope = envelope(line);
        match (envelope.method, envelope.id) {
            (Some(method), Some(id)) => {
                let id = id.to_owned();
                if method == "initialize" {
                    self.initialize = Some(Request {
                        id: id.clone(),
                        line: line.to_owned(),
                    });
                }
                if self.unanswered.len() == MAX_UNANSWERED {
                    self.unanswered.pop_front();
                }
                self.unanswered.push_back(Request {
                    id,
                    line: line.to_owned(),
                });
            }
            (Some("notifications/initialized"), None) => self.initialized = Some(line.to_owned()),
            _ => {}
        }
        // A failed write is followed by the news that the host ended, and a request is repeated then.
        let _ = write_line(&mut self.host, line);
    }

    fn pass_to_agent(&mut self, line: &str) -> io::Result<()> {
        let envelope = envelope(line);
        if let (None, Some(id)) = (envelope.method, envelope.id) {
            if self.swallow.as_deref() == Some(id) {
                self.swallow = None;
                return Ok(());
            }
            self.unanswered.retain(|request| request.id != id);
        }
        write_line(&mut io::stdout().lock(), line)
    }

    fn reconnect(&mut self) -> io::Result<()> {
        self.host = connect(self.socket)?;
        self.listen()?;
        self.swallow = None;
        let mut lines = Vec::new();
        if let Some(initialize) = &self.initialize {
            let unanswered = self
                .unanswered
                .iter()
                .any(|request| request.id == initialize.id);
            if !unanswered {
                self.swallow = Some(initialize.id.clone());
                lines.push(initialize.line.clone());
                lines.extend(self.initialized.clone());
            }
        }
        lines.extend(self.unanswered.iter().map(|request| request.line.clone()));
        for line in lines {
            // A failure is followed by the news that this host ended too.
            let _ = write_line(&mut self.host, &line);
        }
        Ok(())
    }

    /// Reads the present connection in a thread of its own.
    fn listen(&mut self) -> io::Result<()> {
        self.connection += 1;
        let (connection, news, host) = (self.connection, self.news.clone(), self.host.try_clone()?);
        thread::spawn(move || {
            let outcome = read_lines(BufReader::new(&host), |line| {
                news.send(News::Host(connection, line)).is_ok()
            });
            if let Err(error) = outcome {
                complain(&format!("shim: the connection to the host broke: {error}"));
            }
            let _ = host.shutdown(Shutdown::Both);
            let _ = news.send(News::HostEnded(connection));
        });
        Ok(())
    }
}

/// The next news, or nothing when the deadline has passed.
fn next(news: &Receiver<News>, deadline: Option<Instant>) -> Option<News> {
    let Some(deadline) = deadline else {
        return news.recv().ok();
    };
    news.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .ok()
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + HOST_WAIT;
    loop {
        match UnixStream::connect(socket) {
            Err(_) if Instant::now() < deadline => thread::sleep(RETRY_PAUSE),
            outcome => return outcome,
        }
    }
}

fn write_line(writer: &mut impl Write, line: &str) -> io::Result<()> {
    writer.write_all(line.as_bytes())?;
    writer.write_all(b"\n")?;
    writer.flush()
}
