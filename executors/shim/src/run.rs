//! `shim run`: serves the proxy and runs a program with the shim's own standard streams until it ends.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    net::TcpListener,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, ExitStatus},
    thread,
};

use crate::{complain, forward};

/// The proxy's port could not be opened; the same status as an engine that cannot start a container.
const CANNOT_SERVE: i32 = 125;
/// The program is there and cannot be run, by custom of the shell.
const NOT_EXECUTABLE: i32 = 126;
/// The program is not there, by custom of the shell.
const NOT_FOUND: i32 = 127;
/// Added to the number of the signal that ended the program, by custom of the shell.
const SIGNAL_BASE: i32 = 128;

/// Serves the proxy at `address`, runs the program, and answers with its exit status.
pub fn run(address: &str, socket: PathBuf, program: &OsStr, arguments: &[OsString]) -> i32 {
    match TcpListener::bind(address) {
        Ok(listener) => {
            thread::spawn(move || forward::serve(&listener, &socket));
        }
        // A second command in the same sandbox: the first one's proxy serves both.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
        Err(error) => {
            complain(&format!(
                "shim: the proxy cannot listen on {address}: {error}"
            ));
            return CANNOT_SERVE;
        }
    }
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
