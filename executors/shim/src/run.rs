//! `shim run`: serves the sandbox's ports and runs a program with the shim's own standard streams until it ends.

use std::{
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    net::{TcpListener, UdpSocket},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
};

use crate::{
    complain,
    forward::{self, Speech},
    names,
};

/// The proxy's port could not be opened; the same status as an engine that cannot start a container.
const CANNOT_SERVE: i32 = 125;
/// The program is there and cannot be run, by custom of the shell.
const NOT_EXECUTABLE: i32 = 126;
/// The program is not there, by custom of the shell.
const NOT_FOUND: i32 = 127;
/// Added to the number of the signal that ended the program, by custom of the shell.
const SIGNAL_BASE: i32 = 128;

/// The ports that are served, and the host's sockets behind them.
pub struct Doors {
    /// The address of the proxy.
    pub proxy: String,
    /// The address at which every host's TLS is served.
    pub tls: String,
    /// The address at which every host's plain HTTP is served.
    pub plain: String,
    /// The address at which questions for names are answered.
    pub names: String,
    /// The host's socket for requests of a proxy's client.
    pub egress: PathBuf,
    /// The host's socket for connections as they are made to a host itself.
    pub transparent: PathBuf,
}

/// Opens the doors, runs the program, and answers with its exit status.
pub fn run(doors: &Doors, program: &OsStr, arguments: &[OsString]) -> i32 {
    if let Err(error) = open(&doors.proxy, &doors.egress, Speech::Http) {
        complain(&format!(
            "shim: the proxy cannot listen on {}: {error}",
            doors.proxy
        ));
        return CANNOT_SERVE;
    }
    // Without these, programs that know no proxy have no way out; all others have theirs.
    for (address, opened) in [
        (
            &doors.tls,
            open(&doors.tls, &doors.transparent, Speech::Tls),
        ),
        (
            &doors.plain,
            open(&doors.plain, &doors.transparent, Speech::Http),
        ),
        (&doors.names, open_names(&doors.names)),
    ] {
        if let Err(error) = opened {
            complain(&format!(
                "shim: programs that know no proxy have no way out: {address}: {error}"
            ));
        }
    }
    status_of(program, arguments)
}

fn open(address: &str, socket: &Path, speech: Speech) -> io::Result<()> {
    let socket = socket.to_owned();
    if let Some(listener) = first(TcpListener::bind(address))? {
        thread::spawn(move || forward::serve(&listener, &socket, speech));
    }
    Ok(())
}

fn open_names(address: &str) -> io::Result<()> {
    if let Some(socket) = first(UdpSocket::bind(address))? {
        thread::spawn(move || names::serve_datagrams(&socket));
    }
    if let Some(listener) = first(TcpListener::bind(address))? {
        thread::spawn(move || names::serve_connections(&listener));
    }
    Ok(())
}

/// What was bound; nothing for a second command in the same sandbox, whom the first one's doors serve too.
fn first<T>(bound: io::Result<T>) -> io::Result<Option<T>> {
    match bound {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

fn status_of(program: &OsStr, arguments: &[OsString]) -> i32 {
    match Command::new(program).args(arguments).status() {
        Ok(status) => status_number(status),
        Err(error) => {
            complain(&format!(
                "shim: {} cannot be run: {error}",
                program.display()
            ));
            if error.kind() == ErrorKind::NotFound {
                NOT_FOUND
            } else {
                NOT_EXECUTABLE
            }
        }
    }
}

fn status_number(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| SIGNAL_BASE + signal))
        .unwrap_or(NOT_EXECUTABLE)
}
