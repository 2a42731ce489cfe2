//! The shim as a program: what it carries, and how it lives through a host that goes away and comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(10);
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "shim-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("host.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The running shim, ended with the test.
struct Shim(Child);

impl Drop for Shim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The shim, with doors that no other test of this machine wants.
fn shim() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deckhand-shim"));
    for door in ["TLS", "PLAIN", "NAMES"] {
        command.env(format!("DECKHAND_{door}_LISTEN"), "127.0.0.1:0");
    }
    command
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The host's end of the tool server.
struct Host {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Host {
    fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            lines: BufReader::new(stream.try_clone().unwrap()),
            stream,
        }
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn write(&mut self, line: &str) {
        writeln!(self.stream, "{line}").unwrap();
    }
}

/// The agent's end of `shim mcp`.
struct Agent {
    _shim: Shim,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agent {
    fn start(socket: &Path) -> Self {
        let mut command = shim();
        command
            .arg("mcp")
            .env("DECKHAND_MCP_SOCKET", socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            _shim: Shim(child),
            input,
            output: BufReader::new(output),
        }
    }

    fn write(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Introduces the agent to the host, and reads the answer.
    fn meet(&mut self, host: &mut Host) {
        self.write(INITIALIZE);
        assert_eq!(host.read(), INITIALIZE);
        host.write(r#"{"jsonrpc":"2.0","id":0,"result":{"first":true}}"#);
        assert!(self.read().contains("first"));
        self.write(INITIALIZED);
        assert_eq!(host.read(), INITIALIZED);
    }
}

#[test]
fn a_host_that_was_restarted_is_introduced_again_and_asked_again() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let mut agent = Agent::start(&folder.socket());
    let mut host = Host::accept(&listener);
    agent.meet(&mut host);
    let answered = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    agent.write(answered);
    assert_eq!(host.read(), answered);
    host.write(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    agent.read();
    let unanswered = r#"{"jsonrpc":"2.0","id":"two","method":"tools/call","params":{"id":1}}"#;
    agent.write(unanswered);
    assert_eq!(host.read(), unanswered);

    drop((host, listener));
    fs::remove_file(folder.socket()).unwrap();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let mut host = Host::accept(&listener);
    assert_eq!(
        [host.read(), host.read(), host.read()],
        [INITIALIZE, INITIALIZED, unanswered]
    );
    host.write(r#"{"jsonrpc":"2.0","id":0,"result":{"first":false}}"#);
    let answer = r#"{"jsonrpc":"2.0","id":"two","result":{"done":true}}"#;
    host.write(answer);
    assert_eq!(
        agent.read(),
        answer,
        "the repeated introduction's answer is not the agent's"
    );
}

#[test]
fn an_introduction_that_was_never_answered_is_repeated_and_its_answer_passes() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let mut agent = Agent::start(&folder.socket());
    let mut host = Host::accept(&listener);
    agent.write(INITIALIZE);
    assert_eq!(host.read(), INITIALIZE);
    drop(host);
    let mut host = Host::accept(&listener);
    assert_eq!(host.read(), INITIALIZE);
    let answer = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
    host.write(answer);
    assert_eq!(agent.read(), answer);
}

#[test]
fn answers_that_are_on_their_way_still_come_when_the_agent_has_said_everything() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let Agent {
        _shim: mut shim,
        mut input,
        mut output,
    } = Agent::start(&folder.socket());
    let mut host = Host::accept(&listener);
    writeln!(input, "{INITIALIZE}").unwrap();
    drop(input);
    assert_eq!(host.read(), INITIALIZE);
    assert_eq!(host.read(), "", "the agent's end is the host's");
    host.write("{\"id\":0}");
    drop(host);
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    assert_eq!(said, "{\"id\":0}\n");
    assert!(shim.0.wait().unwrap().success());
}

/// Starts `shim run` on a free port, with a program that runs until the test ends.
fn proxy(socket: &Path) -> (Shim, String) {
    let address = free_address();
    let mut command = shim();
    command.args(["run", "--", "cat"]);
    command
        .env("DECKHAND_EGRESS_LISTEN", &address)
        .env("DECKHAND_EGRESS_SOCKET", socket);
    // The program ends when its input does, which is when the shim is dropped.
    command.stdin(Stdio::piped());
    (Shim(command.spawn().unwrap()), address)
}

fn connect(address: &str) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                return stream;
            }
            Err(error) => assert!(
                Instant::now() < deadline,
                "the shim does not listen: {error}"
            ),
        }
        std::thread::yield_now();
    }
}

/// Takes the introduction off a connection; answers with the command line in it.
fn introduced(host: &mut UnixStream) -> String {
    host.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        host.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    let command = line.trim_end().strip_prefix("DECKHAND-CLIENT ");
    command.unwrap_or_else(|| panic!("{line:?}")).to_owned()
}

