//! The program inside a sandbox that turns the host's unix sockets into what ordinary programs understand:
//! `run` an HTTP proxy on a loopback port, and the ports of the web and of names for programs that know no proxy;
//! `mcp` a tool server on standard input and output.
//!
//! It uses the standard library alone, so that it is one small static file in every image.

mod bridge;
mod forward;
mod message;
mod names;
mod run;
mod who;

use std::{env, ffi::OsString, io::Write as _, path::PathBuf, process::exit};

/// The address that base addresses and proxy variables inside a sandbox name.
const DEFAULT_LISTEN: &str = "127.0.0.1:3128";
/// Where programs that know no proxy look for the hosts whose names lead to the loopback.
const DEFAULT_TLS_LISTEN: &str = "127.0.0.1:443";
const DEFAULT_PLAIN_LISTEN: &str = "127.0.0.1:80";
/// Where the sandbox's `resolv.conf` sends questions for names.
const DEFAULT_NAMES_LISTEN: &str = "127.0.0.1:53";
/// Where the host's egress proxy waits.
const DEFAULT_EGRESS_SOCKET: &str = "/run/deckhand/egress.sock";
/// Where it waits for connections of programs that know no proxy.
const DEFAULT_TRANSPARENT_SOCKET: &str = "/run/deckhand/transparent.sock";
/// Where the host's tool server waits.
const DEFAULT_MCP_SOCKET: &str = "/run/deckhand/mcp.sock";
/// The exit status of a wrong call, by custom of the shell.
const USAGE_STATUS: i32 = 2;

const USAGE: &str = "\
usage: shim run -- <program> [arguments]   serves the sandbox's HTTP proxy and runs the program
       shim mcp                            speaks to the host's tools on standard input and output
       shim version
variables: DECKHAND_EGRESS_LISTEN, DECKHAND_TLS_LISTEN, DECKHAND_PLAIN_LISTEN, DECKHAND_NAMES_LISTEN,
           DECKHAND_EGRESS_SOCKET, DECKHAND_TRANSPARENT_SOCKET, DECKHAND_MCP_SOCKET";

fn main() {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    exit(match arguments.as_slice() {
        [verb, dashes, program, rest @ ..] if verb == "run" && dashes == "--" => {
            run::run(&doors(), program, rest)
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

fn doors() -> run::Doors {
    let address =
        |variable: &str, default: &str| env::var(variable).unwrap_or_else(|_| default.to_owned());
    run::Doors {
        proxy: address("DECKHAND_EGRESS_LISTEN", DEFAULT_LISTEN),
        tls: address("DECKHAND_TLS_LISTEN", DEFAULT_TLS_LISTEN),
        plain: address("DECKHAND_PLAIN_LISTEN", DEFAULT_PLAIN_LISTEN),
        names: address("DECKHAND_NAMES_LISTEN", DEFAULT_NAMES_LISTEN),
        egress: path_of("DECKHAND_EGRESS_SOCKET", DEFAULT_EGRESS_SOCKET),
        transparent: path_of("DECKHAND_TRANSPARENT_SOCKET", DEFAULT_TRANSPARENT_SOCKET),
    }
}

fn path_of(variable: &str, default: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}

/// Writes one line to standard error. Nothing can be done where that fails.
fn complain(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}
