//! Inside TLS that the proxy opens: each request has to be for the host of its connection.

use crate::ground::Inside;

/// Fronting, where a tunnel would show nothing.
pub const ROWS: &[Inside] = &[Inside {
    id: "net-fronting-inside-tls",
    tries: "Ask for another host's pages inside TLS to an allowed one: by Host, twice, by an absolute address, as a second request, in HTTP/2.",
    script: python!(
        r#"
front, evil = "inspected.example", canary + ".evil.example"
honest = f"GET /simple/a HTTP/1.1\r\nHost: {front}\r\n\r\n"
def get(target, *hosts):
    return f"GET {target} HTTP/1.1\r\n" + "".join(f"{host}\r\n" for host in hosts) + "\r\n"
first = quietly(lambda: inside(front, honest))
for request in [
    get("/simple/a", f"Host: {evil}"), get("/simple/a", f"Host: {front}", f"Host: {evil}"), get("/simple/a", f"Host: {evil}", f"Host: {front}"),
    get("/simple/a", f"Host: {front}:444", f"X: {canary}"), get("/simple/a", f"Host: {canary}@{front}"), get("/simple/a", f"Host: {front}.{evil}"), get("/simple/a", f"Host: {front}, {evil}"),
    get(f"http://{evil}/simple/a", f"Host: {front}"), get(f"https://{evil}/simple/a", f"Host: {evil}"), get(f"https://{front}/simple/{canary}", f"Host: {front}"),
    get(f"//{evil}/simple/a", f"Host: {front}"), get(f"/simple/{canary}"), get("/simple/a", f":authority: {evil}", f"Host: {front}"), get("/simple/a", f"Host: {front}", f"Host : {evil}"),
    get("/simple/a", f"Host: {front}", f" Host: {evil}"), f"GET /simple/{canary} HTTP/1.0\r\n\r\n", f"CONNECT {evil}:443 HTTP/1.1\r\nHost: {evil}:443\r\n\r\n{canary}",
    get("/upload/" + canary, f"Host: {front}"), get("/simple/../upload/" + canary, f"Host: {front}"),
]:
    quietly(lambda: inside(front, request))
    quietly(lambda: inside(front, honest, request))
    quietly(lambda: inside(front, honest + request))
hidden = get("/simple/a", f"Host: {evil}")
quietly(lambda: inside(front, honest.replace("\r\n\r\n", f"\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") + hidden))
# The beginning of HTTP/2, its settings, and a request whose :authority is another host.
block = b"\x82\x87\x84\x41" + bytes([len(evil)]) + evil.encode()
frames = b"\0\0\0\x04\0\0\0\0\0" + struct.pack(">I", len(block))[1:] + b"\x01\x05\0\0\0\x01" + block
quietly(lambda: inside(front, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frames, protocols=["h2"]))
if b" 200 " not in (first or b""): sys.exit("not even an honest request passes: " + seen[0])"#
    ),
    ..Inside::OUT
}];
