//! Ways out of the network that are not the proxy's rules.

/// A Python script with what most of these need.
macro_rules! python {
    ($body:literal) => {
        concat!(
            "exec python3 - <<'PYTHON'\n",
            r#"
import base64, json, os, socket, struct, sys, time
canary, host, gateway, port = (os.environ[name] for name in ("CANARY", "HOST", "GATEWAY", "PORT"))
port = int(port)
seen = []
def quietly(act):
    try:
        answer = act()
        seen.append(str(answer)[:80])
        return answer
    except Exception as error:
        seen.append(type(error).__name__ + ": " + str(error))
def tcp(address, at, data, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(2)
    s.connect((address, at))
    s.sendall(data.encode() if isinstance(data, str) else data)
    try: return s.recv(4096)
    except TimeoutError: return b"silence"
    finally: s.close()
def udp(address, at, data, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(data.encode() if isinstance(data, str) else data, (address, at))
    try: return s.recv(4096)
    except TimeoutError: return b"silence"
    finally: s.close()
def unix(path, data):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(3)
    s.connect(path)
    s.sendall(data.encode() if isinstance(data, str) else data)
    answer = b""
    try:
        while True:
            piece = s.recv(4096)
            if not piece: break
            answer += piece
    except TimeoutError: pass
    s.close()
    return answer
def proxy(data):
    return tcp("127.0.0.1", 3128, data)
def inside(host, *requests, protocols=["http/1.1"], door=None):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    raw = socket.create_connection(door or ("127.0.0.1", 3128), 3)
    if door is None:
        raw.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        answer = raw.recv(4096)
        if b" 200 " not in answer: raise OSError(answer[:60])
    answer = b""
    with context.wrap_socket(raw, server_hostname=host) as tls:
        for request in requests:
            tls.sendall(request.encode() if isinstance(request, str) else request)
            answer += tls.recv(4096)
    return answer
def question(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
"#,
            $body,
            "\nprint('tried:', ' | '.join(seen))\nPYTHON"
        )
    };
}

mod by_address;
mod by_allowed_host;
mod by_model;
mod by_name_service;
mod by_people;
mod by_proxy;
mod by_socket;
mod by_tls;
mod by_transparent_road;

use deckhand_executors::egress::{EgressPolicy, PolicyDocument};

use crate::{
    ground::{self, Inside},
    suite::{Family, Listed, Suite},
};

/// What the suite's sandbox may reach: each rule is there for the attacks that try to get past it.
fn policy(port: u16) -> anyhow::Result<EgressPolicy> {
    let document = serde_json::json!({"version": 1, "default": {"preset": "trusted", "rules": [
        {"hosts": ["packages.example"], "ports": [80], "paths": ["/simple/"]},
        {"hosts": ["inspected.example"], "ports": [443], "paths": ["/simple/"]},
        {"hosts": ["never.example"], "ports": [80, 443]},
        {"hosts": ["*.cdn.example"], "ports": [80, 443]},
        {"hosts": ["tunnel.example"], "tls": "tunnel"},
        {"hosts": ["git.example"], "ports": [80], "paths": ["/acme/web.git/"], "git": "read"},
        {"hosts": ["setup.example"], "ports": [80], "phases": ["setup"]},
        {"hosts": ["localhost", "inside.localhost"], "ports": [port]},
    ]}});
    let document = PolicyDocument::read(&document.to_string())?;
    Ok(document.for_repository("acme/web", &[]))
}

/// All of them; a new attack is one row.
fn table() -> Vec<&'static Inside> {
    [
        by_address::ROWS,
        by_name_service::ROWS,
        by_socket::ROWS,
        by_proxy::ROWS,
        by_allowed_host::ROWS,
        by_tls::ROWS,
        by_people::ROWS,
        by_transparent_road::ROWS,
        by_model::ROWS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The rows as the table lists them.
pub fn listed() -> Vec<Listed> {
    ground::listed(&table(), Family::Network)
}

/// Makes them.
pub async fn run(suite: &mut Suite) -> anyhow::Result<()> {
    ground::try_all(suite, Family::Network, &table(), policy, by_people::grants).await
}
