//! The program inside a sandbox that turns the host's unix sockets into what ordinary programs understand:
//! `run` an HTTP proxy on a loopback port, `mcp` a tool server on standard input and output.
//!
//! It uses the standard library alone, so that it is one small static file in every image.

mod bridge;
mod forward;
mod message;
mod run;

use std::{env, ffi::OsString, io::Write as _, path::PathBuf, process::exit};

/// The address that base addresses and proxy variables inside a sandbox name.
const DEFAULT_LISTEN: &str = "127.0.0.1:3128";
/// Where the host's egress proxy waits.
const DEFAULT_EGRESS_SOCKET: &str = "/run/deckhand/egress.sock";
/// Where the host's tool server waits.
const DEFAULT_MCP_SOCKET: &str = "/run/deckhand/mcp.sock";
/// The exit status of a wrong call, by custom of the shell.
const USAGE_STATUS: i32 = 2;

const USAGE: &str = "\
usage: shim run -- <program> [arguments]   serves the sandbox's HTTP proxy and runs the program
       shim mcp                            speaks to the host's tools on standard input and output
       shim version
variables: DECKHAND_EGRESS_LISTEN, DECKHAND_EGRESS_SOCKET, DECKHAND_MCP_SOCKET";

fn main() {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    exit(match arguments.as_slice() {
        [verb, dashes, program, rest @ ..] if verb == "run" && dashes == "--" => {
            run::run(&listen_address(), egress_socket(), program, rest)
        }
        [verb] if verb == "mcp" => {
            bridge::serve(&path_of("DECKHAND_MCP_SOCKET", DEFAULT_MCP_SOCKET))
        }
        [verb] if verb == "version" => {
            // Nobody is left to tell when this fails.
            let _ = writeln!(
                std::io::stdout(),
                "deckhand-shim {}",
                env!("CARGO_PKG_VERSION")
            );
            0
        }
        _ => {
            complain(USAGE);
            USAGE_STATUS
        }
    });
}

fn listen_address() -> String {
    env::var("DECKHAND_EGRESS_LISTEN").unwrap_or_else(|_| DEFAULT_LISTEN.to_owned())
}

fn egress_socket() -> PathBuf {
    path_of("DECKHAND_EGRESS_SOCKET", DEFAULT_EGRESS_SOCKET)
}

fn path_of(variable: &str, default: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// Writes one line to standard error. Nothing can be done where that fails.
fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}
