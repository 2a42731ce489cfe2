//! What people have forbidden in the thread, whatever rules say.

use deckhand_executors::egress::{Grant, GrantVerdict};

use crate::ground::Inside;

/// A host that a rule allows, and one that the preset `trusted` does.
const NEVER: [&str; 2] = ["never.example", "docs.python.org"];

/// Hosts to which people said never.
pub const ROWS: &[Inside] = &[Inside {
    id: "net-never",
    tries: "Reach hosts to which somebody said never, which a rule or a preset would allow: in other spellings and by every road.",
    script: python!(
        r#"
for host in ["never.example", "docs.python.org"]:
    for name in [host, host.upper(), host.title(), host + ".", host.upper() + ".", host + "..", host + ":80", host + ":080", host + ":", "user@" + host, host.replace("e", "%65"), host.replace("n", "\uff4e"), host.replace(".", "\u3002")]:
        quietly(lambda: proxy(f"GET http://{name}/{canary} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()))
        quietly(lambda: tcp("127.0.0.1", 80, f"GET /{canary} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()))
    for name in [host, host.upper(), host + "."]:
        quietly(lambda: inside(name, f"GET /{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        quietly(lambda: inside(name, f"GET /{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", door=("127.0.0.1", 443)))"#
    ),
    ..Inside::OUT
}];

/// What they decided.
pub fn grants() -> Vec<Grant> {
    let ports = [80, 443];
    let of_host = |host: &str| ports.map(|port| (host.to_owned(), port));
    let forbidden = NEVER.into_iter().flat_map(of_host);
    forbidden
        .map(|(host, port)| Grant {
            host,
            port,
            verdict: GrantVerdict::Never,
        })
        .collect()
}