#[test]
fn bytes_pass_both_ways_and_so_do_ends() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (_shim, address) = proxy(&folder.socket());
    let mut client = connect(&address);
    let (mut host, _) = listener.accept().unwrap();
    let own = std::env::args().next().unwrap();
    assert!(introduced(&mut host).starts_with(&own));
    client.write_all(b"question").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut question = String::new();
    host.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    host.write_all(b"answer").unwrap();
    drop(host);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn large_bodies_pass_whole_both_ways_at_once_and_small_ones_after_them() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (_shim, address) = proxy(&folder.socket());
    let client = connect(&address);
    let (mut host, _) = listener.accept().unwrap();
    introduced(&mut host);
    // More than sockets and pipes hold, in pieces by which a byte in the wrong place is seen.
    let body: Vec<u8> = (0..8_000_000u32).map(|n| (n % 251) as u8).collect();
    let came = |from: &mut dyn std::io::Read| {
        let mut bytes = vec![0; body.len()];
        from.read_exact(&mut bytes).unwrap();
        assert!(bytes == body);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&body).unwrap());
        scope.spawn(|| (&host).write_all(&body).unwrap());
        scope.spawn(|| came(&mut &client));
        came(&mut &host);
    });
    (&client).write_all(b"question").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut question = String::new();
    host.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    host.write_all(b"answer").unwrap();
    drop(host);
    let mut answer = String::new();
    (&client).read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn a_missing_socket_is_told_in_http() {
    let folder = Folder::new();
    let (_shim, address) = proxy(&folder.socket());
    let mut client = connect(&address);
    client
        .write_all(b"GET http://a.example/ HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("x-deckhand-egress: unavailable") && answer.contains("no way out"),
        "{answer}"
    );
}

#[test]
fn a_connection_waits_for_a_host_that_is_being_restarted() {
    let folder = Folder::new();
    drop(UnixListener::bind(folder.socket()).unwrap());
    let (_shim, address) = proxy(&folder.socket());
    let mut client = connect(&address);
    client.write_all(b"question").unwrap();
    // As the host does it: the new socket takes the old one's place in one step.
    let new = folder.0.join("host.sock.new");
    let listener = UnixListener::bind(&new).unwrap();
    fs::rename(&new, folder.socket()).unwrap();
    let (mut host, _) = listener.accept().unwrap();
    introduced(&mut host);
    let mut question = [0; 8];
    host.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
}

#[test]
fn a_connection_to_a_host_itself_goes_to_the_socket_for_those() {
    let folder = Folder::new();
    let transparent = folder.0.join("transparent.sock");
    let listener = UnixListener::bind(&transparent).unwrap();
    let (tls, plain) = (free_address(), free_address());
    let mut command = shim();
    command.args(["run", "--", "cat"]).stdin(Stdio::piped());
    command
        .env("DECKHAND_EGRESS_LISTEN", "127.0.0.1:0")
        .env("DECKHAND_TLS_LISTEN", &tls)
        .env("DECKHAND_PLAIN_LISTEN", &plain)
        .env("DECKHAND_TRANSPARENT_SOCKET", &transparent);
    let _shim = Shim(command.spawn().unwrap());
    for door in [&tls, &plain] {
        let mut client = connect(door);
        let (mut host, _) = listener.accept().unwrap();
        introduced(&mut host);
        client.write_all(b"question").unwrap();
        let mut question = [0; 8];
        host.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"question");
    }
    drop(listener);
    fs::remove_file(&transparent).unwrap();
    let mut client = connect(&tls);
    client.write_all(&[0x16, 3, 1]).unwrap();
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 80], "in TLS's own words");
    let mut client = connect(&plain);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[test]
fn names_lead_to_the_loopback_by_both_roads() {
    const QUESTION: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01";
    let names = free_address();
    let mut command = shim();
    command.args(["run", "--", "cat"]).stdin(Stdio::piped());
    command
        .env("DECKHAND_EGRESS_LISTEN", "127.0.0.1:0")
        .env("DECKHAND_NAMES_LISTEN", &names);
    let _shim = Shim(command.spawn().unwrap());

    let mut stream = connect(&names);
    // Two questions on one connection, the first in two parts.
    let framed = [&[0, 27], QUESTION].concat();
    assert_eq!(usize::from(framed[1]), QUESTION.len());
    stream.write_all(&framed[..5]).unwrap();
    stream.write_all(&framed[5..]).unwrap();
    stream.write_all(&framed).unwrap();
    let mut answer = vec![0; 2 + QUESTION.len() + 16];
    for _ in 0..2 {
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[2..4], [0x12, 0x34]);
        assert!(answer.ends_with(&[127, 0, 0, 1]), "{answer:?}");
    }

    // Served once the connection was: both are opened before the program starts, the datagrams first.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(b"noise", &names).unwrap();
    socket.send_to(QUESTION, &names).unwrap();
    let mut answer = [0; 512];
    let (length, _) = socket.recv_from(&mut answer).unwrap();
    assert!(answer[..length].ends_with(&[127, 0, 0, 1]));
}

#[test]
fn the_programs_streams_and_status_are_the_shims_own() {
    let mut command = shim();
    command.args([
        "run",
        "--",
        "sh",
        "-c",
        "read line; echo said $line; echo warned >&2; kill -9 $$",
    ]);
    command.env("DECKHAND_EGRESS_LISTEN", "127.0.0.1:0");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(137));
    assert_eq!(
        (done.stdout.as_slice(), done.stderr.as_slice()),
        (b"said hello\n".as_slice(), b"warned\n".as_slice())
    );
}
