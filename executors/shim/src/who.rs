//! Finds out which program of the sandbox is at the other end of a connection, for the people who are asked to allow it.
//!
//! The kernel's table of connections gives the socket's number, and the descriptors of the processes say whose it is.
//! It is a courtesy: where it is not found within a few hundred look-ups, nothing is said.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::Path,
};

/// What the host understands as an introduction.
const GREETING: &str = "DECKHAND-CLIENT ";
/// Said where nothing was found.
const UNKNOWN: &str = "-";
/// The longest command line that is told, in bytes.
const MAX_COMMAND_BYTES: usize = 300;
/// Processes that are looked at, the youngest first: a client is mostly younger than what started it.
const MAX_PROCESSES: usize = 256;
/// Descriptors that are looked at, over all processes.
const MAX_DESCRIPTORS: usize = 2_048;
/// The most of the kernel's table that is read, in bytes; a line has 150.
const MAX_TABLE_BYTES: u64 = 1024 * 1024;
/// The columns of the table. Source: `proc(5)`, `/proc/net/tcp`.
const OWN_COLUMN: usize = 1;
const OTHER_COLUMN: usize = 2;
const NUMBER_COLUMN: usize = 9;

/// The line that introduces the client of a connection to the host.
pub fn introduction(client: &TcpStream) -> String {
    let command = command_behind(client).unwrap_or_else(|| UNKNOWN.to_owned());
    format!("{GREETING}{command}\r\n")
}

fn command_behind(client: &TcpStream) -> Option<String> {
    let (theirs, ours) = (client.peer_addr().ok()?, client.local_addr().ok()?);
    let number = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let table = File::open(table).ok()?.take(MAX_TABLE_BYTES);
            socket_number(BufReader::new(table), theirs, ours)
        })?;
    let process = owner(&format!("socket:[{number}]"))?;
    let bytes = read(&Path::new("/proc").join(process).join("cmdline"))?;
    Some(command_line(&bytes)).filter(|command| !command.is_empty())
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_TABLE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The number of the client's socket in the kernel's table. Ports are enough: all of it is on the loopback. Nothing is read
/// behind its line: to find the table's end the kernel looks through all connections of the machine once more, for milliseconds.
fn socket_number(table: impl BufRead, theirs: SocketAddr, ours: SocketAddr) -> Option<String> {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (theirs, ours) = (port(theirs), port(ours));
    table.lines().map_while(Result::ok).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it = columns.get(OWN_COLUMN)?.ends_with(&theirs)
            && columns.get(OTHER_COLUMN)?.ends_with(&ours);
        let number = columns.get(NUMBER_COLUMN).filter(|_| is_it)?;
        // One that nobody holds any more has the number 0.
        (*number != "0").then(|| (*number).to_owned())
    })
}

/// The process that holds a descriptor with this target.
fn owner(target: &str) -> Option<String> {
    let mut processes: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    processes.sort_unstable_by(|one, other| other.cmp(one));
    let mut left = MAX_DESCRIPTORS;
    for process in processes.into_iter().take(MAX_PROCESSES) {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        for descriptor in descriptors.flatten() {
            left = left.checked_sub(1)?;
            if fs::read_link(descriptor.path()).is_ok_and(|link| link.as_os_str() == target) {
                return Some(process.to_string());
            }
        }
    }
    None
}

/// A command line on one line: its words are separated by zeros, and anything may stand in them.
fn command_line(bytes: &[u8]) -> String {
    let words = String::from_utf8_lossy(bytes).replace(|c: char| c.is_control(), " ");
    let words = words.trim();
    let end = words
        .char_indices()
        .map(|(start, character)| start + character.len_utf8())
        .take_while(|end| *end <= MAX_COMMAND_BYTES)
        .last();
    words.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{io, net::TcpListener};

    use super::*;

    /// A table of the kernel's, whose end must not be looked for.
    struct Endless(Option<&'static str>);

    impl Read for Endless {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            // A second read looks behind the line.
            let line = self.0.take().unwrap();
            room[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }

    #[test]
    fn the_table_is_not_read_to_its_end() {
        let line = "   0: 0100007F:9C40 0100007F:0C38 01 00000000:00000000 00:00000000 00000000  1000        0 333 1\n";
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let table = BufReader::new(Endless(Some(line)));
        let number = socket_number(table, address(40000), address(3128));
        assert_eq!(number.as_deref(), Some("333"));
    }

    #[test]
    fn the_program_at_the_other_end_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let own = std::env::args().next().unwrap();
        let line = introduction(&accepted);
        assert!(
            line.starts_with(GREETING) && line.ends_with("\r\n"),
            "{line}"
        );
        assert!(line.contains(&own), "{line}");
        drop(client);
    }

    #[test]
    fn a_table_is_searched_by_both_ports() {
        let table = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0C38 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0\n\
            1: 0100007F:0C38 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0\n\
            2: 0100007F:9C40 0100007F:0C38 01 00000000:00000000 00:00000000 00000000  1000        0 333 1 0\n\
            3: 0100007F:9C41 0100007F:0C38 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0\n\
            4: short\n";
        let find = |theirs: u16| {
            let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
            socket_number(&table[..], address(theirs), address(3128))
        };
        assert_eq!(find(40000).as_deref(), Some("333"));
        assert_eq!(find(40001), None, "it is gone already");
        assert_eq!(find(40002), None);
    }

    #[test]
    fn a_command_line_is_one_line_of_bounded_length() {
        assert_eq!(
            command_line(b"curl\0-s\0https://a.example\0"),
            "curl -s https://a.example"
        );
        assert_eq!(
            command_line(b"sh\0-c\0a\nb\r\n\x1b[2J\0"),
            "sh -c a b   [2J"
        );
        assert_eq!(command_line(b""), "");
        let long = "ü".repeat(400);
        let clipped = command_line(long.as_bytes());
        assert!(clipped.len() <= MAX_COMMAND_BYTES && clipped.chars().all(|c| c == 'ü'));
    }
}
